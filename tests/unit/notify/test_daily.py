"""When a report is due: once for each moment, whatever the card and its clock do."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.notify import daily
from istars.platform import clock, paths
from istars.settings.store import save
from istars.store.archive import Archive
from istars.store.live import LiveTable
from istars.store.outbox import Message, Outbox
from istars.workers.notifier import Notifier

DAY = 86_400


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


class Watch:
    """Asks at some moments, as a card would that is on then; `sent` are the moments whose report was written."""

    def __init__(self, delivery: str = "07:30") -> None:
        self.delivery = delivery
        self.noted = ""
        self.sent: list[str] = []

    def look(self, *moments: str) -> None:
        for moment in moments:
            due, self.noted = daily.due(self.noted, self.delivery, at(moment))
            if due is not None:
                self.sent.append(clock.local(due).strftime("%d %H:%M"))


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()


def test_a_new_recipient_is_not_told_of_the_past() -> None:
    watch = Watch()
    watch.look("2026-11-20T09:00", "2026-11-20T23:59", "2026-11-21T07:29:59")
    assert watch.sent == []
    watch.look("2026-11-21T07:30:00", "2026-11-21T07:30:01", "2026-11-21T20:00", "2026-11-22T07:31")
    assert watch.sent == ["21 07:30", "22 07:30"]


def test_a_card_that_was_off_catches_up_with_the_last_one() -> None:
    watch = Watch()
    watch.look("2026-11-20T09:00", "2026-11-21T11:00")
    assert watch.sent == ["21 07:30"]
    watch.look("2026-11-25T06:00")
    assert watch.sent == ["21 07:30", "24 07:30"]


def test_a_new_delivery_time_counts_from_now_on() -> None:
    watch = Watch()
    watch.look("2026-11-20T09:00", "2026-11-21T07:30")
    watch.delivery = "14:10"
    watch.look("2026-11-21T14:05", "2026-11-21T14:10")
    assert watch.sent == ["21 07:30", "21 14:10"]
    watch.delivery = "06:00"
    watch.look("2026-11-21T14:11", "2026-11-22T05:59", "2026-11-22T06:00")
    assert watch.sent == ["21 07:30", "21 14:10", "22 06:00"]


def test_a_clock_that_is_set_back_does_not_repeat_one_and_one_that_was_years_ahead_loses_none() -> None:
    watch = Watch()
    watch.look("2026-11-20T09:00", "2026-11-21T07:30", "2026-11-21T06:00", "2026-11-21T07:30", "2026-11-21T07:45")
    assert watch.sent == ["21 07:30"]
    watch.look("2031-01-05T12:00", "2026-11-21T13:00", "2026-11-22T07:30")
    assert watch.sent == ["21 07:30", "05 07:30", "22 07:30"]
    watch.look("1970-01-01T00:01", "2026-11-23T07:40")
    assert watch.sent[3:] == ["23 07:30"]


@pytest.mark.usefixtures("berlin")
def test_summer_time_neither_skips_nor_doubles_a_report() -> None:
    watch = Watch("02:30")
    watch.look("2026-03-28T12:00", "2026-03-29T01:59", "2026-03-29T03:29")
    assert watch.sent == []
    watch.look("2026-03-29T03:30", "2026-03-29T04:00", "2026-03-30T02:31")
    assert watch.sent == ["29 03:30", "30 02:30"]
    winter = Watch("02:30")
    first = at("2026-10-25T02:30")
    winter.look("2026-10-24T12:00")
    for offset in (0, 3_599, 3_600, 7_200):
        due, winter.noted = daily.due(winter.noted, "02:30", first + offset)
        winter.sent += [] if due is None else ["one"]
    assert winter.sent == ["one"]
    assert at("2026-10-25T07:30") - daily.day_before(at("2026-10-25T07:30")) == 25 * 3_600
    assert at("2026-03-29T07:30") - daily.day_before(at("2026-03-29T07:30")) == 23 * 3_600


@pytest.fixture
def notifier(root: Path, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Notifier]]:
    """Starts a notifier that sends nothing; each start is a restart of the last."""
    monkeypatch.setattr(Notifier, "_start_deliveries", lambda *_: float("inf"))
    save(
        {"mail.server": "localhost", "mail.report.1.address": "ann@example.net", "mail.report.2.address": "b@c.example"}
    )
    Archive(paths.archive_db()).close()
    started: list[Notifier] = []

    def start() -> Notifier:
        for before in started:
            before.end()
            before.live.close()
        started[:] = [Notifier()]
        started[0].begin()
        started[0].turn()
        return started[0]

    fake_clock.offset = at("2026-11-20T09:00") - fake_clock.at
    yield start
    started[0].end()
    started[0].live.close()


def written() -> list[Message]:
    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        return outbox.messages("mail")[::-1]


def test_it_is_written_once_for_each_recipient_with_what_is_true_now(
    notifier: Callable[[], Notifier], fake_clock: FakeClock
) -> None:
    card = notifier()
    fake_clock.offset = at("2026-11-21T07:29:50") - fake_clock.at
    card.turn()
    assert written() == []
    fake_clock.forward(10)
    with LiveTable(paths.live_db()) as live:
        live.publish("upslink", {"ups.status": "OL", "battery.charge": 97}, lifetime_s=3, estimated=["battery.charge"])
        live.publish("rs485", {"ambient.temperature": 20.0}, lifetime_s=-1)
    card.turn()
    card.turn()
    card = notifier()
    card.turn()
    made = written()
    assert [(each.recipient, each.kind, each.event_key) for each in made] == [
        ("ann@example.net", "report", "report-2026-11-21T07:30"),
        ("b@c.example", "report", "report-2026-11-21T07:30"),
    ]
    assert (made[0].body["first"], made[0].body["last"]) == (at("2026-11-20T07:30"), at("2026-11-21T07:30"))
    assert made[0].body["state"] == {"ups.status": "OL", "battery.charge": 97}
    assert made[0].body["estimated"] == ["battery.charge"]
    assert len({each.message_id for each in made}) == 2


def test_a_clock_that_lost_its_time_at_the_start_doubles_nothing(
    notifier: Callable[[], Notifier], fake_clock: FakeClock
) -> None:
    card = notifier()
    fake_clock.offset = at("2026-11-21T07:30") - fake_clock.at
    card.turn()
    assert len(written()) == 2
    fake_clock.offset = 0.0
    card = notifier()
    fake_clock.offset = at("2026-11-21T07:40") - fake_clock.at
    card.turn()
    assert len(written()) == 2
    fake_clock.offset = at("2026-11-22T07:30") - fake_clock.at
    card.turn()
    assert len(written()) == 4


def test_without_a_recipient_nothing_is_written_and_later_nothing_of_the_past(
    notifier: Callable[[], Notifier], fake_clock: FakeClock
) -> None:
    card = notifier()
    save({"mail.report.1.address": "", "mail.report.2.address": ""})
    card.turn()
    fake_clock.forward(3 * DAY)
    card.turn()
    save({"mail.report.1.address": "ann@example.net"})
    card.turn()
    assert written() == []
    assert json.loads(card.outbox.noted(daily.NOTE))["time"] == "07:30"


def test_a_card_with_report_recipients_alone_keeps_what_waits_for_them(
    notifier: Callable[[], Notifier], fake_clock: FakeClock
) -> None:
    card = notifier()
    fake_clock.forward(DAY)
    card.turn()
    save({"system.name": "UPS-B"})
    card.turn()
    assert [each.state for each in written()] == ["waiting", "waiting"]
