"""The audit record: who changed what, from where and when; on flash, and in memory while flash cannot be written.

Something is noted a few times a day, so the file is opened for each note and closed again: nothing is held, and nothing is lost
that was noted. A note never fails: what was done was done, also where it cannot be written down.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from istars.errors import StoreError
from istars.platform import clock, paths
from istars.store.database import Database, StoreDamaged, set_aside

log = logging.getLogger(__name__)

ROWS_KEPT = 20_000
REFUSALS_KEPT = 5_000
"""So that nobody pushes out what matters by guessing passwords."""
WAITING_KEPT = 2_000
TEXT_LIMIT = 300
REFUSED = "sign-in refused"
_COLUMNS = "at, who, address, action, subject, old, new, id"
_WORDS = "||char(10)||".join(("who", "address", "action", "subject", "old", "new"))


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the record. `at` is epoch seconds, `old` and `new` are values in words; `id` is 0 until it is written."""

    at: float
    who: str
    address: str
    action: str
    subject: str
    old: str = ""
    new: str = ""
    id: int = 0


def file() -> Path:
    """The record on flash."""
    return paths.data_dir() / "audit.db"


def waiting_file() -> Path:
    """What waits for room on flash, in memory."""
    return paths.run_dir() / "audit.db"


def plain(text: str) -> str:
    """One line of at most TEXT_LIMIT characters, without what a terminal or a log would obey."""
    clean = "".join(character if character.isprintable() else " " for character in text)
    return clean if len(clean) <= TEXT_LIMIT else clean[: TEXT_LIMIT - 1] + "…"


class AuditFile(Database):
    """The rows of one file. Raises StoreDamaged, StoreFull or StoreError."""

    schema = Path(__file__).with_name("audit.sql").read_text(encoding="utf-8")
    synchronous = "FULL"
    rows_kept = ROWS_KEPT

    def append(self, entries: Sequence[Entry]) -> None:
        """Add `entries` in their order and drop the oldest beyond the limits; one write."""
        with self.transaction() as db:
            db.executemany(
                "INSERT INTO audit (at, who, address, action, subject, old, new) VALUES (?,?,?,?,?,?,?)",
                [(each.at, each.who, each.address, each.action, each.subject, each.old, each.new) for each in entries],
            )
            db.execute("DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?", (self.rows_kept,))
            if any(each.action == REFUSED for each in entries):
                db.execute(
                    "DELETE FROM audit WHERE action = ? AND id <= "
                    "(SELECT id FROM audit WHERE action = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (REFUSED, REFUSED, REFUSALS_KEPT),
                )

    def entries(
        self, *, day: date | None = None, text: str = "", before: int | None = None, since: int = 0, limit: int = 100
    ) -> list[Entry]:
        """Entries newest first: of one day of the card's zone, with `text` in any column, with an id between."""
        terms, values = ["id > ?"], [since]  # type: tuple[list[str], list[object]]
        if before is not None:
            terms.append("id < ?")
            values.append(before)
        if day is not None:
            terms.append("at >= ? AND at < ?")
            values.extend(clock.day_limits(day))
        if text:
            terms.append(f"instr(lower({_WORDS}), lower(?))")
            values.append(text)
        statement = (
            f"SELECT {_COLUMNS} FROM audit "  # noqa: S608 - names are ours, values bound
            f"WHERE {' AND '.join(terms)} ORDER BY id DESC LIMIT ?"
        )
        return [Entry(*row) for row in self.rows(statement, (*values, limit))]


class WaitingFile(AuditFile):
    """The rows that wait, in memory."""

    synchronous = "OFF"
    rows_kept = WAITING_KEPT


class AuditRecord:
    """Both files as one record. `note` never raises."""

    def __init__(self) -> None:
        self._trouble = ""
        self._lock = threading.Lock()

    def note(self, *entries: Entry) -> None:
        """Write down entries, all in one write, and before them those that wait."""
        with self._lock:
            self._note(entries)

    def _note(self, entries: tuple[Entry, ...]) -> None:
        try:
            held = self._held()
            with self._open() as record:
                record.append([*held, *entries])
            if held:
                self._forget()
            if self._trouble:
                log.warning("the audit record goes to flash again")
            self._trouble = ""
        except StoreError as error:
            self._hold(entries, str(error))

    def _open(self) -> AuditFile:
        """The file on flash; a damaged one is kept beside a new one."""
        try:
            return AuditFile(file())
        except StoreDamaged:
            set_aside(file())
            return AuditFile(file())

    def _held(self) -> list[Entry]:
        """What waits in memory, oldest first. Without it a note is still written."""
        if not waiting_file().exists():
            return []
        try:
            with WaitingFile(waiting_file()) as waiting:
                return [replace(each, id=0) for each in waiting.entries(limit=WAITING_KEPT)[::-1]]
        except StoreError as error:
            log.error("audit entries in memory are lost: %s", error)
            self._forget()
            return []

    def _forget(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            path = waiting_file()
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def _hold(self, entries: tuple[Entry, ...], reason: str) -> None:
        if not self._trouble:
            log.error("the audit record stays in memory: %s", reason)
        self._trouble = reason
        try:
            with WaitingFile(waiting_file()) as waiting:
                waiting.append(entries)
        except StoreError as error:
            log.error("audit: %s (cannot be kept: %s)", entries, error)

    def page(self, *, day: date | None, text: str, before: int | None, limit: int) -> tuple[list[Entry], str]:
        """Entries newest first, of those on flash at most `limit`; and why they may not be all of them (empty if they are)."""
        waiting = [each for each in self._held()[::-1] if before is None and _holds(each, day, text)]
        problem = "Some entries wait in memory: flash cannot be written." if waiting else ""
        if not file().exists():
            return waiting, problem
        try:
            with AuditFile(file()) as record:
                found = record.entries(day=day, text=text, before=before, limit=limit)
        except StoreError as error:
            log.error("the audit record cannot be read: %s", error)
            return waiting, "The audit record cannot be read. It stands in the card's log why."
        return [*waiting, *found], problem

    def every(self, day: date | None, text: str) -> Iterator[Entry]:
        """All entries, newest first, some hundred at a time."""
        before: int | None = None
        while True:
            found, _ = self.page(day=day, text=text, before=before, limit=500)
            yield from found
            numbered = [each.id for each in found if each.id]
            if len(numbered) < 500:
                return
            before = numbered[-1]


def _holds(entry: Entry, day: date | None, text: str) -> bool:
    """Whether an entry in memory is one of these."""
    if day is not None:
        first, after = clock.day_limits(day)
        if not first <= entry.at < after:
            return False
    words = "\n".join((entry.who, entry.address, entry.action, entry.subject, entry.old, entry.new))
    return text.lower() in words.lower()
