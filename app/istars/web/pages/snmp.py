"""Beside the options of SNMP: how the agent and each trap recipient do, a test of a recipient, MIB files (manual 3.2.4.3)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, url_for

from istars.errors import StoreError
from istars.model.commands import COMMANDS
from istars.model.readings import format_value
from istars.platform import clock
from istars.settings import Settings, load
from istars.settings.addresses import parse
from istars.settings.groups.snmp import AUTH, LISTED, PERMISSIONS, PRIV
from istars.snmp.mibfiles import MIB_FILES
from istars.store.live import LiveReading
from istars.web import orders
from istars.web.forms import sentence
from istars.web.security import requires
from istars.web.store import live

blueprint = Blueprint("snmp", __name__, url_prefix="/settings/snmp")

STATE = "istars.snmp.state"
TONES = {"open": "ok", "closed": "info", "failed": "crit", "sent": "ok", "acknowledged": "ok", "failing": "crit"}
TRIED_FIRST = frozenset({"public", "private", "admin", "snmp", "community", "secret", "write", "monitor", "manager"})
"""Communities that every scanner of networks tries."""
SHORT = 8
SILENT = "The SNMP agent does not report."


@dataclass(frozen=True, slots=True)
class Agent:
    """How the agent does: in words with a tone, what it cannot do, who may ask, and what of that is not safe."""

    tone: str
    words: str
    detail: str
    engine: str
    port: int
    askers: tuple[str, ...]
    doubts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with one trap recipient."""

    number: int
    address: str
    kind: str
    tone: str
    words: str
    detail: str


def _fresh() -> dict[str, LiveReading]:
    """Readings that are current; none where they cannot be read."""
    now = clock.boottime()
    try:
        return {name: each for name, each in live().readings().items() if not each.stale(now)}
    except StoreError:
        return {}


def agent() -> Agent:
    """The agent as it is now, and who may ask as the settings are saved."""
    found, settings = _fresh(), load()
    state = str(found[STATE].value) if STATE in found else ""
    detail, engine = (
        str(found[name].value) if name in found else "" for name in ("istars.snmp.detail", "istars.snmp.engine")
    )
    words = format_value(STATE, state) if state else SILENT
    port = settings.whole("snmp.port")
    return Agent(
        TONES.get(state, "warn"), words, detail, engine, port, tuple(_askers(settings)), tuple(_doubts(settings))
    )


def _managers(settings: Settings) -> Iterator[tuple[int, str, str, str]]:
    """Number, addresses, community and permission of those who may ask."""
    for number in range(1, LISTED + 1):
        addresses, community, permission = (
            settings.text(f"snmp.manager.{number}.{name}") for name in ("addresses", "community", "permission")
        )
        if permission != "none" and addresses and community:
            yield number, addresses, community, permission


def _users(settings: Settings) -> Iterator[tuple[str, str, str, str]]:
    """Name, permission, authentication and privacy of those who may ask."""
    for number in range(1, LISTED + 1):
        name, permission, auth, priv = (
            settings.text(f"snmp.user.{number}.{part}") for part in ("name", "permission", "auth", "priv")
        )
        if name and permission != "none":
            yield name, permission, auth, priv


def _askers(settings: Settings) -> Iterator[str]:
    for number, addresses, _, permission in _managers(settings):
        yield f"Manager {number}, v1 and v2c, from {addresses}: {PERMISSIONS[permission].lower()}"
    for name, permission, auth, priv in _users(settings):
        how = "unsigned" if auth == "none" else AUTH[auth] if priv == "none" else f"{AUTH[auth]}, {PRIV[priv]}"
        yield f"User {name}, v3, {how}: {PERMISSIONS[permission].lower()}"


def _doubts(settings: Settings) -> Iterator[str]:
    """What of the settings lets in more than it should."""
    for number, addresses, community, permission in _managers(settings):
        if any(pattern.network.prefixlen == 0 for pattern in parse(addresses)):
            more = " and may switch the load off" if permission == "write" else ""
            yield f"Manager {number} may ask from any address{more}. Enter the addresses of your management system only."
        if community.lower() in TRIED_FIRST:
            yield f"The community of manager {number} is one that everybody tries first."
        elif len(community) < SHORT:
            yield f"The community of manager {number} has fewer than {SHORT} characters."
    for name, permission, auth, priv in _users(settings):
        if auth == "none":
            yield f"User {name} signs nothing: whoever knows the name may read."
        elif permission == "write" and priv == "none":
            yield f"What user {name} writes can be read on the network."
        if auth == "md5" or priv == "des":
            yield f"User {name} uses {'MD5' if auth == 'md5' else 'DES'}, which is broken."


def recipients() -> list[Standing]:
    """The recipients that are saved, and how it stands with them."""
    settings, found = load(), _fresh()
    return [_standing(settings, found, number) for number in range(1, LISTED + 1) if _address(settings, number)]


def _address(settings: Settings, number: int) -> str:
    return settings.text(f"snmp.trap.{number}.address")


def _standing(settings: Settings, found: Mapping[str, LiveReading], number: int) -> Standing:
    key = f"snmp.trap.{number}"
    version, kind = settings.text(f"{key}.version"), settings.text(f"{key}.type")
    port = settings.whole(f"{key}.port") or settings.whole("snmp.trap.port")
    kind = f"SNMP {version} {'trap' if version == 'v1' else kind}, port {port}"
    reading, detail = found.get(f"istars.{key}.state"), found.get(f"istars.{key}.detail")
    if reading is None:
        told = SILENT if STATE not in found else "Left out: see what SNMP cannot do."
        return Standing(number, _address(settings, number), kind, "warn", told, "")
    state, said = str(reading.value), str(detail.value) if detail is not None else ""
    since = clock.local(clock.wall() - (clock.boottime() - reading.changed_at)).strftime("%Y-%m-%d %H:%M:%S")
    words = format_value(reading.name, state)
    words = f"{words} since {since}" if state == "failing" else words
    return Standing(number, _address(settings, number), kind, TONES.get(state, "none"), words, said)


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the templates; nothing is read unless they ask."""
    return {"snmp_agent": agent, "trap_recipients": recipients, "mib_files": MIB_FILES.values}


@blueprint.get("/mibs/<name>")
@requires("read")
def mib(name: str) -> Response:
    """A MIB file, as management systems load it."""
    return mib_file(name) or abort(404)


def mib_file(name: str) -> Response | None:
    """The file of a module, to be kept; None where there is none of this name."""
    found = MIB_FILES.get(name)
    if found is None:
        return None
    response = Response(found.content, mimetype="text/plain")
    response.headers["Content-Disposition"] = f'attachment; filename="{found.name}.txt"'
    return response


@blueprint.post("/traps/test")
@requires("administrator")
def test() -> Any:
    """Send a test to one recipient, and show what came of it: of an inform, its answer."""
    settings, said = load(), request.form.get("recipient", "")
    number = next((each for each in range(1, LISTED + 1) if said == f"{each}" and _address(settings, each)), None)
    if number is None:
        flash("There is no such recipient any more.", "warn")
        return redirect(url_for("settings.snmp_traps"), 303)
    command = orders.give(COMMANDS["istars.trap.test"], {"recipient": number})
    what = f"Test to {_address(settings, number)}"
    if command.ended:
        flash(f"{what}: {sentence(command.result)}", "info" if command.state == "done" else "crit")
    else:
        flash(f"{what}: {orders.outcome(command)}. {SILENT}", "warn")
    return redirect(url_for("settings.snmp_traps"), 303)
