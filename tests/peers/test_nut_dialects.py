"""The subdrivers of NUT's nutdrv_qx, one for each dialect: simulator and card agree with them through an outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from card import Card, until
from peers.test_nut import Nut, agree
from simulators import Simulator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

# The card's protocol, NUT's name of it, and what NUT shows of it in another way.
CASES = {
    "q1": ("q1", set()),
    "mustek": ("mustek", set()),
    "zinto": ("zinto", set()),
    "mecer": ("mecer", set()),
    "megatec-old": ("megatec/old", set()),
    # NUT calls the frequency of the output that of the input.
    "voltronic-qs": ("voltronic-qs", {"input.frequency"}),
    "voltronic": ("voltronic", set()),
    # A driver of its own; it has no rated values.
    "huawei-ups2000": ("", set()),
}


@pytest.mark.parametrize("kind", CASES)
def test_nut_and_the_card_show_the_same_through_an_outage(kind: str, tmp_path: Path) -> None:
    protocol, without = CASES[kind]
    with Simulator(kind, link=tmp_path / "ups", tcp=0) as simulator:
        simulator.control("wander off")
        card = Card(UPS=f"tcp:127.0.0.1:{simulator.tcp_port}", UPS_PROTOCOL=kind)
        driver = ("nutdrv_qx", f"protocol = {protocol}", "pollfreq = 1") if protocol else (kind,)
        nut = Nut(tmp_path, driver[0], tmp_path / "ups", *driver[1:])
        try:
            with card:
                until(lambda: "ups.status" in nut.variables(), "NUT knows the UPS")
                token = card.token()
                agree(nut, card, token, without, "on mains")
                simulator.control("load 70")
                simulator.control("mains off")
                until(lambda: "OB" in nut.variables().get("ups.status", ""), "NUT sees the outage")
                agree(nut, card, token, without, "on battery")
                simulator.control("battery low")
                until(lambda: "LB" in nut.variables().get("ups.status", ""), "NUT sees the low battery")
                agree(nut, card, token, without, "at low battery")
                simulator.control("mains on")
                simulator.control("battery 100")
                until(lambda: nut.variables().get("ups.status", "").split()[:1] == ["OL"], "NUT sees mains")
                agree(nut, card, token, without, "after the outage")
                nut.command("test.battery.start.quick")
                until(lambda: "TEST" in str(card.values()["ups.status"]), "the card sees the test that NUT began")
        finally:
            nut.close()
