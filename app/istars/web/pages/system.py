"""Below the options of the system: how the clock does, setting it, and restarting the card (manual 3.2.4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for

from istars.errors import CommandRefused, StoreError
from istars.model.readings import Value, format_value, reading
from istars.platform import clock
from istars.store.live_commands import LiveCommand
from istars.web import live, orders
from istars.web.forms import sentence
from istars.web.pages import settings
from istars.web.security import requires
from istars.web.store import live as live_table

blueprint = Blueprint("system", __name__, url_prefix="/settings/system")

SHOWN = ("istars.clock.state", "istars.clock.server", "istars.clock.offset", "istars.clock.updated", "istars.clock.reachable",
         "istars.clock.detail")  # fmt: skip


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


def state() -> State:
    """How the clock does now; without rows while nobody says."""
    now = clock.boottime()
    try:
        found = {name: each.value for name, each in live_table().readings().items() if not each.stale(now)}
    except StoreError:
        found = {}
    rows = tuple((reading(name).label, _words(name, found[name])) for name in SHOWN if found.get(name, "") != "")
    kind, planned = found.get("istars.clock.state", ""), found.get("istars.restart.next", "")
    return State(rows, str(kind), str(planned))


def _words(name: str, value: Value) -> str:
    if name == "istars.clock.updated":
        return str(value).replace("T", " ")
    return f"{format_value(name, value)} {reading(name).unit}".rstrip()


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the template; nothing is read unless it asks."""
    return {"system_state": state, "local_now": lambda: clock.local(clock.wall()).strftime("%Y-%m-%d %H:%M:%S")}


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
