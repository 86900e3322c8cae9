"""Pages of telling people: the table of events, the records, what the modem and woken computers are like."""

import html
import json
import re

import pytest
from istars.model.alarms import ALARMS
from istars.notify.recipients import codes_of
from istars.platform import clock, paths
from istars.settings import load
from istars.settings.store import save
from istars.store import outbox as outbox_module
from istars.store.archive import Event
from istars.store.outbox import Draft, Outbox

TABLE = "/device/mail/events"
ANN, BEN = "mail.to.1", "mail.to.3"


@pytest.fixture
def two(root):
    """Ann wants warnings, Ben has chosen."""
    save({f"{ANN}.address": "ann@example.net"})
    save({f"{BEN}.address": "ben@example.net", f"{BEN}.events": "chosen", f"{BEN}.codes": "BATTERY_LOW, LOGIN_FAIL"})


def told(response):
    return html.unescape(response.get_data(as_text=True))


def ticked(page, stem):
    return set(re.findall(rf'name="{re.escape(stem)}\.codes" value="(\w+)" checked', page))


def sent(page, **changed):
    """The form of a page as a browser sends it, with other ticks or presets for some recipients."""
    data = {"seen": json.loads(json.dumps(re.search(r'name="seen" value=\'?"?([^>]*?)"?>', page)[1]))}
    for stem in re.findall(r'<select class="in" id="gets-\d+" name="(\S+)\.events">', page):
        chosen = re.search(rf'name="{re.escape(stem)}\.events">.*?value="(\w+)" selected', page)[1]
        data[f"{stem}.events"] = changed.get(f"{stem}.events", chosen)
        data[f"{stem}.codes"] = sorted(changed.get(f"{stem}.codes", ticked(page, stem)))
    return data


def test_the_table_shows_of_what_each_recipient_is_told(admin, live, two):
    page = told(admin.get(TABLE))
    assert ticked(page, ANN) == codes_of("warnings")
    assert ticked(page, BEN) == {"BATTERY_LOW", "LOGIN_FAIL"}
    assert "mail.to.2.codes" not in page
    assert page.count("<tr data-presets") == len(ALARMS)


def test_a_tick_makes_an_own_choice_that_begins_with_the_preset(admin, live, two):
    page = told(admin.get(TABLE))
    answer = admin.post(TABLE, sent(page, **{f"{ANN}.codes": codes_of("warnings") | {"CONFIG_CHANGED"}}))
    assert answer.status_code == 303
    assert load().text(f"{ANN}.events") == "chosen"
    assert set(load().items_of(f"{ANN}.codes")) == codes_of("warnings") | {"CONFIG_CHANGED"}
    assert load().items_of(f"{BEN}.codes") == ("BATTERY_LOW", "LOGIN_FAIL"), "nobody touched Ben"


def test_a_preset_wins_over_the_ticks_of_the_one_before(admin, live, two):
    page = told(admin.get(TABLE))
    assert admin.post(TABLE, sent(page, **{f"{BEN}.events": "power"})).status_code == 303
    assert load().text(f"{BEN}.events") == "power"
    assert ticked(told(admin.get(TABLE)), BEN) == codes_of("power")


def test_an_own_choice_may_be_nothing_or_everything(admin, live, two):
    for codes in (set(), set(ALARMS)):
        page = told(admin.get(TABLE))
        assert admin.post(TABLE, sent(page, **{f"{BEN}.codes": codes})).status_code == 303
        assert set(load().items_of(f"{BEN}.codes")) == codes
        assert load().text(f"{BEN}.events") == "chosen"


def test_two_people_at_the_table_do_not_undo_each_other(admin, live, two):
    page = told(admin.get(TABLE))
    save({f"{BEN}.events": "none"})
    assert admin.post(TABLE, sent(page, **{f"{ANN}.events": "all"})).status_code == 303
    assert (load().text(f"{ANN}.events"), load().text(f"{BEN}.events")) == ("all", "none")
    answer = admin.post(TABLE, sent(page, **{f"{BEN}.events": "all"}))
    assert answer.status_code == 409
    assert "Somebody else has changed this meanwhile" in told(answer)
    assert load().text(f"{BEN}.events") == "none"


