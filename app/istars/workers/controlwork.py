"""What the UPS link does for those who control the UPS: tells what it can do, and counts down to a switch-off."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

from istars.drivers.engine import Driver
from istars.errors import LinkError
from istars.model.readings import Value
from istars.platform import clock
from istars.store import abilities

log = logging.getLogger(__name__)

TIMER = "ups.timer.shutdown"
PENDING = "SHUTDOWN_PENDING"
UNCONFIRMED_S = 10.0
"""So long after the order the UPS may take to say that it counts."""


def tell(driver: Driver) -> None:
    """Write down what the UPS of `driver` can do; what could not be asked is said."""
    problem = ""
    offers: dict[str, dict[str, tuple[int, int]]] = {}
    variables: list[dict[str, object]] = []
    try:
        offers = driver.offers()
        variables = [asdict(each) for each in driver.writable() if each.value is not None]
    except LinkError as error:
        problem = error.detail
    try:
        abilities.write(driver.protocol.name, driver.protocol.title, offers, variables, problem)
    except OSError as error:
        log.warning("what the UPS can do cannot be told: %s", error.strerror)


def forget() -> None:
    """No UPS is known."""
    try:
        abilities.forget()
    except OSError as error:
        log.warning("what an earlier UPS could do cannot be forgotten: %s", error.strerror)


@dataclass(slots=True)
class Countdown:
    """Seconds to a switch-off that this card has ordered, for a UPS that only says that it counts, and not how far it is."""

    ends: float = 0.0
    ordered: float = 0.0
    seen: bool = False

    def begin(self, seconds: int) -> None:
        """The UPS has taken the order; 0 where the order was another one, such as a cancellation."""
        now = clock.boottime()
        self.ends, self.ordered, self.seen = (now + seconds, now, False) if seconds else (0.0, 0.0, False)

    def follow(
        self, values: Mapping[str, Value], estimated: Collection[str]
    ) -> tuple[dict[str, Value], frozenset[str]]:
        """The readings of a poll with the seconds put in, while the UPS says that it counts."""
        marked = frozenset(estimated)
        if TIMER in values or not self.ends:
            return dict(values), marked
        now = clock.boottime()
        pending = PENDING in str(values.get("ups.alarm", "")).split()
        self.seen = self.seen or pending
        gone = not pending and (self.seen or now > self.ordered + UNCONFIRMED_S)
        if gone or now >= self.ends:
            self.ends = 0.0
            return dict(values), marked
        return {**values, TIMER: round(self.ends - now)}, marked | {TIMER}
