"""A whole poll of each text protocol at 2400 baud beside the time that its frames take on the wire."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from istars.drivers.engine import Driver, Options
from istars.drivers.transport import SerialTransport
from istars.drivers.ups import TEXT_PROTOCOLS, protocol_named
from simulators import Simulator

POLLS = 5
CHARACTER_S = 10 / 2400


class Counting(SerialTransport):
    """A serial port that counts the characters that pass."""

    passed = 0

    def write(self, data: bytes) -> None:
        """See Transport."""
        self.passed += len(data)
        super().write(data)

    def read(self, least: int, until: float) -> bytes:
        """See Transport."""
        data = super().read(least, until)
        self.passed += len(data)
        return data


def measure() -> dict[str, tuple[float, float]]:
    """For each protocol: seconds of a poll, and seconds of its frames on the wire. The device answers without thinking."""
    with tempfile.TemporaryDirectory(prefix="istars-bench-") as folder:
        return {name: _one(name, Path(folder) / "ups") for name in TEXT_PROTOCOLS}


def _one(name: str, link: Path) -> tuple[float, float]:
    simulator = Simulator(name, link=link, baud=2400, paced=True)
    simulator.device.thinking_s = 0.0  # type: ignore[misc]
    with simulator:
        protocol = protocol_named(name)
        transport = Counting(str(link), protocol.line)
        driver = Driver(protocol, transport, Options(cells=12))
        # The first polls also ask who it is.
        for _ in range(3):
            driver.poll()
        polls, wires = [], []
        for _ in range(POLLS):
            before, started = transport.passed, time.monotonic()
            driver.poll()
            polls.append(time.monotonic() - started)
            wires.append((transport.passed - before) * CHARACTER_S)
        driver.close()
    return median(polls), median(wires)
