"""Settings: read, checked, saved as a whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.errors import SettingsError, UnknownName
from istars.platform import files, paths
from istars.settings import SettingsFile, SettingsRejected, csvfile, load
from istars.settings.field import Type
from istars.settings.groups import FIELDS
from istars.settings.store import change, good_copy, save
from other_values import DISTINCT


def test_without_a_file_the_defaults_hold(root: Path) -> None:
    settings = load()
    assert settings["ups.protocol"] == "megatec"
    assert settings.problems == ()
    assert set(settings) == set(FIELDS)


@pytest.mark.parametrize("key", DISTINCT)
def test_every_default_is_acceptable_and_survives_the_file(key: str) -> None:
    declaration = FIELDS[key]
    text = declaration.format(declaration.default)
    assert declaration.parse(text) == declaration.default
    parsed = csvfile.parse(csvfile.dump({key: declaration.default}))
    assert parsed.errors == []
    assert parsed.values == {key: declaration.default}


@pytest.mark.parametrize("key", [key for key in DISTINCT if FIELDS[key].type in (Type.WHOLE, Type.NUMBER)])
def test_every_number_has_limits_and_keeps_them(key: str) -> None:
    declaration = FIELDS[key]
    assert declaration.minimum is not None
    assert declaration.maximum is not None
    declaration.parse(str(int(declaration.maximum)))
    for bad in (str(int(declaration.maximum) + 1), "much", "", "nan"):
        with pytest.raises(SettingsError, match=key):
            declaration.parse(bad)


def test_a_saved_value_is_read_again(root: Path) -> None:
    save({"ups.battery.cells": "96", "system.name": "UPS-A, Core room"})
    settings = load()
    assert settings.whole("ups.battery.cells") == 96
    assert settings["system.name"] == "UPS-A, Core room"


def test_one_bad_value_saves_nothing(root: Path) -> None:
    save({"ups.battery.cells": "96"})
    with pytest.raises(SettingsError, match=r"ups\.address: must be between 1 and 247, not 500"):
        save({"ups.battery.cells": "12", "ups.address": "500"})
    assert load().whole("ups.battery.cells") == 96
    with pytest.raises(SettingsError, match=r"ups\.volume"):
        save({"ups.volume": "11"})


def test_a_damaged_file_never_becomes_silent_defaults(root: Path) -> None:
    save({"ups.battery.cells": "96"})
    paths.settings_file().write_bytes(b"key,val")
    settings = load()
    assert settings.whole("ups.battery.cells") == 96
    assert "line 1" in settings.problems[0]
    paths.settings_file().write_bytes(b"\xff\xfe\x00")
    assert load().whole("ups.battery.cells") == 96


def test_a_file_cut_off_at_any_place_is_noticed_or_whole(root: Path) -> None:
    save({"ups.battery.cells": "96"})
    whole = paths.settings_file().read_bytes()
    header = whole.index(b"ups.device")
    for length in range(header):
        paths.settings_file().write_bytes(whole[:length])
        assert load().whole("ups.battery.cells") in (96, 0)
        assert load().problems or load().whole("ups.battery.cells") == 0


def test_without_a_last_good_file_the_good_lines_serve_and_the_bad_one_is_named(root: Path) -> None:
    save({"ups.battery.cells": "96"})
    good_copy(paths.settings_file()).unlink()
    text = paths.settings_file().read_text(encoding="utf-8").replace("ups.address,1", "ups.address,one")
    paths.settings_file().write_text(text, encoding="utf-8")
    settings = load()
    assert settings.whole("ups.battery.cells") == 96
    assert settings.whole("ups.address") == 1
    assert "ups.address: 'one' is not a whole number" in settings.problems[0]


def test_double_unknown_and_newer_lines_are_reported(root: Path) -> None:
    head = "key,value,explanation\n"
    assert csvfile.parse(head + "format,1\nups.address,1\nups.address,2\n").errors == [
        "line 4: ups.address stands here a second time, first in line 3"
    ]
    assert csvfile.parse(head + "format,1\nfrom.the.future,1\n").unknown == ["from.the.future"]
    assert "format '9'" in csvfile.parse(head + "format,9\n").errors[0]
    assert "format line is missing" in csvfile.parse(head).errors[0]


def test_variables_of_make_run_win_over_the_file_and_are_checked(root: Path) -> None:
    save({"ups.protocol": "megatec"})
    settings = load(environment={"UPS": "tcp:10.0.0.7:4001", "UPS_PROTOCOL": "east-ea900"})
    assert (settings["ups.device"], settings["ups.protocol"]) == ("tcp:10.0.0.7:4001", "east-ea900")
    settings = load(environment={"UPS": "; rm -rf /"})
    assert settings["ups.device"] == FIELDS["ups.device"].default
    assert "UPS" in settings.problems[0]


def test_a_worker_sees_a_replaced_file(root: Path) -> None:
    seen = SettingsFile()
    assert not seen.changed()
    save({"ups.battery.cells": "96"})
    assert seen.changed()
    assert seen.current.whole("ups.battery.cells") == 96
    assert not seen.changed()


def test_an_unknown_option_is_refused_by_name(root: Path) -> None:
    with pytest.raises(UnknownName, match=r"ups\.volume"):
        load()["ups.volume"]


def test_a_save_that_fails_leaves_the_old_file_and_no_rest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save({"ups.battery.cells": "96"})

    def no_room(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("istars.platform.files.os.fsync", no_room)
        with pytest.raises(OSError, match="No space left"):
            files.replace(paths.settings_file(), b"new")
    files_left = sorted(each.name for each in paths.data_dir().iterdir() if not each.name.endswith(".lock"))
    assert files_left == ["system_config.csv", "system_config.csv.good"]
    assert load().whole("ups.battery.cells") == 96


def test_all_errors_of_a_save_are_told_at_once(root: Path) -> None:
    with pytest.raises(SettingsRejected) as refused:
        change({"ups.address": "0", "system.name": "", "no.such": "1", "system.zone": "UTC"})
    assert set(refused.value.errors) == {"ups.address", "system.name", "no.such"}
    assert load()["system.zone"] == "UTC"
    assert not paths.settings_file().exists()


def test_a_change_says_what_and_who_acts_on_it(root: Path) -> None:
    (made,) = change({"ups.address": "7", "system.name": "UPS"})
    assert (made.key, made.old, made.new, made.applies) == ("ups.address", "1", "7", "upslink")
    assert change({"ups.address": "7"}) == ()


def test_numbers_that_belong_together_stay_in_order(root: Path) -> None:
    with pytest.raises(SettingsRejected, match="limit.load.high: must be less than “Overload”, which is 100"):
        change({"limit.load.high": "100"})
    with pytest.raises(SettingsRejected, match="limit.load.over: must be more than “High load”, which is 80"):
        change({"limit.load.over": "80"})
    change({"limit.load.high": "110", "limit.load.over": "120"})
    change({"limit.input.low": "190"})
    with pytest.raises(SettingsRejected, match="limit.input.high"):
        change({"limit.input.high": "180"})


def test_a_rule_of_today_holds_up_only_who_changes_what_it_is_about(root: Path) -> None:
    change({"limit.load.high": "90"})
    text = paths.settings_file().read_text(encoding="utf-8").replace("limit.load.over,100", "limit.load.over,50")
    paths.settings_file().write_text(text, encoding="utf-8")
    change({"system.name": "UPS-A"})
    with pytest.raises(SettingsRejected):
        change({"limit.load.high": "60"})


def test_what_a_killed_save_left_behind_is_removed(root: Path) -> None:
    for name in (".system_config.csv.77.new", ".system_config.csv.good.78.new"):
        (paths.data_dir() / name).write_bytes(b"half")
    change({"system.name": "UPS-A"})
    assert not list(paths.data_dir().glob(".*.new"))


def test_a_copy_that_cannot_be_kept_does_not_undo_the_save(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = files.replace

    def no_copy(path: Path, content: bytes, mode: int = 0o640) -> None:
        if path.name.endswith(".good"):
            raise OSError(28, "No space left on device")
        usual(path, content, mode)

    monkeypatch.setattr(files, "replace", no_copy)
    change({"system.name": "UPS-A"})
    assert load()["system.name"] == "UPS-A"


def test_what_a_variable_overrides_is_told(root: Path) -> None:
    assert load(environment={"UPS_PROTOCOL": "invt-hr11"}).overridden == {"ups.protocol": "UPS_PROTOCOL"}
    assert load(environment={}).overridden == {}
