"""What of the page of the UPS parameters (manual 3.2.2.1) is more than options: how the link does, with what was seen on the
wire; finding out what the UPS speaks; register maps of the owner. And the page of the battery, with its tests.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path, PurePath
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, url_for

from istars.errors import StoreError
from istars.model.readings import NO_VALUE, READINGS
from istars.platform import clock
from istars.settings import SettingsRejected
from istars.store import battery, maps
from istars.web import live, ups_orders
from istars.web.forms import sentence
from istars.web.pages import settings as pages
from istars.web.readout import Readout
from istars.web.security import requires, takes_up_to
from istars.web.store import settings
from istars.web.ups_orders import Refused
from istars.web.view import Facts, plural, time_left

log = logging.getLogger(__name__)
blueprint = Blueprint("parameters", __name__)

FORM_BYTES = 8 * 1024
"""What a form puts around its file."""
FORMAT = Path(__file__).parents[2] / "drivers" / "ups" / "profiles" / "README.md"
RESULTS = {"passed": ("ok", "Passed"), "failed": ("crit", "Failed"), "stopped": ("none", "Stopped")}
"""Result of a battery test to tone and word."""
BATTERY = ("battery.charge", "battery.runtime", "battery.voltage", "istars.battery.voltage.cell", "battery.temperature")


@live.builds("device", ("part",))
def build(facts: Facts, args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Of the pages of the device these two follow it."""
    if args.get("part") == "parameters":
        return _link_and_search(facts)
    if args.get("part") == "battery":
        readout = Readout(facts)
        rows = tuple(field for name in BATTERY if (field := readout.field(name)))
        return {"bank": (rows, _age(facts)), "tests": tests(), "taught": taught()}, readout.texts
    return {}, {}


def _link_and_search(facts: Facts) -> tuple[live.Sections, live.Texts]:
    state = ups_orders.searched(facts)
    texts = {"search.progress": f"{state['percent']} %", "search.doing": state["doing"]}
    steady = {key: value for key, value in state.items() if key not in ("percent", "doing")}
    search = {**steady, "answers": [_exchange(each) for each in state["answers"]]}
    search["pending"] = not state["running"] and ups_orders.pending(state)
    return {"upslink": _link(facts, state["running"]), "search": search}, texts


def _link(facts: Facts, searching: bool) -> dict[str, Any]:
    """How the card and the UPS get on, and where they do not, what was seen on the wire."""
    titles = dict(pages.protocols())
    protocol = facts.text("istars.link.protocol")
    seen = _bytes(facts.text("istars.link.seen"))
    return {
        "state": "searching" if searching else facts.link,
        "protocol": titles.get(protocol, protocol),
        "device": facts.text("istars.link.device"),
        "model": " ".join(filter(None, (facts.text("device.mfr"), facts.text("device.model")))),
        "reason": READINGS["istars.link.reason"].values.get(facts.text("istars.link.reason"), ""),
        "detail": sentence(facts.text("istars.link.detail")) if facts.text("istars.link.detail") else "",
        "seen": seen.hex(" "),
        "text": _as_text(seen),
        "hint": _hint(facts.text("istars.link.reason"), seen),
    }


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _as_text(data: bytes) -> str:
    """Bytes of the wire as a person reads them: characters, CR and LF by name, dots for all else."""
    names = {10: "<LF>", 13: "<CR>"}
    return "".join(names.get(byte, chr(byte) if 32 <= byte < 127 else "·") for byte in data)


def _readable(data: bytes) -> bool:
    """Whether nearly all of it is text."""
    return bool(data) and sum(32 <= byte < 127 or byte in (10, 13) for byte in data) >= 0.9 * len(data)


def _hint(reason: str, seen: bytes) -> str:
    """What to look at, by what was seen on the wire."""
    if reason == "no-answer" and not seen:
        return "Nothing came back. Is the UPS switched on? Are the cable, the port and the baud rate the right ones?"
    if reason not in ("no-answer", "bad-answer"):
        return ""
    if _readable(seen):
        return "The device answers in text, so the line is right; the protocol is probably another one."
    return "Something answers, but not in this protocol. A wrong baud rate or parity turns answers into such bytes."


def _exchange(each: Mapping[str, Any]) -> dict[str, Any]:
    """One question of a search and what came back, for the table."""
    sent, came = _bytes(str(each.get("sent"))), _bytes(str(each.get("came")))
    return {
        "line": f"{each.get('baud')} {each.get('parity')}",
        "sent": _as_text(sent) if _readable(sent) else sent.hex(" "),
        "came": came.hex(" "),
        "text": _as_text(came),
    }


# ---- searching


def _page(said: str, status: int, problems: list[str] | None = None, name: str = "") -> Response:
    return pages.shown("parameters", status, refused=said, problems=problems or [], typed_name=name)


def _back(said: str, tone: str = "info") -> Any:
    flash(said, tone)
    return redirect(url_for("settings.parameters"), 303)


@blueprint.app_template_global()
def kept_maps() -> dict[str, str]:
    """Names and titles of the owner's maps."""
    return maps.stored()


@blueprint.post("/device/parameters/detect")
@requires("write")
def detect() -> Any:
    """Begin a search; it goes on whoever looks."""
    try:
        ups_orders.search(request.form.get("device", "").strip()[:200])
    except Refused as error:
        return _page(str(error), error.status)
    return redirect(url_for("settings.parameters", _anchor="search"), 303)


