"""The update of the firmware for programs; the page sends its file here too.

GET    /api/v1/firmware            what runs, and how far an update came
PUT    /api/v1/firmware/package    iStars.tar.gz as the body, for administrators
DELETE /api/v1/firmware/package    forget it
POST   /api/v1/firmware/install    {"version": "0.2.0", "downgrade": false}: write it, restart into it
POST   /api/v1/firmware/check      ask the channel
POST   /api/v1/firmware/download   fetch what the channel offers
"""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

from flask import Blueprint, jsonify, request

from istars.store import firmware
from istars.store.firmware import Busy
from istars.store.live_commands import LiveCommand
from istars.store.package import PACKAGE_LIMIT, PackageRefused
from istars.web import firmware_orders as orders
from istars.web.api import json_body
from istars.web.security import problem, requires, streams

log = logging.getLogger(__name__)
blueprint = Blueprint("firmware_api", __name__, url_prefix="/api/v1/firmware")


@blueprint.get("")
def status() -> Any:
    """What the updater says at this moment."""
    return jsonify(dataclasses.asdict(firmware.status()))


@blueprint.put("/package")
@requires("administrator")
@streams(PACKAGE_LIMIT)
def bring() -> Any:
    """Take a package; whether it can be installed stands in the state a moment later."""
    try:
        manifest = orders.bring(request.stream)
    except Busy as error:
        return problem(409, "busy", str(error))
    except PackageRefused as error:
        return problem(422, "refused", str(error))
    except OSError as error:
        log.error("the update file cannot be stored: %s", error)
        return problem(503, "not-stored", f"Flash cannot be written ({error.strerror}). Nothing was kept.")
    return jsonify(state=firmware.status().state, version=manifest.version)


@blueprint.delete("/package")
@requires("administrator")
def discard() -> Any:
    """Forget what was brought."""
    return _answer(orders.give("discard"))


@blueprint.post("/install")
@requires("administrator")
def install() -> Any:
    """Install what was checked."""
    body = json_body() if request.get_data(cache=True) else {}
    if not isinstance(body, dict) or not set(body) <= {"version", "downgrade"}:
        return problem(400, "bad-body", 'The body is a JSON object such as {"version": "0.2.0", "downgrade": false}.')
    wanted, downgrade = body.get("version", ""), body.get("downgrade", False)
    if not isinstance(wanted, str) or len(wanted) > 100:
        return problem(400, "bad-body", "The version is a text.", "version")
    if not isinstance(downgrade, bool):
        return problem(400, "bad-body", "Downgrade is true or false.", "downgrade")
    return _answer(orders.give("install", {"version": wanted, "downgrade": int(downgrade)}))


@blueprint.post("/check")
@requires("administrator")
def check() -> Any:
    """Ask the channel; the answer stands in the state a moment later."""
    return _answer(orders.give("look"))


@blueprint.post("/download")
@requires("administrator")
def download() -> Any:
    """Fetch what the channel offers."""
    return _answer(orders.give("download"))


def _answer(command: LiveCommand) -> Any:
    if command.state == "done":
        return jsonify(state="done", message=command.result)
    if command.state == "failed":
        return problem(409, "refused", command.result)
    return problem(503, "no-answer", orders.said(command))
