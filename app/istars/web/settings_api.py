"""Settings for programs: the same declarations, checks and words as the pages, errors by option.

    GET   /api/v1/settings          {"settings": {key: value}}; null for a secret
    PATCH /api/v1/settings          the same with some of the options: these are changed
    PUT   /api/v1/settings          the same with all of them; a secret may be null and then stays
    GET   /api/v1/settings/KEY      value and declaration of one option
    PUT   /api/v1/settings/KEY      {"value": value}
    GET   /api/v1/settings/file     all options as system_config.csv, without secrets
    PUT   /api/v1/settings/file     takes such a file; with `?look=1` it only tells what would change

All or nothing: an answer that is no success has changed nothing. Its `fields` has the reason for every option that is wrong,
with status 403 for every one that only an administrator may change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, jsonify, request

from istars.errors import SettingsError
from istars.settings import Settings, SettingsRejected, csvfile, exchange, load
from istars.settings.field import Field, Setting
from istars.settings.groups import FIELDS, GROUPS
from istars.store.telling import tell
from istars.web import changes, session
from istars.web.api import json_body
from istars.web.forms import sentence
from istars.web.security import problem, requires, takes_up_to
from istars.web.store import live

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
        "administrator": declared.administrator,
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


@blueprint.get("/file")
@requires("administrator")
def file() -> Response:
    """All options as the pages save them, without secrets."""
    return Response(exchange.export(load(environment={})), mimetype="text/csv")


@blueprint.put("/file")
@requires("administrator")
@takes_up_to(csvfile.SIZE_LIMIT)
def put_file() -> Any:
    """Take a file: all of it, or nothing with every error by its line. Encrypted secrets in it are passed over."""
    only_look = request.args.get("look", "0")
    if only_look not in ("0", "1"):
        return problem(400, "bad-parameter", "look is 0 or 1.", "look")
    content = request.get_data()
    try:
        found = exchange.look(content) if only_look == "1" else exchange.take(content)
    except OSError as failure:
        return _not_saved(failure)
    if found.errors:
        return _with(problem(400, "bad-file", "Nothing was changed. " + sentence(found.errors[0])), lines=found.errors)
    if only_look == "0":
        changes.tell("settings restored", found.changes)
        tell(live(), "SETTINGS_RESTORED", by=session.asker().name, count=len(found.changes))
    told = [{"key": change.key, "old": change.old, "new": change.new} for change in found.changes]
    return jsonify(changes=told, unknown=found.unknown, sealed=found.sealed)


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
    except changes.Forbidden as forbidden:
        return _refused(forbidden.errors, 403, "forbidden")
    except SettingsRejected as rejected:
        return _refused(rejected.errors)
    except OSError as failure:
        return _not_saved(failure)
    return jsonify(settings=_all(load(environment={})), changed=[change.key for change in made])


def _refused(errors: Mapping[str, str], status: int = 400, code: str = "bad-setting") -> Response:
    """Every option that is wrong with its reason; the first one stands in `field` and `message` too."""
    first = next(iter(errors))
    response = problem(status, code, f"{first}: {sentence(errors[first])}", first)
    return _with(response, fields=dict(errors))


def _with(response: Response, **more: object) -> Response:
    """An error that says more."""
    response.set_data(jsonify({**(response.get_json() or {}), **more}).get_data())
    return response


def _not_saved(failure: OSError) -> Response:
    log.error("the settings cannot be saved: %s", failure)
    return problem(503, "not-saved", f"Flash cannot be written ({failure.strerror}). Nothing was changed.")


def _no_such(key: str) -> Response:
    return problem(404, "unknown-name", f"No option is called {key[:80]!r}.", "key")
