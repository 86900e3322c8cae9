"""Records as CSV files that spreadsheets open without being tricked: one home for all exports of records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from istars.model.alarms import describe_event
from istars.platform import clock
from istars.store.archive import Event

FORMULA_SIGNS = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
"""What spreadsheets take for the beginning of a formula, full-width forms included."""
BYTE_ORDER_MARK = "\ufeff"
"""Without it, spreadsheets take UTF-8 for the code page of the system."""
AT_A_TIME = 16_384


def safe(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.lstrip()[:1] in FORMULA_SIGNS or text[:1].isspace() else text


def lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The file, some lines at a time; cells that hold words of people must have gone through `safe`."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    buffer.write(BYTE_ORDER_MARK)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(row)
        if buffer.tell() > AT_A_TIME:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


EVENT_COLUMNS = ("time", "severity", "kind", "code", "text", "duration_s", "id")


def event_cells(event: Event) -> tuple[str, ...]:
    """One event as cells: time with offset, point as decimal sign."""
    lasted = "" if event.duration_s is None else f"{event.duration_s:.1f}"
    text = describe_event(event.code, event.kind, event.args)
    return clock.iso(event.at), event.severity, event.kind, safe(event.code), safe(text), lasted, str(event.id)


def events(found: Iterable[Event]) -> Iterator[str]:
    """Events as a file."""
    return lines(EVENT_COLUMNS, map(event_cells, found))
