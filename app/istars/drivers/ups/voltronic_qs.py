"""Voltronic QS: the columns of Megatec under QS, where the fifth is the frequency of the output, and some questions more.

    M   V                                                   the variant: P, T and V are known
    QS  (215.0 195.0 230.0 014 49.0 22.7 30.0 00000000      as Q1 of Megatec, but output Hz
    QI  (100 00979 50.0 000.3 177 290 0 0000010000112000    charge %, time left s, input Hz, output A, transfer low, high V

Commands are silent; minutes of a shutdown go to 9. Source: networkupstools/nut 6c63f774, nutdrv_qx_voltronic-qs.c.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

from istars.drivers.columns import items_of, query
from istars.drivers.item import Fields, Group, Item, Limit, Options, Query, Readings, Sample, When
from istars.drivers.ups import TEXT_PROTOCOLS, megatec
from istars.drivers.ups.megatec import Q1, F, interpret

M = Query(b"M", re.compile(rb".*(?P<variant>[PTV]) *", re.DOTALL), When.ONCE)
QS = replace(Q1, send=b"QS")
QI = query(
    b"QI",
    "({battery.charge:000} {battery.runtime:00000} {input.frequency:00.0} {output.current:000.0} "
    "{input.transfer.low:000} {input.transfer.high:000} {:text1} {:text16}",
)

_STATUS = tuple(
    replace(item, name={"input.frequency": "output.frequency"}.get(item.name, item.name), at=Group(QS, item.at.name))
    for item in megatec.ITEMS
    if isinstance(item.at, Group) and item.at.query is Q1
)
_RATINGS = tuple(item for item in megatec.ITEMS if isinstance(item.at, Group) and item.at.query is F)
_COMMANDS = {
    "test.battery.start.quick", "beeper.toggle", "beeper.enable", "beeper.disable", "shutdown.return", "shutdown.stayoff",
    "shutdown.reboot", "shutdown.stop", "load.off", "load.on",
}  # fmt: skip
LONGEST_DELAY = Limit(12, 540, "s")


def _interpret(options: Options, fields: Fields) -> Readings:
    """As Megatec, but what the UPS itself says of its charge is no estimate."""
    made = interpret(options, fields)
    if "battery.charge" not in fields:
        return made
    return Readings({**made.values, "battery.charge": fields["battery.charge"]})


_ORIGIN = "networkupstools/nut 6c63f774, nutdrv_qx_voltronic-qs.c"
_SAMPLES = (
    Sample(b"M\r", b"V\r", {".variant": "V"}, _ORIGIN),
    Sample(
        b"QS\r",
        b"(215.0 195.0 230.0 014 49.0 22.7 30.0 00000000\r",
        {
            "input.voltage": 215.0, "input.voltage.fault": 195.0, "output.voltage": 230.0, "ups.load": 14,
            "output.frequency": 49.0, ".battery": "22.7", "ups.temperature": 30.0, ".bits": "00000000",
        },
        _ORIGIN,
    ),
    Sample(
        b"QI\r",
        b"(100 00979 50.0 000.3 177 290 0 0000010000112000\r",
        {
            "battery.charge": 100, "battery.runtime": 979, "input.frequency": 50.0, "output.current": 0.3,
            "input.transfer.low": 177, "input.transfer.high": 290,
        },
        _ORIGIN,
    ),
)  # fmt: skip

PROTOCOL = replace(
    megatec.PROTOCOL,
    name="voltronic-qs",
    title=TEXT_PROTOCOLS["voltronic-qs"].title,
    items=(*_STATUS, *items_of(QI), *_RATINGS, Item(".variant", Group(M, "variant"), bytes.decode, When.ONCE)),
    interpreter=lambda options: partial(_interpret, options),
    commands=tuple(
        replace(command, limits={**command.limits, "delay_s": LONGEST_DELAY})
        if "delay_s" in command.limits
        else command
        for command in megatec.PROTOCOL.commands
        if command.name in _COMMANDS
    ),
    samples=_SAMPLES,
    source=_ORIGIN,
    signature=(M, QS),
)
PROTOCOLS = {PROTOCOL.name: PROTOCOL}
