"""Conditions on fields, as register maps state them: `{"istars.ups.mode": ["battery"], "input.voltage": {"below": 50}}`."""

from __future__ import annotations

from dataclasses import dataclass

from istars.drivers.item import Fields
from istars.model.readings import Value


@dataclass(frozen=True, slots=True)
class Test:
    """What one field must be: one of `among`, or a number within the limits given. A field that is not known fails it."""

    field: str
    among: tuple[Value, ...] = ()
    at_least: float | None = None
    above: float | None = None
    below: float | None = None

    def holds(self, fields: Fields) -> bool:
        """Whether the field is known and as it must be."""
        value = fields.get(self.field)
        if value is None:
            return False
        if self.among:
            return value in self.among
        if isinstance(value, str):
            return False
        return (
            (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


Condition = tuple[Test, ...]
"""All tests must hold."""


def holds(condition: Condition, fields: Fields) -> bool:
    """Whether all tests of `condition` hold."""
    return all(test.holds(fields) for test in condition)
