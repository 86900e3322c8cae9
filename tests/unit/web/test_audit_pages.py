"""The audit record as administrators see it, and what is noted without anybody's doing."""

import csv
import io
import re
import socket

import pytest
from istars.platform import clock
from istars.settings import store
from istars.store.audit import Entry
from istars.web import audit
from web_browser import PASSWORD


def text(response):
    return response.get_data(as_text=True)


@pytest.fixture
def record(app):
    with app.app_context():
        return audit.record()


def add(record, subject="ups.protocol", **more):
    record.note(
        Entry(
            **{
                "at": clock.wall(),
                "who": "ann",
                "address": "10.0.0.7",
                "action": "settings changed",
                "subject": subject,
                **more,
            }
        )
    )


def noted(record):
    return [(each.who, each.address, each.action, each.subject, each.new) for each in record.every(None, "")][::-1]


def test_only_administrators_see_it(reader, accounts, browser, live):
    accounts.add_user("writer", PASSWORD, "write")
    writer = browser()
    writer.sign_in("writer")
    for who in (reader, writer):
        assert who.get("/assistant/audit").status_code == 403
        assert who.get("/assistant/audit.csv").status_code == 403


def test_sign_ins_refusals_and_sign_outs_are_noted(admin, browser, record, live):
    stranger = browser(address="10.9.9.9")
    stranger.sign_in(password="wrong wrong wrong")
    stranger.sign_in(name="my-password-in-the-wrong-field")
    admin.post("/logout")
    assert noted(record) == [
        ("admin", "10.0.0.7", "signed in", "user admin", ""),
        ("nobody signed in", "10.9.9.9", "sign-in refused", "user admin", "wrong password"),
        ("nobody signed in", "10.9.9.9", "sign-in refused", "an unknown user", "wrong password"),
        ("admin", "10.0.0.7", "signed out", "user admin", ""),
    ]


def test_day_text_and_pages(admin, record, live):
    before = clock.wall() - 90_000
    add(record, "yesterday", at=before)
    for number in range(120):
        add(record, f"option {number}", old="<b>1</b>", new="2")
    page = text(admin.get("/assistant/audit"))
    assert "option 119" in page
    assert "option 5<" not in page
    assert "<b>1</b>" not in page
    older = admin.get(re.search(r'href="(/assistant/audit\?before=\d+)"', page)[1])
    assert "option 5<" in text(older)
    assert "yesterday" in text(older)
    day = clock.local(before).date()
    assert "yesterday" in text(admin.get(f"/assistant/audit?day={day}"))
    assert "Nothing like this" in text(admin.get(f"/assistant/audit?day={day}&text=option 7"))
    assert text(admin.get("/assistant/audit?text=OPTION 77")).count("<li><time") == 1


@pytest.mark.parametrize(
    "query",
    ["day=2001-02-30", "day=<script>", "day=0001-01-01", "before=-1", "before=9" * 40, "text=%00", "text=" + "x" * 900],
)
def test_odd_queries_are_answered(admin, record, live, query):
    add(record)
    answer = admin.get(f"/assistant/audit?{query}")
    assert answer.status_code == 200
    assert "<script>" not in text(answer)
    assert ("Type the day" in text(answer)) is query.startswith("day")


def test_the_file_is_safe_for_spreadsheets(admin, record, live):
    add(record, "=cmd|' /C calc'!A0", old="@x", new="-1+1", who="+evil")
    rows = list(csv.reader(io.StringIO(admin.get("/assistant/audit.csv").data.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["time", "who", "from", "action", "subject", "old", "new", "id"]
    assert rows[1][1:7] == ["'+evil", "10.0.0.7", "settings changed", "'=cmd|' /C calc'!A0", "'@x", "'-1+1"]


def test_the_file_follows_day_and_text(admin, record, live):
    before = clock.wall() - 90_000
    add(record, "yesterday", at=before)
    add(record, "today")
    day = clock.local(before).date()
    answer = admin.get(f"/assistant/audit.csv?day={day}&text=ann")
    assert f"audit-{day}.csv" in answer.headers["Content-Disposition"]
    assert b"yesterday" in answer.data
    assert b"today" not in answer.data.replace(b"yesterday", b"")


def test_values_in_words(app, record):
    with app.test_request_context(environ_base={"REMOTE_ADDR": "10.0.0.3"}):
        audit.note("settings changed", "mail.password", new=audit.SECRET)
        audit.note("settings changed", "snmp.enabled", True, False)
        audit.note("settings changed", "many\nlines", None, 2.5, who="command line")
    entries = list(record.every(None, ""))[::-1]
    assert [(each.old, each.new) for each in entries] == [("", "changed"), ("on", "off"), ("", "2.5")]
    assert entries[2].subject == "many lines"
    assert entries[2].who == "command line"


def test_entries_go_to_the_syslog_server(app, record, monkeypatch):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        monkeypatch.setattr(audit, "SYSLOG_PORT", server.getsockname()[1])
        store.save({"audit.syslog.host": "127.0.0.1"})
        with app.test_request_context(environ_base={"REMOTE_ADDR": "10.0.0.3"}):
            audit.note("settings changed", "system.name", "UPS", "x' new='forged\nline")
        line = server.recv(2_000).decode()
    assert line.startswith("<85>1 20")
    assert (
        " istars - audit - who='nobody signed in' from='10.0.0.3' action='settings changed' subject='system.name'"
        in line
    )
    assert line.endswith("""old='UPS' new="x' new='forged line\"""")
    assert "\n" not in line


def test_a_syslog_server_that_is_not_there_stops_nothing(app, record, boottime, monkeypatch):
    asked = []

    def unknown(*words, **_):
        asked.append(words)
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    store.save({"audit.syslog.host": "no.such.host.invalid"})
    with app.test_request_context():
        for _ in range(3):
            audit.note("settings changed", "system.name")
        assert len(asked) == 1, "a silent name server must not delay every change"
        boottime.pass_s(audit.LOOK_UP_EVERY_S + 1)
        audit.note("settings changed", "system.name")
    assert len(asked) == 2
    assert len(list(record.every(None, ""))) == 4
