"""Who is signed in. The cookie holds a random number and nothing else; what it means stands here and can be ended here.

In memory: signing in costs no flash, a restart of the web worker ends nobody's session, a restart of the card ends all.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from istars.platform import clock
from istars.store.database import Database, StoreDamaged, set_aside

LONGEST_S = 12 * 3600.0
"""Nobody stays signed in longer, however busy."""
NOTE_USE_EVERY_S = 5.0
SESSIONS_KEPT = 200
HALF_S = 300.0
"""So long somebody has to type the code after the password."""
HANDLE_LENGTH = 16
ENDED_KEPT_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. `ended` is empty, or why it is over: `idle`, `old`, `left`, `replaced`, `closed`; times are boottime seconds.

    `half` is one that waits for the code of the second factor and opens nothing. `pending` is the secret of a second factor
    that is being set up. `handle` names the session to people who may end it, and cannot be used as a cookie. `remote` is the
    permission that a RADIUS server has given, empty for a user of this card; after `lasts` seconds it is over in any case.
    """

    user: str
    generation: int
    address: str
    began: float
    used: float
    ended: str
    half: bool = False
    pending: str = ""
    handle: str = ""
    remote: str = ""
    lasts: float = LONGEST_S

    def over(self, idle_s: float) -> str:
        """Why it is over, unused for `idle_s` or otherwise; empty while it is not."""
        now = clock.boottime()
        if self.ended:
            return self.ended
        if now - self.began >= (HALF_S if self.half else self.lasts):
            return "old"
        return "idle" if now - self.used >= idle_s else ""


class SessionTable(Database):
    """The file behind Sessions."""

    schema = resources.files(__package__).joinpath("sessions.sql").read_text(encoding="utf-8")
    synchronous = "OFF"

    def _prepare(self, db: sqlite3.Connection) -> None:
        super()._prepare(db)
        if "lasts" not in [row["name"] for row in db.execute("PRAGMA table_info(session)")]:
            # of another version: everybody signs in again
            db.executescript(f"BEGIN IMMEDIATE;\nDROP TABLE IF EXISTS session;\n{self.schema}\nCOMMIT;")


_SESSION = "user, generation, address, began, used, ended, half, pending, id, remote, lasts"


def _session(row: sqlite3.Row) -> Session:
    user, generation, address, began, used, ended, half, pending, key, remote, lasts = row
    handle = key.hex()[:HANDLE_LENGTH]
    return Session(user, generation, address, began, used, ended, bool(half), pending, handle, remote, lasts)


class Sessions:
    """The sign-ins of this card. Threads may share it; it is opened at the first use. Raises StoreError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._table: SessionTable | None = None
        self._pid = 0

    @contextmanager
    def _open(self) -> Iterator[SessionTable]:
        with self._lock:
            if self._table is None or self._pid != os.getpid():
                try:
                    self._table = SessionTable(self._path)
                except StoreDamaged:
                    set_aside(self._path)
                    self._table = SessionTable(self._path)
                self._path.chmod(0o600)
                self._pid = os.getpid()
            try:
                yield self._table
            except StoreDamaged:
                # everybody has to sign in again; nothing else is lost
                self.close()
                set_aside(self._path)
                raise

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            if self._table is not None and self._pid == os.getpid():
                self._table.close()
            self._table = None

    def start(
        self,
        user: str,
        generation: int,
        address: str,
        *,
        half: bool = False,
        remote: str = "",
        lasts_s: float = LONGEST_S,
    ) -> str:
        """Begin a session and answer what the cookie shall hold. A `half` one waits for the code of the second factor."""
        secret = secrets.token_urlsafe(32)
        now, boot = clock.boottime(), clock.boot_id()
        with self._open() as table, table.transaction() as connection:
            connection.execute(
                "DELETE FROM session WHERE boot <> ? OR used < ?", (boot, now - LONGEST_S - ENDED_KEPT_S)
            )
            connection.execute(
                "DELETE FROM session WHERE id IN (SELECT id FROM session ORDER BY used DESC LIMIT -1 OFFSET ?)",
                (SESSIONS_KEPT - 1,),
            )
            connection.execute(
                "INSERT INTO session (id, user, generation, address, boot, began, used, half, remote, lasts) "
                "VALUES (?,?,?,?,?,?,?,?,?,?)",
                (_key(secret), user, generation, address, boot, now, now, int(half), remote, lasts_s),
            )
        return secret

    def find(self, secret: str, idle_s: float) -> Session | None:
        """The session of a cookie, over or not; None where nothing is known of it. Unused for `idle_s` it is over."""
        with self._open() as table:
            rows = table.rows(
                f"SELECT {_SESSION} FROM session WHERE id = ? AND boot = ?",  # noqa: S608 - constant text
                (_key(secret), clock.boot_id()),
            )
        if not rows:
            return None
        session = _session(rows[0])
        reason = session.over(idle_s)
        if reason and not session.ended:
            self.end(secret, reason)
        return replace(session, ended=reason)

    def present(self, idle_s: float) -> list[Session]:
        """Those that are not over, last used first."""
        with self._open() as table:
            rows = table.rows(
                f"SELECT {_SESSION} FROM session WHERE boot = ? AND ended = '' AND half = 0 ORDER BY used DESC",  # noqa: S608
                (clock.boot_id(),),
            )
        return [session for session in map(_session, rows) if not session.over(idle_s)]

    def close_one(self, handle: str) -> Session | None:
        """End the session of that handle and answer what it was; None where there is none."""
        found = next((session for session in self.present(float("inf")) if session.handle == handle), None)
        if found is not None:
            with self._open() as table, table.transaction() as connection:
                connection.execute(
                    "UPDATE session SET ended = 'closed' WHERE substr(lower(hex(id)), 1, ?) = ? AND ended = ''",
                    (HANDLE_LENGTH, handle),
                )
        return found

    @staticmethod
    def handle_of(secret: str) -> str:
        """The handle of the session whose cookie this is."""
        return _key(secret).hex()[:HANDLE_LENGTH]

    def keep_pending(self, secret: str, pending: str) -> None:
        """Keep the secret of a second factor until it is confirmed; empty forgets it."""
        with self._open() as table, table.transaction() as connection:
            connection.execute("UPDATE session SET pending = ? WHERE id = ?", (pending, _key(secret)))

    def note_use(self, secret: str) -> None:
        """Somebody did something: the idle time begins anew."""
        now = clock.boottime()
        with self._open() as table:
            if table.rows("SELECT 1 FROM session WHERE id = ? AND used < ?", (_key(secret), now - NOTE_USE_EVERY_S)):
                with table.transaction() as connection:
                    connection.execute("UPDATE session SET used = ? WHERE id = ?", (now, _key(secret)))

    def end(self, secret: str, reason: str) -> None:
        """The session is over; a first reason stays."""
        with self._open() as table, table.transaction() as connection:
            connection.execute("UPDATE session SET ended = ? WHERE id = ? AND ended = ''", (reason, _key(secret)))


def _key(secret: str) -> bytes:
    """What reads this table must not be able to use what it finds."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
