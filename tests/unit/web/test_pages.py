"""The pages as a browser without a script gets them."""

import csv
import gzip
import io
import re
import threading
from datetime import date, timedelta
from html.parser import HTMLParser
from pathlib import Path

import istars.web
import pytest
from istars.platform import clock, paths
from istars.store import table_file
from istars.store.archive import Archive, Event
from istars.store.live import LiveTable
from istars.store.live_alarms import LiveAlarm, Step
from istars.web.pages import alarms, events
from web_facts import LINK, MAINS

WEB = Path(istars.web.__file__).parent
TODAY = date(2026, 11, 20)


def publish(live, **changed):
    values = {**MAINS, **LINK, **{name.replace("_", "."): value for name, value in changed.items()}}
    live.publish("upslink", values, lifetime_s=60.0, estimated=("battery.charge",))


def raise_alarm(live, code="ON_BATTERY", severity="warning", key="one", **more):
    alarm = LiveAlarm(key, code, severity, clock.wall() - 192, clock.boottime() - 192, clock.boot_id(), **more)
    live.apply(Step(raised=[alarm]))
    return alarm


def event(number, at=None, code="ON_BATTERY", kind="raise", severity="warning", lasted=None, **args):
    at = clock.wall() - 1000 + number if at is None else at
    return Event(0, f"event-{number}", at, code, kind, severity, args, None, lasted)


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    """The card's wall clock begins at noon: no test runs into midnight."""
    behind = clock.day_limits(TODAY)[0] + 12 * 3600 - clock.boottime()
    monkeypatch.setattr(clock, "wall", lambda: clock.boottime() + behind)


@pytest.fixture
def record(card):
    """Writes events to flash."""
    archive = Archive(paths.archive_db())
    yield lambda *given: archive.append(given, [])
    archive.close()


