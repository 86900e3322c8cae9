"""Serial port debugging (manual 3.2.5.2): the worker that owns the ports lends one, sends what somebody types, shows what comes.

While a port is lent nothing is polled on it. It is given back when that is ordered, when nobody has looked at the page for a
while, when nothing was sent for long, and when this worker ends, however that happens: the desk lives in its memory only.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import time
from collections import deque
from dataclasses import replace
from pathlib import Path

from istars.drivers.engine import Options, line_for
from istars.drivers.explain import Explainer
from istars.drivers.item import Family, Line
from istars.drivers.transport import SerialTransport, transport_for
from istars.drivers.ups import protocol_named
from istars.errors import CommandRefused, LinkError, PortError
from istars.platform import clock, paths
from istars.settings import Settings
from istars.store import serialport, wake
from istars.store.live_commands import LiveCommand
from istars.store.serialport import Frame, State

log = logging.getLogger(__name__)

IDLE_S = 600.0
LOOK_S = 0.5
SILENCE_S = 0.06
"""A pause after which bytes are a frame of their own; a text line ends with its terminator, or after LINE_S."""
LINE_S = 0.3
LONGEST_SEND = 256
LONGEST_FRAME = 1024


def forget() -> None:
    """An earlier run of this worker borrowed nothing that is still lent; what went over the line stays to be read."""
    was = serialport.read()
    if was.by:
        with contextlib.suppress(OSError):
            serialport.write(
                replace(was, by="", recording="", ended=clock.wall(), why="the card's program was restarted")
            )


def bytes_of(text: str) -> bytes:
    """What is to be sent. Raises CommandRefused."""
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise CommandRefused("bytes must be hexadecimal, two digits each") from None
    if not 0 < len(data) <= LONGEST_SEND:
        raise CommandRefused(f"bytes must be between 1 and {LONGEST_SEND}, not {len(data)}")
    return data


def borrow(command: LiveCommand, settings: Settings, options: Options) -> SerialDesk:
    """Open the port for whoever asked. Raises LinkError, CommandRefused."""
    given = command.arguments
    device = str(given.get("device") or settings.text("ups.device"))
    name = settings.text("ups.protocol")
    try:
        protocol = protocol_named(name)
    except LinkError:
        protocol = None
    if protocol is not None and protocol.family not in (Family.TEXT, Family.MODBUS):
        protocol = None
    line = line_for(protocol, options) if protocol else Line()
    parity = str(given.get("parity") or line.parity)
    if parity not in ("N", "E", "O"):
        raise CommandRefused(f"parity must be N, E or O, not {parity[:10]!r}")
    line = replace(
        line,
        baud=int(given.get("baud") or line.baud),
        parity=parity,
        bytesize=int(given.get("bytesize") or line.bytesize),
        stopbits=int(given.get("stopbits") or line.stopbits),
        terminator=b"",
    )
    if device.startswith(("snmp:", "nut:")):
        raise CommandRefused(f"{device} is not a serial port, nor a serial server")
    own = device == settings.text("ups.device")
    return SerialDesk(command.asked_by, device, line, Explainer(protocol if own else None, options))


class SerialDesk:
    """A lent port. `look()` takes what has come and answers why it has to be given back, if it has to."""

    def __init__(self, by: str, device: str, line: Line, explain: Explainer) -> None:
        self.device = device
        self._by = by
        self._explain = explain
        self._transport = transport_for(device, line)
        self._transport.open()
        self._buffer, self._heard_at = b"", 0.0
        self._request = b""
        self._frames: deque[Frame] = deque(maxlen=serialport.FRAMES_KEPT)
        self._number = 0
        self._record: Path | None = None
        self._recorded = 0
        self._new = False
        now = clock.boottime()
        self._sent_at, self._began = now, now
        serial = isinstance(self._transport, SerialTransport)
        words = f"{line.baud} baud, {line.bytesize}{line.parity}{line.stopbits}" if serial else "over the network"
        title = explain.protocol.title if explain.protocol else ""
        self._state = State(by, device, words, title, clock.wall())
        self._note("Borrowed; the UPS is not watched.")
        self._show()

    @property
    def said(self) -> str:
        """Who has the port, in words."""
        return f"{self.device} is borrowed by {self._by} for serial port debugging"

    def news(self) -> bool:
        """Whether something has happened since the last time."""
        new, self._new = self._new, False
        return new

    def due(self) -> float:
        """Boottime of the next look."""
        if self._buffer:
            return clock.boottime() + max(0.01, self._heard_at + self._pause - time.monotonic())
        return clock.boottime() + LOOK_S

    @property
    def _pause(self) -> float:
        return LINE_S if self._explain.terminator else SILENCE_S

    def wait(self, bell: wake.Bell, timeout_s: float) -> bool:
        """Wait for bytes or a nudge; whether the bell rang."""
        number = getattr(self._transport, "fileno", lambda: -1)()
        sources = [bell.fileno(), *([number] if number >= 0 else [])]
        ready, _, _ = select.select(sources, [], [], max(0.0, timeout_s))
        return bell.fileno() in ready

    def look(self) -> str:
        """Take what has come. Why the port has to be given back, empty while it has not."""
        try:
            while data := self._transport.read(1, time.monotonic()):
                self._hear(data)
        except PortError as problem:
            return problem.detail
        if self._buffer and time.monotonic() >= self._heard_at + self._pause:
            self._frame(self._buffer)
            self._buffer = b""
        now = clock.boottime()
        if now - max(serialport.looked_at(), self._began) > serialport.LEASE_S:
            return "nobody looks at the page any more"
        if now - self._sent_at > IDLE_S:
            return f"nothing was sent for {IDLE_S / 60:.0f} minutes"
        return ""

    def _hear(self, data: bytes) -> None:
        self._buffer += data
        self._heard_at = time.monotonic()
        end = self._explain.terminator
        while end and end in self._buffer:
            line, _, self._buffer = self._buffer.partition(end)
            self._frame(line + end)
        if len(self._buffer) > LONGEST_FRAME:
            self._frame(self._buffer)
            self._buffer = b""

    def _frame(self, data: bytes) -> None:
        told = self._explain.answer(self._request, data)
        self._add(Frame(0, clock.wall(), "rx", data.hex(" "), told.text, fields=told.fields))

    def send(self, data: bytes, by: str, *, sure: bool) -> str:
        """Send `data`. Raises CommandRefused for what may change the UPS unless somebody is `sure`, PortError."""
        told = self._explain.request(data)
        if told.changes and not sure:
            raise CommandRefused(f"{serialport.CONFIRM}{told.text}")
        self._transport.write(data)
        self._request, self._sent_at = data, clock.boottime()
        self._add(Frame(0, clock.wall(), "tx", data.hex(" "), told.text, told.changes, by))
        return f"Sent {len(data)} bytes: {told.text}"

    def record(self, on: bool) -> str:
        """Begin or end a recording. Raises OSError."""
        if on and self._record is None:
            self._record, self._recorded = serialport.new_record(), 0
            self._note("Recording begins.")
        elif not on and self._record is not None:
            self._end_record("Recording ends.")
        self._show()
        return "Recording." if on else "Not recording."

    def _end_record(self, why: str) -> None:
        self._note(why)
        self._record = None

    def _note(self, text: str) -> None:
        self._add(Frame(0, clock.wall(), "note", meaning=text))

    def _add(self, frame: Frame) -> None:
        self._number += 1
        frame = replace(frame, number=self._number)
        self._frames.append(frame)
        self._keep(frame)
        self._new = True
        self._show()

    def _keep(self, frame: Frame) -> None:
        """One line more in the recording; a medium that is full ends it, and is said."""
        if self._record is None:
            return
        line = serialport.as_line(frame)
        if self._recorded + len(line) > serialport.RECORD_LIMIT:
            self._record = None
            self._note(f"Recording ends: it has reached {serialport.RECORD_LIMIT // 1024} kB.")
            return
        try:
            with self._record.open("ab") as file:
                file.write(line)
            self._recorded += len(line)
        except OSError as error:
            self._record = None
            self._note(f"Recording ends: {error.strerror}.")

    def _show(self) -> None:
        name = self._record.stem if self._record else ""
        self._state = replace(self._state, recording=name, recorded=self._recorded, frames=tuple(self._frames))
        try:
            serialport.write(self._state)
        except OSError as error:
            log.warning("what goes over the borrowed port cannot be shown: %s", error.strerror)

    def close(self, why: str) -> None:
        """Give the port back. Always safe."""
        self._transport.close()
        self._note(f"Given back: {why}.")
        if self._record is not None:
            with contextlib.suppress(OSError), self._record.open("rb") as file:
                os.fsync(file.fileno())
            self._record = None
        self._show()
        self._state = replace(self._state, by="", recording="", ended=clock.wall(), why=why)
        with contextlib.suppress(OSError):
            serialport.write(self._state)
            paths.serial_lease().unlink(missing_ok=True)
