"""ISTARS-MIB: the card, every reading by its RFC 9271 name, alarms in words, workers. The file is `mibs/ISTARS-MIB`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from istars import __version__
from istars.model.alarms import describe, describe_detail
from istars.model.readings import READINGS, Value, format_value
from istars.platform import clock, paths, sysinfo
from istars.snmp import ber
from istars.snmp.ber import Oid
from istars.snmp.oids import OBJECTS as BASE
from istars.snmp.state import UpsState
from istars.snmp.table import Row
from istars.store.live import Heartbeat, LiveReading
from istars.store.live_alarms import LiveAlarm

CARD: Oid = (*BASE, 1)
READING: Oid = (*BASE, 2, 1)
ALARM: Oid = (*BASE, 3, 1)
WORKER: Oid = (*BASE, 4, 1)
CURRENT, ESTIMATED, STALE = 1, 2, 3
SEVERITIES = {"critical": 1, "warning": 2, "information": 3}
LINK = {"ok": 1, "lost": 2}
LARGEST = 2**31 - 1
OBJECTS = frozenset(
    {
        *((*CARD, number) for number in range(1, 12)),
        *((*READING, number) for number in range(2, 8)),
        *((*ALARM, number) for number in range(2, 8)),
        *((*WORKER, number) for number in range(2, 4)),
    }
)


def index(name: str) -> Oid:
    """A text as the index of a row (IMPLIED: without its length)."""
    return tuple(name.encode())


def card_rows() -> list[Row]:
    """What the card says of itself; what the machine does not tell has no instance."""
    memory, storage = sysinfo.memory(), sysinfo.storage(paths.data_dir())
    load = sysinfo.load()
    found: list[Row] = [
        ((*CARD, 1, 0), ber.octets(__version__)),
        ((*CARD, 2, 0), ber.octets(sysinfo.model())),
        ((*CARD, 4, 0), lambda: ber.ticks(clock.boottime())),
    ]
    if serial := sysinfo.serial():
        found.append(((*CARD, 3, 0), ber.octets(serial)))
    if load:
        found.append(((*CARD, 5, 0), ber.gauge(round(load[0] * 100))))
    for number, place in ((6, memory), (8, storage)):
        if place is not None:
            found.append(((*CARD, number, 0), ber.gauge(place.total // 1024)))
            found.append(((*CARD, number + 1, 0), ber.gauge(place.free // 1024)))
    return found


def link_rows(values: Mapping[str, Value]) -> list[Row]:
    """How the card stands with the UPS."""
    state = LINK.get(str(values.get("istars.link.state")))
    found: list[Row] = []
    if state is not None:
        found.append(((*CARD, 10, 0), ber.integer(state)))
    detail = values.get("istars.link.detail")
    if detail is not None:
        found.append(((*CARD, 11, 0), ber.octets(str(detail))))
    return found


def _age(at: float) -> bytes:
    return ber.gauge(int(clock.boottime() - at))


def reading_rows(readings: Iterable[LiveReading], now: float) -> list[Row]:
    """One row a reading; a value that is no longer current is not shown, only that it is stale."""
    found: list[Row] = []
    for reading in readings:
        declared = READINGS.get(reading.name)
        if declared is None:
            continue
        at = index(reading.name)
        stale = reading.stale(now)
        state = STALE if stale else ESTIMATED if reading.estimated else CURRENT
        found += [
            ((*READING, 2, *at), ber.octets(declared.label)),
            ((*READING, 4, *at), ber.octets(declared.unit)),
            ((*READING, 6, *at), ber.integer(state)),
            ((*READING, 7, *at), lambda at=reading.at: _age(at)),  # type: ignore[misc]
        ]
        if stale:
            continue
        found.append(((*READING, 3, *at), ber.octets(format_value(reading.name, reading.value))))
        if not isinstance(reading.value, str) and abs(reading.value) * 1000 <= LARGEST:
            found.append(((*READING, 5, *at), ber.integer(round(reading.value * 1000))))
    return found


def alarm_rows(alarms: Sequence[LiveAlarm], state: UpsState) -> list[Row]:
    """One row an alarm, of the same number as in the UPS-MIB's table."""
    found: list[Row] = []
    for alarm in alarms:
        number, _ = state.number(alarm.key, alarm.code)
        found += [
            ((*ALARM, 2, number), ber.octets(alarm.code)),
            ((*ALARM, 3, number), ber.integer(SEVERITIES.get(alarm.severity, 3))),
            ((*ALARM, 4, number), ber.octets(describe(alarm.code, alarm.args))),
            ((*ALARM, 5, number), ber.octets(describe_detail(alarm.code, alarm.args))),
            ((*ALARM, 6, number), ber.octets(date_and_time(alarm.since_wall))),
            ((*ALARM, 7, number), ber.octets(alarm.acknowledged_by or "")),
        ]
    return found


def worker_rows(heartbeats: Iterable[Heartbeat]) -> list[Row]:
    """One row a program of the card: seconds since its last sign of life, and its version."""
    found: list[Row] = []
    for beat in heartbeats:
        at = index(beat.worker)
        found.append(((*WORKER, 2, *at), lambda at=beat.at: _age(at)))  # type: ignore[misc]
        found.append(((*WORKER, 3, *at), ber.octets(beat.version)))
    return found


def date_and_time(epoch: float) -> bytes:
    """DateAndTime of RFC 2579, in the card's zone."""
    local = clock.local(epoch)
    away = int((local.utcoffset() or local - local).total_seconds()) // 60
    hours, minutes = divmod(abs(away), 60)
    return (
        local.year.to_bytes(2, "big")
        + bytes((local.month, local.day, local.hour, local.minute, local.second, local.microsecond // 100_000))
        + (b"-" if away < 0 else b"+")
        + bytes((hours, minutes))
    )
