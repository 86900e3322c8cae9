"""The core worker on a real live table and a real archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.errors import StoreError
from istars.platform import clock, paths
from istars.settings.store import save
from istars.store.archive import Archive, Event
from istars.store.live import LiveTable
from istars.workers.core import WATCHED, Core


@pytest.fixture
def live(root: Path, fake_clock: FakeClock) -> Iterator[LiveTable]:
    with LiveTable(paths.live_db()) as table:
        yield table


@pytest.fixture
def start(live: LiveTable) -> Iterator[Callable[[], Core]]:
    """Starts a core, as the supervisor would; every one that was started is closed."""
    started = []

    def begin() -> Core:
        core = Core()
        core.begin()
        core.turn()
        started.append(core)
        return core

    yield begin
    for core in started:
        core.recorder.close()
        core.historian.close()
        core.live.close()


def kill(core: Core) -> None:
    """What SIGKILL leaves: nothing is flushed, nothing said."""
    core.recorder.close()
    core.historian.close()
    core.live.close()


def recorded() -> list[Event]:
    with Archive(paths.archive_db(), readonly=True) as archive:
        return archive.events()


def told() -> list[tuple[str, str]]:
    return [(event.kind, event.code) for event in recorded()]


def test_an_outage_becomes_an_alarm_and_two_events_on_flash(
    live: LiveTable, start: Callable[[], Core], fake_clock: FakeClock
) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=3)
    core.turn()
    assert [alarm.code for alarm in live.alarms()] == ["ON_BATTERY"]
    fake_clock.forward(2.5)
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    assert live.alarms() == []
    assert told() == [("event", "CARD_STARTED"), ("raise", "ON_BATTERY"), ("clear", "ON_BATTERY")]
    assert recorded()[-1].duration_s == 2.5
    assert live.pending_events() == []


def test_a_core_that_is_killed_neither_loses_nor_doubles_events(live: LiveTable, start: Callable[[], Core]) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    kill(core)
    for status in ("OB", "OL", "OB"):
        live.publish("upslink", {"ups.status": status}, lifetime_s=3)
    kill(start())
    kill(start())
    assert told()[1:] == [("raise", "ON_BATTERY"), ("clear", "ON_BATTERY"), ("raise", "ON_BATTERY")]
    assert [alarm.code for alarm in live.alarms()] == ["ON_BATTERY"]


def test_killed_between_the_step_and_the_flash_the_event_is_written_once(
    live: LiveTable, start: Callable[[], Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    core = start()
    monkeypatch.setattr(core, "_flush", lambda: None)
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=3)
    core.turn()
    assert told() == [("event", "CARD_STARTED")]
    kill(core)
    kill(start())
    assert told() == [("event", "CARD_STARTED"), ("raise", "ON_BATTERY")]


def test_killed_after_the_flash_and_before_it_is_forgotten_the_event_is_there_once(
    live: LiveTable, start: Callable[[], Core], monkeypatch: pytest.MonkeyPatch
) -> None:
    core = start()
    with monkeypatch.context() as patched:
        patched.setattr(LiveTable, "forget_pending", lambda *_: None)
        live.publish("upslink", {"ups.status": "OB"}, lifetime_s=3)
        core.turn()
    kill(core)
    start()
    assert told() == [("event", "CARD_STARTED"), ("raise", "ON_BATTERY")]
    assert live.pending_events() == []


def test_alarms_that_were_present_before_a_power_cut_are_present_after_it(
    live: LiveTable, start: Callable[[], Core], fake_clock: FakeClock
) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=3)
    core.turn()
    key = live.alarms()[0].key
    kill(core)
    for part in paths.run_dir().glob("live.db*"):
        part.unlink()
    after = start()
    assert [alarm.key for alarm in after.live.alarms()] == [key]
    fake_clock.forward(6)
    after.live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    after.turn()
    assert told()[-2:] == [("event", "CARD_STARTED"), ("clear", "ON_BATTERY")]


def test_silence_of_the_ups_becomes_an_alarm_after_the_time_set_and_names_the_reason(
    live: LiveTable, start: Callable[[], Core], fake_clock: FakeClock
) -> None:
    save({"ups.link.timeout": "15"})
    core = start()
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    live.publish("upslink", {"istars.link.reason": "port-missing"}, lifetime_s=60)
    fake_clock.forward(14)
    for worker in ("upslink", "web"):
        live.heartbeat(worker, "x")
    core.turn()
    assert live.alarms() == []
    fake_clock.forward(2)
    core.turn()
    assert [(alarm.code, alarm.args["reason"]) for alarm in live.alarms()] == [("COMM_LOST", "The port does not exist")]
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    assert live.alarms() == []
    assert told()[-2:] == [("raise", "COMM_LOST"), ("clear", "COMM_LOST")]


def test_a_worker_that_hangs_is_an_alarm(live: LiveTable, start: Callable[[], Core], fake_clock: FakeClock) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=300)
    live.heartbeat("upslink", "x")
    fake_clock.forward(21)
    for name in WATCHED[1:]:
        live.heartbeat(name, "x")
    core.turn()
    assert ("WORKER_FAILED", {"worker": "upslink"}) in [(alarm.code, alarm.args) for alarm in live.alarms()]
    live.heartbeat("upslink", "x")
    fake_clock.forward(1)
    core.turn()
    assert "WORKER_FAILED" not in [alarm.code for alarm in live.alarms()]


@pytest.mark.parametrize("step", [3_600, -3_600])
def test_a_clock_that_is_set_is_told_and_disturbs_nothing(
    live: LiveTable, start: Callable[[], Core], fake_clock: FakeClock, step: int
) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=10)
    core.turn()
    fake_clock.forward(2)
    fake_clock.set_wall_by(step)
    core.turn()
    assert not live.readings()["ups.status"].stale(clock.boottime())
    fake_clock.forward(1)
    live.publish("upslink", {"ups.status": "OL"}, lifetime_s=3)
    core.turn()
    events = recorded()
    assert [event.code for event in events] == ["CARD_STARTED", "ON_BATTERY", "CLOCK_CHANGED", "ON_BATTERY"]
    assert events[2].args["seconds"] == f"{step:+d}"
    assert events[3].duration_s == 3
    assert [event.id for event in events] == sorted(event.id for event in events)


def test_a_damaged_event_record_is_kept_and_is_an_alarm_until_somebody_saw_it(
    live: LiveTable, start: Callable[[], Core]
) -> None:
    paths.archive_db().write_bytes(b"x" * 8192)
    core = start()
    core.turn()
    assert [alarm.code for alarm in live.alarms()] == ["RECORDS_DAMAGED"]
    assert list(paths.data_dir().glob("archive.db.damaged-*"))
    number = live.submit(
        "core", "istars.alarm.acknowledge", {"alarm": live.alarms()[0].key, "note": ""},
        asked_by="ann", address="::1", lifetime_s=5,
    )  # fmt: skip
    core.turn()
    assert live.command(number).state == "done"
    core.turn()
    assert live.alarms() == []
    assert ("event", "ALARM_ACKNOWLEDGED") in told()


def test_damaged_settings_are_an_alarm_with_the_line(live: LiveTable, start: Callable[[], Core]) -> None:
    save({"ups.battery.cells": "96"})
    paths.settings_file().write_text("key,value\nformat,1\nups.address,zero\n", encoding="utf-8")
    core = start()
    assert [alarm.code for alarm in live.alarms()] == ["SETTINGS_DAMAGED"]
    assert "line 3" in str(live.alarms()[0].args["reason"])
    save({"ups.address": "2"})
    core.turn()
    assert live.alarms() == []


def test_a_core_that_is_still_ending_cannot_tell_what_its_successor_tells(
    live: LiveTable, start: Callable[[], Core]
) -> None:
    old = start()
    new = start()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=60)
    with pytest.raises(StoreError, match="another process applies the rules now"):
        old.turn()
    new.turn()
    old.end()
    assert told() == [("event", "CARD_STARTED"), ("raise", "ON_BATTERY")]
    assert [alarm.code for alarm in live.alarms()] == ["ON_BATTERY"]


def test_an_alarm_is_acknowledged_with_a_note_and_one_that_is_gone_is_refused(
    live: LiveTable, start: Callable[[], Core]
) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=60)
    core.turn()
    key = live.alarms()[0].key
    arguments = {"alarm": key, "note": "on my way"}
    good = live.submit("core", "istars.alarm.acknowledge", arguments, asked_by="ann", address="::1", lifetime_s=5)
    bad = live.submit("core", "istars.alarm.acknowledge", {"alarm": "x"}, asked_by="ann", address="::1", lifetime_s=5)
    core.turn()
    assert live.command(good).state == "done"
    assert (live.command(bad).state, live.command(bad).result) == ("failed", "this alarm is no longer present")
    assert (live.alarms()[0].acknowledged_by, live.alarms()[0].note) == ("ann", "on my way")
    kill(core)
    start()
    assert live.alarms()[0].acknowledged_by == "ann"


def test_the_record_is_cleared_on_command_and_says_so_and_present_alarms_stay(
    live: LiveTable, start: Callable[[], Core]
) -> None:
    core = start()
    live.publish("upslink", {"ups.status": "OB"}, lifetime_s=60)
    core.turn()
    number = live.submit("core", "istars.records.clear", {}, asked_by="ann", address="::1", lifetime_s=5)
    core.turn()
    assert live.command(number).state == "done"
    assert told() == [("event", "COMMAND_DONE")]
    assert [alarm.code for alarm in live.alarms()] == ["ON_BATTERY"]
    assert recorded()[0].id > 2


def test_commands_to_the_ups_are_told_once_with_their_result(live: LiveTable, start: Callable[[], Core]) -> None:
    core = start()
    number = live.submit("upslink", "beeper.mute", {}, asked_by="ann", address="::1", lifetime_s=5)
    live.claim("upslink")
    live.finish(number, "failed", "not offered")
    core.turn()
    core.turn()
    kill(core)
    kill(start())
    assert told() == [("event", "CARD_STARTED"), ("event", "COMMAND_FAILED")]
    assert recorded()[-1].args["result"] == "not offered"


def test_a_test_message_is_no_event_so_that_trying_an_address_writes_to_nobody_else(
    live: LiveTable, start: Callable[[], Core]
) -> None:
    core = start()
    number = live.submit("notifier", "istars.notify.test", {}, asked_by="ann", address="::1", lifetime_s=5)
    live.claim("notifier")
    live.finish(number, "failed", "550 no")
    core.turn()
    assert told() == [("event", "CARD_STARTED")]
