"""The power fails in the middle of an update, at any moment: the card starts, from a slot that is whole.

QEMU is killed, which loses what the card had in its memory; what it had given to its medium stays. After each cut the card is
switched on until its root file system is mounted and the data partition is in use; the bytes of the slot that it chose are
compared with those of the two versions. Some of the cards go on until their pages answer.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import Guest, content
from packages import Factory
from pages import Owner

CUTS = 20
LATEST_S = 9.0
"""From the order to install until well after the restart has begun, on an idle machine."""
TO_THE_PAGES = 4
"""Every so manyth card is followed until its pages answer."""


@pytest.fixture(scope="module")
def ready(first_start: tuple[Guest, Path], factory: Factory) -> Iterator[Path]:
    """A card that has only to be told to install; with its memory."""
    card, kept = first_start
    card.resume(kept)
    owner = Owner(card.url)
    owner.sign_in()
    owner.bring_good(factory.package("0.2.0"))
    out = card.save()
    yield out
    out.unlink()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def slot_is_whole(card: Guest, slot: str, factory: Factory) -> None:
    """The chosen slot holds one of the two versions, byte for byte, with its kernel."""
    places = card.image.partitions()
    images = [card.image.rootfs, factory.folder / "rootfs-0.2.0.squashfs"]
    start, _ = places[f"rootfs-{slot.lower()}"]
    found = {hashlib.sha256(content(card.medium, start, image.stat().st_size)).hexdigest() for image in images}
    assert found & {digest(image) for image in images}, f"slot {slot} is neither the old nor the new version"
    start, _ = places[f"boot-{slot.lower()}"]
    size = card.image.boot.stat().st_size
    assert hashlib.sha256(content(card.medium, start, size)).hexdigest() == digest(card.image.boot)


@pytest.mark.parametrize("number", range(CUTS))
def test_after_a_power_cut_the_card_starts_from_a_whole_slot(
    number: int, ready: Path, first_start: tuple[Guest, Path], factory: Factory
) -> None:
    moment = random.Random(number).uniform(0.0, LATEST_S)
    card, _ = first_start
    try:
        card.resume(ready)
        owner = Owner(card.url)
        owner.sign_in()
        answered = threading.Event()
        owner.json("/api/v1/firmware/install", {"version": "0.2.0"})
        # the moment is what is tested: nothing is waited for
        answered.wait(moment)
        card.power_off()
        before = len(card.console())
        card.start()
        slot = card.wait_for("slot [AB], order", after=before)[5]
        card.wait_for("EXT4-fs .* mounted", after=before)
        if number % TO_THE_PAGES == 0:
            card.wait_for_pages()
            owner = Owner(card.url)
            owner.sign_in()
            assert owner.firmware()["slot"] == slot
    finally:
        card.power_off()
    slot_is_whole(card, slot, factory)
