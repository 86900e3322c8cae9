"""Time zones: which there are, how far they are from Greenwich, and which one this process lives in."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

FALLBACK = "UTC"
NAME = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")
FOLDERS = tuple(Path(folder) for folder in ("/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/usr/share/lib/zoneinfo"))
NO_PLACES = frozenset({"Factory", "localtime", "posixrules"})
"""Entries of the data base that are not zones a person chooses."""


def known(name: str) -> bool:
    """Whether this machine knows the zone `name` of the IANA data base; `UTC` always."""
    if name == FALLBACK:
        return True
    if not NAME.fullmatch(name) or name in NO_PLACES or name.startswith(("posix/", "right/")):
        return False
    for folder in FOLDERS:
        try:
            with (folder / name).open("rb") as data:
                return data.read(4) == b"TZif"
        except OSError:
            continue
    return False


def names() -> list[str]:
    """All zones of this machine, by name."""
    # Imported by those who offer a choice: workers only need `use`.
    from zoneinfo import available_timezones

    return sorted({name for name in available_timezones() if known(name)} | {FALLBACK})


def offset(name: str, epoch: float) -> str:
    """How far zone `name` is from Greenwich at wall time `epoch`, such as `GMT+08:00`."""
    from zoneinfo import ZoneInfo

    away = datetime.fromtimestamp(epoch, UTC if name == FALLBACK else ZoneInfo(name)).utcoffset() or timedelta()
    minutes = round(away.total_seconds() / 60)
    return f"GMT{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


@lru_cache(maxsize=1)
def _offsets_of_hour(hour: int) -> tuple[tuple[str, str], ...]:
    return tuple((name, offset(name, hour * 3600.0)) for name in names())


def offsets(epoch: float) -> tuple[tuple[str, str], ...]:
    """Every zone with its distance from Greenwich at wall time `epoch`; reckoned once an hour at most."""
    return _offsets_of_hour(int(epoch // 3600))


def use(name: str) -> bool:
    """Let local time of this process be that of zone `name`; True if that changed something."""
    if os.environ.get("TZ") == name:
        return False
    os.environ["TZ"] = name
    time.tzset()
    return True
