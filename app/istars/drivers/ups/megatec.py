"""Megatec / Q1: the plain text protocol of small UPSs, 2400 baud 8N1, every question and answer ended by CR.

Source: Megatec "UPS communication protocol" (public text) and the quirks of real units recorded in issues of
networkupstools/nut (307, 1670, 1932). The cable takes its power from DTR high and RTS low.

Answer to Q1: status. The columns are fixed; a battery of 100 V and more makes its field one column wider.

              1         2         3         4
    0123456789012345678901234567890123456789012345
    (MMM.M NNN.N PPP.P QQQ RR.R SS.S TT.T b7....b0
    (226.0 195.0 226.0 014 49.0 27.5 30.0 00001000
     |     |     |     |   |    |    |    |
     |     |     |     |   |    |    |    8 bits, below
     |     |     |     |   |    |    temperature, C
     |     |     |     |   |    battery: SS.S V of the pack, or S.SS V per cell
     |     |     |     |   input frequency, Hz
     |     |     |     load, %
     |     |     output voltage
     |     input voltage that caused the last transfer; it falls back to the input voltage once read
     input voltage

    b7 utility fails   b6 battery low            b5 bypass, boost or buck active   b4 UPS failed
    b3 type: 1 = standby or line-interactive, 0 = online
    b2 battery test running   b1 shutdown counting down   b0 beeper on

Answer to F: ratings. Some units built by EAST leave every field blank.

              1         2
    012345678901234567890
    #MMM.M QQQ SS.SS RR.R
    #220.0 007 24.00 50.0
     |     |   |     frequency, Hz
     |     |   battery, V, as SS.SS or SSS.S
     |     current, A
     voltage

Answer to I: identity. A unit may leave company and model blank, or cut the last blank.

              1         2         3
    01234567890123456789012345678901234567
    #CCCCCCCCCCCCCCC MMMMMMMMMM VVVVVVVVVV
    #-------------   ------     VT12046Q

A field of `@` or `-` is unknown. Commands are answered by silence; a command that is not known comes back as it was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from istars.drivers.columns import number, text
from istars.drivers.framing import text_shape
from istars.drivers.item import (
    Family,
    Fields,
    Group,
    Interpreter,
    Item,
    Line,
    Options,
    Protocol,
    Query,
    Readings,
    Sample,
    Timing,
    When,
)
from istars.drivers.ups import TEXT_PROTOCOLS
from istars.drivers.ups.megatec_bits import (
    BATTERY_LOW,
    BEEPER,
    FAILED,
    LINE_INTERACTIVE,
    REGULATING,
    SHUTDOWN,
    TESTING,
    UTILITY_FAIL,
    bit,
    output_off,
    quantity,
)
from istars.drivers.ups.megatec_commands import COMMANDS
from istars.drivers.ups.status import regulation, status_readings
from istars.model.readings import Value

_DIGITS = rb"[ 0-9.@+-]"

Q1 = Query(
    b"Q1",
    # Some units send "*" now and then where "(" belongs.
    text_shape(
        rb"[(*](?P<input>%(d)s{5}) (?P<fault>%(d)s{5}) (?P<output>%(d)s{5}) (?P<load>%(d)s{3}) (?P<frequency>%(d)s{4}) "
        rb"(?P<battery>%(d)s{4,5}) (?P<temperature>%(d)s{4}) (?P<bits>[01@]{8})" % {b"d": _DIGITS}
    ),
)
F = Query(
    b"F",
    text_shape(
        rb"#(?P<voltage>%(d)s{5}) (?P<current>%(d)s{3}) (?P<battery>%(d)s{5}) (?P<frequency>%(d)s{3,4})"
        % {b"d": _DIGITS}
    ),
    When.ONCE,
)
I = Query(  # noqa: E741 - its name in the protocol
    b"I",
    # Newer chips of the maker pack a serial number and a run time (unit unknown) into the fields of company and model.
    text_shape(
        rb"#(?:(?P<chip>MegaTec)(?P<serial>[!-~]{8}) (?P<chip_model>[!-~]{5})(?P<runtime>\d{5})"
        rb"|(?P<company>[ -~]{15}) (?P<model>[ -~]{10})) (?P<version>[ -~]{1,10})"
    ),
    When.ONCE,
)


ITEMS = (
    Item("input.voltage", Group(Q1, "input"), number),
    Item("input.voltage.fault", Group(Q1, "fault"), number),
    Item("output.voltage", Group(Q1, "output"), number),
    Item("ups.load", Group(Q1, "load"), number),
    Item("input.frequency", Group(Q1, "frequency"), number),
    Item(".battery", Group(Q1, "battery"), text),
    Item("ups.temperature", Group(Q1, "temperature"), number),
    Item(".bits", Group(Q1, "bits"), bytes.decode),
    Item("input.voltage.nominal", Group(F, "voltage"), number, When.ONCE),
    Item("input.current.nominal", Group(F, "current"), number, When.ONCE),
    Item("battery.voltage.nominal", Group(F, "battery"), number, When.ONCE),
    Item("input.frequency.nominal", Group(F, "frequency"), number, When.ONCE),
    Item("device.mfr", Group(I, "company"), text, When.ONCE),
    Item("device.model", Group(I, "model"), text, When.ONCE),
    Item(".chip", Group(I, "chip"), text, When.ONCE),
    Item(".chip.model", Group(I, "chip_model"), text, When.ONCE),
    Item(".chip.runtime", Group(I, "runtime"), number, When.ONCE),
    Item("device.serial", Group(I, "serial"), text, When.ONCE),
    Item("ups.firmware", Group(I, "version"), text, When.ONCE),
)

VOLTS_PER_CELL = 2.0
"""Nominal voltage of a lead-acid cell."""

EMPTY, FULL = 104 / 120, 130 / 120
"""Battery voltage at 0 % and 100 % charge as parts of the nominal one; the estimate that NUT documents."""


def interpreter(options: Options) -> Interpreter:
    """What the fields of this UPS mean."""
    return partial(interpret, options)


def interpret(options: Options, fields: Fields) -> Readings:
    """Readings of one poll. A value that only a guess could give is left out."""
    values = {name: value for name, value in fields.items() if not name.startswith(".")}
    if "input.voltage.nominal" in fields:
        values["output.voltage.nominal"] = fields["input.voltage.nominal"]
    if ".chip" in fields:
        values |= {"device.mfr": fields[".chip"], "device.model": fields[".chip.model"]}
    values |= _battery_voltage(str(fields.get(".battery", "")), options.cells)
    charge = _charge(values, options.cells)
    if charge is not None:
        values["battery.charge"] = charge
    values |= _bits(fields)
    values |= status_readings(_tokens(fields), _alarms(fields))
    return Readings(values, frozenset({"battery.charge"} & values.keys()))


def _battery_voltage(field: str, cells: int) -> dict[str, Value]:
    """Voltage of the pack. `S.SS` is that of one cell: without the user's number of cells it stays that, it is not guessed."""
    volts = number(field.encode())
    if volts is None:
        return {}
    if field.find(".") != 1:
        return {"battery.voltage": volts}
    whole: dict[str, Value] = {"battery.voltage": round(volts * cells, 2)} if cells else {}
    return {"istars.battery.voltage.cell": volts, **whole}


