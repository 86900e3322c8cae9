"""Readings as fields of a page: which stand where, under which short name, and how one that is not current is marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from istars.model.card_readings import CARD
from istars.model.module_readings import PEER
from istars.model.readings import NO_VALUE, READINGS, Kind, Value, format_value
from istars.store.live_alarms import LiveAlarm
from istars.web.view import TONES, Facts, Tone

MINUTES_UP_TO_S = 7200
"""A time on battery is shown in minutes up to here, then in hours."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value on a page; its text is kept apart under `key`. `note` says since when it is not current, else it is empty."""

    key: str
    label: str
    unit: str = ""
    note: str = ""
    estimated: bool = False
    tone: Tone = Tone.OK
    meter: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """What stands behind one node: which reading may be shown large, and the rows in their order as (name, short label)."""

    big: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    prefixes: tuple[str, ...] = ()


PANELS: Mapping[str, Placed] = {
    "mains": Placed(
        ("input.voltage",),
        (
            ("input.voltage", "Voltage"),
            ("input.current", "Current"),
            ("input.frequency", "Frequency"),
            ("istars.input.powerfactor", "Power factor"),
            ("input.voltage.fault", "Voltage at last transfer"),
            ("input.voltage.nominal", "Rated voltage"),
            ("input.current.nominal", "Rated current"),
            ("input.frequency.nominal", "Rated frequency"),
            ("input.phases", "Phases"),
        ),
        ("input.", "istars.input."),
    ),
    "byp": Placed(
        ("input.bypass.voltage",),
        (
            ("input.bypass.voltage", "Voltage"),
            ("input.bypass.current", "Current"),
            ("input.bypass.frequency", "Frequency"),
            ("istars.input.bypass.powerfactor", "Power factor"),
            ("istars.bypass.state", "Supply"),
        ),
        ("input.bypass.", "istars.input.bypass.", "istars.bypass."),
    ),
    "rec": Placed((), (("istars.rectifier.state", "State"), ("istars.rectifier.temperature", "Temperature"))),
    "avr": Placed((), (("input.voltage", "Mains voltage"), ("output.voltage", "Output voltage"))),
    "bat": Placed(
        ("battery.charge", "battery.voltage"),
        (
            ("battery.charge", "Charge"),
            ("battery.runtime", "Time left at this load"),
            ("battery.voltage", "Voltage"),
            ("istars.battery.voltage.cell", "Voltage per cell"),
            ("istars.battery.negative.voltage", "Voltage, negative string"),
            ("battery.current", "Current"),
            ("istars.battery.negative.current", "Current, negative string"),
            ("battery.temperature", "Temperature"),
            ("istars.battery.state", "State"),
            ("ups.test.result", "Last test"),
            ("battery.voltage.nominal", "Rated voltage"),
            ("istars.battery.blocks", "Blocks"),
        ),
        ("battery.", "istars.battery."),
    ),
    "inv": Placed(
        (),
        (
            ("istars.inverter.state", "State"),
            ("istars.inverter.current", "Current"),
            ("istars.inverter.temperature", "Temperature"),
        ),
        ("istars.inverter.", "istars.rectifier."),
    ),
    "load": Placed(
        ("ups.load", "output.voltage"),
        (
            ("ups.load", "Load"),
            ("ups.realpower", "Active power"),
            ("ups.power", "Apparent power"),
            ("istars.ups.reactivepower", "Reactive power"),
            ("output.voltage", "Voltage"),
            ("output.current", "Current"),
            ("output.frequency", "Frequency"),
            ("istars.output.powerfactor", "Power factor"),
            ("istars.load.source", "Supplied by"),
            ("ups.timer.shutdown", "Switches off in"),
            ("ups.timer.start", "Switches on in"),
            ("output.voltage.nominal", "Rated voltage"),
            ("output.frequency.nominal", "Rated frequency"),
            ("output.phases", "Phases"),
        ),
        ("output.", "istars.output.", "istars.load.", "ups.timer."),
    ),
    "env": Placed(
        ("ambient.temperature",),
        (("ambient.temperature", "Temperature"), ("ambient.humidity", "Humidity")),
        ("ambient.",),
    ),
    "ups": Placed(
        (),
        (
            ("device.mfr", "Maker"),
            ("device.model", "Model"),
            ("device.serial", "Serial number"),
            ("ups.firmware", "Firmware"),
            ("ups.type", "Type"),
            ("ups.power.nominal", "Rated power"),
            ("ups.status", "Status"),
            ("istars.ups.mode", "Mode"),
            ("ups.temperature", "Temperature"),
            ("ups.beeper.status", "Buzzer"),
            ("istars.ups.rundays", "In service"),
            ("istars.link.protocol", "Protocol"),
            ("istars.link.device", "Port"),
        ),
        ("ups.", "device.", "istars.ups."),
    ),
}
"""Behind which node a reading stands. One that is in no list stands last behind the node with the longest fitting prefix."""

