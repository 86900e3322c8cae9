"""A UPS behind another network card: the objects of RFC 1628 (UPS-MIB), below 1.3.6.1.2.1.33.1.

Which object carries which reading stands in `model/readings.py`. States:

    2.1.0 battery: 1 unknown, 2 normal, 3 low, 4 depleted     4.1.0 output: 1 other, 2 none, 3 normal, 4 bypass, 5 battery,
    7.3.0 test: 1 passed, 2 warning, 3 error, 4 aborted,                    6 booster, 7 reducer
          5 in progress, 6 none                               9.8.0 buzzer: 1 disabled, 2 enabled, 3 muted
    6.2.1.2 alarms present: object identifiers 6.3.n

Cards differ in what they leave out; some say output "none" of a healthy unit, so the output is off only if it has no voltage.
Source: RFC 1628; networkupstools/nut issue 2608 for what cards get wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from istars.drivers import ber
from istars.drivers.columns import Scaled, number
from istars.drivers.item import (
    Command,
    Decoder,
    Family,
    Fields,
    Item,
    Limit,
    Line,
    Oid,
    Options,
    Order,
    Protocol,
    Readings,
    Sample,
    Settable,
    Timing,
    When,
)
from istars.drivers.ups import NETWORK_PROTOCOLS
from istars.drivers.ups.phases import Phases
from istars.drivers.ups.status import status_readings
from istars.model.readings import READINGS, Kind, Reading, Value

MIB = "1.3.6.1.2.1.33.1"
WELL_KNOWN = f"{MIB}.6.3."
ONCE = ("1.", "9.")
"""Groups that do not change while a card runs: identity and configuration."""

SOURCES = {3: "OL", 4: "OL BYPASS", 5: "OB", 6: "OL BOOST", 7: "OL TRIM"}
TESTS = {1: "passed", 2: "failed", 3: "failed", 4: "stopped", 5: "running", 6: "none"}
BEEPER = {1: "disabled", 2: "enabled", 3: "muted"}
CODES = {
    1: "BATTERY_REPLACE", 4: "BATTERY_DEPLETED", 5: "OVER_TEMPERATURE", 6: "INPUT_BAD", 7: "OUTPUT_BAD", 10: "BYPASS_BAD",
    13: "CHARGER_FAIL", 16: "FAN_FAIL", 17: "FUSE_FAIL", 18: "UPS_FAULT", 19: "TEST_FAILED", 21: "AWAITING_POWER",
    22: "SHUTDOWN_PENDING", 23: "SHUTDOWN_IMMINENT",
}  # fmt: skip
"""Well-known alarms to ours; the others follow from the status, or the card finds them out itself."""


def utf8(raw: bytes) -> str | None:
    """A text without what cannot be printed."""
    return "".join(sign for sign in raw.decode("utf-8", "replace") if sign.isprintable()).strip() or None


def numbers_of(raw: bytes) -> str:
    """Numbers of the well-known alarms in a list of object identifiers."""
    ours = (
        one.removeprefix(WELL_KNOWN) for one in raw.decode("ascii", "replace").split() if one.startswith(WELL_KNOWN)
    )
    return " ".join(one for one in ours if one.isdecimal())


def _decoder(reading: Reading, factor: float) -> Decoder:
    if reading.kind is not Kind.NUMBER:
        return utf8
    return number if factor == 1 else Scaled(1 / factor)


def _items() -> tuple[Item, ...]:
    found: dict[str, Item] = {}
    for name, reading in READINGS.items():
        place = reading.rfc1628
        # A reading of one phase has the object of L1, which stands further down under its own name.
        if place is not None:
            when = When.ONCE if place.object.startswith(ONCE) else When.EACH_POLL
            found[place.object] = Item(name, Oid(place.object), _decoder(reading, place.factor), when)
    states = {
        ".battery": "2.1.0", ".source": "4.1.0", ".test": "7.3.0", ".beeper": "9.8.0", ".shutdown": "8.2.0",
    }  # fmt: skip
    found |= {place: Item(name, Oid(place), number) for name, place in states.items()}
    return (*found.values(), Item(".alarms", Oid("6.2.1.2", table=True), numbers_of))


class Interpreter:
    """Readings from the objects of one poll; remembers how many phases there are."""

    def __init__(self, _options: Options) -> None:
        self._phases = Phases()

    def __call__(self, fields: Fields) -> Readings:
        """Readings of one poll."""
        values = {name: value for name, value in fields.items() if not name.startswith(".")}
        shutdown = fields.get(".shutdown")
        if isinstance(shutdown, int | float) and shutdown >= 0:
            values["ups.timer.shutdown"] = shutdown
        if fields.get(".test") in TESTS:
            values["ups.test.result"] = TESTS[int(fields[".test"])]
        if fields.get(".beeper") in BEEPER:
            values["ups.beeper.status"] = BEEPER[int(fields[".beeper"])]
        values = self._phases.arrange(values)
        alarms = {int(one) for one in str(fields.get(".alarms", "")).split()}
        values |= status_readings(_tokens(fields, values, alarms), {CODES[one] for one in alarms if one in CODES})
        return Readings(values)


def _tokens(fields: Fields, values: Mapping[str, Value], alarms: set[int]) -> set[str]:
    source = fields.get(".source")
    tokens = set(SOURCES.get(int(source), "").split()) if isinstance(source, int | float) else set()
    if source == 2:
        tokens.add("OB" if 2 in alarms or 6 in alarms else "OL")
        tokens |= {"OFF"} if not _alive(values) else set()
    named = {
        "LB": fields.get(".battery") in (3, 4) or 3 in alarms,
        "OVER": 8 in alarms,
        "OFF": 14 in alarms,
        "TEST": fields.get(".test") == 5 or 24 in alarms,
        "BYPASS": 9 in alarms,
        "RB": 1 in alarms,
    }
    if tokens & {"OB"} and named["TEST"] and 2 not in alarms:
        # A test takes the load to the battery while the mains is there.
        tokens = tokens - {"OB"} | {"OL"}
    return tokens | {token for token, there in named.items() if there} if tokens else set()


def _alive(values: Mapping[str, Value]) -> bool:
    """Whether the output has voltage, as far as the card tells."""
    volts = [value for name, value in values.items() if name.startswith("output.") and name.endswith("voltage")]
    return not volts or any(isinstance(value, int | float) and value > 20 for value in volts)


def _set(says: str, *pairs: tuple[str, int | str], counts_s: int = 0) -> Order:
    bound = [
        (f"{MIB}.{place}", ber.Value(ber.OID if isinstance(value, str) else ber.INTEGER, value))
        for place, value in pairs
    ]
    return Order(ber.bindings(bound), says, counts_s)


def _fixed(says: str, *pairs: tuple[str, int | str]) -> Callable[[Mapping[str, int]], Order]:
    order = _set(says, *pairs)
    return lambda _arguments: order


def _test(name: str, says: str, which: int) -> Command:
    return Command(
        name,
        _fixed(says, ("7.1.0", f"{MIB}.7.7.{which}")),
        {},
        (lambda _before, now: now.get(".test") != 5) if which == 2 else (lambda _before, now: now.get(".test") == 5),
        "the UPS reports no test running" if which == 2 else "the UPS reports a test running",
    )


def _beeper(name: str, says: str, state: int) -> Command:
    return Command(name, _fixed(says, ("9.8.0", state)), {}, lambda _before, now: now.get(".beeper") == state,
                   "the UPS reports it")  # fmt: skip


def _counting(_before: Fields, now: Fields) -> bool:
    shutdown = now.get(".shutdown")
    return isinstance(shutdown, int | float) and shutdown >= 0


DELAY = Limit(0, 5940, "s")
_COUNTS = "the UPS reports the countdown"

COMMANDS = (
    _test("test.battery.start.quick", "Short battery test", 4),
    _test("test.battery.start.deep", "Battery test until low", 5),
    _test("test.battery.stop", "End of the battery test", 2),
    _beeper("beeper.enable", "Beeper on", 2),
    _beeper("beeper.disable", "Beeper off", 1),
    _beeper("beeper.mute", "Beeper muted", 3),
    Command(
        "shutdown.return",
        lambda given: _set(f"Output off in {given['delay_s']} s, on again when mains returns",
                           ("8.1.0", 1), ("8.5.0", 1), ("8.2.0", given["delay_s"]), counts_s=given["delay_s"]),
        {"delay_s": DELAY}, _counting, _COUNTS,
    ),
    Command(
        "shutdown.stayoff",
        lambda given: _set(f"Output off in {given['delay_s']} s, to stay off",
                           ("8.1.0", 1), ("8.5.0", 2), ("8.2.0", given["delay_s"]), counts_s=given["delay_s"]),
        {"delay_s": DELAY}, _counting, _COUNTS,
    ),
    Command("shutdown.stop", _fixed("Shutdown cancelled", ("8.2.0", -1)), {},
            lambda before, now: not _counting(before, now), "the UPS reports no countdown"),
    Command("load.off", _fixed("Output off at once", ("8.1.0", 1), ("8.5.0", 2), ("8.2.0", 0))),
    Command("load.on", _fixed("Output on", ("8.3.0", 0))),
)  # fmt: skip


def _object(name: str, place: str, factor: int = 1, low: float = 0, high: float = 99_999) -> Settable:
    """A number; `factor` of the object's units make one of the variable's."""

    def write(value: Value) -> bytes:
        return _set("", (place, round(float(value) * factor))).payload

    return Settable(name, Item(name, Oid(place), Scaled(1 / factor), When.ONCE), write, lambda _fields: (low, high))


def _minutes(name: str, place: str) -> Settable:
    """Whole minutes in the object, seconds in the variable; what is between is the next longer time."""

    def write(value: Value) -> bytes:
        return _set("", (place, -(-int(value) // 60))).payload

    return Settable(name, Item(name, Oid(place), Scaled(60), When.ONCE), write, lambda _fields: (60, 5940))


def _chosen(name: str, place: str, words: Mapping[int, str]) -> Settable:
    numbers = {word: code for code, word in words.items()}
    return Settable(
        name,
        Item(name, Oid(place), lambda raw: words.get(int(raw)) if raw.isdigit() else None, When.ONCE),
        lambda value: _set("", (place, numbers[str(value)])).payload,
        choices=tuple(numbers),
    )


def _name(value: Value) -> bytes:
    return ber.bindings([(f"{MIB}.1.5.0", ber.Value(ber.OCTETS, str(value).encode()))])


VARIABLES = (
    Settable("ups.id", Item("ups.id", Oid("1.5.0"), utf8, When.ONCE), _name),
    _chosen("ups.start.auto", "8.5.0", {1: "yes", 2: "no"}),
    _minutes("battery.runtime.low", "9.7.0"),
    _object("input.transfer.low", "9.9.0", high=1000),
    _object("input.transfer.high", "9.10.0", high=1000),
    _object("input.voltage.nominal", "9.1.0", high=1000),
    _object("input.frequency.nominal", "9.2.0", 10, high=100),
    _object("output.voltage.nominal", "9.3.0", high=1000),
    _object("output.frequency.nominal", "9.4.0", 10, high=100),
)
"""Objects of RFC 1628 that may be written. Many cards refuse what they do not like: their answer decides."""

PROTOCOL = Protocol(
    name="rfc1628",
    title=NETWORK_PROTOCOLS["rfc1628"].title,
    family=Family.SNMP,
    line=Line(),
    timing=Timing(answer_s=2.0, effect_s=5.0),
    items=_items(),
    interpreter=Interpreter,
    commands=COMMANDS,
    variables=VARIABLES,
    remark="SNMP version 1 or 2c. Whoever knows the community may read, and command where the other card allows it.",
    samples=(
        Sample(
            b"",
            bytes.fromhex(
                "30 45 02 01 01 04 06 70 75 62 6c 69 63 a2 38 02 01 07 02 01 00 02 01 00 30 2d 30 0f 06 0a 2b 06 01 02 "
                "01 21 01 02 04 00 02 01 57 30 1a 06 0a 2b 06 01 02 01 21 01 01 02 00 04 0c 45 41 39 30 36 53 20 20 20 "
                "20 20 20 "
            ),
            {"battery.charge": 87, "device.model": "EA906S"},
            "RFC 1628 and RFC 3416",
        ),
    ),
    source="RFC 1628",
)
PROTOCOLS = {PROTOCOL.name: PROTOCOL}
