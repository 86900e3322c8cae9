"""Voltronic P series (Viewpower units and their many names): 2400 baud 8N1, every question answered, (NAK for an unknown one.

    QPI   (PI01                          the dialect; PI30 is that of solar inverters and is no UPS
    QGS   status: 76 bytes, drawn below; ---.- where there is nothing
    QMOD  (L                             P power-on, S standby, Y bypass, L line, B battery, T battery test, F fault,
                                         E economy, C converter, D shutdown
    QWS   ( and 64 warnings              `voltronic_states.py`
    QBV   (026.5 02 01 068 255           battery V, blocks, packs, charge %, time left in minutes (three or five digits)
    Q3PV, Q3OV, Q3YV, Q3LD, Q3OC         voltages to neutral and between phases, load and current of three phases
    QRI   (230.0 004 024.0 50.0          rated output V, output A, battery V, Hz
    QMD   (#######OLHVT1K0 ###1000 80 1/1 230 230 02 12.0   model, VA, power factor %, phases, V in, V out, blocks, V each
    QVFW, QID, QMF                       (VERFW:00322.02, (serial number, (maker
    QSK1, QSK2                           (1 or (0: outlet groups

    QGS, bits b11..b0: b11 b10 type: 00 offline, 01 line-interactive, 10 online; b9 utility fails; b8 battery low;
    b7 bypass or boost; b6 fault; b5 EPO; b4 test; b3 shutdown counting down; b2 beeper silenced; b1 last battery test failed;
    b0 it passed

Commands are answered by (ACK or (NAK.
Source: networkupstools/nut 6c63f774, nutdrv_qx_voltronic.c; manuals of Grafenthal USV-PTR and Ladis G31.
"""

from __future__ import annotations

import re

from istars.drivers.columns import items_of, query
from istars.drivers.item import Family, Group, Item, Line, Protocol, Query, Sample, Timing, When
from istars.drivers.ups import TEXT_PROTOCOLS
from istars.drivers.ups.voltronic_commands import COMMANDS
from istars.drivers.ups.voltronic_states import Interpreter
from istars.drivers.ups.voltronic_variables import variables

QPI = Query(b"QPI", re.compile(rb".*\(PI(?P<protocol>0[0-389]|1[034]|31|99) *", re.DOTALL), When.ONCE)
QGS = query(
    b"QGS",
    "({input.voltage:000.0} {input.frequency:00.0} {output.voltage:000.0} {output.frequency:00.0} {output.current:000.0} "
    "{ups.load:000} {:000.0} {:000.0} {.battery.positive:000.0} {istars.battery.negative.voltage:000.0} "
    "{ups.temperature:000.0} {.bits:bits12}",
)
QMOD = query(b"QMOD", "({.mode:text1}")
QWS = query(b"QWS", "({.warnings:bits64}")
QBV = query(
    b"QBV",
    "({battery.voltage:000.0} {istars.battery.blocks:00} {battery.packs:00} {battery.charge:000} "
    "{battery.runtime:000|00000*60}",
)
_BETWEEN_PHASES = " {:000.0} {:000.0} {:000.0}"


def _phases(send: bytes, name: str, picture: str, more: str = "") -> Query:
    columns = (f"{{{name.format(phase=phase)}:{picture}}}" for phase in ("L1", "L2", "L3"))
    return query(send, "(" + " ".join(columns) + more)


Q3PV = _phases(b"Q3PV", "input.{phase}-N.voltage", "000.0", _BETWEEN_PHASES)
Q3OV = _phases(b"Q3OV", "output.{phase}-N.voltage", "000.0", _BETWEEN_PHASES)
Q3YV = _phases(b"Q3YV", "input.bypass.{phase}-N.voltage", "000.0", _BETWEEN_PHASES)
Q3LD = _phases(b"Q3LD", "output.{phase}.power.percent", "000")
Q3OC = _phases(b"Q3OC", "output.{phase}.current", "000|000.0")
QRI = query(
    b"QRI",
    "({output.voltage.nominal:000.0} {output.current.nominal:000} {battery.voltage.nominal:000.0} "
    "{output.frequency.nominal:00.0}",
    When.ONCE,
)
QMD = query(
    b"QMD",
    "({device.model:text15} {ups.power.nominal:0000000} {.powerfactor:00} {.phases:text3} {input.voltage.nominal:000} "
    "{:000} {:00} {:00.0}",
    When.ONCE,
)
# The width of a rated power is filled with "#", which no other number has.
QMD = Query(QMD.send, re.compile(QMD.answer.pattern.replace(b"[ 0-9.@+-]{7}", b"[ 0-9#]{7}"), re.DOTALL), When.ONCE,
            QMD.template)  # fmt: skip
