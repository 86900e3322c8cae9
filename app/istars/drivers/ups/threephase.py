"""Three-phase units of the Megatec family: Q6 (Santak, Ippon and other WinPower units) and Q2. 2400 baud 8N1, CR.

    Q6  (227.0 225.6 230.0 50.0 229.9 230.1 230.4 49.9 007 012 009 327.8 000.0 23.0 06932 100 32 00000000 00000000 11
         input V of three   Hz  output V of three   Hz  load % of     battery V    C    time  %  |  fault    warning  topology
         phases                 phases                  three phases  + and -           left s   battery
    Q2  (226.6 224.3 228.0 226.6 229.9 000.0 000.0 000 000 000 49.9 327.6 18.0 00000000 999.24 100 02 00 00 00 00 00000000 11
         input V                fault V output V        load %      Hz  battery C  bits   min left %
    WA  (001.4 000.0 000.0 001.4 000.0 000.0 001.4 001.4 006.5 000.0 000.0 007 00000000
         kW of three phases  kVA of three phases kW    kVA   A of three phases  load % bits
    BPS (230.4 000.0 000.0 49.9                               bypass V of three phases, Hz
    Q1  status bits; its other columns repeat the first phase

Units with three input phases and one output phase leave L2 and L3 of the output at 0. Commands are those of Megatec.
Source: networkupstools/nut 6c63f774, nutdrv_qx_q6.c, nutdrv_qx_q2.c, nutdrv_qx_innovart31.c.
"""

from __future__ import annotations

from dataclasses import replace

from istars.drivers.columns import items_of, query
from istars.drivers.item import Fields, Group, Item, Options, Protocol, Query, Readings, Sample, When
from istars.drivers.ups import TEXT_PROTOCOLS, megatec
from istars.drivers.ups.megatec import F, interpret
from istars.drivers.ups.phases import Phases

_INPUT = "{input.L1-N.voltage:000.0} {input.L2-N.voltage:000.0} {input.L3-N.voltage:000.0}"
_OUTPUT = "{output.L1-N.voltage:000.0} {output.L2-N.voltage:000.0} {output.L3-N.voltage:000.0}"
_LOAD = "{output.L1.power.percent:000} {output.L2.power.percent:000} {output.L3.power.percent:000}"

Q6 = query(
    b"Q6",
    f"({_INPUT} {{input.frequency:00.0}} {_OUTPUT} {{output.frequency:00.0}} {_LOAD} {{battery.voltage:000.0}} "
    "{istars.battery.negative.voltage:000.0} {ups.temperature:00.0} {battery.runtime:00000} {battery.charge:000} {:text2} "
    "{:text8} {:text8} {.topology:text2}",
)
Q2 = query(
    b"Q2",
    f"({_INPUT} {{input.voltage.fault:000.0}} {_OUTPUT} {_LOAD} {{input.frequency:00.0}} {{battery.voltage:000.0}} "
    "{ups.temperature:00.0} {.bits:bits8} {battery.runtime:000.00*60} {battery.charge:000} {:text2} {:text2} {:text2} {:text2} "
    "{:text2} {:text8} {.topology:text2}",
)
WA = query(
    b"WA",
    "({output.L1.realpower:000.0*1000} {output.L2.realpower:000.0*1000} {output.L3.realpower:000.0*1000} "
    "{output.L1.power:000.0*1000} {output.L2.power:000.0*1000} {output.L3.power:000.0*1000} "
    "{ups.realpower:000.0*1000} {ups.power:000.0*1000} "
    "{output.L1.current:000.0} {output.L2.current:000.0} {output.L3.current:000.0} {:000} {:bits8}",
)
BPS = query(
    b"BPS",
    "({input.bypass.L1-N.voltage:000.0} {input.bypass.L2-N.voltage:000.0} {input.bypass.L3-N.voltage:000.0} "
    "{input.bypass.frequency:00.0}",
    When.RARELY,
)


