"""Alarms and events as lines of a list and as a count: pure functions, code and arguments in, words out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from istars.model.alarms import ALARMS, describe, describe_detail, describe_event
from istars.platform import clock
from istars.store.archive import Event
from istars.store.live_alarms import LiveAlarm
from istars.web.view import HEADLINES, TONES, WORDS, Count, Facts, Tone, count_of, duration, state_of, time_of, worst


@dataclass(frozen=True, slots=True)
class AlarmCard:
    """One alarm of the list. What may change while it lasts (its detail) is the text `alarm.<key>`."""

    key: str
    tone: Tone
    word: str
    title: str
    meaning: str
    actions: tuple[str, ...]
    since: str
    iso: str
    count: Count
    acknowledged_by: str = ""
    acknowledged: str = ""
    acknowledged_iso: str = ""
    note: str = ""


def alarm_card(alarm: LiveAlarm, wall: float) -> tuple[AlarmCard, str]:
    """One alarm as the page shows it, and its detail (`112 %`)."""
    declared = ALARMS.get(alarm.code)
    tone = TONES[alarm.severity]
    confirmed = alarm.acknowledged_wall
    card = AlarmCard(
        key=alarm.key,
        tone=tone,
        word=WORDS[tone],
        title=describe(alarm.code, alarm.args),
        meaning=declared.meaning if declared else "This version of the card does not know this alarm.",
        actions=declared.actions if declared else (),
        since=time_of(alarm.since_wall, wall),
        iso=clock.iso(alarm.since_wall),
        count=count_of(alarm),
        acknowledged_by=alarm.acknowledged_by or "",
        acknowledged=time_of(confirmed, wall) if confirmed is not None else "",
        acknowledged_iso=clock.iso(confirmed) if confirmed is not None else "",
        note=alarm.note,
    )
    return card, describe_detail(alarm.code, alarm.args)


@dataclass(frozen=True, slots=True)
class EventLine:
    """One event of a list."""

    id: int
    tone: Tone
    word: str
    time: str
    iso: str
    text: str
    lasted: str = ""


def event_line(event: Event, today: float) -> EventLine:
    """One event as a list shows it: an alarm that ended is good news, whatever its severity was.

    An event of another day than `today` (epoch seconds) shows its day and leaves the seconds out.
    """
    cleared = event.kind == "clear"
    tone = Tone.OK if cleared else TONES.get(event.severity, Tone.INFO)
    iso = clock.iso(event.at)
    return EventLine(
        id=event.id,
        tone=tone,
        word="Cleared" if cleared else WORDS[tone],
        time=iso[11:19] if iso[:10] == clock.iso(today)[:10] else f"{iso[5:10]} {iso[11:16]}",
        iso=iso,
        text=describe_event(event.code, event.kind, event.args),
        lasted=duration(event.duration_s) if event.duration_s is not None else "",
    )


@dataclass(frozen=True, slots=True)
class Badge:
    """The alarms in the bar and in the menu: shape, count and word."""

    tone: Tone
    count: int
    word: str


def badge_of(alarms: Sequence[LiveAlarm]) -> Badge:
    """How many alarms are present and how bad the worst is."""
    tones = [TONES[alarm.severity] for alarm in alarms]
    tone = worst(tones)
    if not tones:
        return Badge(Tone.OK, 0, "alarms")
    if len(set(tones)) > 1:
        return Badge(tone, len(tones), "alarms")
    words = {Tone.CRIT: ("critical", "critical"), Tone.WARN: ("warning", "warnings"), Tone.INFO: ("notice", "notices")}
    return Badge(tone, len(tones), words[tone][len(tones) > 1])


def spoken(facts: Facts) -> str:
    """What a screen reader says when the state changes: no number that ticks."""
    badge = badge_of(facts.alarms)
    return f"{HEADLINES[state_of(facts)]}. {badge.count} {badge.word}."
