"""About: what it tells, and saving, restoring and resetting settings."""

import io
import re
import threading

import pytest
from card import until
from istars import settings
from istars.platform import clock, paths
from istars.settings import csvfile, store
from istars.store.archive import Archive, Event
from istars.workers.core import Core
from web_browser import PASSWORD
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

HEAD = "key,value,explanation\nformat,2,of this file\n"


def text(response):
    return response.get_data(as_text=True)


def upload(who, content, phrase=""):
    """Send a file as a browser does; not by the client's own means, which leave a large one open."""
    content = content.encode() if isinstance(content, str) else content
    file = FileStorage(io.BytesIO(content), "system_config.csv")
    boundary, body = encode_multipart({"csrf_token": who.token, "passphrase": phrase, "file": file})
    form = f'multipart/form-data; boundary="{boundary}"'
    return who.request("POST", "/assistant/about/restore", data=body, content_type=form)


def blob(response):
    return re.search(r'name="blob" value="([^"]+)"', text(response))[1]


def noted(app):
    return [
        (entry.who, entry.action, entry.subject, entry.old, entry.new)
        for entry in app.extensions["istars.audit"].every(None, "")
    ][::-1]


def test_everybody_sees_the_card_and_only_administrators_the_forms(reader, admin, live):
    for who, sees in ((reader, False), (admin, True)):
        page = text(who.get("/assistant/about"))
        assert "Running for" in page
        assert "Host name" in page
        assert ("Restore settings" in page) is sees
        assert ("Audit record" in page) is sees


@pytest.mark.parametrize("path", ["/assistant/about/system_config.csv", "/assistant/about/reset"])
def test_readers_do_not_save_nor_reset(reader, live, path):
    assert reader.get(path).status_code == 403


def test_saved_settings_restore_to_the_same(admin, live):
    store.save({"system.name": "UPS-A", "system.location": "=1+1"})
    saved = admin.get("/assistant/about/system_config.csv")
    assert saved.headers["Content-Disposition"] == 'attachment; filename="system_config.csv"'
    assert b"UPS-A" in saved.data
    store.save({"system.name": "other", "system.location": ""})
    admin.get("/assistant/about")
    shown = upload(admin, saved.data)
    assert "Restore 2 settings?" in text(shown)
    assert settings.load()["system.name"] == "other", "looking changes nothing"
    assert admin.post("/assistant/about/restore/apply", {"blob": blob(shown)}).status_code == 303
    assert settings.load()["system.name"] == "UPS-A"
    assert settings.load()["system.location"] == "=1+1"
    assert admin.get("/assistant/about/system_config.csv").data == saved.data


def test_what_was_restored_is_noted(app, admin, live):
    admin.get("/assistant/about")
    shown = upload(admin, HEAD + "system.name,UPS-A\nend,1\n")
    admin.post("/assistant/about/restore/apply", {"blob": blob(shown)})
    assert ("admin", "settings restored", "system.name", "UPS", "UPS-A") in noted(app)
    assert [event.code for event in live.pending_events()] == ["SETTINGS_RESTORED"]


def test_each_error_names_its_line_and_nothing_changes(admin, live):
    before = dict(settings.load())
    answer = upload(admin, HEAD + "system.name,\nsystem.location,fine\nsession.idle,<script>\nend,3\n")
    assert answer.status_code == 422
    assert "line 3: system.name" in text(answer)
    assert "line 5: session.idle" in text(answer)
    assert "<script>&" not in text(answer)
    assert "&lt;script&gt;" in text(answer)
    assert dict(settings.load()) == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "Choose the file"),
        (b"\xff\xfek\x00e\x00y\x00", "UTF-16"),
        (b"\x00\x01\x02", "line 1"),
        (b"key,value\nformat,99,\n", "newer"),
        ((HEAD + "system.name,UPS-A\n").encode(), "cut off"),
        ((HEAD + "system.name,a\nsystem.name,b\nend,2\n").encode(), "second time"),
    ],
)
def test_files_that_are_none(admin, live, content, words):
    answer = upload(admin, content)
    assert answer.status_code == 422
    assert words in text(answer)


def test_a_file_of_ten_thousand_lines_is_examined(admin, live):
    refused = upload(admin, HEAD + "system.location," + "x" * 50 + "\n" + "session.idle,1\n" * 10_000)
    assert refused.status_code == 422
    assert "line 5: session.idle stands here a second time, first in line 4" in text(refused)
    assert "and 9900 more" in text(refused)
    foreign = "".join(f"ups.of.the.future.{number},{'x' * 60},\n" for number in range(10_000))
    shown = upload(admin, f"{HEAD}system.name,UPS-A\n{foreign}end,10001\n")
    assert "and 9980 more" in text(shown)
    assert admin.post("/assistant/about/restore/apply", {"blob": blob(shown)}).status_code == 303
    assert settings.load()["system.name"] == "UPS-A"


