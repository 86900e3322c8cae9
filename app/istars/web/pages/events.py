"""Event record: what happened on one day, by severity, as a list and as a CSV file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, islice

from flask import Blueprint, Response, request, stream_with_context

from istars.model.alarms import Severity
from istars.platform import clock
from istars.store import table_file
from istars.web import live, records
from istars.web.view import Facts

blueprint = Blueprint("events", __name__)

PAGE_LENGTH = 100
SEVERITIES = (("", "All"), *((severity.value, severity.value.capitalize()) for severity in Severity))


@dataclass(frozen=True, slots=True)
class Query:
    """What the address asks for; `error` says what of it could not be understood."""

    day: date
    today: date
    severity: str = ""
    before: int | None = None
    typed: str = ""
    error: str = ""

    @property
    def previous(self) -> date | None:
        """The day before, where the calendar has one."""
        return self.day - timedelta(days=1) if self.day > date.min + timedelta(days=366) else None

    @property
    def following(self) -> date | None:
        """The day after, up to today."""
        return self.day + timedelta(days=1) if self.day < self.today else None

    @property
    def choice(self) -> records.Choice:
        """The events asked for."""
        return records.Choice(day=self.day, severity=(self.severity,) if self.severity else (), before=self.before)


def understand(args: Mapping[str, str], today: date) -> Query:
    """The query of an address; what is wrong falls back to today and to all severities."""
    severity = args.get("severity", "")
    severity = severity if severity in {value for value, _ in SEVERITIES} else ""
    before = args.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    typed = args.get("day", "").strip()
    if not typed:
        return Query(today, today, severity, number)
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        return Query(today, today, severity, None, typed, "Type the day as year-month-day, for example 2026-11-20.")
    if not date(1971, 1, 1) <= day <= date(9000, 1, 1):
        return Query(today, today, severity, None, typed, "The record cannot have that day.")
    return Query(day, today, severity, number, typed)


@dataclass(frozen=True, slots=True)
class Record:
    """The list of one day, and what was asked for."""

    query: Query
    list: records.Lines


@live.builds("events", ("day", "severity", "before"))
def build(facts: Facts, args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """The list of one day and what surrounds it."""
    query = understand(args, clock.local(facts.wall).date())
    return {"events": Record(query, records.newest(query.choice, PAGE_LENGTH, facts.wall))}, {}


@blueprint.get("/records/events")
def page() -> str:
    """The whole page. It stays with its day when midnight passes."""
    args = {
        "day": clock.local(clock.wall()).date().isoformat(),
        **{key: value for key, value in request.args.items() if value},
    }
    return live.show("events", "events.html", args=args, severities=SEVERITIES)


@blueprint.get("/records/events.csv")
def export() -> Response:
    """The same day and severity as a file."""
    query = understand(request.args, clock.local(clock.wall()).date())
    name = "-".join(part for part in ("events", query.day.isoformat(), query.severity) if part)
    events = records.every(query.choice)
    # a record that cannot be read is an error page, not half a file
    first = list(islice(events, 1))
    response = Response(stream_with_context(table_file.events(chain(first, events))), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