HIDDEN = frozenset(
    {name for name in READINGS if name.startswith(f"{PEER}.")}
    | {"ups.alarm"}
    | {declared.name for group in CARD for declared in group}
) - {"istars.link.protocol", "istars.link.device"}
"""Shown as alarms, or about the card, its managers and peers and not about the UPS: those have pages of their own."""

PHASE_ROWS: Mapping[str, tuple[tuple[str, str, str], ...]] = {
    "load": (
        ("Load", "output.{phase}.power.percent", "ups.load"),
        ("Active power", "output.{phase}.realpower", "ups.realpower"),
        ("Apparent power", "output.{phase}.power", "ups.power"),
        ("Reactive power", "istars.output.{phase}.reactivepower", "istars.ups.reactivepower"),
        ("Voltage", "output.{phase}-N.voltage", ""),
        ("Current", "output.{phase}.current", ""),
        ("Frequency", "output.{phase}.frequency", ""),
        ("Power factor", "istars.output.{phase}.powerfactor", ""),
    ),
    "mains": (
        ("Voltage", "input.{phase}-N.voltage", ""),
        ("Current", "input.{phase}.current", ""),
        ("Frequency", "input.{phase}.frequency", ""),
        ("Power factor", "istars.input.{phase}.powerfactor", ""),
    ),
    "byp": (
        ("Voltage", "input.bypass.{phase}-N.voltage", ""),
        ("Current", "input.bypass.{phase}.current", ""),
        ("Frequency", "input.bypass.{phase}.frequency", ""),
        ("Power factor", "istars.input.bypass.{phase}.powerfactor", ""),
    ),
}
"""Quantities of three phases as (label, name, name of the sum or maximum)."""

TILES: tuple[tuple[str, str], ...] = (
    ("ups.load", "Load"),
    ("output.phases", "Highest phase"),
    ("battery.charge", "Battery"),
    ("battery.runtime", "Time on battery"),
    ("output.voltage", "Output"),
    ("input.voltage", "Mains"),
    ("ambient.temperature", "Room"),
    ("ambient.humidity", "Humidity"),
    ("ups.temperature", "UPS temperature"),
    ("battery.voltage", "Battery voltage"),
    ("ups.realpower", "Active power"),
    ("battery.temperature", "Battery temperature"),
    ("output.frequency", "Output frequency"),
)
"""Candidates for the row of tiles, the most wanted first; the first six that exist are shown."""

_METERS = frozenset({"ups.load", "battery.charge"})


