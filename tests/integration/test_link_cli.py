"""Finding a UPS and bringing a register map from the command line, with the whole card running."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from card import Card, until
from simulators import Simulator

pytestmark = pytest.mark.timeout(120)

MAP = Path(__file__).parents[1] / "fixtures" / "maps" / "unknown-ups.json"


def test_the_card_finds_its_ups_and_learns_a_map(tmp_path: Path) -> None:
    with Simulator("east", link=tmp_path / "ups", tcp=0) as simulator:
        with Card(UPS=f"tcp:127.0.0.1:{simulator.tcp_port}", UPS_PROTOCOL="automatic") as card:
            assert card.values()["istars.ups.mode"] == "line"
            found = card.python("detect", "--json")
            assert found.returncode == 0, found.stderr
            said, _, shown = found.stdout.partition("\n")
            assert said.startswith("done: EAST EA900 G4 (Modbus RTU) on tcp:127.0.0.1:")
            assert json.loads(shown)["found"]["protocol"] == "east-ea900"
            kept = card.python("map", "keep", str(MAP))
            assert "6 of 6 registers answer" in kept.stdout, kept.stdout + kept.stderr
            assert card.python("map", "list").stdout == "unknown-ups: Worked example: an unknown UPS\n"
            assert card.python("map", "show", "unknown-ups").stdout == MAP.read_text("utf-8")
            until(lambda: card.values().get("ups.status") == "OL", "the UPS is read again")
            assert card.python("map", "remove", "unknown-ups").returncode == 0
            assert card.python("map", "list").stdout == ""
            bad = tmp_path / "bad.json"
            bad.write_text("{")
            refused = card.python("map", "keep", str(bad))
            assert refused.returncode == 1
            assert "no valid JSON" in refused.stdout
        assert simulator.device.changes == []
