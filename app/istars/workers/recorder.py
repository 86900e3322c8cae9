"""The way of events from memory to flash: at once, in order, each once; kept in memory while flash cannot be written."""

from __future__ import annotations

import dataclasses
import logging

from istars.platform import clock, paths
from istars.rules.conditions import Arguments
from istars.store import wake
from istars.store.archive import Archive
from istars.store.database import StoreDamaged, StoreFull, set_aside
from istars.store.live import LiveTable
from istars.workers.base import Lasting

log = logging.getLogger(__name__)

RETRY_S = 5.0


class Recorder:
    """Owns the archive. `facts` holds what is wrong with it, for the rules."""

    def __init__(self) -> None:
        self.facts: dict[str, Arguments] = {}
        self._archive: Archive | None = None
        self._trouble = Lasting(log, "events go to flash again")
        self._written = False
        self._retry_at = 0.0
        self._open()

    def _open(self) -> None:
        """Open the archive; a damaged one is kept beside a new one."""
        try:
            archive = Archive(paths.archive_db())
            try:
                archive.check()
            except StoreDamaged:
                archive.close()
                raise
            self._archive = archive
        except StoreDamaged:
            self._renew()
        except StoreFull as error:
            self._full(error)

    def _renew(self) -> None:
        kept = set_aside(paths.archive_db())
        self.facts["RECORDS_DAMAGED"] = {"file": kept.name}
        self._written = False
        try:
            self._archive = Archive(paths.archive_db())
        except StoreFull as error:
            self._full(error)

    def renew(self) -> None:
        """Begin a new archive after the present one turned out damaged while in use."""
        self.close()
        self._renew()

    def _full(self, error: StoreFull) -> None:
        self._trouble.begins(f"events stay in memory: {error}")
        self.facts["STORAGE_FULL"] = {"reason": str(error)}
        self._retry_at = clock.boottime() + RETRY_S

    def active_alarms(self) -> list[dict[str, object]]:
        """Alarms that were present at the last write, as they were written."""
        return self._archive.active_alarms() if self._archive is not None else []

    def seen(self, codes: set[str]) -> None:
        """Somebody acknowledged these alarms: a damage that was seen is over."""
        if "RECORDS_DAMAGED" in codes:
            self.facts.pop("RECORDS_DAMAGED", None)

    def flush(self, live: LiveTable) -> None:
        """Put pending events and the present alarms on flash. Raises StoreDamaged; a full flash is tried again later.

        Alarms never change without an event, so no event means nothing to do, once they were written the first time.
        """
        if clock.boottime() < self._retry_at:
            return
        events = live.pending_events()
        if not events and self._written and self._archive is not None:
            return
        if self._archive is None:
            self._open()
        if self._archive is None:
            return
        try:
            self._archive.append(events, [(alarm.key, dataclasses.asdict(alarm)) for alarm in live.alarms()])
        except StoreFull as error:
            self._full(error)
            return
        self._written = True
        self._retry_at = 0.0
        self._trouble.ends()
        self.facts.pop("STORAGE_FULL", None)
        if events:
            live.forget_pending(events[-1].id)
            wake.nudge("notifier")

    def clear(self) -> None:
        """Forget all events on flash; alarms that are present stay. Raises StoreError."""
        if self._archive is None:
            raise StoreFull("the event record cannot be opened")
        self._archive.clear()

    def close(self) -> None:
        """Give the file back."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None
