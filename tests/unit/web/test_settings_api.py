"""Settings for programs, and the description of the API."""

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from istars.platform import files, paths
from istars.settings import load
from istars.settings.field import NUMBERS, Type
from istars.settings.groups import FIELDS
from istars.settings.store import change
from istars.web.openapi import document
from other_values import DISTINCT, OTHERS, written_down

ALL = "/api/v1/settings"


@pytest.fixture
def ask(bearer, live):
    return lambda method, path=ALL, **more: bearer(method, path, "administrator", **more)


def as_json(key):
    """The other value of an option as JSON has it."""
    return FIELDS[key].parse(OTHERS[key])


def shown(key, value):
    """What the API tells of a value: nothing of a secret."""
    return None if FIELDS[key].secret else value


def test_all_settings(ask):
    answer = ask("GET")
    assert answer.status_code == 200
    assert answer.json["settings"] == {
        key: None if declared.secret else declared.default for key, declared in FIELDS.items()
    }
    assert isinstance(answer.json["settings"]["ups.link.timeout"], float)


@pytest.mark.thorough
@pytest.mark.parametrize("key", DISTINCT)
def test_every_option_is_described_and_changed(ask, key):
    change({other: text for other, text in OTHERS.items() if other.startswith("limit.") and other != key})
    described = ask("GET", f"{ALL}/{key}").json
    declared = FIELDS[key]
    shown = None if declared.secret else declared.default
    assert (described["key"], described["value"], described["type"]) == (key, shown, declared.type.value)
    assert described["stored"] is not declared.secret
    assert described["label"] == declared.label
    answer = ask("PATCH", json={"settings": {key: as_json(key)}})
    assert (answer.status_code, answer.json["changed"]) == (200, [key]), answer.json
    assert answer.json["settings"][key] == (None if declared.secret else as_json(key))
    assert load()[key] == as_json(key)
    again = ask("PUT", f"{ALL}/{key}", json={"value": as_json(key)})
    assert (again.status_code, again.json["changed"]) == (200, [])


@pytest.mark.thorough
@pytest.mark.parametrize("key", DISTINCT)
def test_every_option_refuses_what_is_wrong(ask, key):
    wrong = [[], {}, "a\0b", "x" * 300, "\ud800"]
    # null leaves a secret as it is
    wrong += [] if FIELDS[key].secret else [None]
    wrong += ["1", True, 1e300] if FIELDS[key].type in NUMBERS else [1, 1.5]
    wrong += ["on"] if FIELDS[key].type is Type.SWITCH else [False]
    for value in wrong:
        answer = ask("PATCH", json={"settings": {key: value}})
        assert (answer.status_code, answer.json["error"], answer.json["field"]) == (400, "bad-setting", key)
        assert set(answer.json["fields"]) == {key}
        assert answer.json["message"].startswith(f"{key}: ")
    assert not paths.settings_file().exists()


def test_all_or_nothing_with_every_reason(ask):
    answer = ask("PATCH", json={"settings": {"ups.address": 0, "system.name": "", "no.such": 1, "session.idle": 30}})
    assert answer.status_code == 400
    assert answer.json["fields"] == {
        "ups.address": "must be between 1 and 247 , not 0".replace(" ,", ","),
        "system.name": "must not be empty",
        "no.such": "there is no option of this name",
    }
    assert load()["session.idle"] == 15
    order = ask("PATCH", json={"settings": {"limit.load.over": 70}})
    assert order.json["fields"] == {"limit.load.over": "must be more than “High load”, which is 80"}


def test_put_is_for_all_of_them(ask):
    answer = ask("PUT", json={"settings": {"system.name": "A"}})
    assert answer.status_code == 400
    assert answer.json["fields"]["ups.address"] == "is missing"
    whole = ask("GET").json["settings"]
    answer = ask("PUT", json={"settings": {**whole, "system.name": "A"}})
    assert (answer.status_code, answer.json["changed"]) == (200, ["system.name"])
    assert ask("PUT", json=ask("GET").json).json["changed"] == []


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[",
        "[]",
        "null",
        "5",
        '"x"',
        "{}",
        '{"settings": []}',
        '{"value": 1, "x": 2}',
        "[" * 60_000,
        "\xff",
        '{"a":' * 9_000,
    ],
)
@pytest.mark.parametrize(("method", "path"), [("PATCH", ALL), ("PUT", ALL), ("PUT", f"{ALL}/ups.address")])
def test_a_body_that_is_none(ask, method, path, body):
    answer = ask(method, path, data=body.encode("latin-1"))
    assert (answer.status_code, answer.json["error"]) == (400, "bad-body")


NAMES = st.one_of(st.sampled_from(sorted(FIELDS)), st.text(max_size=8))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=80))
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(NAMES, inner)), max_leaves=5
)


