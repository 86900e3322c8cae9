"""The register maps of two related makers, filled from the physics.

`EastRegisters`: EAST EA900 G4, 6-20 kVA (measurements FC04 0..71, settings FC03 0..82, controls FC06 0x8000..0x8007).
`InvtRegisters`: INVT HR11/HT11 (measurements FC03 0..79, states FC04 81..240, no public controls); the same
measurements stand one register higher there, register 0 repeats register 1. Registers nobody has described read as 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Final

from .modbus import DEVICE_FAILURE, ILLEGAL_ADDRESS, ILLEGAL_FUNCTION, ILLEGAL_VALUE, READ_HOLDING, READ_INPUT, Refusal
from .physics import Ups
from .powertrain import PHASE_SHARES, Mode

FIRST_RUN_DAYS: Final = 12
RECTIFIER: Final = {"off": 0, "soft start": 1, "working": 2, "battery": 3}
INVERTER: Final = {"off": 0, "soft start": 1, "working": 2, "standby": 3}
EAST_BATTERY: Final = {"disconnected": 0, "standby": 1, "boost": 2, "float": 3, "discharge": 4}
EAST_LOAD: Final = {"none": 0, "bypass": 1, "line": 2, "battery": 2}
EAST_MODES: Final[dict[Mode, int]] = {
    "standby": 2,
    "bypass": 3,
    "line": 4,
    "battery": 5,
    "test": 6,
    "fault": 7,
    "shutdown": 10,
}
INVT_LOAD: Final = {"none": 0, "line": 1, "battery": 1, "bypass": 2}
INVT_BATTERY: Final = {"standby": 0, "float": 1, "boost": 2, "discharge": 3}
INVT_TEST: Final = {"none": 0, "passed": 1, "failed": 2, "running": 3}


def word(value: float, scale: float = 1.0) -> int:
    """Value in units of `scale` as a 16-bit two's complement word, held at the ends of its range."""
    return min(max(round(value / scale), -0x8000), 0x7FFF) & 0xFFFF


def ascii_words(text: str, registers: int) -> list[int]:
    """Two characters per register, high byte first, padded with spaces."""
    padded = text.encode("ascii").ljust(2 * registers)[: 2 * registers]
    return [int.from_bytes(padded[at : at + 2], "big") for at in range(0, 2 * registers, 2)]


def _phase(ups: Ups, phase: int, hz_scale: float) -> Iterator[tuple[int, int]]:
    """Measurements of one phase (0..2) by EAST register number."""
    share = PHASE_SHARES[ups.design.phases][phase] / ups.design.phases
    input_v, output_v = ups.phase_input_v(phase), ups.phase_output_v(phase)
    load_w = ups.load_w * share
    load_va = load_w / ups.design.power_factor
    load_a = load_va / output_v if output_v > 0.0 else 0.0
    on_bypass = ups.source == "bypass"
    mains_w = (ups.mains_w() + ups.charger_w()) * share
    input_a = mains_w / input_v / 0.99 if input_v > 0.0 else 0.0
    power_factor = ups.design.power_factor if load_w > 0.0 else 0.0
    yield from (
        (0 + phase, word(input_v, 0.1)),
        (3 + phase, word(load_a if on_bypass else 0.0, 0.1)),
        (6 + phase, word(ups.input_hz, hz_scale)),
        (9 + phase, word(power_factor if on_bypass else 0.0, 0.01)),
        (12 + phase, word(input_v, 0.1)),
        (15 + phase, word(input_a, 0.1)),
        (18 + phase, word(ups.input_hz, hz_scale)),
        (21 + phase, word(0.99 if input_a > 0.0 else 0.0, 0.01)),
        (24 + phase, word(output_v, 0.1)),
        (27 + phase, word(load_a, 0.1)),
        (30 + phase, word(ups.output_hz, hz_scale)),
        (33 + phase, word(power_factor, 0.01)),
        (36 + phase, word(load_va, 100.0)),
        (39 + phase, word(load_w, 100.0)),
        (42 + phase, word(math.sqrt(max(load_va**2 - load_w**2, 0.0)), 100.0)),
        (45 + phase, word(ups.shown_load_percent * share * ups.design.phases, 0.1)),
    )


def _battery(ups: Ups, minutes_scale: float) -> Iterator[tuple[int, int]]:
    """Battery measurements by EAST register number; a three-phase unit has a positive and a negative half."""
    battery = ups.battery
    halves = 2 if ups.design.phases == 3 else 1
    for half in range(halves):
        yield 49 + half, word(battery.voltage_v / halves, 0.1)
        yield 51 + half, word(battery.current_a, 0.1)
    yield 53, word(ups.temperature_c, 0.1)
    yield 54, word(ups.runtime_s / 60.0, minutes_scale)
    yield 55, word(100.0 * battery.charge, 0.1)


def _take(values: dict[int, int], addresses: range, first: int, count: int) -> list[int]:
    """Cut a block out of a map that answers only at `addresses`."""
    if first not in addresses or first + count - 1 not in addresses:
        raise Refusal(ILLEGAL_ADDRESS)
    return [values.get(address, 0) for address in range(first, first + count)]


def rectifier_state(ups: Ups) -> str:
    """What the rectifier is doing: a key of RECTIFIER."""
    if ups.line_ready and not ups.utility_fail:
        return "battery" if ups.source == "battery" else "working"
    if not ups.utility_fail:
        return "soft start"
    return "battery" if ups.source == "battery" else "off"


def inverter_state(ups: Ups) -> str:
    """What the inverter is doing: a key of INVERTER."""
    if ups.fault or ups.cut is not None:
        return "off"
    return "standby" if ups.source == "bypass" else "working"


