"""When the card restarts by its timetable, in a clock that jumps and in a zone with summer time."""

from __future__ import annotations

import datetime as real
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import schedule
from istars.rules.timetable import WINDOW_S, Restarts
from istars.settings import load
from istars.settings.store import change

Clock = Callable[[str], float]


@pytest.fixture
def at(root: Path, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the clock that `schedule` reads to a local time, and answers it as epoch seconds."""
    now = [0.0]

    class Told(real.datetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:  # type: ignore[override]
            return real.datetime.fromtimestamp(now[0], tz)

    names = {name: getattr(real, name) for name in ("date", "time", "timedelta", "timezone")}
    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(datetime=Told, **names))

    def put(text: str) -> float:
        now[0] = real.datetime.fromisoformat(text).timestamp()
        return now[0]

    return put


def ordered(**options: str) -> Restarts:
    change({f"restart.{name}": text for name, text in options.items()})
    return Restarts(load())


def upcoming(restarts: Restarts, count: int, at: Clock) -> list[str]:
    """The next restarts, each of them carried out in time."""
    found = []
    for _ in range(count):
        assert restarts.next is not None
        found.append(restarts.due(at(restarts.next.isoformat())))
    return found


def test_none_is_ordered_at_first(at: Clock) -> None:
    restarts = Restarts(load())
    assert restarts.next is None
    assert restarts.due(at("2026-11-21 03:00")) == ""


def test_every_day(at: Clock) -> None:
    at("2026-11-21 12:00")
    assert upcoming(ordered(schedule="daily", time="04:30"), 3, at) == [
        "2026-11-22T04:30", "2026-11-23T04:30", "2026-11-24T04:30",
    ]  # fmt: skip


def test_every_week(at: Clock) -> None:
    at("2026-11-21 12:00")  # a Saturday
    restarts = ordered(schedule="weekly", time="04:30", weekday="tuesday")
    assert upcoming(restarts, 2, at) == ["2026-11-24T04:30", "2026-12-01T04:30"]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        ("21", ["2026-11-21T13:00", "2026-12-21T13:00"]),
        ("28", ["2026-11-28T13:00", "2026-12-28T13:00", "2027-01-28T13:00", "2027-02-28T13:00"]),
    ],
)
def test_every_month(at: Clock, day: str, expected: list[str]) -> None:
    at("2026-11-21 12:00")
    restarts = ordered(schedule="monthly", time="13:00", day=day)
    assert upcoming(restarts, len(expected), at) == expected


def test_not_a_moment_early_and_once(at: Clock) -> None:
    at("2026-11-21 02:00")
    restarts = ordered(schedule="daily", time="03:00")
    assert restarts.due(at("2026-11-21 02:59:59.9")) == ""
    assert restarts.due(at("2026-11-21 03:00:20")) == "2026-11-21T03:00"
    assert restarts.due(at("2026-11-21 03:00:21")) == ""


def test_one_that_was_missed_is_not_made_up(at: Clock) -> None:
    due = at("2026-11-21 02:00") + 3600
    restarts = ordered(schedule="daily", time="03:00")
    at("2026-11-21 09:00")
    assert restarts.due(due + WINDOW_S) == ""
    assert str(restarts.next) == "2026-11-22 03:00:00"


def test_a_timetable_made_after_the_clock_has_jumped_begins_there(at: Clock) -> None:
    at("1970-01-01 00:00:30")
    assert str(ordered(schedule="daily", time="03:00").next) == "1970-01-01 03:00:00"
    now = at("2026-11-21 12:00")
    restarts = Restarts(load())
    assert str(restarts.next) == "2026-11-22 03:00:00"
    assert restarts.due(now) == ""


@pytest.mark.parametrize(
    ("before", "clock", "expected"),
    [
        # 02:30 does not exist on the day on which clocks go forward, and comes twice when they go back
        ("2026-03-28 12:00", "02:30", ["2026-03-29T02:30", "2026-03-30T02:30"]),
        ("2026-10-24 12:00", "02:30", ["2026-10-25T02:30", "2026-10-26T02:30"]),
    ],
)
def test_summer_time_neither_loses_nor_doubles_a_restart(
    at: Clock, monkeypatch: pytest.MonkeyPatch, before: str, clock: str, expected: list[str]
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    start = at(before)
    restarts = ordered(schedule="daily", time=clock)
    found = []
    for second in range(int(start), int(start) + 2 * 86_400, 20):
        at(real.datetime.fromtimestamp(second, real.UTC).isoformat())
        if moment := restarts.due(second):
            found.append(moment)
    assert found == expected
