"""The description of the API for programs that make clients and tests of it: OpenAPI 3.1 at `/api/v1/openapi.json`.

Written by hand beside the routes; a test holds that it names every route and method below `/api`, and no other.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from flask import Blueprint, jsonify

from istars import __version__
from istars.model.commands import COMMANDS
from istars.model.readings import READINGS
from istars.model.records import precision
from istars.model.variables import VARIABLES
from istars.settings.field import TEXT_LIMIT, Field, Type
from istars.settings.groups import FIELDS
from istars.snmp.mibfiles import MIB_FILES
from istars.store import firmware
from istars.web.api import EVENTS_LIMIT, EVENTS_USUAL, LARGEST_ID, NOTE_LENGTH
from istars.web.history_api import FORMATS, NAMES_LIMIT
from istars.web.openapi_ups import ups_paths
from istars.web.openapi_words import (
    ANYTHING,
    NUMBER,
    SEVERITY,
    TEXT,
    TIME,
    WHOLE,
    YES_OR_NO,
    Schema,
    maybe,
    operation,
    query,
    record,
    ref,
    rows,
)
from istars.web.orders import OWN

blueprint = Blueprint("openapi", __name__, url_prefix="/api/v1")

CARDS_OWN = ("istars.link.", "istars.map.", "istars.serial.", "istars.variable.", "istars.firmware.")
"""Commands of the catalogue that are no commands of a UPS begin so."""

KEY: Schema = {"name": "key", "in": "path", "required": True, "schema": TEXT}
OF_UPS = [name for name, each in COMMANDS.items() if each.target == "upslink" and not name.startswith(CARDS_OWN)]
OPTION: Schema = {**KEY, "schema": {**TEXT, "enum": list(FIELDS)}}


def text(declared: Field) -> Schema:
    """A text of one line. What else it must be (a host name, a time zone) and what must stand in order, the card checks."""
    if declared.type is Type.LIST:
        return {**TEXT, "maxLength": TEXT_LIMIT}
    longest = min(declared.maximum or TEXT_LIMIT, TEXT_LIMIT)
    return {**TEXT, "minLength": int(declared.minimum or 0), "maxLength": int(longest)}


def setting(declared: Field) -> Schema:
    """What JSON says for an option."""
    limits = {"minimum": declared.minimum, "maximum": declared.maximum}
    bounds = {name: limit for name, limit in limits.items() if limit is not None}
    match declared.type:
        case Type.WHOLE:
            schema: Schema = {**WHOLE, **bounds}
        case Type.NUMBER:
            schema = {**NUMBER, **bounds}
        case Type.SWITCH:
            schema = dict(YES_OR_NO)
        case Type.CHOICE:
            schema = {"type": "string", "enum": list(declared.choices or ())}
        case Type.SECRET:
            schema = maybe(text(declared))
        case _:
            schema = text(declared)
    usual = None if declared.secret else declared.default
    return {**schema, "description": f"{declared.label}. {declared.help}".strip(), "examples": [usual]}


def schemas() -> Schema:
    """The named schemas."""
    return {
        "Error": record(
            ("field", "fields", "lines"),
            error=TEXT,
            message=TEXT,
            field=TEXT,
            fields={"type": "object", "additionalProperties": TEXT},
            lines=rows(TEXT),
        ),
        "Reading": record(
            name=TEXT,
            value={"type": ["number", "string"]},
            unit=TEXT,
            label=TEXT,
            age_s=NUMBER,
            stale=YES_OR_NO,
            estimated=YES_OR_NO,
            source=TEXT,
        ),
        "Alarm": record(
            key=TEXT,
            code=TEXT,
            severity=SEVERITY,
            text=TEXT,
            detail=TEXT,
            args=ANYTHING,
            since=TIME,
            lasted_s=NUMBER,
            acknowledged_by=maybe(TEXT),
            acknowledged=maybe(TIME),
            note=TEXT,
        ),
        "Event": record(
            id=WHOLE,
            time=TIME,
            code=TEXT,
            kind={"type": "string", "enum": ["raise", "clear", "event"]},
            severity=SEVERITY,
            text=TEXT,
            args=ANYTHING,
            alarm=maybe(TEXT),
            duration_s=maybe(NUMBER),
        ),
        "Settings": {"allOf": [ref("SomeSettings")], "required": list(FIELDS)},
        "SomeSettings": record(tuple(FIELDS), **{key: setting(declared) for key, declared in FIELDS.items()}),
        "Setting": record(
            key=TEXT,
            value={},
            stored=YES_OR_NO,
            type={"type": "string", "enum": [each.value for each in Type]},
            default={},
            group=TEXT,
            label=TEXT,
            help=TEXT,
            unit=TEXT,
            minimum=maybe(NUMBER),
            maximum=maybe(NUMBER),
            choices=maybe({"type": "object", "additionalProperties": TEXT}),
            applies=TEXT,
            administrator=YES_OR_NO,
        ),
        "Imported": record(changes=rows(record(key=TEXT, old=TEXT, new=TEXT)), unknown=rows(TEXT), sealed=YES_OR_NO),
        "Saved": record(settings=ref("Settings"), changed=rows(TEXT)),
    }


def state_paths() -> Schema:
    """What is and what was."""
    since = query("since", {**WHOLE, "minimum": 0, "maximum": LARGEST_ID}, "Only events after this one.")
    limit = query("limit", {**WHOLE, "minimum": 1, "maximum": EVENTS_LIMIT}, f"At most; {EVENTS_USUAL} without it.")
    names = query("name", rows({**TEXT, "enum": list(READINGS)}), "Only these; may be repeated.")
    readings = operation("Readings", record(readings=rows(ref("Reading"))), (400,), parameters=(names,))
    readings["responses"]["304"] = {"description": "Nothing has changed since the ETag of If-None-Match."}
    health = record(status=TEXT, boot=TEXT, version=TEXT, uptime_s=WHOLE)
    acknowledge = operation(
        "Acknowledge an alarm",
        record(state=TEXT, message=TEXT),
        (400, 404, 409, 413),
        parameters=(KEY,),
        body=record(("note",), note={**TEXT, "maxLength": NOTE_LENGTH}),
        body_required=False,
        access="write",
    )
    events = record(events=rows(ref("Event")), next=WHOLE)
    return {
        "/api/health": {"get": operation("Whether the card answers", health, access="")},
        "/api/v1/openapi.json": {"get": operation("This description", ANYTHING)},
        "/api/v1/readings": {"get": readings},
        "/api/v1/alarms": {"get": operation("Present alarms", record(alarms=rows(ref("Alarm"))))},
        "/api/v1/alarms/{key}/acknowledge": {"post": acknowledge},
        "/api/v1/events": {
            "get": operation("Events, oldest first", events, (400,), parameters=(since, limit)),
        },
    }


def history_paths() -> Schema:
    """What was, by day."""
    recorded = [name for name in READINGS if precision(name) is not None]
    names = query("name", rows({**TEXT, "enum": recorded}), "Which readings; repeated for more.")
    names["required"] = True
    names["schema"] |= {"minItems": 1, "maxItems": NAMES_LIMIT}
    day = query("day", {**TEXT, "format": "date", "examples": ["2026-11-21"]}, "Of the card's zone; today without it.")
    form = query("format", {**TEXT, "enum": list(FORMATS)}, "csv is a file with a line for each record.")
    figures = record(low=NUMBER, low_time=TIME, high=NUMBER, high_time=TIME, mean=NUMBER, covered_s=WHOLE)
    answer = record(
        day=TEXT,
        times=rows({**WHOLE, "description": "Seconds since 1970."}),
        values={"type": "object", "additionalProperties": rows({"type": ["number", "string", "null"]})},
        gaps=rows({**WHOLE, "description": "Before the record with this index nothing was recorded for some time."}),
        figures={"type": "object", "additionalProperties": figures},
        energy_kwh=maybe(NUMBER),
    )
    made = operation("Readings of a day", answer, (400,), parameters=(names, day, form))
    made["responses"]["200"]["content"]["text/csv"] = {"schema": TEXT}
    return {"/api/v1/history": {"get": made}}


def commands_paths() -> Schema:
    """Commands for the card and its UPS, and settings inside the UPS."""
    needs = ", ".join(f"{name} needs “{declared.permission}”" for name, declared in OWN.items())
    name = {"name": "name", "in": "path", "required": True, "schema": {**TEXT, "enum": [*OWN, *OF_UPS]}}
    end = maybe(NUMBER)
    argument = record(name=TEXT, label=TEXT, unit=TEXT, default=maybe(WHOLE), minimum=end, maximum=end)
    command = record(
        name=TEXT, label=TEXT, effect=TEXT, permission=TEXT, interrupts_load=YES_OR_NO, arguments=rows(argument)
    )
    scalar = {"type": ["number", "string"]}
    variable = record(
        name=TEXT, label=TEXT, effect=TEXT, value=scalar, unit=TEXT, choices=maybe(rows(TEXT)), minimum=end, maximum=end
    )
    one = {"name": "name", "in": "path", "required": True, "schema": {**TEXT, "enum": list(VARIABLES)}}
    told = record(state=TEXT, message=TEXT)
    give = operation(
        "Give a command and wait for what comes of it",
        record(state=TEXT, message=TEXT),
        (400, 404, 409, 413),
        parameters=(name,),
        body=record(
            ("arguments",), arguments={"type": "object", "additionalProperties": {"type": ["string", "integer"]}}
        ),
        body_required=False,
        access="write",
    )
    give["description"] = (
        f"{needs}, those of the UPS “write”. Which it has, GET /api/v1/commands tells: others are not there."
    )
    return {
        "/api/v1/commands": {"get": operation("What can be told to card and UPS", record(commands=rows(command)))},
        "/api/v1/commands/{name}": {"post": give},
        "/api/v1/variables": {"get": operation("Settings inside the UPS", record(variables=rows(variable)))},
        "/api/v1/variables/{name}": {
            "put": operation(
                "Write a setting of the UPS and tell what it shows then",
                told,
                (400, 404, 409, 413),
                parameters=(one,),
                body=record(value={**scalar, "examples": ["yes"]}),
                access="write",
            )
        },
    }


def settings_paths() -> Schema:
    """Options, all at once and one by one."""
    both, some = record(settings=ref("Settings")), record(settings=ref("SomeSettings"))
    wrong = (400, 413)
    value = record(value={})
    as_file = {"text/csv": {"schema": TEXT}}
    save = operation("All settings as a file, without secrets", TEXT, access="administrator")
    save["responses"]["200"]["content"] = as_file
    look = query("look", {**WHOLE, "enum": [0, 1]}, "1 only tells what would change.")
    take = operation(
        "Take a file: all of it or nothing", ref("Imported"), wrong, parameters=(look,), access="administrator"
    )
    example = "key,value,explanation\r\nformat,2,of this file\r\nsystem.name,UPS-A,System name\r\nend,1,options stand above\r\n"
    take["requestBody"] = {"required": True, "content": {"text/csv": {"schema": TEXT, "example": example}}}
    return {
        "/api/v1/settings": {
            "get": operation("All settings", both, access="write"),
            "patch": operation("Change some settings", ref("Saved"), wrong, body=some, access="write"),
            "put": operation("Change all settings", ref("Saved"), wrong, body=both, access="write"),
        },
        "/api/v1/settings/file": {"get": save, "put": take},
        "/api/v1/settings/{key}": {
            "get": operation("One setting", ref("Setting"), (404,), parameters=(OPTION,), access="write"),
            "put": operation(
                "Change one setting", ref("Saved"), (*wrong, 404), parameters=(OPTION,), body=value, access="write"
            ),
        },
    }


def firmware_paths() -> Schema:
    """The update of the firmware."""
    maybe_record = maybe(ANYTHING)
    status = record(
        state={"type": "string", "enum": [*firmware.STATES]},
        reason=TEXT,
        progress=WHOLE,
        text=TEXT,
        version=TEXT,
        board=TEXT,
        compatible=TEXT,
        slot=TEXT,
        confirmed=YES_OR_NO,
        rauc=YES_OR_NO,
        running=YES_OR_NO,
        package=maybe_record,
        update=maybe_record,
        offered=maybe_record,
        slots=rows(ANYTHING),
        history=rows(ANYTHING),
        asked_at=NUMBER,
        online_problem=TEXT,
        online=TEXT,
    )
    told = record(state=TEXT, message=TEXT)
    who = "administrate the card"
    send = operation("Bring iStars.tar.gz", record(state=TEXT, version=TEXT), (409, 413, 422), access=who)
    send["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    wanted = record(("version", "downgrade"), version=TEXT, downgrade=YES_OR_NO)
    return {
        "/api/v1/firmware": {"get": operation("What runs, and how far an update came", status)},
        "/api/v1/firmware/package": {
            "put": send,
            "delete": operation("Forget what was brought", told, (409,), access=who),
        },
        "/api/v1/firmware/install": {
            "post": operation(
                "Install what was checked", told, (400, 409, 413), body=wanted, body_required=False, access=who
            )
        },
        "/api/v1/firmware/check": {"post": operation("Ask the channel", told, (409,), access=who)},
        "/api/v1/firmware/download": {"post": operation("Fetch from the channel", told, (409,), access=who)},
    }


def snmp_paths() -> Schema:
    """The MIB files."""
    listed = record(mibs=rows(record(name=TEXT, title=TEXT, oid=TEXT)))
    name = {"name": "name", "in": "path", "required": True, "schema": {**TEXT, "enum": list(MIB_FILES)}}
    one = operation("One MIB file", TEXT, (404,), parameters=(name,))
    one["responses"]["200"]["content"] = {"text/plain": {"schema": TEXT}}
    return {
        "/api/v1/snmp/mibs": {"get": operation("MIB files that there are", listed)},
        "/api/v1/snmp/mibs/{name}": {"get": one},
    }


@cache
def document() -> Schema:
    """The whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "iStars", "version": __version__, "license": {"name": "Apache-2.0"}},
        "paths": {
            **state_paths(),
            **history_paths(),
            **commands_paths(),
            **settings_paths(),
            **snmp_paths(),
            **firmware_paths(),
            **ups_paths(),
        },
        "components": {
            "schemas": schemas(),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


@blueprint.get("/openapi.json")
def openapi() -> Any:
    """The description as JSON."""
    return jsonify(document())
