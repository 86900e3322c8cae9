"""The data record: what the readings were, for years, on flash.

Written once an hour (`add`), read by day or by year. An hour is one blob of all its records (`history_codec.py`) and a summary
beside it: least, greatest and mean of each reading. The present hour lies in a file of its own (`history_tail.py`); readers join
both. When room is short the oldest hours are thinned to one record a minute, and in the end only their summaries stay.

Where the clock was set back, two runs of records share the same hours: the later one is what is shown.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from istars.errors import StoreError
from istars.model.records import ENERGY, precision
from istars.store import history_codec, history_tail
from istars.store.database import Database
from istars.store.history_codec import GAP, SUMMARY, Hour, weights

LIMIT = 256 * 1024 * 1024
"""Five years of 40 readings every ten seconds."""
THIN_S = 60
AT_A_TIME = 48
LONGEST_S = 3_600


@dataclass(slots=True)
class Series:
    """Records of some readings in order of time; None where a reading had no value.

    `times` are epoch seconds. Before each index in `gaps` nothing was recorded for longer than the record interval.
    """

    times: list[int] = field(default_factory=list)
    columns: dict[str, list[float | None]] = field(default_factory=dict)
    gaps: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Figures:
    """Least, greatest and mean of a reading; times are epoch seconds, `covered_s` how long there was a value."""

    low: float
    low_at: int
    high: float
    high_at: int
    mean: float
    covered_s: int


@dataclass(frozen=True, slots=True)
class Energy:
    """What the load has used: kWh, and over how many seconds that was recorded."""

    kwh: float
    covered_s: int


@dataclass(frozen=True, slots=True)
class Sealed:
    """An hour as it goes to flash."""

    first: int
    last: int
    interval: int
    names: tuple[str, ...]
    count: int
    summary: bytes
    data: bytes


def sealed(hour: Hour) -> Sealed:
    """An hour of records in the form in which it is kept."""
    names = tuple(sorted(hour.columns))
    return Sealed(
        hour.times[0],
        hour.times[-1],
        hour.interval,
        names,
        len(hour.times),
        history_codec.summarise(hour, names),
        history_codec.encode(hour, names),
    )


@dataclass(slots=True)
class _Segment:
    """A segment as it is read: `id` counts in the order of writing, `names` are name to decimals, in their order."""

    id: int
    first: int
    last: int
    interval: int
    names: dict[str, int]
    summary: bytes
    hour: Hour | None = None
    hidden: list[tuple[int, int]] = field(default_factory=list)

    def shows(self, time: int) -> bool:
        """Whether no later record stands at this time."""
        return not any(first <= time <= last for first, last in self.hidden)


class History(Database):
    """The data record. One object per thread; open it `readonly` to read. Raises StoreDamaged, StoreFull or StoreError."""

    schema = Path(__file__).with_name("history.sql").read_text(encoding="utf-8")
    synchronous = "FULL"
    page_size = 1024

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        super().__init__(path, readonly=readonly)
        self._layouts: dict[int, dict[str, int]] = {}

    # ---- writing

    def generation(self) -> int:
        """The use of the tail whose records all stand here; see `history_tail.py`."""
        found = self.rows("SELECT value FROM meta WHERE key = 'sealed'")
        return int(found[0][0]) if found else 0

    def add(self, hours: Sequence[Sealed], generation: int) -> None:
        """Take hours, and that with them all of the tail's use `generation` is here; all or nothing."""
        with self.transaction() as db:
            for hour in hours:
                names = json.dumps([[name, precision(name)] for name in hour.names])
                db.execute("INSERT OR IGNORE INTO layout (names) VALUES (?)", (names,))
                layout = db.execute("SELECT id FROM layout WHERE names = ?", (names,)).fetchone()[0]
                number = db.execute(
                    "INSERT INTO segment (first, last, interval, layout, summary) VALUES (?,?,?,?,?)",
                    (hour.first, hour.last, hour.interval, layout, hour.summary),
                ).lastrowid
                db.execute("INSERT INTO detail VALUES (?,?,?,?)", (number, hour.interval, hour.count, hour.data))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('sealed', ?)", (generation,))

    def clear(self, generation: int) -> None:
        """Forget everything, and the tail up to its use `generation`."""
        with self.transaction() as db:
            for table in ("detail", "segment", "layout"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 - names are ours
            db.execute("INSERT OR REPLACE INTO meta VALUES ('sealed', ?)", (generation,))

    def size(self) -> int:
        """Bytes in use; pages that were freed are used again."""
        pages, free, size = (
            int(self.rows(f"PRAGMA {what}")[0][0]) for what in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def make_room(self, limit: int = LIMIT) -> int:
        """Thin the oldest hours while the record is larger than `limit` bytes, a few at a time; answers how many were."""
        changed = 0
        while changed < AT_A_TIME and self.size() > limit:
            row = (
                self.rows("SELECT id FROM detail WHERE interval < ? ORDER BY id LIMIT 1", (THIN_S,))
                or self.rows("SELECT id FROM detail ORDER BY id LIMIT 1")
            )  # fmt: skip
            if not row:
                with self.transaction() as db:
                    oldest = "SELECT id FROM segment ORDER BY id LIMIT ?"
                    gone = db.execute(f"DELETE FROM segment WHERE id IN ({oldest})", (AT_A_TIME,)).rowcount  # noqa: S608
                return changed + gone
            self._thin(int(row[0][0]))
            changed += 1
        return changed

    def _thin(self, number: int) -> None:
        """To one record a minute; what is that already, or cannot be read, to its summary."""
        found = self.rows(f"{_SEGMENTS} WHERE id = ?", (number,))
        segment = self._segment(found[0]) if found else None
        try:
            times, columns, interval = self._records(segment, tuple(segment.names)) if segment else ([], {}, THIN_S)
        except StoreError:
            times, columns, interval = [], {}, THIN_S
        with self.transaction() as db:
            if interval >= THIN_S:
                db.execute("DELETE FROM detail WHERE id = ?", (number,))
                return
            names = list(segment.names) if segment else []
            whole = {name: columns.get(name, [None] * len(times)) for name in names}
            thin = history_codec.thinned(Hour(interval, times, whole), THIN_S)
            db.execute(
                "UPDATE detail SET interval = ?, count = ?, data = ? WHERE id = ?",
                (THIN_S, len(thin.times), history_codec.encode(thin, names), number),
            )

    # ---- reading

    def series(self, names: Sequence[str], first: float, last: float) -> Series:
        """The records of readings from `first` until before `last` (epoch seconds). A damaged hour is a gap."""
        made = Series(columns={name: [] for name in names})
        runs = [
            run
            for segment in self._segments(first, last)
            if (run := self._shown(segment, tuple(names), first, last))[0]
        ]
        before = None
        for times, columns, interval in sorted(runs, key=lambda run: run[0][0]):
            for index, time in enumerate(times):
                if before is not None and time - before[0] > GAP * max(interval, before[1]):
                    made.gaps.append(len(made.times) + index)
                before = time, interval
            made.times += times
            for name in names:
                made.columns[name] += columns[name]
        return made

    def figures(self, names: Sequence[str], first: float, last: float) -> dict[str, Figures]:
        """Least, greatest and mean of readings from `first` until before `last`, by name; none for what was not recorded."""
        return self.steps(names, (first, last))[0]

    def steps(self, names: Sequence[str], edges: Sequence[float]) -> list[dict[str, Figures]]:
        """The figures of each span between two `edges` (epoch seconds, rising): the days of a year, the hours of a day."""
        spans: list[dict[str, list[Figures]]] = [{} for _ in edges[1:]]
        segments = self._segments(edges[0], edges[-1])
        for found, (first, last) in zip(spans, pairwise(edges), strict=True):
            for segment in segments:
                if segment.first < last and segment.last >= first:
                    for name, figures in self._of_segment(segment, names, first, last):
                        found.setdefault(name, []).append(figures)
        return [{name: _together(parts) for name, parts in found.items()} for found in spans]

    def energy(self, first: float, last: float) -> Energy | None:
        """What the load has used, from the recorded active power; None where none was recorded."""
        for names in ENERGY.values():
            found = self.figures(names, first, last)
            if found:
                watts = sum(each.mean * each.covered_s for each in found.values())
                return Energy(watts / 3.6e6, max(each.covered_s for each in found.values()))
        return None

    def names(self, first: float, last: float) -> list[str]:
        """The readings that were recorded, by name."""
        return sorted({name for segment in self._segments(first, last) for name in segment.names})

    def _segments(self, first: float, last: float) -> list[_Segment]:
        """The segments that reach into a span, as they were written, each with what hides it; the present hour last."""
        # the tail before the record: what moves from one to the other in between is then in the record at least
        generation, present = history_tail.read(self.path.with_suffix(".tail"))
        where = (first - LONGEST_S - 1, last, first)
        known = -1
        while known != (now := self.generation()):
            known = now
            rows = self.rows(f"{_SEGMENTS} WHERE first > ? AND first < ? AND last >= ? ORDER BY id", where)
        found = [self._segment(row) for row in rows]
        if generation > known:
            found += [_of_hour(hour) for hour in present if hour.times[0] < last and hour.times[-1] >= first]
        _hide(found)
        return found

    def _segment(self, row: Sequence[object]) -> _Segment:
        number, first, last, interval, layout, summary = row
        names = self._layouts.get(int(layout))  # type: ignore[call-overload]
        if names is None:
            said = self.rows("SELECT names FROM layout WHERE id = ?", (layout,))
            names = {name: int(decimals or 0) for name, decimals in json.loads(said[0][0])} if said else {}
            self._layouts[int(layout)] = names  # type: ignore[call-overload]
        return _Segment(number, first, last, interval, names, summary)  # type: ignore[arg-type]

    def _records(self, segment: _Segment, names: Sequence[str]) -> tuple[list[int], dict[str, list[int | None]], int]:
        """Times, scaled columns and interval of a segment as it lies on flash; nothing where only the summary is left."""
        if segment.hour is not None:
            return segment.hour.times, segment.hour.columns, segment.hour.interval
        rows = self.rows("SELECT interval, count, data FROM detail WHERE id = ?", (segment.id,))
        if not rows:
            return [], {}, segment.interval
        interval, count, data = rows[0]
        times, columns = history_codec.decode(data, segment.first, count, tuple(segment.names), names)
        return times, columns, interval

    def _shown(
        self, segment: _Segment, names: Sequence[str], first: float, last: float
    ) -> tuple[list[int], dict[str, list[float | None]], int]:
        """What a segment shows of a span, in the units of the readings."""
        try:
            times, columns, interval = self._records(segment, names)
        except StoreError:
            return [], {}, segment.interval
        whole = bool(times) and first <= times[0] and times[-1] < last and not segment.hidden
        kept = (
            range(len(times))
            if whole
            else [index for index, time in enumerate(times) if first <= time < last and segment.shows(time)]
        )
        made: dict[str, list[float | None]] = {}
        for name in names:
            column, scale = columns.get(name), 10 ** segment.names.get(name, 0)
            shown = column if whole or column is None else [column[index] for index in kept]
            made[name] = (
                [None] * len(kept) if shown is None else [None if value is None else value / scale for value in shown]
            )
        return [times[index] for index in kept], made, interval

    def _of_segment(
        self, segment: _Segment, names: Sequence[str], first: float, last: float
    ) -> Iterator[tuple[str, Figures]]:
        """The figures of a segment, from its summary where all of it is meant."""
        wanted = [name for name in names if name in segment.names]
        summed = {name: figures for name in wanted if (figures := _summary(segment, name)) is not None}
        if first <= segment.first and segment.last < last and not segment.hidden:
            yield from summed.items()
            return
        times, columns, interval = self._shown(segment, wanted, first, last)
        if not times and segment.hour is None and segment.first >= first and not segment.hidden:
            # only the summary is left of it: an hour more or less
            yield from summed.items()
            return
        spans = [min(span, int(last) - time) for span, time in zip(weights(times, interval), times, strict=True)]
        for name in wanted:
            known = [
                (value, time, span)
                for value, time, span in zip(columns[name], times, spans, strict=True)
                if value is not None
            ]
            if known:
                within = summed.get(name)
                yield name, _figures(known, within, lambda at: first <= at < last and segment.shows(at))


_SEGMENTS = "SELECT id, first, last, interval, layout, summary FROM segment"


def _hide(segments: Sequence[_Segment]) -> None:
    """Note at each segment which later ones share its hours."""
    reach = 0
    for index, segment in enumerate(segments):
        for earlier in segments[:index] if segment.first <= reach else ():
            if earlier.first <= segment.last and segment.first <= earlier.last:
                earlier.hidden.append((segment.first, segment.last))
        reach = max(reach, segment.last)


def _of_hour(hour: Hour) -> _Segment:
    """The present hour, which was not yet encoded."""
    names = {name: precision(name) or 0 for name in sorted(hour.columns)}
    summary = history_codec.summarise(hour, tuple(names))
    return _Segment(2**62, hour.times[0], hour.times[-1], hour.interval, names, summary, hour)


def _summary(segment: _Segment, name: str) -> Figures | None:
    """What the summary says of a reading; None where it had no value."""
    index, scale = list(segment.names).index(name), 10 ** segment.names[name]
    low, high, low_at, high_at, covered, mean = SUMMARY.unpack_from(segment.summary, index * SUMMARY.size)
    if not covered:
        return None
    return Figures(low / scale, segment.first + low_at, high / scale, segment.first + high_at, mean / scale, covered)


def _figures(known: Sequence[tuple[float, int, int]], summed: Figures | None, inside: object) -> Figures:
    """The figures of records, and of the extremes between them that the summary knows."""
    lows = [(value, time) for value, time, _ in known]
    highs = [(value, -time) for value, time, _ in known]
    if summed is not None and callable(inside):
        lows += [(summed.low, summed.low_at)] * inside(summed.low_at)
        highs += [(summed.high, -summed.high_at)] * inside(summed.high_at)
    low, high, covered = min(lows), max(highs), sum(span for _, _, span in known)
    mean = sum(value * span for value, _, span in known) / covered if covered else known[0][0]
    return Figures(low[0], low[1], high[0], -high[1], mean, covered)


def _together(parts: Sequence[Figures]) -> Figures:
    """The figures of several spans as one."""
    low = min(parts, key=lambda part: (part.low, part.low_at))
    high = max(parts, key=lambda part: (part.high, -part.high_at))
    covered = sum(part.covered_s for part in parts)
    mean = sum(part.mean * part.covered_s for part in parts) / covered if covered else parts[0].mean
    return Figures(low.low, low.low_at, high.high, high.high_at, mean, covered)
