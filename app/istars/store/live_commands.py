"""Commands as rows of the live table: who asked, from where, until when it may be carried out, and what came of it.

A worker claims a command with one UPDATE, so that it is carried out once. One that is too old is never carried out late: a stale
"switch the load off" must die.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from istars.errors import UnknownName
from istars.platform import clock
from istars.store.database import Database

COMMANDS_KEPT = 200
_COLUMNS = "id, target, name, arguments, asked_by, address, asked_at, deadline, state, result"


@dataclass(frozen=True, slots=True)
class LiveCommand:
    """One command; times in boottime seconds; `state` is queued, running, done, failed or expired."""

    id: int
    target: str
    name: str
    arguments: dict[str, int | str]
    asked_by: str
    address: str
    asked_at: float
    deadline: float
    state: str
    result: str

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ("done", "failed", "expired")


def _command(row: sqlite3.Row) -> LiveCommand:
    values = list(row)
    values[3] = json.loads(values[3])
    return LiveCommand(*values)


def bump(db: sqlite3.Connection) -> None:
    """Tell readers that something changed."""
    db.execute("UPDATE meta SET value = value + 1 WHERE key = 'sequence'")


class CommandRows(Database):
    """The part of the live table that holds commands."""

    @staticmethod
    def _bump(db: sqlite3.Connection) -> None:
        bump(db)

    def submit(
        self, target: str, name: str, arguments: Mapping[str, object], *, asked_by: str, address: str, lifetime_s: float
    ) -> int:
        """Queue a command for worker `target` and answer its id; it dies unless claimed within `lifetime_s`."""
        now = clock.boottime()
        with self.transaction() as db:
            cursor = db.execute(
                "INSERT INTO command (target, name, arguments, asked_by, address, asked_at, deadline) VALUES (?,?,?,?,?,?,?)",
                (target, name, json.dumps(dict(arguments)), asked_by, address, now, now + lifetime_s),
            )
            identity = int(cursor.lastrowid or 0)
            db.execute(
                "DELETE FROM command WHERE id <= ? AND state NOT IN ('queued', 'running')", (identity - COMMANDS_KEPT,)
            )
            bump(db)
        return identity

    def command(self, identity: int) -> LiveCommand:
        """The command as it stands; raises UnknownName where there is none of that id."""
        self._expire()
        found = self.rows(f"SELECT {_COLUMNS} FROM command WHERE id = ?", (identity,))  # noqa: S608 - constant text
        if not found:
            raise UnknownName(f"no command has the number {identity}")
        return _command(found[0])

    def recent(self, target: str, limit: int) -> list[LiveCommand]:
        """The last commands for worker `target`, newest first."""
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM command WHERE target = ? ORDER BY id DESC LIMIT ?",  # noqa: S608 - constant text
            (target, limit),
        )
        return [_command(row) for row in rows]

    def _expire(self) -> None:
        """End queued commands that are past their deadline."""
        now = clock.boottime()
        if self.rows("SELECT 1 FROM command WHERE state = 'queued' AND deadline <= ? LIMIT 1", (now,)):
            with self.transaction() as db:
                db.execute(
                    "UPDATE command SET state = 'expired', result = 'not carried out in time' "
                    "WHERE state = 'queued' AND deadline <= ?",
                    (now,),
                )
                bump(db)

    def claim(self, target: str) -> LiveCommand | None:
        """Take the oldest command that waits for `target` and is not too old; None where there is none."""
        # Nearly always there is none: one look at an index, several times a second.
        if not self.rows("SELECT 1 FROM command WHERE target = ? AND state = 'queued' LIMIT 1", (target,)):
            return None
        self._expire()
        with self.transaction() as db:
            row = db.execute(
                "UPDATE command SET state = 'running' WHERE id = (SELECT min(id) FROM command "  # noqa: S608 - constant text
                f"WHERE target = ? AND state = 'queued' AND deadline > ?) RETURNING {_COLUMNS}",
                (target, clock.boottime()),
            ).fetchone()
        return _command(row) if row else None

    def finish(self, identity: int, state: str, result: str) -> None:
        """Record what came of a command: `done` or `failed`, and one sentence."""
        with self.transaction() as db:
            db.execute("UPDATE command SET state = ?, result = ? WHERE id = ?", (state, result, identity))
            bump(db)

    def unrecorded(self) -> list[LiveCommand]:
        """Commands that have ended and are not yet in the event record, oldest first."""
        if not self.rows("SELECT 1 FROM command WHERE recorded = 0 LIMIT 1"):
            return []
        self._expire()
        rows = self.rows(
            f"SELECT {_COLUMNS} FROM command WHERE recorded = 0 AND state IN ('done', 'failed', 'expired') ORDER BY id"  # noqa: S608
        )
        return [_command(row) for row in rows]

    def abandon(self, target: str) -> list[LiveCommand]:
        """End what an earlier run of worker `target` left behind, and answer it.

        One that was running may have reached the device: that is said, and it is not tried again. One that was queued is not
        carried out either: whoever asked has seen no progress and may have asked again.
        """
        with self.transaction() as db:
            rows = db.execute(
                "UPDATE command SET result = CASE state WHEN 'running' THEN 'interrupted; it may have taken effect' "  # noqa: S608
                f"ELSE 'not carried out' END, state = 'failed' WHERE target = ? AND state IN ('queued', 'running') "
                f"RETURNING {_COLUMNS}",
                (target,),
            ).fetchall()
            if rows:
                bump(db)
        return [_command(row) for row in rows]
