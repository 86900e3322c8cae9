"""The worker that changes the operating system: which doors of the card are open. It runs as root on the card."""

from __future__ import annotations

import logging

from istars.platform import clock
from istars.platform.doors import Doors, DoorsFailed
from istars.workers.base import Lasting, Worker

log = logging.getLogger(__name__)

LOOK_S = 2.0


class System(Worker):
    """See the head of this file."""

    name = "system"

    def begin(self) -> None:
        """Take up what is there."""
        self.doors = Doors()
        self.doors_problem = Lasting(log, "the doors of the card are as the settings want them")

    def turn(self) -> float:
        """Look whether the settings or the certificate have changed."""
        self.settings.changed()
        try:
            self.doors.look(plain_http=self.settings.current.text("web.http") == "serve", open_ports={})
            self.doors_problem.ends()
        except DoorsFailed as error:
            self.doors_problem.begins(str(error))
        return clock.boottime() + LOOK_S
