"""What the pages say about the UPS: from readings and alarms to a state, its sentences, its alarms and events in words.

Pure functions over `Facts`, which is everything known at one moment. Each answer keeps apart what the eye sees as structure
(severity, icon, which lines there are) and what only changes as text, because a page is redrawn for the first alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from istars.model.alarms import Severity, describe
from istars.model.readings import READINGS, Value, format_value
from istars.platform import clock
from istars.store.live import LiveReading
from istars.store.live_alarms import LiveAlarm


class Tone(StrEnum):
    """A severity as the page shows it: the name of an icon and of a class."""

    OK = "ok"
    INFO = "info"
    WARN = "warn"
    CRIT = "crit"
    NONE = "none"


TONES: Mapping[str, Tone] = {
    Severity.CRITICAL: Tone.CRIT,
    Severity.WARNING: Tone.WARN,
    Severity.INFORMATION: Tone.INFO,
}
WORDS: Mapping[Tone, str] = {
    Tone.CRIT: "Critical",
    Tone.WARN: "Warning",
    Tone.INFO: "Information",
    Tone.OK: "Normal",
    Tone.NONE: "No data",
}
_WORST = (Tone.CRIT, Tone.WARN, Tone.INFO, Tone.OK, Tone.NONE)


class State(StrEnum):
    """What the UPS does with the load; `data-state` of the energy-flow drawing."""

    WAITING = "waiting"
    OFFLINE = "offline"
    OFF = "off"
    FAULT = "fault"
    BYPASS = "bypass"
    BATTERY = "battery"
    TEST = "test"
    ECO = "eco"
    CONVERTER = "converter"
    ONLINE = "online"
    UNKNOWN = "unknown"


HEADLINES: Mapping[State, str] = {
    State.WAITING: "Waiting for the UPS",
    State.OFFLINE: "No data from the UPS",
    State.OFF: "Output switched off",
    State.FAULT: "UPS fault",
    State.BYPASS: "On bypass, load not protected",
    State.BATTERY: "On battery",
    State.TEST: "Battery test running",
    State.ECO: "Running on mains, economy mode",
    State.CONVERTER: "Running as a frequency converter",
    State.ONLINE: "Running on mains",
    State.UNKNOWN: "The UPS does not say what it does",
}
_TONE_OF_STATE: Mapping[State, Tone] = {
    State.WAITING: Tone.NONE,
    State.OFFLINE: Tone.CRIT,
    State.OFF: Tone.CRIT,
    State.FAULT: Tone.CRIT,
    State.BYPASS: Tone.WARN,
    State.BATTERY: Tone.WARN,
    State.TEST: Tone.INFO,
    State.UNKNOWN: Tone.NONE,
}


def duration(seconds: float) -> str:
    """`42 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h`; the same words as `span()` in ui.js."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def time_left(seconds: float) -> str:
    """A time to come, as a person says it: `38 minutes`, `95 seconds`, `2 h 5 min`."""
    whole = max(0, int(seconds))
    if whole >= 7200:
        return f"{whole // 3600} h {whole // 60 % 60} min"
    if whole >= 120:
        return f"{whole // 60} minutes"
    return "1 second" if whole == 1 else f"{whole} seconds"


def time_of(epoch: float, today: float) -> str:
    """Time of day in the card's zone, with its date unless that is the day of `today` (both epoch seconds)."""
    shown, now = clock.iso(epoch), clock.iso(today)
    return shown[11:19] if shown[:10] == now[:10] else f"{shown[:10]} {shown[11:19]}"


def plural(count: int, one: str, many: str) -> str:
    """`1 warning`, `2 warnings`."""
    return f"{count} {one if count == 1 else many}"


def worst(tones: Iterable[Tone]) -> Tone:
    """The worst of several severities; OK where there are none."""
    return min(tones, key=_WORST.index, default=Tone.OK)


@dataclass(frozen=True, slots=True)
class Count:
    """A moment from which the page counts up: boottime seconds (`b`) or, when from an earlier boot, epoch seconds (`w`)."""

    clock: str
    at: float

    def text(self, now: float, wall: float) -> str:
        """How long it is since then, in words."""
        return duration((now if self.clock == "b" else wall) - self.at)


