"""What a daily report tells: out of the data record, the event record and what the card noted at the moment of delivery."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from istars.errors import StoreError
from istars.model.readings import PHASES, Value
from istars.model.records import STATUS, has
from istars.platform import paths
from istars.store.archive import Archive, Event
from istars.store.history import Energy, Figures, History, Series
from istars.store.outbox import Message

EVENTS_LIMIT = 2_000
TABLE = (
    "input.voltage", *(f"input.{phase}-N.voltage" for phase in PHASES), "input.frequency",
    "output.voltage", *(f"output.{phase}-N.voltage" for phase in PHASES),
    "ups.load", *(f"output.{phase}.power.percent" for phase in PHASES), "ups.realpower", "ups.power",
    "battery.charge", "battery.voltage", "battery.temperature", "ups.temperature", "ambient.temperature", "ambient.humidity",
)  # fmt: skip
"""Readings whose lowest and highest values are told, in this order, where they were recorded."""
_PHASE_VOLTS = tuple(f"input.{phase}-N.voltage" for phase in PHASES)
CURVES: tuple[tuple[tuple[str, ...], ...], ...] = (
    (("input.voltage", "output.voltage"), _PHASE_VOLTS),
    (("ups.load",), tuple(f"output.{phase}.power.percent" for phase in PHASES)),
    (("battery.charge",), ("battery.voltage",)),
    (("ups.temperature", "battery.temperature", "ambient.temperature"),),
)
"""One picture each: the first of its sets of which something was recorded."""


@dataclass(frozen=True, slots=True)
class Outages:
    """How often mains failed, how long the UPS was on battery in all, and the longest time, in seconds."""

    count: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0


@dataclass(slots=True)
class Report:
    """The facts of the time from `first` to `last` (epoch seconds). `problem` says what could not be read."""

    first: float
    last: float
    figures: Mapping[str, Figures] = field(default_factory=dict)
    series: Series = field(default_factory=Series)
    energy: Energy | None = None
    estimated_energy: bool = False
    outages: Outages = field(default_factory=Outages)
    events: Sequence[Event] = ()
    covered_s: float = 0.0
    state: Mapping[str, Value] = field(default_factory=dict)
    estimated: frozenset[str] = frozenset()
    alarms: Sequence[tuple[str, Mapping[str, object]]] = ()
    unread: bool = False

    def curves(self) -> list[tuple[str, ...]]:
        """The readings of each picture that there is something to show in."""
        found = []
        for choices in CURVES:
            sets = [tuple(name for name in names if name in self.figures) for names in choices]
            found += [next(names for names in sets if names)] if any(sets) else []
        return found

    def on_battery(self) -> list[tuple[float, float]]:
        """When the UPS was on battery, from one record to the next."""
        gaps, times = set(self.series.gaps), self.series.times
        states = self.series.columns.get(STATUS, [])
        return joined(
            (time, after)
            for index, (time, after) in enumerate(pairwise([*times, int(self.last)]))
            if has(states[index], "OB") and index + 1 not in gaps and after - time < EDGE_S
        )

    def unrecorded(self) -> list[tuple[float, float]]:
        """When nothing was recorded."""
        times = self.series.times
        if not times:
            return [(self.first, self.last)]
        found = [(float(times[index - 1]), float(times[index])) for index in self.series.gaps]
        edges = ((self.first, times[0]), (times[-1], self.last))
        return sorted(found + [(begin, end) for begin, end in edges if end - begin > EDGE_S])


EDGE_S = 250.0
"""Records are at most 99 s apart: a day that begins or ends with a longer silence begins or ends with a gap."""


def joined(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, those that touch as one."""
    made: list[tuple[float, float]] = []
    for begin, end in spans:
        if made and begin <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((begin, end))
    return made


def gathered(message: Message) -> Report:
    """The facts of the report that `message` stands for. What cannot be read is missing and said to be."""
    body = message.body
    report = Report(_number(body.get("first"), message.at - 86_400), _number(body.get("last"), message.at))
    state, alarms = body.get("state"), body.get("alarms")
    report.state = state if isinstance(state, dict) else {}
    report.estimated = frozenset(map(str, found)) if isinstance(found := body.get("estimated"), list) else frozenset()
    report.alarms = [(str(code), args) for code, args in alarms] if isinstance(alarms, list) else []
    for read in (_events, lambda made: _records(made, _number(body.get("rated_w"), 0))):
        try:
            read(report)
        except StoreError:
            report.unread = True
    return report


def _number(value: object, usual: float) -> float:
    return float(value) if isinstance(value, int | float) else usual


def _records(report: Report, rated_w: float) -> None:
    with History(paths.history_db(), readonly=True) as history:
        report.figures = history.figures(TABLE, report.first, report.last)
        names = tuple(dict.fromkeys((STATUS, *(name for names in report.curves() for name in names))))
        report.series = history.series(names, report.first, report.last)
        report.energy = history.energy(report.first, report.last)
        status = history.figures((STATUS, *TABLE), report.first, report.last)
    report.covered_s = max((each.covered_s for each in status.values()), default=0)
    load = report.figures.get("ups.load")
    if report.energy is None and rated_w and load is not None:
        report.energy = Energy(load.mean / 100 * rated_w * load.covered_s / 3.6e6, load.covered_s)
        report.estimated_energy = True


def _events(report: Report) -> None:
    with Archive(paths.archive_db(), readonly=True) as archive:
        found = archive.events(from_wall=report.first, limit=EVENTS_LIMIT)
    report.events = [event for event in found if event.at < report.last]
    # an outage that lasts over the end is told by an event after it
    report.outages = outages(found, report.first, report.last)


def outages(events: Iterable[Event], first: float, last: float) -> Outages:
    """The outages of a time, from the events of it and after it."""
    begun: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    for event in events:
        if event.code != "ON_BATTERY":
            continue
        key = event.alarm or ""
        if event.kind == "raise":
            begun[key] = event.at
        elif event.kind == "clear":
            # how long it lasted is counted by a clock that nobody sets
            begin = begun.pop(key, event.at) if event.duration_s is None else event.at - event.duration_s
            begun.pop(key, None)
            spans.append((begin, event.at))
    spans += [(begin, last) for begin in begun.values()]
    within = [(max(begin, first), min(end, last)) for begin, end in spans if begin < last and end > first]
    lengths = [end - begin for begin, end in within]
    return Outages(len(lengths), sum(lengths), max(lengths, default=0.0))
