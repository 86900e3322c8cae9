"""Messages to people: their records by day (manual 3.2.3.3, 3.2.3.4), and the buttons that try a recipient or wake a computer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, stream_with_context, url_for

from istars.errors import CommandRefused, StoreError
from istars.model.alarms import describe_event
from istars.model.commands import COMMANDS
from istars.model.readings import READINGS, Value, format_value, reading
from istars.notify import texts, waking
from istars.notify.recipients import recipients, shown
from istars.platform import clock, paths
from istars.settings import load
from istars.store.live_commands import LiveCommand
from istars.store.outbox import OPEN_LIMIT, Message, Outbox
from istars.store.table_file import lines, safe
from istars.web import live, orders
from istars.web.forms import sentence
from istars.web.pages import events
from istars.web.security import requires
from istars.web.store import live as live_table
from istars.web.view import Facts, plural

blueprint = Blueprint("messages", __name__)

TITLES = {"mail": "E-mail record", "sms": "SMS record", "webhook": "Webhook record", "syslog": "Syslog record"}
"""Channel to the title of its record."""
PAGE_LENGTH = 100
BATCH = 500
COLUMNS = ("time", "recipient", "message", "state", "result", "attempts", "ended", "id")
STATES = {
    "waiting": ("warn", "Waits"),
    "sending": ("info", "Is being sent"),
    "sent": ("ok", "Sent"),
    "failed": ("crit", "Not sent"),
    "dropped": ("crit", "Dropped"),
    "withdrawn": ("info", "Not needed"),
}
"""State of a message to the tone and the word of the page."""


@live.builds("messages")
def _no_sections(_facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Nothing of this page follows the UPS but its frame."""
    return {}, {}


def _found(channel: str, day: date, before: int | None, limit: int) -> list[Message]:
    """Messages of a day, newest first. Raises StoreError."""
    if not paths.outbox_db().exists():
        return []
    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        return outbox.messages(channel, day=day, before=before, limit=limit)


def _dropped() -> str:
    """How many messages never went out for want of room, as a sentence. Raises StoreError."""
    if not paths.outbox_db().exists():
        return ""
    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        count = outbox.dropped()
    if not count:
        return ""
    return (
        f"{plural(count, 'message', 'messages')} of all channels {'was' if count == 1 else 'were'} dropped so far: no more than "
        f"{OPEN_LIMIT:,} may wait, and the oldest of the least important give way."
    )


def _query(channel: str) -> events.Query:
    if channel not in TITLES:
        abort(404)
    return events.understand(request.args, clock.local(clock.wall()).date())


@blueprint.get("/records/messages/<channel>")
def page(channel: str) -> str:
    """The messages of one day."""
    query = _query(channel)
    problem = dropped = ""
    try:
        found = _found(channel, query.day, query.before, PAGE_LENGTH + 1)
        dropped = _dropped()
    except StoreError:
        found, problem = [], "The record cannot be read. The card tries again by itself."
    return live.show(
        "messages",
        "messages.html",
        args={},
        channel=channel,
        titles=TITLES,
        q=query,
        entries=found[:PAGE_LENGTH],
        older=found[PAGE_LENGTH - 1].id if len(found) > PAGE_LENGTH else None,
        problem=problem,
        dropped=dropped,
        iso=clock.iso,
        headline=texts.headline,
        shown=shown,
        states=STATES,
    )


def row(message: Message) -> tuple[str, ...]:
    """One message as cells; none begins a formula."""
    ended = clock.iso(message.ended) if message.ended is not None else ""
    words = (shown(message.endpoint, message.recipient), texts.headline(message), message.state, message.result)
    return clock.iso(message.at), *(safe(word) for word in words), str(message.attempts), ended, str(message.id)


def _every(channel: str, day: date) -> Iterator[Message]:
    before: int | None = None
    while batch := _found(channel, day, before, BATCH):
        yield from batch
        before = batch[-1].id


