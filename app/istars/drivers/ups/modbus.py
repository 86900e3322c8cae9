"""UPSs that speak Modbus RTU: a register map (`profiles/*.json`) becomes a protocol for the engine.

In: the declarations of a map. Out: items, commands, and an interpreter that turns the fields of one poll into readings - phases,
units, status tokens and alarm codes.

Phases: an item with phases is read from three registers in a row. Whether a side (input, bypass, output) has one phase or
three is decided when it first has voltage: three if B or C has some. Until then it counts as many as the output, or one.
The decision stands until the link is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from istars.drivers.conditions import Condition, holds
from istars.drivers.framing import write_pdu
from istars.drivers.item import (
    Command,
    Family,
    Fields,
    Item,
    Order,
    Protocol,
    Readings,
    Registers,
    Settable,
    When,
)
from istars.drivers.profile import parse_profile
from istars.drivers.profile.declare import TOGETHER, MapCommand, MapItem, MapVariable, Phases, Profile
from istars.drivers.ups.status import status_readings
from istars.model.commands import COMMANDS
from istars.model.readings import PHASES, Value

LIVE_VOLTS = 10.0
"""From this voltage on a phase exists; less is what an open measuring input shows."""

THREE = (1, 2, 3)


def load_protocol(path: Path) -> Protocol:
    """The protocol of one map on disk. Raises ProfileError for a map with mistakes, OSError for one that cannot be read."""
    return protocol_of(parse_profile(path.read_text(encoding="utf-8"), path.stem, path.name))


def protocol_of(profile: Profile) -> Protocol:
    """What the engine needs of `profile`."""
    return Protocol(
        name=profile.name,
        title=profile.title,
        family=Family.MODBUS,
        line=profile.line,
        timing=profile.timing,
        blocks=profile.blocks,
        items=tuple(item for declared in profile.items for item in _items(declared)),
        interpreter=lambda _options: MapInterpreter(profile),
        commands=tuple(_command(command, profile) for command in profile.commands),
        variables=tuple(_variable(declared) for declared in profile.variables),
        samples=profile.samples,
        remark=profile.remark,
        source=profile.source,
    )


def _items(declared: MapItem) -> list[Item]:
    """One item, or one for each phase: `input.voltage:1` to `:3`."""
    if declared.phases is None:
        return [Item(declared.name, declared.at, declared.decode, declared.when)]
    at = declared.at
    return [
        Item(f"{declared.name}:{phase}", Registers(at.table, at.address + phase - 1), declared.decode, declared.when)
        for phase in THREE
    ]


def _command(declared: MapCommand, profile: Profile) -> Command:
    order = Order(write_pdu(declared.function, declared.register, declared.value), COMMANDS[declared.name].label)
    if not declared.shown:
        return Command(declared.name, lambda _arguments: order)
    return Command(
        declared.name,
        lambda _arguments: order,
        shown=_shown(declared.shown, profile),
        shows="the UPS confirms it by its state",
    )


def _variable(declared: MapVariable) -> Settable:
    def write(value: Value) -> bytes:
        raw = declared.choices[str(value)] if declared.choices else round(float(value) / declared.scale) & 0xFFFF
        return write_pdu(declared.function, declared.at.address, raw)

    limits = None if declared.low is None or declared.high is None else (declared.low, declared.high)
    item = Item(declared.name, declared.at, declared.decode, When.ONCE)
    return Settable(declared.name, item, write, lambda _fields: limits, tuple(declared.choices))


def _shown(condition: Condition, profile: Profile) -> Callable[[Fields, Fields], bool]:
    return lambda _before, now: holds(condition, MapInterpreter(profile).named(now))


class MapInterpreter:
    """Readings from the fields of one poll; remembers how many phases each side has."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._decided: dict[str, int] = {}

    def __call__(self, fields: Fields) -> Readings:
        """Readings of one poll."""
        scaled = self._scaled(fields)
        named = self.named(scaled)
        values: dict[str, Value] = dict(self._profile.fixed)
        # The output first: a side without voltage leans on its number of phases.
        counts = {
            side: self._phases(side, scaled) for side in sorted(self._profile.sides, key=lambda side: side != "output")
        }
        for item in self._profile.items:
            values |= _published(item, scaled, counts)
        for side, declared in self._profile.sides.items():
            if declared.count:
                values[declared.count] = counts[side]
        return Readings({**values, **self._states(named)})

    def _scaled(self, fields: Fields) -> dict[str, Value]:
        """`fields` in the units of the model, where the device counts in smaller ones."""
        scaled = dict(fields)
        for item in self._profile.items:
            if item.factor_when and holds(item.factor_when, fields):
                for name in _names(item):
                    value = fields.get(name)
                    if value is not None and not isinstance(value, str):
                        scaled[name] = round(value * item.factor, 6)
        return scaled

    def named(self, fields: Fields) -> dict[str, Value]:
        """`fields` under the names that conditions use: for an item with phases the highest of the three."""
        named = dict(fields)
        for item in self._profile.items:
            numbers = _numbers(item, fields, THREE) if item.phases else ()
            if numbers:
                named[item.name] = max(numbers)
        return named

    def _phases(self, side: str, fields: Fields) -> int:
        """1 or 3."""
        if side in self._decided:
            return self._decided[side]
        name = self._profile.sides[side].voltage
        live = [_number(fields, f"{name}:{phase}") >= LIVE_VOLTS for phase in THREE]
        if not any(live):
            return self._decided.get("output", 1)
        self._decided[side] = 3 if live[1] or live[2] else 1
        return self._decided[side]

    def _states(self, named: Fields) -> Mapping[str, Value]:
        rules = [rule for rule in self._profile.rules if holds(rule.when, named)]
        return status_readings(
            {token for rule in rules for token in rule.status}, {code for rule in rules for code in rule.alarms}
        )


def _names(item: MapItem) -> tuple[str, ...]:
    return tuple(f"{item.name}:{phase}" for phase in THREE) if item.phases else (item.name,)


def _published(item: MapItem, fields: Fields, counts: Mapping[str, int]) -> dict[str, Value]:
    """The readings of one item."""
    if item.phases is None:
        there = item.name in fields and not item.name.startswith(".")
        return {item.name: fields[item.name]} if there else {}
    if counts[item.phases.side] == 1:
        return {item.name: fields[f"{item.name}:1"]} if f"{item.name}:1" in fields else {}
    return _three_phases(item, item.phases, fields)


def _three_phases(item: MapItem, phases: Phases, fields: Fields) -> dict[str, Value]:
    values = {
        phases.name.replace("{phase}", label): fields[f"{item.name}:{phase}"]
        for phase, label in zip(THREE, PHASES, strict=True)
        if f"{item.name}:{phase}" in fields
    }
    numbers = _numbers(item, fields, THREE)
    if phases.together and len(numbers) == len(THREE):
        values[item.name] = TOGETHER[phases.together](numbers)
    return values


def _numbers(item: MapItem, fields: Fields, phases: tuple[int, ...]) -> list[float]:
    found = (fields.get(f"{item.name}:{phase}") for phase in phases)
    return [value for value in found if value is not None and not isinstance(value, str)]


def _number(fields: Fields, name: str) -> float:
    value = fields.get(name, 0)
    return 0.0 if isinstance(value, str) else float(value)
