"""Answers of text protocols drawn as templates: `({input.voltage:000.0} {ups.load:000} {.bits:bits8})`.

In: the picture of a whole answer, as a protocol's document draws it. Out: the shape that recognises it, and the items in its
columns. Simulators render the same pictures.

Pictures of a column: `000.0` is a number of that width; `000|00000` one of several widths; `bits8` so many signs 0 and 1;
`text15` so many printable characters, `text1-15` a few to many. A column without a name is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from istars.drivers.framing import text_shape
from istars.drivers.item import Decoder, Group, Item, Query, When
from istars.model.readings import Value

_COLUMN = re.compile(r"\{([^:{}]*):([^:{}*]+)(?:\*([\d.]+))?\}")
_NUMBER = re.compile(rb"[+-]?\d+(\.\d*)?")
_DIGITS = rb"[ 0-9.@+-]"
_PADDING = " @#"


def number(raw: bytes) -> float | int | None:
    """A decimal number; None for a field that is blank or filled with `@` or `-`."""
    digits = raw.strip(b" @#")
    if not _NUMBER.fullmatch(digits):
        return None
    return float(digits) if b"." in digits else int(digits)


def text(raw: bytes) -> str | None:
    """A text without padding; None for one that is blank."""
    return raw.decode("ascii").strip(_PADDING) or None


@dataclass(frozen=True, slots=True)
class Scaled:
    """A number in another unit than that of the reading: minutes (60) where seconds are meant."""

    factor: float

    def __call__(self, raw: bytes) -> Value | None:
        """The value in the unit of the reading."""
        value = number(raw)
        return None if value is None else round(value * self.factor, 6)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an answer: item name (empty: of no interest), picture, and the factor that gives the reading's unit."""

    name: str
    picture: str
    factor: float = 1

    @property
    def is_number(self) -> bool:
        """Whether the picture is that of a number."""
        return not self.picture.startswith(("text", "bits"))

    def pattern(self) -> bytes:
        """What may stand in this column."""
        if self.picture.startswith("bits"):
            return b"[01@-]{%s}" % self.picture[4:].encode()
        if self.picture.startswith("text"):
            return b"[ -~]{%s}" % self.picture[4:].replace("-", ",").encode()
        widths = sorted({len(one) for one in self.picture.split("|")}, reverse=True)
        return b"(?:" + b"|".join(b"%s{%d}" % (_DIGITS, width) for width in widths) + b")"

    def decoder(self) -> Decoder:
        """Bytes of this column to a value."""
        if self.picture.startswith("bits"):
            return bytes.decode
        if not self.is_number:
            return text
        return number if self.factor == 1 else Scaled(self.factor)


def parts(template: str) -> Iterator[str | Column]:
    """The template as literal texts and columns, in order."""
    at = 0
    for found in _COLUMN.finditer(template):
        if found.start() > at:
            yield template[at : found.start()]
        yield Column(found[1], found[2], float(found[3] or 1))
        at = found.end()
    if at < len(template):
        yield template[at:]


def query(send: bytes, template: str, when: When = When.EACH_POLL) -> Query:
    """The question `send`, whose answer looks like `template`."""
    pattern, count = b"", 0
    for part in parts(template):
        if isinstance(part, str):
            # Some units send "*" now and then where "(" belongs.
            pattern += b"".join(b"[(*]" if sign == "(" else re.escape(sign).encode() for sign in part)
        else:
            pattern += b"(?P<c%d>%s)" % (count, part.pattern())
            count += 1
    return Query(send, text_shape(pattern), when, template)


def items_of(asked: Query) -> tuple[Item, ...]:
    """The items in the answer to `asked`, a question made by query()."""
    columns = [part for part in parts(asked.template) if isinstance(part, Column)]
    return tuple(
        Item(column.name, Group(asked, f"c{place}"), column.decoder(), asked.when)
        for place, column in enumerate(columns)
        if column.name
    )
