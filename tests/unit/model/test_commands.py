"""The catalogue of commands."""

from __future__ import annotations

import pytest
from istars.errors import CommandRefused
from istars.model.commands import COMMANDS, Permission, command


def test_what_interrupts_the_load_asks_first() -> None:
    for each in COMMANDS.values():
        assert each.confirm or not each.interrupts_load, each.name
        assert each.effect, each.name


def test_arguments_are_checked_and_defaults_filled_in() -> None:
    assert command("shutdown.return").check({"delay_s": "60"}) == {"delay_s": 60}
    assert command("shutdown.reboot").check({}) == {"delay_s": 30, "return_s": 180}


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("shutdown.return", {"delay_s": -1}, "delay_s must be between 0 and 5940 s, not -1"),
        ("shutdown.return", {"delay_s": "soon"}, "delay_s must be a whole number, not 'soon'"),
        ("beeper.mute", {"loud": 1}, "there is no argument called 'loud'"),
        (
            "istars.alarm.acknowledge",
            {"alarm": "k", "note": "x" * 201},
            "note must be a text of at most 200 characters",
        ),
    ],
)
def test_a_bad_argument_is_refused_with_its_name_and_the_reason(
    name: str, arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(CommandRefused, match=reason):
        command(name).check(arguments)


def test_permissions_include_the_lesser_ones() -> None:
    assert Permission.ADMINISTRATOR.allows(Permission.WRITE)
    assert Permission.WRITE.allows(Permission.READ)
    assert not Permission.READ.allows(Permission.WRITE)
