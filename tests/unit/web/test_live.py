"""Live values: what a page asks for every second."""

import json
import re

import pytest
from istars.platform import clock
from istars.store.live_alarms import LiveAlarm, Step
from istars.web import live as live_pages
from istars.web.live import LATEST_MS, SOONEST_MS, next_ms
from web_facts import LINK, MAINS, facts


def publish(live, lifetime_s=3.0, **changed):
    values = {**MAINS, **LINK, **{name.replace("_", "."): value for name, value in changed.items()}}
    live.publish("upslink", values, lifetime_s=lifetime_s)


def raise_alarm(live, code="ON_BATTERY", severity="warning", key="one"):
    alarm = LiveAlarm(key, code, severity, clock.wall(), clock.boottime(), clock.boot_id())
    live.apply(Step(raised=[alarm]))
    return alarm


def again(browser, answer, path="/live?page=overview"):
    return browser.get(path, headers={"If-None-Match": answer.headers["ETag"]})


def test_a_stranger_is_told_to_sign_in(browser):
    for path in ("/live?page=overview", "/live/part?page=overview"):
        assert browser().get(path).status_code == 401


def test_texts_and_hashes_of_the_page(admin, live):
    publish(live)
    answer = admin.get("/live?page=overview")
    assert answer.mimetype == "application/json"
    assert answer.json["v"]["ups.load"] == "38"
    assert answer.json["v"]["head"] == "Running on mains"
    assert answer.json["state"] == "online"
    assert answer.json["say"] == "Running on mains. 0 alarms."
    page = admin.get("/").get_data(as_text=True)
    shown = dict(re.findall(r'id="([\w-]+)" data-h="(\w+)"', page))
    # the overview says itself that there is no data, the other pages have a banner for it
    assert shown == {name: value for name, value in answer.json["s"].items() if name != "nolink"}


@pytest.mark.parametrize("page", ["overview", "alarms", "events", "plain"])
def test_the_part_holds_every_section_of_its_page(admin, live, page):
    publish(live)
    sections = admin.get(f"/live?page={page}").json["s"]
    part = admin.get(f"/live/part?page={page}").get_data(as_text=True)
    assert dict(re.findall(r'id="([\w-]+)" data-h="(\w+)"', part)).items() >= sections.items()


def test_there_is_no_such_page(admin):
    assert admin.get("/live?page=secrets").status_code == 404
    assert admin.get("/live/part?page=../base").status_code == 404


def test_nothing_new_is_304_with_the_clock(admin, live):
    publish(live)
    began = clock.boottime()
    first = admin.get("/live?page=overview")
    publish(live)  # the same values, read again
    second = again(admin, first)
    assert (second.status_code, second.get_data()) == (304, b"")
    for answer in (first, second):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d", answer.headers["X-Clock"])
        assert round(began, 3) <= float(answer.headers["X-Up"]) <= round(clock.boottime(), 3)
        assert SOONEST_MS <= int(answer.headers["X-Next-Ms"]) <= LATEST_MS
        assert answer.headers["X-Boot"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_a_new_value_an_alarm_and_an_expiry_are_new(admin, live, boottime):
    publish(live)
    answer = admin.get("/live?page=overview")
    publish(live, ups_load=39)
    answer = again(admin, answer)
    assert (answer.status_code, answer.json["v"]["ups.load"]) == (200, "39")
    raise_alarm(live)
    answer = again(admin, answer)
    assert (answer.status_code, answer.json["say"]) == (200, "Running on mains. 1 warning.")
    boottime.pass_s(5)
    answer = again(admin, answer)
    assert (answer.status_code, answer.json["state"]) == (200, "offline")


def test_numbers_alone_leave_the_sections_alone(admin, live):
    publish(live)
    before = admin.get("/live?page=overview").json["s"]
    publish(live, ups_load=39, input_voltage=229.1)
    after = admin.get("/live?page=overview").json["s"]
    assert before == after
    publish(live, ups_status="OB DISCHRG")
    changed = admin.get("/live?page=overview").json["s"]
    assert {name for name in changed if changed[name] != after[name]} >= {"head", "flow", "panels"}


def test_pages_have_answers_of_their_own(admin, live):
    publish(live)
    overview = admin.get("/live?page=overview")
    assert again(admin, overview, "/live?page=alarms").status_code == 200
    assert "ups.load" not in admin.get("/live?page=alarms").json["v"]


def test_an_answer_is_built_once_for_all_who_look(admin, reader, live, monkeypatch):
    publish(live)
    built = []
    build, arguments = live_pages._builders["overview"]
    counted = lambda facts, args: (built.append(1), build(facts, args))[1]  # noqa: E731
    monkeypatch.setitem(live_pages._builders, "overview", (counted, arguments))
    for one in (admin, reader, admin):
        assert one.get("/live?page=overview").status_code == 200
    assert len(built) == 1
    publish(live, ups_load=77)
    assert reader.get("/live?page=overview").json["v"]["ups.load"] == "77"
    assert len(built) == 2


def test_arguments_that_a_page_does_not_know_make_no_new_answer(admin, live):
    publish(live)
    before = len(live_pages._kept)
    admin.get("/live?page=overview")
    for number in range(5):
        admin.get(f"/live?page=overview&junk={number}")
    assert len(live_pages._kept) <= before + 1


def test_old_answers_are_forgotten(admin, live):
    publish(live)
    for number in range(live_pages.PAGES_KEPT + 5):
        admin.get(f"/live?page=events&day=20{number:02}-01-01")
    assert len(live_pages._kept) <= live_pages.PAGES_KEPT


def test_looking_is_not_use_of_the_session(admin, live, boottime):
    publish(live)
    boottime.pass_s(10 * 60)
    assert admin.get("/live?page=overview").status_code == 200
    boottime.pass_s(6 * 60)
    assert admin.get("/live?page=overview").status_code == 401


def test_what_a_device_calls_itself_is_text(admin, live):
    publish(live, device_model="<script>alert(1)</script>")
    part = admin.get("/live/part?page=overview").get_data(as_text=True)
    assert "<script>" not in part
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in part
    assert json.loads(admin.get("/live?page=overview").get_data())["v"]["device.model"] == "<script>alert(1)</script>"


@pytest.mark.parametrize(
    ("age", "interval", "wait"),
    [
        (0.0, 1.0, 1000),
        (0.5, 1.0, 580),
        (0.95, 1.0, 250),
        (1.5, 1.0, 250),
        (2.9, 1.0, 250),
        (3.2, 1.0, 1000),
        (0.0, 5.0, 1000),
        (4.6, 5.0, 480),
        (600.0, 1.0, 1000),
    ],
)
def test_the_next_question_comes_right_after_the_next_poll(age, interval, wait):
    assert next_ms(facts(age=age), interval) == wait


def test_without_a_reading_there_is_no_hurry():
    assert next_ms(facts({}, link={}), 1.0) == LATEST_MS
