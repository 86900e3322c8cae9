"""One Q1 poll at 2400 baud, character by character: our transport beside pyserial's read_until (goal G15)."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import serial
from istars.drivers.engine import Options, open_driver
from simulators import Simulator

from bench.processes import own_cpu_ns, own_wakeups

POLLS = 15
CHARACTER_S = 10 / 2400
LINE_S = (len("Q1\r") + 47) * CHARACTER_S
"""What the line itself takes for question and answer."""


def measure() -> dict[str, tuple[float, float, float]]:
    """For each way: wake-ups a poll, CPU in us a poll, seconds a poll."""
    folder = Path(tempfile.mkdtemp(prefix="istars-bench-"))
    found: dict[str, tuple[float, float, float]] = {}
    with Simulator("megatec", link=folder / "ups", paced=True):
        port = serial.Serial(str(folder / "ups"), 2400, timeout=1)

        def read_until() -> None:
            port.reset_input_buffer()
            port.write(b"Q1\r")
            assert len(port.read_until(b"\r")) == 47

        found["pyserial read_until"] = _measure(read_until)
        port.close()
        driver = open_driver("megatec", str(folder / "ups"), Options(cells=96))
        driver.open()
        driver.poll()
        found["iStars"] = _measure(driver.poll)
        driver.close()
    return found


def _measure(poll: object) -> tuple[float, float, float]:
    assert callable(poll)
    cpu, wakeups, started = own_cpu_ns(), own_wakeups(), time.monotonic()
    for _ in range(POLLS):
        poll()
    lasted = time.monotonic() - started
    return (own_wakeups() - wakeups) / POLLS, (own_cpu_ns() - cpu) / POLLS / 1e3, lasted / POLLS
