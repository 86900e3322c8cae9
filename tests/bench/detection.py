"""How long it takes to find a UPS with a random protocol, speed and parity, on a line of that real speed."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from random import Random
from statistics import median

from istars.drivers.detect import PARITIES, RATES, Detection, detect
from istars.drivers.item import Line
from istars.drivers.transport import SerialTransport, Transport
from simulators import Simulator
from simulators.designs import DESIGNS
from simulators.line import Setting

DRAWS = int(os.environ.get("DETECTIONS", "10"))
PROTOCOL_OF = {"megatec-interactive": "megatec", "east": "east-ea900", "invt": "invt-hr11"}


class Joined(SerialTransport):
    """A serial port that tells the simulator how it is set up, which a pty cannot."""

    simulator: Simulator

    def open(self) -> None:
        """See Transport."""
        super().open()
        self.simulator.client = Setting(self._line.baud, self._line.parity)


def search(simulator: Simulator, link: Path) -> Detection:
    """A whole search on the pty of a simulator."""

    def opener(device: str, line: Line) -> Transport:
        transport = Joined(device, line)
        transport.simulator = simulator
        return transport

    *_, state = detect(str(link), opener=opener)
    return state


def measure() -> tuple[int, int, float, float]:
    """How many were found right and without a change in the UPS, of how many; median and longest time in seconds."""
    random, found, times = Random(5), 0, []
    with tempfile.TemporaryDirectory(prefix="istars-bench-") as folder:
        for _ in range(DRAWS):
            kind, baud, parity = random.choice(list(DESIGNS)), random.choice(RATES), random.choice(PARITIES)
            link = Path(folder) / "ups"
            with Simulator(kind, link=link, baud=baud, parity=parity, paced=True) as simulator:
                started = time.monotonic()
                hit = search(simulator, link).found
                times.append(time.monotonic() - started)
            right = hit is not None and (hit.protocol, hit.baud, hit.parity) == (
                PROTOCOL_OF.get(kind, kind),
                baud,
                parity,
            )
            found += right and not simulator.device.changes
    return found, DRAWS, median(times), max(times)
