"""What the card does around supervisord."""

from __future__ import annotations

import contextlib
import socket
import time
from pathlib import Path

LOOK_EVERY_S = 0.01


def hurry(control: Path, patience_s: float = 5.0) -> None:
    """Have a supervisord that is starting begin its programs at once, instead of a second later.

    It waits for a second of silence, or for anything on its control socket, before it starts the first program: a
    connection is something.
    """
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as connection, contextlib.suppress(OSError):
            connection.connect(str(control))
            return
        time.sleep(LOOK_EVERY_S)
