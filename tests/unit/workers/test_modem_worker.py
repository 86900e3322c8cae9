"""The modem worker with a simulated modem on a pty: ready or not, messages out, STATUS in."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.drivers.modem.modem import Times
from istars.model.readings import Value
from istars.platform import clock, paths
from istars.settings import load
from istars.settings.store import save
from istars.store.archive import Event
from istars.store.live import LiveTable
from istars.store.outbox import Draft, Message, Outbox
from istars.workers import modem_session
from istars.workers.modem import READY_LOOK_S, ModemWorker
from simulators.gsm import GsmModem
from smspdudecoder.fields import SMSSubmit

pytestmark = pytest.mark.thorough

ANN, BEN = "+8613912345678", "+8613900000002"


@pytest.fixture
def far(root: Path) -> Iterator[GsmModem]:
    with GsmModem(root / "modem") as made:
        yield made


@pytest.fixture
def worker(far: GsmModem, fake_clock: FakeClock) -> Iterator[ModemWorker]:
    save({"system.name": "UPS-A", "sms.device": str(far.link), "sms.to.1.number": ANN, "sms.to.2.number": BEN})
    yield from started()


def started() -> Iterator[ModemWorker]:
    made = ModemWorker()
    made.begin()
    yield made
    made.end()
    made.live.close()


def look(worker: ModemWorker, fake_clock: FakeClock, times: int = 1) -> dict[str, Value]:
    """The worker takes its next looks; answers the readings that are current then."""
    for _ in range(times):
        fake_clock.forward(READY_LOOK_S)
        worker.turn()
        if worker._thread is not None:
            worker._thread.join()
    return {name: reading.value for name, reading in worker.live.readings().items() if not reading.stale(fake_clock.at)}


def restarted(worker: ModemWorker) -> ModemWorker:
    worker.end()
    worker.begin()
    return worker


def happens(*numbers: str, kind: str = "event", code: str = "BATTERY_LOW", **body: object) -> None:
    """One message for each of `numbers` goes into the outbox."""
    with Outbox(paths.outbox_db()) as outbox:
        for number in numbers:
            event = Event(0, f"key-{clock.boottime()}-{number}", clock.wall(), code, kind, "critical", {})
            outbox.add(Draft("sms", number, event, body=body))


def messages() -> list[Message]:
    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        return outbox.messages("sms")[::-1]


def results() -> list[str]:
    return [f"{message.state}: {message.result}" for message in messages()]


def texts(far: GsmModem) -> list[tuple[str, str]]:
    """Numbers and texts that the network took, as another program reads them."""
    read = [SMSSubmit.decode(StringIO(pdu)) for pdu in far.sent]
    return [("+" + each["recipient"]["number"], each["user_data"]["data"]) for each in read]


def test_a_ready_modem_says_what_it_is(worker: ModemWorker, fake_clock: FakeClock) -> None:
    assert look(worker, fake_clock) == {
        "istars.modem.state": "ready",
        "istars.modem.detail": "",
        "istars.modem.model": "SIMCOM_Ltd SIMCOM_SIM800C",
        "istars.modem.registration": "home",
        "istars.modem.operator": "CHINA MOBILE",
        "istars.modem.signal": -71,
        "istars.sms.trouble": "",
    }


def test_without_a_port_there_is_no_modem_and_nothing_is_said(worker: ModemWorker, fake_clock: FakeClock) -> None:
    look(worker, fake_clock)
    save({"sms.device": ""})
    assert look(worker, fake_clock) == {}
    assert worker.turn() == float("inf")


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({"sim": False}, "no-sim", "There is no SIM card"),
        ({"pin": "1234"}, "pin-wanted", "The SIM card wants its PIN, which is not set"),
        ({"tries_left": 0}, "puk-wanted", "The SIM card is locked; it wants its PUK"),
        ({"registration": 2}, "searching", "Not registered in a network; it is searching"),
        ({"registration": 3}, "denied", "The network refuses the SIM card"),
    ],
)
def test_a_modem_that_cannot_send_says_why(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock, changes: dict[str, object], state: str, words: str
) -> None:
    for name, value in changes.items():
        setattr(far, name, value)
    seen = look(worker, fake_clock)
    assert (seen["istars.modem.state"], seen["istars.sms.trouble"]) == (state, words)
    happens(ANN, kind="test")
    look(worker, fake_clock)
    assert results() == [f"failed: {words}"]


def test_a_modem_that_is_unplugged_and_one_that_is_silent(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    look(worker, fake_clock)
    far.unplug()
    seen = look(worker, fake_clock, 2)
    assert (seen["istars.modem.state"], seen["istars.sms.trouble"]) == ("port-missing", "The port does not exist")
    assert "istars.modem.signal" not in seen
    far.replug()
    assert look(worker, fake_clock)["istars.modem.state"] == "ready"
    monkeypatch.setattr(modem_session, "TIMES", Times(0.05, 0.05, 0.05))
    far.mute = True
    assert look(restarted(worker), fake_clock)["istars.sms.trouble"] == "The modem does not answer"


def test_the_right_pin_opens_the_card_also_after_the_modem_lost_its_power(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    far.pin = "1234"
    save({"sms.pin": "1234"})
    assert look(worker, fake_clock)["istars.modem.state"] == "ready"
    far.restart()
    assert look(worker, fake_clock)["istars.modem.state"] == "ready"
    assert far.pins_given == ["1234", "1234"]
    assert far.tries_left == 3


def test_a_wrong_pin_is_given_once_whatever_restarts(worker: ModemWorker, far: GsmModem, fake_clock: FakeClock) -> None:
    far.pin = "1234"
    save({"sms.pin": "9999"})
    seen = look(worker, fake_clock, 3)
    assert seen["istars.modem.state"] == "pin-refused"
    look(restarted(worker), fake_clock, 3)
    far.unplug()
    look(worker, fake_clock)
    far.replug()
    save({"sms.serial.stop": "2"})
    assert look(worker, fake_clock, 3)["istars.modem.state"] == "pin-refused"
    assert far.pins_given == ["9999"]
    save({"sms.pin": "1234"})
    assert look(worker, fake_clock)["istars.modem.state"] == "ready"
    assert far.pins_given == ["9999", "1234"]


def test_a_worker_that_was_killed_while_it_gave_the_pin_does_not_give_it_again(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def killed(_modem: object, _pin: str) -> None:
        raise Killed

    far.pin = "1234"
    save({"sms.pin": "9999"})
    with monkeypatch.context() as patched:
        patched.setattr(modem_session.Modem, "unlock", killed)
        session = modem_session.Session(load())
        with pytest.raises(Killed):
            session.look()
        session.close()
    assert look(worker, fake_clock)["istars.modem.state"] == "pin-refused"
    assert far.pins_given == []


def test_the_pin_is_not_given_where_that_cannot_be_noted(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    far.pin = "1234"
    save({"sms.pin": "1234"})
    monkeypatch.setattr("istars.store.tried_pin.files.replace", full)
    seen = look(worker, fake_clock)
    assert seen["istars.modem.state"] == "pin-wanted"
    assert "No space left on device" in str(seen["istars.modem.detail"])
    assert far.pins_given == []


def test_another_sim_card_gets_the_pin(worker: ModemWorker, far: GsmModem, fake_clock: FakeClock) -> None:
    far.pin = "1234"
    save({"sms.pin": "9999"})
    look(worker, fake_clock)
    far.card, far.pin, far.tries_left = "89860012345678909999", "9999", 3
    assert look(worker, fake_clock)["istars.modem.state"] == "ready"


def test_messages_go_to_each_number_with_the_reference_of_the_network(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    look(worker, fake_clock)
    happens(ANN, BEN)
    look(worker, fake_clock)
    assert [number for number, _ in texts(far)] == [ANN, BEN]
    assert texts(far)[0][1].startswith("[UPS-A] ")
    assert results() == ["sent: taken by the network, reference 1", "sent: taken by the network, reference 2"]


def test_a_name_in_chinese_makes_it_ucs_2_and_a_long_text_parts(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    save({"system.name": "市电" * 15})
    happens(ANN, kind="status", text="市电异常" * 30)
    look(worker, fake_clock)
    assert "".join(text for _, text in texts(far)) == "市电异常" * 30
    assert results() == ["sent: taken in 2 parts, references 1, 2"]


def test_a_text_without_end_is_cut(worker: ModemWorker, far: GsmModem, fake_clock: FakeClock) -> None:
    happens(ANN, kind="status", text="x" * 5_000)
    look(worker, fake_clock)
    assert len(far.sent) == modem_session.MOST_PARTS
    assert texts(far)[-1][1].endswith("x...")


def test_a_part_that_was_taken_is_not_sent_again(worker: ModemWorker, far: GsmModem, fake_clock: FakeClock) -> None:
    look(worker, fake_clock)
    far.refusals.extend([0, 331])
    happens(ANN, kind="status", text="0123456789" * 40)
    seen = look(worker, fake_clock)
    assert "there is no network" in str(seen["istars.sms.trouble"])
    assert [message.state for message in messages()] == ["waiting"]
    seen = look(worker, fake_clock)
    assert seen["istars.sms.trouble"] == ""
    assert "".join(text for _, text in texts(far)) == "0123456789" * 40
    assert results() == ["sent: taken in 3 parts, references 1, 2, 3"]


def test_a_number_that_does_not_exist_holds_up_nobody(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    look(worker, fake_clock)
    far.refusals.append(28)
    happens(ANN, BEN)
    look(worker, fake_clock)
    assert [number for number, _ in texts(far)] == [BEN]
    assert results() == [
        "failed: the number is not known (+CMS ERROR: 28)",
        "sent: taken by the network, reference 1",
    ]


def test_messages_wait_for_the_network_and_go_out_in_their_order_as_soon_as_it_is_there(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    far.registration = 2
    for text in ("one", "two", "three"):
        happens(ANN, kind="status", text=text)
        look(worker, fake_clock, 4)
    assert {message.state for message in messages()} == {"waiting"}
    far.registration = 5
    look(worker, fake_clock)
    assert [text for _, text in texts(far)] == ["one", "two", "three"]


def test_a_modem_that_restarts_between_two_messages_is_set_up_again(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    look(worker, fake_clock)
    far.restart()
    happens(ANN, BEN)
    far.hold = True
    fake_clock.forward(1)
    worker.turn()
    far.wait_held()
    far.restart()
    far.release()
    assert worker._thread is not None
    worker._thread.join()
    assert [number for number, _ in texts(far)] == [ANN, BEN]


def test_a_slow_network_does_not_stop_the_signs_of_life(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    look(worker, fake_clock)
    far.hold = True
    happens(ANN)
    fake_clock.forward(1)
    worker.turn()
    far.wait_held()
    assert worker.turn() == float("inf")
    assert [message.state for message in messages()] == ["sending"]
    far.release()
    assert worker._thread is not None
    worker._thread.join()
    assert results() == ["sent: taken by the network, reference 1"]


def test_a_message_that_was_being_sent_when_the_worker_was_killed_is_sent_again(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    happens(ANN)
    with Outbox(paths.outbox_db()) as outbox:
        assert outbox.claim("sms") is not None
        # The notifier restarts: this message is not its own.
        assert outbox.revive(but="sms") == 0
    look(restarted(worker), fake_clock)
    assert len(far.sent) == 1


def test_status_from_a_listed_number_is_answered_once(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    save({"sms.status": "on"})
    with LiveTable(paths.live_db()) as live:
        live.publish(
            "upslink",
            {"ups.status": "OL CHRG", "ups.load": 42, "battery.charge": 97.0, "battery.runtime": 2_290},
            lifetime_s=1_000,
        )
    far.arrive(ANN, " status\r\n", "26112114290000")
    far.arrive(ANN, "STATUS", "26112114293000")
    look(worker, fake_clock, 3)
    time = clock.local(clock.wall()).strftime("%H:")
    assert len(far.sent) == 1
    number, text = texts(far)[0]
    assert number == ANN
    assert text.startswith(f"[UPS-A] {time}")
    assert text.endswith("On mains, Charging, load 42 %, battery charge 97 %, 38 min on battery left. No alarms.")
    assert far.waiting == {}
    far.arrive(ANN, "STATUS", "26112114300000")
    look(worker, fake_clock)
    assert len(far.sent) == 2


@pytest.mark.parametrize(
    ("sender", "text"),
    [
        ("+8613988888888", "STATUS"),
        ("8613912345678", "STATUS"),
        (ANN, "SHUTDOWN"),
        (ANN, "STATUS; load.off"),
        (ANN, ""),
    ],
)
def test_nothing_else_that_comes_in_is_obeyed(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock, sender: str, text: str
) -> None:
    save({"sms.status": "on"})
    far.arrive(sender, text)
    far.arrive_pdu("00FF00")
    look(worker, fake_clock, 2)
    assert far.sent == []
    assert far.waiting == {}
    assert messages() == []


def test_messages_stay_on_the_card_while_no_questions_are_answered(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    far.arrive(ANN, "STATUS")
    look(worker, fake_clock, 2)
    assert far.sent == []
    assert list(far.waiting) == [1]


def test_the_answer_names_the_alarms_and_no_old_readings(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    save({"sms.status": "on"})
    with LiveTable(paths.live_db()) as live:
        live.publish("upslink", {"ups.status": "OL", "ups.load": 42}, lifetime_s=3)
    far.arrive(ANN, "STATUS")
    look(worker, fake_clock, 2)
    assert "No data from the UPS" in texts(far)[0][1]
    assert "42" not in texts(far)[0][1]


def test_a_failure_that_nobody_knows_ends_the_worker(
    worker: ModemWorker, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_session: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(modem_session.Session, "look", broken)
    look(worker, fake_clock)
    with pytest.raises(KeyError, match="defect"):
        worker.turn()


def test_settings_of_others_leave_the_port_open(worker: ModemWorker, far: GsmModem, fake_clock: FakeClock) -> None:
    look(worker, fake_clock)
    session = worker._session
    save({"system.name": "UPS-B", "sms.to.3.number": "10086"})
    look(worker, fake_clock)
    assert worker._session is session
    save({"sms.centre": "+8613800100500"})
    happens(ANN)
    look(worker, fake_clock)
    assert worker._session is not session
    assert far.sent[0].startswith("0891683108100005F0")


def test_the_record_says_when_the_telephone_has_the_message(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    happens(ANN, kind="raise")
    happens(BEN)
    look(worker, fake_clock, 2)
    assert results() == ["sent: taken by the network, reference 1", "sent: taken by the network, reference 2"]
    far.report(1, 0x22)
    look(worker, fake_clock)
    assert "telephone" not in str(results()), "the centre goes on trying"
    far.report(1, 0x00)
    far.report(2, 0x46)
    look(worker, fake_clock)
    first, second = results()
    assert first.startswith("sent: taken by the network, reference 1; the telephone has it, ")
    assert second.startswith(
        "failed: taken by the network, reference 2; not delivered: the telephone could not be reached in time, "
    )


def test_a_long_message_has_arrived_when_all_its_parts_have(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    save({"system.name": "x" * 40 + "ü€" * 4})
    happens(ANN, kind="status", text="long " * 60)
    look(worker, fake_clock, 2)
    assert len(far.sent) == 2
    far.report(1, 0)
    look(worker, fake_clock)
    assert "the telephone has it" not in results()[0]
    far.report(2, 0)
    look(worker, fake_clock)
    assert "; the telephone has it, " in results()[0]


def test_a_report_about_another_number_is_not_believed(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    happens(ANN)
    look(worker, fake_clock, 2)
    far.sent.append(far.sent[0].replace("683119325476F8", "683119000000F2"))
    far._do("report 2 0")
    far.sent[0], far.sent[1] = far.sent[1], far.sent[0]
    far.report(1, 0)
    look(worker, fake_clock)
    assert results() == ["sent: taken by the network, reference 1"]


def test_no_report_is_asked_for_where_that_is_switched_off(
    worker: ModemWorker, far: GsmModem, fake_clock: FakeClock
) -> None:
    save({"sms.reports": "off"})
    happens(ANN)
    look(worker, fake_clock, 3)
    octets = bytes.fromhex(far.sent[0])
    assert octets[1 + octets[0]] & 0x20 == 0
