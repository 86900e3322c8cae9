"""Alarms and events as lines."""

import pytest
from istars.platform import clock
from istars.store.archive import Event
from istars.web.lists import alarm_card, badge_of, event_line, spoken
from istars.web.view import Tone
from web_facts import WALL, alarm, facts


def test_an_alarm_and_its_detail():
    card, detail = alarm_card(alarm("OVERLOAD", args={"value": 112.0, "limit": "100"}), WALL)
    assert (card.tone, card.word, card.title, detail) == (Tone.CRIT, "Critical", "Output overloaded", "112.0 %")
    assert card.meaning
    assert card.actions
    assert card.acknowledged_by == ""


def test_a_detail_that_changes_leaves_the_card_alone():
    first, _ = alarm_card(alarm("OVERLOAD", args={"value": 112.0, "limit": "100"}), WALL)
    later, _ = alarm_card(alarm("OVERLOAD", args={"value": 115.0, "limit": "100"}), WALL)
    assert first == later


def test_who_acknowledged_and_when():
    card, _ = alarm_card(alarm("OVERLOAD", acknowledged_by="noc", acknowledged_wall=WALL - 5, note="seen"), WALL)
    assert (card.acknowledged_by, card.acknowledged, card.note) == ("noc", clock.iso(WALL - 5)[11:19], "seen")


def event(kind="raise", severity="critical", at=WALL, lasted=None):
    return Event(7, "event-7", at, "OVERLOAD", kind, severity, {"value": 112, "limit": "100"}, "one", lasted)


@pytest.mark.parametrize(
    ("kind", "severity", "tone", "word"),
    [
        ("raise", "critical", Tone.CRIT, "Critical"),
        ("raise", "warning", Tone.WARN, "Warning"),
        ("event", "information", Tone.INFO, "Information"),
        ("clear", "critical", Tone.OK, "Cleared"),
        ("event", "of tomorrow", Tone.INFO, "Information"),
    ],
)
def test_an_event_is_shape_and_word(kind, severity, tone, word):
    line = event_line(event(kind, severity), WALL)
    assert (line.tone, line.word) == (tone, word)


def test_an_event_of_today_shows_its_second_another_its_day():
    assert event_line(event(), WALL).time == clock.iso(WALL)[11:19]
    before = clock.iso(WALL - 86_400)
    assert event_line(event(at=WALL - 86_400), WALL).time == f"{before[5:10]} {before[11:16]}"


def test_an_alarm_that_ended_says_how_long_it_lasted():
    line = event_line(event("clear", lasted=61.9), WALL)
    assert (line.text, line.lasted) == ("Overload over", "1 min 1 s")


# badge, what is spoken


def test_the_badge_counts_and_names_the_worst():
    assert (badge_of([]).tone, badge_of([]).count, badge_of([]).word) == (Tone.OK, 0, "alarms")
    one = badge_of([alarm("ON_BATTERY")])
    assert (one.tone, one.count, one.word) == (Tone.WARN, 1, "warning")
    assert badge_of([alarm("ON_BATTERY"), alarm("BYPASS_BAD")]).word == "warnings"
    mixed = badge_of([alarm("AVR_BOOST"), alarm("OVERLOAD")])
    assert (mixed.tone, mixed.count, mixed.word) == (Tone.CRIT, 2, "alarms")
    assert badge_of([alarm("TEST_RUNNING")]).word == "notice"


def test_what_is_spoken_holds_nothing_that_ticks():
    first = spoken(facts(None, alarm("ON_BATTERY"), ups_status="OB", battery_runtime=600))
    later = spoken(facts(None, alarm("ON_BATTERY", 70), ups_status="OB", battery_runtime=540))
    assert first == later == "On battery. 1 warning."
