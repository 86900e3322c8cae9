"""Events of flash and of memory in one list."""

from datetime import date

import pytest
from istars.platform import clock, paths
from istars.store.archive import Archive, Event
from istars.store.live_alarms import Step
from istars.web.records import Choice, joined, newest

DAY = date(2026, 11, 20)
NOON = clock.day_limits(DAY)[0] + 12 * 3600


def event(number, at=NOON, kind="raise", severity="warning"):
    return Event(number, f"event-{number}", at, "ON_BATTERY", kind, severity, {})


def keys(events):
    return [each.id for each in events]


def test_what_waits_comes_first_and_nothing_twice():
    stored = [event(3), event(2), event(1)]
    shown, older = joined([event(5), event(4), event(3)], stored, 10)
    assert (keys(shown), older) == ([5, 4, 3, 2, 1], None)


def test_a_page_says_where_to_go_on():
    stored = [event(number) for number in range(9, 4, -1)]
    assert joined([], stored, 4)[1] == 6
    assert joined([], stored, 5)[1] is None


def test_going_on_skips_nothing_when_events_wait():
    stored = [event(number) for number in range(9, 4, -1)]
    shown, older = joined([event(10)], stored, 4)
    assert (keys(shown), older) == ([10, 9, 8, 7], 7)


@pytest.mark.parametrize(
    ("choice", "held"),
    [
        (Choice(), True),
        (Choice(day=DAY), True),
        (Choice(day=date(2026, 11, 19)), False),
        (Choice(severity=("critical",)), False),
        (Choice(severity=("warning",), kind=("raise",)), True),
        (Choice(kind=("clear",)), False),
        (Choice(from_wall=NOON), True),
        (Choice(from_wall=NOON + 1), False),
    ],
)
def test_events_in_memory_are_chosen_like_those_on_flash(choice, held):
    assert choice.holds(event(1)) is held


def test_a_day_ends_at_midnight_of_the_card():
    first, after = clock.day_limits(DAY)
    assert Choice(day=DAY).holds(event(1, at=first))
    assert Choice(day=DAY).holds(event(1, at=after - 0.001))
    assert not Choice(day=DAY).holds(event(1, at=after))
    assert not Choice(day=DAY).holds(event(1, at=first - 0.001))


def test_the_record_is_read_again_only_when_it_changed(app, live, card, monkeypatch):
    archive = Archive(paths.archive_db())
    read = []
    usual = Archive.events
    monkeypatch.setattr(Archive, "events", lambda self, **asked: (read.append(asked), usual(self, **asked))[1])
    choice = Choice(kind=("raise",))

    def look():
        read.clear()
        with app.app_context():
            return [line.text for line in newest(choice, 5, NOON).lines], sum("kind" in asked for asked in read)

    archive.append([event(1)], [])
    assert look() == (["Mains failed, UPS on battery"], 1)
    assert look() == (["Mains failed, UPS on battery"], 0)
    live.apply(Step(events=[event(2)]))
    assert look() == (["Mains failed, UPS on battery"] * 2, 1)
    archive.append([event(2)], [])
    assert look() == (["Mains failed, UPS on battery"] * 2, 1)
    archive.close()


def test_another_day_is_another_answer(app, live, card):
    archive = Archive(paths.archive_db())
    archive.append([event(1)], [])
    with app.app_context():
        assert newest(Choice(), 5, NOON).lines[0].time == "12:00:00"
        assert newest(Choice(), 5, NOON + 86_400).lines[0].time == "11-20 12:00"
    archive.close()
