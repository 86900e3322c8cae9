"""Saving settings for somebody: checked and written as a whole, told to the workers they concern, written down."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from istars.settings import Change, SettingsRejected, load
from istars.settings.field import Field, Setting
from istars.settings.groups import FIELDS
from istars.settings.store import put
from istars.store import wake
from istars.web import session
from istars.web.audit import note, note_all
from istars.web.session import Person

log = logging.getLogger(__name__)

ADMINISTRATORS = "only an administrator may change this"


class Forbidden(SettingsRejected):
    """Nothing was saved: `errors` has the options that whoever asks may not change."""


def forbidden(person: Person | None, declared: Field) -> bool:
    """Whether `person` may not change this option."""
    return declared.administrator and not (person is not None and person.may("administrator"))


def _permitted(values: Mapping[str, Setting]) -> dict[str, Setting]:
    """`values` without the options that are not this person's to change; raises Forbidden where one would change.

    A secret is refused whatever it is: the answer must not tell whether it was guessed.
    """
    person = session.person()
    closed = {key for key in values if forbidden(person, FIELDS[key])}
    now = load(environment={})
    errors = {
        key: ADMINISTRATORS for key in values if key in closed and (FIELDS[key].secret or values[key] != now[key])
    }
    if errors:
        note("change refused", ", ".join(errors), new="only administrators")
        raise Forbidden(errors)
    return {key: value for key, value in values.items() if key not in closed}


def save(values: Mapping[str, Setting]) -> tuple[Change, ...]:
    """Save `values`, which their declarations have taken; answers what has changed.

    Raises SettingsRejected for values that do not go together, Forbidden for what only an administrator may change, OSError
    where flash cannot be written; then nothing is changed.
    """
    changes = put(_permitted(values))
    tell("settings changed", changes)
    return changes


def tell(action: str, changes: Iterable[Change]) -> None:
    """Write down what was changed by `action`, and wake the workers it concerns."""
    changes = tuple(changes)
    note_all(action, ((change.key, change.old, change.new) for change in changes))
    for worker in {change.applies for change in changes if change.applies}:
        wake.nudge(worker)
    if changes:
        log.info("%s changed from %s", ", ".join(change.key for change in changes), session.address())
