"""Messages on flash: each with a final state, in order, none lost and none twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.platform import clock, paths
from istars.store import outbox as module
from istars.store.archive import Event
from istars.store.outbox import Draft, Message, Outbox


@pytest.fixture
def outbox(root: Path, fake_clock: FakeClock) -> Iterator[Outbox]:
    with Outbox(paths.outbox_db()) as made:
        yield made


def event(number: int, code: str = "LOAD_HIGH", kind: str = "event", severity: str = "warning") -> Event:
    alarm = None if kind == "event" else f"alarm-{code}"
    return Event(number, f"key-{number}", clock.wall(), code, kind, severity, {"limit": "80"}, alarm)


def draft(number: int, to: str = "a@b.example", **more: object) -> Draft:
    wanted = {name: more.pop(name) for name in ("wait_s", "hold", "repeat") if name in more}
    return Draft("mail", to, event(number, **more), **wanted)  # type: ignore[arg-type]


def claimed(outbox: Outbox) -> list[Message]:
    found = []
    while (message := outbox.claim("mail")) is not None:
        found.append(message)
        outbox.end(message, "sent", "250 ok")
    return found


def test_what_is_taken_comes_out_in_its_order_and_once(outbox: Outbox) -> None:
    outbox.accept([draft(1), draft(2), draft(1), draft(2, to="c@d.example")], 2)
    assert [(message.event_key, message.recipient) for message in claimed(outbox)] == [
        ("key-1", "a@b.example"),
        ("key-2", "a@b.example"),
        ("key-2", "c@d.example"),
    ]
    assert outbox.cursor() == 2
    assert outbox.waiting("mail") == 0
    outbox.accept([draft(2)], 2)
    assert claimed(outbox) == []


def test_what_was_being_sent_when_the_card_was_killed_is_sent_again_with_the_same_name(outbox: Outbox) -> None:
    outbox.accept([draft(1)], 1)
    first = outbox.claim("mail")
    assert first is not None
    with Outbox(paths.outbox_db()) as successor:
        assert successor.claim("mail") is None
        assert successor.revive() == 1
        again = successor.claim("mail")
    assert again is not None
    assert again.message_id == first.message_id
    assert (again.attempts, again.result) == (2, "interrupted while it was being sent")


def test_a_failed_try_holds_up_its_recipient_and_nobody_else(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.accept([draft(1), draft(2, to="c@d.example")], 2)
    first = outbox.claim("mail")
    assert first is not None
    outbox.postpone(first, 60, "450 later", whole_endpoint=False)
    outbox.accept([draft(3)], 3)
    assert [message.event_key for message in claimed(outbox)] == ["key-2"]
    fake_clock.forward(60)
    assert [(message.event_key, message.attempts) for message in claimed(outbox)] == [("key-1", 2), ("key-3", 1)]


def test_a_server_that_is_down_holds_up_all_of_them_in_their_order(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.accept([draft(1), draft(2, to="c@d.example")], 2)
    first = outbox.claim("mail")
    assert first is not None
    outbox.postpone(first, 60, "refused", whole_endpoint=True)
    outbox.accept([draft(3, to="c@d.example")], 3)
    assert claimed(outbox) == []
    fake_clock.forward(60)
    assert [message.event_key for message in claimed(outbox)] == ["key-1", "key-2", "key-3"]


def test_after_a_restart_of_the_machine_everything_is_due(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    outbox.accept([draft(1, wait_s=3600.0, hold="delay")], 1)
    assert outbox.claim("mail") is None
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    assert outbox.next_due() == {"mail": 0}
    assert len(claimed(outbox)) == 1


def test_what_is_over_before_its_delay_is_not_told(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.accept([draft(1, kind="raise", wait_s=30.0, hold="delay")], 1)
    fake_clock.forward(10)
    outbox.accept([draft(2, kind="clear")], 2)
    fake_clock.forward(60)
    assert claimed(outbox) == []
    assert [(message.state, message.result) for message in outbox.messages("mail")] == [
        ("withdrawn", "over before the delay")
    ]


def test_what_lasted_longer_than_its_delay_is_told_with_its_end(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.accept([draft(1, kind="raise", wait_s=30.0, hold="delay")], 1)
    fake_clock.forward(31)
    outbox.accept([draft(2, kind="clear")], 2)
    assert [message.kind for message in claimed(outbox)] == ["raise", "clear"]


def test_the_end_of_an_alarm_ends_its_reminders(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.add(draft(1, kind="raise", wait_s=600.0, hold="repeat", repeat=1))
    outbox.accept([draft(2, kind="clear")], 2)
    fake_clock.forward(600)
    assert [message.kind for message in claimed(outbox)] == ["clear"]


def test_a_chattering_alarm_becomes_some_messages_and_a_summary(outbox: Outbox, fake_clock: FakeClock) -> None:
    for number in range(500):
        fake_clock.forward(0.5)
        outbox.accept([draft(number, kind="clear" if number % 2 else "raise")], number)
    assert len(claimed(outbox)) == module.BURST
    fake_clock.forward(module.WINDOW_S)
    summary = claimed(outbox)
    assert [message.kind for message in summary] == ["summary"]
    assert (summary[0].body["count"], summary[0].body["now"]) == (500 - module.BURST, "clear")


def test_without_room_the_least_important_and_oldest_are_dropped_and_counted(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OPEN_LIMIT", 3)
    severities = ["critical", "information", "warning", "information", "critical"]
    for number, severity in enumerate(severities):
        outbox.accept([draft(number, severity=severity)], number)
    assert [message.event_key for message in claimed(outbox)] == ["key-0", "key-2", "key-4"]
    assert outbox.dropped() == 2
    assert {message.event_key for message in outbox.messages("mail") if message.state == "dropped"} == {
        "key-1",
        "key-3",
    }


def test_what_has_ended_is_kept_up_to_a_limit_and_what_waits_always(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ENDED_KEPT", 5)
    outbox.accept([draft(0, wait_s=60.0, hold="delay")], 0)
    for number in range(1, 20):
        outbox.accept([draft(number, to=f"{number}@b.example")], number)
        claimed(outbox)
    outbox.accept([], 20)
    kept = outbox.messages("mail")
    assert len(kept) == 6
    assert kept[-1].event_key == "key-0"


def test_messages_of_a_day_and_of_a_channel(outbox: Outbox, fake_clock: FakeClock) -> None:
    outbox.accept([draft(1), Draft("webhook.1", "https://x", event(1))], 1)
    today = clock.local(clock.wall()).date()
    fake_clock.forward(86_400)
    outbox.accept([draft(2)], 2)
    assert [message.event_key for message in outbox.messages("mail", day=today)] == ["key-1"]
    assert [message.endpoint for message in outbox.messages("webhook")] == ["webhook.1"]
    newest = outbox.messages("mail", limit=1)[0]
    assert [message.event_key for message in outbox.messages("mail", before=newest.id)] == ["key-1"]


def test_endpoints_that_are_no_longer_set_wait_no_more(outbox: Outbox) -> None:
    outbox.accept([draft(1), Draft("syslog.2", "log.example", event(1))], 1)
    outbox.abandon(["mail"])
    assert outbox.waiting("syslog.2") == 0
    assert [message.result for message in outbox.messages("syslog")] == ["no longer set"]
    assert len(claimed(outbox)) == 1
