"""Settings for programs: the same declarations, checks and words as the pages, errors by option.

    GET   /api/v1/settings          {"settings": {key: value}}; null for a secret
    PATCH /api/v1/settings          the same with some of the options: these are changed
    PUT   /api/v1/settings          the same with all of them; a secret may be null and then stays
    GET   /api/v1/settings/KEY      value and declaration of one option
    PUT   /api/v1/settings/KEY      {"value": value}

All or nothing: an answer that is no success has changed nothing. Its `fields` has the reason for every option that is wrong.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify

from istars.errors import SettingsError
from istars.settings import Settings, SettingsRejected, load
from istars.settings.field import Field, Setting
from istars.settings.groups import FIELDS, GROUPS
from istars.web import changes
from istars.web.api import json_body
from istars.web.forms import sentence
from istars.web.security import problem, requires

log = logging.getLogger(__name__)
blueprint = Blueprint("settings_api", __name__, url_prefix="/api/v1/settings")

PLACE = {field.key: group.name for group in GROUPS for field in group.fields}
SHAPE = 'The body is a JSON object such as {"settings": {"system.name": "UPS-A"}}.'


def _value(declared: Field, current: Mapping[str, Setting]) -> Setting | None:
    return None if declared.secret else current[declared.key]


def _all(current: Settings) -> dict[str, Setting | None]:
    return {key: _value(declared, current) for key, declared in FIELDS.items()}


@blueprint.get("")
@requires("write")
def every() -> Any:
    """All options as they are saved."""
    return jsonify(settings=_all(load(environment={})))


@blueprint.get("/<key>")
@requires("write")
def one(key: str) -> Any:
    """One option with its declaration."""
    declared = FIELDS.get(key)
    if declared is None:
        return _no_such(key)
    return jsonify(_described(declared, load(environment={})))


def _described(declared: Field, current: Settings) -> dict[str, object]:
    return {
        "key": declared.key,
        "value": _value(declared, current),
        "stored": bool(current[declared.key]) if declared.secret else True,
        "type": declared.type.value,
        "default": None if declared.secret else declared.default,
        "group": PLACE[declared.key],
        "label": declared.label,
        "help": declared.help,
        "unit": declared.unit,
        "minimum": declared.minimum,
        "maximum": declared.maximum,
        "choices": dict(declared.choices) if declared.choices is not None else None,
        "applies": declared.applies,
    }


@blueprint.patch("")
@requires("write")
def some() -> Any:
    """Change the options that the body names."""
    given = _body("settings")
    return given if isinstance(given, Response) else _take(given)


@blueprint.put("")
@requires("write")
def whole() -> Any:
    """Change all options; one that is missing is an error, so that no program leaves some by mistake."""
    given = _body("settings")
    if isinstance(given, Response):
        return given
    missing = {key: "is missing" for key in FIELDS if key not in given}
    return _refused(missing) if missing else _take(given)


@blueprint.put("/<key>")
@requires("write")
def put_one(key: str) -> Any:
    """Change one option."""
    if key not in FIELDS:
        return _no_such(key)
    given = _body("value")
    return given if isinstance(given, Response) else _take({key: given["value"]})


def _body(name: str) -> dict[str, Any] | Response:
    """The options of the body: what stands under `settings`, or the whole of a body with one `value`."""
    body = json_body()
    if not isinstance(body, dict) or set(body) != {name}:
        return problem(400, "bad-body", SHAPE if name == "settings" else 'The body is {"value": VALUE}.')
    if name == "value":
        return body
    given = body[name]
    return given if isinstance(given, dict) else problem(400, "bad-body", SHAPE)


def _take(given: Mapping[str, Any]) -> Response:
    """Check and save; the answer has all options as they are then, and the keys of those that changed."""
    values: dict[str, Setting] = {}
    errors: dict[str, str] = {}
    for key, value in given.items():
        declared = FIELDS.get(key)
        if declared is None:
            errors[key[:80]] = "there is no option of this name"
        elif not (declared.secret and value is None):
            try:
                values[key] = declared.accept(value)
            except SettingsError as error:
                errors[key] = error.reason
    if errors:
        return _refused(errors)
    try:
        made = changes.save(values)
    except SettingsRejected as rejected:
        return _refused(rejected.errors)
    except OSError as failure:
        log.error("the settings cannot be saved: %s", failure)
        return problem(503, "not-saved", f"Flash cannot be written ({failure.strerror}). Nothing was changed.")
    return jsonify(settings=_all(load(environment={})), changed=[change.key for change in made])


def _refused(errors: Mapping[str, str]) -> Response:
    """Every option that is wrong with its reason; the first one stands in `field` and `message` too."""
    first = next(iter(errors))
    response = problem(400, "bad-setting", f"{first}: {sentence(errors[first])}", first)
    body = {**(response.get_json() or {}), "fields": dict(errors)}
    response.set_data(jsonify(body).get_data())
    return response


def _no_such(key: str) -> Response:
    return problem(404, "unknown-name", f"No option is called {key[:80]!r}.", "key")
