"""A UPS on a server of Network UPS Tools: its variables are our readings, because both have the names of RFC 9271.

Tokens of `ups.status` are taken over; CAL stands there for a battery test too. Of `ups.alarm`, which is free text there,
only that there is an alarm. Source: RFC 9271; networkupstools/nut, docs/net-protocol.txt and docs/nut-names.txt.
"""

from __future__ import annotations

from collections.abc import Mapping

from istars.drivers.columns import number
from istars.drivers.item import (
    Command,
    Family,
    Fields,
    Item,
    Limit,
    Line,
    Options,
    Order,
    Protocol,
    Readings,
    Sample,
    Timing,
    Variable,
)
from istars.drivers.ups import NETWORK_PROTOCOLS
from istars.drivers.ups.phases import Phases
from istars.drivers.ups.rfc1628 import utf8
from istars.drivers.ups.status import status_readings
from istars.model.commands import COMMANDS as DECLARED
from istars.model.readings import READINGS, STATUS_TOKENS, Kind

OWN = ("istars.", "ambient.")
"""Readings that no such server has, or that are of another place than the UPS."""

DERIVED = ("ups.status", "ups.alarm")
ALARMS = {"FSD": "SHUTDOWN_PENDING", "RB": "BATTERY_REPLACE", "ALARM": "UPS_FAULT"}
RESULTS = {
    "passed": "passed", "done and passed": "passed", "failed": "failed", "done and error": "failed", "in progress": "running",
    "aborted": "stopped",
}  # fmt: skip


def _items() -> tuple[Item, ...]:
    named = [
        Item(name, Variable(name), number if reading.kind is Kind.NUMBER else utf8)
        for name, reading in READINGS.items()
        if not name.startswith(OWN) and name not in (*DERIVED, "ups.test.result", "ups.type", "ups.beeper.status")
    ]
    private = {
        ".status": "ups.status", ".test": "ups.test.result", ".type": "ups.type", ".beeper": "ups.beeper.status",
        ".mfr": "ups.mfr", ".model": "ups.model", ".serial": "ups.serial",
    }  # fmt: skip
    return (*named, *(Item(name, Variable(variable), utf8) for name, variable in private.items()))


class Interpreter:
    """Readings from the variables of one list; remembers how many phases there are."""

    def __init__(self, _options: Options) -> None:
        self._phases = Phases()

    def __call__(self, fields: Fields) -> Readings:
        """Readings of one poll."""
        values = {name: value for name, value in fields.items() if not name.startswith(".")}
        for name in ("mfr", "model", "serial"):
            if f".{name}" in fields:
                values.setdefault(f"device.{name}", fields[f".{name}"])
        for private, name in ((".type", "ups.type"), (".beeper", "ups.beeper.status")):
            if fields.get(private) in READINGS[name].values:
                values[name] = fields[private]
        said = str(fields.get(".test", "")).lower()
        result = next((ours for theirs, ours in RESULTS.items() if theirs in said), None)
        if result:
            values["ups.test.result"] = result
        words = str(fields.get(".status", "")).split()
        tokens = {word for word in words if word in STATUS_TOKENS and word != "ALARM"}
        return Readings(
            {
                **self._phases.arrange(values),
                **status_readings(tokens, {ALARMS[word] for word in words if word in ALARMS}),
            }
        )


def _plain(name: str) -> Command:
    order = Order(b"INSTCMD {ups} " + name.encode(), DECLARED[name].label)
    return Command(name, lambda _arguments: order)


def _delayed(name: str, variables: Mapping[str, str]) -> Command:
    """A shutdown with its delays, which such a server takes as variables before the command."""

    def order(given: Mapping[str, int]) -> Order:
        sets = [f'SET VAR {{ups}} {variable} "{given[argument]}"' for argument, variable in variables.items()]
        return Order(
            "\n".join([*sets, f"INSTCMD {{ups}} {name}"]).encode(),
            f"{DECLARED[name].label} in {given['delay_s']} s",
            given["delay_s"],
        )

    return Command(name, order, dict.fromkeys(variables, Limit(0, 599_940, "s")))


_OFF, _ON = {"delay_s": "ups.delay.shutdown"}, {"delay_s": "ups.delay.shutdown", "return_s": "ups.delay.start"}

COMMANDS = (
    *(
        _plain(name)
        for name in (
            "test.battery.start.quick", "test.battery.start.deep", "test.battery.stop", "beeper.toggle", "beeper.mute",
            "beeper.enable", "beeper.disable", "shutdown.stop", "load.off", "load.on", "bypass.start", "bypass.stop",
            "outlet.1.load.off", "outlet.1.load.on", "outlet.2.load.off", "outlet.2.load.on",
        )
    ),
    _delayed("shutdown.return", _OFF),
    _delayed("shutdown.stayoff", _OFF),
    _delayed("shutdown.reboot", _ON),
)  # fmt: skip

PROTOCOL = Protocol(
    name="nut",
    title=NETWORK_PROTOCOLS["nut"].title,
    family=Family.NUT,
    line=Line(),
    timing=Timing(answer_s=3.0),
    items=_items(),
    interpreter=Interpreter,
    commands=COMMANDS,
    remark="Commands need a user of that server; which of them the UPS has, the server says when they are given.",
    samples=(
        Sample(
            b"LIST VAR meg\n",
            b'BEGIN LIST VAR meg\nVAR meg battery.charge "87"\nVAR meg device.model "UPS \\"3000\\""\nVAR meg ups.status "OL"\n'
            b"END LIST VAR meg\n",
            {"battery.charge": 87, "device.model": 'UPS "3000"', ".status": "OL"},
            "upsd 2.8.0, and RFC 9271 for what is in quotes",
        ),
    ),
    source="RFC 9271; networkupstools/nut, docs/nut-names.txt",
)
PROTOCOLS = {PROTOCOL.name: PROTOCOL}
