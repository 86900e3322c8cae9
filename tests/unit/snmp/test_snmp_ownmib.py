"""The tables of the card's own MIB that are filled by other workers: sensors, batteries, peers."""

from __future__ import annotations

import pytest
from asking import ON_MAINS, Harness
from istars.model.module_readings import MODULES
from istars.platform import clock
from istars.snmp import modules
from istars.snmp.oids import OBJECTS

BASE = ".".join(map(str, OBJECTS))


def table(harness: Harness, number: int) -> dict[str, object]:
    """Column and row to value, of one table."""
    start = f"{BASE}.{number}.1."
    return {
        name.removeprefix(start): value for name, value in harness.walk(start.rstrip(".")) if name.startswith(start)
    }


def test_without_modules_there_are_no_rows(harness: Harness) -> None:
    harness.publish(ON_MAINS)
    for number in (5, 6, 7):
        assert table(harness, number) == {}
        answer = harness.ask("get", f"{BASE}.{number}.1.2.1")
        assert answer == (0, 0, [(f"{BASE}.{number}.1.2.1", "instance")])


def test_a_sensor_is_a_row_with_what_it_tells(harness: Harness) -> None:
    harness.live.publish("rs485", {"ambient.2.name": "Rack", "ambient.2.temperature": -3.5}, lifetime_s=60)
    harness.live.publish("rs485b", {"ambient.3.temperature": 24.6, "ambient.3.humidity": 41.5}, lifetime_s=60)
    harness.picture.forget()
    found = table(harness, 5)
    ages = {name: found.pop(name) for name in ("6.2", "6.3")}
    assert found == {"2.2": b"Rack", "3.2": -35, "3.3": 246, "4.3": 415, "5.2": 1, "5.3": 1}
    assert all(0 <= int(str(age)) < 30 for age in ages.values())


def test_a_row_that_is_stale_says_so_and_nothing_else(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"istars.battery.1.charge": 88, "istars.battery.1.voltage": 51.37, "istars.battery.1.current": -12.5,
              "istars.battery.1.alarm": "", "istars.battery.1.health": 97}  # fmt: skip
    harness.live.publish("canbus", values, lifetime_s=60)
    harness.picture.forget()
    found = table(harness, 6)
    assert found.pop("14.1") in range(30)
    assert found == {"4.1": 88, "5.1": 97, "6.1": 5137, "7.1": -125, "12.1": b"", "13.1": 1}
    real = clock.boottime
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: real() + 61)
    found = table(harness, 6)
    assert found.pop("14.1") in range(61, 95)
    assert found == {"13.1": 3}


def test_a_peer_is_a_row(harness: Harness) -> None:
    values = {"istars.peer.1.name": "UPS-B", "istars.peer.1.address": "192.0.2.7", "istars.peer.1.state": "lost",
              "istars.peer.1.status": "OB DISCHRG", "istars.peer.1.runtime": 840, "istars.peer.1.load": 31}  # fmt: skip
    harness.live.publish("lan", values, lifetime_s=60)
    harness.picture.forget()
    found = table(harness, 7)
    assert found.pop("10.1") in range(30)
    assert found == {
        "2.1": b"UPS-B",
        "3.1": b"192.0.2.7",
        "4.1": 2,
        "5.1": b"OB DISCHRG",
        "7.1": 840,
        "8.1": 31,
        "9.1": 1,
    }


def test_every_reading_of_a_module_has_a_column() -> None:
    assert set(modules.PLACES) == {reading.name for group in MODULES for reading in group}
