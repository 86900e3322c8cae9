"""Which recipient is told of which event: a table for each channel ("Receive event settings", manual 3.2.2.6, 3.2.2.7)."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, url_for

from istars.model.alarms import ALARMS, PARTS, describe
from istars.notify.recipients import CHOSEN, PRESETS, codes_of, saved, shown
from istars.settings import Settings, SettingsRejected, load
from istars.settings.field import Setting
from istars.settings.groups import FIELDS
from istars.web import changes, live
from istars.web.pages.messages import TITLES
from istars.web.security import requires
from istars.web.view import plural

log = logging.getLogger(__name__)
blueprint = Blueprint("wishes", __name__)

MEANWHILE = "Somebody else has changed this meanwhile. What they chose is shown; choose again."


@dataclass(frozen=True, slots=True)
class Column:
    """One recipient: the stem of its options, its preset, the events that it is told of."""

    stem: str
    address: str
    events: str
    codes: frozenset[str]

    @property
    def seen(self) -> list[object]:
        """What a form that shows this remembers."""
        return [self.events, sorted(self.codes)]

    def typed(self) -> tuple[str, frozenset[str]] | None:
        """Preset and events as they were sent; None where nothing was changed.

        Who picks another preset gets its events, whatever is ticked; who ticks something else has an own choice.
        """
        preset = request.form.get(f"{self.stem}.events", self.events)
        ticked = frozenset(code for code in request.form.getlist(f"{self.stem}.codes") if code in ALARMS)
        if preset != self.events and preset in PRESETS:
            return preset, codes_of(preset)
        if ticked != self.codes or preset != self.events:
            return CHOSEN, ticked
        return None


def _columns(settings: Settings, channel: str) -> list[Column]:
    found = []
    for stem, address in saved(settings, channel):
        events = settings.text(f"{stem}.events")
        found.append(Column(stem, shown(stem, address), events, codes_of(events, settings.items_of(f"{stem}.codes"))))
    return found


def _page(channel: str, columns: list[Column], problem: str = "", status: int = 200) -> Response:
    first = next(iter(columns), None)
    page = live.show(
        "device",
        "wishes.html",
        args={},
        channel=channel,
        title=TITLES[channel].removesuffix(" record"),
        columns=columns,
        choices=FIELDS[f"{first.stem}.events"].choices if first else {},
        parts=PARTS,
        presets={code: [name for name in PRESETS if code in codes_of(name)] for code in ALARMS},
        named=lambda code: describe(code, {}),
        seen=json.dumps({column.stem: column.seen for column in columns}),
        problem=problem,
    )
    return Response(page, status)


@blueprint.get("/device/<channel>/events")
@requires("write")
def page(channel: str) -> Response:
    """The table as it is saved."""
    if channel not in TITLES:
        abort(404)
    return _page(channel, _columns(load(environment={}), channel))


def _wanted(columns: list[Column], seen: dict[str, Any]) -> dict[str, Setting] | None:
    """What is to be saved; None where somebody else has changed what this person changes too."""
    values: dict[str, Setting] = {}
    for column in columns:
        shown = seen.get(column.stem, column.seen)
        known = Column(column.stem, column.address, str(shown[0]), frozenset(map(str, shown[1])))
        typed = known.typed()
        if typed is None:
            continue
        if known.seen != column.seen:
            return None
        values[f"{column.stem}.events"], codes = typed
        if typed[0] == CHOSEN:
            values[f"{column.stem}.codes"] = ", ".join(code for code in ALARMS if code in codes)
    return values


@blueprint.post("/device/<channel>/events")
@requires("write")
def save(channel: str) -> Any:
    """Save what was ticked."""
    if channel not in TITLES:
        abort(404)
    columns = _columns(load(environment={}), channel)
    try:
        seen = json.loads(request.form.get("seen", "{}"))
        values = _wanted(columns, seen)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        abort(400)
    if values is None:
        return _page(channel, columns, MEANWHILE, 409)
    try:
        checked = {key: FIELDS[key].parse(str(value)) for key, value in values.items()}
        made = changes.save(checked)
    except SettingsRejected as rejected:
        return _page(channel, columns, "; ".join(rejected.errors.values()), 422)
    except OSError as error:
        log.error("the settings cannot be saved: %s", error)
        return _page(channel, columns, f"Flash cannot be written ({error.strerror}).", 503)
    concerned = {change.key.rpartition(".")[0] for change in made}
    flash(f"{plural(len(concerned), 'recipient', 'recipients')} changed." if made else "Nothing had changed.", "info")
    return redirect(url_for("wishes.page", channel=channel), 303)
