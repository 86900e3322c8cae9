"""chronyd and chronyc, which others wrote, with our configuration: the worker gives servers, reads the state, compares the clock.

Every chronyd runs with `-x`, so the clock of this machine is never touched, and on the loopback only.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from card import TREE, until
from istars.platform import paths, timekeeping
from istars.settings.store import change
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.workers.system import System

pytestmark = [pytest.mark.peer, pytest.mark.timeout(120)]

CHRONYD = shutil.which("chronyd", path="/usr/sbin:/usr/bin:/sbin") or "/usr/sbin/chronyd"
ME = pwd.getpwuid(os.getuid()).pw_name
FROM_1900 = 2_208_988_800


@contextmanager
def chronyd(configuration: Path) -> Iterator[None]:
    """A chronyd that leaves the clock alone."""
    words = [CHRONYD, "-x", "-d", "-U", "-u", ME, "-f", str(configuration)]
    with configuration.with_suffix(".log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def good_server(folder: Path) -> Iterator[int]:
    """A time server on this machine's own clock; answers its port."""
    port = free_udp_port()
    configuration = folder / "server.conf"
    configuration.write_text(
        f"port {port}\nlocal stratum 1\nallow 127.0.0.1\nbindaddress 127.0.0.1\ncmdport 0\nbindcmdaddress /\n"
        f"pidfile {folder}/server.pid\n"
    )
    with chronyd(configuration):
        yield port


@contextmanager
def server_ahead(seconds: float) -> Iterator[int]:
    """A time server whose clock is ahead of this machine's; answers its port."""
    stop = threading.Event()

    def stamp() -> bytes:
        now = time.time() + seconds + FROM_1900
        return struct.pack("!II", int(now), int(now % 1 * 2**32))

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)

        def serve() -> None:
            while not stop.is_set():
                try:
                    asked, whom = server.recvfrom(512)
                except TimeoutError:
                    continue
                received = stamp()
                # RFC 5905: no warning, version 4, server; stratum 1, poll, precision 2^-20, delay, dispersion, reference
                head = struct.pack("!BBbb", 0x24, 1, asked[2], -20) + struct.pack("!II4s", 0, 0, b"TEST")
                server.sendto(head + received + asked[40:48] + received + stamp(), whom)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def client(root: Path) -> Iterator[Callable[..., None]]:
    """Starts chronyd of the card with `rootfs/etc/chrony.conf` in this root; `port` is that of the servers on 127.0.0.1."""
    with ExitStack() as running:

        def start(*, jumps: bool = True) -> None:
            text = (TREE / "rootfs" / "etc" / "chrony.conf").read_text(encoding="utf-8")
            for folder in ("/run/istars", "/data/istars"):
                assert folder in text
                text = text.replace(f" {folder}", f" {root}{folder}")
            if not jumps:
                # without it the whole difference waits for somebody to adjust the clock
                text = text.replace("makestep 1 3", "")
            configuration = root / "chrony.conf"
            configuration.write_text(text, encoding="utf-8")
            running.enter_context(chronyd(configuration))
            until(timekeeping.runs, "chronyd listens")

        yield start


@pytest.fixture
def start(root: Path) -> Iterator[Callable[[], System]]:
    """Starts the worker on the settings as they stand, as the supervisor would."""
    with ExitStack() as made:

        def begin() -> System:
            worker = System()
            made.callback(worker.live.close)
            worker.begin()
            return worker

        yield begin


