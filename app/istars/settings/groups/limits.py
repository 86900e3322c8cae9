"""Limits of this card's own alarms, and how long something must last before it is one."""

from __future__ import annotations

from istars.settings.field import Below, Field, Group, Section, Type


def _limit(
    key: str, default: float, label: str, unit: str, minimum: float, maximum: float, explanation: str = ""
) -> Field:
    return Field(
        key, Type.NUMBER, default, label, explanation, unit=unit, minimum=minimum, maximum=maximum, applies="core"
    )


GROUP = Group(
    "limits",
    "Alarm limits",
    (
        Section(
            "Load",
            (
                _limit("limit.load.high", 80.0, "High load", "%", 1, 200),
                _limit("limit.load.over", 100.0, "Overload", "%", 1, 200),
            ),
        ),
        Section(
            "Battery",
            (
                _limit("limit.charge.low", 30.0, "Low battery charge", "%", 0, 100, "0 switches this alarm off."),
                _limit("limit.charge.empty", 1.0, "Empty battery", "%", 0, 50),
                _limit(
                    "limit.runtime.low", 5.0, "Short time on battery", "min", 0, 1_440, "0 switches this alarm off."
                ),
            ),
        ),
        Section(
            "Temperature inside the UPS",
            (
                _limit("limit.temperature.high", 45.0, "High UPS temperature", "°C", 20, 120),
                _limit("limit.parts.high", 85.0, "High temperature of rectifier or inverter", "°C", 20, 150),
            ),
        ),
        Section(
            "Mains and output",
            (
                _limit("limit.input.low", 0.0, "Low mains voltage", "V", 0, 1_000, "0 leaves it to the UPS."),
                _limit("limit.input.high", 0.0, "High mains voltage", "V", 0, 1_000, "0 leaves it to the UPS."),
                _limit("limit.output.low", 0.0, "Low output voltage", "V", 0, 1_000, "0 leaves it to the UPS."),
                _limit("limit.output.high", 0.0, "High output voltage", "V", 0, 1_000, "0 leaves it to the UPS."),
            ),
        ),
        Section(
            "Room",
            (
                _limit("limit.ambient.cold", 5.0, "Cold room", "°C", -40, 100),
                _limit("limit.ambient.hot", 35.0, "Warm room", "°C", -40, 100),
                _limit("limit.ambient.dry", 10.0, "Dry room", "%", 0, 100),
                _limit("limit.ambient.damp", 80.0, "Damp room", "%", 0, 100),
            ),
            "For UPS units that measure the room.",
        ),
    ),
    help="From when on this card raises an alarm of its own. What the UPS itself reports is always an alarm.",
    rules=(
        Below("limit.load.high", "limit.load.over"),
        Below("limit.charge.empty", "limit.charge.low", off=0),
        Below("limit.input.low", "limit.input.high", off=0),
        Below("limit.output.low", "limit.output.high", off=0),
        Below("limit.ambient.cold", "limit.ambient.hot"),
        Below("limit.ambient.dry", "limit.ambient.damp"),
    ),
)
