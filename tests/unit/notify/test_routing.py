"""Who is told of what, and when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from istars.model.alarms import ALARMS
from istars.notify import recipients, routing
from istars.notify.recipients import Recipient
from istars.settings.store import load, save
from istars.store.archive import Event
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Message

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()
NIGHT = datetime(2026, 11, 20, 23, 30, tzinfo=UTC).timestamp()
SOMEBODY = Recipient("mail", "a@b.example", "all")


def event(code: str, kind: str = "raise") -> Event:
    return Event(1, "key", NOON, code, kind, ALARMS[code].severity.value, {}, "alarm-1")


def plan(recipient: Recipient, happened: Event, wall: float = NOON) -> list[tuple[float, str]]:
    return [(draft.wait_s, draft.hold) for draft in routing.drafts([happened], [recipient], {}, wall)]


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ("none", set()),
        ("all", {"ON_BATTERY", "BATTERY_LOW", "CONFIG_CHANGED", "LOGIN_FAIL"}),
        ("warnings", {"ON_BATTERY", "BATTERY_LOW", "LOGIN_FAIL"}),
        ("critical", {"BATTERY_LOW"}),
        ("power", {"ON_BATTERY", "BATTERY_LOW"}),
        ("chosen", {"CONFIG_CHANGED"}),
    ],
)
def test_each_preset_tells_what_it_says(wish: str, told: set[str]) -> None:
    recipient = replace(SOMEBODY, events=wish, codes=frozenset({"CONFIG_CHANGED"}))
    happened = ("ON_BATTERY", "BATTERY_LOW", "CONFIG_CHANGED", "LOGIN_FAIL")
    assert {code for code in happened if recipient.wants(event(code))} == told


def test_a_delay_holds_up_the_beginning_of_an_alarm_and_nothing_else() -> None:
    patient = replace(SOMEBODY, delay_s=30.0)
    assert plan(patient, event("ON_BATTERY")) == [(30.0, "delay")]
    assert plan(patient, event("ON_BATTERY", "clear")) == [(0.0, "")]
    assert plan(patient, event("CONFIG_CHANGED", "event")) == [(0.0, "")]


def test_quiet_hours_hold_up_what_is_not_critical_until_their_end() -> None:
    sleeper = replace(SOMEBODY, quiet=(22 * 60, 7 * 60))
    assert plan(sleeper, event("ON_BATTERY"), NIGHT) == [(7.5 * 3600, "quiet")]
    assert plan(sleeper, event("BATTERY_LOW"), NIGHT) == [(0.0, "")]
    assert plan(sleeper, event("ON_BATTERY"), NOON) == [(0.0, "")]
    by_day = replace(SOMEBODY, quiet=(11 * 60, 13 * 60))
    assert plan(by_day, event("ON_BATTERY"), NOON) == [(3600.0, "quiet")]


def test_quiet_hours_end_by_the_clock_on_the_wall_also_in_the_night_in_which_it_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import time

    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    sleeper = replace(SOMEBODY, quiet=(22 * 60, 7 * 60))
    eleven = datetime(2026, 10, 24, 23, 0).astimezone().timestamp()
    # Clocks go back at 03:00: the night has an hour more.
    assert plan(sleeper, event("ON_BATTERY"), eleven) == [(9 * 3600, "quiet")]


def message(**more: object) -> Message:
    values: dict[str, object] = {
        "id": 1, "endpoint": "mail", "recipient": "a@b.example", "event_key": "key", "repeat": 0, "kind": "raise",
        "code": "ON_BATTERY", "severity": "warning", "alarm": "alarm-1", "at": NOON, "body": {"args": {}}, "message_id": "m",
        "boot": "", "due": 0.0, "hold": "", "state": "sending", "attempts": 1, "result": "", "ended": None,
    }  # fmt: skip
    return Message(**{**values, **more})  # type: ignore[arg-type]


def test_a_reminder_follows_where_the_recipient_wants_one() -> None:
    assert routing.following(message(), [SOMEBODY], NOON) is None
    reminded = replace(SOMEBODY, repeat_s=600.0)
    draft = routing.following(message(), [reminded], NOON)
    assert draft is not None
    assert (draft.wait_s, draft.hold, draft.repeat, draft.event.key) == (600.0, "repeat", 1, "key")
    assert routing.following(message(kind="clear"), [reminded], NOON) is None
    assert routing.following(message(recipient="x@y.example"), [reminded], NOON) is None


def test_a_reminder_is_sent_only_while_the_alarm_is_there_and_nobody_has_seen_it() -> None:
    present = LiveAlarm("alarm-1", "ON_BATTERY", "warning", NOON, 1.0, "boot")
    assert routing.still_true(message(), [])
    assert routing.still_true(message(repeat=1), [present])
    assert not routing.still_true(message(repeat=1), [])
    assert not routing.still_true(message(repeat=1), [replace(present, acknowledged_by="admin")])


def test_nobody_is_mailed_that_mail_does_not_work() -> None:
    assert plan(SOMEBODY, event("MAIL_FAIL")) == []
    assert plan(replace(SOMEBODY, endpoint="syslog.1"), event("MAIL_FAIL")) == [(0.0, "")]


def test_recipients_are_those_of_the_settings(root: Path) -> None:
    assert recipients.recipients(load()) == []
    save(
        {
            "mail.to.2.address": "a@b.example",
            "mail.to.2.events": "chosen",
            "mail.to.2.codes": "ON_BATTERY, BATTERY_LOW",
            "mail.to.2.delay": "5",
            "mail.to.2.repeat": "10",
            "mail.to.2.quiet": "22:00-06:30",
            "webhook.4.url": "https://chat.example/hook",
            "syslog.1.host": "log.example",
        }
    )
    without_server = recipients.recipients(load())
    assert [each.endpoint for each in without_server] == ["webhook.4", "syslog.1"]
    save({"mail.server": "mail.example"})
    assert recipients.recipients(load())[0] == Recipient(
        "mail", "a@b.example", "chosen", frozenset({"ON_BATTERY", "BATTERY_LOW"}), 5.0, 600.0, (1320, 390)
    )
