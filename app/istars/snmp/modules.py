"""ISTARS-MIB's tables of what is there several times: environment modules, batteries on the CAN bus, peer cards.

A row stands for a number under which the live table has any reading. A value that is stale or was never told has no instance,
as everywhere; `State` and `Age` of the row say how it stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from istars.model.module_readings import PACK, PACKS, PEER, PEERS, SENSOR, SENSORS
from istars.model.readings import Value
from istars.platform import clock
from istars.snmp import ber
from istars.snmp.ber import Oid
from istars.snmp.oids import OBJECTS as BASE
from istars.snmp.table import Row
from istars.store.live import LiveReading

CURRENT, STALE = 1, 3
LINK = {"ok": 1, "lost": 2}
TEXT, STATE = 0, -1
"""Columns that are no numbers: as they stand, and by their word."""


@dataclass(frozen=True, slots=True)
class Table:
    """One of the tables. `columns` is name of a reading to column and factor of the MIB's unit (or TEXT, STATE)."""

    entry: Oid
    prefix: str
    rows: int
    columns: Mapping[str, tuple[int, int]]
    state: int

    @property
    def age(self) -> int:
        """The last column, behind `state`."""
        return self.state + 1


TABLES = (
    Table(
        (*BASE, 5, 1), SENSOR, SENSORS, {"name": (2, TEXT), "temperature": (3, 10), "humidity": (4, 10)}, 5
    ),
    Table(
        (*BASE, 6, 1),
        PACK,
        PACKS,
        {
            "name": (2, TEXT), "mfr": (3, TEXT), "charge": (4, 1), "health": (5, 1), "voltage": (6, 100), "current": (7, 10),
            "temperature": (8, 10), "charge.voltage.limit": (9, 10), "charge.current.limit": (10, 10),
            "discharge.current.limit": (11, 10), "alarm": (12, TEXT),
        },
        13,
    ),
    Table(
        (*BASE, 7, 1),
        PEER,
        PEERS,
        {
            "name": (2, TEXT), "address": (3, TEXT), "state": (4, STATE), "status": (5, TEXT), "charge": (6, 1),
            "runtime": (7, 1), "load": (8, 1),
        },
        9,
    ),
)  # fmt: skip
PLACES: Mapping[str, tuple[Table, int, int, int]] = {
    f"{table.prefix}.{number}.{name}": (table, number, column, factor)
    for table in TABLES
    for number in range(1, table.rows + 1)
    for name, (column, factor) in table.columns.items()
}
"""Reading to its table, row, column and factor."""
OBJECTS = frozenset(
    (*table.entry, column)
    for table in TABLES
    for column in (*(column for column, _ in table.columns.values()), table.state, table.age)
)


def rows(readings: Iterable[LiveReading], now: float) -> list[Row]:
    """The rows that there are."""
    found: list[Row] = []
    newest: dict[tuple[Oid, int], tuple[float, bool, Table]] = {}
    for reading in readings:
        if (place := PLACES.get(reading.name)) is None:
            continue
        table, number, column, factor = place
        fresh = not reading.stale(now)
        at, before, _ = newest.get((table.entry, number), (reading.at, False, table))
        newest[table.entry, number] = max(at, reading.at), before or fresh, table
        value = _encoded(reading.value, factor) if fresh else None
        if value is not None:
            found.append(((*table.entry, column, number), value))
    for (entry, number), (at, fresh, table) in newest.items():
        found.append(((*entry, table.state, number), ber.integer(CURRENT if fresh else STALE)))
        found.append(((*entry, table.age, number), lambda at=at: ber.gauge(int(clock.boottime() - at))))  # type: ignore[misc]
    return found


def _encoded(value: Value, factor: int) -> bytes | None:
    if factor == TEXT:
        return ber.octets(str(value))
    if factor == STATE:
        word = LINK.get(str(value))
        return None if word is None else ber.integer(word)
    return None if isinstance(value, str) else ber.integer(round(value * factor))
