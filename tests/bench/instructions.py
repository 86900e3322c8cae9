"""How many instructions one answer of the SNMP agent takes, counted by valgrind's callgrind: no clock, no other load in it.

    python -m bench.instructions KIND COUNT     what callgrind watches: COUNT questions of one kind, answered in this process

Counted is everything between the octets of a question and those of its answer. The sockets are not in it, nor the look at the
live table five times a second. The start of the interpreter goes out by subtracting a run with fewer questions.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from istars.platform import clock, paths
from istars.settings import load
from istars.settings.store import change
from istars.snmp import engine, picture
from istars.snmp.access import access
from istars.snmp.agent import Agent
from istars.snmp.ber import OCTETS, SEQUENCE, integer, tlv
from istars.snmp.counters import Counters
from istars.snmp.picture import Picture
from istars.snmp.state import UpsState
from istars.snmp.writes import Writer
from istars.store.live import LiveTable
from netsnmp import MANAGERS

from bench.snmp import KINDS

FEW, MANY = 200, 3_200
HERE = "127.0.0.1"
READINGS = {
    "ups.status": "OL", "device.mfr": "EAST", "device.model": "EA900", "input.voltage": 231.4, "input.frequency": 49.9,
    "output.voltage": 230.1, "output.frequency": 50.0, "ups.load": 42, "battery.charge": 97, "battery.runtime": 1234,
    "battery.voltage": 218.6, "battery.temperature": 24.6, "ups.beeper.status": "enabled",
}  # fmt: skip


def answer(kind: str, count: int) -> int:
    """Answer `count` questions; how many octets that were."""
    for folder in (paths.data_dir(), paths.run_dir()):
        folder.mkdir(parents=True, exist_ok=True)
    change(MANAGERS)
    picture.LOOK_S = 1e9
    live, own, counters = LiveTable.open_or_renew(paths.live_db()), engine.start(), Counters()
    live.publish("upslink", READINGS, lifetime_s=3600)
    taken = Picture(live, load(), own, counters, UpsState(clock.boottime()))
    agent = Agent(own, taken, Writer(taken), counters)
    agent.use(access(load(), own))
    message = tlv(SEQUENCE, integer(1) + tlv(OCTETS, b"public") + KINDS[kind])
    sent: list[bytes] = []
    for _ in range(count):
        agent.receive(message, HERE, sent.append)
    live.close()
    return sum(map(len, sent))


def run(kind: str, count: int, *watcher: str) -> str:
    """A run of its own with so many questions; what its watcher says."""
    folder = tempfile.mkdtemp(prefix="istars-bench-")
    variables = {**os.environ, "ISTARS_ROOT": folder, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": ""}
    try:
        result = subprocess.run(
            [*watcher, sys.executable, "-m", "bench.instructions", kind, f"{count}"],
            env=variables, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True, timeout=600,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return result.stderr


def counted(kind: str, count: int) -> int:
    """Instructions of a whole run with so many questions."""
    said = run(kind, count, "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")
    found = re.search(r"Collected : (\d+)", said)
    if found is None:
        raise RuntimeError(said[-500:])
    return int(found[1])


def measure() -> dict[str, float] | None:
    """Instructions of one answer by kind; None on a machine without valgrind."""
    if shutil.which("valgrind") is None:
        return None
    kinds = ("GET", "GETBULK of 25")
    run(kinds[0], 1)  # what is compiled at the first run is not counted
    return {kind: (counted(kind, MANY) - counted(kind, FEW)) / (MANY - FEW) for kind in kinds}


if __name__ == "__main__":
    sys.stdout.write(f"{answer(sys.argv[1], int(sys.argv[2]))}\n")
