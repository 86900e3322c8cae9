"""Pages of options, drawn from their declarations: device parameters, alarm limits, system. For people who may write."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for

from istars.errors import StoreError
from istars.settings import SettingsRejected, load
from istars.settings.field import Group
from istars.settings.groups import firmware, limits, system, ups
from istars.web import changes, live
from istars.web.forms import Choices, SettingsForm
from istars.web.security import requires
from istars.web.store import live as live_table
from istars.web.view import Facts, plural

log = logging.getLogger(__name__)
blueprint = Blueprint("settings", __name__)

PROTOCOLS = "istars.link.protocols"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the options of a group stand: entry of the menu, address, title."""

    menu: str
    path: str
    group: Group


PLACES = {
    "parameters": Place("device", "/device/parameters", ups.GROUP),
    "limits": Place("device", "/device/limits", limits.GROUP),
    "system": Place("general", "/settings/system", system.GROUP),
    "firmware": Place("general", "/settings/firmware", firmware.GROUP),
}
"""End point to place."""


def _no_sections(_facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Nothing of these pages follows the UPS but their frame."""
    return {}, {}


for _menu in sorted({place.menu for place in PLACES.values()}):
    live.builds(_menu)(_no_sections)


def protocols() -> Choices:
    """The protocols that the worker with the drivers knows, with their titles; none while it has never run."""
    try:
        reading = live_table().readings().get(PROTOCOLS)
        titles = json.loads(str(reading.value)) if reading is not None else {}
    except (StoreError, ValueError) as error:
        log.warning("the protocols are not known: %s", error)
        return []
    return [(str(name), str(title)) for name, title in titles.items()] if isinstance(titles, dict) else []


def _form(place: Place, sent: Any = None) -> SettingsForm:
    offered = {"ups.protocol": protocols()} if place.group is ups.GROUP else {}
    return SettingsForm(place.group, load(environment={}), offered, sent)


def _remarks() -> dict[str, str]:
    """Options whose value of the file does not count at present."""
    current = load()
    return {
        key: f"The variable {variable} sets “{current.text(key)}” and wins over what is saved here."
        for key, variable in current.overridden.items()
    }


def _page(name: str, form: SettingsForm, problem: str = "", status: int = 200) -> Response:
    place = PLACES[name]
    page = live.show(
        place.menu,
        "settings.html",
        args={},
        here=f"settings.{name}",
        group=place.group,
        form=form,
        sections=form.sections(_remarks()),
        problem=problem,
    )
    return Response(page, status)


def _save(name: str) -> Any:
    """Take what was typed: all of it, or nothing with the reasons and what was typed."""
    form = _form(PLACES[name], request.form)
    values = form.read()
    if form.errors:
        return _page(name, form, status=422)
    try:
        made = changes.save(values)
    except SettingsRejected as rejected:
        form.errors = rejected.errors
        return _page(name, form, status=422)
    except OSError as error:
        log.error("the settings cannot be saved: %s", error)
        return _page(name, form, f"Flash cannot be written ({error.strerror}).", 503)
    flash(f"{plural(len(made), 'change', 'changes')} saved." if made else "Nothing had changed.", "info")
    return redirect(url_for(f"settings.{name}"), 303)


def _view(name: str) -> Any:
    @requires("write")
    def view() -> Any:
        if request.method == "POST":
            return _save(name)
        return _page(name, _form(PLACES[name]))

    return view


for _name, _place in PLACES.items():
    blueprint.add_url_rule(_place.path, _name, _view(_name), methods=["GET", "POST"])