class Interpreter:
    """Readings from the fields of one poll; remembers how many phases there are."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._phases = Phases()

    def __call__(self, fields: Fields) -> Readings:
        """As Megatec, with the columns of each phase; what the UPS says of charge and time left is no estimate."""
        made = dict(interpret(self._options, fields).values)
        made |= {name: value for name, value in fields.items() if not name.startswith(".")}
        if made.get("istars.battery.negative.voltage") == 0:
            del made["istars.battery.negative.voltage"]
        loads = [
            value for name, value in fields.items() if name.endswith(".power.percent") and not isinstance(value, str)
        ]
        status = str(made.get("ups.status", ""))
        if status and max(loads, default=0) > 100 and "OVER" not in status.split():
            made["ups.status"] = f"{status} OVER"
        return Readings(self._phases.arrange(made))


def _items(*queries: Query, bits: bool) -> tuple[Item, ...]:
    """Items of `queries`, and those of Q1 where its status bits are needed."""
    common = tuple(item for item in megatec.ITEMS if isinstance(item.at, Group) and item.at.query is F)
    wanted = tuple(item for item in megatec.ITEMS if bits and item.name == ".bits")
    return (*(item for one in queries for item in items_of(one)), *wanted, *common)


_SRC = "networkupstools/nut 6c63f774, nutdrv_qx_{}.c"
_COMMON = (
    Sample(
        b"WA\r",
        b"(001.4 000.0 000.0 001.4 000.0 000.0 001.4 001.4 006.5 000.0 000.0 007 00000000\r",
        {
            "output.L1.realpower": 1400, "output.L2.realpower": 0, "output.L3.realpower": 0, "output.L1.power": 1400,
            "output.L2.power": 0, "output.L3.power": 0, "ups.realpower": 1400, "ups.power": 1400,
            "output.L1.current": 6.5, "output.L2.current": 0.0, "output.L3.current": 0.0,
        },
        _SRC.format("q2"),
    ),
    Sample(
        b"BPS\r",
        b"(230.4 000.0 000.0 49.9\r",
        {
            "input.bypass.L1-N.voltage": 230.4, "input.bypass.L2-N.voltage": 0.0, "input.bypass.L3-N.voltage": 0.0,
            "input.bypass.frequency": 49.9,
        },
        _SRC.format("innovart31"),
    ),
)  # fmt: skip
_SAMPLES = {
    "q6": Sample(
        b"Q6\r",
        b"(227.0 225.6 230.0 50.0 229.9 230.1 230.4 49.9 007 012 009 327.8 000.0 23.0 06932 100 32 00000000 00000000 11\r",
        {
            "input.L1-N.voltage": 227.0, "input.L2-N.voltage": 225.6, "input.L3-N.voltage": 230.0, "input.frequency": 50.0,
            "output.L1-N.voltage": 229.9, "output.L2-N.voltage": 230.1, "output.L3-N.voltage": 230.4,
            "output.frequency": 49.9, "output.L1.power.percent": 7, "output.L2.power.percent": 12,
            "output.L3.power.percent": 9, "battery.voltage": 327.8, "istars.battery.negative.voltage": 0.0,
            "ups.temperature": 23.0, "battery.runtime": 6932, "battery.charge": 100, ".topology": "11",
        },
        "decoded by nutdrv_qx of networkupstools/nut 6c63f774, protocol q6",
    ),
    "q2": Sample(
        b"Q2\r",
        b"(226.6 224.3 228.0 226.6 229.9 000.0 000.0 000 000 000 49.9 327.6 18.0 00000000 999.24 100 02 00 00 00 00 "
        b"00000000 11\r",
        {
            "input.L1-N.voltage": 226.6, "input.L2-N.voltage": 224.3, "input.L3-N.voltage": 228.0,
            "input.voltage.fault": 226.6, "output.L1-N.voltage": 229.9, "output.L2-N.voltage": 0.0,
            "output.L3-N.voltage": 0.0, "output.L1.power.percent": 0, "output.L2.power.percent": 0,
            "output.L3.power.percent": 0, "input.frequency": 49.9, "battery.voltage": 327.6, "ups.temperature": 18.0,
            ".bits": "00000000", "battery.runtime": 59954.4, "battery.charge": 100, ".topology": "11",
        },
        _SRC.format("q2"),
    ),
}  # fmt: skip


def _protocol(name: str, status: Query, bits: bool) -> Protocol:
    return replace(
        megatec.PROTOCOL,
        name=name,
        title=TEXT_PROTOCOLS[name].title,
        items=_items(status, WA, BPS, bits=bits),
        interpreter=Interpreter,
        samples=(_SAMPLES[name], *_COMMON),
        source=_SRC.format(name),
        signature=(status,),
    )


PROTOCOLS = {"q6": _protocol("q6", Q6, bits=True), "q2": _protocol("q2", Q2, bits=False)}