def _charge(values: Mapping[str, Value], cells: int) -> float | None:
    """Charge in %, estimated on a straight line from the voltage; None without a nominal voltage."""
    volts = values.get("battery.voltage")
    rated = None if "istars.battery.voltage.cell" in values else values.get("battery.voltage.nominal")
    nominal = rated or VOLTS_PER_CELL * cells
    if not isinstance(volts, float | int) or not isinstance(nominal, float | int) or nominal <= 0:
        return None
    part = (volts / nominal - EMPTY) / (FULL - EMPTY)
    return round(100 * min(max(part, 0.0), 1.0), 1)


def _bits(fields: Fields) -> dict[str, Value]:
    values: dict[str, Value] = {}
    beeper, kind = bit(fields, BEEPER), bit(fields, LINE_INTERACTIVE)
    if beeper is not None:
        values["ups.beeper.status"] = "enabled" if beeper else "disabled"
    if kind is not None:
        values["ups.type"] = "offline / line interactive" if kind else "online"
    return values


def _tokens(fields: Fields) -> set[str]:
    tokens = set()
    utility_fail = bit(fields, UTILITY_FAIL)
    if utility_fail is not None:
        tokens.add("OB" if utility_fail else "OL")
    if bit(fields, BATTERY_LOW):
        tokens.add("LB")
    if bit(fields, REGULATING):
        tokens |= _regulation(fields)
    if bit(fields, TESTING):
        tokens.add("TEST")
    if quantity(fields, "ups.load", 0) > 100:
        tokens.add("OVER")
    if output_off(fields):
        tokens.add("OFF")
    return tokens


