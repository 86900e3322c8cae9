"""What a channel offers: `<address>/<channel>/index.json`, and which of it is for this card.

    {"format": 1, "product": "iStars", "channel": "stable", "releases": [
        {"version": "0.2.0", "file": "iStars-0.2.0.tar.gz", "size": 31000000, "sha256": "...", "compatible": ["istars-nv"],
         "min_version": "0.1.0", "notes": "..."}]}

The file name holds the version, so that what is continued after an interruption never mixes two. `firmware/channel.schema.json`
is the same for other programs. Nothing here is trusted: what counts is the signature inside the package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from istars.errors import IStarsError
from istars.model.versions import BadVersion, version

FORMAT = 1
RELEASES_LIMIT = 100
NOTES_LIMIT = 4_000
_SHA256 = re.compile(r"[0-9a-f]{64}")


class BadIndex(IStarsError):
    """What the channel answered is no index; the text names the member and the reason."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of a channel; `size` in bytes, `min_version` the oldest firmware that it may replace."""

    version: str
    file: str
    size: int
    sha256: str
    compatible: tuple[str, ...]
    min_version: str = ""
    notes: str = ""


def read_index(content: bytes, channel: str) -> list[Release]:
    """The releases of an index; raises BadIndex."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        raise BadIndex("the index is not JSON") from None
    if not isinstance(said, dict) or said.get("product") != "iStars":
        raise BadIndex("product: the index is not one of iStars")
    if said.get("format") != FORMAT:
        raise BadIndex(f"format: {said.get('format')!r} is not known to this firmware")
    if said.get("channel") != channel:
        raise BadIndex(f"channel: it is the index of {str(said.get('channel'))[:40]!r}")
    releases = said.get("releases")
    if not isinstance(releases, list) or len(releases) > RELEASES_LIMIT:
        raise BadIndex(f"releases: is not a list of at most {RELEASES_LIMIT}")
    return [_release(number, each) for number, each in enumerate(releases)]


def _release(number: int, said: object) -> Release:
    where = f"releases[{number}]"
    if not isinstance(said, dict):
        raise BadIndex(f"{where}: is not an object")
    name, oldest = _text(where, said, "version", 100), _text(where, said, "min_version", 100, optional=True)
    for member, text in (("version", name), ("min_version", oldest)):
        try:
            version(text or "0.0.0")
        except BadVersion as error:
            raise BadIndex(f"{where}.{member}: {error}") from None
    compatible = said.get("compatible")
    if not isinstance(compatible, list) or not all(isinstance(each, str) for each in compatible):
        raise BadIndex(f"{where}.compatible: is not a list of names")
    size = said.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size <= 0:
        raise BadIndex(f"{where}.size: is not a number of bytes")
    file, digest = _text(where, said, "file", 200), _text(where, said, "sha256", 64)
    if file != f"iStars-{name}.tar.gz":
        raise BadIndex(f"{where}.file: is not iStars-{name}.tar.gz")
    if not _SHA256.fullmatch(digest):
        raise BadIndex(f"{where}.sha256: is not 64 hexadecimal digits")
    notes = _text(where, said, "notes", NOTES_LIMIT, optional=True)
    return Release(name, file, size, digest, tuple(compatible), oldest, notes)


def _text(where: str, said: Mapping[str, object], member: str, limit: int, *, optional: bool = False) -> str:
    value = said.get(member, "" if optional else None)
    if (
        not isinstance(value, str)
        or len(value) > limit
        or not all(each.isprintable() or each == "\n" for each in value)
    ):
        raise BadIndex(f"{where}.{member}: is not a text of at most {limit} characters")
    return value


def newest(releases: list[Release], runs: str, compatible: str) -> Release | None:
    """The newest release that is newer than what runs and for this card; None where there is none. Raises BadVersion."""
    now = version(runs)
    fitting = [
        each
        for each in releases
        if version(each.version) > now
        and (not compatible or compatible in each.compatible)
        and (not each.min_version or version(each.min_version) <= now)
    ]
    return max(fitting, key=lambda each: version(each.version), default=None)
