"""The registers of a Modbus device, filled from the physics by the card's own map of it: each item of the map in reverse."""

from __future__ import annotations

from typing import Final

from istars.drivers.framing import write_pdu
from istars.drivers.item import Item, Registers
from istars.drivers.registers import Choice, Number
from istars.drivers.ups import protocol_named

from .declared import facts
from .designs import UpsDesign
from .modbus import ILLEGAL_ADDRESS, Refusal
from .physics import Ups
from .registers import ascii_words

MODES: Final = {"shutdown": "standby", "fault": "standby", "test": "battery"}
ALARM_BITS: Final = {
    "huawei-ups2000": {"OVERLOAD": (41197, 5), "OVER_TEMPERATURE": (41180, 3), "BATTERY_REPLACE": (41188, 1)}
}
"""Alarms that the physics knows, by map: register and bit."""


HAS_TOO: Final = {
    "huawei-ups2000": (*range(11000, 11060), *range(12000, 12034), 19009, *range(41180, 41207)),
}
"""Registers that the device has beside those of the map; they hold 0."""


def _identity(design: UpsDesign) -> bytes:
    """The list of one device, as a Huawei UPS2000 answers function 0x2B: how many, then what describes the first."""
    told = f"1=UPS2000;2={design.firmware or '-'};3=V1.9;4={design.serial or '-'}".encode()
    return bytes.fromhex("0e 03 03 00 00 02 87 04 00 00 00 01 88") + bytes([len(told)]) + told


class DeclaredMap:
    """The registers of map `name` in front of `ups`; those that the map does not have are refused."""

    def __init__(self, ups: Ups, name: str) -> None:
        self.ups = ups
        self.protocol = protocol_named(name)
        self.variables = {
            each.item.at.address: 0 for each in self.protocol.variables if isinstance(each.item.at, Registers)
        }
        self.identity = _identity(ups.design) if name == "huawei-ups2000" else b""
        self._actions = {
            "test.battery.start.quick": lambda: ups.start_test("quick"),
            "test.battery.start.deep": lambda: ups.start_test("deep"),
            "test.battery.stop": ups.stop_test,
            "beeper.enable": lambda: setattr(ups, "beeper", True),
            "beeper.disable": lambda: setattr(ups, "beeper", False),
        }

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Registers that the map has, and the holes between them."""
        words = self._words(function)
        wanted = range(first, first + count)
        if first not in words or wanted[-1] not in words:
            raise Refusal(ILLEGAL_ADDRESS)
        return [words.get(register, 0) for register in wanted]

    def write(self, address: int, value: int) -> None:
        """Obey a command of the map."""
        for command in self.protocol.commands:
            if command.order({}).payload in (write_pdu(6, address, value), write_pdu(16, address, value)):
                self._actions[command.name]()
                return
        for variable in self.protocol.variables:
            if isinstance(variable.item.at, Registers) and variable.item.at.address == address:
                self.variables[address] = value
                return
        raise Refusal(ILLEGAL_ADDRESS)

    def _words(self, function: int) -> dict[int, int]:
        truth, words = self._facts(), {}
        for item in self.protocol.items:
            if isinstance(item.at, Registers) and item.at.table == function:
                for offset, word in enumerate(_encoded(item, truth)):
                    register = item.at.address + offset
                    # Several items may be parts of one register.
                    words[register] = words.get(register, 0) | word
        if function == 3:
            words |= self.variables
        for code, (register, bit) in ALARM_BITS.get(self.protocol.name, {}).items():
            if self._present(code):
                words[register] = words.get(register, 0) | 1 << bit
        for register in HAS_TOO.get(self.protocol.name, ()) if words else ():
            words.setdefault(register, 0)
        return words

    def _present(self, code: str) -> bool:
        ups = self.ups
        return {
            "OVERLOAD": ups.overload,
            "OVER_TEMPERATURE": ups.over_temperature,
            "BATTERY_REPLACE": ups.test_result == "failed",
        }[code]

    def _facts(self) -> dict[str, float | str]:
        ups = self.ups
        found = facts(ups) | {
            "input.bypass.voltage": ups.input_v,
            "istars.ups.mode": MODES.get(ups.mode, ups.mode),
            "istars.battery.state": ups.battery.phase,
            "ups.beeper.status": "enabled" if ups.beeper else "disabled",
            ".testing": "yes" if ups.test else "no",
            ".low": "yes" if ups.battery.low else "no",
        }
        for phase in range(ups.design.phases):
            label, number = f"L{phase + 1}", phase + 1
            found[f"input.voltage:{number}"] = found[f"input.{label}-N.voltage"]
            found[f"output.voltage:{number}"] = found[f"output.{label}-N.voltage"]
            found[f"ups.load:{number}"] = found[f"output.{label}.power.percent"]
        return found


def _encoded(item: Item, truth: dict[str, float | str]) -> list[int]:
    """The registers of one item."""
    assert isinstance(item.at, Registers)
    value = truth.get(item.name)
    if isinstance(item.decode, Choice):
        first = item.decode.bits[0] if item.decode.bits else 0
        return [next((raw for raw, word in item.decode.choices.items() if word == value), 0) << first]
    if isinstance(value, str):
        return ascii_words(value, item.at.count)
    if not isinstance(item.decode, Number) or value is None:
        return [0] * item.at.count
    raw = round(value / item.decode.scale) & (1 << 16 * item.at.count) - 1
    return [raw >> 16 * place & 0xFFFF for place in reversed(range(item.at.count))]