def test_a_file_larger_than_any_and_a_large_body_elsewhere_are_refused(admin, live):
    assert upload(admin, b"x" * (csvfile.SIZE_LIMIT + 1)).status_code == 422
    answer = upload(admin, b"x" * (csvfile.SIZE_LIMIT + 100_000))
    assert answer.status_code == 413
    assert "larger than 2112 kB" in text(answer)
    assert admin.post("/assistant/about/restore/apply", {"blob": "x" * 70_000}).status_code == 413


def test_strangers_and_readers_send_no_large_files(browser, reader, live):
    big = {"data": b"x" * 500_000, "content_type": "text/csv"}
    assert reader.request("POST", "/assistant/about/restore", **big).status_code == 403
    assert browser().request("POST", "/assistant/about/restore", **big).status_code == 302
    assert browser().request("POST", "/login", **big).status_code == 413


# with secrets

PHRASE = "five tall yellow ladders"
SECRET = "radius.secret"


def with_secrets(admin, phrase=PHRASE, repeated=PHRASE):
    admin.get("/assistant/about")
    return admin.post("/assistant/about/system_config.csv", {"passphrase": phrase, "repeated": repeated})


def test_secrets_are_saved_with_a_passphrase_and_restored_with_it(app, admin, live):
    store.save({SECRET: "hush-hush", "system.name": "UPS-A"})
    assert b"hush" not in admin.get("/assistant/about/system_config.csv").data
    saved = with_secrets(admin)
    assert saved.headers["Content-Disposition"] == 'attachment; filename="system_config.csv"'
    assert b"hush" not in saved.data
    assert noted(app)[-1][1] == "settings saved with secrets"
    store.save({SECRET: "", "system.name": "other"})
    shown = upload(admin, saved.data, PHRASE)
    assert "Restore 2 settings?" in text(shown)
    assert "hush" not in text(shown)
    assert admin.post("/assistant/about/restore/apply", {"blob": blob(shown)}).status_code == 303
    assert (settings.load()[SECRET], settings.load()["system.name"]) == ("hush-hush", "UPS-A")
    assert ("admin", "settings restored", SECRET, "", "changed") in noted(app)
    assert "hush" not in str(noted(app))


def test_a_wrong_passphrase_says_so_and_without_one_the_secrets_are_passed_over(admin, live):
    store.save({SECRET: "hush-hush", "system.name": "UPS-A"})
    saved = with_secrets(admin).data
    store.save({SECRET: "mine", "system.name": "other"})
    refused = upload(admin, saved, PHRASE + "!")
    assert refused.status_code == 422
    assert "the passphrase is wrong, or the encrypted secrets were changed" in text(refused)
    shown = upload(admin, saved, "")
    assert "passed over, because no passphrase was typed" in text(shown)
    admin.post("/assistant/about/restore/apply", {"blob": blob(shown)})
    assert (settings.load()[SECRET], settings.load()["system.name"]) == ("mine", "UPS-A")


@pytest.mark.parametrize(
    ("phrase", "repeated", "words"),
    [("", "", "Type a passphrase"), ("short", "short", "12 to 1024"), (PHRASE, "x", "not the same")],
)
def test_a_passphrase_that_is_none(admin, live, phrase, repeated, words):
    answer = with_secrets(admin, phrase, repeated)
    assert (answer.status_code, answer.mimetype) == (422, "text/html")
    assert words in text(answer)


def test_without_openssl_no_secret_is_saved_and_the_page_says_why(admin, live, monkeypatch):
    monkeypatch.setattr("istars.platform.openssl.PROGRAM", "openssl-that-is-not-there")
    answer = with_secrets(admin)
    assert answer.status_code == 503
    assert re.search(r"The secrets cannot be encrypted: the program openssl\S* is not installed\.", text(answer))


def test_only_administrators_save_secrets(browser, accounts, live):
    accounts.add_user("wilma", PASSWORD, "write")
    writer = browser()
    writer.sign_in("wilma")
    writer.get("/password")
    assert with_secrets(writer).status_code == 403


def test_unknown_keys_are_told_and_passed_over(admin, live):
    shown = upload(admin, HEAD + "system.name,UPS-A\nups.from.mars,7\nend,2\n")
    assert "ups.from.mars" in text(shown)
    admin.post("/assistant/about/restore/apply", {"blob": blob(shown)})
    assert settings.load()["system.name"] == "UPS-A"


