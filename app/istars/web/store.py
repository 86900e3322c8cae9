"""What a request reads and writes: live table and archive, one of each per thread; accounts, sessions and settings, shared.

Nothing is opened before the first use, so that the server may import the program and fork.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from flask import current_app

from istars import __version__
from istars.errors import StoreError
from istars.platform import clock, paths, zone
from istars.settings import Settings, SettingsFile
from istars.store import wake
from istars.store.accounts import SCRYPT_COST, Accounts
from istars.store.archive import Archive
from istars.store.factors import Factors
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.store.sessions import Sessions
from istars.store.throttle import Throttle

log = logging.getLogger(__name__)

BEAT_EVERY_S = 5.0
LOOK_EVERY_S = 0.02
"""While a request waits for the result of a command."""


class Store:
    """Everything the pages read and write. Its methods raise StoreError where a file cannot be used."""

    def __init__(self, scrypt_cost: int = SCRYPT_COST) -> None:
        self.accounts = Accounts(paths.accounts_db(), scrypt_cost=scrypt_cost)
        self.throttle = Throttle(self.accounts.file)
        self.factors = Factors(self.accounts.file)
        self.sessions = Sessions(paths.run_dir() / "sessions.db")
        self._of_thread = threading.local()
        self._settings: SettingsFile | None = None
        self._settings_lock = threading.Lock()
        self._beaten = float("-inf")
        self._beat_problem = ""

    def live(self) -> LiveTable:
        """The live table of this thread, opened anew when another process has replaced the file."""
        table: LiveTable | None = getattr(self._of_thread, "live", None)
        if table is not None:
            try:
                table.verify()
            except StoreError:
                table.close()
                table = None
        if table is None:
            table = self._of_thread.live = LiveTable(paths.live_db())
        return table

    def archive(self) -> Archive:
        """The event record of this thread, for reading only."""
        archive: Archive | None = getattr(self._of_thread, "archive", None)
        if archive is not None:
            try:
                archive.verify()
            except StoreError:
                archive.close()
                archive = None
        if archive is None:
            archive = self._of_thread.archive = Archive(paths.archive_db(), readonly=True)
        return archive

    def settings(self) -> Settings:
        """The settings as they stand; read again when the file was replaced."""
        with self._settings_lock:
            if self._settings is None:
                self._settings = SettingsFile()
            self._settings.changed()
            zone.use(self._settings.current.text("system.zone"))
            return self._settings.current

    def order(
        self,
        target: str,
        name: str,
        arguments: Mapping[str, object],
        *,
        asked_by: str,
        address: str,
        wait_s: float,
        claimed: bool = False,
    ) -> LiveCommand:
        """Give worker `target` a command and wait for what comes of it, at most `wait_s`; unless running, it dies then.

        With `claimed` the wait ends when the worker has begun with it.
        """
        table = self.live()
        identity = table.submit(target, name, arguments, asked_by=asked_by, address=address, lifetime_s=wait_s)
        end = clock.boottime() + wait_s
        wake.nudge(target)
        while True:
            # before the look: one that dies at its deadline is seen dead
            over = clock.boottime() >= end
            command = table.command(identity)
            if command.ended or (claimed and command.state == "running") or over:
                return command
            time.sleep(LOOK_EVERY_S)

    def beat(self) -> None:
        """Tell the live table that the web worker is alive, and whether the accounts are good.

        Cheap: the server calls it about once a second.
        """
        now = clock.boottime()
        if now - self._beaten < BEAT_EVERY_S:
            return
        self._beaten = now
        try:
            table = self.live()
            table.heartbeat("web", __version__)
            table.publish("web", {"istars.accounts.state": self.accounts.state()}, lifetime_s=3 * BEAT_EVERY_S)
            problem = ""
        except StoreError as error:
            problem = str(error)
        if problem and problem != self._beat_problem:
            log.error("no sign of life can be written: %s", problem)
        self._beat_problem = problem

    def close(self) -> None:
        """Give the files of this thread and the shared ones back."""
        for name in ("live", "archive"):
            handle: LiveTable | Archive | None = getattr(self._of_thread, name, None)
            if handle is not None:
                handle.close()
                delattr(self._of_thread, name)
        self.accounts.close()
        self.sessions.close()


def store() -> Store:
    """The store of the running app."""
    found: Store = current_app.extensions["istars.store"]
    return found


def live() -> LiveTable:
    """The live table of this thread."""
    return store().live()


def archive() -> Archive:
    """The event record of this thread, for reading only."""
    return store().archive()


def settings() -> Settings:
    """The settings as they stand."""
    return store().settings()
