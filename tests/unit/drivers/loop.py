"""Transports for tests: a loop inside the process, and the far end of a pty."""

from __future__ import annotations

import os
import select
import struct
import threading
import tty
from collections.abc import Callable
from dataclasses import replace

from istars.drivers.framing import crc16, rtu
from istars.drivers.item import Protocol, Timing

Peer = Callable[[bytes], bytes]
"""The device: request to reply, b"" for silence."""


class LoopTransport:
    """Whatever is written is answered at once by `peer`; time never passes: what is not there now is a time-out."""

    where = "loop"

    def __init__(self, peer: Peer, chunk: int = 4096) -> None:
        self.peer = peer
        self.chunk = chunk
        self.sent: list[bytes] = []
        self.is_open = False
        self._coming = b""

    def open(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)
        self._coming += self.peer(data)

    def read(self, least: int, until: float) -> bytes:
        taken, self._coming = self._coming[: self.chunk], self._coming[self.chunk :]
        return taken

    def rest(self) -> bytes:
        return self.read(0, 0)

    def discard(self) -> None:
        self._coming = b""


class ModbusPeer:
    """A Modbus device with the registers `words`, by (function, register); the others up to `last` read as 0.

    It refuses what goes beyond `last`, what touches `missing`, and more than `limit` registers at once; it is silent where
    `mute` says so. Writes are kept in `written`.
    """

    def __init__(self, words: dict[tuple[int, int], int], address: int = 1) -> None:
        self.words = words
        self.address = address
        self.last = 250
        self.limit = 125
        self.missing: set[int] = set()
        self.mute: Callable[[int, int], bool] = lambda _first, _count: False
        self.written: list[tuple[int, int]] = []
        self.asked: list[tuple[int, int, int]] = []

    def __call__(self, request: bytes) -> bytes:
        address, function, first, count = struct.unpack(">BBHH", request[:-2])
        if address != self.address or crc16(request[:-2]) != request[-2:]:
            return b""
        if function == 6:
            self.written.append((first, count))
            return request
        self.asked.append((function, first, count))
        if self.mute(first, count):
            return b""
        span = range(first, first + count)
        if function not in (3, 4) or count > self.limit or span[-1] > self.last or self.missing & set(span):
            return rtu(address, bytes((function | 0x80, 2)))
        words = struct.pack(f">{count}H", *(self.words.get((function, register), 0) for register in span))
        return rtu(address, bytes((function, 2 * count)) + words)


class PtyDevice:
    """A device at the far end of a pty; `path` is what the card opens. Use as a context manager."""

    def __init__(self, peer: Peer = lambda _request: b"", terminator: bytes = b"\r") -> None:
        self._peer = peer
        self._terminator = terminator
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        self._slave = slave
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> PtyDevice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()
        for fd in (self._stop, self._stopping):
            os.close(fd)

    def say(self, data: bytes) -> None:
        """Send without being asked."""
        os.write(self.master, data)

    def unplug(self) -> None:
        """The device disappears."""
        if self.master >= 0:
            os.write(self._stopping, b"x")
            self._thread.join()
            os.close(self.master)
            os.close(self._slave)
            self.master = -1

    def _serve(self) -> None:
        buffer = b""
        while True:
            ready, _, _ = select.select([self.master, self._stop], [], [])
            if self._stop in ready:
                return
            buffer += os.read(self.master, 4096)
            if not self._terminator or buffer.endswith(self._terminator):
                os.write(self.master, self._peer(buffer))
                buffer = b""


def hurried(protocol: Protocol, **changes: float) -> Protocol:
    """`protocol` without any waiting for what does not come."""
    times = {"answer_s": 0.05, "gap_s": 0.0, "refusal_s": 0.0, "effect_s": 0.0, **changes}
    return replace(protocol, timing=Timing(**times))
