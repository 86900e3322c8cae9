"""What happened: events and the alarms that are present, on flash.

Each write is one transaction that is on the medium when it returns (`synchronous=FULL`): a power cut the moment after loses
nothing. Events carry a key, so that writing one again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from istars.platform import clock
from istars.store.database import Database

EVENTS_KEPT = 200_000
"""About 40 MB; at a hundred events a day more than five years."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `kind` is `raise`, `clear` or `event`; `alarm` the key of the alarm it belongs to; `at` epoch seconds."""

    id: int
    key: str
    at: float
    code: str
    kind: str
    severity: str
    args: dict[str, object]
    alarm: str | None = None
    duration_s: float | None = None


EVENT_COLUMNS = "id, key, at, code, kind, severity, args, alarm, duration_s"


def event_of(row: Sequence[Any]) -> Event:
    """The event in a row of EVENT_COLUMNS."""
    return Event(row[0], row[1], row[2], row[3], row[4], row[5], json.loads(row[6]), row[7], row[8])


class Archive(Database):
    """Events on flash. The web opens it with `readonly=True`. Raises StoreDamaged, StoreFull or StoreError."""

    schema = Path(__file__).with_name("archive.sql").read_text(encoding="utf-8")
    synchronous = "FULL"

    def append(self, events: Sequence[Event], active: Iterable[tuple[str, dict[str, object]]]) -> None:
        """Add `events` in their order and remember the alarms that are present as (key, body); one write."""
        with self.transaction() as db:
            for event in events:
                db.execute(
                    "INSERT OR IGNORE INTO event (key, at, code, kind, severity, args, alarm, duration_s) "
                    "VALUES (?,?,?,?,?,?,?,?)",
                    (
                        event.key, event.at, event.code, event.kind, event.severity, json.dumps(event.args),
                        event.alarm, event.duration_s,
                    ),
                )  # fmt: skip
            db.execute("DELETE FROM active_alarm")
            db.executemany("INSERT INTO active_alarm VALUES (?, ?)", [(key, json.dumps(body)) for key, body in active])
            db.execute("DELETE FROM event WHERE id <= (SELECT max(id) FROM event) - ?", (EVENTS_KEPT,))

    def newest(self) -> int:
        """The id of the last event; 0 where there is none."""
        return int(self.rows("SELECT coalesce(max(id), 0) FROM event")[0][0])

    def clear(self) -> None:
        """Forget all events. Their numbers are not given again."""
        with self.transaction() as db:
            db.execute("DELETE FROM event")

    def active_alarms(self) -> list[dict[str, object]]:
        """Bodies of the alarms that were present at the last write."""
        return [json.loads(row[0]) for row in self.rows("SELECT body FROM active_alarm ORDER BY key")]

    def events(
        self,
        *,
        since: int = 0,
        before: int | None = None,
        day: date | None = None,
        from_wall: float | None = None,
        severity: Collection[str] = (),
        kind: Collection[str] = (),
        limit: int = 500,
        newest_first: bool = False,
    ) -> list[Event]:
        """Events with an id above `since` (and below `before`), of one day of the card's zone, of some severities or kinds."""
        terms, values = ["id > ?"], [since]  # type: tuple[list[str], list[object]]
        if before is not None:
            terms.append("id < ?")
            values.append(before)
        if day is not None:
            terms.append("at >= ? AND at < ?")
            values.extend(clock.day_limits(day))
        if from_wall is not None:
            terms.append("at >= ?")
            values.append(from_wall)
        for column, allowed in (("severity", severity), ("kind", kind)):
            if allowed:
                terms.append(f"{column} IN ({','.join('?' * len(allowed))})")
                values.extend(allowed)
        statement = (
            f"SELECT {EVENT_COLUMNS} FROM event "  # noqa: S608 - names are ours, values bound
            f"WHERE {' AND '.join(terms)} ORDER BY id {'DESC' if newest_first else 'ASC'} LIMIT ?"
        )
        rows = self.rows(statement, (*values, limit))
        return [event_of(row) for row in rows]
