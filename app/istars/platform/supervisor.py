"""What the card does around supervisord. `python -m istars.platform.supervisor` becomes the supervisord of the card."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
from pathlib import Path

from istars.platform import paths
from istars.platform.programs import ProgramFailed

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


def end(control: Path, program: str) -> None:
    """Have the supervisord behind the socket `control` end one of its programs, which it then starts again.

    Raises ProgramFailed.
    """
    # here, because they are large and hardly ever needed
    import http.client

    # who answers is our own supervisord, behind a socket that is closed to others
    import xmlrpc.client  # nosec B411

    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(serverurl=f"unix://{control}")
    # the address is not used: the transport knows its socket
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
    try:
        proxy.supervisor.signalProcess(program, "TERM")
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        raise ProgramFailed(f"the supervisor does not restart the programs: {error}") from error
    finally:
        transport.close()


def main() -> None:
    """Run supervisord in this process until it is told to stop."""
    from supervisor import supervisord

    threading.Thread(target=hurry, args=(paths.run_dir() / "supervisor.sock",), daemon=True).start()
    sys.argv = ["supervisord", "-n", "-c", str(paths.root() / "etc" / "supervisord.conf")]
    supervisord.main()


if __name__ == "__main__":
    main()
