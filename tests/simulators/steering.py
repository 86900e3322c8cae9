"""The words by which a running simulator is told what happens to it: "mains off", "overload 120", "unplug", ...

In: one line of words; out: one line of answer. An answer that starts with "error:" means that nothing was done.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Final, Protocol

from .channels import SimulatorError
from .device import Device
from .megatec import Megatec
from .modbus import ModbusSlave
from .physics import Ups
from .wire import DAMAGES, WireFaults

ERROR: Final = "error:"
DEFAULT_DAMAGED_ANSWERS: Final = 3
FASTEST: Final = 3600.0
LONGEST_ADVANCE_S: Final = 30 * 86400.0

USAGE: Final = {
    "mains": "mains on|off|VOLTS",
    "wander": "wander on|off",
    "load": "load PERCENT",
    "overload": "overload PERCENT|off",
    "battery": "battery low|weak|good|PERCENT",
    "temperature": "temperature CELSIUS|auto",
    "fault": "fault on|off",
    "bypass": "bypass on|off",
    "output": "output on|off",
    "beeper": "beeper on|off",
    "test": "test quick|deep|stop|MINUTES",
    "unplug": "unplug",
    "replug": "replug",
    "mute": "mute",
    "unmute": "unmute",
    "late": "late SECONDS|off",
    "echo": "echo on|off",
    "garbage": "garbage [ANSWERS|on|off]",
    "half": "half [ANSWERS|on|off]",
    "star": "star [ANSWERS|on|off]",
    "nul": "nul [ANSWERS|on|off]",
    "blank": "blank F|I|off",
    "blocks": "blocks REGISTERS",
    "speed": "speed FACTOR",
    "advance": "advance SECONDS",
    "status": "status",
    "help": "help",
}


class BadWordError(Exception):
    """Words that mean nothing here; the text says why."""


class Host(Protocol):
    """What steering needs of the program around it."""

    speed: float
    plugged: bool

    def unplug(self) -> None:
        """Let the device vanish."""

    def replug(self) -> None:
        """Let it come back under the same names."""


def parse_number(text: str, low: float, high: float) -> float:
    """Return a number between the limits; raises BadWordError."""
    try:
        value = float(text)
    except ValueError:
        raise BadWordError(f"'{text}' is not a number") from None
    if not low <= value <= high:
        raise BadWordError(f"{text} is not between {low:g} and {high:g}")
    return value


def parse_switch(text: str) -> bool:
    """Return True for on, False for off; raises BadWordError."""
    if text not in ("on", "off"):
        raise BadWordError(f"'{text}' is neither on nor off")
    return text == "on"


class Steering:
    """Carries out steering words on the physics, the line and the host of one simulator."""

    def __init__(self, ups: Ups, device: Device, wire: WireFaults, host: Host) -> None:
        self.ups = ups
        self.device = device
        self.wire = wire
        self.host = host
        handlers: dict[str, Callable[[str], str]] = {
            name: getattr(self, f"_{name}") for name in USAGE if name not in DAMAGES
        }
        handlers |= {name: self._damage_handler(name) for name in DAMAGES}
        self._handlers = handlers

    def obey(self, line: str) -> str:
        """Carry out one line; the answer is one line too."""
        words = line.split()
        name = words[0].lower() if words else ""
        if name not in self._handlers:
            return f"{ERROR} unknown word '{name}'; known: " + ", ".join(USAGE.values())
        # Words without an argument say so by their usage being just their name.
        wanted = USAGE[name].count(" ")
        optional = "[" in USAGE[name]
        if len(words) - 1 != wanted and not (optional and len(words) == 1):
            return f"{ERROR} use: {USAGE[name]}"
        argument = " ".join(words[1:])
        try:
            return self._handlers[name](argument if name == "blank" else argument.lower())
        except BadWordError as error:
            return f"{ERROR} {error}; use: {USAGE[name]}"

    # ---- the world around the UPS

    def _mains(self, text: str) -> str:
        nominal_v = self.ups.design.nominal_v
        volts = {"on": nominal_v, "off": 0.0}.get(text)
        self.ups.set_mains(parse_number(text, 0.0, 400.0) if volts is None else volts)
        return f"mains is {self.ups.mains_v:g} V"

    def _wander(self, text: str) -> str:
        """A mains that stands still, so that two readers that ask at different moments see the same."""
        self.ups.wander = 1.0 if parse_switch(text) else 0.0
        return f"mains wander is {text}"

    def _load(self, text: str) -> str:
        self.ups.set_load(parse_number(text, 0.0, 300.0))
        return f"load is {self.ups.load_percent:g} %"

    def _overload(self, text: str) -> str:
        self.ups.set_overload(None if text == "off" else parse_number(text, 100.0, 300.0))
        return f"load is {self.ups.load_percent:g} %"

    def _battery(self, text: str) -> str:
        if text in ("weak", "good"):
            self.ups.set_weak(text == "weak")
            return f"battery is {text}"
        self.ups.set_charge(19.0 if text == "low" else parse_number(text, 0.0, 100.0))
        return f"battery charge is {100.0 * self.ups.battery.charge:g} %"

    def _temperature(self, text: str) -> str:
        self.ups.set_temperature(None if text == "auto" else parse_number(text, 0.0, 99.0))
        return f"temperature is {self.ups.temperature_c:.1f} C" + (", following the load" if text == "auto" else "")

    # ---- the UPS itself

    def _fault(self, text: str) -> str:
        self.ups.set_fault(parse_switch(text))
        if text == "off":
            self.ups.clear_fault()
        return f"fault is {text}"

    def _bypass(self, text: str) -> str:
        if not self.ups.go_to_bypass(parse_switch(text)):
            raise BadWordError("the UPS refuses: no fit bypass, output off, or an overload holds it there")
        return f"bypass is {text}"

    def _output(self, text: str) -> str:
        done = self.ups.switch_output(parse_switch(text))
        return f"output is {text}" if done else "output waits for the mains"

    def _beeper(self, text: str) -> str:
        self.ups.beeper = parse_switch(text)
        return f"beeper is {text}"

    def _test(self, text: str) -> str:
        if text == "stop":
            done = self.ups.stop_test()
        elif text == "quick":
            done = self.ups.start_test("quick")
        elif text == "deep":
            done = self.ups.start_test("deep")
        else:
            done = self.ups.start_test("timed", 60.0 * parse_number(text, 0.1, 99.0))
        if not done:
            raise BadWordError(
                "the UPS refuses: " + ("no test runs" if text == "stop" else "it is not at rest on the mains")
            )
        return f"battery test {text}"

    # ---- the line

    def _unplug(self, _text: str) -> str:
        if not self.host.plugged:
            raise BadWordError("it is unplugged already")
        self.host.unplug()
        return "device unplugged"

    def _replug(self, _text: str) -> str:
        if self.host.plugged:
            raise BadWordError("it is plugged in already")
        try:
            self.host.replug()
        except SimulatorError as error:
            raise BadWordError(str(error)) from error
        return "device plugged in again"

    def _mute(self, _text: str) -> str:
        self.wire.mute = True
        return "the UPS answers no more"

    def _unmute(self, _text: str) -> str:
        self.wire.mute = False
        return "the UPS answers again"

    def _late(self, text: str) -> str:
        self.wire.late_s = 0.0 if text == "off" else parse_number(text, 0.0, 60.0)
        return f"answers come {self.wire.late_s:g} s late"

    def _echo(self, text: str) -> str:
        self.wire.echo = parse_switch(text)
        return f"echo is {text}"

    def _damage_handler(self, damage: str) -> Callable[[str], str]:
        def handle(text: str) -> str:
            if damage == "star":
                self._need_megatec()
            if text in ("on", "off"):
                answers = math.inf if text == "on" else 0.0
            else:
                answers = round(parse_number(text or str(DEFAULT_DAMAGED_ANSWERS), 0, 1e6))
            self.wire.arm(damage, answers)
            return f"{damage} on " + ("all answers" if math.isinf(answers) else f"the next {answers:g} answers")

        return handle

    def _blank(self, text: str) -> str:
        device = self._need_megatec()
        if text not in ("F", "I", "off"):
            raise BadWordError(f"'{text}' cannot be blank")
        device.blank = set() if text == "off" else device.blank | {text}
        return "blank answers: " + (" ".join(sorted(device.blank)) or "none")

    def _blocks(self, text: str) -> str:
        if not isinstance(self.device, ModbusSlave):
            raise BadWordError("only Modbus units read blocks")
        self.device.most_registers = round(parse_number(text, 1, 125))
        return f"at most {self.device.most_registers} registers in one read"

    def _need_megatec(self) -> Megatec:
        if not isinstance(self.device, Megatec):
            raise BadWordError("only Megatec units have this")
        return self.device

    # ---- time and insight

    def _speed(self, text: str) -> str:
        self.host.speed = parse_number(text, 0.0, FASTEST)
        return f"time runs {self.host.speed:g} times as fast"

    def _advance(self, text: str) -> str:
        self.ups.step(parse_number(text, 0.0, LONGEST_ADVANCE_S))
        return f"simulated time is {self.ups.time_s:.1f} s"

    def _status(self, _text: str) -> str:
        line: dict[str, Any] = {"speed": self.host.speed, "plugged": self.host.plugged, "mute": self.wire.mute}
        return json.dumps(true_state(self.ups) | line)

    def _help(self, _text: str) -> str:
        return ", ".join(USAGE.values())


def true_state(ups: Ups) -> dict[str, Any]:
    """Return the physical state of a UPS in plain units (V, Hz, %, W, C, s, A, J), whatever its wire can say of it."""
    battery, pending, cut = ups.battery, ups.pending, ups.cut
    return {
        "kind": ups.design.kind,
        "time_s": round(ups.time_s, 3),
        "mode": ups.mode,
        "source": ups.source,
        "utility_fail": ups.utility_fail,
        "input_v": round(ups.input_v, 2),
        "input_hz": round(ups.input_hz, 3),
        "output_v": round(ups.output_v, 2),
        "output_hz": round(ups.output_hz, 3),
        "output_off_reason": cut.reason if cut else "",
        "avr": ups.avr,
        "load_percent": ups.load_percent,
        "load_w": round(ups.load_w, 1),
        "overload": ups.overload,
        "battery_percent": round(100.0 * battery.charge, 3),
        "battery_v": round(battery.voltage_v, 2),
        "battery_a": round(battery.current_a, 2),
        "battery_phase": battery.phase,
        "battery_low": battery.low,
        "battery_weak": battery.weak,
        "runtime_s": round(ups.runtime_s),
        "temperature_c": round(ups.temperature_c, 2),
        "test": ups.test.kind if ups.test else "",
        "test_result": ups.test_result,
        "shutdown_in_s": round(pending.at - ups.time_s, 1) if pending else None,
        "bypass_wanted": ups.bypass_wanted,
        "beeper": ups.beeper,
        "fault": ups.fault,
        "mains_j": round(ups.mains_j),
        "output_j": round(ups.output_j),
        "heat_j": round(ups.heat_j),
        "battery_j": round(battery.energy_j),
    }
