"""A day's curve as a PNG: what mail programs show without asking. Drawn with Pillow.

The picture holds numbers and times only, no words: headings and legends stand in the mail's own text, where they are in the
reader's language and large enough on a phone. It has twice the points that it is shown with, for screens that have them.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from PIL import Image, ImageDraw, ImageFont

from istars.platform import clock

WIDTH, HEIGHT = 520, 190
"""As it is shown, in points of a screen."""
COLOURS = ("#1f6fb2", "#d1690e", "#5a8f29")
DENSITY = 2
SMOOTH = 2
"""Drawn so many times larger and then reduced: lines without steps."""
_SCALE = DENSITY * SMOOTH
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 10, 26
_TEXT = 13
_INK, _GRID, _SHADE, _NOTHING, _PAPER = "#3c4650", "#dde3e8", "#fbe3b5", "#edf0f2", "#ffffff"
Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One curve: values (None where there is none) at times in order; before each index in `gaps` nothing was recorded."""

    times: Sequence[int]
    values: Sequence[float | None]
    gaps: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn from `first` to `last` (epoch seconds). `floor` and `ceiling` always lie within the scale, where given."""

    first: float
    last: float
    lines: Sequence[Line]
    floor: float | None = None
    ceiling: float | None = None
    least_span: float = 1.0
    shaded: Sequence[Span] = field(default_factory=tuple)
    missing: Sequence[Span] = field(default_factory=tuple)
    calm: bool = False
    """Whether the scale is that of the time outside of what is shaded; what is beyond it runs along the edge."""


def png(chart: Chart) -> bytes:
    """The picture."""
    image = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), _PAPER)
    draw = ImageDraw.Draw(image)
    marks = scale(chart)
    low, high = marks[0], marks[-1]

    def across(time: float) -> float:
        inner = WIDTH - _LEFT - _RIGHT
        return (_LEFT + inner * (time - chart.first) / (chart.last - chart.first)) * _SCALE

    def up(value: float) -> float:
        inner = HEIGHT - _TOP - _BOTTOM
        return (_TOP + inner * (high - min(high, max(low, value))) / (high - low)) * _SCALE

    for spans, colour in ((chart.missing, _NOTHING), (chart.shaded, _SHADE)):
        for begin, end in spans:
            # a short outage is still seen
            right = max(across(min(end, chart.last)), across(begin) + 1.5 * _SCALE)
            draw.rectangle((across(max(begin, chart.first)), up(high), right, up(low)), fill=colour)
    _axes(draw, chart, marks, across, up)
    for number, line in enumerate(chart.lines):
        for path in _paths(line, chart):
            points = [(across(time), up(value)) for time, value in path]
            if len(points) == 1:
                points.append((points[0][0] + _SCALE, points[0][1]))
            draw.line(points, fill=COLOURS[number % len(COLOURS)], width=round(1.4 * _SCALE), joint="curve")
    small = image.reduce(SMOOTH).quantize(128, method=Image.Quantize.MEDIANCUT)
    made = io.BytesIO()
    small.save(made, "PNG", optimize=True, dpi=(96 * DENSITY, 96 * DENSITY))
    return made.getvalue()


def _axes(draw: ImageDraw.ImageDraw, chart: Chart, marks: Sequence[float], across: object, up: object) -> None:
    """Lines and numbers of both axes."""
    font = ImageFont.load_default(_TEXT * _SCALE)
    left, right = _LEFT * _SCALE, (WIDTH - _RIGHT) * _SCALE
    decimals = max(0, -math.floor(math.log10(marks[1] - marks[0]) + 1e-9))
    for mark in marks:
        height = up(mark)  # type: ignore[operator]
        draw.line((left, height, right, height), fill=_GRID, width=_SCALE)
        text = f"{mark:.{decimals}f}".replace("-", "\u2212")
        draw.text((left - 6 * _SCALE, height), text, fill=_INK, font=font, anchor="rm")
    top, bottom = _TOP * _SCALE, (HEIGHT - _BOTTOM) * _SCALE
    for time, label in hours(chart.first, chart.last):
        place = across(time)  # type: ignore[operator]
        draw.line((place, top, place, bottom + 3 * _SCALE), fill=_GRID, width=_SCALE)
        half = draw.textlength(label, font=font) / 2
        shown = min(max(place, half), WIDTH * _SCALE - half)
        draw.text((shown, bottom + 5 * _SCALE), label, fill=_INK, font=font, anchor="mt")
    draw.line((left, bottom, right, bottom), fill=_INK, width=_SCALE)


def hours(first: float, last: float) -> Iterator[tuple[float, str]]:
    """The moments that the axis of time names: every three hours of the card's clock, also where that is set for summer."""
    moment = clock.local(first).replace(minute=0, second=0, microsecond=0, tzinfo=None)
    while (epoch := moment.timestamp()) <= last:
        if epoch >= first and moment.hour % 3 == 0:
            yield epoch, moment.strftime("%H:%M")
        moment += timedelta(hours=1)


def scale(chart: Chart) -> list[float]:
    """The marks of the scale: steps of 1, 2 or 5 that hold every value, three to six of them."""
    known = _typical(chart)
    known += [limit for limit in (chart.floor, chart.ceiling) if limit is not None]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    lack = chart.least_span - (high - low)
    if lack > 0:
        low, high = low - lack / 2, high + lack / 2
    if chart.floor is not None:
        low = max(low, chart.floor) if min(known) >= chart.floor else low
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    begin, end = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(begin, max(end, begin + 1) + 1)]


def _typical(chart: Chart) -> list[float]:
    """The values that the scale must hold: what mains was while it failed would leave no room for all the rest."""
    known = [
        (time, value)
        for line in chart.lines
        for time, value in zip(line.times, line.values, strict=True)
        if value is not None
    ]
    calm = [value for time, value in known if not any(begin <= time <= end for begin, end in chart.shaded)]
    return calm if chart.calm and calm else [value for _, value in known]


def _paths(line: Line, chart: Chart) -> Iterator[list[tuple[float, float]]]:
    """The curve in pieces between gaps. Of the records that share a column of the picture, first, least, greatest and last."""
    width = (chart.last - chart.first) / ((WIDTH - _LEFT - _RIGHT) * DENSITY)
    gaps = set(line.gaps)
    path: list[tuple[float, float]] = []
    column: list[tuple[float, float]] = []
    place = -1
    for index, (time, value) in enumerate(zip(line.times, line.values, strict=True)):
        here = int((time - chart.first) / width)
        if value is None or index in gaps:
            path += _outline(column)
            if path:
                yield path
            path, column = [], []
        elif here != place:
            path += _outline(column)
            column = []
        place = here
        if value is not None:
            column.append((time, value))
    path += _outline(column)
    if path:
        yield path


def _outline(column: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    if len(column) < 4:
        return list(column)
    low = min(column, key=lambda point: point[1])
    high = max(column, key=lambda point: point[1])
    return sorted({column[0], low, high, column[-1]})
