"""The two clocks of the card.

Ages, delays and deadlines use `boottime()`: it never jumps and goes on while the card sleeps. Wall time jumps at the first
NTP answer and whenever somebody sets it, so it is for showing and for records only.
"""

from __future__ import annotations

import time
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path


def boottime() -> float:
    """Seconds since this machine started (CLOCK_BOOTTIME)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def wall() -> float:
    """Seconds since 1970-01-01 UTC, as the card believes at this moment."""
    return time.clock_gettime(time.CLOCK_REALTIME)


@cache
def boot_id() -> str:
    """The kernel's random identity of this run of the machine: equal times of two boots must never be mixed up."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def local(epoch: float) -> datetime:
    """Wall time `epoch` (seconds) in the card's zone."""
    return datetime.fromtimestamp(epoch, UTC).astimezone()


def iso(epoch: float) -> str:
    """`2026-11-20T14:33:07+08:00`, in the card's zone."""
    return local(epoch).isoformat(timespec="seconds")


def day_limits(day: date) -> tuple[float, float]:
    """First and one-past-last second (epoch) of a day in the card's zone; 23 or 25 hours apart when the clock changes."""
    first = datetime(day.year, day.month, day.day).astimezone()
    after = day + timedelta(days=1)
    last = datetime(after.year, after.month, after.day).astimezone()
    return first.timestamp(), last.timestamp()
