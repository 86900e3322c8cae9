"""rootfs/usr/lib/istars/feed-watchdog with a shell of this machine: when the watchdog is fed, and when firmware is left."""

from __future__ import annotations

import json
import os
import select
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "rootfs/usr/lib/istars/feed-watchdog"
EVENT = "ver:3.0 server:istars serial:1 pool:watchdog poolserial:1 eventname:TICK_5 len:15\nwhen:1700000000"
OK = "READY\nRESULT 2\nOK"
DEADLINE_S = 300
FROM_POWER_ON_S = DEADLINE_S + 120


class Machine:
    """Files of a card in a folder; a terminal is its watchdog, because that must be a device."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fed, self._slave = os.openpty()
        for path in ("proc", "etc/istars", "run/istars", "data/istars/update", "bin"):
            (folder / path).mkdir(parents=True)
        self.write(
            "etc/istars/board.json", json.dumps({"trial": {"healthy_s": 60, "deadline_s": DEADLINE_S}}, indent=2)
        )
        self.write("proc/uptime", "40.12 30.00\n")
        self.write("bin/reboot", f"#!/bin/sh\ntouch {folder}/restarted\n")
        (folder / "bin/reboot").chmod(0o755)
        text = SCRIPT.read_text(encoding="utf-8").replace("/dev/watchdog", os.ttyname(self._slave))
        for place in ("/proc/", "/etc/", "/run/", "/data/"):
            text = text.replace(place, f"{folder}{place}")
        self.write("feed", text)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def tick(self, times: int = 1) -> subprocess.CompletedProcess[str]:
        """supervisord tells of a tick, then ends."""
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        words = ["sh", str(self.folder / "feed")]
        return subprocess.run(
            words, input=EVENT * times, capture_output=True, text=True, check=False, env={"PATH": path}
        )

    def meals(self) -> int:
        """How often the watchdog was fed since the last look."""
        ready, _, _ = select.select([self.fed], [], [], 0)
        return os.read(self.fed, 4096).count(b".") if ready else 0

    def restarted(self) -> bool:
        return (self.folder / "restarted").exists()

    def close(self) -> None:
        os.close(self.fed)
        os.close(self._slave)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    made.close()


def test_each_tick_of_supervisord_feeds_the_watchdog_once(machine: Machine) -> None:
    done = machine.tick(3)
    assert done.stdout == OK * 3 + "READY\n"
    assert machine.meals() == 3


def test_without_a_tick_nobody_feeds(machine: Machine) -> None:
    machine.tick(0)
    assert machine.meals() == 0


@pytest.mark.parametrize("state", ["restart", "trial"])
def test_firmware_that_does_not_come_so_far_as_to_judge_itself_is_left(machine: Machine, state: str) -> None:
    machine.write("data/istars/update/state.json", f'{{"state": "{state}", "reason": ""}}')
    machine.write("proc/uptime", f"{FROM_POWER_ON_S + 1}.00 0.00\n")
    done = machine.tick(2)
    assert (done.returncode, machine.restarted(), machine.meals()) == (1, True, 0)
    assert done.stdout == "READY\n"


@pytest.mark.parametrize(
    ("state", "up", "confirmed"),
    [("trial", FROM_POWER_ON_S - 1, False), ("trial", 9000, True), ("good", 9000, False), ("rolled-back", 9000, False)],
)
def test_firmware_that_runs_is_not_left(machine: Machine, state: str, up: int, confirmed: bool) -> None:
    machine.write("data/istars/update/state.json", f'{{"state": "{state}"}}')
    machine.write("proc/uptime", f"{up}.00 0.00\n")
    if confirmed:
        machine.write("run/istars/firmware-confirmed", "")
    machine.tick()
    assert (machine.meals(), machine.restarted()) == (1, False)
