"""The program `notifier` alone, on an instance of its own; the test is its core and its servers."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from istars.model.alarms import ALARMS
from istars.platform import clock, paths
from istars.store import wake
from istars.store.archive import Archive, Event
from istars.store.live import LiveTable
from istars.store.outbox import Message, Outbox

TREE = Path(__file__).parents[2]
PATIENCE_S = 30.0


def until(true: Callable[[], object], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until `true()`; fail saying `what` after `patience_s`."""
    end = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what}"
        time.sleep(0.02)


class Notifying:
    """Starts, kills and feeds the notifier."""

    def __init__(self, environment: dict[str, str], prefix: tuple[str, ...] = ()) -> None:
        self._prefix = prefix
        self._environment = {**os.environ, "PYTHONPATH": str(TREE / "app"), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._archive = Archive(paths.archive_db())
        self.live = LiveTable(paths.live_db())

    def start(self) -> None:
        before = clock.boottime()
        self._process = subprocess.Popen(
            [*self._prefix, sys.executable, "-m", "istars", "notifier"], env=self._environment
        )

        def alive() -> bool:
            beat = self.live.heartbeats().get("notifier")
            return beat is not None and beat.at >= before

        until(alive, "the notifier starts")

    def begin(self) -> None:
        """Start for the first time: only what happens from now on is told."""
        self.start()
        until(lambda: _cursor() is not None, "the notifier has looked at the record")

    def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def happen(self, code: str, kind: str = "raise", at: float | None = None, alarm: str | None = "alarm-1") -> str:
        """An event goes into the record, as the core would write it; answers its key."""
        self._count += 1
        key = f"event-{self._count}"
        moment = clock.wall() if at is None else at
        event = Event(0, key, moment, code, kind, ALARMS[code].severity.value, {}, None if kind == "event" else alarm)
        self._archive.append([event], [])
        wake.nudge("notifier")
        return key

    def test_message(self, endpoint: str, address: str) -> str:
        """Ask for a test message; answers what the person sees."""
        arguments = {"endpoint": endpoint, "address": address}
        number = self.live.submit(
            "notifier", "istars.notify.test", arguments, asked_by="ann", address="", lifetime_s=20
        )
        wake.nudge("notifier")
        until(lambda: self.live.command(number).ended, "the test message ends")
        return f"{self.live.command(number).state}: {self.live.command(number).result}"

    def messages(self, channel: str) -> list[Message]:
        with Outbox(paths.outbox_db(), readonly=True) as outbox:
            return outbox.messages(channel, limit=10_000)

    def waiting(self, endpoint: str) -> int:
        """How many messages have no final state."""
        with Outbox(paths.outbox_db(), readonly=True) as outbox:
            return outbox.waiting(endpoint)

    def results(self, channel: str) -> list[str]:
        """States and results, oldest first."""
        return [f"{message.state}: {message.result}" for message in self.messages(channel)[::-1]]

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._archive.close()
        self.live.close()


def _cursor() -> int | None:
    if not paths.outbox_db().exists():
        return None
    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        return outbox.cursor()


@contextlib.contextmanager
def notifying(*prefix: str, **environment: str) -> Iterator[Notifying]:
    """A notifier that is stopped at the end; `prefix` is a command that starts it (`ip netns exec ...`)."""
    card = Notifying(environment, prefix)
    try:
        yield card
    finally:
        card.close()
