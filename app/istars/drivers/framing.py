"""Bytes of the wire to frames: pure functions, no clock, no port.

Each takes everything received so far and returns how many bytes are done with, and the frame if one is complete. Noise before,
between and behind frames is dropped, never raised, and never costs the good frame that follows it.

Modbus RTU is framed here and not by pymodbus: that costs asyncio and over 10 MB in every worker and does not resynchronise on a
valid frame in the middle of noise.
"""

from __future__ import annotations

import re
import struct
from functools import cache

TEXT_LIMIT = 4096
"""A text answer has less than 100 bytes; a buffer that grows beyond this without a terminator is noise."""

_NOISE = bytes((*range(32), *range(127, 256)))
_EXCEPTION_LENGTH = 5
_WRITE_LENGTH = 8
WRITE_SEVERAL = 16
EXCEPTION_BIT = 0x80


def text_line(buffer: bytes, terminator: bytes = b"\r") -> tuple[int, bytes | None]:
    """The first line of `buffer`: (bytes used, line without terminator), or (bytes to drop, None) while it is incomplete.

    NUL bytes and line feeds, which some units scatter into answers, are removed; unprintable bytes are stripped at both ends.
    """
    end = buffer.find(terminator)
    if end < 0:
        return max(0, len(buffer) - TEXT_LIMIT), None
    return end + len(terminator), buffer[:end].translate(None, b"\0\n").strip(_NOISE)


def text_lines(buffer: bytes, terminator: bytes = b"\r") -> tuple[list[bytes], bytes]:
    """All complete lines of `buffer`, as text_line() gives them, and the bytes that still wait for their end."""
    lines: list[bytes] = []
    while True:
        used, line = text_line(buffer, terminator)
        buffer = buffer[used:]
        if line is None:
            return lines, buffer
        lines.append(line)


def text_shape(pattern: bytes) -> re.Pattern[bytes]:
    """Compile the shape of an answer, for use with fullmatch on a line: noise in front of it and blanks behind are accepted."""
    return re.compile(rb".*(?:" + pattern + rb") *", re.DOTALL)


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xA001 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def crc16(data: bytes) -> bytes:
    """Checksum of Modbus RTU as it stands on the wire, low byte first."""
    table, crc = _crc_table(), 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return struct.pack("<H", crc)


def rtu(address: int, pdu: bytes) -> bytes:
    """A Modbus RTU frame: device address, `pdu` (function code and data), checksum."""
    frame = bytes((address,)) + pdu
    return frame + crc16(frame)


def read_pdu(function: int, register: int, count: int) -> bytes:
    """Request to read `count` registers (function 3 or 4)."""
    return struct.pack(">BHH", function, register, count)


def write_pdu(function: int, register: int, value: int) -> bytes:
    """Request to write one register: function 6, a vendor's function of the same shape, or function 16 with one register."""
    if function == WRITE_SEVERAL:
        return struct.pack(">BHHBH", function, register, 1, 2, value)
    return struct.pack(">BHH", function, register, value)


def reply_length(request: bytes) -> int:
    """Bytes of the good reply to `request`, a whole RTU frame: registers read, or the echo of a write."""
    function, _register, count = struct.unpack_from(">BHH", request, 1)
    return 5 + 2 * int(count) if function in (3, 4) else _WRITE_LENGTH


def rtu_frame(buffer: bytes, request: bytes) -> tuple[int, bytes | None]:
    """The first valid reply to `request` in `buffer`: (bytes used, frame), or (bytes to drop, None) while there is none.

    The frame is a good reply, an exception reply (function code with the high bit set), or the request itself, which a
    half-duplex line repeats: what that means is for the caller, because the good reply to a write looks the same.
    """
    lengths = {len(request), reply_length(request)}
    for start in range(len(buffer)):
        if buffer[start] != request[0]:
            continue
        rest = buffer[start:]
        if rest[1:2] == bytes((request[1] | EXCEPTION_BIT,)):
            lengths_here = {_EXCEPTION_LENGTH}
        elif rest[1:2] == request[1:2]:
            lengths_here = lengths
        else:
            continue
        for length in sorted(lengths_here):
            if _is_reply(rest[:length], request, length):
                return start + length, rest[:length]
    return _noise(buffer, request, max(lengths)), None


def _is_reply(frame: bytes, request: bytes, length: int) -> bool:
    """Whether `frame` is whole and means something as an answer to `request`."""
    if len(frame) != length or crc16(frame[:-2]) != frame[-2:]:
        return False
    if length == _EXCEPTION_LENGTH and frame[1] & EXCEPTION_BIT:
        return True
    if request[1] == WRITE_SEVERAL and length == _WRITE_LENGTH:
        # register and count, without the values
        return frame[:6] == request[:6]
    return frame == request or (request[1] in (3, 4) and frame[2] == length - 5)


def _noise(buffer: bytes, request: bytes, longest: int) -> int:
    """How many leading bytes of `buffer` cannot be the start of a reply that is still coming."""
    for start in range(max(0, len(buffer) - longest + 1), len(buffer)):
        rest = buffer[start : start + 2]
        if rest[0] == request[0] and (len(rest) == 1 or rest[1] & ~EXCEPTION_BIT == request[1]):
            return start
    return len(buffer)
