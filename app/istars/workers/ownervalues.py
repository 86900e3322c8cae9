"""What the owner has entered because the UPS does not tell it: ratings, and the day on which the battery was fitted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from istars.model.readings import Value
from istars.platform import clock
from istars.settings import Settings

YEAR_D = 365.25

RATINGS: Mapping[str, tuple[str, ...]] = {
    "ups.nominal.power": ("ups.realpower.nominal",),
    "ups.nominal.apparent": ("ups.power.nominal",),
    "ups.nominal.voltage": ("input.voltage.nominal", "output.voltage.nominal"),
    "ups.nominal.frequency": ("input.frequency.nominal", "output.frequency.nominal"),
}
"""Option to readings. What is entered wins over what the UPS says: a card in front of a wrong plate must be correctable."""

CELL_V = 2
"""Rated voltage of a lead-acid cell."""


def fitted_at(settings: Settings) -> float | None:
    """Epoch second at which the day began on which the battery was fitted, in the card's zone; None where it is not known."""
    text = settings.text("ups.battery.replaced")
    return clock.day_limits(date.fromisoformat(text))[0] if text else None


def with_owner(values: Mapping[str, Value], settings: Settings) -> dict[str, Value]:
    """`values` of a poll with what the owner has entered."""
    made = dict(values)
    for option, names in RATINGS.items():
        if rated := settings.whole(option):
            made |= dict.fromkeys(names, float(rated))
    if cells := settings.whole("ups.battery.cells"):
        made.setdefault("battery.voltage.nominal", float(CELL_V * cells))
    since = fitted_at(settings)
    if since is not None:
        made["battery.date"] = settings.text("ups.battery.replaced")
        age = (clock.wall() - since) / 86_400 / YEAR_D
        # Until the clock is set the card does not know what day it is.
        if age >= 0:
            made["istars.battery.age"] = round(age, 1)
    return made
