"""Orders to the updater, as the page and the API give them, and what was brought for it."""

from __future__ import annotations

from collections.abc import Mapping

from istars.store import firmware
from istars.store.live_commands import LiveCommand
from istars.store.package import Manifest, Source
from istars.web import session
from istars.web.audit import note
from istars.web.store import live, store

WAIT_S = 5.0


def give(name: str, arguments: Mapping[str, object] | None = None) -> LiveCommand:
    """Give the updater an order and wait a moment for its answer; it is written down who gave it."""
    person = session.person()
    command = store().order(
        firmware.UPDATER,
        f"istars.firmware.{name}",
        arguments or {},
        asked_by=person.name if person else "",
        address=session.address(),
        wait_s=WAIT_S,
    )
    if command.state == "done":
        note(f"firmware {name}", str((arguments or {}).get("version", "")))
    return command


def said(command: LiveCommand) -> str:
    """What came of an order, for people."""
    if command.ended and command.state != "expired":
        return command.result[:1].upper() + command.result[1:]
    return "The program that updates the firmware does not answer."


def bring(source: Source) -> Manifest:
    """Take a package in. Raises Busy, PackageRefused, OSError."""
    person = session.person()
    try:
        manifest = firmware.receive(source, by=person.name if person else "", address=session.address())
    finally:
        live().touch()
    note("firmware brought", manifest.version)
    return manifest
