"""Messages to people: on flash before anybody tries to send them, each with a final state.

A message is `waiting`, `sending`, and in the end `sent`, `failed`, `dropped` (no room) or `withdrawn` (no longer true before it
was due). What was being sent when the card was killed is sent again under the same `message_id`, so that a receiver which
looks at it can tell.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from istars.platform import clock
from istars.store.archive import Event
from istars.store.database import Database

OPEN_LIMIT = 4_000
"""Messages that may wait: about 3 MB on flash."""
ENDED_KEPT = 20_000
OPEN = "state IN ('waiting', 'sending')"
SEVERITIES = ("information", "warning", "critical")
"""Least first: the order in which messages give way when there is no room."""

BURST = 6
WINDOW_S = 600.0
"""More than BURST messages about one alarm to one recipient in WINDOW_S become one summary."""

_COLUMNS = (
    "id, endpoint, recipient, event_key, repeat, kind, code, severity, alarm, at, body, message_id, boot, due, hold, state, "
    "attempts, result, ended"
)


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `at` and `ended` are epoch seconds, `due` boottime of `boot`; `body` holds the arguments of the text.

    `endpoint` is what is connected to (`mail`, `webhook.1`), `recipient` an address there; `kind` is that of the event, or
    `summary` or `test`; `hold` why it
    is not sent at once (`delay`, `quiet`, `repeat`, `summary`, or empty).
    """

    id: int
    endpoint: str
    recipient: str
    event_key: str
    repeat: int
    kind: str
    code: str
    severity: str
    alarm: str | None
    at: float
    body: dict[str, object]
    message_id: str
    boot: str
    due: float
    hold: str
    state: str
    attempts: int
    result: str
    ended: float | None

    @property
    def args(self) -> dict[str, object]:
        """Arguments of the event's text."""
        found = self.body.get("args")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be: about `event`, to be sent `wait_s` from now."""

    endpoint: str
    recipient: str
    event: Event
    wait_s: float = 0.0
    hold: str = ""
    body: Mapping[str, object] = field(default_factory=dict)
    repeat: int = 0
    kind: str = ""


def _message(row: sqlite3.Row) -> Message:
    values = list(row)
    values[10] = json.loads(values[10])
    return Message(*values)


class Outbox(Database):
    """The messages. One object per thread. Raises StoreDamaged, StoreFull or StoreError."""

    schema = Path(__file__).with_name("outbox.sql").read_text(encoding="utf-8")
    synchronous = "FULL"

    def cursor(self) -> int | None:
        """Number of the last event that was looked at; None in a new outbox."""
        found = self.rows("SELECT value FROM meta WHERE key = 'cursor'")
        return int(found[0][0]) if found else None

    def dropped(self) -> int:
        """How many messages were dropped for want of room, ever."""
        found = self.rows("SELECT value FROM meta WHERE key = 'dropped'")
        return int(found[0][0]) if found else 0

    def revive(self, endpoint: str | None = None, *, but: str = "") -> int:
        """After a kill: what was being sent is to be sent again, at `endpoint` alone or at all `but` one. Answers how many."""
        with self.transaction() as db:
            return db.execute(
                "UPDATE message SET state = 'waiting', due = 0, result = 'interrupted while it was being sent' "
                "WHERE state = 'sending' AND endpoint = coalesce(?, endpoint) AND endpoint <> ?",
                (endpoint, but),
            ).rowcount

    def noted(self, key: str) -> str:
        """What was noted under `key`; empty if nothing was."""
        found = self.rows("SELECT value FROM meta WHERE key = ?", (f"note.{key}",))
        return str(found[0][0]) if found else ""

    def note(self, key: str, value: str) -> None:
        """Keep `value` under `key`."""
        with self.transaction() as db:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"note.{key}", value))

    def accept(self, drafts: Iterable[Draft], cursor: int, notes: Mapping[str, str] | None = None) -> None:
        """Take messages about the events up to `cursor`, and `notes` that follow from them.

        All of it or nothing, so that no event is lost or told twice.
        """
        with self.transaction() as db:
            for draft in drafts:
                self._take(db, draft)
            db.execute("INSERT OR REPLACE INTO meta VALUES ('cursor', ?)", (str(cursor),))
            for key, value in (notes or {}).items():
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (f"note.{key}", value))
            self._make_room(db)

    def add(self, draft: Draft) -> int:
        """Take one message that follows from no new event (a repeat, a test) and answer its number."""
        with self.transaction() as db:
            identity = self._insert(db, draft)
            self._make_room(db)
        return identity

    def _take(self, db: sqlite3.Connection, draft: Draft) -> None:
        event = draft.event
        if event.kind == "clear" and self._withdraw(db, draft):
            return
        recent = db.execute(
            "SELECT count(*) FROM message WHERE endpoint = ? AND recipient = ? AND code = ? AND repeat = 0 "
            "AND kind IN ('raise', 'clear') AND at > ? AND at <= ?",
            (draft.endpoint, draft.recipient, event.code, event.at - WINDOW_S, event.at),
        ).fetchone()[0]
        if recent >= BURST and event.kind != "event":
            self._summarise(db, draft)
        else:
            self._insert(db, draft)

    @staticmethod
    def _withdraw(db: sqlite3.Connection, draft: Draft) -> bool:
        """The alarm ended: what was not to be told before it had lasted longer is not told; nothing more is repeated."""
        db.execute(
            "UPDATE message SET state = 'withdrawn', ended = ?, result = 'the alarm is over' "
            "WHERE endpoint = ? AND recipient = ? AND alarm = ? AND state = 'waiting' AND repeat > 0",
            (clock.wall(), draft.endpoint, draft.recipient, draft.event.alarm),
        )
        return bool(
            db.execute(
                "UPDATE message SET state = 'withdrawn', ended = ?, result = 'over before the delay' WHERE endpoint = ? "
                "AND recipient = ? AND alarm = ? AND state = 'waiting' AND hold = 'delay' AND boot = ? AND due > ?",
                (
                    clock.wall(), draft.endpoint, draft.recipient, draft.event.alarm, clock.boot_id(), clock.boottime(),
                ),
            ).rowcount
        )  # fmt: skip

    def _summarise(self, db: sqlite3.Connection, draft: Draft) -> None:
        """Count an event of a chattering alarm in one message that is sent when the window is over."""
        event = draft.event
        found = db.execute(
            "SELECT id, body FROM message WHERE endpoint = ? AND recipient = ? AND code = ? AND kind = 'summary' "
            "AND state = 'waiting'",
            (draft.endpoint, draft.recipient, event.code),
        ).fetchone()
        body: dict[str, Any] = (
            json.loads(found[1]) if found else {**draft.body, "args": event.args, "count": 0, "first": event.at}
        )
        body |= {"count": body["count"] + 1, "last": event.at, "now": event.kind}
        if found:
            db.execute("UPDATE message SET body = ? WHERE id = ?", (json.dumps(body), found[0]))
        else:
            summary = Draft(
                draft.endpoint, draft.recipient, event, max(WINDOW_S, draft.wait_s), "summary", body, kind="summary"
            )
            self._insert(db, summary)

    @staticmethod
    def _insert(db: sqlite3.Connection, draft: Draft) -> int:
        event = draft.event
        # A summary stands beside the messages of its event, which it does not replace.
        key = f"{event.key}/summary" if draft.kind == "summary" else event.key
        cursor = db.execute(
            "INSERT OR IGNORE INTO message (endpoint, recipient, event_key, repeat, kind, code, severity, alarm, at, body, "
            "message_id, boot, due, hold) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                draft.endpoint, draft.recipient, key, draft.repeat, draft.kind or event.kind, event.code, event.severity,
                event.alarm, event.at, json.dumps({"args": event.args, "duration_s": event.duration_s, **draft.body}),
                secrets.token_hex(16), clock.boot_id(), clock.boottime() + draft.wait_s, draft.hold,
            ),
        )  # fmt: skip
        return int(cursor.lastrowid or 0)

    @staticmethod
    def _make_room(db: sqlite3.Connection) -> None:
        """Drop what is too much: of those that wait the least important, the oldest first; of those that ended the oldest."""
        over = db.execute(f"SELECT count(*) FROM message WHERE {OPEN}").fetchone()[0] - OPEN_LIMIT  # noqa: S608 - constant
        if over > 0:
            order = " ".join(f"WHEN '{severity}' THEN {rank}" for rank, severity in enumerate(SEVERITIES))
            db.execute(
                "UPDATE message SET state = 'dropped', ended = ?, result = 'no room' WHERE id IN (SELECT id FROM message "  # noqa: S608
                f"WHERE state = 'waiting' ORDER BY CASE severity {order} ELSE 0 END, id LIMIT ?)",
                (clock.wall(), over),
            )
            db.execute(
                "INSERT INTO meta VALUES ('dropped', ?) ON CONFLICT (key) DO UPDATE SET value = value + excluded.value",
                (str(over),),
            )
        db.execute(
            f"DELETE FROM message WHERE id <= (SELECT max(id) FROM message) - ? AND NOT {OPEN}",  # noqa: S608 - constant
            (ENDED_KEPT,),
        )

    def next_due(self) -> dict[str, float]:
        """By endpoint, when its next message is due (boottime)."""
        return {
            row[0]: row[1]
            for row in self.rows(
                "SELECT endpoint, min(CASE WHEN boot = ? THEN due ELSE 0 END) FROM message "  # noqa: S608 - constant text
                f"WHERE {OPEN} AND state = 'waiting' GROUP BY endpoint",
                (clock.boot_id(),),
            )
        }

    def claim(self, endpoint: str) -> Message | None:
        """Take the oldest message of `endpoint` that is due; None where there is none.

        One that waits for another try holds up what was written to its recipient after it.
        """
        with self.transaction() as db:
            row = db.execute(
                "UPDATE message SET state = 'sending', attempts = attempts + 1, hold = '' WHERE id = ("  # noqa: S608 - constant
                f"SELECT id FROM message AS this WHERE endpoint = ? AND {OPEN} AND state = 'waiting' "
                "AND (boot <> ? OR due <= ?) AND NOT EXISTS (SELECT 1 FROM message AS earlier "
                f"WHERE earlier.endpoint = this.endpoint AND earlier.{OPEN} AND earlier.id < this.id "
                "AND earlier.state = 'waiting' AND earlier.hold = '' AND earlier.recipient = this.recipient) "
                f"ORDER BY id LIMIT 1) RETURNING {_COLUMNS}",
                (endpoint, clock.boot_id(), clock.boottime()),
            ).fetchone()
        return _message(row) if row else None

    def end(self, message: Message, state: str, result: str, follow: Draft | None = None) -> None:
        """Give `message` its final state, and take the message that follows from it; both or nothing."""
        with self.transaction() as db:
            if follow is not None:
                self._insert(db, follow)
            db.execute(
                "UPDATE message SET state = ?, result = ?, ended = ? WHERE id = ?",
                (state, result, clock.wall(), message.id),
            )

    def learn(self, message: Message, *, arrived: bool, result: str) -> None:
        """What became of `message` after it was sent stands beside what the other side said then."""
        with self.transaction() as db:
            db.execute(
                "UPDATE message SET state = ?, result = result || '; ' || ? WHERE id = ? AND state = 'sent'",
                ("sent" if arrived else "failed", result, message.id),
            )

    def postpone(self, message: Message, wait_s: float, result: str, *, whole_endpoint: bool) -> None:
        """Try `message` again later, and with it all that is due at its endpoint, or to its recipient: order is kept."""
        until, boot, now = clock.boottime() + wait_s, clock.boot_id(), clock.boottime()
        with self.transaction() as db:
            db.execute(
                "UPDATE message SET state = 'waiting', result = ? WHERE id = ?",
                (result, message.id),
            )
            db.execute(
                f"UPDATE message SET due = ?, boot = ?, hold = '' WHERE endpoint = ? AND {OPEN} AND (? OR recipient = ?) "  # noqa: S608
                "AND (boot <> ? OR due <= ? OR id = ?)",
                (until, boot, message.endpoint, whole_endpoint, message.recipient, boot, now, message.id),
            )

    def release(self, message: Message) -> None:
        """Give back a message that was claimed: it was not tried."""
        with self.transaction() as db:
            db.execute("UPDATE message SET state = 'waiting', attempts = attempts - 1 WHERE id = ?", (message.id,))

    def hurry(self, endpoint: str) -> None:
        """Try what waits for another try at `endpoint` now: its settings have changed."""
        with self.transaction() as db:
            db.execute(
                f"UPDATE message SET due = 0 WHERE endpoint = ? AND {OPEN} AND state = 'waiting' AND hold = ''",  # noqa: S608
                (endpoint,),
            )

    def abandon(self, endpoints: Sequence[str]) -> None:
        """End what waits for endpoints that are not `endpoints`: they are no longer set."""
        marks = ",".join("?" * len(endpoints))
        with self.transaction() as db:
            db.execute(
                "UPDATE message SET state = 'failed', ended = ?, result = 'no longer set' "  # noqa: S608 - marks only
                f"WHERE {OPEN} AND endpoint NOT IN ({marks})",
                (clock.wall(), *endpoints),
            )

    def waiting(self, endpoint: str) -> int:
        """How many messages of `endpoint` have no final state."""
        return int(
            self.rows(f"SELECT count(*) FROM message WHERE endpoint = ? AND {OPEN}", (endpoint,))[0][0]  # noqa: S608
        )

    def message(self, identity: int) -> Message | None:
        """The message with this number."""
        found = self.rows(f"SELECT {_COLUMNS} FROM message WHERE id = ?", (identity,))  # noqa: S608 - constant text
        return _message(found[0]) if found else None

    def messages(
        self, channel: str, *, day: date | None = None, before: int | None = None, limit: int = 100
    ) -> list[Message]:
        """Messages of a channel (`mail`, `sms`, `webhook`, `syslog`), newest first, of one day of the card's zone."""
        terms, values = ["(endpoint = ? OR endpoint LIKE ?)"], [channel, f"{channel}.%"]  # type: tuple[list[str], list[object]]
        if day is not None:
            terms.append("at >= ? AND at < ?")
            values.extend(clock.day_limits(day))
        if before is not None:
            terms.append("id < ?")
            values.append(before)
        statement = f"SELECT {_COLUMNS} FROM message WHERE {' AND '.join(terms)} ORDER BY id DESC LIMIT ?"  # noqa: S608
        return [_message(row) for row in self.rows(statement, (*values, limit))]
