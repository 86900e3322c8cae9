"""The live table: what is true now, shared by all processes of the card.

A table, not a bus: whoever comes late reads the last value, nobody reconnects, a killed writer leaves no half-written poll.
Each value carries the moment at which it expires; readers decide, so the readings of a dead worker go stale by themselves.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from istars.errors import StoreError
from istars.model.readings import Value, reading
from istars.platform import clock
from istars.store.database import Database, StoreDamaged, set_aside
from istars.store.live_alarms import AlarmRows
from istars.store.live_commands import CommandRows

CHANGES_KEPT = 1_000
"""Changes of discrete readings that wait for the rules; at one a second a quarter of an hour."""


NAMES_OF_SOURCE = "SELECT name FROM reading WHERE source = ?"


@dataclass(frozen=True, slots=True)
class LiveReading:
    """One reading as it stands. Times are boottime seconds."""

    name: str
    value: Value
    at: float
    expires: float
    changed_at: float
    source: str
    estimated: bool

    def stale(self, now: float) -> bool:
        """Whether it may no longer be shown as current."""
        return now >= self.expires

    def age(self, now: float) -> float:
        """Seconds since it was read."""
        return max(0.0, now - self.at)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a discrete reading; `at` in boottime, `wall` in epoch seconds."""

    id: int
    at: float
    wall: float
    name: str
    value: Value


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Sign of life of a worker; `at` in boottime seconds."""

    worker: str
    pid: int
    at: float
    version: str


def _differs(known: tuple[Value, float] | None, value: Value, now: float) -> bool:
    """Whether readers see a difference: a new value, or one that comes back after it was stale."""
    return known is None or known[0] != value or known[1] <= now


class LiveTable(CommandRows, AlarmRows, Database):
    """Readings, alarms, commands and heartbeats. One object per thread; open it after fork.

    Raises StoreError where the file cannot be used.
    """

    schema = Path(__file__).with_name("live.sql").read_text(encoding="utf-8")
    synchronous = "OFF"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        # What this object wrote last, and how others' writing is noticed; see _remembered.
        self._version = -1
        self._known: dict[str, tuple[Value, float]] = {}
        self._renewable: dict[str, tuple[frozenset[str], frozenset[str]] | None] = {}

    @classmethod
    def open_or_renew(cls, path: Path) -> LiveTable:
        """Open the table; one that is damaged is put aside and begun anew (its contents are at most seconds old)."""
        table = None
        try:
            table = cls(path)
            table.check()
        except StoreDamaged:
            if table is not None:
                table.close()
            set_aside(path)
            return cls(path)
        return table

    def instance(self) -> str:
        """Random name of this table: its counters mean nothing in another one."""
        return str(self._meta("instance"))

    def sequence(self) -> int:
        """A number that grows whenever a value, an alarm or a command changed; not when only `expires` moved."""
        return int(self._meta("sequence"))

    def mark(self, name: str) -> str | None:
        """A text that a worker has kept here for its next start; None where it has not, such as after the machine stopped."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", (f"mark.{name}",))
        return str(found[0][0]) if found else None

    def set_mark(self, name: str, value: str) -> None:
        """Keep a text for the next start of a worker."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"mark.{name}", value))

    def _meta(self, key: str) -> str:
        found = self.rows("SELECT value FROM meta WHERE key = ?", (key,))
        if not found:
            raise StoreError(f"{self.path}: {key} is missing")
        return str(found[0][0])

    def publish(
        self,
        source: str,
        values: Mapping[str, Value],
        *,
        lifetime_s: float,
        estimated: Collection[str] = (),
        at: float | None = None,
    ) -> bool:
        """Write what one poll read, as one transaction; True if anything that others care about changed.

        `at` is the boottime at which the values were true, the present without it; they expire `lifetime_s` later.

        Names that are missing from `values` keep aging. Raises UnknownName through the model for a name that is not declared.
        """
        declared = {name: reading(name) for name in values}
        flags = frozenset(estimated)
        with self.transaction() as db:
            now, wall = clock.boottime(), clock.wall()
            if at is not None:
                now, wall = at, wall - (now - at)
            expires = now + lifetime_s
            known, renewed = self._remembered(db, source, values, flags)
            changed = [name for name, value in values.items() if _differs(known.get(name), value, now)]
            # Most polls change a few values and renew all: one statement renews, the others write what is different.
            if renewed:
                db.execute("UPDATE reading SET at = ?, expires = ? WHERE source = ?", (now, expires, source))
            db.executemany(
                "INSERT INTO reading (name, value, at, expires, changed_at, source, estimated) "
                "VALUES (?1, ?2, ?3, ?4, ?3, ?5, ?6) ON CONFLICT (name) DO UPDATE SET value = ?2, at = ?3, expires = ?4, "
                "changed_at = CASE WHEN value IS ?2 THEN changed_at ELSE ?3 END, source = ?5, estimated = ?6",
                [
                    (name, values[name], now, expires, source, int(name in flags))
                    for name in (changed if renewed else values)
                ],
            )
            discrete = [
                name
                for name in changed
                if declared[name].discrete and (name not in known or known[name][0] != values[name])
            ]
            if discrete:
                db.executemany(
                    "INSERT INTO change (at, wall, name, value) VALUES (?, ?, ?, ?)",
                    [(now, wall, name, values[name]) for name in discrete],
                )
                self._trim(db)
            if changed:
                self._bump(db)
            stored = values.keys() if renewed else {row[0] for row in db.execute(NAMES_OF_SOURCE, (source,))}
        known.update({name: (value, expires) for name, value in values.items()})
        self._known = known
        # Names that this poll did not bring must go on aging: then nothing can be renewed as a whole.
        self._renewable[source] = (frozenset(values), flags) if stored == values.keys() else None
        return bool(changed)

    def _remembered(
        self, db: sqlite3.Connection, source: str, values: Mapping[str, Value], flags: frozenset[str]
    ) -> tuple[dict[str, tuple[Value, float]], bool]:
        """What the table holds (value and expiry by name), and whether `source` can be renewed as a whole.

        What this object wrote last is believed only while nobody else has written: a predecessor that is still ending may
        publish once more after us, and a value of its own must not be renewed as if it were ours.
        """
        version = int(db.execute("PRAGMA data_version").fetchone()[0])
        if version != self._version:
            self._version = version
            self._known = {row[0]: (row[1], row[2]) for row in db.execute("SELECT name, value, expires FROM reading")}
            self._renewable.clear()
        return dict(self._known), self._renewable.get(source) == (frozenset(values), flags)

    @staticmethod
    def _trim(db: sqlite3.Connection) -> None:
        """Forget old changes, but for the last of each reading: it is the state at any later cursor."""
        newest = db.execute("SELECT max(id) FROM change").fetchone()[0]
        if newest % 100 == 0:
            db.execute(
                "DELETE FROM change WHERE id <= ? AND id NOT IN (SELECT max(id) FROM change GROUP BY name)",
                (newest - CHANGES_KEPT,),
            )

    def states_at(self, cursor: int) -> dict[str, Value]:
        """Discrete readings as they stood after the change `cursor`."""
        rows = self.rows(
            "SELECT name, value FROM change WHERE id IN (SELECT max(id) FROM change WHERE id <= ? GROUP BY name)",
            (cursor,),
        )
        return {row[0]: row[1] for row in rows}

    def withdraw(self, names: Collection[str]) -> None:
        """Remove readings that this device does not have (after a change of protocol)."""
        with self.transaction() as db:
            db.executemany("DELETE FROM reading WHERE name = ?", [(name,) for name in names])
            self._bump(db)
        self._version = -1

    def readings(self) -> dict[str, LiveReading]:
        """Every reading by name, fresh and stale alike."""
        return {
            row[0]: LiveReading(row[0], row[1], row[2], row[3], row[4], row[5], bool(row[6]))
            for row in self.rows("SELECT name, value, at, expires, changed_at, source, estimated FROM reading")
        }

    def touch(self) -> None:
        """Tell readers that something has changed which they show beside what stands in this table."""
        with self.transaction() as db:
            self._bump(db)

    def changes(self, after: int) -> list[Change]:
        """Changes of discrete readings with an id above `after`, in order."""
        return [
            Change(*row)
            for row in self.rows("SELECT id, at, wall, name, value FROM change WHERE id > ? ORDER BY id", (after,))
        ]

    def heartbeat(self, worker: str, version: str) -> None:
        """Say that `worker` is alive; raise StoreError if the table was replaced under it."""
        self.verify()
        with self.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO heartbeat VALUES (?, ?, ?, ?)",
                # of the thread: for a worker that has its process to itself, the number of the process
                (worker, threading.get_native_id(), clock.boottime(), version),
            )

    def heartbeats(self) -> dict[str, Heartbeat]:
        """Last sign of life by worker."""
        return {row[0]: Heartbeat(*row) for row in self.rows("SELECT worker, pid, at, version FROM heartbeat")}