@pytest.mark.parametrize("seen", ["{", "[]", '{"mail.to.1": 5}', '{"mail.to.1": []}'])
def test_what_no_form_sends_is_refused(admin, live, two, seen):
    admin.get(TABLE)
    assert admin.post(TABLE, {"seen": seen, f"{ANN}.events": "all"}).status_code == 400
    assert load().text(f"{ANN}.events") == "warnings"


def test_readers_stay_out_of_the_table(reader, live, two):
    assert reader.get(TABLE).status_code == 403
    assert reader.post(TABLE, {f"{ANN}.events": "all"}).status_code == 403
    assert reader.get("/device/nothing/events").status_code in (403, 404)


def test_there_is_no_table_without_recipients_nor_of_other_channels(admin, live):
    assert "No recipient is saved yet" in told(admin.get(TABLE))
    assert admin.get("/device/pigeon/events").status_code == 404


def test_the_record_counts_what_was_dropped(admin, live, monkeypatch):
    monkeypatch.setattr(outbox_module, "OPEN_LIMIT", 2)
    happened = [Event(0, f"key-{n}", clock.wall(), "CONFIG_CHANGED", "event", "information", {}) for n in range(5)]
    with Outbox(paths.outbox_db()) as box:
        box.accept([Draft("mail", "a@b.example", event) for event in happened], 5)
    page = told(admin.get("/records/messages/mail"))
    assert "3 messages of all channels were dropped so far" in page
    assert page.count("Dropped</span>") == 3


def test_the_page_of_sms_shows_the_modem_as_it_is(admin, live):
    values = {"istars.modem.state": "ready", "istars.modem.operator": "CHINA MOBILE", "istars.modem.signal": -71.0}
    live.publish("modem", values, lifetime_s=60)
    page = told(admin.get("/device/sms"))
    for words in ("Ready", "CHINA MOBILE", "\u221271 dBm"):
        assert words in page
    live.publish("modem", values, lifetime_s=-1)
    assert "CHINA MOBILE" not in told(admin.get("/device/sms"))


def test_a_channel_that_does_not_work_says_why_on_its_page(admin, live):
    live.publish("notifier", {"istars.mail.trouble": "535 5.7.8 no"}, lifetime_s=60)
    assert "The last message did not go out.</strong> 535 5.7.8 no." in told(admin.get("/device/mail"))
    assert "did not go out" not in told(admin.get("/device/webhook"))


def test_the_page_of_computers_says_what_came_of_waking(admin, live):
    save({"wake.host.2.mac": "02:00:5e:10:00:02", "wake.host.2.name": "nas"})
    save({"wake.host.5.mac": "02:00:5e:10:00:05", "wake.host.5.name": "db"})
    with Outbox(paths.outbox_db()) as box:
        box.note("woken", json.dumps({2: ("HOST_WOKEN", {"host": "nas", "tries": 3}, 1_790_000_000.0)}))
        box.note("wake", json.dumps([{"number": 5, "tries": 2}]))
    page = told(admin.get("/device/wake"))
    assert "Computer answers: nas, after 3 packets, 20" in page
    assert "2 packets so far; it is sent to until it answers." in page
    with Outbox(paths.outbox_db()) as box:
        box.note("woken", "not JSON")
    assert admin.get("/device/wake").status_code == 200


def test_nobody_learns_the_address_of_a_webhook_from_records_and_tables(admin, live):
    url = "https://hooks.example.net/services/T0/B1/s3cret"
    save({"webhook.2.url": url})
    event = Event(0, "key", clock.wall(), "CONFIG_CHANGED", "event", "information", {})
    with Outbox(paths.outbox_db()) as box:
        box.accept([Draft("webhook.2", url, event)], 1)
    for path in ("/records/messages/webhook", "/records/messages/webhook.csv", "/device/webhook/events"):
        page = told(admin.get(path))
        assert "hooks.example.net, webhook 2" in page
        assert "s3cret" not in page
