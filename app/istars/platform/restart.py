"""Restarting the card: the whole machine where it is ours, else only the card's own programs."""

from __future__ import annotations

from istars.platform import machine, paths, programs, supervisor

OWN_PROGRAMS = "card"
"""The workers and the pages in `rootfs/etc/supervisord.conf`."""
PATIENCE_S = 15.0


def now() -> None:
    """Begin an orderly restart; whoever calls this is told to stop a moment later.

    On the card init ends all programs and starts the machine anew. On a developer's machine the supervisor ends the card's
    programs and starts them again. Raises ProgramFailed.
    """
    if machine.ours():
        programs.run(["reboot"], PATIENCE_S)
    else:
        supervisor.end(paths.run_dir() / "supervisor.sock", OWN_PROGRAMS)
