"""When the card restarts by its timetable: local time of the process, found with `schedule`.

The clock of a card jumps. Whoever holds a timetable makes it anew when the clock was set or the zone has changed, so that no
moment that was jumped over is carried out; a moment that nobody looked at in time is passed over too.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from schedule import Scheduler

from istars.settings import Settings

WINDOW_S = 60.0
"""How late a restart may be: longer than any pause between two looks, shorter than a card is off."""


class Restarts:
    """The restarts that the settings order, beginning now."""

    def __init__(self, settings: Settings) -> None:
        kind = settings.text("restart.schedule")
        self._job = None
        self._day = settings.whole("restart.day") if kind == "monthly" else None
        if kind != "off":
            every = Scheduler().every()
            unit = getattr(every, settings.text("restart.weekday")) if kind == "weekly" else every.day
            self._job = unit.at(settings.text("restart.time")).do(bool)
            self._find_day()

    def _find_day(self) -> None:
        """`schedule` knows no months: go on to the day that is meant."""
        while self._job and self._day and self._job.next_run.day != self._day:
            self._job.next_run += timedelta(days=1)

    @property
    def next(self) -> datetime | None:
        """The next restart in local time, without a zone; None where none is ordered."""
        return self._job.next_run if self._job else None

    def due(self, wall: float) -> str:
        """The moment whose time has come (`2026-11-22T03:00`), once; empty while none has, and for one that was missed."""
        moment = self.next
        if self._job is None or moment is None or wall < moment.timestamp():
            return ""
        self._job.run()
        self._find_day()
        return moment.isoformat(timespec="minutes") if wall < moment.timestamp() + WINDOW_S else ""
