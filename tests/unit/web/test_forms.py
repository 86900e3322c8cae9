"""Forms made of declarations: what they show, what they take, what they refuse."""

import json

import pytest
from istars.settings import Settings, groups
from istars.settings.field import Field, Group, Section, Type
from istars.web.forms import SettingsForm, applied, hint, sentence
from werkzeug.datastructures import MultiDict

GROUP = Group(
    "g",
    "G",
    (
        Section(
            "One",
            (
                Field("g.text", Type.TEXT, "a", "Text", minimum=1, maximum=5),
                Field("g.whole", Type.WHOLE, 1, "Whole", minimum=0, maximum=9, applies="upslink"),
                Field("g.cold", Type.NUMBER, 1.5, "Cold", minimum=-9, maximum=9, applies="core"),
                Field("g.switch", Type.SWITCH, False, "Switch"),
                Field("g.choice", Type.CHOICE, "x", "Choice", choices={"x": "Ex", "y": "Why"}),
                Field("g.secret", Type.SECRET, "", "Secret", maximum=5),
                Field("g.zone", Type.ZONE, "UTC", "Zone"),
                Field("g.open", Type.TEXT, "p1", "Open"),
            ),
        ),
    ),
)
LISTED = Group("l", "L", (Section("", (Field("l.{n}.host", Type.HOST, "", "Host {n}"),)),), repeat=2)


@pytest.fixture
def now(monkeypatch):
    monkeypatch.setattr(groups, "FIELDS", {field.key: field for field in (*GROUP.fields, *LISTED.fields)})
    return Settings({})


def sent(now, *without, **changed):
    """What a browser sends of the form as it was shown, with some fields changed."""
    form = SettingsForm(GROUP, now)
    data = {key: text for key, text in form.now.items() if key not in ("g.switch", *without)}
    data |= {f"g.{key}": text for key, text in changed.items() if text is not None}
    return MultiDict({"seen": form.seen_now, **data})


def read(now, data, offered=None, group=GROUP):
    form = SettingsForm(group, now, offered, data)
    return form.read(), form.errors


def test_what_was_not_changed_is_not_saved(now):
    assert read(now, sent(now)) == ({}, {})


def test_what_was_changed_is_taken(now):
    data = sent(now, text=" b ", whole="7", cold="-2.50", switch="on", choice="y", secret=" s ", zone="Asia/Tokyo")
    assert read(now, data) == (
        {
            "g.text": "b", "g.whole": 7, "g.cold": -2.5, "g.switch": True, "g.choice": "y", "g.secret": " s ",
            "g.zone": "Asia/Tokyo",
        },
        {},
    )  # fmt: skip


def test_a_switch_that_is_not_sent_is_off(now):
    on = Settings({"g.switch": True})
    form = SettingsForm(GROUP, on)
    data = MultiDict({"seen": form.seen_now, **{key: text for key, text in form.now.items() if key != "g.switch"}})
    assert read(on, data) == ({"g.switch": False}, {})


def test_every_reason_stands_at_its_field_and_what_was_typed_stays(now):
    form = SettingsForm(GROUP, now, None, sent(now, text="toolong", whole="x", cold="1,5", choice="z", zone="Mars"))
    assert form.read() == {}
    assert form.errors == {
        "g.text": "must have at most 5 characters, not 7",
        "g.whole": "'x' is not a whole number",
        "g.cold": "'1,5' is not a number such as 2.5",
        "g.choice": "'z' is not one of: x, y",
        "g.zone": "'Mars' is not a time zone",
    }
    rows = {row.declared.key: row for row in form.sections()[0][2]}
    assert (rows["g.text"].value, rows["g.text"].error) == ("toolong", "Must have at most 5 characters, not 7.")
    assert rows["g.text"].marks == "g-text-error"
    assert rows["g.open"].error == ""


def test_one_bad_field_keeps_the_good_ones_from_being_saved(now):
    values, errors = read(now, sent(now, whole="7", text=""))
    assert (values, errors) == ({}, {"g.text": "must not be empty"})


