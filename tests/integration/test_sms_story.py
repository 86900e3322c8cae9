"""The whole card with a modem: from the UPS that loses mains to the message that the network takes."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from card import Card, until
from simulators.gsm import GsmModem
from smspdudecoder.fields import SMSSubmit

ANN = "+8613912345678"


def test_a_mains_failure_is_told_by_sms(tmp_path: Path) -> None:
    with GsmModem(tmp_path / "modem") as far, Card() as card:
        for key, value in {
            "sms.device": str(far.link),
            "sms.to.1.number": ANN,
            "sms.to.1.events": "power",
            "system.name": "UPS-A",
        }.items():
            assert card.python("settings", "set", key, value).returncode == 0
        until(lambda: card.values().get("istars.modem.state") == "ready", "the modem is ready")
        assert card.values()["istars.modem.operator"] == "CHINA MOBILE"
        card.sim("mains off")
        until(lambda: far.sent, "the message is sent")
        read = SMSSubmit.decode(StringIO(far.sent[0]))
        assert read["recipient"]["number"] == ANN.removeprefix("+")
        assert read["user_data"]["data"].startswith("[UPS-A] On battery since ")
        before = card.beats()["modem"]
        far.unplug()
        until(
            lambda: card.values().get("istars.sms.trouble") == "The port does not exist", "the card says what is wrong"
        )
        assert card.beats()["modem"] == before
        assert "modem ends" not in card.said()
