"""Settings per firmware: a card that goes back to a version finds the settings of that version."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars import settings
from istars.platform import clock, paths
from istars.settings import copies
from istars.settings.store import good_copy
from istars.store import firmware
from istars.store.firmware import State, Update

NEWER = b"key,value,explanation\r\nformat,9,of this file\r\nsystem.name,from the future,\r\nend,1,\r\n"


def name() -> str:
    return settings.load().text("system.name")


def test_new_firmware_goes_on_with_the_settings_that_are_there(root: Path) -> None:
    settings.store.save({"system.name": "A"})
    assert not copies.begin("0.1.0", went_back=False)
    assert not copies.begin("0.2.0", went_back=False)
    assert name() == "A"


def test_a_slot_that_runs_again_finds_its_own_settings(root: Path) -> None:
    copies.begin("0.1.0", went_back=False)
    settings.store.save({"system.name": "A"})
    copies.begin("0.2.0", went_back=False)
    settings.store.save({"system.name": "B"})
    assert copies.begin("0.1.0", went_back=True)
    assert name() == "A"
    settings.store.save({"system.name": "C"})
    assert not copies.begin("0.2.0", went_back=False)
    assert name() == "C"


def test_a_file_of_a_newer_format_is_left_aside_on_the_way_back(root: Path) -> None:
    """Whoever installed older firmware on purpose: its copy serves only where it cannot read what is there."""
    settings.store.save({"system.name": "A"})
    copies.begin("0.1.0", went_back=False)
    copies.begin("0.9.0", went_back=False)
    settings.store.save({"system.name": "B"})
    assert not copies.begin("0.1.0", went_back=False)
    assert name() == "B"
    copies.begin("0.9.0", went_back=False)
    paths.settings_file().write_bytes(NEWER)
    good_copy(paths.settings_file()).write_bytes(NEWER)
    assert copies.begin("0.1.0", went_back=False)
    assert name() == "B"
    assert settings.load().problems == ()
    assert paths.settings_file().with_name("system_config.csv.0.9.0").read_bytes() == NEWER


def test_a_card_that_is_new_has_nothing_to_put_back(root: Path) -> None:
    assert not copies.begin("0.1.0", went_back=True)
    assert not copies.begin("0.2.0", went_back=True)
    assert name() == "UPS"


def test_only_some_copies_are_kept(root: Path) -> None:
    settings.store.save({"system.name": "A"})
    for number in range(12):
        copies.begin(f"0.{number}.0", went_back=False)
    kept = {path.name for path in paths.data_dir().glob("system_config.csv.0.*")}
    assert len(kept) <= copies.COPIES_KEPT + 2
    assert "system_config.csv.0.10.0" in kept


def test_a_power_cut_in_between_is_made_good_by_the_next_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.store.save({"system.name": "A"})
    copies.begin("0.1.0", went_back=False)
    copies.begin("0.2.0", went_back=False)
    settings.store.save({"system.name": "B"})
    real, left = copies.files.replace, [2]

    def cut(path: Path, content: bytes) -> None:
        if not left[0]:
            raise OSError(5, "power is gone")
        left[0] -= 1
        real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(copies.files, "replace", cut)
        with pytest.raises(OSError, match="power is gone"):
            copies.begin("0.1.0", went_back=True)
    assert copies.begin("0.1.0", went_back=True)
    assert name() == "A"


@pytest.mark.parametrize(
    ("state", "slot", "boot", "back"),
    [
        (firmware.TRIAL, "A", "before", True),
        (firmware.RESTART, "A", "before", True),
        (firmware.RESTART, "B", "before", False),
        (firmware.RESTART, "A", "", False),
        (firmware.INSTALLING, "A", "before", False),
        (firmware.GOOD, "A", "before", False),
        (firmware.TRIAL, "", "before", False),
    ],
)
def test_the_card_knows_whether_it_went_back(root: Path, state: str, slot: str, boot: str, back: bool) -> None:
    firmware.make_dirs()
    firmware.save_state(State(state, update=Update("0.2.0", "B", "0.1.0", "A", boot=boot or clock.boot_id())))
    assert firmware.went_back(slot) is back