class Readout:
    """Turns readings into fields and gathers their texts."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.texts: dict[str, str] = {}

    def field(self, name: str, label: str = "") -> Field | None:
        """The reading as a field, or None where the UPS has never reported it."""
        stored = self.facts.readings.get(name)
        if stored is None:
            return None
        self.texts[name], unit = shown(name, stored.value)
        note = f"no data since {self.facts.seen(name)}" if name in self.facts.stale_names else ""
        if name == "battery.runtime" and label == "Time on battery" and "OB" in self.facts.tokens:
            label = "Time left"
        declared = READINGS.get(name)
        return Field(
            key=name,
            label=label or (declared.label if declared else name),
            unit=unit,
            note=note,
            estimated=stored.estimated,
            tone=Tone.OK if note else self.tone(name),
            meter=name in _METERS or name.endswith(".power.percent"),
        )

    def tone(self, name: str) -> Tone:
        """The severity of a reading that an alarm of its own stands on."""
        if name in ("ups.load", "highest.load") or name.endswith(".power.percent"):
            value, alarm = self.facts.number(name), self.facts.alarm("OVERLOAD", "LOAD_HIGH")
            if value is None or alarm is None or value <= _limit(alarm):
                return Tone.OK
            return TONES[alarm.severity]
        for code, names in _ALARMED.items():
            if name in names and (alarm := self.facts.alarm(code)):
                return TONES[alarm.severity]
        return Tone.OK

    def rows(self, node: str) -> tuple[Field, ...]:
        """The readings that stand behind a node, those of no list last."""
        fields = [self.field(name, label) for name, label in PANELS[node].rows]
        fields += [self.field(name) for name in sorted(self.facts.readings) if _home(name) == node]
        return tuple(found for found in fields if found)

    def with_unit(self, name: str) -> str:
        """The value and its unit as one text; empty where there is no current value."""
        value = self.facts.value(name)
        if value is None:
            return ""
        text, unit = shown(name, value)
        return f"{text} {unit}".strip()

    def told(self, name: str) -> str:
        """A state in words; empty where there is no current value."""
        value = self.facts.value(name)
        return "" if value is None else format_value(name, value)


_ALARMED: Mapping[str, tuple[str, ...]] = {
    "OVER_TEMPERATURE": ("ups.temperature",),
    "BATTERY_LOW": ("battery.charge", "battery.runtime"),
    "BATTERY_DEPLETED": ("battery.charge",),
    "CHARGE_LOW": ("battery.charge",),
    "RUNTIME_SHORT": ("battery.runtime",),
    "INPUT_BAD": ("input.voltage",),
    "OUTPUT_BAD": ("output.voltage",),
    "BYPASS_BAD": ("input.bypass.voltage",),
    "AMBIENT_HOT": ("ambient.temperature",),
    "AMBIENT_COLD": ("ambient.temperature",),
    "AMBIENT_DAMP": ("ambient.humidity",),
    "AMBIENT_DRY": ("ambient.humidity",),
}


def show(name: str, value: Value | None) -> str:
    """A reading's value without its unit; a reading that the model does not declare shows as it came."""
    if name in READINGS:
        declared = READINGS[name]
        mixed = value is not None and value != "" and isinstance(value, str) == (declared.kind is Kind.NUMBER)
        return NO_VALUE if mixed else format_value(name, value)
    return NO_VALUE if value is None or value == "" else str(value)


def _limit(alarm: LiveAlarm) -> float:
    """The limit that an alarm stands on, as its arguments tell it; 100 % where they do not."""
    try:
        return float(str(alarm.args.get("limit", 100)))
    except ValueError:
        return 100.0


def shown(name: str, value: float | int | str) -> tuple[str, str]:
    """A value as text, and the unit that belongs to that text: a time on battery is easier in minutes or hours."""
    if name in ("battery.runtime", "ups.timer.shutdown", "ups.timer.start") and not isinstance(value, str):
        seconds = int(value)
        if seconds >= MINUTES_UP_TO_S:
            return f"{seconds // 3600}:{seconds // 60 % 60:02}", "h"
        return (str(seconds // 60), "min") if seconds >= 120 else (str(seconds), "s")
    declared = READINGS.get(name)
    return show(name, value), declared.unit if declared else ""


_LISTED = frozenset(
    [name for placed in PANELS.values() for name, _ in placed.rows]
    + [row[1].format(phase=phase) for rows in PHASE_ROWS.values() for row in rows for phase in ("L1", "L2", "L3")]
)


def _home(name: str) -> str:
    """The node behind which a reading of no list stands."""
    if name in _LISTED or name in HIDDEN:
        return ""
    fitting = [
        (len(prefix), node) for node, placed in PANELS.items() for prefix in placed.prefixes if name.startswith(prefix)
    ]
    return max(fitting)[1] if fitting else "ups"
