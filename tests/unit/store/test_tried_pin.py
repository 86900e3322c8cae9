"""A PIN that a SIM card has refused is never given to it again."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.platform import paths
from istars.store import tried_pin

CARD, OTHER = "89860012345678901234", "89860012345678909999"


@pytest.mark.parametrize(
    ("noted", "pin", "card", "tried"),
    [
        (CARD, "1234", CARD, True),
        (CARD, "4321", CARD, False),
        (CARD, "1234", OTHER, False),
        # A card that tells no number may be the one.
        (CARD, "1234", "", True),
        ("", "1234", CARD, True),
    ],
)
def test_the_same_pin_is_not_for_the_same_card(root: Path, noted: str, pin: str, card: str, tried: bool) -> None:
    assert not tried_pin.was_tried("1234", noted)
    tried_pin.note("1234", noted)
    assert tried_pin.was_tried(pin, card) is tried


def test_the_note_does_not_hold_the_pin_and_is_for_the_card_alone(root: Path) -> None:
    tried_pin.note("1234", CARD)
    file = paths.data_dir() / "tried-pin.json"
    assert '"1234"' not in file.read_text("utf-8")
    assert file.stat().st_mode & 0o077 == 0


def test_an_accepted_pin_may_be_given_again(root: Path) -> None:
    tried_pin.note("1234", "")
    tried_pin.accepted("", given_now=True)
    assert not tried_pin.was_tried("1234", "")


def test_another_card_that_is_open_says_nothing_about_the_one_that_refused(root: Path) -> None:
    tried_pin.note("1234", CARD)
    tried_pin.accepted(OTHER, given_now=False)
    tried_pin.accepted("", given_now=False)
    assert tried_pin.was_tried("1234", CARD)
    tried_pin.accepted(CARD, given_now=False)
    assert not tried_pin.was_tried("1234", CARD)


@pytest.mark.parametrize("content", ["{", "[]", '{"salt": "zz", "digest": "", "card": ""}'])
def test_a_damaged_note_stands_for_every_pin(root: Path, content: str) -> None:
    (paths.data_dir() / "tried-pin.json").write_text(content, encoding="utf-8")
    assert tried_pin.was_tried("1234", CARD)
    tried_pin.forget()
    assert not tried_pin.was_tried("1234", CARD)
