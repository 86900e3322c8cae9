"""Every simulated UPS is found, on a line of the real speed that was drawn for it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from bench.detection import PROTOCOL_OF, search
from istars.drivers.detect import PARITIES, RATES
from simulators import Simulator
from simulators.designs import DESIGNS


@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", DESIGNS)
def test_every_simulator_is_found_and_nothing_in_it_changes(kind: str, tmp_path: Path) -> None:
    random = Random(kind)
    baud, parity = random.choice(RATES[:3]), random.choice(PARITIES[:2])
    with Simulator(kind, link=tmp_path / "ups", baud=baud, parity=parity, paced=True) as simulator:
        found = search(simulator, tmp_path / "ups").found
    assert found is not None
    assert (found.protocol, found.baud, found.parity) == (PROTOCOL_OF.get(kind, kind), baud, parity)
    assert simulator.device.changes == []
