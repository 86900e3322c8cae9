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
    _order(control, "signalProcess", program, "TERM")


def run(control: Path, program: str) -> None:
    """Have a program run that is not started by itself; it is no error that it does already. Raises ProgramFailed."""
    _order(control, "startProcess", program, False, fine="ALREADY_STARTED")


def stop(control: Path, program: str) -> None:
    """Have a program end and not start again; it is no error that it does not run. Raises ProgramFailed."""
    _order(control, "stopProcess", program, fine="NOT_RUNNING")


def _order(control: Path, verb: str, *words: str | bool, fine: str = "") -> None:
    """Call one of supervisord's methods; a fault called `fine` is no error."""
    # here, because they are large and hardly ever needed
    import http.client

    # who answers is our own supervisord, behind a socket that is closed to others
    import xmlrpc.client  # nosec B411

    from supervisor.xmlrpc import Faults, SupervisorTransport

    transport = SupervisorTransport(serverurl=f"unix://{control}")
    # the address is not used: the transport knows its socket
    proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
    try:
        getattr(proxy.supervisor, verb)(*words)
    except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
        if not fine or getattr(error, "faultCode", None) != getattr(Faults, fine):
            raise ProgramFailed(f"the supervisor does not obey: {error}") from error
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