@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_values=st.dictionaries(NAMES, ANYTHING, max_size=3), key=NAMES)
def test_nothing_that_is_sent_is_an_error_of_the_card(app, accounts, live, given_values, key):
    if not accounts.list_tokens():
        app.extensions["token of this test"] = accounts.create_token("fuzz", "administrator")
    headers = {"Authorization": f"Bearer {app.extensions['token of this test']}"}
    client = app.test_client()
    before = load()
    answer = client.patch(ALL, json={"settings": given_values}, headers=headers)
    assert answer.status_code in (200, 400), answer.json
    if answer.status_code == 400 and given_values:
        assert set(answer.json["fields"]) <= {name[:80] for name in given_values}
        assert dict(load()) == dict(before)
    one = client.put(f"{ALL}/{quote(key, safe='')}", json={"value": given_values}, headers=headers)
    assert one.status_code in (200, 400, 404, 405), one.json


def test_unknown_and_large(ask):
    for method in ("GET", "PUT"):
        answer = ask(method, f"{ALL}/no.such", json={"value": 1})
        assert (answer.status_code, answer.json["error"]) == (404, "unknown-name")
    assert ask("PATCH", json={"settings": {"system.name": "x" * 70_000}}).status_code == 413


def test_readers_and_strangers(bearer, live, app):
    for method, path in (
        ("GET", ALL),
        ("PATCH", ALL),
        ("PUT", ALL),
        ("GET", f"{ALL}/ups.address"),
        ("PUT", f"{ALL}/ups.address"),
    ):
        assert bearer(method, path, "read", json={"settings": {}}).status_code == 403
        assert app.test_client().open(path, method=method).status_code == 401


def test_a_browser_needs_the_token_of_its_page(admin, live):
    assert admin.request("PATCH", ALL, json={"settings": {"system.name": "A"}}).status_code == 400
    headers = {"X-CSRFToken": admin.token}
    assert admin.request("PATCH", ALL, json={"settings": {"system.name": "A"}}, headers=headers).status_code == 200


def test_it_is_written_down(ask):
    ask("PATCH", json={"settings": {"system.name": "A"}})
    entry = written_down()[0]
    assert (entry.who, entry.subject, entry.new) == ("token t0", "system.name", "A")


def test_flash_that_is_full(ask, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", no_room)
    answer = ask("PATCH", json={"settings": {"ups.address": 7}})
    assert (answer.status_code, answer.json["error"]) == (503, "not-saved")
    assert "No space left" in answer.json["message"]


# the description


def test_every_route_of_the_api_is_described_and_no_other(app):
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    described = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert described == routes


def test_the_description_is_served_and_closed_in_itself(bearer, app, live):
    answer = bearer("GET", "/api/v1/openapi.json")
    assert answer.status_code == 200
    assert answer.json["openapi"] == "3.1.0"
    text = json.dumps(answer.json)
    for name in re.findall(r'"#/components/schemas/(\w+)"', text):
        assert name in answer.json["components"]["schemas"]
    assert app.test_client().get("/api/v1/openapi.json").status_code == 401


def checked(schema, value, where="$"):
    """Whether a value has the form that the description gives, for the words of JSON schema that it uses."""
    if "$ref" in schema:
        return checked(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], value, where)
    if "anyOf" in schema:
        return any(checked(each, value, where) for each in schema["anyOf"])
    kinds = schema.get("type", [])
    meant = {
        "string": str,
        "number": (int, float),
        "integer": int,
        "boolean": bool,
        "null": type(None),
        "array": list,
        "object": dict,
    }
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if isinstance(value, meant[kind]) and not (isinstance(value, bool) and kind in ("number", "integer")):
            break
    else:
        if kinds:
            return False
    if isinstance(value, list):
        return all(checked(schema.get("items", {}), each, where) for each in value)
    if isinstance(value, dict) and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value), where
        assert set(value) <= set(schema["properties"]), where
        for name, each in value.items():
            assert checked(schema["properties"][name], each, f"{where}.{name}"), f"{where}.{name}: {each!r}"
    return "enum" not in schema or value in schema["enum"]


def test_answers_have_the_form_that_is_described(ask, live):
    live.publish("upslink", {"ups.load": 38, "ups.status": "OL"}, lifetime_s=10)
    paths_of = document()["paths"]
    for path, methods in paths_of.items():
        content = methods["get"]["responses"]["200"]["content"] if "get" in methods else {}
        if "application/json" in content and path != "/api/v1/openapi.json":
            query = "?name=ups.load" if path.endswith("/history") else ""
            answer = ask("GET", path.replace("{key}", "ups.address") + query)
            assert checked(content["application/json"]["schema"], answer.json), path
    error = ask("PATCH", json={"settings": {"ups.address": 0}})
    assert checked(document()["components"]["schemas"]["Error"], error.json)
    saved = ask("PATCH", json={"settings": {"ups.address": 7}})
    assert checked(document()["components"]["schemas"]["Saved"], saved.json)
