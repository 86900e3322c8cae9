"""The UPS-MIB of RFC 1628, filled with what the UPS reports: what it does not report has no instance, and is never zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from istars import __version__
from istars.model.readings import READINGS, Value
from istars.platform import clock
from istars.settings import Settings
from istars.snmp import ber
from istars.snmp.oids import UPS
from istars.snmp.state import NONE, RESULTS, RUNNING, UpsState, test_oid
from istars.snmp.table import Row
from istars.snmp.table import Value as Encoded
from istars.store.live_alarms import LiveAlarm

TEXTS = {(1, 1): 31, (1, 2): 63, (1, 3): 63}
"""Texts among the objects that are readings, and their greatest length in octets."""
LIMITS = {(2, 3): (1, 2**31 - 1), (4, 4, 1, 5): (0, 200)}
"""Ranges that are narrower than those of our readings."""
SIGNED = frozenset({(2, 6), (2, 7), (8, 2), (8, 3)})
SOURCE_OTHER, SOURCE_NONE, NORMAL, BYPASS, BATTERY, BOOSTER, REDUCER = range(1, 8)
BATTERY_UNKNOWN, BATTERY_NORMAL, BATTERY_LOW, BATTERY_DEPLETED = range(1, 5)
BEEPER = {"disabled": 1, "enabled": 2, "muted": 3}
LINES = {"input": ((3, 2), (3, 3, 1)), "output": ((4, 3), (4, 4, 1)), "bypass": ((5, 2), (5, 3, 1))}
"""Per table the object that counts its rows, and the row itself."""

OBJECTS = frozenset(
    (*UPS, *part)
    for part in (
        *((1, number) for number in range(1, 7)),
        *((2, number) for number in range(1, 8)),
        (3, 1), (3, 2), *((3, 3, 1, number) for number in range(2, 6)),
        (4, 1), (4, 2), (4, 3), *((4, 4, 1, number) for number in range(2, 6)),
        (5, 1), (5, 2), *((5, 3, 1, number) for number in range(2, 5)),
        (6, 1), (6, 2, 1, 2), (6, 2, 1, 3),
        *((7, number) for number in range(1, 7)),
        *((8, number) for number in range(1, 6)),
        *((9, number) for number in range(1, 11)),
    )
)  # fmt: skip
"""Every object of the MIB that can be read."""
COUNTERPARTS = [
    (name, tuple(int(part) for part in declared.rfc1628.object.split(".")), declared.rfc1628.factor)
    for name, declared in READINGS.items()
    if declared.rfc1628 is not None
]


@dataclass(slots=True)
class Moment:
    """What the rows are made of: fresh readings, alarms that are present, at boottime `now`."""

    values: Mapping[str, Value]
    alarms: Sequence[LiveAlarm]
    settings: Settings
    now: float

    @property
    def words(self) -> list[str] | None:
        """The tokens of ups.status; None where it is not known."""
        status = self.values.get("ups.status")
        return None if status is None else str(status).split()

    def alarm(self, code: str) -> LiveAlarm | None:
        """The alarm of this code, if it is present."""
        return next((alarm for alarm in self.alarms if alarm.code == code), None)


def rows(moment: Moment, state: UpsState) -> list[Row]:
    """All instances there are at this moment."""
    found: dict[tuple[int, ...], Encoded] = dict(_readings(moment.values))
    found[1, 4, 0] = ber.octets(f"iStars {__version__}", 63)
    found[1, 5, 0] = ber.octets(moment.settings.text("system.name"), 63)
    found[1, 6, 0] = ber.octets(moment.settings.text("snmp.attached"), 63)
    found[2, 1, 0] = ber.integer(_battery_status(moment))
    found[3, 1, 0] = ber.counter(state.line_bads)
    found[6, 1, 0] = ber.gauge(len(moment.alarms))
    found.update(_status(moment, state))
    found.update(_line_counts(found))
    found.update(_alarms(moment, state))
    found.update(_test(moment, state))
    found.update(_control(moment, state))
    found[9, 7, 0] = ber.integer(round(moment.settings.number("limit.runtime.low")))
    return [((*UPS, *part), value) for part, value in found.items()]


def _readings(values: Mapping[str, Value]) -> dict[tuple[int, ...], bytes]:
    """Readings that have a counterpart, in its unit. A later one (a phase) takes the place of an earlier one (the sum)."""
    found = {}
    for name, place, factor in COUNTERPARTS:
        value = values.get(name)
        if value is None:
            continue
        kind = place[:-1]
        if kind in TEXTS:
            found[place] = ber.octets(str(value), TEXTS[kind])
            continue
        if isinstance(value, str):
            continue
        scaled = value * factor
        number = int(scaled) if place == (2, 3, 0) else round(scaled)
        low, high = LIMITS.get(kind, (0, 2**31 - 1))
        if number < low and kind in LIMITS:
            number = low
        if number >= 0 or kind in SIGNED:
            found[place] = ber.integer(min(number, high))
    return found


def _battery_status(moment: Moment) -> int:
    words = moment.words
    if words is None:
        return BATTERY_UNKNOWN
    if moment.alarm("BATTERY_DEPLETED"):
        return BATTERY_DEPLETED
    return BATTERY_LOW if "LB" in words else BATTERY_NORMAL


def _source(words: list[str]) -> int:
    for word, source in (
        ("OFF", SOURCE_NONE),
        ("BYPASS", BYPASS),
        ("OB", BATTERY),
        ("BOOST", BOOSTER),
        ("TRIM", REDUCER),
        ("OL", NORMAL),
    ):
        if word in words:
            return source
    return SOURCE_OTHER


def _status(moment: Moment, state: UpsState) -> dict[tuple[int, ...], Encoded]:
    """What follows from the status; nothing while there is none."""
    words = moment.words
    if words is None:
        return {}
    found: dict[tuple[int, ...], Encoded] = {(4, 1, 0): ber.integer(_source(words)), (2, 2, 0): ber.integer(0)}
    alarm = moment.alarm("ON_BATTERY")
    if "OB" in words:
        began = alarm.since_boot if alarm is not None and alarm.boot == clock.boot_id() else moment.now
        since = max(began, state.begun)
        found[2, 2, 0] = lambda: ber.integer(int(max(0.0, clock.boottime() - since)))
    beeper = BEEPER.get(str(moment.values.get("ups.beeper.status")))
    if beeper:
        found[9, 8, 0] = ber.integer(beeper)
    return found


def _line_counts(found: Mapping[tuple[int, ...], Encoded]) -> dict[tuple[int, ...], bytes]:
    """As many lines as there are rows: a line that has no value has no row."""
    counts: dict[tuple[int, ...], bytes] = {}
    for count, entry in LINES.values():
        lines = {place[-1] for place in found if place[:3] == entry and len(place) == 5}
        if lines or (*count, 0) in found:
            counts[(*count, 0)] = ber.integer(len(lines))
    return counts


def _alarms(moment: Moment, state: UpsState) -> dict[tuple[int, ...], bytes]:
    found: dict[tuple[int, ...], bytes] = {}
    for alarm in moment.alarms:
        number, description = state.number(alarm.key, alarm.code)
        before = alarm.boot != clock.boot_id() or alarm.since_boot < state.begun
        found[6, 2, 1, 2, number] = ber.oid(description)
        found[6, 2, 1, 3, number] = ber.ticks(0 if before else alarm.since_boot - state.begun)
    return found


def summary(moment: Moment, state: UpsState) -> int | None:
    """upsTestResultsSummary; None where the UPS tells nothing of tests and none was seen."""
    if state.test.running or "TEST" in (moment.words or ()):
        return RUNNING
    said = RESULTS.get(str(moment.values.get("ups.test.result")))
    if said is not None:
        return said
    return NONE if moment.words is not None and not state.test.started else None


def _test(moment: Moment, state: UpsState) -> dict[tuple[int, ...], Encoded]:
    test = state.test
    found: dict[tuple[int, ...], Encoded] = {
        (7, 1, 0): ber.oid(test_oid(test.kind)),
        (7, 2, 0): ber.integer(state.spin_lock),
        (7, 4, 0): ber.octets(""),
        (7, 5, 0): ber.ticks(max(0.0, test.started - state.begun) if test.started else 0),
        (7, 6, 0): _interval(test.ended - test.started),
    }
    if test.running:
        started = test.started
        found[7, 6, 0] = lambda: _interval(clock.boottime() - started)
    result = summary(moment, state)
    if result is not None:
        found[7, 3, 0] = ber.integer(result)
    return found


def _interval(seconds: float) -> bytes:
    """A TimeInterval of RFC 2579: hundredths of a second, but a plain number."""
    return ber.integer(max(0, min(int(seconds * 100), 2**31 - 1)))


def _left(due: float | None) -> Encoded:
    """Seconds until `due`, -1 where no countdown runs."""
    if due is None:
        return ber.integer(-1)
    return lambda: ber.integer(max(-1, int(due - clock.boottime())))


def _control(moment: Moment, state: UpsState) -> dict[tuple[int, ...], Encoded]:
    """Countdowns as the UPS tells them, else those that were begun here. Only the output can be switched, never the whole UPS."""
    found: dict[tuple[int, ...], Encoded] = {
        (8, 1, 0): ber.integer(1),
        (8, 4, 0): _left(state.reboot_until),
        (8, 5, 0): ber.integer(1 if moment.settings["snmp.restart"] is True else 2),
    }
    for place, reading, due in (
        ((8, 2, 0), "ups.timer.shutdown", state.off_at),
        ((8, 3, 0), "ups.timer.start", state.on_at),
    ):
        if reading not in moment.values:
            found[place] = _left(due)
    return found
