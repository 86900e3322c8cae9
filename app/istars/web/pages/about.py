"""About: what this card is and how it does; save, restore and reset its settings (manual 3.2.5.4)."""

from __future__ import annotations

import hmac
import logging
import platform
import zlib
from typing import Any

from flask import Blueprint, Response, current_app, flash, redirect, request, url_for
from itsdangerous import BadData, URLSafeSerializer

from istars import __version__
from istars.errors import StoreError
from istars.platform import clock, paths, sysinfo
from istars.platform.openssl import OpensslFailed
from istars.settings import csvfile, exchange, groups, load
from istars.settings import store as settings_store
from istars.settings.sealed import SHORTEST, SealError
from istars.store.telling import tell
from istars.web import audit, auth, changes, session
from istars.web.account_forms import sentence
from istars.web.pages import assistant
from istars.web.security import requires, takes_up_to
from istars.web.store import live, settings, store
from istars.web.view import duration

log = logging.getLogger(__name__)

blueprint = Blueprint("about", __name__)

CLEAR_S = 3.0
PURPOSE = "settings that were shown before they are restored"
FORM_BYTES = 64 * 1024
"""Room for what a form sends around its file."""
BUSY = "Somebody is signing in. Try again in a moment."


def size(number: int) -> str:
    """Bytes in words: 1 MB has 10^6."""
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"


def _of(part: sysinfo.Storage | None) -> str:
    return f"{size(part.free)} free of {size(part.total)}" if part else ""


def _facts() -> list[tuple[str, list[tuple[str, str]]]]:
    """What the page tells, by panel; what the machine does not tell is left out."""
    uptime = sysinfo.uptime_s()
    heartbeats = live().heartbeats()
    device = [
        ("Name", settings().text("system.name")),
        ("Location", settings().text("system.location")),
        ("Board", sysinfo.model()),
        ("Serial number", sysinfo.serial()),
        ("iStars", __version__),
        ("Python", platform.python_version()),
        ("System", sysinfo.system()),
        ("Processor", sysinfo.processor()),
    ]
    state = [
        ("Running for", duration(uptime) if uptime is not None else ""),
        ("Since", clock.iso(clock.wall() - uptime).replace("T", " ") if uptime is not None else ""),
        ("Load", " ".join(f"{value:.2f}" for value in sysinfo.load())),
        ("Memory", _of(sysinfo.memory())),
        ("Storage of records", _of(sysinfo.storage(paths.data_dir()))),
        ("Workers alive", ", ".join(sorted(heartbeats))),
    ]
    return [("System", _known(device)), ("State", _known(state))]


def _known(rows: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(label, text) for label, text in rows if text]


def _network() -> list[tuple[str, list[tuple[str, str]]]]:
    """The interfaces, and what all of them share."""
    shared = [
        ("Host name", sysinfo.host_name()),
        ("Gateway", sysinfo.gateway()),
        ("Name servers", ", ".join(sysinfo.name_servers())),
    ]
    found = [("Network", _known(shared))]
    for each in sysinfo.interfaces():
        if each.state == "down" and not each.addresses and not each.received:
            continue  # kernels bring some that nobody ever uses
        rows = [
            ("State", each.state + (f", {each.speed_mbit} Mbit/s" if each.speed_mbit else "")),
            ("Addresses", " ".join(each.addresses)),
            ("Hardware address", each.hardware),
            ("Received, sent", f"{size(each.received)}, {size(each.sent)}"),
        ]
        found.append((f"Interface {each.name}", _known(rows)))
    return found


def _page(error: str = "", errors: tuple[str, ...] = (), status: int = 200) -> Response:
    panels = [*_facts(), *_network()]
    return Response(
        assistant.show("about", "about.html", panels=panels, error=error, errors=errors, shortest=SHORTEST), status
    )


@blueprint.get("/assistant/about")
def page() -> Response:
    """What this card is; the forms are for administrators."""
    return _page()


@blueprint.get("/assistant/about/system_config.csv")
@requires("administrator")
def save() -> Response:
    """The settings as a file, as they stand on flash, without secrets."""
    return _file(exchange.export(load(environment={})))


@blueprint.post("/assistant/about/system_config.csv")
@requires("administrator")
def save_with_secrets() -> Response:
    """The same with the secrets, encrypted with a passphrase."""
    passphrase = request.form.get("passphrase", "")
    if passphrase != request.form.get("repeated", ""):
        return _page("The two passphrases are not the same. Nothing was saved.", status=422)
    if not passphrase:
        return _page(f"Type a passphrase of at least {SHORTEST} characters. Nothing was saved.", status=422)
    try:
        with auth.one_at_a_time():
            text = exchange.export(load(environment={}), passphrase)
    except auth.Busy:
        return _page(BUSY, status=503)
    except SealError as error:
        return _page(sentence(str(error)), status=422)
    except OpensslFailed as error:
        log.error("the secrets cannot be encrypted: %s", error)
        return _page(f"The secrets cannot be encrypted: {error}.", status=503)
    audit.note("settings saved with secrets", "system_config.csv")
    return _file(text)


