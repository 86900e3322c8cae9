"""The device side of Modbus RTU: a slave with functions 03, 04 and 06 over one register map.

In: one frame as it stood between two silences; out: the answer frame, or b"" where a slave keeps silent (wrong CRC,
another address, a broadcast). Source: Modbus over serial line 1.02, Modbus application protocol 1.1b3.
"""

from __future__ import annotations

from typing import Final, Protocol

BAUD: Final = 9600
READ_HOLDING: Final = 0x03
READ_INPUT: Final = 0x04
WRITE_SINGLE: Final = 0x06
WRITE_SEVERAL: Final = 0x10
IDENTIFY: Final = 0x2B
LIST_DEVICES: Final = bytes.fromhex("0e 03 87")
"""Read device identification, object 0x87: what the driver huawei-ups2000 of Network UPS Tools asks first."""
ILLEGAL_FUNCTION: Final = 0x01
ILLEGAL_ADDRESS: Final = 0x02
ILLEGAL_VALUE: Final = 0x03
DEVICE_FAILURE: Final = 0x04
MOST_REGISTERS: Final = 125
BROADCAST: Final = 0
LONGEST_FRAME: Final = 256


class Refusal(Exception):
    """An exception answer; `code` is the Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Modbus exception {code}")
        self.code = code


class Registers(Protocol):
    """What a register map offers; both raise `Refusal`."""

    def read(self, function: int, first: int, count: int) -> list[int]:
        """Return `count` register values (0..65535) from `first`."""

    def write(self, address: int, value: int) -> None:
        """Obey a write of `value` (0..65535) to a control register."""


def crc16(data: bytes) -> int:
    """Modbus CRC: polynomial 0xA001 reflected, start 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc


def framed(body: bytes) -> bytes:
    """Append the CRC, low byte first."""
    return body + crc16(body).to_bytes(2, "little")


class ModbusSlave:
    """A slave with `address` in front of a register map; `most_registers` limits one read (real units do)."""

    baud: Final = BAUD
    silence_s: Final = 3.5 * 10 / BAUD
    thinking_s: Final = 0.01

    def __init__(self, registers: Registers, address: int = 1) -> None:
        self.registers = registers
        self.address = address
        self.most_registers = MOST_REGISTERS
        self.changes: list[bytes] = []

    def split(self, buffer: bytes, quiet: bool) -> tuple[list[bytes], bytes]:
        """A frame is whatever stood between two silences of 3.5 characters."""
        if not quiet:
            return [], buffer[-LONGEST_FRAME:]
        return ([buffer] if buffer else []), b""

    def respond(self, request: bytes) -> bytes:
        """Answer one frame."""
        if len(request) < 4 or framed(request[:-2]) != request:
            return b""
        address, function, data = request[0], request[1], request[2:-2]
        if address not in (self.address, BROADCAST):
            return b""
        try:
            answer = self._act(function, data)
        except Refusal as refusal:
            answer = bytes([function | 0x80, refusal.code])
        return b"" if address == BROADCAST else framed(bytes([self.address]) + answer)

    def _act(self, function: int, data: bytes) -> bytes:
        """Carry out a request and return the answer without address and CRC."""
        identity = getattr(self.registers, "identity", b"")
        if function == IDENTIFY and identity and data == LIST_DEVICES:
            return bytes([function]) + identity
        if function == WRITE_SEVERAL:
            return self._write_several(data)
        if function not in (READ_HOLDING, READ_INPUT, WRITE_SINGLE):
            raise Refusal(ILLEGAL_FUNCTION)
        if len(data) != 4:
            raise Refusal(ILLEGAL_VALUE)
        first, value = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
        if function == WRITE_SINGLE:
            self.changes.append(bytes([function]) + data)
            self.registers.write(first, value)
            return bytes([function]) + data
        if not 1 <= value <= MOST_REGISTERS:
            raise Refusal(ILLEGAL_VALUE)
        if value > self.most_registers:
            raise Refusal(ILLEGAL_ADDRESS)
        words = self.registers.read(function, first, value)
        return bytes([function, 2 * value]) + b"".join(word.to_bytes(2, "big") for word in words)

    def _write_several(self, data: bytes) -> bytes:
        """Function 16: first register, how many, bytes that follow, values."""
        count = int.from_bytes(data[2:4], "big")
        if len(data) != 5 + 2 * count or not count or data[4] != 2 * count:
            raise Refusal(ILLEGAL_VALUE)
        self.changes.append(bytes([WRITE_SEVERAL]) + data)
        for place in range(count):
            value = int.from_bytes(data[5 + 2 * place : 7 + 2 * place], "big")
            self.registers.write(int.from_bytes(data[:2], "big") + place, value)
        return bytes([WRITE_SEVERAL]) + data[:4]
