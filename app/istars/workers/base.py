"""What all workers share: the loop, the nudge that wakes it, the sign of life, a clean stop.

A worker that meets a failure it does not know lets it through: the traceback is logged, the process ends, and the
supervisor starts it clean. One it knows is logged once when it begins and once when it is over.
"""

from __future__ import annotations

import abc
import contextlib
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

from istars import __version__
from istars.platform import clock, paths, zone
from istars.settings import SettingsFile
from istars.store import wake
from istars.store.live import LiveTable

log = logging.getLogger(__name__)

HEARTBEAT_S = 5.0

PROCESSES = ("upslink+modem", "core", "snmpd+notifier", "web", "updater+system")
"""The processes of a card as `rootfs/etc/supervisord.conf` starts them: one worker each, or two that share a process."""
FAMILY = tuple(worker for process in PROCESSES for worker in process.split("+"))
"""The workers of a card."""


class Program(Protocol):
    """What can be a process of its own: it runs until it is told to stop."""

    def run(self) -> None:
        """Work until told to stop."""


class Worker(abc.ABC):
    """One job of the card. Subclasses give `name`, `begin`, `turn` and `end`."""

    name = ""

    def __init__(self) -> None:
        self.live = LiveTable.open_or_renew(paths.live_db())
        self.settings = SettingsFile()
        self.stopping = False
        self._next_heartbeat = 0.0

    def begin(self) -> None:  # noqa: B027 - most have nothing to do here
        """Called once, in the process that will work."""

    @abc.abstractmethod
    def turn(self) -> float:
        """Do what is due and answer the boottime of the next look. Called again earlier when somebody nudges."""

    def wait(self, bell: wake.Bell, timeout_s: float) -> None:
        """Wait until nudged, at most `timeout_s`. Those who serve others in between do it here."""
        bell.wait(timeout_s)

    def end(self) -> None:  # noqa: B027
        """Called once when the worker is told to stop."""

    def run(self) -> None:
        """Work until told to stop by SIGTERM or SIGINT."""
        with on_stop(self.stop):
            self.work()

    def work(self) -> None:
        """Work until `stop`."""
        bell = wake.Bell(self.name)
        self._keep_zone()
        self.begin()
        while not self.stopping:
            self._sign_of_life()
            due = self.turn()
            self._keep_zone()
            self.wait(bell, min(due, self._next_heartbeat) - clock.boottime() if not self.stopping else 0.0)
        self.end()
        bell.close()
        self.live.close()

    def stop(self) -> None:
        """Have it stop between two turns, never within one."""
        self.stopping = True
        # Python goes on waiting after a signal handler returns; the nudge ends the wait.
        wake.nudge(self.name)

    def _keep_zone(self) -> None:
        """Live in the card's time zone; subclasses notice that the settings have changed."""
        zone.use(self.settings.current.text("system.zone"))

    def _sign_of_life(self) -> None:
        now = clock.boottime()
        if now >= self._next_heartbeat:
            self.live.heartbeat(self.name, __version__)
            self._next_heartbeat = now + HEARTBEAT_S


@contextlib.contextmanager
def on_stop(stop: Callable[[], None]) -> Iterator[None]:
    """Call `stop` at SIGTERM and SIGINT."""

    def obey(_number: int, _frame: FrameType | None) -> None:
        stop()

    old = {number: signal.signal(number, obey) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Lasting:
    """A condition that lasts: logged when it begins, when it becomes another one, and when it is over."""

    def __init__(self, logger: logging.Logger, over: str) -> None:
        self._log = logger
        self._over = over
        self.said = ""

    def begins(self, message: str) -> None:
        """Log `message` unless it was the last thing said."""
        if message != self.said:
            self._log.warning("%s", message)
            self.said = message

    def ends(self) -> None:
        """Log that it is over, if it ever began."""
        if self.said:
            self._log.info("%s", self._over)
            self.said = ""


def log_to_stderr() -> None:
    """One line a message on standard error, where the supervisor keeps it; it adds no time of its own."""
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
