"""The link to the UPS for programs: finding out what it speaks, register maps of the owner, what is known of the battery.

GET    /api/v1/ups/detection          the last search: how far it is, what answered, what was found
POST   /api/v1/ups/detection          {"device": ""}: begin one
DELETE /api/v1/ups/detection          stop it
POST   /api/v1/ups/detection/apply    make what was found the setting
GET    /api/v1/ups/maps               names and titles
GET    /api/v1/ups/maps/NAME          the file as it was brought
PUT    /api/v1/ups/maps/NAME          try the file of the body on the device, keep it if it fits; `lines` has its mistakes
DELETE /api/v1/ups/maps/NAME          take it off the card
GET    /api/v1/ups/battery            what discharges taught, and battery tests
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Blueprint, Response, jsonify, request

from istars.errors import StoreError
from istars.settings import SettingsRejected
from istars.store import battery, maps
from istars.web import changes, ups_orders
from istars.web.api import json_body
from istars.web.security import problem, requires, takes_up_to
from istars.web.ups_orders import Refused

log = logging.getLogger(__name__)
blueprint = Blueprint("ups_api", __name__, url_prefix="/api/v1/ups")

SHAPE = 'The body is a JSON object such as {"device": "/dev/ups"}, or nothing.'
CODES = {404: "not-found", 409: "refused", 422: "bad-map", 503: "no-answer"}


def _refused(error: Refused) -> Response:
    response = problem(error.status, CODES[error.status], str(error))
    if error.lines:
        response.set_data(jsonify({**(response.get_json() or {}), "lines": error.lines}).get_data())
    return response


@blueprint.get("/detection")
def detection() -> Any:
    """The last search."""
    return jsonify(ups_orders.searched())


@blueprint.post("/detection")
@requires("write")
def search() -> Any:
    """Begin a search."""
    body = json_body() if request.get_data(cache=True) else {}
    if not isinstance(body, dict) or set(body) - {"device"} or not isinstance(body.get("device", ""), str):
        return problem(400, "bad-body", SHAPE)
    if len(body.get("device", "")) > 200:
        return problem(400, "bad-argument", "The name of a port has at most 200 characters.", "device")
    try:
        return jsonify(state="running", message=ups_orders.search(body.get("device", "")))
    except Refused as error:
        return _refused(error)


@blueprint.delete("/detection")
@requires("write")
def stop() -> Any:
    """Stop the search."""
    try:
        return jsonify(state="done", message=ups_orders.stop())
    except Refused as error:
        return _refused(error)


@blueprint.post("/detection/apply")
@requires("write")
def apply() -> Any:
    """Make what was found the setting."""
    try:
        made = ups_orders.apply()
    except Refused as error:
        return _refused(error)
    except changes.Forbidden as error:
        return problem(403, "forbidden", "; ".join(error.errors.values()))
    except SettingsRejected as error:
        return problem(409, "refused", "; ".join(f"{key}: {reason}" for key, reason in error.errors.items()))
    except OSError as error:
        return _not_stored(error)
    return jsonify(changed=[change.key for change in made])


@blueprint.get("/maps")
def every_map() -> Any:
    """Maps that are kept."""
    return jsonify(maps=[{"name": name, "title": title} for name, title in maps.stored().items()])


@blueprint.get("/maps/<name>")
def one_map(name: str) -> Response:
    """A map as it was brought."""
    try:
        return Response(maps.content(name), mimetype="application/json")
    except StoreError:
        return problem(404, "not-found", f"There is no map {name[:80]!r}.", "name")


@blueprint.put("/maps/<name>")
@requires("administrator")
@takes_up_to(maps.SIZE_LIMIT)
def keep_map(name: str) -> Any:
    """Try a map and keep it if the device answers by it."""
    try:
        return jsonify(state="done", message=ups_orders.keep_map(name, request.get_data()))
    except Refused as error:
        return _refused(error)
    except OSError as error:
        return _not_stored(error)


@blueprint.delete("/maps/<name>")
@requires("administrator")
def remove_map(name: str) -> Any:
    """Take a map off the card."""
    try:
        ups_orders.remove_map(name)
    except Refused as error:
        return _refused(error)
    except OSError as error:
        return _not_stored(error)
    return jsonify(state="done", message=f"The map {name} is removed.")


@blueprint.get("/battery")
def of_battery() -> Any:
    """What discharges taught, and battery tests."""
    return jsonify(battery.read())


def _not_stored(error: OSError) -> Response:
    log.error("it cannot be stored: %s", error)
    return problem(503, "not-stored", f"Flash cannot be written ({error.strerror}). Nothing was changed.")
