"""Below the options: the clock, setting it, restarting the card (manual 3.2.4.2); and how the command line does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, flash, redirect, request, url_for

from istars.errors import CommandRefused, StoreError
from istars.model.readings import Value, format_value, reading
from istars.platform import clock, ssh
from istars.store.live_commands import LiveCommand
from istars.web import live, orders
from istars.web.forms import sentence
from istars.web.pages import settings
from istars.web.security import requires
from istars.web.store import live as live_table

blueprint = Blueprint("system", __name__, url_prefix="/settings/system")

SHOWN = ("istars.clock.state", "istars.clock.server", "istars.clock.offset", "istars.clock.updated", "istars.clock.reachable",
         "istars.clock.detail")  # fmt: skip


SSH_SHOWN = ("istars.ssh.state", "istars.ssh.detail", "istars.ssh.fingerprint")


@dataclass(frozen=True, slots=True)
class State:
    """What the worker of the operating system says: rows of label and text, and the next restart in local time."""

    rows: tuple[tuple[str, str], ...] = ()
    kind: str = ""
    restart: str = ""

    @property
    def foreign(self) -> bool:
        """Whether the clock is not the card's to set."""
        return self.kind == "foreign"


@dataclass(frozen=True, slots=True)
class SshState:
    """How the command line does: rows of label and text, and whether somebody can sign in."""

    rows: tuple[tuple[str, str], ...] = ()
    open: bool = False
    account: str = ssh.ACCOUNT

    @property
    def host(self) -> str:
        """The card under the name that the browser has for it; an address of IPv6 without its brackets."""
        return str(urlsplit(f"//{request.host}").hostname)


def _found() -> dict[str, Value]:
    """What is known now."""
    now = clock.boottime()
    try:
        return {name: each.value for name, each in live_table().readings().items() if not each.stale(now)}
    except StoreError:
        return {}


def _rows(found: Mapping[str, Value], names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    return tuple((reading(name).label, _words(name, found[name])) for name in names if found.get(name, "") != "")


def state() -> State:
    """How the clock does now; without rows while nobody says."""
    found = _found()
    kind, planned = found.get("istars.clock.state", ""), found.get("istars.restart.next", "")
    return State(_rows(found, SHOWN), str(kind), str(planned))


def ssh_state() -> SshState:
    """How the command line does now; without rows while nobody says."""
    found = _found()
    return SshState(_rows(found, SSH_SHOWN), found.get("istars.ssh.state") == "open")


def _words(name: str, value: Value) -> str:
    if name == "istars.clock.updated":
        return str(value).replace("T", " ")
    return f"{format_value(name, value)} {reading(name).unit}".rstrip()


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the template; nothing is read unless it asks."""
    return {
        "system_state": state,
        "ssh_state": ssh_state,
        "local_now": lambda: clock.local(clock.wall()).strftime("%Y-%m-%d %H:%M:%S"),
    }


@blueprint.post("/adjust")
@requires("write")
def adjust() -> Any:
    """Compare the clock with the time servers, and set it."""
    return _told(orders.give(orders.OWN["istars.clock.adjust"], {}))


@blueprint.post("/clock")
@requires("administrator")
def set_clock() -> Any:
    """Set the clock to the time that was typed, in the card's zone."""
    typed = request.form.get("time", "")
    try:
        command = orders.give(orders.OWN["istars.clock.set"], {"time": typed})
    except CommandRefused as error:
        return settings.shown("system", 422, wrong=sentence(str(error)), typed=typed[:40])
    if command.state == "failed":
        return settings.shown("system", 422, wrong=sentence(command.result), typed=typed[:40])
    return _told(command)


@blueprint.get("/restart")
@requires("administrator")
def ask_restart() -> str:
    """Say what a restart does, and ask."""
    return live.show("general", "system_restart.html", args={})


@blueprint.post("/restart")
@requires("administrator")
def restart() -> Any:
    """Restart the card."""
    return _told(orders.give(orders.OWN["istars.restart"], {}))


def _told(command: LiveCommand) -> Any:
    """Back to the options, with what came of the command."""
    if command.state == "done":
        flash(sentence(command.result), "info")
    elif command.state == "failed":
        flash(f"{orders.OWN[command.name].label}: {sentence(command.result)}", "crit")
    else:
        flash(f"{orders.OWN[command.name].label}: {orders.outcome(command)}.", "warn")
    return redirect(url_for("settings.system"), 303)
