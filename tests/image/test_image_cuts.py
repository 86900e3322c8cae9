"""The power fails in the middle of an update, at any moment: the card starts, from a slot that is whole, with its settings.

QEMU is killed. What the card had in its memory is lost, and what it had not flushed may be: the tables of a qcow2 file are
written when the card flushes. The moments are drawn from the three stages of an update (`stories.py`), spread evenly over each
and counted in QEMU's CPU time from its beginning: receiving and checking the package; writing the slot, marking it, ending; and
the first start of the new firmware until it is found good. SEED draws other moments; each is told with the result. After each
cut the card starts anew: its pages answer, RAUC says that the slot that runs is good, its version is the old or the new one,
its settings are there, and the bytes of the slot are those of that version.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from card import until
from guest import SLOWEST, Guest, content
from packages import Factory
from pages import Owner
from stories import NAME, NEW, Stories

SEED = int(os.environ.get("SEED", "1"))
CUTS = {"brought": 4, "installed": 10, "tried": 6}
MOMENTS = [
    pytest.param(stage, (number + random.Random(f"{SEED} {stage} {number}").random()) / count, id=f"{stage}-{number}")
    for stage, count in CUTS.items()
    for number in range(count)
]


def slot_holds(card: Guest, slot: str, rootfs: Path) -> None:
    """The slot holds this root file system, byte for byte, with its kernel."""
    places = card.image.partitions()
    for name, image in (("rootfs", rootfs), ("boot", card.image.boot)):
        start, _ = places[f"{name}-{slot.lower()}"]
        whole = content(card.medium, start, image.stat().st_size) == image.read_bytes()
        assert whole, f"{name}-{slot.lower()} is not what it should be"


def begin(stage: str, owner: Owner, factory: Factory) -> None:
    """What somebody does at the beginning of a stage; for `tried` nobody does anything."""
    if stage == "brought":
        package = factory.package(NEW).read_bytes()
        # the power fails while it is being sent
        threading.Thread(target=_until_it_breaks, args=(lambda: owner.bring(package),), daemon=True).start()
    elif stage == "installed":
        Stories.order(owner)


def _until_it_breaks(action: Callable[[], object]) -> None:
    with suppress(OSError, ValueError):
        action()


@pytest.mark.parametrize(("stage", "share"), MOMENTS)
def test_after_a_power_cut_the_card_starts_from_a_whole_slot(
    stage: str, share: float, new_card: Guest, stories: Stories, factory: Factory,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    card, moment = new_card, share * stories.length_s(stage)
    card.resume(stories.begin(stage))
    if stage != "tried":
        card.wait_for_pages()
    owner = stories.owner(card)
    began, latest = card.cpu_s(), time.monotonic() + SLOWEST * (moment + 10)
    begin(stage, owner, factory)
    until(lambda: card.cpu_s() - began >= moment or time.monotonic() > latest, "the moment", SLOWEST * (moment + 20))
    card.power_off()
    last = (card.console().strip().splitlines() or [""])[-1][:80]
    record_property("power cut", f"{stage} at {moment:.2f} s of CPU ({share:.0%}), the console said last: {last}")
    card.boot()
    now = card.until(lambda: found if (found := owner.firmware())["slots"] else None, "the slots are known")
    slots = {each["name"]: each for each in now["slots"]}
    assert now["slot"] == card.starts()[-1]
    assert slots[now["slot"]]["good"]
    versions = {card.image.version: card.image.rootfs, NEW: factory.rootfs(NEW, {})}
    assert now["version"] in versions
    assert owner.json("/api/v1/settings/system.name")["value"] == NAME
    record_property("started", f"{now['version']} from slot {now['slot']}, {now['state']}")
    card.power_off()
    slot_holds(card, now["slot"], versions[now["version"]])
