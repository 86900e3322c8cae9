"""Commands and settings of the UPS, and commands for the card itself, given by programs.

    GET  /api/v1/commands            what can be told to the card and to the UPS that is connected, with limits
    POST /api/v1/commands/NAME       {"arguments": {"delay_s": 60}}
    GET  /api/v1/variables           settings inside the UPS
    PUT  /api/v1/variables/NAME      {"value": "yes"}

What a command needs of its giver stands in `model/commands.py`. The answer waits for what comes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, jsonify, request

from istars.errors import CommandRefused
from istars.model.commands import COMMANDS, Command
from istars.store import abilities
from istars.store.abilities import Abilities, Setting
from istars.store.live_commands import LiveCommand
from istars.web import control, orders, session
from istars.web.api import json_body
from istars.web.forms import sentence
from istars.web.security import problem, requires

blueprint = Blueprint("commands_api", __name__, url_prefix="/api/v1")

SHAPE = 'The body is a JSON object such as {"arguments": {"delay_s": 60}}, or nothing.'
VALUE_SHAPE = 'The body is a JSON object such as {"value": "yes"}.'


@blueprint.get("/commands")
def commands() -> Any:
    """Commands for the card, and those that the UPS that is connected has."""
    able = abilities.read()
    return jsonify(commands=[_described(able, each) for each in (*orders.OWN.values(), *able.offered())])


def _described(able: Abilities, declared: Command) -> dict[str, object]:
    return {
        "name": declared.name,
        "label": declared.label,
        "effect": declared.effect,
        "permission": declared.permission,
        "interrupts_load": declared.interrupts_load,
        "arguments": [
            {
                "name": each.name,
                "label": each.label,
                "unit": each.unit,
                "default": each.default,
                **_limits(able, declared, each.name, each.high is not None),
            }
            for each in declared.arguments
        ],
    }


def _limits(able: Abilities, declared: Command, argument: str, numeric: bool) -> dict[str, int | None]:
    low, high = able.limits(declared, argument) if numeric else (None, None)
    return {"minimum": low, "maximum": high}


@blueprint.post("/commands/<name>")
@requires("write")
def give(name: str) -> Any:
    """Give the command and tell what came of it."""
    able = abilities.read()
    declared = orders.OWN.get(name) or next((each for each in able.offered() if each.name == name), None)
    if declared is None:
        known = COMMANDS.get(name)
        missing = known is not None and known.target == "upslink" and not name.startswith("istars.")
        told = "The UPS that is connected has no command" if missing else "No command of the card or its UPS is called"
        return problem(404, "no-such-command", f"{told} {name[:80]!r}.", "name")
    person = session.person()
    if person is None or not person.may(declared.permission):
        return problem(403, message=f"This needs the permission “{declared.permission}”.")
    body = json_body() if request.get_data(cache=True) else {}
    if not isinstance(body, dict) or set(body) - {"arguments"} or not isinstance(body.get("arguments", {}), dict):
        return problem(400, "bad-body", SHAPE)
    try:
        return _given(able, declared, body.get("arguments", {}))
    except control.Wrong as error:
        return problem(400, "bad-argument", sentence(str(error)), error.field)
    except CommandRefused as error:
        return problem(400, "bad-argument", sentence(str(error)), "arguments")


def _given(able: Abilities, declared: Command, arguments: Mapping[str, object]) -> Any:
    if declared.name in able.commands:
        arguments = control.check(able, declared, arguments)
    return _told(orders.give(declared, arguments))


def _told(command: LiveCommand) -> Any:
    """What came of a command."""
    if command.state == "done":
        return jsonify(state="done", message=command.result)
    if command.state == "failed":
        return problem(409, "refused", sentence(command.result))
    return problem(503, "no-answer", sentence(orders.outcome(command)))


@blueprint.get("/variables")
def variables() -> Any:
    """Settings inside the UPS, as they were when they were read last."""
    able = abilities.read()
    return jsonify(variables=[_variable(each) for each in able.variables])


def _variable(setting: Setting) -> dict[str, object]:
    knob = control.knob_of(setting)
    return {
        "name": setting.name,
        "label": knob.declared.label,
        "effect": knob.declared.effect,
        "value": setting.value,
        "unit": knob.declared.unit,
        "minimum": setting.low,
        "maximum": setting.high,
        "choices": [value for value, _ in knob.choices] or None,
    }


@blueprint.put("/variables/<name>")
@requires("write")
def write(name: str) -> Any:
    """Write one setting and tell what the UPS shows of it then."""
    setting = abilities.read().setting(name)
    if setting is None:
        return problem(404, "no-such-variable", f"The UPS that is connected has no setting {name[:80]!r}.", "name")
    body = json_body()
    if not isinstance(body, dict) or set(body) != {"value"}:
        return problem(400, "bad-body", VALUE_SHAPE)
    try:
        value = control.check_setting(setting, body["value"])
    except control.Wrong as error:
        return problem(400, "bad-value", sentence(str(error)), error.field)
    return _told(orders.give(COMMANDS["istars.variable.set"], {"name": name, "value": value}))
