"""What the card does to the machine as a whole."""

from __future__ import annotations

import os

from istars.errors import IStarsError


class RestartFailed(IStarsError):
    """The machine cannot be restarted."""


def restart() -> None:
    """Have the machine shut down in order and start again. Raises RestartFailed."""
    # here, because hardly any process ever does this
    import subprocess

    os.sync()
    try:
        subprocess.run(["reboot"], stdin=subprocess.DEVNULL, check=True, timeout=20)  # noqa: S607 - found as the system's init says
    except (OSError, subprocess.SubprocessError) as error:
        raise RestartFailed(f"the card cannot be restarted: {error}") from error
