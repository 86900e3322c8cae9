"""Events for the pages: those on flash, and those that wait in memory while flash cannot be written."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from istars.errors import StoreError
from istars.platform import clock
from istars.store.archive import Event
from istars.web import store
from istars.web.lists import EventLine, event_line

log = logging.getLogger(__name__)

BATCH = 500
CHOICES_KEPT = 32


@dataclass(frozen=True, slots=True)
class Lines:
    """A list of events; `problem` says why it cannot be complete, `older` is the id to go on from, if there are more."""

    lines: tuple[EventLine, ...] = ()
    problem: str = ""
    older: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events: of one day of the card's zone, of some severities, of some kinds, older than `before`, since `from_wall`."""

    day: date | None = None
    severity: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    before: int | None = None
    from_wall: float | None = None

    def holds(self, event: Event) -> bool:
        """Whether an event in memory is one of these."""
        if self.day is not None and not within(event.at, self.day):
            return False
        if self.from_wall is not None and event.at < self.from_wall:
            return False
        return (not self.severity or event.severity in self.severity) and (not self.kind or event.kind in self.kind)


def within(epoch: float, day: date) -> bool:
    """Whether a moment is in a day of the card's zone."""
    first, after = clock.day_limits(day)
    return first <= epoch < after


_known: OrderedDict[tuple[Choice, int], tuple[object, Lines]] = OrderedDict()
_lock = threading.Lock()


def newest(choice: Choice, limit: int, wall: float) -> Lines:
    """The newest events of a choice, at most `limit`; a record that cannot be read is said, not raised.

    Pages ask again with every change of a reading, but the record changes rarely: the answer is kept until it does.
    """
    pending: list[Event] = []
    try:
        pending = store.live().pending_events()
        last = store.archive().events(newest_first=True, limit=1)
        stamp = (clock.local(wall).date(), *(event.key for event in (*last, *pending)))
        with _lock:
            found = _known.get((choice, limit))
        if found and found[0] == stamp:
            return found[1]
        lines = _read(choice, limit, wall, pending)
    except StoreError as error:
        log.warning("the event record cannot be read: %s", error)
        held = [event for event in reversed(pending) if choice.holds(event)]
        told = tuple(_line(event, choice, wall) for event in held[:limit])
        return Lines(told, "The event record cannot be read. The card tries again by itself.")
    with _lock:
        _known[choice, limit] = stamp, lines
        while len(_known) > CHOICES_KEPT:
            _known.popitem(last=False)
    return lines


def _read(choice: Choice, limit: int, wall: float, pending: list[Event]) -> Lines:
    """The lines out of the record and out of memory."""
    held = [event for event in reversed(pending) if choice.before is None and choice.holds(event)]
    stored = store.archive().events(
        day=choice.day,
        severity=choice.severity,
        kind=choice.kind,
        before=choice.before,
        from_wall=choice.from_wall,
        newest_first=True,
        limit=limit + 1,
    )
    shown, older = joined(held, stored, limit)
    return Lines(tuple(_line(event, choice, wall) for event in shown), "", older)


def _line(event: Event, choice: Choice, wall: float) -> EventLine:
    """One line; in the list of a day the date is left out."""
    return event_line(event, event.at if choice.day else wall)


def joined(pending: Iterable[Event], stored: list[Event], limit: int) -> tuple[list[Event], int | None]:
    """One page out of what waits in memory and what is on flash (both newest first), each event once; the id to go on from."""
    known = {event.key for event in stored}
    waiting = [event for event in pending if event.key not in known]
    room = max(1, limit - len(waiting))
    return [*waiting, *stored[:room]], stored[room - 1].id if len(stored) > room else None


def every(choice: Choice) -> Iterator[Event]:
    """All events of a choice, oldest first, read in batches; last those that wait in memory. Raises StoreError."""
    waiting = {event.key: event for event in store.live().pending_events() if choice.holds(event)}
    since = 0
    while batch := store.archive().events(
        since=since, day=choice.day, severity=choice.severity, kind=choice.kind, limit=BATCH
    ):
        for event in batch:
            waiting.pop(event.key, None)
            yield event
        since = batch[-1].id
    yield from waiting.values()
