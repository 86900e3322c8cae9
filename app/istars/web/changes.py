"""Saving settings for somebody: checked and written as a whole, told to the workers they concern, written down."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from istars.settings import Change
from istars.settings.field import Setting
from istars.settings.store import put
from istars.store import wake
from istars.web import session
from istars.web.audit import note

log = logging.getLogger(__name__)


def save(values: Mapping[str, Setting]) -> tuple[Change, ...]:
    """Save `values`, which their declarations have taken; answers what has changed.

    Raises SettingsRejected for values that do not go together, OSError where flash cannot be written; then nothing is changed.
    """
    changes = put(values)
    for change in changes:
        note("settings changed", change.key, change.old, change.new)
    for worker in {change.applies for change in changes if change.applies}:
        wake.nudge(worker)
    if changes:
        log.info("%s changed from %s", ", ".join(change.key for change in changes), session.address())
    return changes
