"""The device side of text protocols, rendered from the card's own declarations: each question with a template is answered by
that template, filled from the physics.

In: one line with its CR; out: the answer. Who else reads these protocols (Network UPS Tools) is the witness that the
declarations are right; this side only keeps simulator and driver from drifting apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from istars.drivers.columns import Column, parts
from istars.drivers.item import Group, Query
from istars.drivers.ups import megatec, protocol_named

from .megatec import Megatec
from .physics import Ups
from .powertrain import PHASE_SHARES

Facts = Mapping[str, float | str]

P_MODES: Final = {
    "standby": "S", "bypass": "Y", "line": "L", "battery": "B", "test": "T", "fault": "F", "shutdown": "S",
}  # fmt: skip
P_SHUTDOWN: Final = re.compile(r"S(\.[2-9]|[0-9]{2})(?:R([0-9]{4}))?")
P_FLAG: Final = re.compile(r"P([ED])([A-Z])")
P_LIMIT: Final = re.compile(r"(HEH|HEL|PHV|PLV)([0-9]{3})")
P_PACKS: Final = re.compile(r"BATGN([0-9]{2})")
P_TEST: Final = re.compile(r"T(\.[2-9]|[0-9]{2})")


def render(template: str, facts: Facts) -> bytes:
    """The template with its columns filled; dashes where there is nothing."""
    return "".join(
        part if isinstance(part, str) else _column(part, facts.get(part.name)) for part in parts(template)
    ).encode("ascii")


def _column(column: Column, value: float | str | None) -> str:
    if not column.is_number:
        return _text(column.picture, "" if value is None else str(value))
    picture = column.picture.split("|")[0]
    if value is None or isinstance(value, str):
        return re.sub("[0+]", "-", picture)
    decimals = len(picture.partition(".")[2])
    highest = float(picture.replace("+", "").replace("0", "9"))
    sign = "+" if picture.startswith("+") else ""
    shown = min(max(value / column.factor, 0.0), highest)
    return f"{shown:{sign}0{len(picture)}.{decimals}f}"


def _text(picture: str, value: str) -> str:
    least, _, most = picture.removeprefix("text").removeprefix("bits").partition("-")
    filling = "0" if picture.startswith("bits") else " "
    return value[: int(most or least)].ljust(int(least), filling)


def facts(ups: Ups) -> dict[str, float | str]:
    """What can be measured in the UPS, under the names of the readings."""
    design, battery = ups.design, ups.battery
    load_va = ups.load_w / design.power_factor
    found: dict[str, float | str] = {
        "input.voltage": ups.input_v,
        "input.frequency": ups.input_hz,
        "input.bypass.frequency": ups.input_hz,
        "input.transfer.low": design.input_low_v,
        "input.transfer.high": design.input_high_v,
        "output.voltage": ups.output_v,
        "output.frequency": ups.output_hz,
        "output.current": load_va / ups.output_v if ups.output_v else 0.0,
        "ups.load": ups.shown_load_percent,
        "ups.power": load_va,
        "ups.realpower": ups.load_w,
        "ups.temperature": ups.temperature_c,
        "battery.voltage": battery.voltage_v,
        ".battery.positive": battery.voltage_v,
        "istars.battery.blocks": battery.design.cells / 6,
        "battery.packs": 1,
        "battery.charge": 100.0 * battery.charge,
        "battery.runtime": ups.runtime_s,
        "battery.voltage.nominal": 2.0 * battery.design.cells,
        "output.voltage.nominal": design.nominal_v,
        "output.current.nominal": design.rated_va / design.nominal_v,
        "output.frequency.nominal": design.nominal_hz,
        "input.frequency.nominal": design.nominal_hz,
        "input.voltage.nominal": design.nominal_v,
        "device.model": design.model,
        "device.mfr": design.maker,
        "device.serial": design.serial or "12345679012345",
        "ups.firmware": design.firmware,
        "ups.power.nominal": design.rated_va,
        ".powerfactor": 100.0 * design.power_factor,
        ".phases": f"{design.phases}/{design.phases}",
        ".rating": f"{design.rated_va / 1000:.0f}KVA".ljust(10, "^"),
        ".amperes": abs(battery.current_a),
        ".topology": "33" if design.phases == 3 else "11",
    }
    for phase in range(design.phases):
        found |= _phase(ups, phase)
    return found


def _phase(ups: Ups, phase: int) -> dict[str, float | str]:
    """What can be measured in one phase (0..2)."""
    label, share = f"L{phase + 1}", PHASE_SHARES[ups.design.phases][phase]
    load_w = ups.load_w * share / ups.design.phases
    load_va = load_w / ups.design.power_factor
    output_v = ups.phase_output_v(phase)
    return {
        f"input.{label}-N.voltage": ups.phase_input_v(phase),
        f"input.bypass.{label}-N.voltage": ups.phase_input_v(phase),
        f"output.{label}-N.voltage": output_v,
        f"output.{label}.current": load_va / output_v if output_v else 0.0,
        f"output.{label}.power": load_va,
        f"output.{label}.realpower": load_w,
        f"output.{label}.power.percent": ups.shown_load_percent * share,
    }


def _bits(*states: object) -> str:
    return "".join("1" if state else "0" for state in states)


class Dialect(Megatec):
    """A unit that speaks the protocol named like its kind."""

    def __init__(self, ups: Ups) -> None:
        super().__init__(ups)
        self.protocol = protocol_named(ups.design.kind)
        answers: dict[bytes, Callable[[], bytes]] = {
            megatec.Q1.answer.pattern: self._status,
            megatec.F.answer.pattern: self._ratings,
            megatec.I.answer.pattern: self._identity,
        }
        questions = dict.fromkeys(item.at.query for item in self.protocol.items if isinstance(item.at, Group))
        self._queries = {
            question.send.decode(): partial(self._declared, question)
            if question.template
            else answers.get(question.answer.pattern, partial(self._say, question))
            for question in questions
        }
        offered = {command.name for command in self.protocol.commands}
        if not offered:
            self._commands = {}
        if self.protocol.name == "mecer":
            self.accepted, self.refused = b"(ACK\r", b"(NAK\r"

    def _declared(self, question: Query) -> bytes:
        return render(question.template, facts(self.ups) | self.states()) + b"\r"

    def _say(self, question: Query) -> bytes:
        """Questions for the dialect itself."""
        return {"M": b"V\r", "QPI": b"(PI98\r"}[question.send.decode()]

    def _timed_test(self, text: str) -> bool:
        return bool(self._commands) and super()._timed_test(text)

    def _shut_down(self, text: str) -> bool:
        return bool(self._commands) and super()._shut_down(text)

    def states(self) -> dict[str, float | str]:
        """The status bits of the dialect."""
        ups = self.ups
        rectifier_on = ups.line_ready and not ups.utility_fail
        on_inverter = ups.source in ("line", "battery")
        return {
            ".bits": self._bits(),
            ".a": _bits(
                0, 0, 0, ups.battery.low, 0, ups.source == "battery", ups.battery.phase == "boost", rectifier_on
            ),
            ".b": _bits(0, 0, 0, 0, 0, ups.bypass_good, on_inverter, on_inverter),
            ".c": _bits(0, 0, 0, 0, 0, ups.fault, ups.over_temperature, 0),
        }


class VoltronicP(Dialect):
    """A unit of the P series: every command is acknowledged or refused."""

    accepted, refused = b"(ACK\r", b"(NAK\r"

    def __init__(self, ups: Ups) -> None:
        super().__init__(ups)
        self.outlets = {1: True, 2: True}
        nominal = ups.design.nominal_v
        self.on, self.off = set("pashcbr"), set("degofvxl")
        self.limits = {"HEH": nominal + 12, "HEL": nominal - 12, "PHV": 1.15 * nominal, "PLV": 0.74 * nominal}
        self.packs = 1
        if ups.design.phases == 1:
            for question in [name for name in self._queries if name.startswith("Q3")]:
                del self._queries[question]
        for asked in ("QFLAG", "QHE", "QBYV"):
            self._queries[asked] = partial(self._say, Query(asked.encode(), re.compile(b"")))
        self._commands = {
            "T": lambda: ups.start_test("quick"),
            "TL": lambda: ups.start_test("deep"),
            "CT": ups.stop_test,
            "CS": lambda: ups.pending is not None and ups.cancel(),
            "SON": lambda: ups.cut is not None and ups.cancel(),
            "SOFF": lambda: ups.switch_output(False),
            "BZON": lambda: self._beep(True),
            "BZOFF": lambda: self._beep(False),
        }
        for group in self.outlets:
            self._commands[f"SKON{group}"] = partial(self._switch, group, True)
            self._commands[f"SKOFF{group}"] = partial(self._switch, group, False)

    def _obey(self, text: str) -> bool | None:
        if text in self._commands:
            return self._commands[text]() is not False
        if flag := P_FLAG.fullmatch(text):
            return self._turn(flag[2].lower(), flag[1] == "E")
        if limit := P_LIMIT.fullmatch(text):
            self.limits[limit[1]] = float(limit[2])
            return True
        if packs := P_PACKS.fullmatch(text):
            self.packs = int(packs[1])
            return True
        if test := P_TEST.fullmatch(text):
            return self.ups.start_test("timed", 60.0 * float(test[1]))
        if off := P_SHUTDOWN.fullmatch(text):
            return_s = {None: 0.0, "0000": None}.get(off[2], 60.0 * float(off[2] or 0))
            return self.ups.shut_down(60.0 * float(off[1]), return_s)
        return None

    def _turn(self, letter: str, on: bool) -> bool:
        """A flag on or off; False for one that this unit does not have."""
        if letter not in self.on | self.off:
            return False
        gains, loses = (self.on, self.off) if on else (self.off, self.on)
        gains.add(letter)
        loses.discard(letter)
        return True

    def _beep(self, on: bool) -> bool:
        self.ups.beeper = on
        return True

    def _switch(self, group: int, on: bool) -> bool:
        self.outlets[group] = on
        return True

    def _say(self, question: Query) -> bytes:
        flags = f"(E{''.join(sorted(self.on))}D{''.join(sorted(self.off))}\r"
        return {
            "QPI": b"(PI09\r" if self.ups.design.phases == 3 else b"(PI01\r",
            "QFLAG": flags.encode(),
            "QHE": f"({self.limits['HEH']:03.0f} {self.limits['HEL']:03.0f}\r".encode(),
            "QBYV": f"({self.limits['PHV']:03.0f} {self.limits['PLV']:03.0f}\r".encode(),
        }[question.send.decode()]

    def states(self) -> dict[str, float | str]:
        """QGS bits, mode, warnings and outlets."""
        ups = self.ups
        warnings = ["0"] * 64
        for place, state in ((7, ups.battery.low), (8, ups.overload), (12, ups.over_temperature)):
            warnings[place] = "1" if state else "0"
        return {
            ".mode": P_MODES[ups.mode],
            ".warnings": "".join(warnings),
            ".bits": _bits(
                1, 0, ups.utility_fail, ups.battery.low, ups.source == "bypass", ups.mode == "fault", 0,
                ups.test is not None, ups.pending is not None, not ups.beeper, ups.test_result == "failed",
                ups.test_result == "passed",
            ),
            "battery.packs": self.packs,
            **{f".outlet.{group}": _bits(on) for group, on in self.outlets.items()},
        }  # fmt: skip
