"""Events that others than the rules know of: a reset, a locked sign-in; the core takes them to flash."""

from __future__ import annotations

import logging
import secrets

from istars.errors import StoreError
from istars.model.alarms import alarm
from istars.platform import clock
from istars.store import wake
from istars.store.archive import Event
from istars.store.live import LiveTable

log = logging.getLogger(__name__)


def tell(live: LiveTable, code: str, **args: object) -> None:
    """Tell of one event `code` of the catalogue with its arguments; what was done stays done where it cannot be written.

    Raises UnknownName for a code that is not declared.
    """
    key = f"{code}-{clock.boot_id()[:8]}-{secrets.token_hex(6)}"
    try:
        live.tell(Event(0, key, clock.wall(), code, "event", alarm(code).severity, args))
        wake.nudge("core")
    except StoreError as error:
        log.error("the event %s could not be recorded: %s", code, error)
