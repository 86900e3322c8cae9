"""From events to notices: which of them RFC 1628 has a trap for, and what it tells."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from istars.errors import StoreError
from istars.model.alarms import ALARMS, describe
from istars.platform import clock, paths
from istars.snmp import ber, waiting
from istars.snmp.notify import Notice, Notifier, started, ups_trap
from istars.snmp.oids import UPS
from istars.snmp.picture import Picture
from istars.store.archive import Archive, Event

log = logging.getLogger(__name__)

ON_BATTERY, TEST_COMPLETED, ALARM_ADDED, ALARM_REMOVED = 1, 2, 3, 4
REPEAT_S = 60.0
TOLD_KEPT = 500
AT_ONCE = 200
MARK = "snmp"
ALARM_ID = (*UPS, 6, 2, 1, 1)
ALARM_DESCRIPTION = (*UPS, 6, 2, 1, 2)
BATTERY_OBJECTS = ((2, 3, 0), (2, 2, 0), (9, 7, 0))
TEST_OBJECTS = tuple((7, number, 0) for number in range(1, 7))


class Watch:
    """Looks at events and alarms; each event is told once, also when this worker was killed meanwhile."""

    def __init__(self, picture: Picture, notifier: Notifier) -> None:
        self.picture, self.notifier, self.live = picture, notifier, picture.live
        self._archive: Archive | None = None
        self._told: dict[str, None] = {}
        self._again = 0.0
        self.picture.state.begin(self.live.alarms())
        mark = self.live.mark(MARK)
        self._kept = mark or ""
        found = waiting.read(mark) if mark is not None else None
        if found is None:
            self._cursor = self._newest()
        else:
            self._cursor, rows = found
            waiting.resume(notifier, rows)
        self.notifier.tell(started(warm=mark is not None))

    def close(self) -> None:
        """Give the record back."""
        if self._archive is not None:
            self._archive.close()
            self._archive = None

    def _open(self) -> Archive | None:
        """The event record, once there is one; None where it cannot be read now."""
        try:
            if self._archive is not None:
                self._archive.verify()
            else:
                self._archive = Archive(paths.archive_db(), readonly=True)
        except StoreError:
            self.close()
        return self._archive

    def _newest(self) -> int:
        archive = self._open()
        try:
            return archive.newest() if archive is not None else 0
        except StoreError as error:
            log.warning("the event record cannot be read: %s", error)
            return 0

    def look(self) -> None:
        """Tell what happened since the last look."""
        events = self._events()
        for event in events:
            self._told[event.key] = None
            self._tell(event)
        if events:
            self._told = dict(list(self._told.items())[-TOLD_KEPT:])
        self._on_battery()
        self.keep()

    def keep(self) -> None:
        """Note for the next start what is told and what waits, in one step: before anything is sent, and after."""
        wanted = waiting.written(self._cursor, self.notifier.sendings)
        if wanted != self._kept:
            self.live.set_mark(MARK, wanted)
            self._kept = wanted

    def _events(self) -> list[Event]:
        """Events that are new, of the record and of those that wait for room on flash."""
        found: list[Event] = []
        archive = self._open()
        if archive is not None:
            try:
                if archive.newest() < self._cursor:
                    self._cursor = 0  # the record was damaged and begun anew
                recorded = archive.events(since=self._cursor, limit=AT_ONCE)
            except StoreError as error:
                log.warning("the event record cannot be read: %s", error)
                recorded = []
            if recorded:
                self._cursor = recorded[-1].id
            found += recorded
        found += self.live.pending_events()
        return [event for event in {event.key: event for event in found}.values() if event.key not in self._told]

    def _tell(self, event: Event) -> None:
        if event.kind == "event" or event.code not in ALARMS:
            return
        raised = event.kind == "raise"
        self.picture.state.happened(event.code, raised, clock.boottime() - max(0.0, clock.wall() - event.at))
        if event.code == "ON_BATTERY" and raised:
            self._again = 0.0
            return
        if event.code == "TEST_RUNNING":
            if not raised:
                self.notifier.tell(self._named(TEST_COMPLETED, TEST_OBJECTS, "test", "Battery test ended"))
            return
        key = event.alarm or event.key
        number, description = self.picture.state.number(key, event.code)
        bindings = iter(
            (((*ALARM_ID, number), ber.integer(number)), ((*ALARM_DESCRIPTION, number), ber.oid(description)))
        )
        words = describe(event.code, event.args) if raised else ALARMS[event.code].cleared
        which = ALARM_ADDED if raised else ALARM_REMOVED
        self.notifier.tell(ups_trap(which, bindings, event.severity, words, event.code))
        if not raised:
            self.picture.state.drop(key)

    def _on_battery(self) -> None:
        """Once a minute for as long as the UPS is on battery."""
        now = clock.boottime()
        if now < self._again:
            return
        if not any(alarm.code == "ON_BATTERY" for alarm in self.live.alarms()):
            return
        self._again = now + REPEAT_S
        self.notifier.tell(self._named(ON_BATTERY, BATTERY_OBJECTS, "battery", "UPS on battery"))

    @property
    def next_look(self) -> float | None:
        """When the trap is due again, while the UPS is on battery."""
        return self._again if self._again > clock.boottime() else None

    def _named(self, number: int, places: tuple[tuple[int, ...], ...], event: str, words: str) -> Notice:
        """A trap with those of its objects that have a value."""
        self.picture.forget()
        return ups_trap(number, self._values(places), event, words)

    def _values(self, places: tuple[tuple[int, ...], ...]) -> Iterator[tuple[ber.Oid, bytes]]:
        table = self.picture.table()
        for place in places:
            index = table.find((*UPS, *place))
            if index is not None:
                yield (*UPS, *place), table.value(index)
