"""Opening SQLite files the same way everywhere: write-ahead log, short transactions, a damaged file never stops the card."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from istars.errors import StoreError
from istars.platform import clock

log = logging.getLogger(__name__)

BUSY_TIMEOUT_MS = 2_000
FULL_CODES = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
DAMAGED_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class StoreDamaged(StoreError):
    """The file is not a database, or its pages contradict each other."""


class StoreFull(StoreError):
    """The file system has no room, or refuses to write."""


def typed(error: sqlite3.Error, path: Path) -> StoreError:
    """The card's own error for one of SQLite, naming the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    message = f"{path}: {error}"
    if code in DAMAGED_CODES:
        return StoreDamaged(message)
    if code in FULL_CODES or code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return StoreFull(message)
    return StoreError(message)


class Database:
    """One SQLite file with a schema; one object per thread, opened after fork.

    `synchronous` is OFF for files in memory (a killed process loses nothing; a machine that stops loses them anyway), FULL for
    what must survive a power cut. Raises StoreDamaged, StoreFull or StoreError.
    """

    schema = ""
    synchronous = "FULL"
    page_size = 4096

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self.readonly = readonly
        try:
            self._db = self._connect()
        except sqlite3.Error as error:
            raise typed(error, path) from error
        except OSError as error:
            raise StoreFull(f"{path}: {error.strerror}") from error
        self._inode = self._file_identity()

    def _connect(self) -> sqlite3.Connection:
        """Connection with the schema in place."""
        if not self.readonly and not self.path.exists():
            self._create()
        uri = f"{self.path.absolute().as_uri()}?mode={'ro' if self.readonly else 'rw'}"
        db = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            db.row_factory = sqlite3.Row
            db.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
            # In KB. Our files are small or read once; SQLite's own 2 MB a connection would be a quarter of a worker.
            db.execute("PRAGMA cache_size=-256")
            if not self.readonly:
                db.execute("PRAGMA journal_mode=WAL")
                db.execute(f"PRAGMA synchronous={self.synchronous}")
                db.execute("PRAGMA journal_size_limit=262144")
                self._prepare(db)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _create(self) -> None:
        """Make the file, closed to other users, and give it its name only when its tables are there.

        Others read it as soon as they see it; where another process was quicker, its file stays. What root makes at the
        command line belongs to those who work in the folder.
        """
        unfinished = self.path.with_name(f".{self.path.name}.{os.getpid()}-{threading.get_ident()}.new")
        unfinished.unlink(missing_ok=True)
        descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660)
        if os.geteuid() == 0:
            folder = self.path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        os.close(descriptor)
        try:
            db = sqlite3.connect(str(unfinished), isolation_level=None)
            db.row_factory = sqlite3.Row
            try:
                self._prepare(db)
            finally:
                db.close()
            with contextlib.suppress(FileExistsError):
                self.path.hardlink_to(unfinished)
        finally:
            unfinished.unlink(missing_ok=True)

    def _prepare(self, db: sqlite3.Connection) -> None:
        """Create what is missing. Every statement of a schema is `IF NOT EXISTS`."""
        if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
            db.execute(f"PRAGMA page_size={self.page_size}")
            db.executescript(f"BEGIN IMMEDIATE;\n{self.schema}\nCOMMIT;")

    def _file_identity(self) -> tuple[int, int]:
        try:
            status = self.path.stat()
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        return status.st_dev, status.st_ino

    def verify(self) -> None:
        """Raise StoreError if the file was replaced under us: what we write would be seen by nobody."""
        if self._file_identity() != self._inode:
            raise StoreError(f"{self.path}: the file was replaced while it was in use")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One short write; all of it or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                # on a full medium SQLite has already rolled back by itself
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise typed(error, self.path) from error

    def rows(self, statement: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """All rows of a query; values only ever as parameters."""
        try:
            return self._db.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise typed(error, self.path) from error

    def check(self) -> None:
        """Read the whole file once; raise StoreDamaged at the first contradiction."""
        result = self.rows("PRAGMA quick_check(1)")
        if result and result[0][0] != "ok":
            raise StoreDamaged(f"{self.path}: {result[0][0]}")

    def close(self) -> None:
        """Give the file back; safe to call twice."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def set_aside(path: Path) -> Path:
    """Move a damaged database out of the way, with its log, and say where it is now."""
    kept = path.with_name(f"{path.name}.damaged-{clock.iso(clock.wall()).replace(':', '')}")
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(kept.with_name(kept.name + suffix))
    log.error("%s is damaged; it was kept as %s and a new one is made", path, kept.name)
    return kept