def test_a_stored_value_that_is_bad_today_holds_nobody_up(now):
    old = Settings({"g.text": "much too long"})
    assert read(old, sent(old, whole="2")) == ({"g.whole": 2}, {})


def test_a_secret_is_never_shown_and_an_empty_one_keeps_it(now):
    stored = Settings({"g.secret": "hush"})
    form = SettingsForm(GROUP, stored)
    rows = {row.declared.key: row for row in form.sections()[0][2]}
    assert (rows["g.secret"].kind, rows["g.secret"].value) == ("secret", "")
    assert "hush" not in form.seen_now
    assert read(stored, sent(stored, secret="")) == ({}, {})


def test_two_people_do_not_undo_each_other(now):
    data = sent(now, whole="7")
    other = Settings({"g.text": "b"})
    assert read(other, data) == ({"g.whole": 7}, {})
    values, errors = read(Settings({"g.whole": 3}), data)
    assert values == {}
    assert errors == {"g.whole": "somebody else has set this to “3” meanwhile. Save again to put yours in its place"}
    assert read(Settings({"g.whole": 7}), data) == ({"g.whole": 7}, {})


@pytest.mark.parametrize("seen", ["", "[", "[]", "null", '{"g.text": 5}', "[" * 60_000, '{"g.whole": "\\u0000"}'])
def test_a_form_that_does_not_say_what_it_showed_is_compared_with_what_is(now, seen):
    data = sent(now, whole="7")
    data["seen"] = seen
    assert read(now, data)[0].get("g.whole", 7) == 7


def test_a_form_of_nothing_changes_nothing_it_must_not(now):
    assert read(now, MultiDict({"csrf_token": "x"})) == ({}, {})


def test_only_what_is_offered_can_be_chosen(now):
    offered = {"g.open": [("p1", "Protocol 1"), ("p2", "Protocol 2")]}
    assert read(now, sent(now, open="p2"), offered) == ({"g.open": "p2"}, {})
    assert read(now, sent(now, open="p3"), offered) == ({}, {"g.open": "'p3' cannot be chosen here"})
    assert read(now, sent(now, open="p3")) == ({"g.open": "p3"}, {})
    gone = SettingsForm(GROUP, Settings({"g.open": "old"}), offered)
    row = next(row for row in gone.sections()[0][2] if row.declared.key == "g.open")
    assert row.choices[0] == ("old", "old (not known)")


def test_zones_show_their_offset(now):
    form = SettingsForm(GROUP, now)
    row = next(row for row in form.sections()[0][2] if row.declared.key == "g.zone")
    assert ("Asia/Shanghai", "Asia/Shanghai (GMT+08:00)") in row.choices


def test_a_list_is_drawn_written_out(now):
    form = SettingsForm(LISTED, now)
    assert [row.declared.label for section in form.sections() for row in section[2]] == ["Host 1", "Host 2"]
    data = MultiDict({"seen": form.seen_now, "l.1.host": "a.example", "l.2.host": ""})
    assert read(now, data, group=LISTED) == ({"l.1.host": "a.example"}, {})


def test_words(now):
    assert sentence("must be 1") == "Must be 1."
    fields = {field.key: field for field in GROUP.fields}
    assert hint(fields["g.cold"]) == "From -9 to 9, usually 1.5."
    assert hint(fields["g.text"]) == ""
    assert applied(GROUP.sections[0]) == "Applied at once by the alarm rules and the link to the UPS."
    assert applied(LISTED.sections[0]) == "Applied at once."
    rows = {row.declared.key: row.inputmode for row in SettingsForm(GROUP, now).sections()[0][2]}
    assert (rows["g.whole"], rows["g.cold"], rows["g.text"]) == ("numeric", "", "")
    assert json.loads(SettingsForm(GROUP, now).seen_now)["g.switch"] == "off"
