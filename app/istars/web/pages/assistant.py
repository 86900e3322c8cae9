"""What the pages of the Assistant share: their place in the menu, and their list."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from istars.store import firmware
from istars.web import live, session
from istars.web.view import Facts

PAGES = (
    ("firmware", "Firmware update", "firmware.page", "read"),
    ("serial", "Serial port debugging", "serial.page", "administrator"),
    ("about", "About", "about.page", "read"),
    ("certificate", "Certificate", "certificate.page", "administrator"),
    ("audit", "Audit record", "audit.page", "administrator"),
)
"""Name, label, endpoint, and who may see it."""


@live.builds("assistant", ("part",))
def build(_facts: Facts, args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Of these pages only that of the firmware follows something else than their frame does."""
    if args.get("part") != "firmware":
        return {}, {}
    now = firmware.status()
    texts = {"firmware.progress": f"{now.progress} %", "firmware.text": now.text, "firmware.online": now.online}
    steady = dataclasses.replace(now, progress=0, text="", online="working" if now.online else "", history=())
    return {"firmware": steady, "past": now.history}, texts


def show(here: str, template: str, *, follows: str = "", **more: object) -> str:
    """The page `here` of the Assistant; `follows` names what of it follows the card."""
    return live.show("assistant", template, args={"part": follows}, here=here, pages=pages(), **more)


def pages() -> list[tuple[str, str, str, str]]:
    """Those of the list that whoever asks may see."""
    person = session.person()
    return [each for each in PAGES if person is not None and person.may(each[3])]