def _file(text: str) -> Response:
    response = Response(text, mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="system_config.csv"'
    return response


def _seal() -> URLSafeSerializer:
    """Signs what was shown to one session, so that the card keeps nothing and only that session can have it applied."""
    person = session.person()
    return URLSafeSerializer(current_app.secret_key or b"", salt=f"{PURPOSE} {person.secret if person else ''}")


def _passphrase() -> str:
    """Encrypts the secrets among what was shown to one session: it never leaves the card."""
    person, key = session.person(), current_app.secret_key or b""
    key = key.encode() if isinstance(key, str) else key
    return hmac.digest(key, f"{PURPOSE} {person.secret if person else ''}".encode(), "sha256").hex()


def _state() -> int:
    """Changes with every save: what is applied must be what was shown."""
    return zlib.crc32(csvfile.dump(load(environment={})).encode())


@blueprint.post("/assistant/about/restore")
@requires("administrator")
@takes_up_to(csvfile.SIZE_LIMIT + FORM_BYTES)
def restore() -> Any:
    """Look at a file: show the difference, or each error by line. Nothing is changed."""
    given = request.files.get("file")
    content = given.read() if given is not None else b""
    if not content:
        return _page("Choose the file system_config.csv that was saved from a card.", status=422)
    try:
        with auth.one_at_a_time():
            found = exchange.look(content, passphrase=request.form.get("passphrase", ""))
    except auth.Busy:
        return _page(BUSY, status=503)
    if found.errors:
        return _page("The file cannot be restored. Nothing was changed.", found.errors, 422)
    secret = any(groups.FIELDS[key].secret for key in found.values)
    try:
        return _compared(exchange.export(found.values, _passphrase() if secret else ""), found)
    except OpensslFailed as error:
        return _page(f"The secrets cannot be encrypted: {error}.", status=503)


def _compared(text: str, found: exchange.Import, remark: str = "") -> Response:
    """The difference, and in its form `text`: what of the file would be taken."""
    rows = [(groups.FIELDS[change.key].label, change) for change in found.changes]
    blob = _seal().dumps([_state(), text])
    return Response(assistant.show("about", "about_restore.html", rows=rows, found=found, blob=blob, remark=remark))


@blueprint.post("/assistant/about/restore/apply")
@requires("administrator")
def apply() -> Any:
    """Take all of what was shown, or nothing."""
    try:
        state, text = _seal().loads(request.form.get("blob", ""))
    except BadData:
        return _page("This comparison is no longer valid. Choose the file again.", status=422)
    content = str(text).encode()
    if state != _state():
        found = exchange.look(content, passphrase=_passphrase())
        if found.errors:
            return _page("The settings were changed meanwhile. Choose the file again.", status=422)
        return _compared(str(text), found, "The settings were changed meanwhile. Look again.")
    try:
        taken = exchange.take(content, passphrase=_passphrase())
    except OSError as failure:
        log.error("the settings cannot be restored: %s", failure)
        return _page(f"Flash cannot be written ({failure.strerror}). Nothing was changed.", status=503)
    if taken.errors:
        return _page("The file cannot be restored. Nothing was changed.", taken.errors, 422)
    changes.tell("settings restored", taken.changes)
    _tell("SETTINGS_RESTORED", len(taken.changes))
    flash(f"{len(taken.changes)} settings were restored.", "info")
    return redirect(url_for("about.page"), 303)


@blueprint.get("/assistant/about/reset")
@requires("administrator")
def reset() -> str:
    """Say what a reset does, and ask for the system's name."""
    return _ask_reset()


def _ask_reset(error: str = "") -> str:
    count = len(settings_store.examine(_factory()))
    return assistant.show("about", "about_reset.html", changes=count, error=error)


def _factory() -> dict[str, Any]:
    return {key: declared.default for key, declared in groups.FIELDS.items()}


@blueprint.post("/assistant/about/reset")
@requires("administrator")
def do_reset() -> Any:
    """Put every setting back; with `records` the records of events and readings are cleared too."""
    name = settings().text("system.name")
    if request.form.get("name", "").strip() != name:
        return Response(_ask_reset("This is not the name of the system. Nothing was changed."), 422)
    clear = request.form.get("records") == "clear"
    try:
        made = settings_store.put(_factory())
    except OSError as failure:
        log.error("the settings cannot be reset: %s", failure)
        return Response(_ask_reset(f"Flash cannot be written ({failure.strerror}). Nothing was changed."), 503)
    changes.tell("settings reset", made)
    told = f"{len(made)} settings are those of the factory again."
    if clear:
        told += " The records are empty." if _clear_events() else " The records could not be cleared."
    audit.note("reset to factory settings", name, new="records cleared" if clear else "records kept")
    _tell("FACTORY_RESET", len(made))
    flash(told, "info")
    return redirect(url_for("about.page"), 303)


def _clear_events() -> bool:
    """Have the core forget all events and readings, which alone writes them; alarms that are present stay."""
    person = session.person()
    try:
        ended = store().order(
            "core",
            "istars.records.clear",
            {},
            asked_by=person.name if person else "",
            address=session.address(),
            wait_s=CLEAR_S,
        )
    except StoreError as error:
        log.error("the event record cannot be cleared: %s", error)
        return False
    return ended.state == "done"


def _tell(code: str, count: int) -> None:
    """One event: who did it, and how many settings it changed."""
    tell(live(), code, by=session.asker().name, count=count)
