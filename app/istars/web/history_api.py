"""The data record for programs: what readings were on one day, as JSON or as a file.

GET /api/v1/history?name=input.voltage&name=ups.load&day=2026-11-21[&format=csv]
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, stream_with_context

from istars.model.readings import format_number
from istars.model.records import STATUS, precision, status_text
from istars.platform import clock, paths
from istars.store.history import Figures, History, Series
from istars.store.table_file import lines
from istars.web.security import problem

blueprint = Blueprint("history_api", __name__, url_prefix="/api/v1/history")

NAMES_LIMIT = 8
FORMATS = ("json", "csv")
FIRST_YEAR, LAST_YEAR = 1970, 9999


@blueprint.get("")
def day() -> Any:
    """The records of a day of the card's zone, today without one: at most NAMES_LIMIT readings; with lowest, highest, mean."""
    names, asked = _names(), _day()
    format_ = request.args.get("format", "json")
    if format_ not in FORMATS:
        abort(problem(400, "bad-parameter", f"format is json or csv, not {format_[:40]!r}.", "format"))
    series, figures, kwh = Series(columns={name: [] for name in names}), {}, None
    # no record is older, and the last days of the calendar have no day after them
    if paths.history_db().exists() and FIRST_YEAR <= asked.year < LAST_YEAR:
        first, last = clock.day_limits(asked)
        with History(paths.history_db(), readonly=True) as history:
            series = history.series(names, first, last)
            if format_ == "json":
                figures = history.figures([name for name in names if name != STATUS], first, last)
                used = history.energy(first, last)
                kwh = None if used is None else round(used.kwh, 4)
    if format_ == "csv":
        return _file(asked, names, series)
    return jsonify(
        day=asked.isoformat(),
        times=series.times,
        values={name: _values(name, series) for name in names},
        gaps=series.gaps,
        figures={name: _figures(found) for name, found in figures.items()},
        energy_kwh=kwh,
    )


def _names() -> list[str]:
    """The readings that are asked for; answers 400 for none, too many, or one that is not recorded."""
    names = list(dict.fromkeys(request.args.getlist("name")))
    if not 1 <= len(names) <= NAMES_LIMIT:
        abort(problem(400, "bad-parameter", f"Name from 1 to {NAMES_LIMIT} readings.", "name"))
    unknown = next((name for name in names if precision(name) is None), None)
    if unknown is not None:
        abort(problem(400, "unknown-name", f"No reading called {unknown[:80]!r} is recorded.", "name"))
    return names


def _day() -> date:
    """The day that is asked for; answers 400 where it is none."""
    text = request.args.get("day")
    if text is None:
        return clock.local(clock.wall()).date()
    try:
        # other forms of ISO 8601 are shorter or longer
        found = date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        found = None
    if found is None:
        abort(problem(400, "bad-parameter", f"day is a date such as 2026-11-21, not {text[:40]!r}.", "day"))
    return found


def _values(name: str, series: Series) -> Sequence[float | str | None]:
    values = series.columns[name]
    return values if name != STATUS else [None if bits is None else status_text(bits) for bits in values]


def _figures(found: Figures) -> dict[str, object]:
    return {
        "low": found.low,
        "low_time": clock.iso(found.low_at),
        "high": found.high,
        "high_time": clock.iso(found.high_at),
        "mean": round(found.mean, 4),
        "covered_s": found.covered_s,
    }


def _file(asked: date, names: Sequence[str], series: Series) -> Response:
    """One line a record: time with offset, empty where there was no value."""
    columns = [_cells(name, series) for name in names]
    rows: Iterator[tuple[str, ...]] = zip(map(clock.iso, series.times), *columns, strict=True)
    response = Response(stream_with_context(lines(("time", *names), rows)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="data-{asked.isoformat()}.csv"'
    return response


def _cells(name: str, series: Series) -> list[str]:
    if name == STATUS:
        return [str(text or "") for text in _values(name, series)]
    decimals = precision(name) or 0
    return [
        "" if value is None else format_number(value, decimals).replace("\u2212", "-") for value in series.columns[name]
    ]
