"""The data record of a real core that is killed again and again: what could be read once can be read ever after."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from istars.platform import clock, paths
from istars.settings.store import save
from istars.store import wake
from istars.store.history import History
from istars.store.live import LiveTable

TREE = Path(__file__).parents[2]
KILLS = 4
PATIENCE_S = 60.0


class RealCore:
    """The program `core` alone; the test is its UPS."""

    def __init__(self) -> None:
        save({"ups.record.interval": "2"})
        self.live = LiveTable(paths.live_db())
        self.process: subprocess.Popen[bytes] | None = None
        self.volts = 200.0

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(TREE / "app")}
        self.process = subprocess.Popen([sys.executable, "-m", "istars", "core"], env=environment)

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def read(self) -> dict[int, float | None]:
        """The record as somebody else reads it."""
        if not paths.history_db().exists():
            return {}
        with History(paths.history_db(), readonly=True) as history:
            found = history.series(["input.voltage"], 0, clock.wall() + 60)
        return dict(zip(found.times, found.columns["input.voltage"], strict=True))

    def until(self, true: Callable[[dict[int, float | None]], bool], what: str) -> dict[int, float | None]:
        """Publish a new voltage every now and then until the record is as it should be."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.volts += 0.1
            self.live.publish("upslink", {"input.voltage": round(self.volts, 1), "ups.status": "OL"}, lifetime_s=30)
            wake.nudge("core")
            found = self.read()
            if true(found):
                return found
            assert time.monotonic() < end, f"not within {PATIENCE_S:g} s: {what}"
            time.sleep(0.1)


@pytest.fixture
def core(root: Path) -> Iterator[RealCore]:
    made = RealCore()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    made.live.close()


@pytest.mark.timeout(180)
def test_what_was_recorded_once_stays_however_often_the_core_is_killed(core: RealCore) -> None:
    known: dict[int, float | None] = {}
    for _ in range(KILLS):
        core.start()
        before = len(known)
        known = core.until(lambda found, least=before + 2: len(found) >= least, "two more records")
        core.kill()
        after = core.read()
        assert known.items() <= after.items()
        known = after
    assert list(known) == sorted(known)
    values = [value for value in known.values() if value is not None]
    assert len(values) == len(known)
    assert values == sorted(values)
