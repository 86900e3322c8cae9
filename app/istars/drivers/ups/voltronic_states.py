"""What modes, status bits and warnings of the Voltronic P series mean. The answers are drawn in `voltronic.py`."""

from __future__ import annotations

from istars.drivers.item import Fields, Readings
from istars.drivers.ups.phases import Phases
from istars.drivers.ups.status import regulation, status_readings
from istars.model.readings import Value

UTILITY_FAIL, BATTERY_LOW, REGULATING, FAULT, EPO, TESTING, SHUTDOWN, SILENCED, TEST_FAILED, TEST_PASSED = range(
    9, -1, -1
)
"""Numbers of the status bits; bits 11 and 10 are the type."""

TYPES = {"00": "offline / line interactive", "01": "offline / line interactive", "10": "online"}

MODES = {
    "P": "power-on", "S": "standby", "Y": "bypass", "L": "line", "B": "battery", "T": "battery-test", "F": "fault",
    "E": "eco", "C": "converter", "D": "shutdown",
}  # fmt: skip
TOKENS = {"Y": "BYPASS", "T": "TEST", "E": "ECO", "C": "CONVERTER", "S": "OFF", "D": "OFF"}

WARNINGS = {
    0: "BATTERY_OPEN", 1: "NEUTRAL_LOST", 3: "PHASE_SEQUENCE", 4: "BYPASS_BAD", 5: "BYPASS_BAD", 9: "FAN_FAIL", 10: "EPO",
    12: "OVER_TEMPERATURE", 13: "CHARGER_FAIL", 15: "FUSE_FAIL", 16: "FUSE_FAIL", 17: "FUSE_FAIL", 55: "BATTERY_REPLACE",
}  # fmt: skip
"""Places in the answer to QWS to alarm codes."""

WARNED_LOW, WARNED_OVERLOAD = 7, 8


def bit(fields: Fields, place: int) -> bool:
    """Status bit b11..b0; False where the UPS does not tell."""
    return str(fields.get(".bits", "0" * 12))[11 - place] == "1"


def warned(fields: Fields, place: int) -> bool:
    """Warning `place` of QWS."""
    return str(fields.get(".warnings", "0" * 64))[place] == "1"


def mode(fields: Fields) -> str:
    """The letter of QMOD; empty where the UPS does not tell."""
    return str(fields.get(".mode", ""))


class Interpreter:
    """Readings from the fields of one poll; remembers how many phases there are."""

    def __init__(self) -> None:
        self._phases = Phases()

    def __call__(self, fields: Fields) -> Readings:
        """Readings of one poll."""
        values = {name: value for name, value in fields.items() if not name.startswith(".")}
        if ".battery.positive" in fields:
            values.setdefault("battery.voltage", fields[".battery.positive"])
        values |= _states(fields)
        values |= status_readings(_tokens(fields), _alarms(fields))
        return Readings(self._phases.arrange(values))


def _states(fields: Fields) -> dict[str, Value]:
    values: dict[str, Value] = {}
    if mode(fields) in MODES:
        values["istars.ups.mode"] = MODES[mode(fields)]
    for group in (1, 2):
        if f".outlet.{group}" in fields:
            values[f"outlet.{group}.status"] = "on" if fields[f".outlet.{group}"] == "1" else "off"
    if ".bits" in fields:
        kind = str(fields[".bits"])[:2]
        values["ups.beeper.status"] = "disabled" if bit(fields, SILENCED) else "enabled"
        values["ups.test.result"] = _test_result(fields)
        if kind in TYPES:
            values["ups.type"] = TYPES[kind]
    rated, factor = fields.get("ups.power.nominal"), fields.get(".powerfactor")
    if isinstance(rated, int | float) and isinstance(factor, int | float) and factor:
        values["ups.realpower.nominal"] = rated * factor / 100
    return values


def _test_result(fields: Fields) -> str:
    if bit(fields, TESTING):
        return "running"
    return "failed" if bit(fields, TEST_FAILED) else "passed" if bit(fields, TEST_PASSED) else "none"


def _tokens(fields: Fields) -> set[str]:
    if ".bits" not in fields:
        return set()
    letter = mode(fields)
    on_battery = letter == "B" or (letter in ("", "S", "P", "D", "F") and bit(fields, UTILITY_FAIL))
    tokens = {"OB" if on_battery else "OL"}
    if letter in TOKENS:
        tokens.add(TOKENS[letter])
    if bit(fields, BATTERY_LOW) or warned(fields, WARNED_LOW):
        tokens.add("LB")
    if bit(fields, TESTING):
        tokens.add("TEST")
    if warned(fields, WARNED_OVERLOAD):
        tokens.add("OVER")
    if bit(fields, REGULATING) and str(fields[".bits"])[:2] != "10":
        tokens |= regulation(fields)
    return tokens


def _alarms(fields: Fields) -> set[str]:
    named = {FAULT: "UPS_FAULT", SHUTDOWN: "SHUTDOWN_PENDING", EPO: "EPO", TEST_FAILED: "TEST_FAILED"}
    alarms = {code for place, code in named.items() if bit(fields, place)}
    return alarms | {code for place, code in WARNINGS.items() if warned(fields, place)}
