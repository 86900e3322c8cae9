"""The trial of the firmware that runs: whether it runs well enough to be kept.

Well means: every worker gives signs of life and is still the process it was, and the sign-in page answers, for a while without a
break. Whether the UPS answers or the network works does not count: neither is the fault of the firmware.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from istars.store.live import Heartbeat

FRESH_S = 15.0
NOT_YET = "it has just started"


class Trial:
    """`due` is the boottime at which it is over, whatever the result; `reason` what was wrong last."""

    def __init__(self, workers: Collection[str], *, began: float, healthy_s: float, deadline_s: float) -> None:
        self.workers = tuple(workers)
        self.healthy_s = healthy_s
        self.due = began + deadline_s
        self.reason = NOT_YET
        self._since: float | None = None
        self._processes: dict[str, int] = {}

    def look(self, now: float, beats: Mapping[str, Heartbeat], sign_in_status: Callable[[], int]) -> bool:
        """True once it has run well for long enough."""
        processes = {worker: beat.pid for worker, beat in beats.items()}
        restarted = sorted(worker for worker, pid in self._processes.items() if processes.get(worker, pid) != pid)
        self._processes = processes
        silent = sorted(
            worker
            for worker in {*self.workers, *beats}
            if worker not in beats or now - beats[worker].at > FRESH_S
        )  # fmt: skip
        problem = ""
        if silent:
            problem = f"no sign of life from {', '.join(silent)}"
        elif restarted:
            problem = f"{', '.join(restarted)} had to be started again"
        elif (status := sign_in_status()) != 200:
            problem = f"the sign-in page answered with status {status}" if status else "the sign-in page did not answer"
        if problem:
            self.reason = problem
            self._since = None
            return False
        if self._since is None:
            self._since = now
        return now - self._since >= self.healthy_s
