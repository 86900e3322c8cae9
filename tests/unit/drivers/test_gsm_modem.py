"""The commands of a modem, with a simulated one on a pty."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from istars.drivers.item import Line
from istars.drivers.modem.modem import Modem, Refused, Times
from istars.drivers.modem.pdu import deliver, submit
from istars.drivers.transport import transport_for
from istars.errors import BadAnswer, NoAnswer, PortError
from simulators.gsm import GsmModem
from unit.drivers.loop import LoopTransport

pytestmark = pytest.mark.thorough

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "gsm.jsonl"
TO = "+8613912345678"
IMPATIENT = Times(0.05, 0.05, 0.05)


@pytest.fixture
def far(tmp_path: Path) -> Iterator[GsmModem]:
    with GsmModem(tmp_path / "modem") as made:
        yield made


@pytest.fixture
def modem(far: GsmModem) -> Iterator[Modem]:
    made = Modem(transport_for(str(far.link), Line(baud=115_200)))
    made.open()
    made.prepare()
    made.prepare_messages()
    yield made
    made.close()


def test_what_it_tells_about_itself(modem: Modem) -> None:
    assert modem.identity() == "SIMCOM_Ltd SIMCOM_SIM800C"
    assert modem.sim() == ("ready", "READY")
    assert modem.card() == "89860012345678901234"
    assert modem.operator() == "CHINA MOBILE"
    assert modem.signal() == -71


def test_a_signal_that_is_not_known_is_none(modem: Modem, far: GsmModem) -> None:
    far.signal = 99
    assert modem.signal() is None


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "none"), (1, "home"), (2, "searching"), (3, "denied"), (4, "unknown"), (5, "roaming"), (9, "unknown")],
)
def test_how_it_is_registered(modem: Modem, far: GsmModem, number: int, said: str) -> None:
    far.registration = number
    assert modem.registration() == said


def test_registration_in_a_network_without_2g(modem: Modem, far: GsmModem) -> None:
    far.lte = True
    assert modem.registration() == "home"


def test_the_state_of_the_sim_card(modem: Modem, far: GsmModem) -> None:
    far.pin = "1234"
    assert modem.sim()[0] == "pin-wanted"
    with pytest.raises(Refused, match="the modem refuses the PIN: error 16"):
        modem.unlock("9999")
    modem.unlock("1234")
    assert modem.sim()[0] == "ready"
    far.tries_left = 0
    assert modem.sim()[0] == "puk-wanted"
    far.sim = False
    assert modem.sim()[0] == "no-sim"


def test_a_message_is_sent_in_parts_with_a_reference_each(modem: Modem, far: GsmModem) -> None:
    parts = list(submit(TO, "电" * 100))
    assert [modem.send(part) for part in parts] == [1, 2]
    assert far.sent == [part.hex for part in parts]


@pytest.mark.parametrize(
    ("code", "of_recipient", "final"),
    [
        (28, True, True),
        (27, True, False),
        (331, False, False),
        (500, False, False),
        (777, False, False),
        (-30, False, False),
    ],
)
def test_an_error_of_the_network_says_what_it_means(
    modem: Modem, far: GsmModem, code: int, of_recipient: bool, final: bool
) -> None:
    far.refusals.append(code)
    with pytest.raises(Refused, match=str(abs(code))) as caught:
        modem.send(next(submit(TO, "x")))
    assert (caught.value.of_recipient, caught.value.final) == (of_recipient, final)
    assert modem.send(next(submit(TO, "x"))) == 1


def test_messages_that_came_in_are_read_and_deleted(modem: Modem, far: GsmModem) -> None:
    far.arrive(TO, "STATUS")
    far.arrive("10086", "充值")
    assert [(place, deliver(raw).text) for place, raw in modem.received()] == [(1, "STATUS"), (2, "充值")]
    modem.delete(1)
    assert [place for place, _ in modem.received()] == [2]


def test_a_modem_that_waits_for_a_message_of_a_killed_program_is_called_back(far: GsmModem) -> None:
    killed = transport_for(str(far.link), Line(baud=115_200))
    killed.open()
    first = Modem(killed)
    first.open()
    first.prepare()
    first.prepare_messages()
    killed.write(b"AT+CMGS=14\r")
    killed.close()
    second = Modem(transport_for(str(far.link), Line(baud=115_200)))
    second.open()
    assert second.sim() == ("ready", "READY")
    second.close()
    assert far.sent == []


def dialogues() -> list[Any]:
    rows = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
    return [pytest.param(row, id=row["id"]) for row in rows if not row["request"].startswith("AT+CMGS=")]


@pytest.mark.parametrize("row", dialogues())
def test_answers_that_other_programs_got_are_understood(row: dict[str, Any]) -> None:
    sent: list[bytes] = []

    def answer(request: bytes) -> bytes:
        sent.append(request)
        return str(row["reply"]).encode("ascii")

    modem = Modem(LoopTransport(answer))
    asked: dict[str, Callable[[], object]] = {
        "sim": lambda: modem.sim()[0],
        "dbm": modem.signal,
        "registered": modem.registration,
        "smsc": lambda: re.findall(r'"([^"]+)"', modem._value("AT+CSCA?", "+CSCA:"))[0],
        "mode": lambda: "PDU" if modem.prepare_messages() is None else "",
    }
    name, expected = next(iter(row["decoded"].items()))
    assert asked[name]() == expected
    assert sent[0] == row["request"].encode("ascii")


def test_echo_and_lines_that_nobody_asked_for_are_no_answers() -> None:
    said = b"AT+CREG?\r\r\nRING\r\n\r\n+CSQ: 3,0\r\n\r\n+CREG: 0,5\r\n\r\nOK\r\n"
    modem = Modem(LoopTransport(lambda _sent: said, chunk=3))
    assert modem.registration() == "roaming"
    assert modem.operator() == ""
    with pytest.raises(BadAnswer, match=r"does not answer AT\+CPIN\?"):
        modem.sim()


def test_a_sim_error_in_words_is_understood() -> None:
    modem = Modem(LoopTransport(lambda _sent: b"\r\n+CME ERROR: SIM not inserted\r\n"))
    assert modem.sim()[0] == "no-sim"


def test_silence_is_no_answer(far: GsmModem) -> None:
    far.mute = True
    modem = Modem(transport_for(str(far.link), Line(baud=115_200)), IMPATIENT)
    with pytest.raises(NoAnswer, match="no answer from .* to AT within"):
        modem.open()
    modem.close()


def test_another_device_is_no_modem() -> None:
    modem = Modem(LoopTransport(lambda _sent: b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r\n"))
    with pytest.raises(BadAnswer, match=r"answered AT with '\(226\.0"):
        modem.open()


def test_the_pin_is_in_no_error_message() -> None:
    for answer in (b"", b"\r\n+CME ERROR: 16\r\n", b'xx AT+CPIN="4711"\r\r\nnoise\r\n'):
        with pytest.raises((Refused, NoAnswer, BadAnswer)) as caught:
            Modem(LoopTransport(lambda _sent, said=answer: said)).unlock("4711")  # type: ignore[misc]
        assert "4711" not in str(caught.value)


def test_a_modem_that_is_pulled_out_is_gone(modem: Modem, far: GsmModem) -> None:
    far.unplug()
    with pytest.raises(PortError):
        modem.sim()


def test_reports_are_heard_between_and_within_answers(modem: Modem, far: GsmModem) -> None:
    sent = [modem.send(part) for _ in range(3) for part in submit(TO, "x", report=True)]
    assert sent == [1, 2, 3]
    far.report(2, 0)
    assert modem.signal() == -71
    far.report(1, 0x46)
    assert [(report.reference, report.status) for report in modem.reports()] == [(2, 0), (1, 0x46)]
    assert modem.reports() == []


def test_a_modem_without_reports_still_sends(modem: Modem, far: GsmModem) -> None:
    far.reports = False
    modem.prepare_messages()
    assert modem.send(next(submit(TO, "x", report=True))) == 1
    far.report(1, 0)
    assert modem.reports() == []
