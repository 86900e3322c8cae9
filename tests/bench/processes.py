"""What running processes cost, read from /proc: memory (PSS), CPU time, wake-ups."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from istars.workers.base import PROCESSES


@dataclass(frozen=True)
class Usage:
    """Counters of one process, all threads together."""

    name: str
    pss_kb: int
    private_kb: int
    cpu_ns: int
    wakeups: int


def descendants(pid: int) -> list[int]:
    """All processes below `pid`."""
    found, unseen = [], [pid]
    while unseen:
        for listing in Path(f"/proc/{unseen.pop()}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                below = [int(word) for word in listing.read_text(encoding="ascii").split()]
                found += below
                unseen += below
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[1])


def name_of(pid: int) -> str:
    """What a process is, in a word or two."""
    comm = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
    words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
    if comm.startswith("istars:"):
        first = comm.removeprefix("istars:")
        return next((process for process in PROCESSES if process.partition("+")[0] == first), first)
    for mark, shown in (("supervisor.supervisord", "supervisord"), ("workers", "parent of the family")):
        if mark in words:
            return shown
    if any("gunicorn" in word for word in words) or comm == "gunicorn":
        above = Path(f"/proc/{_parent(pid)}/cmdline").read_text(encoding="utf-8")
        return "gunicorn worker" if "gunicorn" in above else "gunicorn parent"
    return words[words.index("-m") + 2] if "-m" in words and len(words) > words.index("-m") + 2 else Path(words[0]).name


def usage(pid: int) -> Usage:
    """Counters of one process now."""
    memory = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    )
    private = sum(int(memory[key].split()[0]) for key in ("Private_Clean", "Private_Dirty"))
    cpu = wakeups = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        cpu += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        for line in (task / "status").read_text(encoding="ascii").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wakeups += int(line.split()[1])
    return Usage(name_of(pid), int(memory["Pss"].split()[0]), private, cpu, wakeups)


@dataclass(frozen=True)
class Idle:
    """What a stack costs while nothing happens: by process name PSS in MB, CPU in percent of a core, wake-ups a second."""

    memory_mb: dict[str, float]
    private_mb: float
    cpu_percent: dict[str, float]
    wakeups: dict[str, float]

    @property
    def pss_mb(self) -> float:
        return sum(self.memory_mb.values())

    @property
    def cpu(self) -> float:
        return sum(self.cpu_percent.values())

    @property
    def wakes(self) -> float:
        return sum(self.wakeups.values())


def idle(pids: list[int], seconds: float) -> Idle:
    """Watch processes for a while. Names that occur twice are numbered."""
    before = {pid: usage(pid) for pid in pids}
    started = time.monotonic()
    time.sleep(seconds)
    after = {pid: usage(pid) for pid in pids}
    lasted = time.monotonic() - started
    names: dict[int, str] = {}
    for pid in pids:
        base, number = before[pid].name, 2
        name = base
        while name in names.values():
            name, number = f"{base} {number}", number + 1
        names[pid] = name
    return Idle(
        {names[pid]: after[pid].pss_kb / 1024 for pid in pids},
        sum(after[pid].private_kb for pid in pids) / 1024,
        {names[pid]: (after[pid].cpu_ns - before[pid].cpu_ns) / lasted / 1e7 for pid in pids},
        {names[pid]: (after[pid].wakeups - before[pid].wakeups) / lasted for pid in pids},
    )


def cpu_of(pids: list[int]) -> float:
    """CPU seconds that processes have used so far."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += usage(pid).cpu_ns
    return total / 1e9


def own_cpu_ns() -> int:
    """CPU time of this thread."""
    return int(Path(f"/proc/self/task/{os.getpid()}/schedstat").read_text(encoding="ascii").split()[0])


def own_wakeups() -> int:
    """Wake-ups of this thread."""
    for line in Path(f"/proc/self/task/{os.getpid()}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("voluntary_ctxt_switches"):
            return int(line.split()[1])
    raise RuntimeError("this kernel does not count wake-ups")
