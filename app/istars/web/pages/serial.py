"""Serial port debugging (manual 3.2.5.2): borrow a port, send by hand, watch both directions with their meaning, record.

While the port is borrowed the UPS is not watched, and the page says so. The port is given back by button, or by itself soon after
this page was left. What may change the UPS is sent only after a question. For administrators.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, request, url_for

from istars import __version__
from istars.errors import CommandRefused
from istars.model.commands import COMMANDS
from istars.platform import clock, paths
from istars.store import serialport
from istars.store.live_commands import LiveCommand
from istars.store.serialport import Frame
from istars.store.table_file import lines, safe
from istars.web import live, orders, session
from istars.web.forms import sentence
from istars.web.pages import assistant
from istars.web.security import requires
from istars.web.store import settings
from istars.web.view import Facts

blueprint = Blueprint("serial", __name__, url_prefix="/assistant/serial")

ENDS = {
    "cr": ("CR", b"\r"),
    "lf": ("LF", b"\n"),
    "crlf": ("CR LF", b"\r\n"),
    "none": ("Nothing", b""),
    "crc": ("Modbus checksum", b""),
}
"""What is put behind what was typed: value, words, bytes."""
ENCODINGS = {"ascii": "Text (ASCII)", "hex": "Hexadecimal"}
PORTS = ("ttyS*", "ttyUSB*", "ttyACM*", "ttyAMA*", "ups")
COLUMNS = ("time", "direction", "bytes", "text", "meaning", "by")
WAYS = {"tx": "Sent", "rx": "Received", "note": "Note"}
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)


@live.builds("serial", ("enc",))
def build(_facts: Facts, args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Who has the port, what went over it, recordings."""
    now = serialport.read()
    texts = {"serial.recorded": f"{(now.recorded + 1023) // 1024} kB"}
    shown = tuple((frame, shown_bytes(frame.data, args.get("enc", ""))) for frame in reversed(now.frames))
    sections: live.Sections = {
        "desk": (
            now.by,
            now.device,
            now.line,
            now.protocol,
            now.since,
            now.why if not now.by else "",
            bool(now.recording),
        ),
        "frames": shown,
        "records": tuple(serialport.recordings()),
    }
    return sections, texts


def shown_bytes(data: str, encoding: str) -> str:
    """The bytes of a frame as the page shows them."""
    if encoding == "hex":
        return data.upper()
    signs = {13: "\\r", 10: "\\n", 9: "\\t", 92: "\\\\"}
    return "".join(
        signs.get(byte) or (chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}") for byte in bytes.fromhex(data)
    )


@blueprint.app_template_global()
def wire_time(at: float) -> str:
    """A moment with its milliseconds, in the card's zone."""
    return clock.local(at).isoformat(timespec="milliseconds")


def ports() -> list[str]:
    """Serial ports that can be borrowed: that of the UPS first."""
    own = settings().text("ups.device")
    folder = paths.root() / "dev"
    found = sorted(f"/dev/{path.name}" for pattern in PORTS for path in folder.glob(pattern))
    usable = [] if own.startswith(("snmp:", "nut:")) else [own]
    return list(dict.fromkeys([*usable, *found]))


@blueprint.before_app_request
def _looked_at() -> None:
    """The page of whoever has the port is looked at: the port stays borrowed."""
    if request.endpoint not in ("live.values", "live.part", "serial.page"):
        return
    if request.endpoint != "serial.page" and request.args.get("page") != "serial":
        return
    person = session.person()
    if person is not None and person.name == serialport.read().by:
        with contextlib.suppress(OSError):
            serialport.renew()


def _page(status: int = 200, *, wrong: str = "") -> Response:
    shown = live.show(
        "serial",
        "serial.html",
        here="serial",
        pages=assistant.pages(),
        wrong=wrong,
        sent=request.form,
        ports=ports(),
        own=settings().text("ups.device"),
        ends=ENDS,
        encodings=ENCODINGS,
        bauds=BAUDS,
    )
    return Response(shown, status)


@blueprint.get("")
@requires("administrator")
def page() -> Response:
    """The whole page."""
    return _page()


@blueprint.post("/borrow")
@requires("administrator")
def borrow() -> Any:
    """Take the port; the UPS is not watched from now on."""
    device = request.form.get("device", "")
    if device not in ports():
        return _page(422, wrong=f"Port: {device[:60]!r} is not one of the card.")
    arguments = {"device": device, "parity": request.form.get("parity", "")}
    arguments |= {name: request.form.get(name, "") or "0" for name in ("baud", "bytesize", "stopbits")}
    return _told("istars.serial.borrow", arguments)


