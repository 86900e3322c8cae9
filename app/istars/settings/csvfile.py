"""`system_config.csv`: one option a line as `key,value,explanation`. What is kept on flash is what is exported.

    key,value,explanation
    format,2,of this file
    system.name,UPS-A,System name
    end,1,options stand above

Secrets that leave the card stand encrypted in a line `secrets` (`sealed.py`), which counts as an option. The last line tells
a whole file from one that was cut off; its number may be left out by those who write a file by hand.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from istars.errors import SettingsError
from istars.settings import groups
from istars.settings.field import NUMBERS, Field, Setting

FORMAT = 2
FORMATS = (1, 2)
"""All that can be read. 1: no last line, no guard against formulas."""
PLAIN = frozenset({1})
HEADER = ("key", "value", "explanation")
SIZE_LIMIT = 2 * 1024 * 1024
SEALED = "secrets"
"""Key of the line that holds the secrets, encrypted."""
ERROR_LIMIT = 100
SIGNS = r"[=+\-@\t\uff1d\uff0b\uff0d\uff20]"
"""What spreadsheets take for the beginning of a formula, full-width forms included."""
FORMULA = re.compile(rf"'*\s*{SIGNS}")
GUARDED = re.compile(rf"''*\s*{SIGNS}")


@dataclass(slots=True)
class Parsed:
    """What a file says: values by key, keys this firmware does not know, and what is wrong, by line.

    `sealed` holds its encrypted secrets, as they stand there.
    """

    values: dict[str, Setting] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    more_errors: int = 0
    sealed: str = ""

    def wrong(self, reason: str, line: int = 0) -> None:
        """Note an error; after a hundred only their number."""
        if len(self.errors) >= ERROR_LIMIT:
            self.more_errors += 1
        else:
            self.errors.append(f"line {line}: {reason}" if line else reason)

    def messages(self) -> tuple[str, ...]:
        """Every error, and how many more there are."""
        more = (f"and {self.more_errors} more",) if self.more_errors else ()
        return (*self.errors, *more)


def guard(declared: Field, text: str) -> str:
    """`text` as a cell that no spreadsheet takes for a formula; numbers are none."""
    return f"'{text}" if declared.type not in NUMBERS and FORMULA.match(text) else text


def unguard(declared: Field, cell: str) -> str:
    """The text of a cell: what `guard` made of it, taken back."""
    return cell[1:] if declared.type not in NUMBERS and GUARDED.match(cell) else cell


def dump(values: Mapping[str, Setting], secrets: bool = True, sealed: str = "") -> str:
    """The file with every option that `values` holds, in the order of the pages; `secrets` False leaves these empty.

    `sealed` is what `sealed.seal` has made of them.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(HEADER)
    writer.writerow(("format", FORMAT, "of this file"))
    count = 0
    for key, declared in groups.FIELDS.items():
        if key in values:
            text = "" if declared.secret and not secrets else declared.format(values[key])
            writer.writerow((key, guard(declared, text), declared.label))
            count += 1
    if sealed:
        writer.writerow((SEALED, sealed, "passwords and keys, encrypted with a passphrase"))
        count += 1
    writer.writerow(("end", count, "options stand above"))
    return out.getvalue()


def parse_bytes(content: bytes) -> Parsed:
    """Read a file as it came from somewhere: its encoding is checked first."""
    parsed = Parsed()
    if len(content) > SIZE_LIMIT:
        parsed.wrong(f"the file is larger than {SIZE_LIMIT // 1024 // 1024} MiB")
    elif content.startswith((b"\xff\xfe", b"\xfe\xff")):
        parsed.wrong("the file is UTF-16 text; save it as CSV in UTF-8")
    else:
        try:
            return parse(content.decode("utf-8"))
        except UnicodeDecodeError as error:
            parsed.wrong("is not UTF-8 text; save the file as CSV in UTF-8", content.count(b"\n", 0, error.start) + 1)
    return parsed


def parse(text: str) -> Parsed:
    """Read a file; errors are collected, not raised, so that all of them can be shown at once."""
    parsed = Parsed()
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((lines.line_num, row) for row in lines if any(cell.strip() for cell in row))
    except csv.Error as error:
        parsed.wrong(str(error), lines.line_num)
        return parsed
    if not rows or tuple(cell.strip().lower() for cell in rows[0][1][:2]) != HEADER[:2]:
        parsed.wrong(f"must be {','.join(HEADER)}", 1)
        return parsed
    version = _version(parsed, rows[1:])
    if version is not None:
        _take_all(parsed, rows[1:], version)
    return parsed


def _version(parsed: Parsed, rows: Iterable[tuple[int, list[str]]]) -> int | None:
    """The format that the file names; None with an error where it cannot be read."""
    for line, row in rows:
        if row[0].strip() == "format":
            said = row[1].strip() if len(row) > 1 else ""
            if said in {str(known) for known in FORMATS}:
                return int(said)
            newer = said.isdecimal() and said.isascii() and len(said) < 10 and int(said) > FORMAT
            remark = ": the file was made by a newer one" if newer else ""
            parsed.wrong(f"format {said[:20]!r} is not known to this firmware{remark}", line)
            return None
    parsed.wrong("the format line is missing: the file is cut off or was not made by iStars")
    return None


def _take_all(parsed: Parsed, rows: list[tuple[int, list[str]]], version: int) -> None:
    """All lines of a file of format `version`."""
    options, ended, formats = 0, version in PLAIN, 0
    for line, row in rows:
        key, cell = row[0].strip(), row[1] if len(row) > 1 else ""
        if key == "format":
            formats += 1
            if formats > 1:
                parsed.wrong("format stands here a second time", line)
        elif key == "end" and version not in PLAIN:
            if ended:
                parsed.wrong("end stands here a second time", line)
            elif cell.strip() and cell.strip() != str(options):
                parsed.wrong(f"{cell.strip()[:20]!r} options were in this file, {options} are", line)
            ended = True
        elif ended and version not in PLAIN:
            parsed.wrong("stands behind the end line", line)
        else:
            options += 1
            _take(parsed, line, key, cell, version not in PLAIN)
    if not ended:
        parsed.wrong("the end line is missing: the file is cut off")


def _take(parsed: Parsed, line: int, key: str, cell: str, guarded: bool) -> None:
    """One line of the file into `parsed`."""
    if key == SEALED and guarded:
        if key in parsed.lines:
            parsed.wrong(f"{key} stands here a second time, first in line {parsed.lines[key]}", line)
        parsed.sealed, parsed.lines[key] = cell.strip(), line
        return
    key = groups.RENAMES.get(key, key)
    declared = groups.FIELDS.get(key)
    if declared is None:
        parsed.unknown.append(key)
        return
    if key in parsed.lines:
        parsed.wrong(f"{key} stands here a second time, first in line {parsed.lines[key]}", line)
        return
    parsed.lines[key] = line
    try:
        parsed.values[key] = declared.parse(unguard(declared, cell) if guarded else cell)
    except SettingsError as error:
        parsed.wrong(str(error), line)
