"""SET: judged as a whole, carried out as commands and settings, answered with the right error."""

from __future__ import annotations

import pytest
from asking import HERE, ON_MAINS, Harness, message, understood
from istars.settings import load
from istars.store.audit import AuditRecord
from istars.store.live_commands import LiveCommand
from pysnmp.proto.rfc1902 import Counter32, Integer32, ObjectIdentifier, OctetString

UPS = "1.3.6.1.2.1.33.1"
NAME, SPIN_LOCK, TEST_ID = "1.3.6.1.2.1.1.5.0", f"{UPS}.7.2.0", f"{UPS}.7.1.0"
SHUTDOWN, STARTUP, REBOOT, RESTART = (f"{UPS}.8.{number}.0" for number in (2, 3, 4, 5))
QUICK = ObjectIdentifier(f"{UPS}.7.7.4")


def put(harness: Harness, *pairs: tuple[str, object], version: int = 1, community: str = "private", request: int = 1):
    """Send a SET; the answers that have come so far."""
    names, values = zip(*pairs, strict=True)
    answers: list[bytes] = []
    harness.agent.receive(message("set", names, community, version, values, request=request), HERE, answers.append)
    return answers


def refused(harness: Harness, *pairs: tuple[str, object], version: int = 1) -> tuple[int, int]:
    """Error status and index of a SET that is refused at once."""
    return understood(put(harness, *pairs, version=version)[0], version)[:2]


def carried_out(harness: Harness, state: str = "done") -> LiveCommand:
    """The UPS has done the one command that waits, or not; whoever asked is answered."""
    command = harness.live.claim("upslink")
    assert command is not None
    harness.live.finish(command.id, state, "as the UPS says")
    harness.writer.settle()
    return command


def test_a_text_is_a_setting_and_stands_in_the_audit_record(harness: Harness) -> None:
    assert understood(put(harness, (NAME, OctetString("UPS-B")))[0]) == (0, 0, [(NAME, b"UPS-B")])
    assert load()["system.name"] == "UPS-B"
    assert harness.ask("get", NAME, f"{UPS}.1.5.0") == (0, 0, [(NAME, b"UPS-B"), (f"{UPS}.1.5.0", b"UPS-B")])
    entry = next(AuditRecord().every(None, ""))
    assert (entry.who, entry.address, entry.subject, entry.new) == ("SNMP manager 2", HERE, "system.name", "UPS-B")


def test_readers_write_nothing(harness: Harness) -> None:
    answer = put(harness, (NAME, OctetString("x")), community="public")
    assert understood(answer[0])[:2] == (6, 1)
    answer = put(harness, (NAME, OctetString("x")), community="public", version=0)
    assert understood(answer[0], 0)[:2] == (2, 1)
    assert load()["system.name"] == "UPS"
    assert harness.counters.bad_uses == 2


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (NAME, Integer32(1), 7),
        (f"{UPS}.1.5.0", OctetString("x" * 64), 8),
        (f"{UPS}.1.5.0", OctetString(""), 10),
        (NAME, OctetString(hexValue="ff"), 10),
        (f"{UPS}.2.5.0", Integer32(1), 17),
        (f"{UPS}.9.5.0", Integer32(3000), 17),
        (f"{UPS}.9.1.0", Integer32(-1), 10),
        (f"{UPS}.9.2.0", OctetString("50"), 7),
        ("1.3.9.9.0", Integer32(1), 17),
        (SPIN_LOCK, Integer32(7), 12),
        (SPIN_LOCK, Counter32(1), 7),
        (TEST_ID, QUICK, 12),
        (TEST_ID, Integer32(0), 7),
        (f"{UPS}.8.1.0", Integer32(2), 10),
        (SHUTDOWN, Integer32(-2), 10),
        (SHUTDOWN, OctetString("soon"), 7),
        (STARTUP, Integer32(60), 12),
        (REBOOT, Integer32(301), 10),
        (f"{UPS}.9.8.0", Integer32(4), 10),
    ],
)
def test_what_cannot_be_set_says_why_and_changes_nothing(
    harness: Harness, name: str, value: object, status: int
) -> None:
    assert refused(harness, (name, value)) == (status, 1)
    good = (f"{UPS}.1.6.0", OctetString("servers"))
    assert refused(harness, good, (name, value), good) == (status, 2), "the index is that of the binding"
    old = {7: 3, 8: 3, 10: 3, 12: 3, 17: 2}[status]
    assert refused(harness, (name, value), version=0) == (old, 1)
    assert load()["snmp.attached"] == ""
    assert harness.live.claim("upslink") is None


