"""The rules at work: from changes and readings to the next step of alarms and events.

Pure: no clock, no file. The state that must survive a kill - which alarms are present, which conditions are waiting, how far the
changes were looked at - comes in and goes out with each `Step`, so that one transaction can keep it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from istars.model.alarms import ALARMS
from istars.model.readings import Value
from istars.rules.conditions import CONDITIONS, Arguments, Condition, View
from istars.settings import Settings
from istars.store.archive import Event
from istars.store.live import Change
from istars.store.live_alarms import LiveAlarm, Step


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks: boottime and epoch seconds, and the boot the former belongs to."""

    at: float
    wall: float
    boot: str

    def ago(self, at: float) -> Moment:
        """The instant that was `at` (boottime) on the first clock."""
        return Moment(at, self.wall - (self.at - at), self.boot)


def _token() -> str:
    return os.urandom(6).hex()


@dataclass(slots=True)
class Rules:
    """Alarms that are present, by code, and conditions whose time is running, by code (boottime at which they began)."""

    active: dict[str, LiveAlarm] = field(default_factory=dict)
    pending: dict[str, float] = field(default_factory=dict)
    states: dict[str, Value] = field(default_factory=dict)
    conditions: Sequence[Condition] = CONDITIONS
    new_key: Callable[[], str] = _token

    def step(
        self,
        moment: Moment,
        readings: Mapping[str, Value],
        settings: Settings,
        facts: Mapping[str, Arguments],
        changes: Iterable[Change] = (),
    ) -> Step:
        """What follows from `changes` (oldest first) and from what is true now.

        `readings` holds fresh readings only. Before each change, conditions whose time ran out meanwhile become alarms at the
        moment at which it did, so that a state that came and went between two looks is not missed.
        """
        before, waiting = dict(self.active), dict(self.pending)
        events: list[Event] = []
        cursor: int | None = None
        for change in changes:
            then = Moment(change.at, change.wall, moment.boot)
            if self.states:
                events += self._look(then, self.states, settings, {}, only_states=True)
            if (
                change.name == "ups.test.result"
                and change.value == "passed"
                and self.states.get(change.name) != "passed"
            ):
                events.append(self.plain_event("TEST_PASSED", then))
            self.states[change.name] = change.value
            events += self._look(then, self.states, settings, {}, only_states=True)
            cursor = change.id
        events += self._look(moment, readings, settings, facts, only_states=False)
        return Step(
            raised=[alarm for code, alarm in self.active.items() if before.get(code) != alarm],
            cleared=sorted({alarm.key for alarm in before.values()} - {alarm.key for alarm in self.active.values()}),
            events=events,
            cursor=cursor,
            pending=dict(self.pending) if self.pending != waiting else None,
        )

    def _look(
        self,
        moment: Moment,
        readings: Mapping[str, Value],
        settings: Settings,
        facts: Mapping[str, Arguments],
        *,
        only_states: bool,
    ) -> list[Event]:
        """Judge every condition at one moment. In the past only states are known, so only they can decide."""
        events = []
        for condition in self.conditions:
            view = View(readings, settings, facts, condition.code in self.active)
            now = None if only_states and not condition.test.by_states else condition.test.holds(view)
            at_once = condition.at_once.holds(view) if condition.at_once else None
            if only_states and not condition.test.by_states and not at_once:
                continue
            event = self._judge(condition, _merge(now, at_once), bool(at_once), view, moment, settings)
            if event is not None:
                events.append(event)
        return events

    def _judge(
        self, condition: Condition, verdict: bool | None, at_once: bool, view: View, moment: Moment, settings: Settings
    ) -> Event | None:
        """Raise or clear one alarm if its condition has held, or been gone, for long enough."""
        code, present = condition.code, condition.code in self.active
        if verdict is None:
            return None
        if verdict == present:
            self.pending.pop(code, None)
            return None
        since = self.pending.setdefault(code, moment.at)
        wait = 0.0 if at_once and not present else condition.delay(present, settings)
        if moment.at - since < wait:
            return None
        del self.pending[code]
        # The moment at which the time ran out, however late somebody looked.
        changed = moment.ago(since + wait)
        return self._clear(code, since, changed) if present else self._raise(code, view.args, changed)

    def _raise(self, code: str, args: Arguments, moment: Moment) -> Event:
        declaration = ALARMS[code]
        key = self.new_key()
        self.active[code] = LiveAlarm(
            key, code, declaration.severity.value, moment.wall, moment.at, moment.boot, dict(args)
        )
        return Event(0, f"{key}:raise", moment.wall, code, "raise", declaration.severity.value, dict(args), key)

    def _clear(self, code: str, since: float, moment: Moment) -> Event:
        """The alarm lasted until its condition ceased (`since`), not until that was believed."""
        alarm = self.active.pop(code)
        ceased = moment.ago(since)
        lasted = alarm.lasted(ceased.at, ceased.wall, moment.boot)
        return Event(
            0, f"{alarm.key}:clear", moment.wall, code, "clear", alarm.severity, alarm.args, alarm.key, round(lasted, 1)
        )

    def acknowledge(self, key: str, by: str, note: str, moment: Moment) -> Step | None:
        """Somebody has seen the alarm `key`; None where it is not present."""
        alarm = next((each for each in self.active.values() if each.key == key), None)
        if alarm is None:
            return None
        seen = replace(alarm, acknowledged_by=by, acknowledged_wall=moment.wall, note=note)
        self.active[alarm.code] = seen
        args: Arguments = {"code": alarm.code, "title": ALARMS[alarm.code].title, "by": by, "note": note}
        event = self.plain_event("ALARM_ACKNOWLEDGED", moment, args, alarm.key)
        return Step(updated=[seen], events=[event])

    def plain_event(
        self, code: str, moment: Moment, args: Mapping[str, object] | None = None, alarm: str | None = None
    ) -> Event:
        """An event that only happens."""
        severity = ALARMS[code].severity.value
        return Event(0, self.new_key(), moment.wall, code, "event", severity, dict(args or {}), alarm)


def _merge(verdict: bool | None, at_once: bool | None) -> bool | None:
    """Either of the two tests holds; what cannot be known does not decide while the other is known."""
    if verdict or at_once:
        return True
    return verdict if at_once is None else (False if verdict is None else verdict)
