"""How a reading is declared: what it is called, what it looks like, what of it is plausible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Value = float | int | str
"""What a reading can be. Numbers are finite; text is printable."""


class Kind(Enum):
    """What a value looks like."""

    NUMBER = "number"
    TEXT = "text"
    TOKENS = "tokens"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Counterpart:
    """The object of RFC 1628 (UPS-MIB) with the same quantity: `object` below 1.3.6.1.2.1.33.1, MIB value = ours x factor."""

    object: str
    factor: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """Declaration of one reading.

    `low` and `high` are the limits of the plausible: a value outside is an error of the wire, not a state of the UPS.
    `discrete` readings are states: each change is kept in order, so that none is missed between two looks.
    """

    name: str
    label: str
    kind: Kind = Kind.NUMBER
    unit: str = ""
    precision: int = 0
    low: float | None = None
    high: float | None = None
    discrete: bool = False
    values: Mapping[str, str] = field(default_factory=dict)
    rfc1628: Counterpart | None = None

    def plausible(self, value: Value) -> bool:
        """Whether `value` can be true at all."""
        if self.kind is not Kind.NUMBER:
            return isinstance(value, str)
        if isinstance(value, str) or value != value:
            return False
        return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)


def volts(name: str, label: str, high: float = 1000, precision: int = 1, mib: Counterpart | None = None) -> Reading:
    """Declare a voltage; alternating voltages are never negative."""
    return Reading(name, label, unit="V", precision=precision, low=0, high=high, rfc1628=mib)


def number(
    name: str, label: str, unit: str, precision: int, low: float, high: float, mib: Counterpart | None = None
) -> Reading:
    """Declare any other number."""
    return Reading(name, label, unit=unit, precision=precision, low=low, high=high, rfc1628=mib)


def text(name: str, label: str, mib: Counterpart | None = None) -> Reading:
    """Declare a text that rarely changes, such as an identity."""
    return Reading(name, label, kind=Kind.TEXT, rfc1628=mib)


def state(name: str, label: str, values: Mapping[str, str], kind: Kind = Kind.CHOICE) -> Reading:
    """Declare a state with the words that show it."""
    return Reading(name, label, kind=kind, discrete=True, values=values)