class Document(HTMLParser):
    """What every page must be."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.problems, self.icons = [], [], set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.problems.append(f"{name} on {tag}")
            if name in ("src", "href", "action") and value and re.match(r"https?:|//", value):
                self.problems.append(f"{tag} leads to {value}")
            if name == "id":
                self.ids.append(value)
            if tag == "use" and name == "href":
                self.icons.add(value[1:])
        names = dict(attrs)
        if tag == "style" or (tag == "script" and "src" not in names):
            self.problems.append(f"inline {tag}")


def text_of(response):
    assert response.status_code == 200
    return response.get_data(as_text=True)


# all pages


@pytest.mark.parametrize("path", ["/", "/alarms", "/records/events", "/records/events?day=x"])
def test_pages_hold_nothing_inline_and_no_id_twice(admin, live, record, path):
    publish(live)
    raise_alarm(live)
    record(event(1))
    page = Document(text_of(admin.get(path)))
    assert page.problems == []
    assert len(page.ids) == len(set(page.ids))
    assert page.icons <= set(page.ids)


def test_only_icons_that_are_used_are_shipped():
    templates = {path.name: path.read_text() for path in (WEB / "templates").glob("*.html")}
    shipped = set(re.findall(r'<symbol id="i-(\w+)"', templates.pop("_icons.html")))
    everything = " ".join(templates.values())
    words = set(re.findall(r"'(\w+)'", everything)) | {"ok", "info", "warn", "crit", "none"}
    assert shipped <= words


def test_style_and_script_stay_small():
    shared = (WEB / "static" / "ui.css").read_bytes() + (WEB / "static" / "ui.js").read_bytes()
    assert len(gzip.compress(shared, 9)) < 10_000


def test_static_files_ask_nothing_from_outside():
    for path in (WEB / "static").iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org/)|@import|\beval\(|new Function|innerHTML", path.read_text()), (
            path
        )


def test_the_bar(admin, live):
    publish(live)
    page = text_of(admin.get("/"))
    assert '<span class="me">admin, administrator</span>' in page
    assert "UPS connected" in page
    assert re.search(r'id="clock" datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d"', page)
    assert "Current alarm: </span>0" in page


def test_the_theme_of_the_cookie_and_no_other_word(admin, live):
    publish(live)
    admin.client.set_cookie("theme", "dark", domain="card.example")
    assert '<html lang="en" data-theme="dark">' in text_of(admin.get("/"))
    admin.client.set_cookie("theme", '"><script>', domain="card.example")
    assert '<html lang="en">' in text_of(admin.get("/"))


def test_a_page_before_the_first_reading(admin):
    page = text_of(admin.get("/"))
    assert "Waiting for the UPS" in page


def test_pages_outlive_a_record_that_cannot_be_read(admin, live):
    publish(live)
    paths.archive_db().write_bytes(b"this is no database" * 100)
    for path in ("/", "/alarms", "/records/events"):
        assert "The event record cannot be read." in text_of(admin.get(path))
    assert admin.get("/records/events.csv").status_code == 503


# overview


def test_the_overview_shows_readings_marks_estimates_and_tells_what_is_stale(admin, live):
    publish(live)
    page = text_of(admin.get("/"))
    assert '<span data-v="ups.load">38</span><span class="u">%</span>' in page
    assert '<small class="est">estimated</small>' in page
    assert "no data since" not in page
    live.publish("upslink", MAINS, lifetime_s=0.0)
    page = text_of(admin.get("/"))
    assert '<span data-v="ups.load" class="old">38</span>' in page
    assert "no data since" in page


def test_the_latest_events_hold_those_that_wait_for_flash(admin, live, record):
    publish(live)
    record(event(1, code="CARD_STARTED", kind="event", severity="information", version="7.7"))
    live.apply(Step(events=[event(2), event(1)]))
    page = text_of(admin.get("/"))
    assert page.index("Mains failed, UPS on battery") < page.index("Card started: version 7.7")
    assert page.count("Card started: version 7.7") == 1


# alarms


def test_an_alarm_says_what_it_means_and_what_to_do(admin, live):
    publish(live, ups_status="OB")
    raise_alarm(live)
    page = text_of(admin.get("/alarms"))
    for words in ("Mains failed, UPS on battery", "What it means", "Look at the supply breaker", "3 min 12 s"):
        assert words in page
    assert "1 current alarm, 1 not acknowledged" in page


def test_none_is_said_too(admin, live, record):
    publish(live)
    record(event(1), event(2, kind="clear", lasted=61.5), event(3, at=clock.wall() - 90_000, kind="clear", lasted=5.0))
    page = text_of(admin.get("/alarms"))
    assert "Nothing needs you" in page
    assert "1 min 1 s" in page
    assert page.count("Mains restored") == 1


def test_who_may_only_look_gets_no_form(reader, live):
    publish(live)
    raise_alarm(live)
    page = text_of(reader.get("/alarms"))
    assert "Mains failed" in page
    assert "Acknowledge as" not in page
    assert "Somebody who may write" in page
    assert reader.post("/alarms", {"alarm": "one"}).status_code == 403


def test_a_form_of_another_site_is_refused(admin, live):
    raise_alarm(live)
    assert admin.client.post("/alarms", data={"alarm": "one"}, **admin.extra).status_code == 400


def core(live_path, state, result):
    """A core worker that answers one command; the thread and what it was asked."""
    asked = []

    def work():
        table = LiveTable(live_path)
        end = clock.boottime() + 5
        while clock.boottime() < end:
            command = table.claim("core")
            if command:
                asked.append(command)
                table.finish(command.id, state, result)
                break
        table.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, asked


def test_acknowledging_asks_the_core_worker_by_name(admin, live):
    raise_alarm(live)
    thread, asked = core(paths.live_db(), "done", "acknowledged")
    response = admin.post("/alarms", {"alarm": "one", "note": "  seen\r\nit " + "x" * 200})
    thread.join()
    assert (response.status_code, response.headers["Location"]) == (303, "/alarms")
    (command,) = asked
    assert (command.name, command.asked_by, command.address) == ("istars.alarm.acknowledge", "admin", "10.0.0.7")
    assert command.arguments["alarm"] == "one"
    assert command.arguments["note"] == ("seen it " + "x" * 200)[: alarms.NOTE_LENGTH]
    assert "not acknowledged:" not in text_of(admin.get("/alarms"))


def test_a_refusal_is_told_on_the_next_page(admin, live):
    thread, _ = core(paths.live_db(), "failed", "this alarm is no longer present")
    admin.post("/alarms", {"alarm": "gone"})
    thread.join()
    assert "The alarm was not acknowledged: this alarm is no longer present." in text_of(admin.get("/alarms"))
    assert "no longer present" not in text_of(admin.get("/alarms"))


def test_no_answer_of_the_core_worker_is_told_too(admin, live, monkeypatch):
    monkeypatch.setattr(alarms, "WAIT_S", 0.05)
    raise_alarm(live)
    admin.post("/alarms", {"alarm": "one"})
    assert re.search(r"The alarm was not acknowledged|has not confirmed it yet", text_of(admin.get("/alarms")))


def test_who_acknowledged_and_what_they_said_is_text(admin, live):
    raise_alarm(live, acknowledged_by="<b>eve</b>", acknowledged_wall=clock.wall(), note="<script>alert(1)</script>")
    page = text_of(admin.get("/alarms"))
    assert "<script>alert" not in page
    assert "Acknowledged by &lt;b&gt;eve&lt;/b&gt;" in page
    assert "Acknowledge as" not in page
    assert "1 current alarm, all acknowledged" in page


def test_an_alarm_of_a_newer_version_is_shown_as_itself(admin, live):
    raise_alarm(live, code="FLUX_LOW", severity="critical")
    assert "FLUX_LOW" in text_of(admin.get("/alarms"))


# event record


@pytest.mark.parametrize(
    ("args", "day", "severity", "wrong"),
    [
        ({}, TODAY, "", False),
        ({"day": "2026-11-18"}, date(2026, 11, 18), "", False),
        ({"day": " 2026-11-18 ", "severity": "critical"}, date(2026, 11, 18), "critical", False),
        ({"day": "18.11.2026"}, TODAY, "", True),
        ({"day": "2026-02-30"}, TODAY, "", True),
        ({"day": "0001-01-01"}, TODAY, "", True),
        ({"day": "9999-12-31"}, TODAY, "", True),
        ({"day": "\u0662\u0660\u0662\u0666-11-18"}, TODAY, "", True),
        ({"severity": "dreadful"}, TODAY, "", False),
    ],
)
def test_what_the_address_asks_for(args, day, severity, wrong):
    query = events.understand(args, TODAY)
    assert (query.day, query.severity, bool(query.error)) == (day, severity, wrong)


@pytest.mark.parametrize("before", ["", "x", "-5", "1e9", "\u0663", "9" * 40])
def test_a_page_that_is_no_number_is_the_first(before):
    assert events.understand({"before": before}, TODAY).before is None


def test_days_next_to_each_other():
    query = events.understand({}, TODAY)
    assert (query.previous, query.following) == (TODAY - timedelta(days=1), None)
    assert events.understand({"day": "2026-11-18"}, TODAY).following == date(2026, 11, 19)


def test_one_day_by_severity(admin, live, record):
    record(
        event(1, at=clock.wall() - 3 * 86_400, code="FAN_FAIL", severity="critical"),
        event(2),
        event(3, kind="clear", lasted=6.2),
        event(4, code="OVERLOAD", severity="critical", value=112),
    )
    page = text_of(admin.get("/records/events"))
    # newest first, other days left out
    assert page.index("Output overloaded: 112 %") < page.index("Mains restored") < page.index("Mains failed")
    assert "Fan failed" not in page
    assert "after" in page
    page = text_of(admin.get("/records/events?severity=critical"))
    assert "Output overloaded" in page
    assert "Mains failed" not in page
    day = clock.local(clock.wall() - 3 * 86_400).date()
    page = text_of(admin.get(f"/records/events?day={day}"))
    assert "Fan failed" in page
    assert 'aria-label="Day after' in page


def test_a_day_without_events(admin):
    assert "Nothing happened on this day." in text_of(admin.get("/records/events?day=2020-01-01"))
    assert "No such event on this day." in text_of(admin.get("/records/events?day=2020-01-01&severity=critical"))


def test_a_wrong_day_is_said_and_is_text(admin):
    page = text_of(admin.get('/records/events?day="><script>'))
    assert "Type the day as year-month-day" in page
    assert 'value="&#34;&gt;&lt;script&gt;"' in page


def test_a_big_day_comes_in_pages(admin, record):
    at = clock.day_limits(date(2025, 3, 3))[0]
    record(
        *(
            event(number, at=at + number, code="CARD_STARTED", kind="event", version=f"n{number}.")
            for number in range(250)
        )
    )
    seen, path = [], "/records/events?day=2025-03-03"
    while path:
        page = text_of(admin.get(path))
        seen += [int(number) for number in re.findall(r"version n(\d+)\.", page)]
        older = re.search(r'href="([^"]+before=\d+)">Older', page)
        path = older[1].replace("&amp;", "&") if older else None
    assert seen == list(range(249, -1, -1))


# the file


def rows_of(response):
    assert response.status_code == 200
    content = response.get_data()
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_file_of_a_day(admin, record):
    at = clock.day_limits(date(2025, 3, 3))[0]
    record(event(1, at=at + 5), event(2, at=at + 11.2, kind="clear", lasted=6.25), event(3, at=at + 90_000))
    response = admin.get("/records/events.csv?day=2025-03-03")
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == 'attachment; filename="events-2025-03-03.csv"'
    first, second = rows_of(response)
    assert first["time"] == clock.iso(at + 5)
    assert re.fullmatch(r"2025-03-03T00:00:05[+-]\d\d:\d\d", first["time"])
    assert (first["severity"], first["kind"], first["code"], first["duration_s"]) == (
        "warning",
        "raise",
        "ON_BATTERY",
        "",
    )
    assert (second["text"], second["duration_s"]) == ("Mains restored", "6.2")


def test_the_file_of_a_severity_has_its_name(admin, record):
    record(event(1), event(2, code="OVERLOAD", severity="critical"))
    response = admin.get("/records/events.csv?severity=critical")
    assert response.headers["Content-Disposition"].endswith('-critical.csv"')
    assert [row["code"] for row in rows_of(response)] == ["OVERLOAD"]


def test_a_file_of_many_events_holds_all_of_them(admin, live, record):
    at = clock.day_limits(date(2025, 3, 3))[0]
    record(*(event(number, at=at + number) for number in range(1203)))
    live.apply(Step(events=[event(1202, at=at + 1202), event(2000, at=at + 2000)]))
    rows = rows_of(admin.get("/records/events.csv?day=2025-03-03"))
    assert len(rows) == 1204
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)


def test_an_empty_file_has_its_columns(admin):
    content = admin.get("/records/events.csv?day=2020-01-01").get_data().decode("utf-8-sig")
    assert content == "time,severity,kind,code,text,duration_s,id\r\n"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "  =1", "\n=1", "\uff1d1+1"])
def test_no_cell_is_a_formula(text):
    assert not re.match("\\s*[=+\\-@\uff1d\uff0b\uff0d\uff20]", table_file.safe(text))


def test_what_an_event_holds_is_no_formula(admin, record):
    record(event(1, code="=cmd|' /C calc'!A0", kind="event", severity="warning"))
    (row,) = rows_of(admin.get("/records/events.csv"))
    assert row["code"].startswith("'=")
    assert row["text"].startswith("'=")


def test_ordinary_cells_are_left_alone():
    assert table_file.safe("Mains restored") == "Mains restored"
    assert table_file.safe("") == ""