@blueprint.post("/return")
@requires("administrator")
def give_back() -> Any:
    """Give the port back."""
    return _told("istars.serial.return", {})


@blueprint.post("/record")
@requires("administrator")
def record() -> Any:
    """Begin or end a recording."""
    return _told("istars.serial.record", {"on": int(request.form.get("on") == "1")})


def typed_bytes(text: str, encoding: str, end: str) -> bytes:
    """What is to be sent. Raises CommandRefused naming field and reason."""
    if encoding == "hex":
        try:
            data = bytes.fromhex(text)
        except ValueError:
            raise CommandRefused(
                "Bytes: type hexadecimal digits, two for each byte, such as 01 04 00 0C 00 01"
            ) from None
    else:
        if not text.isascii() or not text.isprintable():
            raise CommandRefused("Text: only printable ASCII can be sent; choose hexadecimal for anything else")
        data = text.encode("ascii")
    if not data:
        raise CommandRefused("Bytes: nothing was typed")
    return data + (crc16(data) if end == "crc" else ENDS.get(end, ENDS["none"])[1])


def crc16(data: bytes) -> bytes:
    """Checksum of Modbus RTU, low byte first (the drivers' own is not for pages)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


@blueprint.post("/send")
@requires("administrator")
def send() -> Any:
    """Send what was typed: a question at once, what may change the UPS after a question to the person."""
    sure = "sure" in request.form
    try:
        if sure:
            data = bytes.fromhex(request.form.get("bytes", ""))
        else:
            data = typed_bytes(*(request.form.get(name, "") for name in ("text", "encoding", "end")))
        name = "istars.serial.send" if sure else "istars.serial.ask"
        given = orders.give(COMMANDS[name], {"bytes": data.hex()})
    except (CommandRefused, ValueError) as error:
        return _page(422, wrong=sentence(str(error)))
    if given.state == "failed" and given.result.startswith(serialport.CONFIRM):
        why = given.result.removeprefix(serialport.CONFIRM)
        spelled = (data.hex(" ").upper(), shown_bytes(data.hex(), "ascii"))
        shown = live.show("serial", "serial_ask.html", here="serial", pages=assistant.pages(), why=why, spelled=spelled)
        return Response(shown)
    return _answered(given, quietly=True)


def _told(name: str, arguments: Mapping[str, object]) -> Any:
    try:
        return _answered(orders.give(COMMANDS[name], arguments))
    except CommandRefused as error:
        return _page(422, wrong=sentence(str(error)))


def _answered(given: LiveCommand, *, quietly: bool = False) -> Any:
    """Back to the page, with what came of it; what was sent shows in the list itself."""
    if given.state == "done" and not quietly:
        flash(sentence(given.result), "warn" if given.name == "istars.serial.borrow" else "info")
    elif given.state == "failed":
        return _page(409, wrong=sentence(given.result))
    elif given.state != "done":
        flash(f"{COMMANDS[given.name].label}: {orders.outcome(given)}.", "warn")
    encoding = request.form.get("encoding", "")
    return redirect(url_for("serial.page", enc="hex" if encoding == "hex" else None), 303)


def _frames(name: str) -> Iterator[Frame]:
    """Frames of a recording, or those that are shown now."""
    if name == "shown":
        return iter(serialport.read().frames)
    if name not in serialport.recordings():
        abort(404)
    return serialport.frames_of(name)


def row(frame: Frame) -> tuple[str, ...]:
    """One frame as cells; none begins a formula."""
    cells = (WAYS.get(frame.way, ""), frame.data.upper(), shown_bytes(frame.data, "ascii"), frame.meaning, frame.by)
    return clock.iso(frame.at), *(safe(cell) for cell in cells)


@blueprint.get("/<name>.csv")
@requires("administrator")
def export(name: str) -> Response:
    """A recording as a table."""
    response = Response(lines(COLUMNS, map(row, _frames(name))), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


@blueprint.get("/<name>.jsonl")
@requires("administrator")
def fixture(name: str) -> Response:
    """A recording as a test fixture: requests with their answers, in the form of `tests/fixtures/frames`."""
    now, readings = serialport.read(), live.facts_now()[0].readings
    known = " ".join(
        str(readings[each].value) for each in ("device.mfr", "device.model", "ups.firmware") if each in readings
    )
    protocol = settings().text("ups.protocol")
    day = clock.iso(clock.wall())[:10]
    source = f"{known or 'a UPS'} on {now.line or 'a serial line'}, recorded by iStars {__version__} on {day}"
    pairs = serialport.as_fixture(_frames(name), f"{protocol}-capture", source)
    content = (json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs)
    response = Response(content, mimetype="application/jsonl")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.jsonl"'
    return response
