"""Every reading the card knows, declared once: name, unit, precision, plausible limits, label, RFC 1628 counterpart.

Names are those that RFC 9271 records (`input.voltage`, `battery.runtime`, `ups.status`); our own start with `istars.`.
Units are theirs too: V, A, Hz, %, °C, VA, W, var, seconds. A name with `{phase}` stands for three readings (L1, L2, L3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from istars.errors import UnknownName
from istars.model.card_readings import CARD
from istars.model.declare import Counterpart, Kind, Reading, Value, number, state, text, volts
from istars.model.module_readings import MODULES

__all__ = [
    "MINUS",
    "NO_VALUE",
    "PHASES",
    "READINGS",
    "STATUS_TOKENS",
    "Counterpart",
    "Kind",
    "Reading",
    "Value",
    "format_number",
    "format_value",
    "reading",
]

MINUS = "\u2212"
NO_VALUE = "\u2013"
PHASES = ("L1", "L2", "L3")

STATUS_TOKENS: Mapping[str, str] = MappingProxyType(
    {
        "OL": "On mains",
        "OB": "On battery",
        "LB": "Battery low",
        "HB": "Battery high",
        "RB": "Replace battery",
        "CHRG": "Charging",
        "DISCHRG": "Discharging",
        "BYPASS": "On bypass",
        "TEST": "Battery test",
        "CAL": "Calibration",
        "OFF": "Output off",
        "OVER": "Overload",
        "TRIM": "Trimming",
        "BOOST": "Boosting",
        "FSD": "Forced shutdown",
        "ECO": "Economy mode",
        "CONVERTER": "Frequency converter",
        "ALARM": "Alarm",
    }
)
"""Tokens of `ups.status` in the order in which they stand there. OL and OB describe the input line only."""


def _per_phase(template: Reading) -> Iterator[Reading]:
    """The three readings of a declaration whose name holds `{phase}`."""
    for index, phase in enumerate(PHASES, start=1):
        mib = template.rfc1628
        yield replace(
            template,
            name=template.name.format(phase=phase),
            label=template.label.format(phase=phase),
            rfc1628=replace(mib, object=mib.object.format(line=index)) if mib else None,
        )


_UPS = (
    state("ups.status", "Status", STATUS_TOKENS, Kind.TOKENS),
    state("ups.alarm", "Alarms the UPS reports", {}, Kind.TOKENS),
    state(
        "istars.ups.mode",
        "Mode",
        {
            "fault": "Fault",
            "power-on": "Starting",
            "standby": "Standby",
            "bypass": "Bypass",
            "line": "Mains",
            "battery": "Battery",
            "battery-test": "Battery test",
            "converter": "Frequency converter",
            "eco": "Economy",
            "shutdown": "Shutting down",
            "test": "Test",
        },
    ),
    state("ups.beeper.status", "Buzzer", {"enabled": "On", "disabled": "Off", "muted": "Muted"}),
    state("ups.type", "Type", {"online": "Online", "offline / line interactive": "Line-interactive or standby"}),
    state(
        "ups.test.result",
        "Last battery test",
        {"none": "None yet", "running": "Running", "passed": "Passed", "failed": "Failed", "stopped": "Stopped"},
    ),
    number("ups.load", "Load", "%", 0, 0, 999, Counterpart("4.4.1.5.1")),
    number("ups.temperature", "UPS temperature", "°C", 1, -40, 150),
    number("ups.power", "Apparent power", "VA", 0, 0, 2_000_000),
    number("ups.realpower", "Active power", "W", 0, 0, 2_000_000, Counterpart("4.4.1.4.1")),
    number("istars.ups.reactivepower", "Reactive power", "var", 0, -2_000_000, 2_000_000),
    number("ups.power.nominal", "Rated power", "VA", 0, 0, 2_000_000, Counterpart("9.5.0")),
    number("ups.realpower.nominal", "Rated active power", "W", 0, 0, 2_000_000, Counterpart("9.6.0")),
    number("ups.timer.shutdown", "Switches off in", "s", 0, -1, 1_000_000, Counterpart("8.2.0")),
    number("ups.timer.start", "Switches on in", "s", 0, -1, 100_000_000, Counterpart("8.3.0")),
    state("outlet.1.status", "Outlet group 1", {"on": "On", "off": "Off"}),
    state("outlet.2.status", "Outlet group 2", {"on": "On", "off": "Off"}),
    number("istars.ups.rundays", "Days in service", "d", 0, 0, 65535),
    number("istars.ups.runweeks", "Weeks in service", "weeks", 0, 0, 65535),
    text("ups.firmware", "UPS firmware", Counterpart("1.3.0")),
    text("device.mfr", "Maker", Counterpart("1.1.0")),
    text("device.model", "Model", Counterpart("1.2.0")),
    text("device.serial", "Serial number"),
)

_INPUT = (
    number("input.phases", "Input phases", "", 0, 1, 3, Counterpart("3.2.0")),
    volts("input.voltage", "Mains voltage", mib=Counterpart("3.3.1.3.1")),
    volts("input.voltage.fault", "Voltage at the last transfer"),
    volts("input.voltage.nominal", "Rated mains voltage", mib=Counterpart("9.1.0")),
    volts("input.transfer.low", "Lowest mains voltage accepted", mib=Counterpart("9.9.0")),
    volts("input.transfer.high", "Highest mains voltage accepted", mib=Counterpart("9.10.0")),
    number("input.current", "Mains current", "A", 1, 0, 5000, Counterpart("3.3.1.4.1", 10)),
    number("input.current.nominal", "Rated current", "A", 0, 0, 5000),
    number("input.frequency", "Mains frequency", "Hz", 1, 0, 100, Counterpart("3.3.1.2.1", 10)),
    number("input.frequency.nominal", "Rated frequency", "Hz", 1, 0, 100, Counterpart("9.2.0", 10)),
    number("istars.input.powerfactor", "Mains power factor", "", 2, -1, 1),
    volts("input.bypass.voltage", "Bypass voltage", mib=Counterpart("5.3.1.2.1")),
    number("input.bypass.current", "Bypass current", "A", 1, 0, 5000, Counterpart("5.3.1.3.1", 10)),
    number("input.bypass.frequency", "Bypass frequency", "Hz", 1, 0, 100, Counterpart("5.1.0", 10)),
    number("istars.input.bypass.powerfactor", "Bypass power factor", "", 2, -1, 1),
)

_INPUT_PHASES = (
    volts("input.{phase}-N.voltage", "Mains voltage {phase}", mib=Counterpart("3.3.1.3.{line}")),
    number("input.{phase}.current", "Mains current {phase}", "A", 1, 0, 5000, Counterpart("3.3.1.4.{line}", 10)),
    number("input.{phase}.frequency", "Mains frequency {phase}", "Hz", 1, 0, 100, Counterpart("3.3.1.2.{line}", 10)),
    number("istars.input.{phase}.powerfactor", "Mains power factor {phase}", "", 2, -1, 1),
    volts("input.bypass.{phase}-N.voltage", "Bypass voltage {phase}", mib=Counterpart("5.3.1.2.{line}")),
    number(
        "input.bypass.{phase}.current", "Bypass current {phase}", "A", 1, 0, 5000, Counterpart("5.3.1.3.{line}", 10)
    ),
    number("input.bypass.{phase}.frequency", "Bypass frequency {phase}", "Hz", 1, 0, 100),
    number("istars.input.bypass.{phase}.powerfactor", "Bypass power factor {phase}", "", 2, -1, 1),
)

_OUTPUT = (
    number("output.phases", "Output phases", "", 0, 1, 3, Counterpart("4.3.0")),
    volts("output.voltage", "Output voltage", mib=Counterpart("4.4.1.2.1")),
    volts("output.voltage.nominal", "Rated output voltage", mib=Counterpart("9.3.0")),
    number("output.current", "Output current", "A", 1, 0, 5000, Counterpart("4.4.1.3.1", 10)),
    number("output.current.nominal", "Rated output current", "A", 0, 0, 5000),
    number("output.frequency", "Output frequency", "Hz", 1, 0, 100, Counterpart("4.2.0", 10)),
    number("output.frequency.nominal", "Rated output frequency", "Hz", 1, 0, 100, Counterpart("9.4.0", 10)),
    number("istars.output.powerfactor", "Output power factor", "", 2, -1, 1),
    state(
        "istars.load.source",
        "Load supplied by",
        {"none": "Nothing", "bypass": "Bypass", "inverter": "Inverter", "other": "Another source"},
    ),
)

_OUTPUT_PHASES = (
    volts("output.{phase}-N.voltage", "Output voltage {phase}", mib=Counterpart("4.4.1.2.{line}")),
    number("output.{phase}.current", "Output current {phase}", "A", 1, 0, 5000, Counterpart("4.4.1.3.{line}", 10)),
    number("output.{phase}.frequency", "Output frequency {phase}", "Hz", 1, 0, 100),
    number("output.{phase}.power", "Apparent power {phase}", "VA", 0, 0, 1_000_000),
    number("output.{phase}.realpower", "Active power {phase}", "W", 0, 0, 1_000_000, Counterpart("4.4.1.4.{line}")),
    number("istars.output.{phase}.reactivepower", "Reactive power {phase}", "var", 0, -1_000_000, 1_000_000),
    number("output.{phase}.power.percent", "Load {phase}", "%", 0, 0, 999, Counterpart("4.4.1.5.{line}")),
    number("istars.output.{phase}.powerfactor", "Output power factor {phase}", "", 2, -1, 1),
)

_BATTERY = (
    number("battery.charge", "Battery charge", "%", 0, 0, 100, Counterpart("2.4.0")),
    number("battery.runtime", "Time on battery", "s", 0, 0, 1_000_000, Counterpart("2.3.0", 1 / 60)),
    volts("battery.voltage", "Battery voltage", mib=Counterpart("2.5.0", 10)),
    volts("battery.voltage.nominal", "Rated battery voltage"),
    volts("istars.battery.voltage.cell", "Battery voltage per cell", high=5, precision=2),
    number("battery.current", "Battery current", "A", 1, -5000, 5000, Counterpart("2.6.0", 10)),
    number("battery.temperature", "Battery temperature", "°C", 1, -40, 150, Counterpart("2.7.0")),
    volts("istars.battery.negative.voltage", "Battery voltage, negative string"),
    number("istars.battery.negative.current", "Battery current, negative string", "A", 1, -5000, 5000),
    number("battery.packs", "Battery packs", "", 0, 0, 1000),
    number("istars.battery.blocks", "Battery blocks", "", 0, 0, 10_000),
    volts("istars.battery.float.voltage.cell", "Float voltage per cell", high=5, precision=2),
    volts("istars.battery.boost.voltage.cell", "Boost voltage per cell", high=5, precision=2),
    text("battery.date", "Battery fitted"),
    number("istars.battery.age", "Battery age", "years", 1, 0, 200),
    number("istars.battery.maintenance.days", "Battery maintenance cycle", "d", 0, 0, 65535),
    state(
        "istars.battery.state",
        "Battery state",
        {
            "disconnected": "Disconnected",
            "standby": "Standby",
            "boost": "Boost charge",
            "float": "Float charge",
            "discharge": "Discharging",
        },
    ),
)

_PARTS = (
    number("istars.rectifier.temperature", "Rectifier temperature", "°C", 1, -40, 150),
    number("istars.inverter.temperature", "Inverter temperature", "°C", 1, -40, 150),
    number("istars.inverter.current", "Inverter current", "A", 1, 0, 5000),
    state(
        "istars.rectifier.state",
        "Rectifier",
        {"off": "Off", "soft-start": "Soft start", "on": "On", "battery": "From battery"},
    ),
    state(
        "istars.inverter.state",
        "Inverter",
        {"off": "Off", "soft-start": "Soft start", "on": "On", "standby": "Standby"},
    ),
    state("istars.bypass.state", "Bypass", {"none": "Not available", "normal": "Ready"}),
    number("ambient.temperature", "Room temperature", "°C", 1, -40, 100),
    number("ambient.humidity", "Room humidity", "%", 0, 0, 100),
)


def _all() -> Iterator[Reading]:
    """Every declaration, phases written out."""
    for group in (_UPS, _INPUT, _INPUT_PHASES, _OUTPUT, _OUTPUT_PHASES, _BATTERY, _PARTS, *MODULES, *CARD):
        for item in group:
            if "{phase}" in item.name:
                yield from _per_phase(item)
            else:
                yield item


READINGS: Mapping[str, Reading] = MappingProxyType({item.name: item for item in _all()})
"""Name to declaration, in the order in which a page lists them."""


def reading(name: str) -> Reading:
    """Declaration of `name`; raises UnknownName for a name that is not declared."""
    try:
        return READINGS[name]
    except KeyError:
        raise UnknownName(f"no reading is called {name!r}") from None


def format_number(value: float, precision: int) -> str:
    """A number with a fixed count of decimals and a true minus sign; what rounds to zero has no sign."""
    shown = f"{value:.{precision}f}"
    if not shown.startswith("-"):
        return shown
    return shown[1:] if not shown.strip("-0.") else MINUS + shown[1:]


def format_value(name: str, value: Value | None, say: Callable[[str], str] = str) -> str:
    """The value of reading `name` as a person reads it, without its unit; an en dash where there is none.

    `say` translates words.
    """
    declaration = reading(name)
    if value is None or value == "":
        return NO_VALUE
    if isinstance(value, str):
        if declaration.kind is Kind.TOKENS:
            return ", ".join(say(declaration.values.get(token, token)) for token in value.split())
        return say(declaration.values.get(value, value))
    return format_number(float(value), declaration.precision)
