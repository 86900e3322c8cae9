"""The button that sends a daily report at once, beside the options of e-mail."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, request, url_for

from istars.errors import CommandRefused
from istars.model.commands import COMMANDS
from istars.notify import daily
from istars.settings import load
from istars.web import orders
from istars.web.forms import sentence
from istars.web.security import requires

blueprint = Blueprint("report", __name__)


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the templates; nothing is read unless they ask."""
    return {"readers": lambda: daily.readers(load())}


@blueprint.post("/device/mail/report")
@requires("write")
def now() -> Any:
    """Send the report of the last 24 hours to one recipient and show what the server says."""
    try:
        command = orders.give(COMMANDS["istars.report.now"], {"recipient": request.form.get("to", "")})
    except CommandRefused as error:
        flash(sentence(str(error)), "crit")
        return redirect(url_for("settings.mail"), 303)
    if command.ended:
        flash(f"Daily report: {sentence(command.result)}", "info" if command.state == "done" else "crit")
    else:
        flash("Daily report: no answer yet. The e-mail record says when there is one.", "warn")
    return redirect(url_for("settings.mail"), 303)