@dataclass(frozen=True)
class Facts:
    """Everything known at one moment: `now` in boottime, `wall` in epoch seconds."""

    readings: Mapping[str, LiveReading] = field(default_factory=dict)
    alarms: Sequence[LiveAlarm] = ()
    now: float = 0.0
    wall: float = 0.0

    @cached_property
    def link(self) -> str:
        """The card's link to the UPS: ok, lost, silent (our own program does not report) or waiting (nothing read yet)."""
        stored = self.readings.get("istars.link.state")
        if stored is None:
            return "waiting" if "ups.status" not in self.readings else "ok"
        if stored.stale(self.now):
            return "silent"
        if stored.value == "ok":
            return "ok" if "ups.status" in self.readings else "waiting"
        return "lost"

    def stale(self, name: str) -> bool:
        """Whether a reading may not be shown as current."""
        return self.readings[name].stale(self.now)

    @cached_property
    def stale_names(self) -> frozenset[str]:
        """Names of all readings that may not be shown as current."""
        return frozenset(name for name in self.readings if self.stale(name))

    def value(self, name: str) -> Value | None:
        """The value of a reading that is current, or None."""
        if name not in self.readings or name in self.stale_names:
            return None
        return self.readings[name].value

    def number(self, name: str) -> float | None:
        """The value of a numeric reading that is current, or None."""
        value = self.value(name)
        return None if value is None or isinstance(value, str) else float(value)

    def text(self, name: str) -> str:
        """The value of a text reading that is current, or an empty text."""
        value = self.value(name)
        return value if isinstance(value, str) else ""

    @cached_property
    def tokens(self) -> frozenset[str]:
        """Tokens of `ups.status`; none while it is not current."""
        return frozenset(self.text("ups.status").split())

    def alarm(self, *codes: str) -> LiveAlarm | None:
        """The first of these alarms that is present."""
        return next((alarm for alarm in self.alarms if alarm.code in codes), None)

    def when(self, boottime: float) -> str:
        """A moment in boottime as the time of day."""
        return time_of(self.wall - (self.now - boottime), self.wall)

    def seen(self, name: str) -> str:
        """Time of day at which a reading was last read."""
        return self.when(self.readings[name].at)


def state_of(facts: Facts) -> State:
    """What the UPS does with the load. What the load is fed from goes before why."""
    if facts.link == "waiting":
        return State.WAITING
    if facts.link == "silent" or "ups.status" not in facts.readings or facts.stale("ups.status"):
        return State.OFFLINE
    tokens = facts.tokens
    for token, state in (("OFF", State.OFF), ("BYPASS", State.BYPASS)):
        if token in tokens:
            return state
    if facts.text("istars.ups.mode") == "fault" or "UPS_FAULT" in facts.text("ups.alarm").split():
        return State.BATTERY if "OB" in tokens else State.FAULT
    for token, state in (
        ("OB", State.BATTERY),
        ("TEST", State.TEST),
        ("CAL", State.TEST),
        ("ECO", State.ECO),
        ("CONVERTER", State.CONVERTER),
        ("OL", State.ONLINE),
    ):
        if token in tokens:
            return state
    return State.UNKNOWN


@dataclass(frozen=True, slots=True)
class Head:
    """The headline of the overview: its texts are apart, `count` counts the time since the state began."""

    state: State
    tone: Tone
    count: Count | None = None


def head_of(facts: Facts) -> tuple[Head, dict[str, str]]:
    """The headline and the sentence below it, as structure and as texts `head` and `follow`."""
    state = state_of(facts)
    tone = worst([_TONE_OF_STATE.get(state, Tone.OK), *(TONES[alarm.severity] for alarm in facts.alarms)])
    if state in (State.ONLINE, State.ECO, State.CONVERTER) and tone is Tone.INFO:
        tone = Tone.OK
    count, text = None, HEADLINES[state]
    if state is State.BATTERY:
        if "LB" in facts.tokens:
            tone = Tone.CRIT
        if lasts := bridged(facts):
            text = f"On battery: {lasts} left"
        else:
            text, count = "On battery for", began(facts, "ON_BATTERY")
    elif state is State.OFFLINE and "ups.status" in facts.readings:
        text = f"No data from the UPS since {facts.seen('ups.status')}"
    elif state is State.ONLINE and facts.tokens & {"BOOST", "TRIM"}:
        text = (
            "Running on mains, low voltage raised"
            if "BOOST" in facts.tokens
            else "Running on mains, high voltage lowered"
        )
    return Head(state, tone, count), {"head": text, "follow": follow(facts, state)}


def began(facts: Facts, code: str) -> Count:
    """When a state began: with its alarm, or with the last change of `ups.status` while there is none yet."""
    alarm = facts.alarm(code)
    return count_of(alarm) if alarm else Count("b", round(facts.readings["ups.status"].changed_at, 3))


def count_of(alarm: LiveAlarm) -> Count:
    """Since when an alarm is present; boottime counts only within one boot."""
    if alarm.boot == clock.boot_id():
        return Count("b", round(alarm.since_boot, 3))
    return Count("w", round(alarm.since_wall, 3))


