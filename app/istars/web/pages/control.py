"""Remote control of the UPS (manual 3.2.2.2): what this UPS can do and nothing else, each with what will happen to the load.

What takes power from the load is asked about, and the name of the system has to be typed. A switch-off that counts down shows on
top and can be cancelled. What the UPS said stands on the page, in the event record and in the audit record.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, url_for

from istars.errors import CommandRefused, StoreError
from istars.model.commands import COMMANDS
from istars.model.readings import format_value
from istars.store import abilities
from istars.store.live_commands import LiveCommand
from istars.web import control, live, orders, view
from istars.web.forms import sentence
from istars.web.security import requires
from istars.web.store import live as live_table
from istars.web.store import settings
from istars.web.view import Facts, Tone

blueprint = Blueprint("control", __name__, url_prefix="/device/control")

PAST = 8
STATES = {
    "queued": (Tone.NONE, "Waits"),
    "running": (Tone.INFO, "Is carried out"),
    "done": (Tone.OK, "Done"),
    "failed": (Tone.CRIT, "Failed"),
    "expired": (Tone.CRIT, "Too late"),
}
"""State of a command to tone and word."""


@live.builds("control")
def build(facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """What counts down, what can be done, what was done."""
    able = abilities.read()
    texts = {"control.load": load_now(facts)}
    left = facts.number("ups.timer.shutdown")
    counting = (left is not None and left > 0) or "SHUTDOWN_PENDING" in facts.text("ups.alarm").split()
    if counting:
        texts["control.left"] = f"in {view.time_left(left)}" if left is not None and left > 0 else "soon"
    testing = bool(facts.tokens & {"TEST", "CAL"})
    sections: live.Sections = {
        "now": (counting, counting and "shutdown.stop" in able.commands, testing, "test.battery.stop" in able.commands),
        "controls": (facts.link == "ok", able.title, control.controls(able), shown_load(facts)),
        "knobs": (facts.link == "ok", tuple(control.knob_of(each) for each in able.variables), able.problem),
        "past": past(facts),
    }
    return sections, texts


def shown_load(facts: Facts) -> bool:
    """Whether the load is known."""
    return facts.number("ups.load") is not None


def load_now(facts: Facts) -> str:
    """What hangs on the UPS now, as a sentence."""
    load, watts = facts.number("ups.load"), facts.number("ups.realpower")
    if "OFF" in facts.tokens:
        return "The output is off: nothing is supplied."
    if load is None:
        return "The UPS does not say what its load is."
    percent = f"{format_value('ups.load', load)} %"
    return f"The load is {percent}" + (f", {format_value('ups.realpower', watts)} W." if watts is not None else " now.")


def past(facts: Facts) -> tuple[tuple[int, str, str, Tone, str, str, str], ...]:
    """The last commands for the UPS, newest first: number, time, label, tone, word, who, result."""
    try:
        found = live_table().recent("upslink", PAST)
    except StoreError:
        return ()
    return tuple(
        (
            each.id,
            facts.when(each.asked_at),
            COMMANDS[each.name].label if each.name in COMMANDS else each.name,
            *STATES.get(each.state, (Tone.NONE, each.state)),
            each.asked_by,
            each.result,
        )
        for each in found
        if each.name not in COMMANDS or not COMMANDS[each.name].quiet
    )


def _page(status: int = 200, *, wrong: str = "", field: str = "", at: str = "") -> Response:
    """The page; `wrong` is what is wrong with `field` of the control `at`."""
    shown = live.show("control", "control.html", args={}, wrong=wrong, field=field, at=at, sent=request.form)
    return Response(shown, status)


@blueprint.get("")
@requires("write")
def page() -> Response:
    """The whole page."""
    return _page()


@blueprint.post("/command/<name>")
@requires("write")
def command(name: str) -> Any:
    """Give a command: at once, or after a question where the load is concerned."""
    able = abilities.read()
    declared = next((each for each in able.offered() if each.name == name), None)
    if declared is None:
        abort(404, "This UPS has no such command.")
    chosen = control.control_of(able, declared)
    try:
        arguments = control.typed(chosen, request.form)
    except control.Wrong as error:
        return _page(422, wrong=sentence(str(error)), field=error.field, at=name)
    if declared.confirm and "sure" not in request.form:
        return _ask(chosen, arguments)
    if declared.interrupts_load and not _named():
        return _ask(chosen, arguments, 422)
    try:
        return _told(orders.give(declared, arguments))
    except CommandRefused as error:
        return _page(422, wrong=sentence(str(error)), at=name)


def _named() -> bool:
    """Whether the system's name was typed."""
    return request.form.get("system", "").strip() == settings().text("system.name").strip()


def _ask(chosen: control.Control, arguments: Mapping[str, object], status: int = 200) -> Response:
    """Say what will happen, and ask."""
    shown = live.show(
        "control",
        "control_ask.html",
        args={},
        chosen=chosen,
        arguments=arguments,
        wrong=status != 200,
        typed=request.form.get("system", "")[:80],
    )
    return Response(shown, status)


@blueprint.post("/setting/<name>")
@requires("write")
def setting(name: str) -> Any:
    """Write a setting of the UPS."""
    found = abilities.read().setting(name)
    if found is None:
        abort(404, "This UPS has no such setting.")
    try:
        value = control.check_setting(found, request.form.get("value", ""))
    except control.Wrong as error:
        return _page(422, wrong=sentence(str(error)), field="value", at=name)
    knob = control.knob_of(found)
    if knob.declared.confirm and "sure" not in request.form:
        shown = live.show(
            "control",
            "control_setting.html",
            args={},
            knob=knob,
            value=value,
            words=dict(knob.choices).get(value, value),
        )
        return Response(shown)
    return _told(orders.give(COMMANDS["istars.variable.set"], {"name": name, "value": value}))


@blueprint.post("/read")
@requires("write")
def read() -> Any:
    """Ask the UPS for its settings again."""
    return _told(orders.give(COMMANDS["istars.variable.read"], {}))


def _told(given: LiveCommand) -> Any:
    """Back to the page, with what came of it."""
    label = COMMANDS[given.name].label
    if given.state == "done":
        flash(sentence(given.result), "warn" if "sent, but" in given.result else "info")
    elif given.state == "failed":
        flash(f"{label}: {sentence(given.result)}", "crit")
    else:
        flash(f"{label}: {orders.outcome(given)}.", "warn")
    return redirect(url_for("control.page"), 303)
