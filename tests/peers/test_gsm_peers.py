"""Short messages from the event to the network, through a modem that gammu and smstools take for one too."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from istars.settings.store import save
from peers.notifying import Notifying, notifying, until
from simulators.gsm import GsmModem
from smspdudecoder.fields import SMSSubmit

pytestmark = pytest.mark.peer

ANN, BEN = "+8613912345678", "+8613900000002"


@pytest.fixture
def far(root: Path) -> Iterator[GsmModem]:
    with GsmModem(root / "modem") as made:
        yield made


@pytest.fixture
def card(far: GsmModem) -> Iterator[Notifying]:
    with notifying() as made:
        yield made


@contextlib.contextmanager
def modem_worker(card: Notifying) -> Iterator[subprocess.Popen[bytes]]:
    """The program `modem` alone."""
    process = subprocess.Popen([sys.executable, "-m", "istars", "modem"], env=card._environment)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def texts(far: GsmModem) -> list[str]:
    return [SMSSubmit.decode(StringIO(pdu))["user_data"]["data"] for pdu in far.sent]


def reading(card: Notifying, name: str) -> object:
    found = card.live.readings().get(name)
    return found.value if found is not None else None


def test_gammu_takes_it_for_a_modem(far: GsmModem, tmp_path: Path) -> None:
    config = tmp_path / "gammurc"
    config.write_text(f"[gammu]\nport={far.link}\nconnection=at115200\nmodel=at\n", encoding="utf-8")

    def gammu(*words: str) -> str:
        return subprocess.run(
            ["gammu", "-c", str(config), *words], capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert "SIMCOM_SIM800C" in gammu("identify")
    text = "0123456789" * 20
    assert "message reference=2" in gammu("sendsms", "TEXT", ANN, "-len", "400", "-text", text)
    assert texts(far) == [text[:153], text[153:]]
    far.arrive(BEN, "STATUS")
    assert "STATUS" in gammu("getallsms")
    far.pin = "1234"
    assert "PIN" in gammu("getsecuritystatus")


def test_smsd_takes_it_for_a_modem(far: GsmModem, tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("outgoing", "checked", "incoming", "sent", "failed")}
    for folder in folders.values():
        folder.mkdir()
    config = tmp_path / "smsd.conf"
    config.write_text(
        "devices = GSM1\ndelaytime = 1\n"
        + "".join(f"{name} = {folder}\n" for name, folder in folders.items())
        + "".join(f"{name} = {tmp_path / name}\n" for name in ("logfile", "infofile", "pidfile"))
        + f"[GSM1]\ndevice = {far.link}\nincoming = no\ninit = AT+CMEE=1\nbaudrate = 115200\n",
        encoding="utf-8",
    )
    (folders["outgoing"] / "one").write_text(f"To: {ANN.removeprefix('+')}\n\nUPS low battery", encoding="utf-8")
    # -t: its threads end with it.
    smsd = subprocess.Popen(["/usr/sbin/smsd", f"-c{config}", "-t"], stdout=subprocess.DEVNULL)
    try:
        until(lambda: (folders["sent"] / "one").exists(), "smsd says that the message was sent")
    finally:
        smsd.terminate()
        smsd.wait()
    assert texts(far) == ["UPS low battery"]


def test_an_event_becomes_a_short_message(card: Notifying, far: GsmModem) -> None:
    save({"system.name": "UPS-A", "sms.device": str(far.link), "sms.to.1.number": ANN, "sms.to.2.number": BEN})
    save({"sms.to.2.events": "all", "sms.pin": "1234"})
    far.pin = "1234"
    with modem_worker(card):
        card.begin()
        until(lambda: reading(card, "istars.modem.state") == "ready", "the modem is ready")
        card.happen("ON_BATTERY")
        until(lambda: texts(far), "the message is sent")
        card.happen("BATTERY_LOW", alarm="alarm-2")
        until(lambda: len(texts(far)) == 3, "both are told of what is critical")
        assert texts(far)[0].startswith("[UPS-A] On battery since ")
        assert card.test_message("sms", ANN) == "done: taken by the network, reference 4"
        far.refusals.append(28)
        assert card.test_message("sms", ANN) == "failed: the number is not known (+CMS ERROR: 28)"
        far.sim = False
        assert card.test_message("sms", ANN) == "failed: There is no SIM card"
        until(lambda: reading(card, "istars.sms.trouble") == "There is no SIM card", "it says so")
    assert far.pins_given == ["1234"]


def test_a_question_by_sms_is_answered_and_the_notifier_that_restarts_sends_nothing_twice(
    card: Notifying, far: GsmModem
) -> None:
    save({"sms.device": str(far.link), "sms.to.1.number": ANN, "sms.status": "on"})
    card.begin()
    far.arrive(BEN, "STATUS")
    far.arrive(ANN, "STATUS")
    far.hold = True
    with modem_worker(card):
        far.wait_held()
        card.kill()
        card.start()
        far.release()
        until(lambda: not far.waiting and not card.waiting("sms"), "it is answered")
    assert len(far.sent) == 1
    assert "No data from the UPS" in texts(far)[0]


def test_a_worker_that_is_told_to_stop_finishes_the_message(card: Notifying, far: GsmModem) -> None:
    save({"sms.device": str(far.link), "sms.to.1.number": ANN, "sms.to.1.events": "all"})
    card.begin()
    with modem_worker(card) as process:
        until(lambda: reading(card, "istars.modem.state") == "ready", "the modem is ready")
        far.hold = True
        card.happen("ON_BATTERY")
        far.wait_held()
        process.terminate()
        far.release()
        process.wait()
    assert card.results("sms") == ["sent: taken by the network, reference 1"]