def test_a_test_is_a_command_and_turns_the_lock(harness: Harness) -> None:
    answers = put(harness, (SPIN_LOCK, Integer32(1)), (TEST_ID, QUICK))
    assert answers == [], "the UPS has not said anything yet"
    command = carried_out(harness)
    assert (command.name, command.asked_by, command.address) == ("test.battery.start.quick", "SNMP manager 2", HERE)
    assert understood(answers[0]) == (0, 0, [(SPIN_LOCK, 1), (TEST_ID, f"{UPS}.7.7.4")])
    assert harness.value("7.2.0") == 2
    assert refused(harness, (SPIN_LOCK, Integer32(1)), (TEST_ID, QUICK)) == (12, 1), "somebody was first"
    harness.state.happened("TEST_RUNNING", True, harness.state.begun)
    assert refused(harness, (SPIN_LOCK, Integer32(2)), (TEST_ID, QUICK)) == (12, 2), "a test is running"
    harness.picture.forget()
    assert (harness.value("7.1.0"), harness.value("7.3.0")) == (f"{UPS}.7.7.4", 5)


def test_a_command_that_fails_is_answered_so_and_asking_again_does_not_repeat_it(harness: Harness) -> None:
    answers = put(harness, (SHUTDOWN, Integer32(60)))
    again = put(harness, (SHUTDOWN, Integer32(60)))
    command = carried_out(harness, "failed")
    assert command.arguments == {"delay_s": 60}
    assert answers == []
    assert understood(again[0])[:2] == (14, 1)
    assert harness.live.claim("upslink") is None
    assert harness.value("8.2.0") == -1
    put(harness, (SHUTDOWN, Integer32(60)), version=0)
    assert carried_out(harness, "failed").name == "shutdown.return"


def test_a_command_that_nobody_claims_dies_and_is_answered(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = put(harness, (SHUTDOWN, Integer32(60)))
    harness.writer.settle()
    assert answers == []
    from istars.platform import clock

    real = clock.boottime
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: real() + 60)
    harness.writer.settle()
    assert understood(answers[0])[:2] == (14, 1)
    assert harness.live.claim("upslink") is None, "it is not carried out late"


@pytest.mark.parametrize(
    ("pairs", "name", "arguments"),
    [
        ([(SHUTDOWN, Integer32(0))], "load.off", {}),
        ([(SHUTDOWN, OctetString("90"))], "shutdown.return", {"delay_s": 90}),
        ([(SHUTDOWN, Integer32(-1))], "shutdown.stop", {}),
        ([(STARTUP, Integer32(0))], "load.on", {}),
        ([(SHUTDOWN, Integer32(60)), (STARTUP, Integer32(300))], "shutdown.reboot", {"delay_s": 60, "return_s": 240}),
        ([(REBOOT, Integer32(240))], "shutdown.reboot", {"delay_s": 12, "return_s": 240}),
        ([(REBOOT, Integer32(-1))], "shutdown.stop", {}),
        ([(f"{UPS}.9.1.0", Integer32(230))], "istars.variable.set", {"name": "input.voltage.nominal", "value": "230"}),
        (
            [(f"{UPS}.9.4.0", Integer32(500))],
            "istars.variable.set",
            {"name": "output.frequency.nominal", "value": "50"},
        ),
        ([(f"{UPS}.9.10.0", Integer32(264))], "istars.variable.set", {"name": "input.transfer.high", "value": "264"}),
        ([(f"{UPS}.9.8.0", Integer32(1))], "beeper.disable", {}),
        ([(f"{UPS}.9.8.0", Integer32(3))], "beeper.mute", {}),
    ],
)
def test_controls_become_commands(
    harness: Harness, pairs: list[tuple[str, object]], name: str, arguments: dict[str, object]
) -> None:
    answers = put(harness, *pairs)
    command = carried_out(harness)
    assert (command.name, command.arguments) == (name, arguments)
    assert understood(answers[0])[0] == 0


def test_a_rating_that_the_ups_does_not_take_is_answered_as_rfc_1628_says(harness: Harness) -> None:
    answers = put(harness, (f"{UPS}.9.3.0", Integer32(110)))
    carried_out(harness, "failed")
    assert understood(answers[0])[:2] == (12, 1)
    answers = put(harness, (f"{UPS}.9.3.0", Integer32(110)), version=0)
    carried_out(harness, "failed")
    assert understood(answers[0], 0)[:2] == (3, 1), "badValue"


def test_without_restart_the_ups_stays_off(harness: Harness) -> None:
    assert understood(put(harness, (RESTART, Integer32(2)))[0])[0] == 0
    assert load()["snmp.restart"] is False
    assert harness.value("8.5.0") == 2
    put(harness, (SHUTDOWN, Integer32(60)))
    assert carried_out(harness).name == "shutdown.stayoff"
    assert harness.value("8.2.0") in (59, 60)


def test_two_orders_at_once_are_refused(harness: Harness) -> None:
    assert refused(harness, (SHUTDOWN, Integer32(60)), (REBOOT, Integer32(60))) == (12, 2)
    assert refused(harness, (SHUTDOWN, Integer32(60)), (NAME, OctetString("x")))[0] == 12
    assert harness.live.claim("upslink") is None


def test_the_low_battery_time_is_the_limit_of_the_alarm(harness: Harness) -> None:
    harness.publish(ON_MAINS)
    assert understood(put(harness, (f"{UPS}.9.7.0", Integer32(9)))[0])[0] == 0
    assert load().number("limit.runtime.low") == 9
    assert harness.value("9.7.0") == 9
