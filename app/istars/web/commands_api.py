"""Commands for the card itself, given by programs: `POST /api/v1/commands/NAME` with `{"arguments": {"time": "..."}}`.

What a command needs of its giver stands in `model/commands.py`. The answer waits for what comes of it.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from istars.errors import CommandRefused
from istars.web import orders, session
from istars.web.api import json_body
from istars.web.forms import sentence
from istars.web.security import problem, requires

blueprint = Blueprint("commands_api", __name__, url_prefix="/api/v1/commands")

SHAPE = 'The body is a JSON object such as {"arguments": {"time": "2026-11-21 14:05:00"}}, or nothing.'


@blueprint.post("/<name>")
@requires("write")
def give(name: str) -> Any:
    """Give the command and tell what came of it."""
    declared = orders.OWN.get(name)
    if declared is None:
        return problem(404, "no-such-command", f"No command of the card is called {name[:80]!r}.", "name")
    person = session.person()
    if person is None or not person.may(declared.permission):
        return problem(403, message=f"This needs the permission “{declared.permission}”.")
    body = json_body() if request.get_data(cache=True) else {}
    if not isinstance(body, dict) or set(body) - {"arguments"} or not isinstance(body.get("arguments", {}), dict):
        return problem(400, "bad-body", SHAPE)
    try:
        command = orders.give(declared, body.get("arguments", {}))
    except CommandRefused as error:
        return problem(400, "bad-argument", sentence(str(error)), "arguments")
    if command.state == "done":
        return jsonify(state="done", message=command.result)
    if command.state == "failed":
        return problem(409, "refused", sentence(command.result))
    return problem(503, "no-answer", sentence(orders.outcome(command)))
