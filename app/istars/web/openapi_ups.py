"""The part of the description of the API that is about the link to the UPS (ups_api.py)."""

from __future__ import annotations

from istars.web.openapi_words import ANYTHING, NUMBER, TEXT, WHOLE, YES_OR_NO, Schema, maybe, operation, record, rows

DEVICE: Schema = {**TEXT, "maxLength": 200, "description": "Port to look at; that of the settings without it."}
NAME: Schema = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {**TEXT, "pattern": "^[a-z0-9][a-z0-9-]{0,39}$"},
}


def detection() -> Schema:
    """A search for what the UPS speaks."""
    exchange = record(baud=WHOLE, parity=TEXT, sent=TEXT, came=TEXT, text=TEXT)
    return record(
        device=TEXT,
        percent=WHOLE,
        doing=TEXT,
        found=maybe(record(protocol=TEXT, title=TEXT, baud=WHOLE, parity=TEXT)),
        answers=rows(exchange),
        ended=TEXT,
        running=YES_OR_NO,
    )


def ups_paths() -> Schema:
    """Search, register maps, battery."""
    told = record(state=TEXT, message=TEXT)
    begin = operation(
        "Begin to find out what the UPS speaks; it is only asked, and nothing is set", told, (400, 409, 413),
        body=record(("device",), device=DEVICE), body_required=False, access="write",
    )  # fmt: skip
    take = operation(
        "Try a register map on the device and keep it if that answers by it; `lines` of an error has its mistakes", told,
        (413, 422), parameters=(NAME,), body=ANYTHING, access="administrator",
    )  # fmt: skip
    changed = record(changed=rows(TEXT))
    return {
        "/api/v1/ups/detection": {
            "get": operation("The last search", detection()),
            "post": begin,
            "delete": operation("Stop the search", told, access="write"),
        },
        "/api/v1/ups/detection/apply": {
            "post": operation("Make what was found the setting", changed, (409,), access="write"),
        },
        "/api/v1/ups/maps": {
            "get": operation("Register maps of the owner", record(maps=rows(record(name=TEXT, title=TEXT)))),
        },
        "/api/v1/ups/maps/{name}": {
            "get": operation("A register map as it was brought", ANYTHING, (404,), parameters=(NAME,)),
            "put": take,
            "delete": operation(
                "Take a register map off the card", told, (404, 409), parameters=(NAME,), access="administrator"
            ),
        },
        "/api/v1/ups/battery": {
            "get": operation("What discharges taught of the battery, and its tests", battery()),
        },
    }


def battery() -> Schema:
    """What is known of the battery: seconds that it lasts at full load, volts, epoch seconds."""
    learned = record(("full_s", "discharges", "at"), full_s=NUMBER, discharges=WHOLE, at=NUMBER)
    test = record(
        at=NUMBER, before_v=maybe(NUMBER), load=maybe(NUMBER), lowest_v=maybe(NUMBER), lasted_s=NUMBER,
        after_v=maybe(NUMBER), result=TEXT,
    )  # fmt: skip
    return record(learned=learned, tests=rows(test))