class EastRegisters:
    """The EA900 G4 map in front of `ups`."""

    def __init__(self, ups: Ups) -> None:
        self.ups = ups
        self._controls: dict[tuple[int, int], Callable[[], bool]] = {
            (0x8000, 1): ups.clear_fault,
            (0x8001, 1): lambda: True,
            (0x8002, 1): lambda: self._sound(False),
            (0x8002, 0): lambda: self._sound(True),
            (0x8003, 1): lambda: ups.go_to_bypass(True),
            (0x8004, 1): lambda: ups.go_to_bypass(False),
            (0x8006, 1): lambda: ups.start_test("quick"),
            (0x8006, 2): lambda: ups.start_test("deep"),
            (0x8007, 1): ups.stop_test,
        }

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Input registers 0..71, holding registers 0..82."""
        if function == READ_INPUT:
            return _take(dict(self._measurements()), range(72), first, count)
        return _take(dict(self._settings()), range(83), first, count)

    def write(self, address: int, value: int) -> None:
        """Obey a control; a control the unit cannot obey now is a device failure."""
        action = self._controls.get((address, value))
        if action is None:
            known = any(address == register for register, _ in self._controls)
            raise Refusal(ILLEGAL_VALUE if known else ILLEGAL_ADDRESS)
        if not action():
            raise Refusal(DEVICE_FAILURE)

    def _sound(self, on: bool) -> bool:
        self.ups.beeper = on
        return True

    def _measurements(self) -> Iterator[tuple[int, int]]:
        ups = self.ups
        for phase in range(ups.design.phases):
            yield from _phase(ups, phase, 0.1)
        yield from _battery(ups, 1.0)
        load_va = ups.load_w / ups.design.power_factor if inverter_state(ups) == "working" else 0.0
        yield 56, word(load_va / ups.design.nominal_v / ups.design.phases, 0.1)
        yield 57, word(ups.temperature_c, 0.1)
        yield 58, word(ups.temperature_c, 0.1)
        yield 59, word(FIRST_RUN_DAYS + ups.time_s // 86400)
        yield from enumerate(ascii_words(ups.design.firmware, 3), 67)
        yield 70, self._status_word()
        yield 71, EAST_MODES[ups.mode]

    def _status_word(self) -> int:
        """Bits 0-1 rectifier, 2-3 inverter, 4-6 battery, 7-8 bypass, 9-10 what the load hangs on."""
        ups = self.ups
        return (
            RECTIFIER[rectifier_state(ups)]
            | INVERTER[inverter_state(ups)] << 2
            | EAST_BATTERY[ups.battery.phase] << 4
            | int(ups.bypass_good) << 7
            | EAST_LOAD[ups.source] << 9
        )

    def _settings(self) -> Iterator[tuple[int, int]]:
        design = self.ups.design
        yield 5, design.battery.cells // 6
        yield 7, word(2.25, 0.01)
        yield 8, word(2.35, 0.01)
        yield 15, word(design.rated_va)
        yield 26, 90
        yield 27, word((FIRST_RUN_DAYS + self.ups.time_s // 86400) // 7)
        yield from enumerate(ascii_words(design.serial, 7), 76)


class InvtRegisters:
    """The HR11/HT11 map in front of `ups`."""

    def __init__(self, ups: Ups) -> None:
        self.ups = ups

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Measurements with function 03 at 0..79, states with function 04 at 81..240."""
        if function == READ_HOLDING:
            return _take(dict(self._measurements()), range(80), first, count)
        return _take(dict(self._states()), range(81, 241), first, count)

    def write(self, address: int, value: int) -> None:
        """No control register of this family is public."""
        raise Refusal(ILLEGAL_FUNCTION)

    def _measurements(self) -> Iterator[tuple[int, int]]:
        ups = self.ups
        for phase in range(ups.design.phases):
            for register, value in _phase(ups, phase, 0.01):
                yield register + 1, value
        yield 0, word(ups.input_v, 0.1)
        for register, value in _battery(ups, 0.1):
            yield register + 1, value
        yield 49, word(ups.ambient_c, 0.1)
        yield 69, int(ups.design.firmware)
        yield 78, 7
        yield 79, 1 if ups.design.phases == 3 else 3

    def _states(self) -> Iterator[tuple[int, int]]:
        ups = self.ups
        source, overload = ups.source, ups.overload
        tripped = ups.cut is not None and ups.cut.reason == "overload"
        on_inverter = source in ("line", "battery")
        empty = ups.battery.charge <= 0.0
        faulty = ups.mode == "fault"
        states = {
            81: INVT_LOAD[source],
            82: INVT_BATTERY[ups.battery.phase],
            83: 1,
            88: ups.utility_fail,
            90: not ups.bypass_good,
            91: not ups.bypass_good,
            92: overload and source == "bypass",
            97: empty or (ups.cut is not None and ups.cut.reason == "battery empty"),
            99: INVT_TEST[ups.test_result],
            106: ups.bypass_wanted,
            107: ups.battery.low,
            109: RECTIFIER[rectifier_state(ups)] if rectifier_state(ups) != "battery" else 0,
            118: int(self._alarm()) | int(faulty) << 1,
            121: 1,
            123: ups.fault,
            124: ups.over_temperature,
            126: overload and on_inverter,
            127: tripped or ups.overload_bypass,
            128: ups.over_temperature,
            130: ups.cut is not None and ups.cut.reason == "switched off",
        }
        for register, state in states.items():
            yield register, int(state)

    def _alarm(self) -> bool:
        ups = self.ups
        troubles = (ups.utility_fail, ups.battery.low, ups.overload, ups.over_temperature, not ups.bypass_good)
        return any(troubles) or ups.mode == "fault" or ups.test_result == "failed"
