"""Every variable of a UPS that the card can write, declared once: name of Network UPS Tools, words for the page, what is allowed.

A protocol declares which of them its devices have and how they are written; limits that depend on the device are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from istars.errors import CommandRefused
from istars.model.readings import Value

TEXT_LIMIT = 63
"""Characters of a text: those of DisplayString (SIZE (0..63)) in RFC 1628."""

YES_NO: Mapping[str, str] = MappingProxyType({"yes": "Yes", "no": "No"})
ON_OFF: Mapping[str, str] = MappingProxyType({"enabled": "On", "disabled": "Off"})


@dataclass(frozen=True, slots=True)
class Variable:
    """Declaration of one variable: one of `choices`, or a number in `unit` with `decimals`, or a text where neither is given.

    `effect` says what a change does to the load; one with `confirm` is asked about first.
    """

    name: str
    label: str
    effect: str = "Nothing happens to the load."
    unit: str = ""
    decimals: int | None = None
    choices: Mapping[str, str] = field(default_factory=dict)
    confirm: bool = False

    def parse(self, text: object, low: float | None = None, high: float | None = None) -> Value:
        """What `text` means. Raises CommandRefused naming the variable and the reason."""
        given = str(text).strip() if isinstance(text, str | int | float) and not isinstance(text, bool) else None
        if given is None:
            raise CommandRefused(f"{self.name}: the value must be a text or a number")
        if self.choices:
            if given not in self.choices:
                raise CommandRefused(f"{self.name} must be one of {', '.join(self.choices)}, not {given[:40]!r}")
            return given
        if self.decimals is None:
            if len(given) > TEXT_LIMIT or not given.isascii() or not given.isprintable():
                raise CommandRefused(f"{self.name} must be printable ASCII of at most {TEXT_LIMIT} characters")
            return given
        return self._number(given, low, high)

    def _number(self, given: str, low: float | None, high: float | None) -> Value:
        try:
            value = float(given) if len(given) <= 20 else float("nan")
        except ValueError:
            value = float("nan")
        # a comparison with what is not a number is never true
        if not abs(value) < 1e9:
            raise CommandRefused(f"{self.name} must be a number, not {given[:40]!r}")
        if (low is not None and value < low) or (high is not None and value > high):
            raise CommandRefused(
                f"{self.name} must be between {low:g} and {high:g} {self.unit}, not {value:g}".rstrip()
            )
        if round(value, self.decimals) != value:
            places = f"{self.decimals} decimal" if self.decimals else "no decimals"
            raise CommandRefused(f"{self.name} takes {places}, not {given}")
        return value if self.decimals else int(value)


_DECLARED = (
    Variable("ups.id", "Name inside the UPS"),
    Variable("ups.beeper.status", "Buzzer", choices={**ON_OFF, "muted": "Muted"}),
    Variable(
        "ups.start.auto",
        "Switch on when mains returns",
        "Decides whether the load gets power by itself after an outage that emptied the battery.",
        choices=YES_NO,
    ),
    Variable(
        "ups.start.battery",
        "Can be switched on without mains",
        "Nothing happens to the load now.",
        choices=YES_NO,
    ),
    Variable("ups.delay.shutdown", "Delay before the UPS switches off", "Counts at the next switch-off.", "s", 0),
    Variable("ups.delay.start", "Delay before the UPS switches on", "Counts at the next switch-off.", "s", 0),
    Variable("battery.runtime.low", "Time left at which the battery is low", unit="s", decimals=0),
    Variable("battery.charge.low", "Charge at which the battery is low", unit="%", decimals=0),
    Variable(
        "battery.packs",
        "Battery packs",
        "The UPS reckons its charge and its time left with it. Nothing happens to the load now.",
        decimals=0,
    ),
    Variable(
        "battery.protection",
        "Protect the battery from deep discharge",
        "Without it an outage lasts longer and may ruin the battery.",
        choices=YES_NO,
    ),
    Variable(
        "battery.energysave",
        "Switch off on battery when hardly anything is connected",
        "A small load may lose power during an outage.",
        choices=YES_NO,
        confirm=True,
    ),
    Variable("istars.battery.alarm", "Buzzer while on battery", choices=YES_NO),
    Variable("istars.bypass.alarm", "Buzzer while on bypass", choices=YES_NO),
    Variable(
        "istars.bypass.forbidden",
        "Forbid the bypass",
        "With it the load loses power where it would have gone to bypass, at an overload for example.",
        choices=YES_NO,
        confirm=True,
    ),
    Variable(
        "istars.bypass.whenoff",
        "Bypass while switched off",
        "With it the load has mains, unprotected, while the UPS is switched off.",
        choices=YES_NO,
        confirm=True,
    ),
    Variable(
        "input.transfer.low",
        "Lowest mains voltage accepted",
        "Below it the load runs from the battery.",
        "V",
        0,
        confirm=True,
    ),
    Variable(
        "input.transfer.high",
        "Highest mains voltage accepted",
        "Above it the load runs from the battery.",
        "V",
        0,
        confirm=True,
    ),
    Variable(
        "input.transfer.eco.low", "Economy mode: lowest voltage", "Below it the inverter carries the load.", "V", 0
    ),
    Variable(
        "input.transfer.eco.high", "Economy mode: highest voltage", "Above it the inverter carries the load.", "V", 0
    ),
    Variable("input.transfer.bypass.low", "Bypass: lowest voltage", "Below it the bypass is not used.", "V", 0),
    Variable("input.transfer.bypass.high", "Bypass: highest voltage", "Above it the bypass is not used.", "V", 0),
    Variable("input.voltage.nominal", "Rated mains voltage", unit="V", decimals=0, confirm=True),
    Variable("input.frequency.nominal", "Rated mains frequency", unit="Hz", decimals=1, confirm=True),
    Variable(
        "output.voltage.nominal", "Rated output voltage", "The load may get another voltage.", "V", 0, confirm=True
    ),
    Variable(
        "output.frequency.nominal",
        "Rated output frequency",
        "The load may get another frequency.",
        "Hz",
        1,
        confirm=True,
    ),
)

VARIABLES: Mapping[str, Variable] = MappingProxyType({item.name: item for item in _DECLARED})
"""Name to declaration, in the order in which a page lists them."""


def variable(name: str) -> Variable:
    """Declaration of `name`; one that only a server of Network UPS Tools knows is a text under its own name, and asked about."""
    return VARIABLES.get(name) or Variable(name, name, "See the manual of the UPS.", confirm=True)
