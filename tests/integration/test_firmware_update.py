"""Update files on a running card: brought by command line and API, checked by the real rauc, interrupted and refused."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from card import Card, until
from firmware_samples import Maker, members, packed, spoiled

pytestmark = [pytest.mark.timeout(120), pytest.mark.peer]

BIG = os.urandom(8 * 2**20)


class Updating(Card):
    """A card that trusts a signer."""

    administrator = ""

    def status(self) -> Any:
        return self.json("firmware", "status")

    def put(self, body: bytes, length: int | None = None) -> http.client.HTTPConnection:
        """A request that brings `body`, of which it announces `length` bytes."""
        if not self.administrator:
            self.administrator = self.token("administrator")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.putrequest("PUT", "/api/v1/firmware/package")
        connection.putheader("Authorization", f"Bearer {self.administrator}")
        connection.putheader("Content-Length", str(len(body) if length is None else length))
        connection.endheaders(body)
        return connection

    def bring(self, body: bytes) -> tuple[int, Any]:
        """Status and answer of a request that brings `body`."""
        connection = self.put(body)
        answer = connection.getresponse()
        said = json.loads(answer.read())
        connection.close()
        return answer.status, said

    @property
    def incoming(self) -> Path:
        return self.root / "data" / "istars" / "update" / "incoming"

    def brought(self) -> list[str]:
        return sorted(path.name for path in self.incoming.iterdir() if path.name != "lock")


@pytest.fixture(scope="module")
def running(maker: Maker) -> Iterator[Updating]:
    """One card for all tests."""
    card = Updating()
    keys = card.root / "etc" / "rauc"
    keys.mkdir(parents=True)
    shutil.copy(maker.keyring, keys / "keyring.pem")
    with card:
        yield card


@pytest.fixture
def card(running: Updating) -> Updating:
    until(lambda: running.status()["state"] != "checking", "the check of an earlier test")
    return running


def test_the_command_line_brings_checks_shows_and_removes(card: Updating, maker: Maker) -> None:
    done = card.python("firmware", "upload", str(maker.package("0.2.0")))
    assert done.returncode == 0, done.stderr
    assert "0.2.0, signed by CN=iStars development signer" in done.stdout
    said = card.python("firmware", "status").stdout
    assert "no slots" in said
    assert "package: 0.2.0" in said
    refused = card.python("firmware", "install")
    assert (refused.returncode, refused.stderr) == (1, "istars: This machine has no slots to install firmware in.\n")
    assert card.python("firmware", "discard").returncode == 0
    assert card.status()["state"] == "idle"


def test_the_command_line_asks_the_channel_and_says_why_it_could_not(card: Updating) -> None:
    done = card.python("firmware", "check")
    assert done.returncode == 1
    assert "channel: the address of the channels is not set" in done.stdout
    assert "the address of the channels is not set" in card.python("firmware", "status").stdout


@pytest.mark.parametrize(
    ("version", "words"), [("spoiled", "not what was signed"), ("strange", "signature verification failed")]
)
def test_the_command_line_says_why_a_bundle_is_refused(
    card: Updating, maker: Maker, stranger: Maker, version: str, words: str
) -> None:
    path = (
        maker.package(bundle=spoiled(maker.bundle()), name="spoiled.tar.gz")
        if version == "spoiled"
        else stranger.package(name="strange.tar.gz")
    )
    done = card.python("firmware", "upload", str(path))
    assert (done.returncode, words in done.stderr) == (1, True), done.stderr
    assert words in card.json("firmware", "history")[0]["reason"]
    until(lambda: ("event", "FIRMWARE_FAILED") in card.events(), "it is an event")


def test_the_api_brings_a_file_that_is_checked_by_itself(card: Updating, maker: Maker) -> None:
    status, said = card.bring(maker.package("0.4.0").read_bytes())
    assert (status, said["version"]) == (200, "0.4.0")
    until(lambda: card.status()["state"] == "ready", "the check")
    assert card.get("/api/v1/firmware", card.administrator)["package"]["version"] == "0.4.0"
    assert card.brought() == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (packed(("../manifest.json", b"{}")), "where manifest.json belongs"),
        (packed(*members(BIG))[: 6 * 2**20], "cut off"),
        (BIG, "not a package"),
        (packed(*members(BIG, size=1)), "another size"),
    ],
    ids=["path", "cut", "noise", "lie"],
)
def test_the_api_refuses_and_the_client_reads_why(card: Updating, body: bytes, words: str) -> None:
    status, said = card.bring(body)
    assert (status, words in said["message"]) == (422, True), said
    assert card.brought() == []


def test_a_connection_that_breaks_off_leaves_nothing_and_the_next_one_is_taken(card: Updating) -> None:
    connection = card.put(packed(*members(BIG))[: 4 * 2**20], length=8 * 2**20)
    until(lambda: "incoming.part" in card.brought(), "the file is coming in")
    assert card.status()["state"] == "receiving"
    second, said = card.bring(packed(*members(b"x")))
    assert (second, said["error"]) == (409, "busy")
    connection.sock.shutdown(socket.SHUT_RDWR)
    connection.close()
    until(lambda: card.brought() == [] and card.status()["state"] != "receiving", "it is cleaned up")
    assert card.bring(packed(*members(b"x")))[0] == 200


def test_a_web_worker_that_is_killed_in_between_leaves_no_lock(card: Updating, maker: Maker) -> None:
    connection = card.put(packed(*members(BIG))[: 4 * 2**20], length=8 * 2**20)
    until(lambda: "incoming.part" in card.brought(), "the file is coming in")
    web = card.programs()["web"]
    os.kill(web, signal.SIGKILL)
    connection.close()
    until(lambda: card.answers() and card.programs().get("web") not in (None, web), "the pages are back")
    done = card.python("firmware", "upload", str(maker.package("0.2.0")))
    assert done.returncode == 0, done.stderr
    assert card.brought() == []


def test_an_updater_that_is_killed_takes_up_where_it_was(card: Updating, maker: Maker) -> None:
    assert card.python("firmware", "upload", str(maker.package("0.2.0"))).returncode == 0
    updater = card.programs()["updater"]
    os.kill(updater, signal.SIGKILL)
    until(lambda: card.programs().get("updater") not in (None, updater), "it starts again")
    until(lambda: card.status()["state"] == "ready", "it has checked what is there")


def test_the_memory_of_the_pages_does_not_grow_with_the_file(card: Updating) -> None:
    def peak() -> int:
        workers = [card.programs()["web"], *_children(card.programs()["web"])]
        return sum(_peak_kb(pid) for pid in workers)

    before = peak()
    assert card.bring(packed(*members(BIG)))[0] == 200
    assert peak() - before < 4 * 1024


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [int(word) for word in words]


def _peak_kb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
