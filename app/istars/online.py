"""The program that asks a channel for new firmware and fetches it: `python -m istars.online ask|fetch`.

The updater runs it as a process of its own: TLS takes memory that is given back afterwards, and what comes from the net is not
read by root. What it says stands in lines of standard output, the last one is JSON or the reason why not. What it has fetched
goes the way of every package (`store/firmware.py`); a rest of an interrupted download is continued where it was cut off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from istars.errors import IStarsError
from istars.model.release import Release, newest, read_index
from istars.platform import board, paths
from istars.settings import load
from istars.store import firmware
from istars.store.package import PACKAGE_LIMIT

PATIENCE_S = 30.0
INDEX_LIMIT = 256 * 1024
CHUNK = 64 * 1024


class NotReached(IStarsError):
    """The channel cannot be asked, or did not give what it has promised."""


def say(text: str) -> None:
    """One line for the updater."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def opener() -> urllib.request.OpenerDirector:
    """Opens https addresses and nothing else: no redirects, no proxies that a variable names, no plain http."""
    made = urllib.request.OpenerDirector()
    handlers = (
        urllib.request.HTTPSHandler(context=ssl.create_default_context()),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    )
    for handler in handlers:
        made.add_handler(handler)
    return made


def _get(url: str, first: int = 0) -> HTTPResponse:
    """The answer from byte `first` on. Raises NotReached."""
    if urlsplit(url).scheme != "https":
        raise NotReached("the address of the channels must begin with https://")
    headers = {"User-Agent": f"iStars/{board.firmware_version()}", **({"Range": f"bytes={first}-"} if first else {})}
    try:
        answer: HTTPResponse = opener().open(urllib.request.Request(url, headers=headers), timeout=PATIENCE_S)  # noqa: S310
    except urllib.error.HTTPError as error:
        raise NotReached(f"the server answered with status {error.code}") from None
    except urllib.error.URLError as error:
        raise NotReached(str(getattr(error.reason, "verify_message", "") or error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotReached(str(error) or type(error).__name__) from None
    return answer


def ask() -> tuple[str, Release | None]:
    """Address of the channel, and the newest release for this card. Raises IStarsError."""
    settings = load()
    base, channel = settings.text("firmware.url").rstrip("/"), settings.text("firmware.channel")
    if not base:
        raise NotReached("the address of the channels is not set")
    address = f"{base}/{channel}"
    try:
        with _get(f"{address}/index.json") as answer:
            content = answer.read(INDEX_LIMIT + 1)
    except (OSError, HTTPException) as error:
        raise NotReached(str(error) or type(error).__name__) from None
    if len(content) > INDEX_LIMIT:
        raise NotReached("the index is too long")
    return address, newest(read_index(content, channel), board.firmware_version(), board.load().compatible)


def fetch(address: str, release: Release) -> None:
    """Download a release, from where an earlier attempt has stopped, and hand it over. Raises IStarsError, OSError."""
    if release.size > PACKAGE_LIMIT:
        raise NotReached(f"{release.file} claims to have {release.size} bytes; more than {PACKAGE_LIMIT} are not taken")
    firmware.make_dirs()
    folder = firmware.incoming() / "download"
    folder.mkdir(exist_ok=True, mode=0o770)
    part = folder / f"{release.file}.part"
    for rest in folder.iterdir():
        if rest != part:
            rest.unlink()
    room = os.statvfs(folder)
    if room.f_bavail * room.f_frsize < 2 * release.size + firmware.ROOM_LEFT:
        raise NotReached(f"flash has no room for {2 * release.size / 1e6:.1f} MB")
    _continue(f"{address}/{release.file}", part, release.size)
    if _digest(part) != release.sha256:
        part.unlink()
        raise NotReached(f"{release.file} is not the file that the index describes")
    with part.open("rb") as file:
        firmware.receive(file, by="the channel", address=urlsplit(address).hostname or "")
    part.unlink()


def _continue(url: str, part: Path, size: int) -> None:
    """Bring `part` to `size` bytes. Raises NotReached, OSError; what has come by then is kept."""
    have = part.stat().st_size if part.exists() else 0
    if have > size:
        part.unlink()
        have = 0
    if have == size:
        return
    with _get(url, have) as answer:
        whole = not have or answer.status != 206
        if not whole and not (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
            raise NotReached("the server continues at another place than it was asked to")
        with part.open("wb" if whole else "ab") as out:
            _copy(answer, out.write, 0 if whole else have, size)
            out.flush()
            os.fsync(out.fileno())


def _copy(answer: HTTPResponse, write: object, have: int, size: int) -> None:
    told = -1
    while have < size:
        try:
            piece = answer.read(min(CHUNK, size - have))
        except (OSError, HTTPException) as error:
            raise NotReached(f"the connection broke off: {error}") from None
        if not piece:
            raise NotReached("the connection broke off")
        write(piece)  # type: ignore[operator]
        have += len(piece)
        if (share := have * 100 // size) != told:
            say(f"{share} %")
            told = share


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main(words: Sequence[str]) -> int:
    """`ask`, or `fetch` what is newest; the last line says what came of it."""
    if list(words) not in (["ask"], ["fetch"]):
        sys.stderr.write("usage: python -m istars.online ask|fetch\n")
        return 2
    try:
        paths.make_dirs()
        address, release = ask()
        if release is not None and words[0] == "fetch":
            fetch(address, release)
    except (IStarsError, OSError) as error:
        say(str(error))
        return 1
    say(json.dumps(dataclasses.asdict(release) if release is not None else None))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
