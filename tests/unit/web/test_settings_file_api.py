"""A file of settings by the API: the checks of the page, errors by line, all or nothing; and bodies that are ambiguous."""

import pytest
from istars.platform import files, paths
from istars.settings import csvfile, exchange, load
from istars.settings.store import change
from istars.store.wake import Bell
from other_values import OTHERS, written_down
from web_browser import PASSWORD

FILE = "/api/v1/settings/file"
ALL = "/api/v1/settings"
HEAD = "key,value,explanation\nformat,2,of this file\n"


@pytest.fixture
def ask(bearer, live):
    return lambda method, path=FILE, **more: bearer(method, path, "administrator", **more)


def put(ask, content, path=FILE):
    content = content.encode() if isinstance(content, str) else content
    return ask("PUT", path, data=content, content_type="text/csv")


def test_what_was_taken_comes_back_without_secrets(ask):
    change(OTHERS)
    saved = ask("GET")
    assert (saved.status_code, saved.mimetype) == (200, "text/csv")
    assert saved.get_data(as_text=True) == csvfile.dump(load(), secrets=False)
    change({"system.name": "other", "radius.secret": "mine"})
    answer = put(ask, saved.data)
    assert answer.json == {
        "changes": [{"key": "system.name", "old": "other", "new": OTHERS["system.name"]}],
        "unknown": [],
        "sealed": False,
    }
    assert (load()["system.name"], load()["radius.secret"]) == (OTHERS["system.name"], "mine")


def test_a_look_changes_nothing(ask):
    content = HEAD + "system.name,UPS-A\nfrom.the.future,1\nend,2\n"
    looked = put(ask, content, FILE + "?look=1")
    assert looked.json["changes"] == [{"key": "system.name", "old": "UPS", "new": "UPS-A"}]
    assert looked.json["unknown"] == ["from.the.future"]
    assert not paths.settings_file().exists()
    assert put(ask, content, FILE + "?look=0").json == looked.json
    assert load()["system.name"] == "UPS-A"
    assert put(ask, content, FILE + "?look=yes").json["field"] == "look"


def test_a_file_is_written_down_told_to_its_workers_and_an_event(ask, live):
    bell = Bell("upslink")
    put(ask, HEAD + "ups.address,7\nend,1\n")
    assert bell.wait(0)
    bell.close()
    newest = written_down()[0]
    assert (newest.action, newest.subject, newest.old, newest.new) == ("settings restored", "ups.address", "1", "7")
    assert [event.code for event in live.pending_events()] == ["SETTINGS_RESTORED"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "line 1: must be key,value,explanation"),
        (HEAD.encode("utf-16"), "the file is UTF-16 text; save it as CSV in UTF-8"),
        (b"key,value\nformat,99\nend\n", "line 2: format '99' is not known to this firmware: the file was made by a newer one"),
        (HEAD + "system.name,UPS-A\n", "the end line is missing: the file is cut off"),
        (HEAD + "ups.address,1\nups.address,2\nend,2\n", "line 4: ups.address stands here a second time, first in line 3"),
        (HEAD + "ups.address,=1+1\nend,1\n", "line 3: ups.address: '=1+1' is not a whole number"),
        (HEAD + "system.name,a\0b\nend,1\n", "line 3: system.name: must be one line of text; character 2 is a null byte"),
    ],
)  # fmt: skip
def test_a_file_that_is_none_changes_nothing(ask, content, line):
    change({"system.name": "as it was"})
    before = paths.settings_file().read_bytes()
    for path in (FILE, FILE + "?look=1"):
        answer = put(ask, content, path)
        assert (answer.status_code, answer.json["error"]) == (400, "bad-file")
        assert answer.json["lines"][0] == line
        assert line[5:] in answer.json["message"]
    assert paths.settings_file().read_bytes() == before


def test_ten_thousand_lines_are_examined_and_more_than_any_are_not(ask):
    answer = put(ask, HEAD + "ups.address,7\n" * 10_000 + "end\n")
    assert len(answer.json["lines"]) == csvfile.ERROR_LIMIT + 1
    assert answer.json["lines"][-1] == "and 9899 more"
    assert put(ask, b"x" * csvfile.SIZE_LIMIT).status_code == 400
    assert put(ask, b"x" * (csvfile.SIZE_LIMIT + 1)).status_code == 413
    assert ask("PATCH", ALL, data=b" " * 70_000).status_code == 413


def test_secrets_of_a_file_are_passed_over(ask):
    change({"radius.secret": "hush", "system.name": "UPS-A"})
    content = exchange.export(load(), "five tall yellow ladders")
    change({"radius.secret": "mine", "system.name": "UPS"})
    answer = put(ask, content)
    assert (answer.json["sealed"], [each["key"] for each in answer.json["changes"]]) == (True, ["system.name"])
    assert load()["radius.secret"] == "mine"


def test_a_full_flash(ask, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    answer = put(ask, HEAD + "system.name,UPS-A\nend,1\n")
    assert (answer.status_code, answer.json["error"]) == (503, "not-saved")


def test_only_administrators_have_it(bearer, browser, accounts, live):
    for permission in ("read", "write"):
        for method in ("GET", "PUT"):
            assert bearer(method, FILE, permission, data=HEAD).status_code == 403
    accounts.set_password("admin", PASSWORD)
    admin = browser()
    admin.sign_in()
    admin.get("/password")
    content = HEAD + "system.name,UPS-A\nend,1\n"
    assert admin.request("PUT", FILE, data=content).status_code == 400, "a browser needs the token of its page"
    answer = admin.request("PUT", FILE, data=content, headers={"X-CSRFToken": admin.token}, content_type="text/csv")
    assert answer.status_code == 200


def test_a_name_that_stands_twice_in_a_body_is_refused(ask):
    for method, path, body, name in (
        ("PATCH", ALL, b'{"settings": {"ups.address": 7, "ups.address": 8}}', "ups.address"),
        ("PATCH", ALL, b'{"settings": {}, "settings": {"ups.address": 8}}', "settings"),
        ("PUT", f"{ALL}/ups.address", b'{"value": 7, "value": 8}', "value"),
    ):
        answer = ask(method, path, data=body)
        assert (answer.status_code, answer.json["error"], answer.json["field"]) == (400, "bad-body", name)
        assert answer.json["message"] == f"{name} stands in the body twice."
    utf16 = ask("PATCH", ALL, data='{"settings": {"ups.address": 7}}'.encode("utf-16"))
    assert (utf16.status_code, utf16.json["error"]) == (400, "bad-body")
    assert not paths.settings_file().exists()
