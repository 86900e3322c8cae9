"""How many phases a side of the UPS has, and what is published of readings that come as three columns.

A side has three phases if L2 or L3 has voltage when the side first has some; until then it counts as many as the output.
The decision stands until the link is lost. With one phase the columns of L1 carry the side's plain names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from istars.drivers.item import Fields
from istars.model.readings import PHASES, Value

LIVE_VOLTS = 10.0
"""From this voltage on a phase exists; less is what an open measuring input shows."""

SIDES: Mapping[str, tuple[str, str]] = {
    "output": ("output.{phase}-N.voltage", "output.phases"),
    "input": ("input.{phase}-N.voltage", "input.phases"),
    "bypass": ("input.bypass.{phase}-N.voltage", ""),
}
"""Side to the columns that tell, and the reading that says it. The output comes first: the others lean on it."""

COLUMNS: Mapping[str, tuple[str, str]] = {
    "input.{phase}-N.voltage": ("input", "input.voltage"),
    "input.bypass.{phase}-N.voltage": ("bypass", "input.bypass.voltage"),
    "input.{phase}.current": ("input", "input.current"),
    "input.{phase}.frequency": ("input", "input.frequency"),
    "input.bypass.{phase}.current": ("bypass", "input.bypass.current"),
    "output.{phase}-N.voltage": ("output", "output.voltage"),
    "output.{phase}.current": ("output", "output.current"),
    "output.{phase}.power.percent": ("output", "ups.load"),
    "output.{phase}.power": ("output", "ups.power"),
    "output.{phase}.realpower": ("output", "ups.realpower"),
}
"""Columns per phase to their side, and the name that they have with one phase."""

TOGETHER: Mapping[str, Callable[[Collection[float]], float]] = {
    "ups.load": max,
    "ups.power": sum,
    "ups.realpower": sum,
    "input.frequency": max,
}


class Phases:
    """Sides and columns of one device; remembers what was decided."""

    def __init__(self) -> None:
        self._decided: dict[str, int] = {}

    def arrange(self, values: dict[str, Value]) -> dict[str, Value]:
        """`values` with the columns of absent phases taken out and what three make together put in."""
        three = [name for name in COLUMNS if name.format(phase="L1") in values]
        if not three:
            return values
        arranged = dict(values)
        for side, (_, count) in SIDES.items():
            phases = self._phases(side, values)
            if count:
                arranged[count] = phases
        for template in three:
            self._column(template, values, arranged)
        return arranged

    def _column(self, template: str, values: Fields, arranged: dict[str, Value]) -> None:
        side, plain = COLUMNS[template]
        names = [template.format(phase=phase) for phase in PHASES]
        if self._decided.get(side, self._decided.get("output", 1)) == 1:
            first = values.get(names[0])
            for name in names:
                arranged.pop(name, None)
            if first is not None and plain not in values:
                arranged[plain] = first
            return
        numbers = [value for name in names if isinstance(value := values.get(name), int | float)]
        if plain in TOGETHER and plain not in values and len(numbers) == len(names):
            arranged[plain] = round(TOGETHER[plain](numbers), 6)
        elif plain not in TOGETHER:
            arranged.pop(plain, None)

    def _phases(self, side: str, values: Fields) -> int:
        if side in self._decided:
            return self._decided[side]
        live = [_volts(values.get(SIDES[side][0].format(phase=phase))) >= LIVE_VOLTS for phase in PHASES]
        if not any(live):
            return self._decided.get("output", 1)
        self._decided[side] = 3 if live[1] or live[2] else 1
        return self._decided[side]


def _volts(value: Value | None) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
