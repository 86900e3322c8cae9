"""Modbus TCP as a transport: requests and replies of Modbus RTU go in and out, frames of Modbus TCP go over the network.

The link above speaks RTU only; the checksum that TCP does not carry is taken off and put on here. Replies to requests that were
given up are dropped by their transaction number. Source: Modbus messaging on TCP/IP implementation guide 1.0b.
"""

from __future__ import annotations

import struct
import time

from istars.drivers.framing import crc16
from istars.drivers.transport import TcpTransport

HEADER = struct.Struct(">HHHB")
"""Transaction, protocol (0), bytes that follow, unit."""

LONGEST = 254
"""Bytes that may follow the length field: unit and a PDU of 253."""


def mbap_frame(buffer: bytes, transaction: int) -> tuple[int, bytes | None]:
    """The reply to `transaction` in `buffer`, as an RTU frame: (bytes used, frame), or (bytes to drop, None) while there is none.

    Replies to other transactions are dropped; what cannot be a header drops byte by byte.
    """
    at = 0
    while len(buffer) - at >= HEADER.size:
        found, protocol, length, _unit = HEADER.unpack_from(buffer, at)
        if protocol != 0 or not 3 <= length <= LONGEST:
            at += 1
            continue
        end = at + HEADER.size - 1 + length
        if end > len(buffer):
            break
        if found == transaction:
            body = buffer[at + HEADER.size - 1 : end]
            return end, body + crc16(body)
        at = end
    return at, None


class ModbusTcpTransport:
    """A Modbus TCP device at `host`:`port`."""

    def __init__(self, host: str, port: int) -> None:
        self._tcp = TcpTransport(host, port)
        self.where = f"modbus:{host}:{port}"
        self._transaction = 0
        self._buffer = b""

    @property
    def is_open(self) -> bool:
        """See Transport."""
        return self._tcp.is_open

    def fileno(self) -> int:
        """See TcpTransport."""
        return self._tcp.fileno()

    def open(self) -> None:
        """See TcpTransport."""
        self._tcp.open()

    def close(self) -> None:
        """See Transport."""
        self._tcp.close()

    def write(self, data: bytes) -> None:
        """Send the RTU frame `data`."""
        self._transaction = (self._transaction + 1) & 0xFFFF
        body = data[:-2]
        self._tcp.write(struct.pack(">HHH", self._transaction, 0, len(body)) + body)

    def read(self, least: int, until: float) -> bytes:
        """The whole reply to the last request, as an RTU frame; b"" once it is `until`."""
        while True:
            used, frame = mbap_frame(self._buffer, self._transaction)
            self._buffer = self._buffer[used:]
            if frame is not None:
                return frame
            chunk = self._tcp.read(1, until)
            if not chunk or time.monotonic() >= until:
                return b""
            self._buffer += chunk

    def rest(self) -> bytes:
        """See Transport."""
        rest, self._buffer = self._buffer + self._tcp.rest(), b""
        return rest

    def discard(self) -> None:
        """See Transport."""
        self._buffer = b""
        self._tcp.discard()