@blueprint.get("/records/messages/<channel>.csv")
def export(channel: str) -> Response:
    """The same day as a file."""
    query = _query(channel)
    content = lines(COLUMNS, map(row, _every(channel, query.day)))
    response = Response(stream_with_context(content), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{channel}-{query.day.isoformat()}.csv"'
    return response


@blueprint.app_context_processor
def _offered() -> dict[str, Any]:
    """For the templates; nothing is read unless they ask."""
    return {
        "recipients_of": lambda channel: [
            (number, shown(each.endpoint, each.address))
            for number, each in enumerate(recipients(load()))
            if each.endpoint.partition(".")[0] == channel
        ],
        "computers": lambda: list(waking.computers(load()).values()),
        "woken": _woken,
        "trouble_of": _trouble,
        "modem": _modem,
    }


def _fresh() -> dict[str, Value]:
    """Readings that are current; nothing where they cannot be read."""
    try:
        found, now = live_table().readings(), clock.boottime()
    except StoreError:
        return {}
    return {name: each.value for name, each in found.items() if not each.stale(now)}


def _trouble(channel: str) -> str:
    """Why a channel does not work now, as a sentence; empty where it does."""
    reason = str(_fresh().get(f"istars.{channel}.trouble", ""))
    return sentence(reason) if reason else ""


def _modem() -> list[tuple[str, str]]:
    """The modem as it is now: label and value of each of its readings."""
    fresh = _fresh()
    names = [name for name in fresh if name.startswith("istars.modem.") and fresh[name] != ""]
    return [
        (reading(name).label, f"{format_value(name, fresh[name])} {reading(name).unit}".strip())
        for name in READINGS
        if name in names
    ]


def _woken() -> dict[int, str]:
    """By number of the computer, how far its waking is or what came of the last, in words."""
    if not paths.outbox_db().exists():
        return {}
    try:
        with Outbox(paths.outbox_db(), readonly=True) as outbox:
            jobs, results = waking.kept(outbox.noted("wake")), waking.results(outbox.noted("woken"))
    except StoreError:
        return {}
    said = {
        number: f"{describe_event(code, 'event', args)}, {clock.iso(at)[:19].replace('T', ' ')}"
        for number, (code, args, at) in results.items()
    }
    for job in jobs:
        waits = "is sent to until it answers" if job.tries else "will be sent to as soon as that may be"
        said[job.number] = f"{plural(job.tries, 'packet', 'packets')} so far; it {waits}."
    return said


@blueprint.post("/device/messages/<channel>/test")
@requires("write")
def test(channel: str) -> Any:
    """Send a test message to one recipient and show what its server says."""
    if channel not in TITLES:
        abort(404)
    chosen = request.form.get("to", "")
    for number, each in enumerate(recipients(load())):
        if each.endpoint.partition(".")[0] == channel and chosen == f"{number}":
            arguments = {"endpoint": each.endpoint, "address": each.address}
            return _told(
                channel,
                orders.give(COMMANDS["istars.notify.test"], arguments),
                f"Test to {shown(each.endpoint, each.address)}",
            )
    flash("There is no such recipient any more.", "warn")
    return redirect(url_for(f"settings.{channel}"), 303)


@blueprint.post("/device/wake/now")
@requires("write")
def wake_now() -> Any:
    """Wake one computer, whatever mains does."""
    try:
        command = orders.give(COMMANDS["istars.wake.now"], {"computer": request.form.get("computer", "")})
    except CommandRefused as error:
        flash(sentence(str(error)), "crit")
        return redirect(url_for("settings.wake"), 303)
    return _told("wake", command, "Wake on LAN")


def _told(name: str, command: LiveCommand, what: str) -> Any:
    """Back to the options, with what came of it."""
    if command.ended:
        flash(f"{what}: {sentence(command.result)}", "info" if command.state == "done" else "crit")
    else:
        flash(f"{what}: no answer yet. The record says when there is one.", "warn")
    return redirect(url_for(f"settings.{name}"), 303)
