"""Two workers in one process, a thread each.

For those of the same account that hardly ever have something to do: an interpreter of its own costs each of them 5 MB. The first
lives as in a process of its own. Another one that fails is made anew without disturbing the first: when new firmware cannot keep
the card's services, the updater in the same process must be able to say so and leave it.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Mapping

from istars.platform import clock
from istars.workers.base import Worker, on_stop
from istars.workers.nursery import next_pause

log = logging.getLogger(__name__)

STOP_S = 4.0
"""So long a worker may take to stop; the family's own patience is a little longer."""

Maker = Callable[[], Worker]


class Together:
    """Workers by their names. Each is made in the thread that it lives in: its databases belong to that."""

    def __init__(self, makers: Mapping[str, Maker]) -> None:
        self._makers = dict(makers)
        self._workers: dict[str, Worker] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._stopping = threading.Event()

    def run(self) -> None:
        """Work until told to stop by SIGTERM or SIGINT. Raises what the first worker let through."""
        first, *others = self._makers
        with on_stop(self._stop):
            for name in others:
                self._begin(name, pause=0.0)
            try:
                # in this thread, which alone takes signals
                self._live(first)
            finally:
                self._stop()
                for name in others:
                    self._threads[name].join(STOP_S)

    def _live(self, name: str) -> None:
        self._workers[name] = worker = self._makers[name]()
        # told to stop while it was made
        worker.stopping = worker.stopping or self._stopping.is_set()
        worker.work()

    def _begin(self, name: str, pause: float) -> None:
        """A thread of its own for each life: the number in its sign of life tells that it is another one."""
        self._threads[name] = thread = threading.Thread(target=self._keep, args=(name, pause), name=name, daemon=True)
        thread.start()

    def _keep(self, name: str, pause: float) -> None:
        """Have it live; where it fails, make it anew after a pause that grows."""
        if self._stopping.wait(pause):
            return
        began = clock.boottime()
        try:
            self._live(name)
        except BaseException:  # whatever it is: nobody else would say it
            log.error("%s ends after an unknown failure; it starts again:\n%s", name, traceback.format_exc())
        if not self._stopping.is_set():
            self._begin(name, next_pause(pause, clock.boottime() - began))

    def _stop(self) -> None:
        self._stopping.set()
        for worker in tuple(self._workers.values()):
            worker.stop()
