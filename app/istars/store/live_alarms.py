"""Alarms that are present, and events on their way to flash: the part of the live table that only the rules write.

One transaction takes the rules from one state to the next: alarms raised and cleared, the events that say so, and how far the
changes of readings were looked at. A process killed at any moment has done all of it or nothing, so no event is lost or doubled.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from istars.errors import StoreError
from istars.platform import clock
from istars.store.archive import EVENT_COLUMNS, Event, event_of
from istars.store.database import Database
from istars.store.live_commands import bump

_ALARM_COLUMNS = "key, code, severity, since_wall, since_boot, boot, args, acknowledged_by, acknowledged_wall, note"


@dataclass(frozen=True, slots=True)
class LiveAlarm:
    """An alarm that is present. `since_boot` counts only within the boot `boot`."""

    key: str
    code: str
    severity: str
    since_wall: float
    since_boot: float
    boot: str
    args: dict[str, object] = field(default_factory=dict)
    acknowledged_by: str | None = None
    acknowledged_wall: float | None = None
    note: str = ""

    def lasted(self, now_boot: float, now_wall: float, boot: str | None = None) -> float:
        """Seconds since it was raised: by boottime, which no clock step disturbs, or by wall time from an earlier boot."""
        if self.boot == (boot or clock.boot_id()):
            return max(0.0, now_boot - self.since_boot)
        return max(0.0, now_wall - self.since_wall)


@dataclass(frozen=True, slots=True)
class Step:
    """What the rules decided at once: from the state before it to the state after it.

    `cleared` holds keys of alarms, `recorded` numbers of commands that the events tell of, `cursor` the last change looked at,
    `pending` the conditions that hold but not yet for long enough (code to boottime). None leaves what is there.
    """

    raised: Sequence[LiveAlarm] = ()
    updated: Sequence[LiveAlarm] = ()
    cleared: Sequence[str] = ()
    events: Sequence[Event] = ()
    recorded: Sequence[int] = ()
    cursor: int | None = None
    pending: Mapping[str, float] | None = None

    def visible(self) -> bool:
        """Whether anybody else sees a difference."""
        return bool(self.raised or self.updated or self.cleared or self.events)

    def __bool__(self) -> bool:
        return self.visible() or bool(self.recorded) or self.cursor is not None or self.pending is not None


class AlarmRows(Database):
    """The part of the live table that holds alarms and pending events."""

    _owner = ""

    def alarms(self) -> list[LiveAlarm]:
        """Alarms that are present, worst and newest first."""
        rows = self.rows(
            f"SELECT {_ALARM_COLUMNS} FROM alarm ORDER BY "  # noqa: S608 - constant text
            "CASE severity WHEN 'critical' THEN 0 WHEN 'warning' THEN 1 ELSE 2 END, since_wall DESC, key"
        )
        return [_alarm(row) for row in rows]

    def cursor(self) -> int | None:
        """Id of the last change that the rules have looked at; None where they never began."""
        found = self.rows("SELECT value FROM meta WHERE key = 'cursor'")
        return int(found[0][0]) if found else None

    def pending_since(self) -> dict[str, float]:
        """Conditions that hold but not yet for long enough: code to the boottime at which they began."""
        found = self.rows("SELECT value FROM meta WHERE key = 'pending'")
        return {str(code): float(since) for code, since in json.loads(found[0][0]).items()} if found else {}

    def take_rules(self) -> None:
        """Become the one that writes here: from now on an earlier one, which may still be ending, is refused."""
        self._owner = os.urandom(6).hex()
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES ('owner', ?)", (self._owner,))

    def apply(self, step: Step) -> None:
        """Take the rules one step further, all of it or nothing.

        Raises StoreError where another one has taken the rules meanwhile: what this one knows is no longer true.
        """
        with self.transaction() as db:
            owner = db.execute("SELECT value FROM meta WHERE key = 'owner'").fetchone()
            if owner is not None and owner[0] != self._owner:
                raise StoreError(f"{self.path}: another process applies the rules now")
            db.executemany("DELETE FROM alarm WHERE key = ?", [(key,) for key in step.cleared])
            db.executemany(
                f"INSERT OR REPLACE INTO alarm ({_ALARM_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - constant text
                [_alarm_row(alarm) for alarm in (*step.raised, *step.updated)],
            )
            db.executemany(
                "INSERT INTO pending_event (key, at, code, kind, severity, args, alarm, duration_s) VALUES (?,?,?,?,?,?,?,?)",
                [_event_row(event) for event in step.events],
            )
            if step.cursor is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('cursor', ?)", (step.cursor,))
            if step.pending is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('pending', ?)", (json.dumps(dict(step.pending)),))
            db.executemany("UPDATE command SET recorded = 1 WHERE id = ?", [(number,) for number in step.recorded])
            if step.visible():
                bump(db)

    def tell(self, event: Event) -> None:
        """Add an event that others than the rules know of, such as a reset; the core takes it to flash. Once for each key."""
        with self.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO pending_event (key, at, code, kind, severity, args, alarm, duration_s) "
                "VALUES (?,?,?,?,?,?,?,?)",
                _event_row(event),
            )
            bump(db)

    def pending_events(self) -> list[Event]:
        """Events that are not yet on flash, in order; their `id` is that of this table."""
        rows = self.rows(f"SELECT {EVENT_COLUMNS} FROM pending_event ORDER BY id")  # noqa: S608 - constant text
        return [event_of(row) for row in rows]

    def forget_pending(self, up_to: int) -> None:
        """Drop events that are on flash now."""
        with self.transaction() as db:
            db.execute("DELETE FROM pending_event WHERE id <= ?", (up_to,))
            bump(db)


def _alarm(row: Sequence[Any]) -> LiveAlarm:
    return LiveAlarm(row[0], row[1], row[2], row[3], row[4], row[5], json.loads(row[6]), row[7], row[8], row[9])


def _alarm_row(alarm: LiveAlarm) -> tuple[object, ...]:
    return (
        alarm.key, alarm.code, alarm.severity, alarm.since_wall, alarm.since_boot, alarm.boot, json.dumps(alarm.args),
        alarm.acknowledged_by, alarm.acknowledged_wall, alarm.note,
    )  # fmt: skip


def _event_row(event: Event) -> tuple[object, ...]:
    return (
        event.key, event.at, event.code, event.kind, event.severity, json.dumps(event.args), event.alarm, event.duration_s,
    )  # fmt: skip
