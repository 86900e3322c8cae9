"""What people are told: subject, text, HTML page of a mail, the one line of a chat or a log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from istars.model.alarms import ALARMS, describe_event
from istars.model.readings import format_value, reading
from istars.platform import clock
from istars.settings import Settings
from istars.store.outbox import Message

CONTEXT = (
    "ups.status", "input.voltage", "output.voltage", "ups.load", "battery.charge", "battery.runtime", "battery.voltage",
    "ups.temperature",
)  # fmt: skip
"""Readings that go with a message, as they were when the event was seen."""


@dataclass(frozen=True, slots=True)
class Words:
    """A message in words. `facts` are label and value."""

    subject: str
    headline: str
    facts: tuple[tuple[str, str], ...]
    actions: tuple[str, ...]
    card: str


def _time(epoch: float) -> str:
    return clock.local(epoch).strftime("%H:%M")


def _span(seconds: float) -> str:
    """`2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3_600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3_600} h {whole % 3_600 // 60} min"


def _context(message: Message) -> dict[str, object]:
    found = message.body.get("context")
    return found if isinstance(found, dict) else {}


def headline(message: Message) -> str:
    """The message in one line, without the name of the card: `On battery since 14:29, about 38 min left`."""
    if message.kind == "test":
        return "Test message: this is how events arrive"
    if message.kind == "status":
        return str(message.body.get("text", ""))
    said = describe_event(message.code, "clear" if message.kind == "clear" else message.kind, message.args)
    if message.kind == "summary":
        declared = ALARMS.get(message.code)
        said = declared.title.format_map(_Blank(message.args)) if declared else message.code
        now = "over now" if message.body.get("now") == "clear" else "present now"
        first, last = (float(str(message.body.get(key, message.at))) for key in ("first", "last"))
        return f"{said}: {message.body.get('count')} more changes from {_time(first)} to {_time(last)}, {now}"
    if message.kind == "clear":
        lasted = message.body.get("duration_s")
        return f"{said} at {_time(message.at)}" + (f" after {_span(float(str(lasted)))}" if lasted is not None else "")
    line = f"{said} since {_time(message.at)}" if message.kind == "raise" else f"{said}, {_time(message.at)}"
    runtime = _context(message).get("battery.runtime")
    if message.code == "ON_BATTERY" and isinstance(runtime, int | float):
        line += f", about {max(0, round(runtime / 60))} min left"
    return f"Still: {line}" if message.repeat else line


class _Blank(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "…"


def words(message: Message, settings: Settings) -> Words:
    """`message` in words, for the card that `settings` name."""
    card = settings.text("system.name")
    line = headline(message)
    declared = ALARMS.get(message.code)
    facts = [("Time", clock.local(message.at).strftime("%Y-%m-%d %H:%M:%S %Z").strip())]
    if settings.text("system.location"):
        facts.append(("Location", settings.text("system.location")))
    if settings.text("system.administrator"):
        facts.append(("Administrator", settings.text("system.administrator")))
    facts.append(("Severity", message.severity.capitalize()))
    for name, value in _context(message).items():
        unit = reading(name).unit
        shown = format_value(name, value)  # type: ignore[arg-type]
        facts.append((reading(name).label, f"{shown} {unit}".strip() if unit and unit not in shown else shown))
    actions = declared.actions if declared is not None and message.kind in ("raise", "summary") else ()
    return Words(" ".join(f"[{card}] {line}".split()), line, tuple(facts), actions, card)


def plain(said: Words, records: Iterable[str] = ()) -> str:
    """The text part of a mail."""
    width = max(len(label) for label, _ in said.facts)
    parts = [said.headline, "", *(f"{label + ':':<{width + 2}}{value}" for label, value in said.facts)]
    if said.actions:
        parts += ["", "What to do:", *(f"- {action}" for action in said.actions)]
    parts += list(records)
    return "\n".join(parts) + "\n"


def page(said: Words) -> str:
    """The HTML part of a mail: no picture, no script, nothing that is fetched."""
    rows = "".join(
        f'<tr><td style="padding:2px 16px 2px 0;color:#555">{escape(label)}</td><td>{escape(value)}</td></tr>'
        for label, value in said.facts
    )
    actions = "".join(f"<li>{escape(action)}</li>" for action in said.actions)
    todo = f"<p><b>What to do</b></p><ul>{actions}</ul>" if actions else ""
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif;font-size:15px">'
        f'<p style="font-size:19px"><b>{escape(said.headline)}</b></p><p>{escape(said.card)}</p>'
        f"<table>{rows}</table>{todo}</body></html>"
    )
