"""The JSON API under `/api/v1`, for programs: with the cookie of a browser or with `Authorization: Bearer TOKEN`.

Names, units and alarm codes are those of `model/`. Errors are `{"error": code, "message": sentence, "field": name}`.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request

from istars import __version__
from istars.model.alarms import describe, describe_detail, describe_event
from istars.model.readings import READINGS
from istars.platform import clock
from istars.store.archive import Event
from istars.store.live import LiveReading
from istars.store.live_alarms import LiveAlarm
from istars.web import session
from istars.web.security import problem, public, requires
from istars.web.store import archive, live, store

blueprint = Blueprint("api", __name__, url_prefix="/api")

EVENTS_LIMIT = 1_000
EVENTS_USUAL = 500
LARGEST_ID = 2**63 - 1
NOTE_LENGTH = 200
WAIT_S = 2.0


@blueprint.get("/health")
@public
def health() -> Any:
    """That the card answers, and which run of which firmware it is. Says nothing about the UPS."""
    return jsonify(status="ok", boot=clock.boot_id(), version=__version__, uptime_s=int(clock.boottime()))


@blueprint.get("/v1/readings")
def readings() -> Any:
    """Every reading, or those named by `name` (which may be repeated). 304 while no value has changed nor become stale."""
    names = request.args.getlist("name")
    unknown = next((name for name in names if name not in READINGS), None)
    if unknown is not None:
        return problem(400, "unknown-name", f"No reading is called {unknown[:80]!r}.", "name")
    table, now = live(), clock.boottime()
    # the counter before the readings: what changes between the two is told again, never left out
    count = table.sequence()
    present = table.readings()
    stale = {item.name for item in present.values() if item.stale(now)}
    mark = zlib.crc32("\n".join((*sorted(stale), *names)).encode())
    tag = f"{table.instance()}-{count}-{mark:08x}"
    response = Response(mimetype="application/json")
    if not request.if_none_match.contains_weak(tag):
        found = [present[name] for name in READINGS if name in present and (name in names or not names)]
        response = jsonify(readings=[_reading(item, now, item.name in stale) for item in found])
    else:
        response.status_code = 304
    # kept by the browser, but asked for again every time
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(tag, weak=True)
    return response


def _reading(item: LiveReading, now: float, stale: bool) -> dict[str, object]:
    declared = READINGS[item.name]
    return {
        "name": item.name,
        "value": item.value,
        "unit": declared.unit,
        "label": declared.label,
        "age_s": round(item.age(now), 1),
        "stale": stale,
        "estimated": item.estimated,
        "source": item.source,
    }


@blueprint.get("/v1/alarms")
def alarms() -> Any:
    """Alarms that are present, worst and newest first."""
    now, wall = clock.boottime(), clock.wall()
    return jsonify(alarms=[_alarm(alarm, now, wall) for alarm in live().alarms()])


def _alarm(alarm: LiveAlarm, now: float, wall: float) -> dict[str, object]:
    confirmed = alarm.acknowledged_wall
    return {
        "key": alarm.key,
        "code": alarm.code,
        "severity": alarm.severity,
        "text": describe(alarm.code, alarm.args),
        "detail": describe_detail(alarm.code, alarm.args),
        "args": alarm.args,
        "since": clock.iso(alarm.since_wall),
        "lasted_s": round(alarm.lasted(now, wall), 1),
        "acknowledged_by": alarm.acknowledged_by,
        "acknowledged": clock.iso(confirmed) if confirmed is not None else None,
        "note": alarm.note,
    }


@blueprint.get("/v1/events")
def events() -> Any:
    """Events after number `since`, oldest first, at most `limit`. `next` is the `since` of the next question."""
    since = _whole("since", 0, 0, LARGEST_ID)
    limit = _whole("limit", EVENTS_USUAL, 1, EVENTS_LIMIT)
    found = archive().events(since=since, limit=limit)
    return jsonify(events=[_event(event) for event in found], next=found[-1].id if found else since)


def _event(event: Event) -> dict[str, object]:
    return {
        "id": event.id,
        "time": clock.iso(event.at),
        "code": event.code,
        "kind": event.kind,
        "severity": event.severity,
        "text": describe_event(event.code, event.kind, event.args),
        "args": event.args,
        "alarm": event.alarm,
        "duration_s": event.duration_s,
    }


def _whole(name: str, usual: int, low: int, high: int) -> int:
    """A whole number of the query; answers 400 naming it where it is none or out of limits."""
    text = request.args.get(name)
    if text is None:
        return usual
    value = int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else -1
    if not low <= value <= high:
        abort(problem(400, "bad-parameter", f"{name} is a whole number from {low} to {high}, not {text[:40]!r}.", name))
    return value


@blueprint.post("/v1/alarms/<key>/acknowledge")
@requires("write")
def acknowledge(key: str) -> Any:
    """Acknowledge an alarm; body `{"note": text}`, or none."""
    note = _note()
    if all(alarm.key != key for alarm in live().alarms()):
        return problem(404, "no-such-alarm", "There is no alarm of this key now; it may have cleared.", "key")
    person = session.person()
    command = store().order(
        "core",
        "istars.alarm.acknowledge",
        {"alarm": key, "note": note},
        asked_by=person.name if person else "",
        address=session.address(),
        wait_s=WAIT_S,
    )
    if command.state == "done":
        return jsonify(state="done", message=command.result)
    if command.state == "failed":
        return problem(409, "refused", command.result or "The card did not carry this out.")
    message = f"The card's core did not answer within {WAIT_S:.0f} s. "
    message += "It may still do it." if command.state == "running" else "Nothing was changed."
    return problem(503, "no-answer", message)


def json_body() -> Any:
    """What the body says; None where it is no JSON that can be read. Answers 400 where a name stands twice in an object."""
    try:
        return json.loads(request.get_data(cache=True).decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        # the latter for brackets, tens of thousands deep
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON. Of a name that stands twice, nobody could say which one was meant."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)[:80]
        abort(problem(400, "bad-body", f"{twice} stands in the body twice.", twice))
    return found


def _note() -> str:
    """The note of the body; answers 400 where it is not a text that fits."""
    if not request.get_data(cache=True):
        return ""
    body = json_body()
    if not isinstance(body, dict):
        abort(problem(400, "bad-body", 'The body is a JSON object such as {"note": "On my way"}.'))
    unknown = next((name for name in body if name != "note"), None)
    if unknown is not None:
        abort(problem(400, "bad-body", f"There is no field called {unknown[:40]!r}.", unknown[:40]))
    note = body.get("note", "")
    if not isinstance(note, str) or len(note) > NOTE_LENGTH or not note.isprintable():
        abort(problem(400, "bad-body", f"The note is one line of at most {NOTE_LENGTH} characters.", "note"))
    return note.strip()
