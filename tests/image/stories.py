"""Cards in the middle of an update, each kept with its memory: a test goes on from there without going through what was before.

An update has three stages, each of which begins with a card that is kept. How long a stage is, is said in CPU time of QEMU, which
does not depend on what else the machine does: `brought` goes from the first byte that is sent until the package is found good,
`installed` from the order until the boot loader starts the new slot, `tried` from there until the new firmware is found good.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from guest import PROMPT, Guest, Image, card_in
from packages import Factory, alone
from pages import FIRST_PASSWORD, PASSWORD, Owner, kept_as_good

NEW = "0.2.0"
NAME = "UPS in the cellar"
STAGES = ("brought", "installed", "tried")


def signed_in(card: Guest) -> Owner:
    """Its owner, at the pages."""
    owner = Owner(card.url)
    owner.sign_in()
    return owner


class Stories:
    """The cards are made when they are asked for, in `folder`."""

    def __init__(self, image: Image, factory: Factory, folder: Path) -> None:
        self.image, self.factory, self.folder = image, factory, folder

    def first(self) -> Path:
        """After its first start: it has a password and a name of its own, and its firmware was found good.

        The password was chosen at the console. What was in use by then, before anybody opened a page, is in the file `memory`.
        """

        def live(card: Guest) -> None:
            card.boot()
            card.typed("", "Name: ")
            card.typed("admin", "Password: ")
            card.typed(FIRST_PASSWORD, "New password: ")
            card.typed(PASSWORD, "The same again: ")
            card.typed(PASSWORD, PROMPT)
            (self.folder / "memory").write_text(
                card.typed("cat /proc/meminfo; echo the' 'end", "the end"), encoding="ascii"
            )
            card.typed("exit", "Enter")
            owner = signed_in(card)
            owner.json("/api/v1/settings", {"settings": {"system.name": NAME}}, "PATCH")
            (self.folder / "key").write_text(owner.make_key(), encoding="ascii")
            card.until(lambda: kept_as_good(owner), "the firmware is found good")

        return self._kept("first", live)

    def in_use_mb(self) -> float:
        """Memory that a card uses after its start, before anybody has signed in, in MB."""
        self.first()
        found = dict(
            re.findall(r"(MemTotal|MemAvailable): +(\d+) kB", (self.folder / "memory").read_text(encoding="ascii"))
        )
        return (int(found["MemTotal"]) - int(found["MemAvailable"])) * 1024 / 1e6

    def owner(self, card: Guest) -> Owner:
        """Who may do everything on a card that went on from `first`."""
        return Owner(card.url, (self.folder / "key").read_text(encoding="ascii"))

    def begin(self, stage: str) -> Path:
        """At the beginning of a stage."""
        if stage == "brought":
            return self.first()
        before = STAGES[STAGES.index(stage) - 1]
        return self._kept(stage, lambda card: self._measured(card, before))

    def length_s(self, stage: str) -> float:
        """How much of QEMU's CPU a stage takes."""
        path = self.folder / f"{stage}.json"
        after = STAGES.index(stage) + 1
        if after < len(STAGES):
            self.begin(STAGES[after])
        else:
            self._kept("good", lambda card: self._measured(card, stage))
        return float(json.loads(path.read_text(encoding="ascii")))

    def _kept(self, name: str, live: Callable[[Guest], None]) -> Path:
        path = self.folder / f"{name}.qcow2"
        with alone(self.folder, name):
            if not path.exists():
                with card_in(self.image, self.folder, f"story-{name}") as card:
                    live(card)
                    card.save(path)
        return path

    def _measured(self, card: Guest, stage: str) -> None:
        """Go through a stage and write down its length."""
        card.resume(self.begin(stage))
        owner = self.owner(card)
        if stage != "tried":
            card.wait_for_pages()
        package = self.factory.package(NEW)
        before = card.cpu_s()
        if stage == "brought":
            owner.bring_good(package)
        elif stage == "installed":
            self.order(owner)
            card.wait_for("slot B, order B A")
        else:
            card.wait_for_pages()
            card.until(lambda: kept_as_good(owner), "the new firmware is found good")
        length = card.cpu_s() - before
        (self.folder / f"{stage}.json").write_text(json.dumps(length), encoding="ascii")

    @staticmethod
    def order(owner: Owner) -> None:
        """Have the package installed that was brought."""
        owner.json("/api/v1/firmware/install", {"version": NEW})