def follow(facts: Facts, state: State) -> str:
    """What the state means for the load and what comes next, in whole sentences."""
    if state in (State.WAITING, State.OFFLINE):
        return link_sentence(facts)
    sentences: list[str] = []
    switch_off = facts.number("ups.timer.shutdown")
    if switch_off is not None and switch_off > 0:
        sentences.append(f"The UPS switches off in {time_left(switch_off)}.")
    sentences.append(_means(facts, state))
    if state in (State.BATTERY, State.TEST):
        sentences.append(battery_sentence(facts))
    serious = [alarm for alarm in facts.alarms if alarm.severity != Severity.INFORMATION and not _told(alarm, state)]
    sentences += [f"{describe(alarm.code, alarm.args)}." for alarm in serious[:3]]
    if len(serious) > 3:
        sentences.append(f"{plural(len(serious) - 3, 'more alarm', 'more alarms')}.")
    if state in (State.ONLINE, State.ECO, State.CONVERTER):
        sentences += ["" if serious else _FINE[state], battery_sentence(facts)]
    return " ".join(sentence for sentence in sentences if sentence)


_FINE: Mapping[State, str] = {
    State.ONLINE: "The load is protected.",
    State.ECO: "The load runs from mains, the inverter stands by.",
    State.CONVERTER: "The load is protected; bypass cannot be used.",
}


def _means(facts: Facts, state: State) -> str:
    """What a state that is not normal means for the load."""
    if state is State.BATTERY:
        return f"Mains failed at {since(facts, 'ON_BATTERY')}."
    return {
        State.BYPASS: "The load runs from mains directly. A mains failure would switch it off.",
        State.OFF: "The load gets no voltage from the UPS.",
        State.TEST: "The load runs from the battery until the test ends.",
        State.UNKNOWN: "Look at the UPS itself.",
    }.get(state, "")


def since(facts: Facts, code: str) -> str:
    """Time of day at which a state began."""
    start = began(facts, code)
    return facts.when(start.at) if start.clock == "b" else time_of(start.at, facts.wall)


def _told(alarm: LiveAlarm, state: State) -> bool:
    """Whether the headline already says what this alarm says."""
    return alarm.code in {
        State.BATTERY: ("ON_BATTERY", "BATTERY_LOW"),
        State.BYPASS: ("ON_BYPASS",),
        State.OFF: ("OUTPUT_OFF",),
        State.FAULT: ("UPS_FAULT",),
    }.get(state, ())


def bridged(facts: Facts) -> str:
    """How long the battery lasts, empty where it is not known; “about” where the card has estimated it."""
    runtime = facts.number("battery.runtime")
    if runtime is None:
        return ""
    return ("about " if facts.readings["battery.runtime"].estimated else "") + time_left(runtime)


def battery_sentence(facts: Facts) -> str:
    """How much the battery holds and for how long; empty where the UPS does not say."""
    charge, lasts = facts.number("battery.charge"), bridged(facts)
    if "LB" in facts.tokens:
        return "The battery is nearly empty: the UPS can switch off at any moment."
    if charge is None:
        return f"The battery would last {lasts}." if lasts else ""
    about = "about " if facts.readings["battery.charge"].estimated else ""
    percent = format_value("battery.charge", charge)
    if "OB" in facts.tokens or "TEST" in facts.tokens:
        return f"The battery holds {about}{percent} %."
    if charge >= 99.5:
        return f"The battery is full and would last {lasts}." if lasts else "The battery is full."
    if "CHRG" in facts.tokens:
        return f"The battery is charging and holds {about}{percent} %."
    return f"The battery holds {about}{percent} %."


def link_sentence(facts: Facts) -> str:
    """Why there are no data from the UPS, and what to look at."""
    if facts.link == "waiting":
        return "The card asks the UPS for its first readings."
    if facts.link == "silent":
        return "The part of the card that reads the UPS does not report. It is restarted by itself."
    if facts.link == "ok":
        return "The last questions of the card were not answered. Nothing shown here is current."
    reason = facts.text("istars.link.reason")
    why = READINGS["istars.link.reason"].values.get(reason, "") or "The UPS does not answer"
    detail = facts.text("istars.link.detail").strip().rstrip(".")
    told = f"{why}: {detail}." if detail else f"{why}."
    return f"{told} Nothing shown here is current."


@dataclass(frozen=True, slots=True)
class Link:
    """The card's link to the UPS, for the bar at the top; `banner` is empty while it works."""

    tone: Tone
    text: str
    banner: str = ""
    why: str = ""


def link_of(facts: Facts) -> Link:
    """What the bar says about the link, and the banner of the pages that are not the overview."""
    state = state_of(facts)
    if state is State.WAITING:
        return Link(Tone.NONE, "Waiting for UPS")
    if state is not State.OFFLINE:
        # Readings stay current for a few polls: one question without an answer is worth a word, not a banner.
        return Link(Tone.OK, "UPS connected") if facts.link == "ok" else Link(Tone.WARN, "UPS not answering")
    known = "ups.status" in facts.readings
    banner = f"No data from the UPS since {facts.seen('ups.status')}." if known else "No data from the UPS."
    return Link(Tone.CRIT, "No UPS data", banner, link_sentence(facts))
