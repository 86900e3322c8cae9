"""The status bits of Megatec / Q1, and what they and the output voltage say. The frame is drawn in `megatec.py`."""

from __future__ import annotations

from istars.drivers.item import Fields

UTILITY_FAIL, BATTERY_LOW, REGULATING, FAILED, LINE_INTERACTIVE, TESTING, SHUTDOWN, BEEPER = range(7, -1, -1)
"""Numbers of the status bits."""

USUAL_VOLTAGE = 230.0
OFF_BELOW = 0.1
"""Part of the nominal voltage below which the output counts as switched off."""


def bit(fields: Fields, place: int) -> bool | None:
    """Status bit b7..b0; None where the UPS does not tell."""
    sign = str(fields.get(".bits", "@" * 8))[7 - place]
    return None if sign == "@" else sign == "1"


def quantity(fields: Fields, name: str, missing: float) -> float:
    """A field as a number; `missing` where the UPS does not tell."""
    value = fields.get(name, missing)
    return float(value) if isinstance(value, float | int) else missing


def output_off(fields: Fields) -> bool | None:
    """Whether the output, or its first phase, has no voltage; None where the UPS does not tell."""
    name = next((name for name in ("output.voltage", "output.L1-N.voltage") if name in fields), None)
    if name is None:
        return None
    nominal = quantity(fields, "input.voltage.nominal", 0) or USUAL_VOLTAGE
    return quantity(fields, name, 0) < OFF_BELOW * nominal
