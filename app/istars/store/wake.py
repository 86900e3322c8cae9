"""Nudges: a byte that says "look now".

A lost nudge is harmless, because everybody also looks once a second; a nudge costs nothing while nothing happens.
"""

from __future__ import annotations

import atexit
import contextlib
import select
import socket
from pathlib import Path

from istars.platform import paths

_sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
atexit.register(_sender.close)


def _socket_path(worker: str) -> Path:
    return paths.wake_dir() / worker


def nudge(worker: str) -> None:
    """Wake `worker` if it listens. Never waits, never fails: it looks by itself within a second anyway."""
    with contextlib.suppress(OSError):
        _sender.sendto(b"!", str(_socket_path(worker)))


class Bell:
    """The receiving end of one worker."""

    def __init__(self, worker: str) -> None:
        path = _socket_path(worker)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        path.unlink(missing_ok=True)
        self._socket.bind(str(path))
        path.chmod(0o660)

    def fileno(self) -> int:
        """For select and poll."""
        return self._socket.fileno()

    def wait(self, timeout_s: float) -> bool:
        """Wait until nudged, at most `timeout_s`; True if nudged. Several nudges count as one."""
        ready, _, _ = select.select([self._socket], [], [], max(0.0, timeout_s))
        if ready:
            self.drain()
        return bool(ready)

    def drain(self) -> None:
        """Forget the nudges that have come."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(16)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
