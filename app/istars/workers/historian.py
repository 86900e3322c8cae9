"""Keeps the data record: looks at the readings with every turn of the core, takes one record an interval, puts them on flash.

The look costs the core some microseconds. Everything that touches flash is done by a thread of its own, so that a slow medium
never holds up an alarm. A record is in the kernel's hands at once, so a killed program loses none; it is on the medium once a
minute, and at once while the UPS is on battery: a power cut costs a minute of the record at most.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import threading
from array import array
from collections.abc import Mapping
from dataclasses import dataclass

from istars.errors import StoreError
from istars.model.records import MISSING, STATUS, has, precision, scaled
from istars.platform import clock, paths
from istars.rules.conditions import Arguments
from istars.rules.engine import Moment
from istars.store import history_tail
from istars.store.database import StoreDamaged, StoreFull, set_aside
from istars.store.history import LIMIT, History, sealed
from istars.store.history_tail import EXTREME, EXTREMES, LAYOUT, RECORD, Tail
from istars.store.live import LiveReading
from istars.workers.base import Lasting

log = logging.getLogger(__name__)

SYNC_S = 60.0
RETRY_S = 60.0
SHORTEST_S = 2.0
CLOCK_STEP_S = 2.0
WAITING = 1_000
"""Records that may wait for a medium that hangs: at ten seconds nearly three hours."""
MOST_UNWRITTEN = 10_000
"""Frames that are kept in memory while the tail cannot grow: about a day, 3 MB."""
PART_OF_MEDIUM = 0.5


@dataclass(frozen=True, slots=True)
class Taken:
    """One record on its way to flash. `extremes` are (name, is it a greatest, scaled value, time) since the record before."""

    time: int
    interval: int
    values: dict[str, int]
    extremes: tuple[tuple[str, bool, int, int], ...]
    fresh: bool
    at: float


@dataclass(slots=True)
class Forget:
    """The wish that all records go; `done` when the thread has seen to it, `problem` says why it could not."""

    done: threading.Event
    problem: str = "the data record cannot be opened"


class Historian:
    """Owns the data record. Give it the readings of every turn; `facts` holds what is wrong with it, for the rules."""

    def __init__(self) -> None:
        self.facts: dict[str, Arguments] = {}
        self._queue: queue.Queue[Taken | Forget | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self._taken_at = float("-inf")
        self._offset: float | None = None
        self._interval = 0
        self._status: int | None = None
        self._lows: dict[str, tuple[int, int]] = {}
        self._highs: dict[str, tuple[int, int]] = {}
        self._extremes: dict[tuple[str, bool], tuple[int, int]] = {}
        self._hour = -1
        self._fresh = False

    def look(self, moment: Moment, readings: Mapping[str, LiveReading], interval: int) -> None:
        """Note what is read at this moment, and take a record if one is due: every `interval` s, and when the status changes."""
        values: dict[str, int] = {}
        for name, reading in readings.items():
            if precision(name) is not None and not reading.stale(moment.at):
                whole = scaled(name, reading.value)
                if whole is not None:
                    values[name] = whole
        self._fresh = self._clock_was_set(moment) or self._fresh
        if not values:
            self._status = None
            return
        wall = int(moment.wall)
        self._note_extremes(wall, values)
        changed = self._status is not None and values.get(STATUS) != self._status
        if changed:
            self._due = min(self._due, self._taken_at + SHORTEST_S)
        if not self._fresh and interval == self._interval and moment.at < self._due:
            return
        self._status = values.get(STATUS)
        self._interval = interval
        # on a grid, so that records are equally far apart however late a turn is
        self._due = (moment.at // interval + 1) * interval
        extremes = tuple((name, high, *found) for (name, high), found in self._extremes.items())
        self._extremes.clear()
        self._hand_over(Taken(wall, interval, values, extremes, self._fresh, moment.at))
        self._taken_at, self._fresh = moment.at, False

    def _clock_was_set(self, moment: Moment) -> bool:
        """Whether wall time does not go on where it was."""
        offset = moment.wall - moment.at
        before, self._offset = self._offset, offset
        stepped = before is not None and abs(offset - before) > CLOCK_STEP_S
        if stepped:
            self._hour = -1
        return stepped

    def _note_extremes(self, wall: int, values: Mapping[str, int]) -> None:
        """What is less or more than anything in this hour so far."""
        if wall // 3600 != self._hour:
            self._hour = wall // 3600
            self._lows, self._highs = {}, {}
            self._extremes.clear()
        for name, value in values.items():
            low, high = self._lows.get(name), self._highs.get(name)
            if low is None or value < low[0]:
                self._lows[name] = self._extremes[name, False] = (value, wall)
            if high is None or value > high[0]:
                self._highs[name] = self._extremes[name, True] = (value, wall)

    def clear(self, patience_s: float = 5.0) -> str:
        """Forget all records, those of this hour too; answers why not, or an empty text."""
        wish = Forget(threading.Event())
        self._hand_over(wish)
        return wish.problem if wish.done.wait(patience_s) else "the medium does not answer"

    def _hand_over(self, taken: Taken | Forget) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="historian", daemon=True)
            self._thread.start()
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(taken)

    def settle(self) -> None:
        """Wait until everything that was looked at is written."""
        self._queue.join()

    def close(self, patience_s: float = 3.0) -> None:
        """Give the files back; what a medium that hangs does not take within `patience_s` is lost."""
        if self._thread is not None:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            self._thread.join(patience_s)
            self._thread = None

    def _write(self) -> None:
        """What the thread does. It never ends before `close`: the record is worth less than the alarms of the same program."""
        writer: Writer | None = None
        broken = Lasting(log, "the data record is written again")
        retry_at = 0.0
        while (taken := self._queue.get()) is not None:
            try:
                if writer is None and clock.boottime() >= retry_at:
                    writer = Writer(self.facts)
                if writer is not None:
                    if isinstance(taken, Forget):
                        writer.clear()
                        taken.problem = ""
                    else:
                        writer.take(taken)
                    broken.ends()
            except Exception as error:
                # known or not: begun anew from what is on flash, after a pause
                if not isinstance(error, StoreError):
                    log.exception("the data record")
                broken.begins(f"the data record cannot be written: {error}")
                if isinstance(error, StoreFull):
                    self.facts["STORAGE_FULL"] = {"reason": str(error)}
                if writer is not None:
                    writer.close()
                writer, retry_at = None, clock.boottime() + RETRY_S
            finally:
                if isinstance(taken, Forget):
                    taken.done.set()
                self._queue.task_done()
        if writer is not None:
            writer.close()
        self._queue.task_done()


class Writer:
    """The flash side: the tail, and the record that its hours go to. Raises StoreError where they cannot be opened."""

    def __init__(self, facts: dict[str, Arguments]) -> None:
        self._facts = facts
        self._trouble = Lasting(log, "the data record goes to flash again")
        self._names: list[str] = []
        self._interval = 0
        self._synced_at = float("-inf")
        self._retry_at = float("-inf")
        self._unwritten: list[tuple[int, bytes]] = []
        self._history = _opened()
        self._tail = Tail(paths.history_tail())
        # what an earlier run has left may be of an hour that goes on
        hours = [time // 3600 for part in self._tail.parts for time in part.times]
        self._hour = hours[-1] if hours else -1
        self._ripe = len(set(hours)) > 1
        if self._history.generation() >= self._tail.generation:
            self._renew_tail()

    def take(self, taken: Taken) -> None:
        """Put one record on flash; at the end of an hour first the hour."""
        hour = taken.time // 3600
        self._ripe = self._ripe or self._hour not in (-1, hour)
        self._hour = hour
        if self._ripe and taken.at >= self._retry_at:
            self._seal(taken.at)
        self._append(self._frames(taken), taken)

    def _frames(self, taken: Taken) -> list[tuple[int, bytes]]:
        """A record as the tail keeps it, behind the names of its readings where they are not those of the one before."""
        frames: list[tuple[int, bytes]] = []
        if taken.fresh or taken.interval != self._interval or not set(self._names).issuperset(taken.values):
            self._names = sorted({*self._names, *taken.values})
            self._interval = taken.interval
            frames.append((LAYOUT, history_tail.layout(self._names, taken.interval, more=not taken.fresh)))
        row = array("i", [taken.values.get(name, MISSING) for name in self._names])
        frames.append((RECORD, history_tail.record(taken.time, row)))
        extremes = b"".join(
            EXTREME.pack(self._names.index(name), high, value, time)
            for name, high, value, time in taken.extremes
            if name in self._names
        )
        return [*frames, (EXTREMES, extremes)] if extremes else frames

    def _append(self, frames: list[tuple[int, bytes]], taken: Taken) -> None:
        """To the tail; what it does not take waits in memory."""
        self._unwritten += frames
        try:
            self._tail.append(*self._unwritten)
            self._unwritten = []
            if taken.at - self._synced_at >= SYNC_S or has(taken.values.get(STATUS), "OB"):
                self._tail.sync()
                self._synced_at = taken.at
        except StoreFull as error:
            self._full(error)
            if len(self._unwritten) > MOST_UNWRITTEN:
                oldest = next(index for index, frame in enumerate(self._unwritten) if frame[0] != LAYOUT)
                del self._unwritten[oldest]
            return
        if not self._ripe:
            self._trouble.ends()
            self._facts.pop("STORAGE_FULL", None)

    def _full(self, error: StoreFull) -> None:
        self._trouble.begins(f"the data record stays in memory: {error}")
        self._facts["STORAGE_FULL"] = {"reason": str(error)}

    def _seal(self, at: float) -> None:
        """All that is in the tail goes to the record, and the tail begins anew; on a full medium it is tried again later."""
        hours = [sealed(hour) for hour in history_tail.hours(self._tail.contents(self._unwritten))]
        try:
            self._history.add(hours, self._tail.generation)
        except StoreDamaged:
            self._history.close()
            self._history = _renewed()
            self._history.add(hours, self._tail.generation)
        except StoreFull as error:
            self._retry_at = at + RETRY_S
            self._full(error)
            return
        self._renew_tail()
        with contextlib.suppress(StoreFull):
            self._history.make_room(_limit())

    def _renew_tail(self) -> None:
        self._unwritten = []
        self._names = []
        self._ripe = False
        self._tail.reset(max(self._tail.generation, self._history.generation()) + 1)

    def clear(self) -> None:
        """Forget all records. Raises StoreError."""
        self._history.clear(self._tail.generation)
        self._renew_tail()

    def close(self) -> None:
        """Give the files back."""
        self._tail.close()
        self._history.close()


def _limit() -> int:
    """How large the record may be on this medium, in bytes."""
    status = os.statvfs(paths.data_dir())
    return min(LIMIT, int(status.f_blocks * status.f_frsize * PART_OF_MEDIUM))


def _opened() -> History:
    """The record; a damaged one is kept beside a new one."""
    try:
        history = History(paths.history_db())
        history.generation()
    except StoreDamaged:
        return _renewed()
    return history


def _renewed() -> History:
    """A new record beside the damaged one; of those only the last is kept, for the room they take."""
    for older in paths.data_dir().glob(f"{paths.history_db().name}.damaged-*"):
        older.unlink(missing_ok=True)
    set_aside(paths.history_db())
    return History(paths.history_db())
