"""Megatec's questions for three phases, spoken by Kehua and other units with three phases in and out. 2400 baud 8N1, CR.

    G1  !387 100 0060 012.0 +25.0 50.0 50.0 50.0    battery V, charge %, minutes left, battery A, C, input, bypass, output Hz
    G2  !00000010 00000100 00000000                 states A, B, C: below
    G3  !222.0/222.0/222.0 221.0/221.0/221.0 220.0/220.0/220.0 014.0/015.0/014.0    input, bypass, output V; load %
    GF  !220V/380V^3P4W 050 220V/380V^3P4W 050 220V/3P3W^^^^^ 050 396 150KVA^^^^    ratings; ^ stands for a blank

    A: a6 rectifier fault or phases turned, a5 switched off for low battery, a4 battery low, a3 three phases in and one out,
       a2 on battery, a1 boost charge, a0 rectifier runs
    B: b4 bypass frequency bad, b3 manual bypass closed, b2 bypass usable, b1 load on inverter (0: bypass), b0 inverter runs
    C: c6 EPO, c5 DC too high, c4 stopped by the manual bypass, c3 stopped by overload, c2 inverter output bad,
       c1 too hot, c0 short circuit

No command of this family is public. Source: three public readers of such units (Go, Arduino, Lua) that agree.
"""

from __future__ import annotations

from istars.drivers.columns import items_of, query
from istars.drivers.item import Family, Fields, Line, Options, Protocol, Readings, Sample, Timing, When
from istars.drivers.ups import TEXT_PROTOCOLS
from istars.drivers.ups.phases import Phases
from istars.drivers.ups.status import status_readings

G1 = query(
    b"G1",
    "!{battery.voltage:000} {battery.charge:000} {battery.runtime:0000*60} {.amperes:000.0} {ups.temperature:+00.0} "
    "{input.frequency:00.0} {input.bypass.frequency:00.0} {output.frequency:00.0}",
)
G2 = query(b"G2", "!{.a:bits8} {.b:bits8} {.c:bits8}")


def _three(name: str) -> str:
    return "/".join(f"{{{name.format(phase=phase)}:000.0}}" for phase in ("L1", "L2", "L3"))


G3 = query(
    b"G3",
    "!" + " ".join(
        _three(name)
        for name in (
            "input.{phase}-N.voltage", "input.bypass.{phase}-N.voltage", "output.{phase}-N.voltage",
            "output.{phase}.power.percent",
        )
    ),
)  # fmt: skip
GF = query(
    b"GF",
    "!{:text14} {input.frequency.nominal:000} {:text14} {:000} {:text14} {output.frequency.nominal:000} "
    "{battery.voltage.nominal:000} {.rating:text10}",
    When.ONCE,
)

ALARMS = {
    (".a", 6): "RECTIFIER_FAIL", (".b", 4): "BYPASS_BAD", (".c", 6): "EPO", (".c", 5): "UPS_FAULT", (".c", 2): "INVERTER_FAIL",
    (".c", 1): "OVER_TEMPERATURE", (".c", 0): "OUTPUT_SHORT",
}  # fmt: skip


def bit(fields: Fields, group: str, place: int) -> bool:
    """State bit `place`, lowest 0, of group .a, .b or .c."""
    return str(fields.get(group, "0" * 8))[7 - place] == "1"


class Interpreter:
    """Readings from the fields of one poll; remembers how many phases there are."""

    def __init__(self, _options: Options) -> None:
        self._phases = Phases()

    def __call__(self, fields: Fields) -> Readings:
        """Readings of one poll."""
        values = {name: value for name, value in fields.items() if not name.startswith(".")}
        discharging = bit(fields, ".a", 2)
        amperes = fields.get(".amperes")
        if isinstance(amperes, int | float):
            values["battery.current"] = -amperes if discharging else amperes
        rating = str(fields.get(".rating", "")).strip("^ ").removesuffix("KVA")
        if rating.isdecimal():
            values["ups.power.nominal"] = 1000 * int(rating)
        values |= status_readings(
            _tokens(fields), {code for (group, at), code in ALARMS.items() if bit(fields, group, at)}
        )
        return Readings(self._phases.arrange(values))


def _tokens(fields: Fields) -> set[str]:
    if ".a" not in fields:
        return set()
    outputs = [
        float(value) for name, value in fields.items() if name.startswith("output.") and name.endswith("N.voltage")
    ]
    loads = [float(value) for name, value in fields.items() if name.endswith(".power.percent")]
    off = bool(outputs) and max(outputs) < 20
    named = {
        "OB": bit(fields, ".a", 2),
        "OL": not bit(fields, ".a", 2),
        "LB": bit(fields, ".a", 4),
        "BYPASS": not off and not bit(fields, ".b", 1),
        "OVER": max(loads, default=0) > 100,
        "OFF": off,
    }
    return {token for token, there in named.items() if there}


_SRC = "public readers of Megatec three-phase units (Go, Arduino, Lua)"
SAMPLES = (
    Sample(b"G2\r", b"!00000010 00000100 00000000\r", {".a": "00000010", ".b": "00000100", ".c": "00000000"}, _SRC),
    Sample(
        b"G3\r",
        b"!222.0/222.0/222.0 221.0/221.0/221.0 220.0/220.0/220.0 014.0/015.0/014.0\r",
        {
            **{f"input.L{n}-N.voltage": 222.0 for n in (1, 2, 3)},
            **{f"input.bypass.L{n}-N.voltage": 221.0 for n in (1, 2, 3)},
            **{f"output.L{n}-N.voltage": 220.0 for n in (1, 2, 3)},
            "output.L1.power.percent": 14.0,
            "output.L2.power.percent": 15.0,
            "output.L3.power.percent": 14.0,
        },
        _SRC,
    ),
    Sample(
        b"GF\r",
        b"!220V/380V^3P4W 050 220V/380V^3P4W 050 220V/3P3W^^^^^ 050 396 150KVA^^^^\r",
        {
            "input.frequency.nominal": 50,
            "output.frequency.nominal": 50,
            "battery.voltage.nominal": 396,
            ".rating": "150KVA^^^^",
        },
        _SRC,
    ),
)

PROTOCOL = Protocol(
    name="megatec-3ph",
    title=TEXT_PROTOCOLS["megatec-3ph"].title,
    family=Family.TEXT,
    line=Line(baud=2400, dtr=True, rts=False, terminator=b"\r"),
    timing=Timing(answer_s=1.5),
    items=tuple(item for one in (G2, G3, G1, GF) for item in items_of(one)),
    interpreter=Interpreter,
    samples=SAMPLES,
    remark="Readings only: no command of this family is public.",
    source=_SRC,
    signature=(G2, G3),
)
PROTOCOLS = {PROTOCOL.name: PROTOCOL}