def listen_on(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Time servers are asked on port 123, which tests have not: the file that chronyd reads gets another one."""
    usual = timekeeping.files.replace

    def with_port(path: Path, content: bytes, mode: int = 0o640) -> None:
        usual(path, content.replace(b" iburst", b" iburst port %d" % port), mode)

    monkeypatch.setattr(timekeeping.files, "replace", with_port)


def order(worker: System, name: str, **arguments: str) -> LiveCommand:
    """Give the worker a command, let it work until the command has ended."""
    with LiveTable(paths.live_db()) as live:
        number = live.submit("system", name, arguments, asked_by="anna", address="test", lifetime_s=10)

        def ended() -> LiveCommand | None:
            worker.turn()
            command = live.command(number)
            return command if command.ended else None

        found = until(ended, name)
    assert found is not None
    return found


def said(worker: System) -> dict[str, object]:
    worker._next_look = 0.0
    worker.turn()
    with LiveTable(paths.live_db()) as live:
        return {name: each.value for name, each in live.readings().items() if each.source == "system"}


def names_of() -> list[str]:
    return [server.name for server in timekeeping.servers()]


def test_a_server_of_the_settings_is_asked_and_the_clock_agrees(
    root: Path, client: Callable[..., None], start: Callable[[], System], monkeypatch: pytest.MonkeyPatch
) -> None:
    with good_server(root) as port:
        listen_on(monkeypatch, port)
        client()
        change({"time.ntp.servers": "127.0.0.1"})
        worker = start()
        ended = order(worker, "istars.clock.adjust")
        assert (ended.state, ended.result) == ("done", "the clock agrees with 127.0.0.1 within a millisecond")
        told = said(worker)
        assert told["istars.clock.state"] == "synchronised"
        assert told["istars.clock.server"] == "127.0.0.1"
        assert told["istars.clock.reachable"] == 1
        assert abs(float(str(told["istars.clock.offset"]))) < 1
        ended = order(worker, "istars.clock.set", time="2026-11-21 14:05:00")
        assert ended.state == "failed"
        assert ended.result.startswith("the clock follows the time servers")


def test_servers_are_added_and_removed_while_chronyd_runs(
    client: Callable[..., None], start: Callable[[], System]
) -> None:
    change({"time.ntp.servers": "127.0.0.1"})
    client()
    worker = start()
    until(lambda: names_of() == ["127.0.0.1"], "the first server")
    change({"time.ntp.servers": "127.0.0.2, 127.0.0.3", "time.ntp.interval": "64"})
    worker.turn()
    until(lambda: sorted(names_of()) == ["127.0.0.2", "127.0.0.3"], "the others instead")
    change({"time.ntp.servers": ""})
    worker.turn()
    until(lambda: names_of() == [], "none")
    assert said(worker)["istars.clock.state"] == "manual"
    ended = order(worker, "istars.clock.adjust")
    assert (ended.state, ended.result) == ("failed", "no time server is set")


def test_servers_stand_before_chronyd_starts(client: Callable[..., None], start: Callable[[], System]) -> None:
    change({"time.ntp.servers": "127.0.0.9"})
    start()
    client()
    until(lambda: names_of() == ["127.0.0.9"], "the server")


def test_a_server_that_is_silent_is_named(
    client: Callable[..., None], start: Callable[[], System], monkeypatch: pytest.MonkeyPatch
) -> None:
    listen_on(monkeypatch, free_udp_port())
    change({"time.ntp.servers": "127.0.0.1"})
    client()
    worker = start()
    ended = order(worker, "istars.clock.adjust")
    assert (ended.state, ended.result) == ("failed", "no time server answers: 127.0.0.1")
    told = said(worker)
    assert (told["istars.clock.state"], told["istars.clock.reachable"]) == ("searching", 0)
    assert told["istars.clock.detail"] == "no answer from 127.0.0.1"


@pytest.mark.parametrize(
    ("ahead", "words"), [(7.0, r"the clock was 7\.00\d s behind"), (-7.0, r"the clock was 7\.00\d s ahead of")]
)
def test_how_far_the_clock_is_wrong_is_told_and_why_it_was_not_set(
    client: Callable[..., None], start: Callable[[], System], monkeypatch: pytest.MonkeyPatch, ahead: float, words: str
) -> None:
    with server_ahead(ahead) as port:
        listen_on(monkeypatch, port)
        change({"time.ntp.servers": "127.0.0.1"})
        client(jumps=False)
        worker = start()
        ended = order(worker, "istars.clock.adjust")
        assert ended.state == "failed"
        # chronyd may not touch this machine's clock, and says so
        assert re.fullmatch(words + r" 127\.0\.0\.1 and could not be set: 500 Failure", ended.result), ended.result


def test_a_chronyd_that_has_gone_is_not_good_news(
    client: Callable[..., None], start: Callable[[], System], root: Path
) -> None:
    timekeeping.socket_path().parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as left_behind:
        left_behind.bind(str(timekeeping.socket_path()))
    change({"time.ntp.servers": "127.0.0.1"})
    worker = start()
    told = said(worker)
    assert told["istars.clock.state"] == "stopped"
    assert told["istars.clock.detail"]
