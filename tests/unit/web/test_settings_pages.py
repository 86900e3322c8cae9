"""Pages of options: everything declared is there, what is typed is saved or refused as a whole, readers stay out."""

import html
import json
import re

import pytest
from istars.platform import files, paths
from istars.settings import csvfile, load
from istars.settings.field import Type
from istars.settings.groups import FIELDS
from istars.settings.store import change
from istars.store.wake import Bell
from istars.web.pages.settings import PLACES, PROTOCOLS
from other_values import DISTINCT, OTHERS, written_down

PATHS = {place.group.name: place.path for place in PLACES.values()}
KEYS = [(place.path, field.key) for place in PLACES.values() for field in place.group.fields]
TRIED = [(path, key) for path, key in KEYS if key in DISTINCT]


def seen_in(page):
    """What the form on a page shows, by key."""
    return json.loads(html.unescape(re.search(r'name="seen" value="([^"]*)"', page.get_data(as_text=True))[1]))


def send(browser, path, **more):
    """Open a page and send its form with some fields changed."""
    shown = seen_in(browser.get(path))
    data = {key: text for key, text in shown.items() if text != "off"}
    changed = {**data, **more.pop("changed", {})}
    return browser.post(path, {"seen": json.dumps(shown), **{k: v for k, v in changed.items() if v != "off"}})


def told(response):
    return html.unescape(response.get_data(as_text=True))


def test_every_option_stands_on_a_page():
    assert {key for _, key in KEYS} == set(FIELDS)


@pytest.mark.parametrize("path", PATHS.values())
def test_a_page_shows_every_option_with_label_and_help(admin, live, path):
    page = told(admin.get(path))
    for declared in (FIELDS[key] for where, key in KEYS if where == path):
        field = declared.key.replace(".", "-")
        assert f'id="{field}" name="{declared.key}"' in page
        assert re.search(
            rf'<label for="{field}">{re.escape(declared.label)}|> {re.escape(declared.label)}</label>', page
        )
        assert declared.help in page
        if declared.help:
            assert f'aria-describedby="{field}-help"' in page
            assert f'id="{field}-help"' in page


@pytest.mark.thorough
@pytest.mark.parametrize(("path", "key"), TRIED)
def test_every_option_is_changed_on_its_page(admin, live, path, key):
    change({other: text for other, text in OTHERS.items() if other.startswith("limit.") and other != key})
    response = send(admin, path, changed={key: OTHERS[key]})
    assert response.status_code == 303, told(response)
    assert response.headers["Location"] == path
    assert FIELDS[key].format(load()[key]) == OTHERS[key]
    assert csvfile.parse_bytes(paths.settings_file().read_bytes()).values[key] == load()[key]
    page = told(admin.get(path))
    assert "1 change saved." in page
    if FIELDS[key].secret:
        assert OTHERS[key] not in page
        assert "One is stored; leave the field empty to keep it." in page
        assert key not in seen_in(admin.get(path))
    else:
        assert seen_in(admin.get(path))[key] == OTHERS[key]


@pytest.mark.thorough
@pytest.mark.parametrize(("path", "key"), [each for each in TRIED if FIELDS[each[1]].type is not Type.SWITCH])
def test_what_no_option_takes_is_refused_at_its_field(admin, live, path, key):
    field = key.replace(".", "-")
    for bad in ("a\0b", "x" * 300, "\x1b[31m"):
        response = send(admin, path, changed={key: bad})
        assert response.status_code == 422
        page = told(response)
        assert "<strong>Nothing was saved.</strong>" in page
        assert f'<a href="#{field}">{FIELDS[key].label}</a>' in page
        assert f'id="{field}-error"' in page
        assert 'aria-invalid="true"' in page
    assert not paths.settings_file().exists()


def test_html_is_text(admin, live):
    send(admin, PATHS["system"], changed={"system.name": "<script>alert(1)</script>"})
    page = admin.get(PATHS["system"]).get_data(as_text=True)
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_one_bad_field_saves_nothing_and_keeps_what_was_typed(admin, live):
    response = send(admin, PATHS["ups"], changed={"ups.address": "500", "ups.battery.cells": "96"})
    page = told(response)
    assert (response.status_code, "Must be between 1 and 247, not 500." in page) == (422, True)
    assert 'value="500"' in page
    assert 'value="96"' in page
    assert load()["ups.battery.cells"] == 0


def test_numbers_out_of_order_are_refused_at_the_one_that_was_changed(admin, live):
    response = send(admin, PATHS["limits"], changed={"limit.load.over": "70"})
    assert response.status_code == 422
    assert "Must be more than “High load”, which is 80." in told(response)


