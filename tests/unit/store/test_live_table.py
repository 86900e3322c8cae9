"""The live table: readings, changes, alarms, commands, heartbeats."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.errors import StoreError, UnknownName
from istars.platform import clock, paths
from istars.store.archive import Event
from istars.store.live import LiveTable
from istars.store.live_alarms import LiveAlarm, Step


@pytest.fixture
def live(root: Path) -> Iterator[LiveTable]:
    with LiveTable(paths.live_db()) as table:
        yield table


@pytest.fixture
def other(live: LiveTable) -> Iterator[LiveTable]:
    """The same table as another process sees it."""
    with LiveTable(paths.live_db()) as table:
        yield table


def alarm(key: str = "k1", code: str = "ON_BATTERY") -> LiveAlarm:
    return LiveAlarm(key, code, "warning", clock.wall(), clock.boottime(), clock.boot_id(), {"value": 1})


def event(key: str) -> Event:
    return Event(0, key, clock.wall(), "ON_BATTERY", "raise", "warning", {}, "k1")


def test_readings_are_seen_by_another_connection_with_their_types(live: LiveTable, other: LiveTable) -> None:
    live.publish(
        "a", {"input.voltage": 230.5, "ups.load": 40, "ups.status": "OL"}, lifetime_s=3, estimated={"ups.load"}
    )
    seen = other.readings()
    assert seen["input.voltage"].value == 230.5
    assert seen["ups.status"].value == "OL"
    assert seen["ups.load"].estimated
    assert not seen["input.voltage"].estimated


def test_a_reading_that_is_not_renewed_goes_stale_by_itself(live: LiveTable, fake_clock: FakeClock) -> None:
    live.publish("a", {"input.voltage": 230.0, "ups.load": 1}, lifetime_s=3)
    fake_clock.forward(2)
    live.publish("a", {"ups.load": 1}, lifetime_s=3)
    fake_clock.forward(1)
    seen = live.readings()
    assert seen["input.voltage"].stale(clock.boottime())
    assert not seen["ups.load"].stale(clock.boottime())
    assert seen["ups.load"].age(clock.boottime()) == 1


def test_polls_that_change_little_keep_every_reading_fresh_and_no_other(live: LiveTable, fake_clock: FakeClock) -> None:
    everything = {"ups.load": 1, "input.voltage": 230.0, "ups.status": "OL"}
    live.publish("a", everything, lifetime_s=3, estimated={"ups.load"})
    live.publish("b", {"ambient.temperature": 20.0}, lifetime_s=3)
    for load in range(2, 6):
        fake_clock.forward(1)
        live.publish("a", {**everything, "ups.load": load}, lifetime_s=3, estimated={"ups.load"})
    seen = live.readings()
    assert {name: row.stale(fake_clock.at) for name, row in seen.items()} == {
        "ups.load": False, "input.voltage": False, "ups.status": False, "ambient.temperature": True,
    }  # fmt: skip
    assert (seen["ups.load"].value, seen["ups.load"].estimated, seen["ups.load"].changed_at) == (5, True, 1_004.0)
    assert (seen["input.voltage"].at, seen["input.voltage"].changed_at) == (1_004.0, 1_000.0)
    fake_clock.forward(1)
    live.publish("a", {"ups.load": 5, "ups.status": "OL"}, lifetime_s=3)
    assert not live.readings()["ups.load"].estimated
    assert live.readings()["input.voltage"].at == 1_004.0


def test_what_another_writer_put_in_between_is_overwritten_by_the_next_poll_and_is_a_change(
    live: LiveTable, other: LiveTable
) -> None:
    """A link program that is ending may publish once more after its successor has begun."""
    for load in (1, 2):
        live.publish("a", {"ups.status": "OL", "ups.load": load}, lifetime_s=60)
    other.publish("a", {"ups.status": "OB", "ups.load": 2}, lifetime_s=60)
    assert live.publish("a", {"ups.status": "OL", "ups.load": 2}, lifetime_s=60)
    assert other.readings()["ups.status"].value == "OL"
    assert [change.value for change in live.changes(0)] == ["OL", "OB", "OL"]


def test_a_reading_that_polls_no_longer_bring_goes_on_aging(live: LiveTable, fake_clock: FakeClock) -> None:
    live.publish("a", {"ups.load": 1, "input.voltage": 1.0}, lifetime_s=3)
    for _ in range(4):
        fake_clock.forward(1)
        live.publish("a", {"ups.load": 1}, lifetime_s=3)
    assert live.readings()["input.voltage"].stale(fake_clock.at)
    assert not live.readings()["ups.load"].stale(fake_clock.at)


def test_a_reading_that_moved_to_another_source_is_not_renewed_by_the_first(
    live: LiveTable, fake_clock: FakeClock
) -> None:
    live.publish("a", {"ups.load": 1, "input.voltage": 1.0}, lifetime_s=3)
    live.publish("b", {"input.voltage": 1.0}, lifetime_s=3)
    fake_clock.forward(1)
    live.publish("a", {"ups.load": 1}, lifetime_s=3)
    assert live.readings()["input.voltage"].at == 1_000.0


def test_a_value_is_as_old_as_its_answer_not_as_its_publication(live: LiveTable, fake_clock: FakeClock) -> None:
    live.publish("a", {"ups.status": "OL"}, lifetime_s=3, at=fake_clock.at - 2)
    assert live.readings()["ups.status"].age(fake_clock.at) == 2
    assert live.changes(0)[0].wall == fake_clock.wall() - 2
    fake_clock.forward(1)
    assert live.readings()["ups.status"].stale(fake_clock.at)


def test_the_sequence_moves_with_values_not_with_repetition(live: LiveTable, fake_clock: FakeClock) -> None:
    assert live.publish("a", {"ups.load": 1}, lifetime_s=3)
    first = live.sequence()
    assert not live.publish("a", {"ups.load": 1}, lifetime_s=3)
    assert live.sequence() == first
    assert live.publish("a", {"ups.load": 2}, lifetime_s=3)
    assert live.sequence() > first


def test_a_value_that_comes_back_unchanged_after_it_was_stale_counts_as_a_change(
    live: LiveTable, fake_clock: FakeClock
) -> None:
    live.publish("a", {"ups.status": "OL"}, lifetime_s=3)
    before = live.sequence()
    fake_clock.forward(5)
    assert live.publish("a", {"ups.status": "OL"}, lifetime_s=3)
    assert live.sequence() > before
    assert len(live.changes(0)) == 1


def test_a_writer_that_starts_anew_goes_on_where_the_old_one_was(live: LiveTable, other: LiveTable) -> None:
    live.publish("a", {"ups.status": "OL"}, lifetime_s=60)
    assert not other.publish("a", {"ups.status": "OL"}, lifetime_s=60)
    assert len(other.changes(0)) == 1


def test_changes_of_states_are_kept_in_order_and_numbers_are_not(live: LiveTable) -> None:
    for status in ("OL", "OB", "OL"):
        live.publish("a", {"ups.status": status, "input.voltage": 1.0}, lifetime_s=3)
    assert [(c.name, c.value) for c in live.changes(0)] == [
        ("ups.status", "OL"),
        ("ups.status", "OB"),
        ("ups.status", "OL"),
    ]
    assert live.changes(2)[0].value == "OL"
    assert live.states_at(2) == {"ups.status": "OB"}


def test_old_changes_are_forgotten_but_never_the_last_of_a_reading(live: LiveTable) -> None:
    live.publish("a", {"ups.alarm": "FAN_FAIL"}, lifetime_s=3)
    for number in range(1_250):
        live.publish("a", {"ups.status": "OL" if number % 2 else "OB"}, lifetime_s=3)
    changes = live.changes(0)
    assert len(changes) <= 1_100
    assert changes[0].name == "ups.alarm"


def test_an_undeclared_reading_is_refused_and_nothing_is_written(live: LiveTable) -> None:
    with pytest.raises(UnknownName, match="input.volts"):
        live.publish("a", {"ups.load": 1, "input.volts": 1}, lifetime_s=3)
    assert live.readings() == {}


def test_one_step_of_the_rules_is_all_or_nothing(live: LiveTable) -> None:
    live.apply(Step(raised=[alarm()], events=[event("e1")], cursor=7, pending={"OVERLOAD": 5.0}))
    assert [a.code for a in live.alarms()] == ["ON_BATTERY"]
    assert live.cursor() == 7
    assert live.pending_since() == {"OVERLOAD": 5.0}
    with pytest.raises(StoreError):
        live.apply(Step(cleared=["k1"], events=[event("e2"), event("e1")], cursor=8))
    assert [a.code for a in live.alarms()] == ["ON_BATTERY"]
    assert [e.key for e in live.pending_events()] == ["e1"]
    assert live.cursor() == 7


def test_an_alarm_lasts_by_the_clock_that_does_not_jump(live: LiveTable, fake_clock: FakeClock) -> None:
    live.apply(Step(raised=[alarm()]))
    fake_clock.forward(10)
    fake_clock.set_wall_by(3_600)
    assert live.alarms()[0].lasted(clock.boottime(), clock.wall()) == 10
    other_boot = LiveAlarm("k", "EPO", "critical", clock.wall() - 60, 99_999.0, "another boot")
    assert other_boot.lasted(clock.boottime(), clock.wall()) == pytest.approx(60)


def test_the_worst_and_newest_alarms_come_first(live: LiveTable) -> None:
    now = clock.wall()
    rows = [("a", "ON_BYPASS", "warning", now), ("b", "EPO", "critical", now - 9), ("c", "FAN_FAIL", "critical", now)]
    live.apply(Step(raised=[LiveAlarm(k, c, s, w, 0, "") for k, c, s, w in rows]))
    assert [a.key for a in live.alarms()] == ["c", "b", "a"]


def test_a_command_is_claimed_once_and_its_result_is_seen(live: LiveTable, other: LiveTable) -> None:
    number = live.submit("upslink", "beeper.mute", {"x": 1}, asked_by="ann", address="::1", lifetime_s=5)
    claimed = other.claim("upslink")
    assert claimed is not None
    assert (claimed.name, claimed.arguments, claimed.asked_by, claimed.address) == (
        "beeper.mute",
        {"x": 1},
        "ann",
        "::1",
    )
    assert live.claim("upslink") is None
    other.finish(number, "done", "muted")
    assert (live.command(number).state, live.command(number).result) == ("done", "muted")


def test_a_command_is_never_carried_out_late(live: LiveTable, fake_clock: FakeClock) -> None:
    number = live.submit("upslink", "load.off", {}, asked_by="ann", address="::1", lifetime_s=5)
    fake_clock.forward(5)
    assert live.claim("upslink") is None
    assert live.command(number).state == "expired"


def test_a_worker_that_starts_ends_what_it_finds(live: LiveTable) -> None:
    running = live.submit("upslink", "load.off", {}, asked_by="ann", address="::1", lifetime_s=60)
    live.claim("upslink")
    queued = live.submit("upslink", "beeper.mute", {}, asked_by="ann", address="::1", lifetime_s=60)
    assert {c.id for c in live.abandon("upslink")} == {running, queued}
    assert live.command(running).result == "interrupted; it may have taken effect"
    assert live.command(queued).result == "not carried out"
    assert live.claim("upslink") is None


def test_commands_for_others_wait_for_them(live: LiveTable) -> None:
    live.submit("core", "istars.alarm.acknowledge", {}, asked_by="a", address="", lifetime_s=5)
    assert live.claim("upslink") is None
    assert live.claim("core") is not None


def test_an_unknown_command_number_is_refused(live: LiveTable) -> None:
    with pytest.raises(UnknownName, match="99"):
        live.command(99)


def test_heartbeats_tell_process_and_time(live: LiveTable) -> None:
    live.heartbeat("core", "1.0")
    beat = live.heartbeats()["core"]
    assert beat.pid == os.getpid()
    assert beat.at <= clock.boottime()


def test_a_worker_notices_that_the_table_was_replaced(live: LiveTable) -> None:
    paths.live_db().rename(paths.run_dir() / "old.db")
    LiveTable(paths.live_db()).close()
    with pytest.raises(StoreError, match="replaced"):
        live.heartbeat("core", "1.0")


def test_a_damaged_table_is_put_aside_and_begun_anew(root: Path) -> None:
    paths.live_db().write_bytes(b"this is not a database, and it is long enough to be taken for one" * 20)
    with LiveTable.open_or_renew(paths.live_db()) as table:
        assert table.publish("a", {"ups.load": 1}, lifetime_s=1)
    assert list(paths.run_dir().glob("live.db.damaged-*"))


def _write_for_ever(path: str) -> None:
    table = LiveTable(Path(path))
    number = 0
    while True:
        number += 1
        table.publish("a", {"input.voltage": float(number % 900), "output.voltage": float(number % 900)}, lifetime_s=60)


def test_a_writer_killed_at_any_moment_leaves_whole_polls(live: LiveTable) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        before = live.sequence()
        writer = context.Process(target=_write_for_ever, args=(str(paths.live_db()),))
        writer.start()
        while live.sequence() < before + 20:
            seen = live.readings()
            if seen:
                assert seen["input.voltage"].value == seen["output.voltage"].value
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        seen = live.readings()
        assert seen["input.voltage"].value == seen["output.voltage"].value
        live.check()
