"""Overview: what the UPS does, its main readings, the energy flow, the latest events."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Blueprint

from istars.web import live, records
from istars.web.flow import overview
from istars.web.view import Facts, head_of

blueprint = Blueprint("overview", __name__)

LATEST = 6


@live.builds("overview")
def build(facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """The sections of the overview and their texts."""
    head, texts = head_of(facts)
    shown, more = overview(facts)
    sections: live.Sections = {
        "head": head,
        "tiles": shown.tiles,
        "flow": shown.flow,
        "panels": (shown.panels, shown.flow.chosen),
        "phases": shown.phases,
        "device": shown.device,
        "events": records.newest(records.Choice(), LATEST, facts.wall),
    }
    return sections, texts | more


@blueprint.get("/")
def page() -> str:
    """The whole page."""
    return live.show("overview", "overview.html")
