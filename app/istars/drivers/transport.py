"""Ways to reach a device: a serial port (a pty works the same), a TCP connection to a serial server, Modbus TCP.

A transport moves bytes and nothing else. It sleeps until there is something worth waking up for: on text lines the kernel
itself collects a whole line (canonical mode with CR as end of line), on binary lines it waits for the number of bytes expected.
Reading byte by byte costs 59 wake-ups for one Q1 answer at 2400 baud, this way 1.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import math
import os
import select
import socket
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import serial

from istars.drivers.item import Line, Options, Timing
from istars.errors import PortError

if TYPE_CHECKING:
    from istars.drivers.link import Link

CONNECT_S = 5.0
"""Longest wait for a serial server to accept a connection."""

WRITE_S = 2.0
"""Longest wait for the port to take a frame; only a stuck flow control or a dead peer gets there."""

CHUNK = 4096
PTY_MAJORS = range(136, 144)
"""Device numbers of Unix 98 pty slaves (Linux devices.txt)."""

IFLAG, OFLAG, LFLAG, CC = 0, 1, 3, 6
"""Places in the list that termios.tcgetattr gives."""


class Transport(Protocol):
    """What the links need of a transport. Every method except close() raises PortError when the port is gone."""

    where: str

    @property
    def is_open(self) -> bool:
        """Whether it can be used at this moment."""

    def open(self) -> None:
        """Open the port; nothing happens where it is open."""

    def close(self) -> None:
        """Give the port back. Always safe."""

    def write(self, data: bytes) -> None:
        """Send `data`."""

    def read(self, least: int, until: float) -> bytes:
        """Sleep until a line, or `least` bytes, are there and return what is there; b"" once it is `until` (monotonic s)."""

    def rest(self) -> bytes:
        """Take what has come so far although it is less than read() waits for."""

    def discard(self) -> None:
        """Forget everything that has come but was not read."""


@runtime_checkable
class NetworkTransport(Protocol):
    """A transport whose protocol goes with it: it makes the link of its family."""

    def link(self, timing: Timing, options: Options) -> Link:
        """The link over this transport."""


def transport_for(device: str, line: Line) -> Transport:
    """The transport that `device` names: a path, `tcp:host:port`, or `modbus:host:port`. Opens nothing.

    Raises PortError for a name that is none of these.
    """
    if device.startswith("tcp:"):
        return TcpTransport(*host_and_port(device))
    if device.startswith("modbus:"):
        from istars.drivers.mbap import ModbusTcpTransport

        return ModbusTcpTransport(*host_and_port(device))
    if not device.startswith("/"):
        raise PortError(
            "port-missing",
            f"{device or 'an empty name'} is neither a device path nor tcp:HOST:PORT nor modbus:HOST:PORT",
        )
    return SerialTransport(device, line)


def host_and_port(device: str) -> tuple[str, int]:
    """Host and port of a name such as `tcp:host:port`. Raises PortError for one without them."""
    kind, _, rest = device.partition(":")
    host, _, port = rest.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise PortError("port-missing", f"{device} is not of the form {kind}:HOST:PORT")
    return host.strip("[]"), int(port)


class _Descriptor:
    """What both transports share: a file descriptor that is waited for, read and written without ever blocking elsewhere."""

    where: str

    def __init__(self) -> None:
        self._fd = -1
        self._poll = select.poll()

    @property
    def is_open(self) -> bool:
        """See Transport."""
        return self._fd >= 0

    def close(self) -> None:
        """See Transport."""
        raise NotImplementedError

    def fileno(self) -> int:
        """The descriptor, for those who wait for several things at once; -1 while closed."""
        return self._fd

    def _use(self, fd: int) -> None:
        self._fd = fd
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    def _gone(self, why: str = "disappeared") -> PortError:
        self.close()
        return PortError("port-missing", f"{self.where} {why}")

    def _require_open(self) -> None:
        if self._fd < 0:
            raise PortError("port-missing", f"{self.where} is not open")

    def _wait_and_take(self, until: float) -> bytes:
        """Sleep until poll() reports bytes, return them; b"" once it is `until`."""
        while True:
            left_ms = math.ceil(max(0.0, until - time.monotonic()) * 1000)
            ready = self._poll.poll(left_ms)
            if not ready:
                return b""
            state = ready[0][1]
            data = self._take() if state & select.POLLIN else b""
            if data:
                return data
            if state & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                raise self._gone()

    def _take(self) -> bytes:
        """What is there now; b"" if nothing is."""
        try:
            return os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as problem:
            raise self._gone() from problem

    def write(self, data: bytes) -> None:
        """See Transport."""
        self._require_open()
        until = time.monotonic() + WRITE_S
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:
                self._wait_for_room(until)
            except OSError as problem:
                raise self._gone() from problem

    def _wait_for_room(self, until: float) -> None:
        room = select.poll()
        room.register(self._fd, select.POLLOUT)
        if not room.poll(math.ceil(max(0.0, until - time.monotonic()) * 1000)):
            raise self._gone("takes no more bytes")


class SerialTransport(_Descriptor):
    """A serial port, for this program alone: flock keeps cooperating programs away, TIOCEXCL all others.

    With `line.terminator` the kernel frames lines; every character except the terminator is plain data to it.
    """

    def __init__(self, path: str, line: Line) -> None:
        super().__init__()
        self.where = path
        self._line = line
        self._port: serial.Serial | None = None
        self._framing: list[Any] = []
        self._raw: list[Any] = []

    def open(self) -> None:
        """Open and set up the port.

        Raises PortError: port-missing, permission or port-busy.
        """
        if self.is_open:
            return
        line = self._line
        port = serial.Serial()
        try:
            port.baudrate, port.bytesize, port.parity, port.stopbits = (
                line.baud,
                line.bytesize,
                line.parity,
                line.stopbits,
            )
            port.dtr, port.rts, port.exclusive, port.port = line.dtr, line.rts, True, self.where
            port.open()
            self._port = port
            self._set_up(port.fileno())
        except (OSError, ValueError, termios.error) as problem:
            self.close()
            raise open_error(self.where, problem) from problem

    def _set_up(self, fd: int) -> None:
        # A pty outlives this program: its exclusive mark would lock out the program that is started after a kill.
        if os.major(os.fstat(fd).st_rdev) not in PTY_MAJORS:
            fcntl.ioctl(fd, termios.TIOCEXCL)
        self._raw = _attributes(fd, b"")
        self._framing = _attributes(fd, self._line.terminator)
        termios.tcsetattr(fd, termios.TCSANOW, self._framing)
        self._use(fd)

    def close(self) -> None:
        """See Transport."""
        port, self._port, self._fd = self._port, None, -1
        if port is not None:
            with contextlib.suppress(OSError, termios.error):
                port.close()

    def read(self, least: int, until: float) -> bytes:
        """See Transport."""
        self._require_open()
        if not self._line.terminator:
            self._wait_for_bytes(least)
        return self._wait_and_take(until)

    def _take(self) -> bytes:
        data = super()._take()
        # Without lines the terminal layer hands out pieces (64 bytes on Linux 6), whatever is asked for.
        while data and not self._line.terminator and (more := super()._take()):
            data += more
        return data

    def _wait_for_bytes(self, least: int) -> None:
        """Have poll() sleep until `least` bytes are there (VMIN, one byte wide)."""
        wanted = min(max(least, 1), 255)
        if self._framing[CC][termios.VMIN] != wanted:
            self._framing[CC][termios.VMIN] = wanted
            self._set(self._framing)

    def rest(self) -> bytes:
        """See Transport."""
        self._require_open()
        if not self._line.terminator:
            return self._take()
        # Bytes without an end of line can only be read while the kernel does not look for lines.
        self._set(self._raw)
        data = self._take()
        self.discard()
        self._set(self._framing)
        return data

    def discard(self) -> None:
        """See Transport."""
        self._require_open()
        try:
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as problem:
            raise self._gone() from problem

    def _set(self, attributes: list[Any]) -> None:
        try:
            termios.tcsetattr(self._fd, termios.TCSANOW, attributes)
        except termios.error as problem:
            raise self._gone() from problem


def _attributes(fd: int, terminator: bytes) -> list[Any]:
    """Settings of the terminal layer in which no byte means anything but itself, except `terminator` where there is one."""
    attributes = termios.tcgetattr(fd)
    attributes[IFLAG] = termios.IGNBRK
    attributes[OFLAG] = 0
    attributes[LFLAG] = termios.ICANON if terminator else 0
    attributes[CC] = [b"\0"] * len(attributes[CC])
    if terminator:
        attributes[CC][termios.VEOL] = terminator
    else:
        attributes[CC][termios.VMIN], attributes[CC][termios.VTIME] = 1, 0
    return attributes


def open_error(path: str, problem: Exception) -> PortError:
    """Why a port could not be opened, as one sentence for the user."""
    number = getattr(problem, "errno", None)
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO):
        return PortError("port-missing", f"there is no port {path}")
    if number in (errno.EACCES, errno.EPERM):
        return PortError("permission", f"no permission to use {path}{_group_hint(path)}")
    if number in (errno.EBUSY, errno.EAGAIN):
        return PortError("port-busy", f"{path} is in use by another program")
    return PortError("port-missing", f"{path} cannot be used as a serial port: {problem}")


def _group_hint(path: str) -> str:
    """Which group may use the port, where the system tells."""
    try:
        return f": it belongs to group {grp.getgrgid(Path(path).stat().st_gid).gr_name}"
    except (OSError, KeyError):
        return ""


class TcpTransport(_Descriptor):
    """A device behind a serial server: raw bytes over TCP. Lines arrive as the network cuts them."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.where = f"tcp:{host}:{port}"
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Connect.

        Raises PortError: refused, no-answer or port-missing (unknown host, no route).
        """
        if self.is_open:
            return
        try:
            link = socket.create_connection(self._address, timeout=CONNECT_S)
        except ConnectionRefusedError as problem:
            raise PortError("refused", f"{self.where} refuses the connection") from problem
        except TimeoutError as problem:
            raise PortError("no-answer", f"{self.where} does not answer within {CONNECT_S:g} s") from problem
        except OSError as problem:
            raise PortError(
                "port-missing", f"{self.where} cannot be reached: {problem.strerror or problem}"
            ) from problem
        link.setblocking(False)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A serial server that lost its power sends no farewell: without keepalive the link would look silent for ever.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000)
        self._socket = link
        self._use(link.fileno())

    def close(self) -> None:
        """See Transport."""
        link, self._socket, self._fd = self._socket, None, -1
        if link is not None:
            link.close()

    def read(self, least: int, until: float) -> bytes:
        """See Transport."""
        self._require_open()
        if self._socket is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, max(least, 1))
        return self._wait_and_take(until)

    def _take(self) -> bytes:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as problem:
            raise self._gone("broke the connection") from problem
        if not data:
            raise self._gone("closed the connection")
        return data

    def rest(self) -> bytes:
        """See Transport."""
        self._require_open()
        return self._take()

    def discard(self) -> None:
        """See Transport."""
        self._require_open()
        while self._take():
            pass
