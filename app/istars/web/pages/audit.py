"""Audit record: who changed what, by day, with a text to look for, as a list and as a CSV file. For administrators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from flask import Blueprint, Response, request, stream_with_context

from istars.platform import clock
from istars.store.audit import Entry
from istars.store.table_file import lines, safe
from istars.web import audit
from istars.web.pages import assistant
from istars.web.security import requires

blueprint = Blueprint("audit", __name__)

PAGE_LENGTH = 100
TEXT_LENGTH = 100
COLUMNS = ("time", "who", "from", "action", "subject", "old", "new", "id")


@dataclass(frozen=True, slots=True)
class Query:
    """What the address asks for: `day` None is all days; `error` says what of it could not be understood."""

    day: date | None
    text: str
    before: int | None
    today: date
    typed: str = ""
    error: str = ""

    @property
    def previous(self) -> date | None:
        """The day before the one shown."""
        return self.day - timedelta(days=1) if self.day and self.day > date(1971, 1, 1) else None

    @property
    def following(self) -> date | None:
        """The day after, up to today."""
        return self.day + timedelta(days=1) if self.day and self.day < self.today else None


def understand() -> Query:
    """The query of the request; without a day, all days."""
    today = clock.local(clock.wall()).date()
    text = request.args.get("text", "").strip()[:TEXT_LENGTH]
    before = request.args.get("before", "")
    number = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    typed = request.args.get("day", "").strip()
    if not typed:
        return Query(None, text, number, today)
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        day = date.min
    if not date(1971, 1, 1) <= day <= date(9000, 1, 1):
        wrong = "Type the day as year-month-day, for example 2026-11-20. All days are shown."
        return Query(None, text, None, today, typed[:20], wrong)
    return Query(day, text, number, today, typed)


@blueprint.get("/assistant/audit")
@requires("administrator")
def page() -> str:
    """The list, newest first."""
    query = understand()
    found, problem = audit.record().page(day=query.day, text=query.text, before=query.before, limit=PAGE_LENGTH + 1)
    # those that wait in memory have no id yet and all stand on the first page
    more = sum(1 for each in found if each.id) > PAGE_LENGTH
    entries = found[:-1] if more else found
    older = entries[-1].id if more else None
    return assistant.show("audit", "audit.html", q=query, entries=entries, older=older, problem=problem, iso=clock.iso)


def row(entry: Entry) -> tuple[str, ...]:
    """One entry as cells; none begins a formula."""
    words = (entry.who, entry.address, entry.action, entry.subject, entry.old, entry.new)
    return clock.iso(entry.at), *(safe(word) for word in words), str(entry.id or "")


@blueprint.get("/assistant/audit.csv")
@requires("administrator")
def export() -> Response:
    """The same day and text as a file."""
    query = understand()
    name = "-".join(part for part in ("audit", query.day.isoformat() if query.day else "") if part)
    rows = map(row, audit.record().every(query.day, query.text))
    response = Response(stream_with_context(lines(COLUMNS, rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response