QVFW = query(b"QVFW", "(VERFW:{ups.firmware:text1-10}", When.ONCE)
QID = query(b"QID", "({device.serial:text1-20}", When.ONCE)
QMF = query(b"QMF", "({device.mfr:text1-15}", When.ONCE)
# A socket is switched by the panel as well, but seldom.
QSK1, QSK2 = (query(b"QSK%d" % group, f"({{.outlet.{group}:bits1}}") for group in (1, 2))

_QUERIES = (QGS, QMOD, QWS, QBV, Q3PV, Q3OV, Q3YV, Q3LD, Q3OC, QSK1, QSK2, QRI, QMD, QVFW, QID, QMF)
_SRC = "networkupstools/nut 6c63f774, nutdrv_qx_voltronic.c, table of test answers"

SAMPLES = (
    Sample(b"QPI\r", b"(PI01\r", {".protocol": "01"}, _SRC),
    Sample(
        b"QGS\r",
        b"(234.9 50.0 229.8 50.0 000.0 000 369.1 ---.- 026.5 ---.- 018.8 100000000001\r",
        {
            "input.voltage": 234.9, "input.frequency": 50.0, "output.voltage": 229.8, "output.frequency": 50.0,
            "output.current": 0.0, "ups.load": 0, ".battery.positive": 26.5, "ups.temperature": 18.8,
            ".bits": "100000000001",
        },
        _SRC,
    ),
    Sample(
        b"QGS\r",
        b"(225.2 50.0 220.0 50.0 027.0 073 360.8 359.9 241.0 ---.- 045.0 100011000000\r",
        {
            "input.voltage": 225.2, "input.frequency": 50.0, "output.voltage": 220.0, "output.frequency": 50.0,
            "output.current": 27.0, "ups.load": 73, ".battery.positive": 241.0, "ups.temperature": 45.0,
            ".bits": "100011000000",
        },
        "Ladis G31, service manual, page 58",
    ),
    Sample(b"QMOD\r", b"(L\r", {".mode": "L"}, _SRC),
    Sample(
        b"QBV\r",
        b"(026.5 02 01 068 255\r",
        {
            "battery.voltage": 26.5, "istars.battery.blocks": 2, "battery.packs": 1, "battery.charge": 68,
            "battery.runtime": 15_300,
        },
        _SRC,
    ),
    Sample(
        b"QBV\r",
        b"(041.0 03 01 100 00037\r",
        {
            "battery.voltage": 41.0, "istars.battery.blocks": 3, "battery.packs": 1, "battery.charge": 100,
            "battery.runtime": 2220,
        },
        "networkupstools/nut issue 2765",
    ),
    Sample(
        b"Q3PV\r",
        b"(123.4 456.4 789.4 012.4 323.4 223.4\r",
        {"input.L1-N.voltage": 123.4, "input.L2-N.voltage": 456.4, "input.L3-N.voltage": 789.4},
        _SRC,
    ),
    Sample(
        b"QRI\r",
        b"(230.0 004 024.0 50.0\r",
        {
            "output.voltage.nominal": 230.0, "output.current.nominal": 4, "battery.voltage.nominal": 24.0,
            "output.frequency.nominal": 50.0,
        },
        _SRC,
    ),
    Sample(
        b"QMD\r",
        b"(#######OLHVT1K0 ###1000 80 1/1 230 230 02 12.0\r",
        {
            "device.model": "OLHVT1K0", "ups.power.nominal": 1000, ".powerfactor": 80, ".phases": "1/1",
            "input.voltage.nominal": 230,
        },
        _SRC,
    ),
    Sample(b"QVFW\r", b"(VERFW:00322.02\r", {"ups.firmware": "00322.02"}, _SRC),
    Sample(b"QID\r", b"(12345679012345\r", {"device.serial": "12345679012345"}, _SRC),
    Sample(b"QSK1\r", b"(1\r", {".outlet.1": "1"}, _SRC),
)  # fmt: skip

PROTOCOL = Protocol(
    name="voltronic",
    title=TEXT_PROTOCOLS["voltronic"].title,
    family=Family.TEXT,
    line=Line(baud=2400, dtr=True, rts=False, terminator=b"\r"),
    timing=Timing(answer_s=1.5, refusal_s=0.8, effect_s=4.0),
    items=(
        *(item for one in _QUERIES for item in items_of(one)),
        Item(".protocol", Group(QPI, "protocol"), bytes.decode, When.ONCE),
    ),
    interpreter=lambda _options: Interpreter(),
    commands=COMMANDS,
    variables=variables(QBV),
    samples=SAMPLES,
    remark="What a unit does not have it answers by (NAK; that is then not asked again.",
    source="networkupstools/nut 6c63f774, nutdrv_qx_voltronic.c; manuals of Grafenthal USV-PTR and Ladis G31",
    signature=(QPI,),
)
PROTOCOLS = {PROTOCOL.name: PROTOCOL}
