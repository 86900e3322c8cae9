"""A small database that must be neither lost nor silently begun anew: a copy of its last good state lies beside it.

`accounts.db` is the file in use, `accounts.db.good` the copy made after each change that matters. A file that is damaged,
empty or missing is replaced by the copy; where that is no good either, every access is refused. Only where neither has ever
existed is a new one made.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from istars.errors import StoreError
from istars.platform import files
from istars.store.database import Database, StoreDamaged, set_aside

log = logging.getLogger(__name__)


class GuardedDatabase:
    """One file, its copy, and one connection that the threads of a process take turns with.

    It is opened at the first use, so that a process which forks may hold it. `make` opens a path as a Database; `first` fills a
    new one. `state` is `good`, `restored` (the copy took over) or `closed` (neither is good). Raises StoreError, StoreDamaged
    where neither file nor copy is good.
    """

    def __init__(self, path: Path, make: type[Database], first: Callable[[sqlite3.Connection], None]) -> None:
        self.path = path
        self.copy = path.with_name(path.name + ".good")
        self.state = "good"
        self._make = make
        self._first = first
        self._lock = threading.RLock()
        self._database: Database | None = None
        self._pid = 0
        self._of_parent: Database | None = None

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """The database for queries."""
        with self._lock:
            database = self._opened()
            try:
                yield database
            except StoreDamaged:
                self.close()
                raise

    @contextmanager
    def changing(self, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; with `keep` the copy follows it before this returns."""
        with self.reading() as database:
            with database.transaction() as connection:
                yield connection
                if keep:
                    revision = connection.execute("PRAGMA user_version").fetchone()[0]
                    connection.execute(f"PRAGMA user_version = {int(revision) + 1}")
            if keep:
                self._keep(database)

    def close(self) -> None:
        """Give the file back; it is opened again when it is needed."""
        with self._lock:
            if self._database is not None and self._pid == os.getpid():
                self._database.close()
            self._database = None

    def _opened(self) -> Database:
        """The open database of this process, opened anew when the file was replaced by another process."""
        if self._database is not None and self._pid != os.getpid():
            # A connection of the parent must be neither used nor closed here: closing it would end the parent's locks.
            self._of_parent, self._database = self._database, None
        if self._database is not None:
            with suppress(StoreError):
                self._database.verify()
                return self._database
            self.close()
        try:
            with self._alone():
                self._database = self._open()
        except OSError as error:
            raise StoreError(f"{self.path}: {error.strerror}") from error
        self._pid = os.getpid()
        return self._database

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process opens or restores meanwhile."""
        lock = self._private_file(self.path.with_name(self.path.name + ".lock"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _open(self) -> Database:
        if not self.path.exists() and not self.copy.exists():
            self._create()
        try:
            database = self._open_good(self.path)
            self.state = "good"
        except StoreDamaged as damage:
            database = self._restore(damage)
        if self._revision(self.copy) != self._revision(self.path):
            self._keep(database)
        return database

    def _open_good(self, path: Path) -> Database:
        """Open and read all of it; StoreDamaged if anything is wrong with the contents."""
        if not path.exists() or not path.stat().st_size:
            raise StoreDamaged(f"{path}: the file is {'empty' if path.exists() else 'missing'}")
        database = self._make(path)
        try:
            problem = database.rows("PRAGMA integrity_check(1)")[0][0]
            if problem != "ok":
                raise StoreDamaged(f"{path}: {problem}")
            if not database.rows("SELECT 1 FROM sqlite_schema WHERE name = 'user'"):
                raise StoreDamaged(f"{path}: the users are missing")
        except StoreError:
            database.close()
            raise
        return database

    def _create(self) -> None:
        """First start: build it complete under another name, then give it its own."""
        building = self.path.with_name(self.path.name + ".new")
        self._discard(building)
        os.close(self._private_file(building))
        database = self._make(building)
        try:
            with database.transaction() as connection:
                self._first(connection)
                connection.execute("PRAGMA user_version = 1")
        finally:
            database.close()
        self._settle(building, self.path)

    def _restore(self, damage: StoreDamaged) -> Database:
        """Put the copy in place of a damaged file; raise StoreDamaged where the copy is no good."""
        try:
            self._open_good(self.copy).close()
        except StoreDamaged as error:
            if self.state != "closed":
                log.error("%s; there is no good copy (%s)", damage, error)
            self.state = "closed"
            raise StoreDamaged(f"{damage}; there is no good copy") from damage
        # a log without its file would be played into the copy
        if any(self.path.with_name(self.path.name + suffix).exists() for suffix in ("", "-wal", "-shm")):
            set_aside(self.path)
        self._settle(self.copy, self.path)
        database = self._open_good(self.path)
        log.error("%s; the last good copy is in use", damage)
        self.state = "restored"
        return database

    def _keep(self, database: Database) -> None:
        """Bring the copy up to date. A failure leaves the older copy; it is tried again at the next change and the next start."""
        building = self.copy.with_name(self.copy.name + ".new")
        try:
            self._discard(building)
            os.close(self._private_file(building))
            # reads every page: a damage shows here and the older copy stays
            database.rows("VACUUM INTO ?", (str(building),))
            self._settle(building, self.copy)
        except (OSError, StoreError) as error:
            log.warning("%s is not up to date: %s", self.copy, error)

    def _revision(self, path: Path) -> int:
        """How often the contents have changed; -1 where that cannot be read."""
        if not path.exists():
            return -1
        try:
            connection = sqlite3.connect(path)
            try:
                return int(connection.execute("PRAGMA user_version").fetchone()[0])
            finally:
                connection.close()
        except sqlite3.Error:
            return -1

    def _settle(self, building: Path, path: Path) -> None:
        """Give a finished file its name, so that a power cut leaves the old or the new one."""
        descriptor = os.open(building, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        building.replace(path)
        files.flush_folder(path.parent)

    @staticmethod
    def _discard(path: Path) -> None:
        """Remove what an interrupted attempt left."""
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    @staticmethod
    def _private_file(path: Path) -> int:
        """Descriptor of a file nobody else may read; made by root it belongs to the owner of its folder."""
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:
            folder = path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        return descriptor
