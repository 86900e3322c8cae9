"""Every kind of option: what it takes, what it refuses and in which words."""

from __future__ import annotations

import pytest
from istars.errors import SettingsError
from istars.settings.field import Field, Type
from istars.settings.groups import FIELDS, GROUPS, RENAMES
from other_values import DISTINCT
from settings_samples import BAD, NOWHERE, OTHERS, RECEIVERS

EVERY = {**{key: FIELDS[key] for key in DISTINCT}, **{field.key: field for field in OTHERS.fields}}


@pytest.mark.parametrize("key", EVERY)
def test_what_no_option_takes(key: str) -> None:
    for bad in (*NOWHERE, *BAD[EVERY[key].type]):
        with pytest.raises(SettingsError) as refused:
            EVERY[key].parse(bad)
        assert refused.value.key == key
        assert refused.value.reason


@pytest.mark.parametrize("key", EVERY)
def test_what_json_may_not_give(key: str) -> None:
    declared = EVERY[key]
    wrong: list[object] = [None, [], {}, [1], float("inf"), float("nan"), 10**400, "a\0b"]
    wrong += ["1", True, "on"] if declared.type in (Type.WHOLE, Type.NUMBER) else [1, 1.5]
    wrong += [1.5] if declared.type is Type.WHOLE else []
    wrong += ["on", 0] if declared.type is Type.SWITCH else [True, False]
    for value in wrong:
        with pytest.raises(SettingsError):
            declared.accept(value)


@pytest.mark.parametrize("key", EVERY)
def test_json_gives_what_the_file_gives(key: str) -> None:
    declared = EVERY[key]
    assert declared.accept(declared.default) == declared.default
    assert declared.parse(declared.format(declared.default)) == declared.default


def test_every_option_is_explained_and_no_key_is_used_twice() -> None:
    keys = [field.key for group in GROUPS for field in group.fields]
    assert len(keys) == len(set(keys))
    labels = [(group.name, field.label) for group in GROUPS for field in group.fields]
    assert len(labels) == len(set(labels))
    for group in GROUPS:
        for rule in group.rules:
            assert {rule.lower, rule.upper} <= {field.key for field in group.fields}
    assert not set(RENAMES) & set(FIELDS)
    assert set(RENAMES.values()) <= set(FIELDS)


def test_numbers_have_one_form() -> None:
    number = Field("a", Type.NUMBER, 0.0, "A", minimum=-1e9, maximum=1e9)
    for text, kept in (("-0.0", "0"), ("+2.50", "2.5"), ("1234567.5", "1234567.5"), ("0.0000001", "0"), ("007", "7")):
        assert number.format(number.parse(text)) == kept
    assert number.accept(0.1) == 0.1
    whole = Field("a", Type.WHOLE, 0, "A", minimum=-5, maximum=5)
    assert whole.parse("-3") == -3
    with pytest.raises(SettingsError, match="must be between -5 and 5, not 6"):
        whole.parse("6")


def test_words_of_a_refusal() -> None:
    name = FIELDS["system.name"]
    with pytest.raises(SettingsError, match="must not be empty"):
        name.parse("   ")
    with pytest.raises(SettingsError, match="at most 60 characters, not 61"):
        name.parse("x" * 61)
    with pytest.raises(SettingsError, match="character 2 is a null byte"):
        name.parse("a\0")
    with pytest.raises(SettingsError, match=r"character 1 is the control character U\+001B"):
        name.parse("\x1b[31m")
    assert name.parse("<script>alert(1)</script>") == "<script>alert(1)</script>"
    assert name.parse("  変電所 Größe 🔋 ") == "変電所 Größe 🔋"


def test_hosts_and_mail_addresses_that_are_fine() -> None:
    host, mail = EVERY["other.host"], EVERY["other.mail"]
    for text in ("ntp.example.net", "a", "192.0.2.7", "2001:db8::1", "x-1.y_z.example.", ""):
        assert host.parse(text) == text
    for text in ("a@b.example", "first.last+ups@mail.example", "o'neil@x.example", ""):
        assert mail.parse(text) == text


def test_a_secret_is_taken_as_it_is() -> None:
    assert EVERY["other.secret"].parse("  =two words ") == "  =two words "
    assert EVERY["other.secret"].secret
    assert not EVERY["other.host"].secret


def test_a_list_has_one_form_and_its_items_are_checked() -> None:
    hosts = EVERY["other.hosts"]
    assert hosts.parse(" a.example ,,192.0.2.7,") == "a.example, 192.0.2.7"
    with pytest.raises(SettingsError, match="at most 3 items, not 4"):
        hosts.parse("a,b,c,d")
    with pytest.raises(SettingsError, match="'-b' is not a host name"):
        hosts.parse("a,-b")


def test_a_list_of_receivers_is_written_out() -> None:
    assert [(field.key, field.label) for field in RECEIVERS.fields] == [
        ("receiver.1.host", "Receiver 1"),
        ("receiver.2.host", "Receiver 2"),
        ("receiver.3.host", "Receiver 3"),
    ]