def _regulation(fields: Fields) -> set[str]:
    """What b5 means: an online UPS is on bypass; for the others the ratio of output to input tells."""
    return {"BYPASS"} if bit(fields, LINE_INTERACTIVE) is False else regulation(fields)


def _alarms(fields: Fields) -> set[str]:
    named = {FAILED: "UPS_FAULT", SHUTDOWN: "SHUTDOWN_PENDING"}
    return {code for place, code in named.items() if bit(fields, place)}


_Q1, _F, _I = b"Q1\r", b"F\r", b"I\r"
_NUT_TABLE = "networkupstools/nut 6c63f774, nutdrv_qx_megatec.c, table of test answers"
_EUROCASE = "Eurocase EA200LED (built by EAST), networkupstools/nut issue 307"

SAMPLES = (
    Sample(
        _Q1,
        b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r",
        {
            "input.voltage": 226.0,
            "input.voltage.fault": 195.0,
            "output.voltage": 226.0,
            "ups.load": 14,
            "input.frequency": 49.0,
            ".battery": "27.5",
            "ups.temperature": 30.0,
            ".bits": "00001000",
        },
        "the example of the protocol's text, also in " + _NUT_TABLE,
    ),
    Sample(
        _Q1,
        b"(230.1 230.1 230.0 042 50.0 2.25 31.0 00000001\r",
        {
            "input.voltage": 230.1,
            "input.voltage.fault": 230.1,
            "output.voltage": 230.0,
            "ups.load": 42,
            "input.frequency": 50.0,
            ".battery": "2.25",
            "ups.temperature": 31.0,
            ".bits": "00000001",
        },
        "made up for an online unit, decoded by blazer_ser of NUT 2.8.0",
    ),
    Sample(
        _Q1,
        b"*003.0 000.0 230.0 026 00.0 25.0 29.0 10001000\r",
        {
            "input.voltage": 3.0,
            "input.voltage.fault": 0.0,
            "output.voltage": 230.0,
            "ups.load": 26,
            "input.frequency": 0.0,
            ".battery": "25.0",
            "ups.temperature": 29.0,
            ".bits": "10001000",
        },
        _EUROCASE,
    ),
    Sample(
        _F,
        b"#220.0 000 024.0 50.0\r",
        {
            "input.voltage.nominal": 220.0,
            "input.current.nominal": 0,
            "battery.voltage.nominal": 24.0,
            "input.frequency.nominal": 50.0,
        },
        _NUT_TABLE,
    ),
    Sample(_F, b"#   .        .     . \r", {}, _EUROCASE),
    Sample(
        _I,
        b"#-------------   ------     VT12046Q  \r",
        {"device.mfr": "-------------", "device.model": "------", "ups.firmware": "VT12046Q"},
        _NUT_TABLE,
    ),
    Sample(_I, b"#                           V2.8      \r", {"ups.firmware": "V2.8"}, _EUROCASE),
    Sample(
        _I,
        b"#MegaTecabcedfhi k130v12345 v3.400000\r",
        {
            ".chip": "MegaTec",
            "device.serial": "abcedfhi",
            ".chip.model": "k130v",
            ".chip.runtime": 12345,
            "ups.firmware": "v3.400000",
        },
        _NUT_TABLE,
    ),
    Sample(b"XYZ\r", b"XYZ\r", {}, "the protocol's text: a command that is not known is echoed"),
)

PROTOCOL = Protocol(
    name="megatec",
    title=TEXT_PROTOCOLS["megatec"].title,
    family=Family.TEXT,
    line=Line(baud=2400, dtr=True, rts=False, terminator=b"\r"),
    timing=Timing(answer_s=1.2, refusal_s=0.4, effect_s=3.0),
    items=ITEMS,
    interpreter=interpreter,
    commands=COMMANDS,
    samples=SAMPLES,
    remark="A low battery while a shutdown counts down cuts the output at once.",
    source="Megatec UPS communication protocol; networkupstools/nut issues 307, 1670, 1932",
    signature=(Q1, F),
)

PROTOCOLS = {PROTOCOL.name: PROTOCOL}
