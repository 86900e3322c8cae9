"""Firmware update (manual 3.2.5.1): what runs, bringing an update file, installing it, what became of earlier ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for
from werkzeug.sansio.multipart import Data, Epilogue, File, MultipartDecoder, NeedData

from istars.platform import clock
from istars.store import firmware
from istars.store.firmware import Busy
from istars.store.package import PACKAGE_LIMIT, PackageRefused
from istars.web import firmware_orders as orders
from istars.web.pages import assistant
from istars.web.security import requires, streams
from istars.web.store import settings

log = logging.getLogger(__name__)

blueprint = Blueprint("firmware", __name__)

ENVELOPE_LIMIT = 64 * 1024
"""What a form puts around its file."""
CHUNK = 64 * 1024


@blueprint.app_context_processor
def _words() -> dict[str, object]:
    """For the part that follows the card, which is drawn for more than one end point."""
    return {"firmware_at": _at}


def _at(epoch: float) -> str:
    """`2026-11-20 14:33:07 +08:00`."""
    text = clock.iso(epoch)
    return f"{text[:10]} {text[11:19]} {text[19:]}"


def _page(error: str = "", status: int = 200) -> Response:
    shown = assistant.show(
        "firmware", "firmware.html", follows="firmware", error=error, online=settings().text("firmware.online"),
    )  # fmt: skip
    return Response(shown, status)


@blueprint.get("/assistant/firmware")
def page() -> Response:
    """What runs; the forms are for administrators."""
    return _page()


class FileOfForm:
    """The first file in the body of a form, read as it comes in: nothing of it is kept in memory or on flash beforehand."""

    def __init__(self) -> None:
        boundary = request.mimetype_params.get("boundary", "")
        if request.mimetype != "multipart/form-data" or not boundary:
            raise PackageRefused("Choose the file iStars.tar.gz.")
        self._pieces = self._read(MultipartDecoder(boundary.encode("latin-1"), ENVELOPE_LIMIT))
        self._left = b""

    @staticmethod
    def _read(decoder: MultipartDecoder) -> Iterator[bytes]:
        here = False
        while True:
            event = decoder.next_event()
            if isinstance(event, NeedData):
                decoder.receive_data(request.stream.read(CHUNK) or None)
            elif isinstance(event, File):
                here = True
            elif isinstance(event, Data) and here:
                yield event.data
                here = event.more_data
            elif isinstance(event, Epilogue):
                return

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end of the file."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        out, self._left = self._left[:size], self._left[size:]
        return out


@blueprint.post("/assistant/firmware/upload")
@requires("administrator")
@streams(PACKAGE_LIMIT + ENVELOPE_LIMIT)
def upload() -> Any:
    """Take an update file from a form, for browsers without script; with it they send it to the API and show how far it is."""
    try:
        orders.bring(FileOfForm())
    except Busy as error:
        return _page(str(error), 409)
    except PackageRefused as error:
        return _page(str(error), 422)
    except ValueError:
        return _page("The file did not arrive whole. Send it again.", 422)
    except OSError as error:
        log.error("the update file cannot be stored: %s", error)
        return _page(f"Flash cannot be written ({error.strerror}). Nothing was kept.", 503)
    return redirect(url_for("firmware.page"), 303)


@blueprint.post("/assistant/firmware/install")
@requires("administrator")
def install() -> Any:
    """Start the upgrade: the card writes the other slot and restarts into it."""
    downgrade = int(request.form.get("downgrade") == "yes")
    return _ordered("install", {"version": request.form.get("version", "")[:100], "downgrade": downgrade})


@blueprint.post("/assistant/firmware/order")
@requires("administrator")
def order() -> Any:
    """Discard what was brought, ask the channel, or fetch what it offers."""
    name = request.form.get("order", "")
    if name not in ("discard", "look", "download"):
        return _page("There is no such order.", 422)
    return _ordered(name)


def _ordered(name: str, arguments: dict[str, object] | None = None) -> Any:
    command = orders.give(name, arguments)
    if command.state != "done":
        return _page(orders.said(command), 409 if command.state == "failed" else 503)
    if name != "install":
        flash(orders.said(command) + ".", "info")
    return redirect(url_for("firmware.page"), 303)


WORDS = {
    firmware.IDLE: ("none", "No update under way"),
    firmware.RECEIVING: ("info", "An update file is being received"),
    firmware.CHECKING: ("info", "The update file is being checked"),
    firmware.READY: ("ok", "Ready to install"),
    firmware.INSTALLING: ("info", "Writing"),
    firmware.RESTART: ("info", "Written; the card restarts"),
    firmware.TRIAL: ("info", "New firmware runs on trial"),
    firmware.GOOD: ("ok", "Updated"),
    firmware.ROLLED_BACK: ("warn", "Rolled back"),
    firmware.FAILED: ("warn", "Not installed"),
}
"""State to tone and words."""

RESULTS = {
    "installed": ("ok", "Installed"),
    "rolled-back": ("warn", "Rolled back"),
    "failed": ("warn", "Not installed"),
    "interrupted": ("warn", "Interrupted"),
}
"""What became of an update, in tone and words."""


@blueprint.app_template_global()
def firmware_words(state: str) -> tuple[str, str]:
    """Tone and words of a state; one of a newer firmware shows as itself."""
    return WORDS.get(state, RESULTS.get(state, ("none", state)))
