"""Options that only administrators change: refused by page and API with their name and the reason, whoever asks."""

import html
import json
import re

import pytest
from istars.platform import paths
from istars.settings import load
from istars.settings.field import Type
from istars.settings.groups import FIELDS
from istars.settings.store import change
from istars.web.pages.settings import PLACES
from other_values import DISTINCT, OTHERS, written_down
from web_browser import PASSWORD

ALL = "/api/v1/settings"
CLOSED = [key for key, declared in FIELDS.items() if declared.administrator]
WHY = "only an administrator may change this"
MIXED = [
    (place.path, field.key)
    for place in PLACES.values()
    if place.permission == "write"
    for field in place.group.fields
    if field.administrator
]


@pytest.fixture
def writer(browser, accounts):
    """A browser in which somebody is signed in who may write."""
    accounts.add_user("wilma", PASSWORD, "write")
    made = browser(address="10.0.0.9")
    assert made.sign_in("wilma").status_code == 303
    made.get("/password")
    return made


def told(response):
    return html.unescape(response.get_data(as_text=True))


def form_of(page):
    """What a browser would send of the form on a page, and what the form remembers."""
    shown = json.loads(html.unescape(re.search(r'name="seen" value="([^"]*)"', page.get_data(as_text=True))[1]))
    open_keys = {key: text for key, text in shown.items() if not FIELDS[key].administrator and text != "off"}
    return {"seen": json.dumps(shown), **open_keys}


def test_what_guards_the_card_is_for_administrators():
    assert {"web.http", "web.hsts", "audit.syslog.host", "session.idle"} <= set(CLOSED)
    assert MIXED


@pytest.mark.thorough
@pytest.mark.parametrize("key", DISTINCT)
def test_the_api_refuses_each_of_them_to_those_who_may_only_write(bearer, live, key):
    change({other: text for other, text in OTHERS.items() if other.startswith("limit.") and other != key})
    before = paths.settings_file().read_bytes()
    value = FIELDS[key].parse(OTHERS[key])
    for method, path, body in (
        ("PATCH", ALL, {"settings": {key: value}}),
        ("PUT", f"{ALL}/{key}", {"value": value}),
    ):
        answer = bearer(method, path, "write", json=body)
        if key in CLOSED:
            assert (answer.status_code, answer.json["error"], answer.json["field"]) == (403, "forbidden", key)
            assert answer.json["fields"] == {key: WHY}
            assert paths.settings_file().read_bytes() == before
            entry = written_down()[0]
            assert (entry.action, entry.subject) == ("change refused", key)
        else:
            assert answer.status_code == 200, answer.json
    described = bearer("GET", f"{ALL}/{key}", "write").json
    assert described["administrator"] is (key in CLOSED)


def test_all_of_them_sent_back_unchanged_are_no_change(bearer, live):
    body = bearer("GET", ALL, "write").json
    assert bearer("PUT", ALL, "write", json=body).json["changed"] == []
    body["settings"]["web.hsts"] = True
    body["settings"]["system.name"] = "UPS-A"
    assert bearer("PUT", ALL, "write", json=body).json["fields"] == {"web.hsts": WHY}
    assert load()["system.name"] == "UPS"


def test_a_secret_is_refused_whether_it_was_guessed_or_not(bearer, live):
    secret = next(key for key in CLOSED if FIELDS[key].type is Type.SECRET)
    change({secret: "the right one"})
    for guess in ("the right one", "another one"):
        assert bearer("PATCH", ALL, "write", json={"settings": {secret: guess}}).status_code == 403


@pytest.mark.parametrize(("path", "key"), MIXED)
def test_a_page_shows_them_closed_and_refuses_them(writer, live, path, key):
    page = writer.get(path)
    field = key.replace(".", "-")
    assert re.search(rf'id="{field}" name="{re.escape(key)}"[^>]* disabled', page.get_data(as_text=True))
    assert "Only an administrator may change this." in told(page)
    other = "" if OTHERS[key] == "off" else OTHERS[key]
    refused = writer.post(path, {**form_of(page), key: other})
    assert refused.status_code == 422
    assert "Only an administrator may change this." in told(refused)
    assert f'<a href="#{field}">{FIELDS[key].label}</a>' in told(refused)
    assert not paths.settings_file().exists()


def test_the_others_on_such_a_page_are_saved_and_the_closed_ones_stay(writer, live):
    switches = {key: OTHERS[key] for _, key in MIXED}
    change(switches)
    page = writer.get("/settings/system")
    assert writer.post("/settings/system", {**form_of(page), "system.name": "UPS-A"}).status_code == 303
    now = load()
    assert now["system.name"] == "UPS-A"
    assert {key: FIELDS[key].format(now[key]) for key in switches} == switches
    wrong = writer.post("/settings/system", {**form_of(writer.get("/settings/system")), "system.name": ""})
    assert wrong.status_code == 422
    assert f'value="{switches["audit.syslog.host"]}"' in told(wrong)


def test_pages_of_nothing_else_are_for_administrators_alone(writer, admin, live):
    closed = [place.path for place in PLACES.values() if place.permission == "administrator"]
    assert closed
    for path in closed:
        assert writer.get(path).status_code == 403
        assert path not in told(writer.get("/settings/system"))
        assert path in told(admin.get("/settings/system"))
