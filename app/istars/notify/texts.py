"""What people are told: subject, text, HTML page of a mail, the one line of a chat or a log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from istars.model.alarms import ALARMS, describe, describe_event
from istars.model.readings import reading
from istars.notify.language import ENGLISH, Language, language
from istars.platform import clock
from istars.settings import Settings
from istars.store.outbox import Message

CONTEXT = (
    "ups.status", "input.voltage", "output.voltage", "ups.load", "battery.charge", "battery.runtime", "battery.voltage",
    "ups.temperature",
)  # fmt: skip
"""Readings that go with a message, as they were when the event was seen."""


SHORT = {"ON_BATTERY": "On battery"}
"""Titles that are too long for a subject that also says since when and how long it lasts."""
SEVERITIES = {"critical": "Critical", "warning": "Warning", "information": "Information"}


@dataclass(frozen=True, slots=True)
class Words:
    """A message in words of the language `language`. `facts` are label and value, `to_do` is the heading of `actions`."""

    subject: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    actions: tuple[str, ...]
    card: str
    to_do: str
    language: str


def _time(epoch: float) -> str:
    return clock.local(epoch).strftime("%H:%M")


def span(seconds: float) -> str:
    """`2 min 5 s`, `3 h 20 min`: the same in all languages of the card."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def _context(message: Message) -> dict[str, object]:
    found = message.body.get("context")
    return found if isinstance(found, dict) else {}


def language_of(message: Message) -> Language:
    """The language of the one whom `message` is for."""
    return language(str(message.body.get("language", ENGLISH)))


def headline(message: Message, say: Language = language(ENGLISH)) -> str:  # noqa: B008 - made once, as it should be
    """The message in one line, without the name of the card: `On battery since 14:29, about 38 min left`."""
    if message.kind == "test":
        return say("Test message: this is how events arrive")
    if message.kind == "status":
        return str(message.body.get("text", ""))
    if message.kind == "report":
        return report_title(message.at, say)
    if message.kind == "summary":
        return _summary(message, say)
    said = describe_event(message.code, message.kind, say.arguments(message.args), say)
    at = _time(message.at)
    if message.kind == "clear":
        lasted = message.body.get("duration_s")
        if lasted is None:
            return say.sentence("{event} at {time}", event=said, time=at)
        return say.sentence("{event} at {time} after {span}", event=said, time=at, span=span(float(str(lasted))))
    if message.kind != "raise":
        return say.sentence("{event}, {time}", event=said, time=at)
    line = say.sentence("{event} since {time}", event=say(SHORT.get(message.code, "")) or said, time=at)
    runtime = _context(message).get("battery.runtime")
    if message.code == "ON_BATTERY" and isinstance(runtime, int | float):
        line = say.sentence("{event}, about {minutes} min left", event=line, minutes=max(0, round(runtime / 60)))
    return say.sentence("Still: {event}", event=line) if message.repeat else line


def report_title(at: float, say: Language) -> str:
    """What a daily report is called: `Daily report, 2026-11-21`."""
    return say.sentence("Daily report, {date}", date=clock.local(at).strftime("%Y-%m-%d"))


def _summary(message: Message, say: Language) -> str:
    first, last = (_time(float(str(message.body.get(key, message.at)))) for key in ("first", "last"))
    return say.sentence(
        "{event}: {count} more changes from {first} to {last}, {now}",
        event=describe(message.code, say.arguments(message.args), say),
        count=message.body.get("count"),
        first=first,
        last=last,
        now=say("over now") if message.body.get("now") == "clear" else say("present now"),
    )


def words(message: Message, settings: Settings) -> Words:
    """`message` in words of its recipient's language, for the card that `settings` name."""
    say = language_of(message)
    card = settings.text("system.name")
    line = headline(message, say)
    declared = ALARMS.get(message.code)
    facts = [(say("Time"), clock.local(message.at).strftime("%Y-%m-%d %H:%M:%S %Z").strip())]
    if settings.text("system.location"):
        facts.append((say("Location"), settings.text("system.location")))
    if settings.text("system.administrator"):
        facts.append((say("Administrator"), settings.text("system.administrator")))
    if message.kind != "test":
        facts.append((say("Severity"), say(SEVERITIES.get(message.severity, message.severity))))
    facts += [(say(reading(name).label), _shown(name, value, say)) for name, value in _context(message).items()]
    actions = declared.actions if declared is not None and message.kind in ("raise", "summary") else ()
    return Words(
        " ".join(f"[{card}] {line}".split()),
        line,
        tuple(facts),
        tuple(say(action) for action in actions),
        card,
        say("What to do:"),
        say.code,
    )


def _shown(name: str, value: object, say: Language) -> str:
    if reading(name).unit == "s" and isinstance(value, int | float):
        return span(float(value))
    return say.value(name, value if isinstance(value, str | int | float) else "")


def plain(said: Words, records: Iterable[str] = ()) -> str:
    """The text part of a mail."""
    width = max(len(label) for label, _ in said.facts)
    parts = [said.headline, "", *(f"{label + ':':<{width + 2}}{value}" for label, value in said.facts)]
    if said.actions:
        parts += ["", said.to_do, *(f"- {action}" for action in said.actions)]
    parts += list(records)
    return "\n".join(parts) + "\n"


def page(said: Words) -> str:
    """The HTML part of a mail: no picture, no script, nothing that is fetched."""
    rows = "".join(
        f'<tr><td style="padding:2px 16px 2px 0;color:#555">{escape(label)}</td><td>{escape(value)}</td></tr>'
        for label, value in said.facts
    )
    actions = "".join(f"<li>{escape(action)}</li>" for action in said.actions)
    todo = f"<p><b>{escape(said.to_do)}</b></p><ul>{actions}</ul>" if actions else ""
    return (
        f'<!doctype html><html lang="{said.language}"><body style="font-family:sans-serif;font-size:15px">'
        f'<p style="font-size:19px"><b>{escape(said.headline)}</b></p><p>{escape(said.card)}</p>'
        f"<table>{rows}</table>{todo}</body></html>"
    )
