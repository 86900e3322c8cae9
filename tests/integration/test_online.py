"""The channel for updates: a server over https that offers, breaks off, lies; what comes of it stands in the card's folder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from card import until
from firmware_samples import COMPATIBLE, TREE, Maker, run
from istars import settings
from istars.platform import paths
from istars.store import firmware

pytestmark = [pytest.mark.timeout(60), pytest.mark.peer]


class Channel(ThreadingHTTPServer):
    """A server with files below /istars/stable. `cut` breaks the next download off after so many bytes."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key", "-out", folder / "cert",
            "-days", "30", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1")  # fmt: skip
        self.certificate = folder / "cert"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "cert", folder / "key")
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.files: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.cut = 0
        self.ranges = True
        self.leads_to = ""

    @property
    def address(self) -> str:
        return f"https://127.0.0.1:{self.server_address[1]}/istars"

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that do not trust us break off: that is what they shall do."""

    def offer(self, *packages: Path, **changes: Any) -> None:
        """An index with these packages, version by version."""
        releases = []
        for number, path in enumerate(packages, start=2):
            content, name = path.read_bytes(), f"iStars-0.{number}.0.tar.gz"
            self.files[f"/istars/stable/{name}"] = content
            releases.append(
                {
                    "version": f"0.{number}.0", "file": name, "size": len(content), "notes": "Better",
                    "sha256": hashlib.sha256(content).hexdigest(), "compatible": [COMPATIBLE], **changes,
                }
            )  # fmt: skip
        said = {"format": 1, "product": "iStars", "channel": "stable", "releases": releases}
        self.files["/istars/stable/index.json"] = json.dumps(said).encode()


class Handler(BaseHTTPRequestHandler):
    """Answers GET, ranges too."""

    server: Channel

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range", "")))
        content = self.server.files.get(self.path)
        if self.server.leads_to or content is None:
            self.send_response(302 if self.server.leads_to else 404)
            self.send_header("Location", self.server.leads_to)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        first = 0
        if self.server.ranges and (asked := self.headers.get("Range")):
            first = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - first))
        self.end_headers()
        if self.server.cut and self.path.endswith(".gz"):
            content, self.server.cut = content[: first + self.server.cut], 0
            self.close_connection = True
        with contextlib.suppress(OSError):
            self.wfile.write(content[first:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def channel(tmp_path: Path, root: Path) -> Iterator[Channel]:
    """A channel that the card of this test asks."""
    server = Channel(tmp_path)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    settings.store.save({"firmware.url": server.address})
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def online(channel: Channel | None, verb: str) -> tuple[int, list[str]]:
    """Exit status and lines of the program."""
    trusted = {"SSL_CERT_FILE": str(channel.certificate)} if channel is not None else {}
    done = subprocess.run(
        [sys.executable, "-m", "istars.online", verb], env={**os.environ, "PYTHONPATH": str(TREE / "app"), **trusted},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_the_newest_release_is_told(channel: Channel, maker: Maker) -> None:
    channel.offer(maker.package(), maker.package())
    status, said = online(channel, "ask")
    assert (status, json.loads(said[-1])["version"]) == (0, "0.3.0")
    channel.offer()
    assert online(channel, "ask") == (0, ["null"])


def test_what_is_fetched_goes_the_way_of_every_package(channel: Channel, maker: Maker) -> None:
    channel.offer(maker.package())
    status, said = online(channel, "fetch")
    assert status == 0, said
    assert "100 %" in said
    taken = firmware.take()
    assert taken is not None
    assert (taken.version, taken.by, taken.address) == ("0.2.0", "the channel", "127.0.0.1")
    assert list((firmware.incoming() / "download").iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False], ids=["continued", "begun anew"])
def test_a_download_that_broke_off_is_finished(channel: Channel, maker: Maker, ranges: bool) -> None:
    channel.offer(maker.package())
    channel.cut, channel.ranges = 1_000_000, ranges
    status, said = online(channel, "fetch")
    assert (status, "broke off" in said[-1]) == (1, True)
    part = firmware.incoming() / "download" / "iStars-0.2.0.tar.gz.part"
    assert part.stat().st_size == 1_000_000
    assert firmware.take() is None
    assert online(channel, "fetch")[0] == 0
    assert channel.asked[-1] == ("/istars/stable/iStars-0.2.0.tar.gz", "bytes=1000000-")
    assert firmware.take() is not None


def test_a_rest_of_another_version_is_never_continued(channel: Channel, maker: Maker) -> None:
    channel.offer(maker.package())
    channel.cut = 1_000_000
    online(channel, "fetch")
    channel.offer(maker.package(), maker.package())
    assert online(channel, "fetch")[0] == 0
    assert channel.asked[-1] == ("/istars/stable/iStars-0.3.0.tar.gz", "")
    assert list((firmware.incoming() / "download").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "not the file that the index describes"),
        ({"size": 100}, "not the file that the index describes"),
        ({"size": 10**9}, "claims to have 1000000000 bytes"),
        ({"size": 60_000_000}, "broke off"),
        ({"file": "../../etc/passwd"}, "releases[0].file"),
    ],
)
def test_a_server_that_lies_gets_nothing_onto_the_card(
    channel: Channel, maker: Maker, changes: dict[str, Any], words: str
) -> None:
    channel.offer(maker.package(), **changes)
    status, said = online(channel, "fetch")
    assert (status, words in said[-1]) == (1, True), said
    assert firmware.take() is None


def test_a_server_that_nobody_vouches_for_is_not_asked(channel: Channel) -> None:
    channel.offer()
    status, said = online(None, "ask")
    assert (status, "self-signed certificate" in said[-1]) == (1, True), said
    assert channel.asked == []


def test_the_card_follows_no_way_to_elsewhere_and_says_what_is_wrong(channel: Channel) -> None:
    channel.leads_to = "http://127.0.0.1:1/"
    assert online(channel, "ask") == (1, ["the server answered with status 302"])
    channel.leads_to = ""
    assert online(channel, "ask") == (1, ["the server answered with status 404"])
    channel.files["/istars/stable/index.json"] = b"<html>"
    assert online(channel, "ask") == (1, ["the index is not JSON"])
    channel.files["/istars/stable/index.json"] = b" " * 300_000
    assert online(channel, "ask") == (1, ["the index is too long"])


def test_the_index_that_our_script_makes_is_understood(channel: Channel, maker: Maker, tmp_path: Path) -> None:
    folder = tmp_path / "stable"
    script = [sys.executable, TREE / "scripts" / "channel-index.py", "--channel", "stable", "--folder", folder]
    run(*script, maker.package("0.2.0", name="a.tar.gz"))
    run(*script, maker.package("0.10.0", name="b.tar.gz"), maker.package("0.9.0", name="c.tar.gz"))
    channel.files = {f"/istars/stable/{path.name}": path.read_bytes() for path in folder.iterdir()}
    status, said = online(channel, "fetch")
    assert (status, json.loads(said[-1])["version"]) == (0, "0.10.0"), said
    again = subprocess.run(
        [*script, maker.package("0.9.0", bundle=maker.bundle("0.9.0"), min_version="0.1.0", name="d.tar.gz")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (again.returncode, "is offered already, with other contents" in again.stderr) == (1, True)


def test_without_an_address_nobody_is_asked(root: Path) -> None:
    assert online(None, "ask") == (1, ["the address of the channels is not set"])


def test_a_card_that_looks_by_itself_downloads_and_checks(
    channel: Channel, maker: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    from istars.workers import channel as module
    from istars.workers.updater import Updater

    paths.rauc_keyring().parent.mkdir(parents=True)
    shutil.copy(maker.keyring, paths.rauc_keyring())
    monkeypatch.setenv("SSL_CERT_FILE", str(channel.certificate))
    monkeypatch.setenv("PYTHONPATH", str(TREE / "app"))
    monkeypatch.setattr(module, "FIRST_WITHIN_S", 0.0)
    channel.offer(maker.package())
    settings.store.save({"firmware.online": "download"})
    updater = Updater()
    updater.begin()

    def ready() -> bool:
        updater.turn()
        return firmware.status().state == "ready"

    until(ready, "it is downloaded and checked")
    found = firmware.status()
    assert found.package is not None
    assert (found.package.version, found.offered and found.offered.version) == ("0.2.0", "0.2.0")
    assert "FIRMWARE_OFFERED" in [event.code for event in updater.live.pending_events()]
    updater.live.close()