def test_a_comparison_is_good_for_one_session_only(admin, browser, accounts, live):
    shown = upload(admin, HEAD + "system.name,UPS-A\nend,1\n")
    accounts.add_user("second", PASSWORD, "administrator")
    other = browser()
    other.sign_in("second")
    other.get("/assistant/about")
    assert other.post("/assistant/about/restore/apply", {"blob": blob(shown)}).status_code == 422
    assert admin.post("/assistant/about/restore/apply", {"blob": blob(shown)[:-3] + "xyz"}).status_code == 422
    assert admin.post("/assistant/about/restore/apply", {}).status_code == 422
    assert settings.load()["system.name"] == "UPS"


def test_what_is_applied_is_what_was_shown(admin, live):
    shown = upload(admin, HEAD + "system.name,UPS-A\nend,1\n")
    store.save({"system.location": "moved meanwhile"})
    again = admin.post("/assistant/about/restore/apply", {"blob": blob(shown)})
    assert "changed meanwhile" in text(again)
    assert settings.load()["system.name"] == "UPS"
    assert admin.post("/assistant/about/restore/apply", {"blob": blob(again)}).status_code == 303
    assert settings.load()["system.name"] == "UPS-A"


def test_a_full_flash_changes_nothing(admin, live, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    shown = upload(admin, HEAD + "system.name,UPS-A\nend,1\n")
    monkeypatch.setattr("istars.platform.files.replace", full)
    answer = admin.post("/assistant/about/restore/apply", {"blob": blob(shown)})
    assert answer.status_code == 503
    assert "No space left" in text(answer)
    answer = admin.post("/assistant/about/reset", {"name": "UPS"})
    monkeypatch.undo()
    assert settings.load()["system.name"] == "UPS"


# reset


@pytest.fixture
def used(live):
    """A card that was set up and has seen something."""
    store.save({"system.name": "UPS-A", "session.idle": "7"})
    with Archive(paths.archive_db()) as archive:
        archive.append([Event(0, "k", clock.wall(), "CARD_STARTED", "event", "information", {"version": "1"})], [])


def events():
    with Archive(paths.archive_db(), readonly=True) as archive:
        return len(archive.events())


def test_a_reset_says_what_happens_and_asks_for_the_name(admin, used):
    page = text(admin.get("/assistant/about/reset"))
    assert "2 settings differ" in page
    assert "Users, API tokens, the certificate and the audit record stay" in page
    for name in ("", "UPS", "ups-a"):
        answer = admin.post("/assistant/about/reset", {"name": name, "records": "clear"})
        assert answer.status_code == 422
    assert settings.load()["system.name"] == "UPS-A"
    assert events() == 1


@pytest.fixture
def core(live, used):
    """The core at work, as it is beside the pages."""
    worker = Core()
    worker.begin()
    ended = threading.Event()

    def work():
        while not ended.wait(0.01):
            worker.turn()

    thread = threading.Thread(target=work)
    thread.start()
    yield worker
    ended.set()
    thread.join()
    worker.recorder.close()
    worker.historian.close()
    worker.live.close()


def keys_and_codes():
    with Archive(paths.archive_db(), readonly=True) as archive:
        return [(event.key, event.code) for event in archive.events()]


@pytest.mark.parametrize(("choice", "kept"), [("keep", True), ("clear", False), ("", True)])
def test_a_reset_keeps_or_clears_the_records(app, admin, core, choice, kept):
    admin.get("/assistant/about/reset")
    assert admin.post("/assistant/about/reset", {"name": "UPS-A", "records": choice}).status_code == 303
    assert settings.load()["system.name"] == "UPS"
    assert settings.load()["session.idle"] == 15
    until(lambda: "FACTORY_RESET" in [code for _, code in keys_and_codes()], "the reset is an event")
    assert (("k", "CARD_STARTED") in keys_and_codes()) is kept
    assert ("admin", "settings reset", "system.name", "UPS-A", "UPS") in noted(app)
    assert noted(app)[-1][1] == "reset to factory settings"
    assert admin.get("/assistant/about").status_code == 200, "the session goes on"


def test_a_record_that_nobody_clears_is_said(admin, used, monkeypatch):
    monkeypatch.setattr("istars.web.pages.about.CLEAR_S", 0.05)
    assert admin.post("/assistant/about/reset", {"name": "UPS-A", "records": "clear"}).status_code == 303
    assert "The records could not be cleared." in text(admin.get("/assistant/about"))
    assert events() == 1
