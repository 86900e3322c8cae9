"""RFC 1628 object by object: present with the right syntax, or absent because this UPS does not tell; stale is not known."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from asking import ON_MAINS, Harness
from istars.model.alarms import ALARMS
from istars.model.readings import Value
from istars.platform import clock
from istars.snmp import ber, upsmib
from istars.snmp.state import NUMBERS
from istars.store.live_alarms import LiveAlarm, Step

FIXTURE = Path(__file__).parents[2] / "fixtures" / "mibs" / "rfc1628.csv"
OBJECTS = [row for row in csv.DictReader(FIXTURE.read_text(encoding="ascii").splitlines()) if row["kind"] == "object"]
TAGS = {"INTEGER": ber.INTEGER, "OCTETS": ber.OCTETS, "OID": ber.OID, "COUNTER": ber.COUNTER, "GAUGE": ber.GAUGE,
        "TICKS": ber.TICKS}  # fmt: skip
EVERYTHING: dict[str, Value] = {
    **ON_MAINS,
    "battery.current": -1.5,
    "input.phases": 1,
    "input.current": 3.2,
    "output.phases": 1,
    "output.frequency": 50.0,
    "output.current": 4.5,
    "ups.realpower": 900,
    "ups.power.nominal": 3000,
    "input.bypass.voltage": 230,
    "input.bypass.current": 0.1,
    "input.bypass.frequency": 50,
    "input.voltage.nominal": 230,
    "input.frequency.nominal": 50,
    "output.voltage.nominal": 230,
    "output.frequency.nominal": 50,
    "ups.test.result": "passed",
}
UNKNOWABLE = {"upsInputTruePower", "upsBypassNumLines", "upsBypassPower", "upsConfigOutputPower",
              "upsConfigLowVoltageTransferPoint", "upsConfigHighVoltageTransferPoint"}  # fmt: skip
"""Objects for which no protocol of this card has a reading."""


def alarm(code: str, key: str = "k1") -> LiveAlarm:
    return LiveAlarm(key, code, ALARMS[code].severity.value, clock.wall(), clock.boottime(), clock.boot_id())


def instances(harness: Harness, oid: str) -> list[int]:
    """Rows of the table that belong to an object."""
    table = harness.picture.table()
    name = tuple(map(int, oid.split(".")))
    return [index for index, found in enumerate(table.names) if found[: len(name)] == name]


@pytest.mark.parametrize("row", OBJECTS, ids=lambda row: row["name"])
def test_an_object_has_its_syntax_or_is_absent(harness: Harness, row: dict[str, str]) -> None:
    harness.live.take_rules()
    harness.live.apply(Step(raised=[alarm("OVERLOAD")]))
    harness.publish(EVERYTHING)
    table = harness.picture.table()
    found = instances(harness, row["oid"])
    assert tuple(map(int, row["oid"].split("."))) in upsmib.OBJECTS
    assert bool(found) == (row["name"] not in UNKNOWABLE - {"upsBypassNumLines"}), row["name"]
    for index in found:
        value = table.value(index)
        assert value[0] == TAGS[row["syntax"]]
        if row["low"]:
            number = ber.number(value[2:])
            assert int(row["low"]) <= number <= int(row["high"])
        elif row["syntax"] == "OCTETS":
            assert len(value) - 2 <= int(row["high"])


def test_nothing_else_is_served_below_the_mib(harness: Harness) -> None:
    known = {tuple(map(int, row["oid"].split("."))) for row in OBJECTS}
    assert known == upsmib.OBJECTS
    harness.publish(EVERYTHING)
    for name in harness.picture.table().names:
        if name[:7] == (1, 3, 6, 1, 2, 1, 33):
            assert any(name[: len(oid)] == oid for oid in known), name


def test_values_are_in_the_units_of_the_mib(harness: Harness) -> None:
    harness.publish(EVERYTHING)
    expected = {
        "1.1.0": b"EAST", "2.1.0": 2, "2.2.0": 0, "2.3.0": 20, "2.4.0": 97, "2.5.0": 2186, "2.6.0": -15, "2.7.0": 25,
        "3.2.0": 1, "3.3.1.2.1": 499, "3.3.1.3.1": 231, "3.3.1.4.1": 32, "4.1.0": 3, "4.2.0": 500, "4.4.1.2.1": 230,
        "4.4.1.3.1": 45, "4.4.1.4.1": 900, "4.4.1.5.1": 42, "5.2.0": 1, "9.5.0": 3000, "9.8.0": 2, "7.3.0": 1,
    }  # fmt: skip
    assert {part: harness.value(part) for part in expected} == expected


def test_three_lines_are_three_rows(harness: Harness) -> None:
    lines = {f"input.L{number}-N.voltage": 230 + number for number in (1, 2, 3)}
    harness.publish({**ON_MAINS, "input.phases": 3, **lines})
    assert [harness.value(f"3.3.1.3.{number}") for number in (1, 2, 3)] == [231, 232, 233]
    assert harness.value("3.2.0") == 3


@pytest.mark.parametrize(
    ("status", "source"),
    [
        ("OL", 3),
        ("OB DISCHRG", 5),
        ("OL BYPASS", 4),
        ("OL BOOST", 6),
        ("OL TRIM", 7),
        ("OFF", 2),
        ("OL OFF", 2),
        ("ALARM", 1),
    ],
)
def test_the_source_of_the_output_follows_the_status(harness: Harness, status: str, source: int) -> None:
    harness.publish({**ON_MAINS, "ups.status": status})
    assert harness.value("4.1.0") == source


def test_time_on_battery_is_no_longer_than_the_agent_runs(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    harness.live.take_rules()
    begun = harness.state.begun
    harness.live.apply(Step(raised=[LiveAlarm("k", "ON_BATTERY", "warning", 0, begun - 500, clock.boot_id())]))
    harness.publish({**ON_MAINS, "ups.status": "OB DISCHRG"}, lifetime_s=1000)
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: begun + 90.5)
    assert harness.value("2.2.0") == 90


def test_low_and_empty_batteries_are_told_apart(harness: Harness) -> None:
    harness.publish({**ON_MAINS, "ups.status": "OB LB"})
    assert harness.value("2.1.0") == 3
    harness.live.take_rules()
    harness.live.apply(Step(raised=[alarm("BATTERY_DEPLETED")]))
    harness.picture.forget()
    assert harness.value("2.1.0") == 4


def test_what_is_stale_is_not_served(harness: Harness) -> None:
    harness.publish(ON_MAINS, lifetime_s=-1)
    assert harness.value("2.1.0") == 1, "unknown"
    for part in ("2.5.0", "4.1.0", "4.4.1.5.1", "1.1.0", "3.3.1.3.1", "2.2.0"):
        assert harness.value(part) == "instance", part


def test_a_reading_that_expires_goes_without_anybody_writing(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert harness.value("2.5.0") == 2186
    real = clock.boottime
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: real() + 61)
    assert harness.value("2.5.0") == "instance"


def test_alarms_have_rows_of_their_own_numbers(harness: Harness) -> None:
    harness.live.take_rules()
    first, second = alarm("UPS_FAULT", "a"), alarm("EPO", "b")
    harness.live.apply(Step(raised=[first, second]))
    harness.picture.forget()
    well_known = "1.3.6.1.2.1.33.1.6.3.18"
    assert harness.value("6.1.0") == 2
    found = {str(harness.value(f"6.2.1.2.{number}")) for number in (1, 2)}
    assert well_known in found
    assert len(found) == 2, "no two rows have the same description"
    harness.live.apply(Step(cleared=["a"], raised=[alarm("FAN_FAIL", "c")]))
    harness.picture.forget()
    assert harness.value("6.2.1.2.3") == "1.3.6.1.2.1.33.1.6.3.16"
    assert harness.value("6.1.0") == 2


def test_an_alarm_from_before_the_agent_has_time_zero(harness: Harness) -> None:
    harness.live.take_rules()
    old = LiveAlarm("k", "OVERLOAD", "critical", 0, harness.state.begun - 5, clock.boot_id())
    harness.live.apply(Step(raised=[old]))
    harness.picture.forget()
    assert harness.value("6.2.1.3.1") == 0


def test_failures_of_the_mains_are_counted_but_not_tests(harness: Harness) -> None:
    state = harness.state
    state.happened("ON_BATTERY", True, 1)
    state.happened("INPUT_BAD", True, 1)
    state.happened("ON_BATTERY", False, 2)
    assert state.line_bads == 1, "one failure, however many alarms"
    state.happened("INPUT_BAD", False, 3)
    state.happened("TEST_RUNNING", True, 4)
    state.happened("ON_BATTERY", True, 4)
    assert state.line_bads == 1
    assert harness.value("3.1.0") == 1


def test_every_alarm_has_a_number_of_its_own() -> None:
    assert {code for code, declared in ALARMS.items() if declared.is_state} <= set(NUMBERS)
    assert len(set(NUMBERS.values())) == len(NUMBERS)
