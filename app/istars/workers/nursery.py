"""Several workers, forked from one parent that has imported what they share: each is a process, or two of them are one.

A forked worker shares the pages of its parent, where an interpreter of its own has all of them again (the figures are in
`tests/bench/README.md`). Each worker is still restarted alone: the parent forks it again when it ends, at once the first time,
then after growing pauses.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import os
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from istars.platform import accounts, clock, memory, paths
from istars.workers.base import Program

log = logging.getLogger(__name__)

PR_SET_NAME = 15
PR_SET_PDEATHSIG = 1
STABLE_S = 10.0
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 2.0
STOP_S = 5.0

ACCOUNTS = {"upslink": "io", "modem": "io", "core": "app", "notifier": "app", "snmpd": "app", "web": "web"}
"""Worker to the account that it runs as on the card. The others stay root. Those that share a process have the same."""

Maker = Callable[[], Program]


def next_pause(pause: float, lived_s: float) -> float:
    """How long to wait before a worker is made anew that lived so long and was waited for `pause` the last time, seconds."""
    return 0.0 if lived_s >= STABLE_S else min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, pause * 2))


@dataclass(slots=True)
class Child:
    """One worker: how to make it, and what became of it."""

    name: str
    make: Maker
    pid: int = 0
    started: float = 0.0
    pause: float = 0.0
    due: float = 0.0


class Nursery:
    """Keeps its workers running until SIGTERM."""

    def __init__(self, makers: dict[str, Maker]) -> None:
        self.children = [Child(name, make) for name, make in makers.items()]
        self.stopping = False

    def run(self) -> None:
        """Fork the workers and look after them."""
        wanted = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
        signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
        gc.collect()
        memory.give_back()
        # Objects that exist now are not looked at by the collector any more, so that a child's collection does not touch,
        # and thereby copy, the parent's pages.
        gc.freeze()
        while not self.stopping:
            now = clock.boottime()
            for child in self.children:
                if not child.pid and now >= child.due:
                    self._fork(child, wanted)
            self._wait(wanted)
        self._stop(wanted)

    def _wait(self, wanted: set[signal.Signals]) -> None:
        """Sleep until a signal comes or a worker is due again."""
        waiting = [child.due for child in self.children if not child.pid]
        if waiting:
            received = signal.sigtimedwait(wanted, max(0.0, min(waiting) - clock.boottime()))
        else:
            received = signal.sigwaitinfo(wanted)
        if received is not None and received.si_signo in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True
        self._reap()

    def _fork(self, child: Child, blocked: set[signal.Signals]) -> None:
        child.pid = os.fork()
        child.started = clock.boottime()
        if child.pid:
            return
        status = 1
        try:
            first = child.name.partition("+")[0]
            if paths.is_card() and first in ACCOUNTS:
                accounts.become(ACCOUNTS[first])
            # after the change of account, which makes the kernel forget it
            _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            _prctl(PR_SET_NAME, f"istars:{first}".encode())
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
            child.make().run()
            status = 0
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        except BaseException:  # the process must end here, whatever happened, and never run the parent's code
            log.error("%s ends after an unknown failure:\n%s", child.name, traceback.format_exc())
        finally:
            logging.shutdown()
            os._exit(status)

    def _reap(self) -> None:
        """Note the workers that ended and when each is to start again."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self.children:
                if child.pid == pid:
                    self._ended(child, status)

    def _ended(self, child: Child, status: int) -> None:
        now = clock.boottime()
        child.pid = 0
        child.pause = next_pause(child.pause, now - child.started)
        child.due = now + child.pause
        if not self.stopping:
            cause = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"status {os.WEXITSTATUS(status)}"
            log.warning("%s ended (%s); it starts again", child.name, cause)

    def _stop(self, wanted: set[signal.Signals]) -> None:
        """Ask all to stop; those that do not are killed."""
        for child in self.children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
        deadline = clock.boottime() + STOP_S
        while any(child.pid for child in self.children):
            left = deadline - clock.boottime()
            if left <= 0:
                for child in self.children:
                    if child.pid:
                        log.error("%s does not stop; it is killed", child.name)
                        os.kill(child.pid, signal.SIGKILL)
                deadline = clock.boottime() + STOP_S
            signal.sigtimedwait(wanted, max(0.0, min(left, 1.0)))
            self._reap()


def _prctl(option: int, argument: int | bytes) -> None:
    """Linux prctl(2): the name that `ps` shows, and the signal a child gets when its parent dies."""
    ctypes.CDLL(None, use_errno=True).prctl(option, argument, 0, 0, 0)
