"""What the card does around supervisord. `python -m istars.platform.supervisor` becomes the supervisord of the card."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

from istars.platform import paths

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


def main() -> None:
    """Run supervisord in this process until it is told to stop."""
    from supervisor import supervisord

    threading.Thread(target=hurry, args=(paths.run_dir() / "supervisor.sock",), daemon=True).start()
    sys.argv = ["supervisord", "-n", "-c", str(paths.root() / "etc" / "supervisord.conf")]
    supervisord.main()


if __name__ == "__main__":
    main()
