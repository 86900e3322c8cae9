"""The daily report as a mail: text, HTML with the curves in it, the events as a file. In the language of its recipient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape

from istars.model.alarms import describe, describe_event
from istars.model.readings import reading
from istars.model.records import STATUS
from istars.notify import chart, texts
from istars.notify.chart import COLOURS, Chart, Line
from istars.notify.daily import STATE
from istars.notify.language import Language
from istars.notify.report import TABLE, Report, gathered
from istars.platform import clock, memory
from istars.settings import Settings
from istars.store import table_file
from istars.store.outbox import Message

EVENTS_SHOWN = 40
LEAST_SPAN = {"V": 20.0, "%": 10.0, "°C": 5.0}
"""So much of its unit a scale holds at least: noise is not to look like a storm."""
FLOOR = {"%": 0.0}
TONES = {"critical": "#b3261e", "warning": "#9a5b00", "information": "#3c4650"}
CELL = "padding:6px 10px 6px 0;border-bottom:1px solid #dde3e8;vertical-align:top"
NUMBER = f"{CELL};white-space:nowrap"
HEAD = f"{NUMBER};text-align:left;color:#5b6670;font-weight:normal;font-size:13px"


@dataclass(frozen=True, slots=True)
class Picture:
    """One curve: its heading as (label, colour), the picture, and the same in words."""

    title: tuple[tuple[str, str], ...]
    unit: str
    png: bytes
    words: str


@dataclass(frozen=True, slots=True)
class Told:
    """The report in words. `facts` are label and value; `rows` label, lowest, its time, highest, its time, mean."""

    subject: str
    title: str
    span: str
    remarks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    rows: tuple[tuple[str, str, str, str, str, str], ...]
    state: tuple[tuple[str, str], ...]
    events: tuple[tuple[str, str, str], ...]
    card: str
    say: Language


def fill(mail: EmailMessage, message: Message, settings: Settings) -> None:
    """Give `mail`, which has its addresses, subject and parts."""
    report = gathered(message)
    say = texts.language_of(message)
    told = in_words(report, settings, say)
    pictures = list(drawn(report, say))
    mail["Subject"] = told.subject
    mail.set_content(plain(told))
    stem = message.message_id
    mail.add_alternative(page(told, pictures, stem), subtype="html")
    html = mail.get_payload()[1]  # type: ignore[index]
    for number, picture in enumerate(pictures, start=1):
        html.add_related(  # type: ignore[union-attr]
            picture.png,
            "image",
            "png",
            cid=f"<curve{number}.{stem}@istars>",
            filename=f"curve-{number}.png",
            disposition="inline",
        )
    file = "".join(table_file.events(report.events)).encode()
    mail.add_attachment(file, maintype="text", subtype="csv", filename="events.csv")
    memory.give_back()


def in_words(report: Report, settings: Settings, say: Language) -> Told:
    """The report in the words of a language."""
    card = settings.text("system.name")
    power = _outages(report, say)
    used = _energy(report, say)
    heading = texts.report_title(report.last, say)
    subject = f"[{card}] {heading}: {power}" + (f", {used[1]}" if report.energy else "")
    begin, end = (clock.local(each).strftime("%Y-%m-%d %H:%M") for each in (report.first, report.last))
    facts = [(say("Mains"), power), used]
    location = settings.text("system.location")
    return Told(
        " ".join(subject.split()),
        heading,
        say.sentence("{first} to {last}", first=begin, last=end),
        tuple(_remarks(report, say)),
        tuple(facts + ([(say("Location"), location)] if location else [])),
        tuple(_rows(report, say)),
        tuple(_state(report, say)),
        tuple(
            (
                clock.local(event.at).strftime("%H:%M:%S"),
                event.severity,
                describe_event(event.code, event.kind, say.arguments(event.args), say),
            )
            for event in report.events
        ),
        card,
        say,
    )


def _outages(report: Report, say: Language) -> str:
    found = report.outages
    if not found.count:
        return say("no power failure")
    if found.count == 1:
        return say.sentence("1 power failure, {span} on battery", span=texts.span(found.total_s))
    return say.sentence("{count} power failures, {span} on battery", count=found.count, span=texts.span(found.total_s))


def _energy(report: Report, say: Language) -> tuple[str, str]:
    """Label and text of the energy."""
    label = say("Energy used")
    if report.energy is None:
        if "ups.load" in report.figures:
            return label, say("not known: enter the rated power under Device, Parameters")
        return label, say("not known")
    kwh = report.energy.kwh
    shown = say.number(f"{kwh:.2f}" if kwh < 10 else f"{kwh:.1f}")
    return label, say.sentence("about {kwh} kWh", kwh=shown) if report.estimated_energy else f"{shown} kWh"


def _remarks(report: Report, say: Language) -> Iterator[str]:
    length = report.last - report.first
    if report.unread:
        yield say("A part of the records could not be read.")
    if not report.covered_s:
        yield say("Nothing was recorded in this time: the card was off or had no connection to the UPS.")
    elif report.covered_s < 0.99 * length:
        yield say.sentence(
            "Recorded for {span} of {length}; where the curves are grey the card was off or had no connection to the UPS.",
            span=texts.span(report.covered_s),
            length=texts.span(length),
        )
    if report.energy is not None and report.energy.covered_s < 0.99 * length:
        yield say("The energy is that of the time that was recorded.")


def _rows(report: Report, say: Language) -> Iterator[tuple[str, str, str, str, str, str]]:
    for name in TABLE:
        found = report.figures.get(name)
        if found is not None:
            low, high, mean = (say.value(name, value) for value in (found.low, found.high, found.mean))
            times = (clock.local(at).strftime("%H:%M:%S") for at in (found.low_at, found.high_at))
            yield say(reading(name).label), low, next(times), high, next(times), mean


def _state(report: Report, say: Language) -> Iterator[tuple[str, str]]:
    if STATUS not in report.state:
        yield say(reading(STATUS).label), say("No data from the UPS")
    for name in STATE:
        if name in report.state:
            value = report.state[name]
            seconds = reading(name).unit == "s" and not isinstance(value, str)
            shown = texts.span(float(value)) if seconds else say.value(name, value)
            if name in report.estimated:
                shown = say.sentence("{value} (estimated)", value=shown)
            yield say(reading(name).label), shown
    present = [describe(code, say.arguments(args), say) for code, args in report.alarms]
    yield say("Present alarms"), "; ".join(present) or say("none")


def drawn(report: Report, say: Language) -> Iterator[Picture]:
    """The curves."""
    for names in report.curves():
        lines = [Line(report.series.times, report.series.columns[name], report.series.gaps) for name in names]
        unit = reading(names[0]).unit
        picture = chart.png(
            Chart(
                report.first,
                report.last,
                lines,
                floor=FLOOR.get(unit),
                ceiling=100.0 if names[0] == "battery.charge" else None,
                least_span=LEAST_SPAN.get(unit, 1.0),
                shaded=report.on_battery(),
                missing=report.unrecorded(),
                calm=unit == "V",
            )
        )
        labels = [say(reading(name).label) for name in names]
        words = "; ".join(
            f"{label}: {say.value(name, report.figures[name].low)} \u2013 {say.value(name, report.figures[name].high)}"
            for label, name in zip(labels, names, strict=True)
        )
        yield Picture(tuple(zip(labels, COLOURS, strict=False)), unit, picture, words)


def plain(told: Told) -> str:
    """The text part."""
    say = told.say
    parts = [told.title, f"{told.card}, {told.span}", "", *told.remarks, *([""] if told.remarks else [])]
    parts += _columns(told.facts)
    if told.rows:
        parts += ["", say("Lowest and highest values"), ""]
        for label, low, low_at, high, high_at, mean in told.rows:
            parts.append(f"{label}: {low} ({low_at}) \u2013 {high} ({high_at}), {say('average')} {mean}")
    parts += ["", say.sentence("State at {time}", time=told.span[-5:]), "", *_columns(told.state)]
    parts += ["", say.sentence("Events: {count}", count=len(told.events)), ""]
    parts += [f"{at}  {text}" for at, _, text in told.events[:EVENTS_SHOWN]]
    if len(told.events) > EVENTS_SHOWN:
        parts.append(say("All are in the attached file."))
    return "\n".join(parts) + "\n"


def _columns(facts: tuple[tuple[str, str], ...]) -> list[str]:
    width = max(len(label) for label, _ in facts)
    return [f"{label + ':':<{width + 2}}{value}" for label, value in facts]


def page(told: Told, pictures: list[Picture], stem: str) -> str:
    """The HTML part: styles beside what they are for, because mail programs drop all others; nothing that is fetched."""
    say = told.say
    remarks = "".join(f'<p style="margin:12px 0;color:#9a5b00">{escape(remark)}</p>' for remark in told.remarks)
    curves = "".join(_figure(picture, f"curve{number}.{stem}@istars") for number, picture in enumerate(pictures, 1))
    if any(pictures):
        curves += (
            '<p style="margin:4px 0 0;color:#5b6670;font-size:13px"><span style="background:#fbe3b5">&#8195;</span> '
            f'{escape(say("on battery"))} &nbsp; <span style="background:#edf0f2">&#8195;</span> {escape(say("no data"))}</p>'
        )
    ended = told.span[-5:]
    return (
        f'<!doctype html><html lang="{say.code}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light only"></head>'
        '<body style="margin:0;background:#ffffff;color:#1d252c;font:15px/1.45 sans-serif">'
        '<div style="max-width:620px;margin:0 auto;padding:16px">'
        f'<h1 style="margin:0;font-size:22px">{escape(told.title)}</h1>'
        f'<p style="margin:2px 0 12px;color:#5b6670">{escape(told.card)}, {escape(told.span)}</p>{remarks}'
        f"{_facts(told.facts)}{curves}"
        f"{_heading(say('Lowest and highest values')) + _values(told) if told.rows else ''}"
        f"{_heading(say.sentence('State at {time}', time=ended))}{_facts(told.state)}"
        f"{_heading(say.sentence('Events: {count}', count=len(told.events)))}{_events(told)}</div></body></html>"
    )


def _heading(text: str) -> str:
    return f'<h2 style="margin:24px 0 6px;font-size:17px">{escape(text)}</h2>'


def _facts(facts: tuple[tuple[str, str], ...]) -> str:
    rows = "".join(
        f'<tr><td style="padding:2px 16px 2px 0;color:#5b6670;vertical-align:top">{escape(label)}</td>'
        f'<td style="padding:2px 0;vertical-align:top">{escape(value)}</td></tr>'
        for label, value in facts
    )
    return f'<table role="presentation" style="border-collapse:collapse">{rows}</table>'


def _figure(picture: Picture, cid: str) -> str:
    """A curve below its legend; the picture is as wide as the page allows."""
    legend = " &nbsp; ".join(
        f'<span style="color:{colour}">&#9632;</span> {escape(label)}' for label, colour in picture.title
    )
    return (
        f'<p style="margin:18px 0 2px">{legend} <span style="color:#5b6670">({escape(picture.unit)})</span></p>'
        f'<img src="cid:{cid}" alt="{escape(picture.words)}" width="{chart.WIDTH}" '
        'style="display:block;width:100%;max-width:620px;height:auto">'
    )


def _values(told: Told) -> str:
    say = told.say
    heads = "".join(f'<th style="{HEAD}">{escape(text)}</th>' for text in (
        "", say("Lowest"), say("Highest"), say("Average"),
    ))  # fmt: skip
    small = '<br><span style="color:#5b6670;font-size:13px">'
    rows = "".join(
        f'<tr><td style="{CELL}">{escape(label)}</td><td style="{NUMBER}">{escape(low)}{small}{low_at}</span></td>'
        f'<td style="{NUMBER}">{escape(high)}{small}{high_at}</span></td><td style="{NUMBER}">{escape(mean)}</td></tr>'
        for label, low, low_at, high, high_at, mean in told.rows
    )
    return f'<table style="border-collapse:collapse;width:100%"><tr>{heads}</tr>{rows}</table>'


def _events(told: Told) -> str:
    say = told.say
    rows = "".join(
        f'<tr><td style="{NUMBER};width:1%;color:#5b6670">{at}</td>'
        f'<td style="{CELL};color:{TONES.get(severity, TONES["information"])}">{escape(text)}</td></tr>'
        for at, severity, text in told.events[:EVENTS_SHOWN]
    )
    more = f"<p>{escape(say('All are in the attached file.'))}</p>" if len(told.events) > EVENTS_SHOWN else ""
    return f'<table style="border-collapse:collapse;width:100%">{rows}</table>{more}'
