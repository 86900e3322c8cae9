"""The ways into the simulator: a pty under a link, TCP connections, and the unix socket of the steering words."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import termios
import tty
from pathlib import Path
from typing import Final

from .line import Line

READ_SIZE: Final = 4096
SPEEDS: Final = (1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)


class SimulatorError(Exception):
    """The simulator cannot be set up as asked; the text says why in one line."""


class PtyChannel:
    """A pty whose slave side, in raw mode, is linked at `link`.

    The slave is held open here too, so that a client may close and open it as it likes without a hang-up.
    """

    def __init__(self, link: Path, line: Line) -> None:
        self.line = line
        self.link = link
        if link.exists() and not link.is_symlink():
            raise SimulatorError(f"{link} exists and is not a link")
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.device = os.ttyname(self._slave)
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            temporary = link.with_name(f".{link.name}.{os.getpid()}")
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self.device)
            temporary.replace(link)
        except OSError as error:
            self._close_pty()
            raise SimulatorError(f"cannot make the link {link}: {error.strerror}") from error

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._master

    @property
    def client_baud(self) -> int:
        """Speed to which the program at the other end has set its side."""
        speed = termios.tcgetattr(self._slave)[5]
        return next((baud for baud in SPEEDS if getattr(termios, f"B{baud}") == speed), 0)

    def receive(self) -> bytes | None:
        """Read what came in; None when the channel is gone."""
        try:
            return os.read(self._master, READ_SIZE)
        except BlockingIOError:
            return b""
        except OSError:
            return None

    def send(self, data: bytes) -> bool:
        """Send; characters nobody fetches are lost, as on a real line. False when the channel is gone."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)
        return True

    def close(self) -> None:
        """Hang up: clients get an end of file, the link vanishes if it is still ours."""
        if self.link.is_symlink() and str(self.link.readlink()) == self.device:
            self.link.unlink()
        self._close_pty()

    def _close_pty(self) -> None:
        os.close(self._slave)
        os.close(self._master)


class SocketChannel:
    """One TCP connection that carries the same bytes as the serial line."""

    def __init__(self, connection: socket.socket, line: Line) -> None:
        self.line = line
        self._connection = connection
        connection.setblocking(False)

    def fileno(self) -> int:
        """Descriptor to wait on."""
        return self._connection.fileno()

    def receive(self) -> bytes | None:
        """Read what came in; None when the peer is gone."""
        return receive_some(self._connection)

    def send(self, data: bytes) -> bool:
        """Send; False when the peer is gone."""
        return send_some(self._connection, data)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def receive_some(connection: socket.socket) -> bytes | None:
    """Read from a non-blocking socket: b"" when there is nothing, None when the peer is gone."""
    try:
        return connection.recv(READ_SIZE) or None
    except BlockingIOError:
        return b""
    except OSError:
        return None


def send_some(connection: socket.socket, data: bytes) -> bool:
    """Write to a non-blocking socket what fits; False when the peer is gone."""
    try:
        connection.send(data)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


def listen_tcp(port: int) -> socket.socket:
    """Listen on 127.0.0.1; port 0 takes a free one."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SimulatorError(f"cannot listen on 127.0.0.1:{port}: {error}") from error
    listener.listen()
    listener.setblocking(False)
    return listener


def bind_udp(port: int) -> socket.socket:
    """Take datagrams on 127.0.0.1; port 0 takes a free one."""
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        receiver.bind(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        receiver.close()
        raise SimulatorError(f"cannot take datagrams on 127.0.0.1:{port}: {error}") from error
    receiver.setblocking(False)
    return receiver


def listen_unix(path: Path) -> socket.socket:
    """Listen on a unix socket at `path`, for the owner only; a socket left over by a dead simulator is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear_way(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        listener.bind(str(path))
        path.chmod(0o600)
    except OSError as error:
        listener.close()
        raise SimulatorError(f"cannot listen on {path}: {error.strerror or error}") from error
    except SimulatorError:
        listener.close()
        raise
    listener.listen()
    listener.setblocking(False)
    return listener


def _clear_way(path: Path) -> None:
    """Remove a dead socket at `path`; raise SimulatorError for anything else that stands there."""
    if not path.exists():
        return
    if not stat.S_ISSOCK(path.stat().st_mode):
        raise SimulatorError(f"{path} exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise SimulatorError(f"a simulator runs at {path} already")