def test_nothing_changed(admin, live):
    assert send(admin, PATHS["system"]).status_code == 303
    assert "Nothing had changed." in told(admin.get(PATHS["system"]))


def test_two_people_on_one_page(admin, live):
    page = admin.get(PATHS["system"])
    shown = seen_in(page)
    change({"system.location": "Hall 3", "system.name": "theirs"})
    data = {key: text for key, text in shown.items() if text != "off"}
    sent = {"seen": json.dumps(shown), **data, "system.name": "mine", "session.idle": "30"}
    response = admin.post(PATHS["system"], sent)
    assert response.status_code == 422
    assert "Somebody else has set this to “theirs” meanwhile." in told(response)
    again = admin.post(PATHS["system"], {**sent, "seen": json.dumps(seen_in(response)), "system.location": "Hall 3"})
    assert again.status_code == 303
    now = load()
    assert (now["system.name"], now["system.location"], now["session.idle"]) == ("mine", "Hall 3", 30)


def test_a_change_is_written_down_and_its_worker_told(admin, live):
    bell = Bell("upslink")
    send(admin, PATHS["ups"], changed={"ups.address": "7"})
    assert bell.wait(0)
    bell.close()
    entry = written_down()[0]
    assert (entry.who, entry.address, entry.subject, entry.old, entry.new) == (
        "admin",
        "10.0.0.7",
        "ups.address",
        "1",
        "7",
    )


def test_flash_that_is_full(admin, live, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", no_room)
    response = send(admin, PATHS["ups"], changed={"ups.address": "7"})
    assert response.status_code == 503
    assert "Flash cannot be written (No space left on device)." in told(response)
    assert 'value="7"' in told(response)


def test_protocols_are_those_that_the_link_knows(admin, live):
    path = PATHS["ups"]
    assert '<input type="text" autocomplete="off" spellcheck="false" value="megatec" id="ups-protocol"' in told(
        admin.get(path)
    )
    live.publish("upslink.link", {PROTOCOLS: json.dumps({"megatec": "Megatec / Q1", "b": "B & C"})}, lifetime_s=5)
    assert '<option value="b">B & C</option>' in told(admin.get(path))
    assert send(admin, path, changed={"ups.protocol": "c"}).status_code == 422
    assert send(admin, path, changed={"ups.protocol": "b"}).status_code == 303
    live.publish("upslink.link", {PROTOCOLS: "[not json"}, lifetime_s=5)
    assert admin.get(path).status_code == 200


def test_a_variable_that_wins_is_named(admin, live, monkeypatch):
    monkeypatch.setenv("UPS_PROTOCOL", "invt-hr11")
    page = told(admin.get(PATHS["ups"]))
    assert "The variable UPS_PROTOCOL sets “invt-hr11” and wins over what is saved here." in page
    assert seen_in(admin.get(PATHS["ups"]))["ups.protocol"] == "megatec"


def test_the_time_zone_counts_at_once(admin, live):
    send(admin, PATHS["system"], changed={"system.zone": "Asia/Kathmandu"})
    page = told(admin.get("/"))
    assert re.search(r'id="clock" datetime="[^"]+\+05:45"', page)
    assert admin.get("/live?page=overview").headers["X-Clock"].endswith("+05:45")


@pytest.mark.parametrize("path", PATHS.values())
def test_readers_see_no_form_and_change_nothing(admin, reader, live, path):
    assert reader.get(path).status_code == 403
    assert "<form class" not in told(reader.get(path))
    assert reader.post(path, {"system.name": "x"}).status_code == 403
    assert path not in told(reader.get("/"))
    assert path in told(admin.get(path))
    assert not paths.settings_file().exists()


@pytest.mark.parametrize("path", PATHS.values())
def test_a_form_without_its_token_is_refused(admin, live, path):
    assert admin.request("POST", path, data={"system.name": "x"}).status_code == 400
    assert not paths.settings_file().exists()


def test_a_damaged_file_on_flash_is_not_shown_as_defaults(admin, live):
    change({"ups.battery.cells": "96"})
    paths.settings_file().write_bytes(b"\xff\xfe\0")
    assert seen_in(admin.get(PATHS["ups"]))["ups.battery.cells"] == "96"
    assert send(admin, PATHS["ups"], changed={"ups.address": "7"}).status_code == 303
    assert (load().problems, load()["ups.battery.cells"], load()["ups.address"]) == ((), 96, 7)
