"""The whole card on this machine, as a user starts it: `make run` in a root and on a port of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

from istars.platform import clock
from istars.store.archive import Archive
from istars.store.live import LiveTable
from simulators.control import send
from simulators.steering import ERROR

T = TypeVar("T")
TREE = Path(__file__).parents[1]
PATIENCE_S = 30.0
PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to clients: until a program has taken a free one, no connection can come in between."""
_given: set[int] = set()


def free_port() -> int:
    """A port of the loopback that nobody uses now, never the same one twice."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


def until(find: Callable[[], T], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.02) -> T:
    """Wait until `find` answers something true, and answer it."""
    end = time.monotonic() + patience_s
    while not (found := find()):
        assert time.monotonic() < end, f"it did not happen within {patience_s:g} s: {what}"
        time.sleep(every_s)
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(pid: int) -> list[int]:
    """All processes below `pid`."""
    found, unseen = [], [pid]
    while unseen:
        parent = unseen.pop()
        for listing in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                below = [int(word) for word in listing.read_text(encoding="ascii").split()]
            except OSError:
                continue
            found += below
            unseen += below
    return found


class Card:
    """One running card. `environment` adds variables of `make run`."""

    def __init__(self, **environment: str) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="istars-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.password = "correct horse battery"  # chosen by the tests at the first sign-in
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("UPS", "ISTARS", "SIM_"))},
            "ISTARS_ROOT": str(self.root),
            "HTTP_PORT": str(self.port),
            "HTTPS_PORT": str(free_port()),
            "SNMP_PORT": str(free_port()),
            "PYTHONPATH": f"{TREE}/app:{TREE}/tests",
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log = self.root / "make-run.log"

    def start(self) -> Self:
        """`make run`; answers when it says that it is ready."""
        self.launch()
        try:
            until(lambda: self.ready() or not self.running(), "the ready line")
            assert self.ready(), f"make run ended: {self.said()}"
        except AssertionError:
            self.close()
            raise
        return self

    def answers(self) -> bool:
        """Whether the pages answer."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/health", timeout=10) as response:
                return bool(response.status == 200)
        except OSError:
            return False

    def launch(self) -> None:
        """`make run`, without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["make", "--no-print-directory", "run"],
                cwd=TREE, env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def running(self) -> bool:
        """Whether `make run` has not ended."""
        return self.process is not None and self.process.poll() is None

    def said(self) -> str:
        """Everything that it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def ready(self) -> bool:
        """Whether it printed the ready line."""
        return f"iStars is ready at {self.url}\n" in self.said()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it as a user does; answers the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop it if it runs, and remove its root."""
        if self.process is not None:
            self.stop()
        shutil.rmtree(self.root, ignore_errors=True)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`python -m istars ...` on this instance."""
        return subprocess.run(
            [sys.executable, "-m", "istars", *words],
            env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
        )  # fmt: skip

    def json(self, *words: str) -> Any:
        """What `python -m istars ... --json` says."""
        result = self.python(*words, "--json")
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def _live(self) -> LiveTable:
        """The live table itself: tests look many times a second, and by the command line each look starts an interpreter."""
        path = self.root / "run" / "istars" / "live.db"
        assert path.exists(), f"the card has no live table: {self.said()}"
        return LiveTable(path)

    def values(self) -> dict[str, float | str]:
        """Fresh readings by name."""
        with self._live() as live:
            now = clock.boottime()
            return {row.name: row.value for row in live.readings().values() if not row.stale(now)}

    def events(self) -> list[tuple[str, str]]:
        """All events as (kind, code), oldest first."""
        with Archive(self.root / "data" / "istars" / "archive.db", readonly=True) as archive:
            return [(event.kind, event.code) for event in archive.events(since=0, limit=100_000)]

    def alarms(self) -> set[str]:
        """Codes of the alarms that are present."""
        with self._live() as live:
            return {alarm.code for alarm in live.alarms()}

    def beats(self) -> dict[str, int]:
        """Workers that have shown a sign of life, and by which process or thread."""
        with self._live() as live:
            return {name: beat.pid for name, beat in live.heartbeats().items()}

    def sim(self, words: str) -> str:
        """Steer the simulated UPS, as `make sim CMD="..."` does."""
        try:
            answer = send(self.root / "run" / "istars" / "sim.sock", words)
        except OSError as error:
            raise AssertionError(f"no simulator answers: {error}") from error
        assert not answer.startswith(ERROR), answer
        return answer.strip()

    def token(self, permission: str = "read") -> str:
        """A token for the API, made as an owner does."""
        result = self.python("token", "create", "--name", "test", "--permission", permission)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip()

    def get(self, path: str, token: str) -> Any:
        """JSON of the API."""
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def programs(self) -> dict[str, int]:
        """Processes of the card by what they are: supervisord, workers (their parent), each worker, simulator."""
        assert self.process is not None
        found: dict[str, int] = {}
        for pid in children(self.process.pid):
            try:
                name = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
                words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            except OSError:
                continue
            if name.startswith("istars:"):
                found.setdefault(name.removeprefix("istars:"), pid)
            else:
                for mark in ("supervisor.supervisord", "simulators", "workers"):
                    if mark in words:
                        found.setdefault(mark, pid)
        return found
