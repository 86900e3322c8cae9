"""Current alarm: what is wrong now, what it means, what to do, who has seen it; and what cleared in the last 24 hours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for

from istars.errors import StoreError
from istars.store.live_commands import LiveCommand
from istars.web import live, records, session, store
from istars.web.lists import AlarmCard, alarm_card
from istars.web.security import requires
from istars.web.view import Facts, Tone, head_of, plural, worst

log = logging.getLogger(__name__)
blueprint = Blueprint("alarms", __name__)

ACKNOWLEDGE = "istars.alarm.acknowledge"
TARGET = "core"
WAIT_S = 2.0
NOTE_LENGTH = 80
CLEARED_SHOWN = 20
CLEARED_S, CLEARED_STEP_S = 86_400.0, 300.0
"""The last 24 hours begin at a whole five minutes, so that the list need not be read anew with every look."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The headline of the list."""

    tone: Tone
    count: int
    waiting: int


def summary(cards: tuple[AlarmCard, ...], facts: Facts) -> tuple[Summary, live.Texts]:
    """The headline and the line below it as texts `head` and `follow`."""
    waiting = sum(not card.acknowledged_by for card in cards)
    head, texts = head_of(facts)
    state = texts["head"] if head.count is None else "On battery"
    if not cards:
        return Summary(Tone.OK, 0, 0), {"head": "No current alarms", "follow": f"{state}."}
    told = plural(len(cards), "current alarm", "current alarms")
    told += ", all acknowledged" if not waiting else f", {waiting} not acknowledged"
    return Summary(worst(card.tone for card in cards), len(cards), waiting), {"head": told, "follow": f"{state}."}


@live.builds("alarms")
def build(facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """The sections of the list and their texts."""
    pairs = [alarm_card(alarm, facts.wall) for alarm in facts.alarms]
    cards = tuple(card for card, _ in pairs)
    head, texts = summary(cards, facts)
    texts |= {f"alarm.{card.key}": detail for card, detail in pairs}
    begin = (facts.wall - CLEARED_S) // CLEARED_STEP_S * CLEARED_STEP_S
    cleared = records.Choice(kind=("clear",), from_wall=begin)
    sections: live.Sections = {
        "head": head,
        "list": cards,
        "cleared": records.newest(cleared, CLEARED_SHOWN, facts.wall),
    }
    return sections, texts


@blueprint.get("/alarms")
def page() -> str:
    """The whole page."""
    return live.show("alarms", "alarms.html")


@blueprint.post("/alarms")
@requires("write")
def acknowledge() -> Any:
    """Say that somebody has seen an alarm; the core worker writes it down, with name and time."""
    key, note = request.form.get("alarm", ""), " ".join(request.form.get("note", "").split())[:NOTE_LENGTH]
    person = session.person()
    if person is None:
        abort(401)
    try:
        command = store.store().order(
            TARGET,
            ACKNOWLEDGE,
            {"alarm": key, "note": note},
            asked_by=person.name,
            address=session.address(),
            wait_s=WAIT_S,
        )
    except StoreError as error:
        log.error("an alarm could not be acknowledged: %s", error)
        flash("The alarm was not acknowledged: the card cannot write at the moment. Try again.", "crit")
    else:
        _tell(command)
    return redirect(url_for("alarms.page"), 303)


def _tell(command: LiveCommand) -> None:
    """Say on the next page what came of it; a success shows in the list itself."""
    if command.state in ("failed", "expired"):
        flash(f"The alarm was not acknowledged: {command.result or 'it took too long'}.", "warn")
    elif not command.ended:
        flash("The card has not confirmed it yet. It shows here as soon as it has.", "info")
