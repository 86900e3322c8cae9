"""The clock of the card: chronyd keeps it (`rootfs/etc/chrony.conf`), here it gets its servers and is asked how it does.

chronyd reads one server a line from a file that is written anew as a whole; it is spoken to by `chronyc` over its socket. Both
are called without a shell, and the only word of an owner in either is a host name that its declaration has checked.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from istars.errors import IStarsError
from istars.platform import clock, files, machine, paths, programs

FASTEST_POLL = 6
"""As a power of two in seconds: 64 s, less than which public servers do not like."""
BURST = "4/8"
"""Good measurements wanted, and attempts; two seconds lie between two of them."""
EARLIEST, LATEST = 1_577_836_800, 4_102_444_800
"""2020 and 2100: a clock set by hand is between them."""
FOREIGN = "the clock belongs to the operating system of this machine, not to the card"


class ClockRefused(IStarsError):
    """The clock cannot be set, or nobody can say how it does."""


@dataclass(frozen=True, slots=True)
class Server:
    """One time server as chronyd sees it; `measured_s` is the age of the last measurement, None where there is none."""

    name: str
    selected: bool
    reachable: bool
    measured_s: float | None


@dataclass(frozen=True, slots=True)
class Tracking:
    """The clock as chronyd sees it. `behind_s` is how far it is behind the servers (negative: ahead), still to be corrected.

    `updated` is the wall time of the last comparison that counted; None where there was none yet.
    """

    server: str
    behind_s: float
    updated: float | None


def socket_path() -> Path:
    """Where chronyd of this instance takes commands."""
    return paths.run_dir() / "chrony" / "chronyd.sock"


def sources_path() -> Path:
    """The file with the servers."""
    return paths.run_dir() / "time" / "owner.sources"


def runs() -> bool:
    """Whether a chronyd of this instance has begun."""
    return socket_path().exists()


def _ask(*words: str) -> list[list[str]]:
    """Rows of what chronyc answers. Raises ProgramFailed."""
    answer = programs.run(["chronyc", "-c", "-N", "-h", str(socket_path()), *words])
    return [line.split(",") for line in answer.splitlines() if line]


def use_servers(servers: Sequence[str], interval_s: int) -> None:
    """Have chronyd ask `servers`, at the longest every `interval_s` (a power of two); one that starts later does so by itself.

    Raises OSError where the file cannot be written, ProgramFailed where chronyd runs and does not answer.
    """
    slowest = interval_s.bit_length() - 1
    path = sources_path()
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    polls = f"minpoll {min(FASTEST_POLL, slowest)} maxpoll {slowest}"
    content = "".join(f"server {name} iburst {polls}\n" for name in servers).encode("ascii")
    if not path.exists() or path.read_bytes() != content:
        files.replace(path, content)
    if runs():
        _ask("reload", "sources")


def servers() -> list[Server]:
    """The servers that chronyd asks. Raises ProgramFailed, ClockRefused for an answer that is not understood."""
    try:
        # mode, state, name, stratum, poll, reach (octal), age of the last measurement, adjusted and measured offset, error
        return [
            Server(row[2], row[1] == "*", int(row[5], 8) > 0, float(row[6]) if int(row[5], 8) else None)
            for row in _ask("sources")
        ]
    except (ValueError, IndexError):
        raise ClockRefused("chronyc answers in a form that the card does not know") from None


def tracking() -> Tracking:
    """How the clock does. Raises ProgramFailed, ClockRefused for an answer that is not understood."""
    try:
        # reference, its name, stratum, time of the last update, correction that is left, ...
        row = _ask("tracking")[0]
        updated = float(row[3])
        return Tracking(row[1], float(row[4]), updated if updated > 0 else None)
    except (ValueError, IndexError):
        raise ClockRefused("chronyc answers in a form that the card does not know") from None


def measure() -> None:
    """Have chronyd ask all servers several times at once, instead of at their next turn. Raises ProgramFailed."""
    _ask("online")
    _ask("burst", BURST)


def step() -> None:
    """Set the clock to what the servers say, at once. Raises ProgramFailed."""
    _ask("makestep")


def set_by_hand(epoch: float) -> None:
    """Set the clock, and the one that runs while the card is off.

    Raises ClockRefused where the clock is not the card's, or for a time that cannot be meant.
    """
    if not machine.ours():
        raise ClockRefused(FOREIGN)
    if not EARLIEST <= epoch < LATEST:
        raise ClockRefused("the time must lie between the years 2020 and 2099")
    try:
        time.clock_settime(time.CLOCK_REALTIME, epoch)
    except OSError as error:
        raise ClockRefused(f"the clock cannot be set: {error.strerror}") from error
    # a board without such a clock starts at the time that `remember` has kept
    with contextlib.suppress(programs.ProgramFailed):
        programs.run(["hwclock", "-u", "-w"])


def remember() -> None:
    """Keep the time on flash for a board whose hardware clock is dead: init never starts it earlier than that.

    Raises OSError.
    """
    files.replace(paths.data_dir() / "clock", f"{clock.wall():.0f}\n".encode())
