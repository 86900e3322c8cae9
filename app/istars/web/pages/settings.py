"""Pages of options, drawn from their declarations: device parameters, alarm limits, system. For people who may write."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for

from istars.errors import StoreError
from istars.model.commands import Permission
from istars.platform.radius import NoAnswer
from istars.settings import SettingsRejected, load
from istars.settings.field import Group
from istars.settings.groups import alerts, firmware, limits, radius, sms, snmp, ssh, system, ups, wake
from istars.web import auth, changes, live, remote, session
from istars.web.audit import note
from istars.web.forms import Choices, SettingsForm, sentence
from istars.web.security import requires
from istars.web.session import RIGHTS
from istars.web.store import live as live_table
from istars.web.view import Facts, plural

log = logging.getLogger(__name__)
blueprint = Blueprint("settings", __name__)

PROTOCOLS = "istars.link.protocols"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the options of a group stand: entry of the menu, address, title; `follows` names what of the page follows the UPS."""

    menu: str
    path: str
    group: Group
    template: str = "settings.html"
    follows: str = ""

    @property
    def permission(self) -> str:
        """Whose page it is: only administrators' where nobody else may change anything on it."""
        return "administrator" if all(field.administrator for field in self.group.fields) else "write"


PLACES = {
    "parameters": Place("device", "/device/parameters", ups.GROUP, "parameters.html", "parameters"),
    "limits": Place("device", "/device/limits", limits.GROUP),
    "mail": Place("device", "/device/mail", alerts.MAIL, "alerts.html"),
    "sms": Place("device", "/device/sms", sms.GROUP, "alerts.html"),
    "webhook": Place("device", "/device/webhook", alerts.WEBHOOK, "alerts.html"),
    "syslog": Place("device", "/device/syslog", alerts.SYSLOG, "alerts.html"),
    "wake": Place("device", "/device/wake", wake.GROUP, "wake.html"),
    "system": Place("general", "/settings/system", system.GROUP, "system.html"),
    "firmware": Place("general", "/settings/firmware", firmware.GROUP),
    "snmp": Place("general", "/settings/snmp", snmp.GROUP, "snmp.html"),
    "snmp_managers": Place("general", "/settings/snmp/managers", snmp.MANAGERS),
    "snmp_users": Place("general", "/settings/snmp/users", snmp.USERS),
    "snmp_traps": Place("general", "/settings/snmp/traps", snmp.RECIPIENTS, "snmp_traps.html"),
    "radius": Place("general", "/settings/radius", radius.GROUP, "radius.html"),
    "ssh": Place("general", "/settings/ssh", ssh.GROUP, "ssh.html"),
}
"""End point to place."""


def _no_sections(_facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Nothing of these pages follows the UPS but their frame."""
    return {}, {}


# what of the pages of the device follows it stands in pages/parameters.py
live.builds("general")(_no_sections)


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
    person = session.person()
    closed = {field.key for field in place.group.fields if changes.forbidden(person, field)}
    return SettingsForm(place.group, load(environment={}), offered, sent, closed)


def _remarks() -> dict[str, str]:
    """Options whose value of the file does not count at present."""
    current = load()
    return {
        key: f"The variable {variable} sets “{current.text(key)}” and wins over what is saved here."
        for key, variable in current.overridden.items()
    }


def _page(name: str, form: SettingsForm, problem: str = "", status: int = 200, **more: object) -> Response:
    place = PLACES[name]
    page = live.show(
        place.menu,
        place.template,
        args={"part": place.follows},
        here=f"settings.{name}",
        group=place.group,
        form=form,
        sections=form.sections(_remarks()),
        problem=problem,
        missing=remote.missing() if place.group is radius.GROUP else "",
        **more,
    )
    return Response(page, status)


def shown(name: str, status: int, **more: object) -> Response:
    """The page as it stands, for those who answer for other forms on it; `more` is for its template."""
    return _page(name, _form(PLACES[name]), "", status, **more)


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
    @requires(PLACES[name].permission)
    def view() -> Any:
        if request.method == "POST":
            return _save(name)
        return _page(name, _form(PLACES[name]))

    return view


for _name, _place in PLACES.items():
    blueprint.add_url_rule(_place.path, _name, _view(_name), methods=["GET", "POST"])


@blueprint.post("/settings/radius/try")
@requires("administrator")
def try_radius() -> Response:
    """Ask the servers about somebody and show what they say, by the settings that are saved. Nobody is signed in."""
    name, password = request.form.get("user", "").strip(), request.form.get("pw", "")
    good, told = False, remote.missing()
    if not told:
        good, told = _tried(name, password)
    note("RADIUS tried", f"user {name}" if good else "some user", new=told)
    return _page("radius", _form(PLACES["radius"]), tried=told, tone="ok" if good else "crit", asked=name)


def _tried(name: str, password: str) -> tuple[bool, str]:
    """Whether somebody could sign in, and what the servers said, as a sentence."""
    if not remote.concerns(name):
        return False, "The card decides about this name itself, and asks no server."
    try:
        with auth.one_question():
            answer = remote.ask(name, password, session.address())
    except auth.Busy:
        return False, "Somebody is signing in. Try again in a moment."
    except NoAnswer as error:
        return False, f"There is no answer that counts. {error}."
    said = f"{answer.server}: {answer.message[:200]} " if answer.message else f"{answer.server}: "
    permission = remote.permission_of(answer)
    if permission is Permission.NONE:
        return False, f"{said}{sentence(remote.why(answer))}"
    return True, f"{said}{name} may sign in with the permission “{RIGHTS[permission]}”."