@blueprint.post("/device/parameters/detect/stop")
@requires("write")
def stop() -> Any:
    """End the search."""
    try:
        return _back(ups_orders.stop())
    except Refused as error:
        return _page(str(error), error.status)


@blueprint.post("/device/parameters/detect/apply")
@requires("write")
def apply() -> Any:
    """Make what was found the setting."""
    try:
        made = ups_orders.apply()
    except Refused as error:
        return _page(str(error), error.status)
    except SettingsRejected as error:
        return _page("; ".join(f"{key}: {reason}" for key, reason in error.errors.items()), 422)
    except OSError as error:
        log.error("the settings cannot be saved: %s", error)
        return _page(f"Flash cannot be written ({error.strerror}).", 503)
    return _back(f"{plural(len(made), 'change', 'changes')} saved." if made else "That is set already.")


# ---- register maps


@blueprint.post("/device/parameters/maps")
@requires("administrator")
@takes_up_to(maps.SIZE_LIMIT + FORM_BYTES)
def keep_map() -> Any:
    """Try a map that somebody brings, and keep it if the device answers by it."""
    given = request.files.get("file")
    content = given.read() if given is not None else b""
    name = request.form.get("name", "").strip()[:80] or _name_of(given.filename if given is not None else "")
    if not content:
        return _page("Choose the file of a register map.", 422, name=name)
    try:
        return _back(ups_orders.keep_map(name, content))
    except Refused as error:
        return _page(str(error), error.status, error.lines, name)
    except OSError as error:
        log.error("a register map cannot be stored: %s", error)
        return _page(f"It cannot be stored ({error.strerror}). Nothing was kept.", 503, name=name)


def _name_of(file: str | None) -> str:
    """The name of a protocol made of that of a file."""
    return re.sub(r"[^a-z0-9]+", "-", PurePath(file or "").stem.lower()).strip("-")[:40]


@blueprint.get("/device/parameters/maps/format")
@requires("write")
def format() -> str:
    """How a register map is written, with a worked example."""
    text = FORMAT.read_text("utf-8").partition("\n")[2].strip()
    return live.show("device", "map_format.html", args={}, here="settings.parameters", text=text)


@blueprint.get("/device/parameters/maps/<name>.json")
@requires("write")
def fetch_map(name: str) -> Response:
    """A map as it was brought."""
    try:
        text = maps.content(name)
    except StoreError:
        abort(404)
    headers = {"Content-Disposition": f'attachment; filename="{name}.json"'}
    return Response(text, mimetype="application/json", headers=headers)


@blueprint.post("/device/parameters/maps/<name>/remove")
@requires("administrator")
def remove_map(name: str) -> Any:
    """Take a map off the card."""
    try:
        ups_orders.remove_map(name)
    except Refused as error:
        return _page(str(error), error.status)
    except OSError as error:
        return _page(f"Flash cannot be written ({error.strerror}).", 503)
    return _back(f"The map {name} is removed.")


# ---- battery


def _age(facts: Facts) -> tuple[tuple[str, str], ...]:
    """When the battery was fitted, how old it is, and when it is due, as rows of label and text."""
    fitted, life = settings().text("ups.battery.replaced"), settings().whole("ups.battery.life")
    if not fitted:
        return ()
    rows = [("Fitted", fitted)]
    age = facts.number("istars.battery.age")
    if age is not None:
        rows.append(("Age", f"{age:.1f} years"))
    if life:
        rows.append(("Replacement due", _later(date.fromisoformat(fitted), life).isoformat()))
    return tuple(rows)


def _later(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February
        return day.replace(year=day.year + years, day=28)


def taught() -> tuple[str, ...]:
    """What discharges have taught of the battery, in sentences."""
    known = battery.read()["learned"]
    full_s, count, at = known.get("full_s"), known.get("discharges"), known.get("at")
    if not isinstance(full_s, int | float) or not isinstance(count, int) or full_s <= 0:
        return ()
    when = f", the last one ended {_moment(at)}" if isinstance(at, int | float) else ""
    return (
        f"A full battery lasts about {time_left(full_s)} at full load.",
        f"Learned from {plural(count, 'discharge', 'discharges')} down to the low-battery signal{when}.",
    )


def _moment(epoch: float) -> str:
    return clock.iso(epoch)[:16].replace("T", " ")


def _with_unit(value: object, unit: str, digits: int = 1) -> str:
    return f"{value:.{digits}f} {unit}" if isinstance(value, int | float) else NO_VALUE


def tests() -> tuple[dict[str, str], ...]:
    """The kept battery tests as rows, newest first."""
    rows = []
    for test in reversed(battery.read()["tests"]):
        at = test.get("at")
        tone, word = RESULTS.get(test.get("result", ""), ("none", "Not told"))
        rows.append(
            {
                "at": _moment(at) if isinstance(at, int | float) else NO_VALUE,
                "tone": tone,
                "word": word,
                "lasted": _with_unit(test.get("lasted_s"), "s", 0),
                "load": _with_unit(test.get("load"), "%", 0),
                "before": _with_unit(test.get("before_v"), "V"),
                "lowest": _with_unit(test.get("lowest_v"), "V"),
                "after": _with_unit(test.get("after_v"), "V"),
            }
        )
    return tuple(rows)


@blueprint.get("/device/battery")
@requires("write")
def battery_page() -> str:
    """How the battery does, what discharges taught, and its tests."""
    return live.show("device", "battery.html", args={"part": "battery"}, here="parameters.battery_page")
