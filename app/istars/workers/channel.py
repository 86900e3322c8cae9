"""Firmware from the net, on order or once a day (`settings/groups/firmware.py`): tells what is newer, and fetches it if wanted.

A program of its own does the asking (`istars/online.py`); here it is started, watched and believed no further than that somebody
has offered something: what it has fetched is checked as if a person had brought it.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from collections.abc import Callable

from istars.errors import IStarsError
from istars.platform import clock
from istars.platform.child import Child
from istars.settings import Settings
from istars.store.firmware import Available

log = logging.getLogger(__name__)

ACCOUNT = "app"
FIRST_WITHIN_S = 3_600.0
EVERY_S = 86_400.0
LONGEST_S = 3 * 3_600.0


class ChannelBusy(IStarsError):
    """The channel is being asked already."""


class Channel:
    """`offered` is what is newer than what runs; `text` what is being done; `asked_at` epoch seconds, 0 for never."""

    def __init__(self, tell: Callable[[Available], None]) -> None:
        self.offered: Available | None = None
        self.asked_at = 0.0
        self.problem = ""
        self.text = ""
        self._tell = tell
        self._child: Child | None = None
        self._began = 0.0
        # not all cards at the same moment, such as after a power cut
        self._due = clock.boottime() + random.SystemRandom().uniform(FIRST_WITHIN_S / 60, FIRST_WITHIN_S)

    @property
    def working(self) -> bool:
        """Whether the program runs."""
        return self._child is not None

    def begin(self, *, fetch: bool) -> str:
        """Ask, or fetch what is offered; answers in words. Raises ChannelBusy."""
        if self._child is not None:
            raise ChannelBusy("The channel is being asked already.")
        try:
            self._child = Child([sys.executable, "-m", "istars.online", "fetch" if fetch else "ask"], account=ACCOUNT)
        except OSError as error:
            raise ChannelBusy(f"The channel cannot be asked: {error.strerror}.") from error
        self._began = clock.boottime()
        self.text = "The update is being downloaded" if fetch else "The channel is being asked"
        self.problem = ""
        return self.text[:1].lower() + self.text[1:]

    def look(self, settings: Settings, *, busy: bool) -> None:
        """Begin when it is time, unless an update is under way; see how far it is."""
        if self._child is None:
            mode = settings.text("firmware.online")
            if mode != "off" and not busy and clock.boottime() >= self._due:
                self._due = clock.boottime() + EVERY_S
                self.begin(fetch=mode == "download")
            return
        lines, status = self._child.look()
        said = [line.strip() for line in lines if line.strip()]
        if status is None:
            if said:
                self.text = f"The update is being downloaded, {said[-1]}"[:80]
            if clock.boottime() - self._began > LONGEST_S:
                self.stop()
                self.problem = "it took too long"
            return
        self._child, self.text, self.asked_at = None, "", clock.wall()
        self._take(said[-1] if said else "", status)

    def _take(self, last: str, status: int) -> None:
        if status:
            self.problem = last[:300] or f"the program ended with status {status}"
            log.warning("the channel: %s", self.problem)
            return
        try:
            found = json.loads(last)
        except ValueError:
            self.problem = "the program did not say what it has found"
            return
        known = self.offered
        self.offered = Available(found["version"], found["size"], found["notes"]) if found else None
        if self.offered is not None and (known is None or known.version != self.offered.version):
            self._tell(self.offered)

    def stop(self) -> None:
        """End the program, if it runs; what it has fetched by then is kept."""
        if self._child is not None:
            self._child.stop()
            self._child, self.text = None, ""
