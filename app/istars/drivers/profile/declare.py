"""What a register map holds: frozen declarations, made by `entries.py` from the data file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from istars.drivers.conditions import Condition
from istars.drivers.item import Blocks, Decoder, Line, Registers, Sample, Timing, When

TOGETHER: Mapping[str, Callable[[Collection[float]], float]] = {"sum": sum, "max": max, "min": min}
"""How three phases make one value."""


@dataclass(frozen=True, slots=True)
class Phases:
    """An item that stands in three registers in a row, one per phase of `side`: `name` holds {phase}; with `together` the
    item's own name carries the sum, maximum or minimum of the three.
    """

    side: str
    name: str
    together: str = ""


@dataclass(frozen=True, slots=True)
class MapItem:
    """One line of the map. Where `factor_when` is there and holds, the device counts in other units: values times `factor`."""

    name: str
    at: Registers
    decode: Decoder
    when: When = When.EACH_POLL
    phases: Phases | None = None
    factor: float = 1
    factor_when: Condition = ()


@dataclass(frozen=True, slots=True)
class Side:
    """Input, bypass or output: the item whose phases B and C tell how many there are, and the reading that says so."""

    voltage: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Status tokens and alarm codes that hold while a condition holds."""

    when: Condition
    status: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MapCommand:
    """One register that is written, and the condition by which its effect shows."""

    name: str
    function: int
    register: int
    value: int
    shown: Condition = ()


@dataclass(frozen=True, slots=True)
class MapVariable:
    """One register that can be written with a value of the user: a number times `scale`, or a choice; `low` to `high`."""

    name: str
    function: int
    at: Registers
    decode: Decoder
    scale: float = 1
    choices: Mapping[str, int] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A whole register map."""

    name: str
    title: str
    source: str
    remark: str = ""
    line: Line = field(default_factory=Line)
    timing: Timing = field(default_factory=Timing)
    blocks: Blocks = field(default_factory=Blocks)
    fixed: Mapping[str, str] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)
    items: tuple[MapItem, ...] = ()
    rules: tuple[Rule, ...] = ()
    commands: tuple[MapCommand, ...] = ()
    variables: tuple[MapVariable, ...] = ()
    samples: tuple[Sample, ...] = ()
