"""Records as CSV files that spreadsheets open without being tricked: one home for all exports of records."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

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
