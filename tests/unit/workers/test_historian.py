"""What the core sees becomes the data record: each interval, over restarts, full media and a clock that is set."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.model.readings import Value
from istars.platform import clock, paths
from istars.rules.engine import Moment
from istars.store.history import History
from istars.store.live import LiveReading
from istars.workers.historian import RETRY_S, Historian, Writer

START = 1_763_629_200


class Card:
    """A core that looks every second."""

    def __init__(self, fake: FakeClock) -> None:
        self.clock = fake
        fake.at, fake.offset = 1_000.0, START - 1_000.0
        self.historian = Historian()

    def run(self, seconds: int, interval: int = 10, **values: Value) -> None:
        """So many seconds with these readings (`_` for `.`)."""
        for _ in range(seconds):
            now = clock.boottime()
            found = {
                name: LiveReading(name, value, now, now + 3, now, "upslink", False)
                for name, value in ((key.replace("_", "."), value) for key, value in values.items())
            }
            self.historian.look(Moment(now, clock.wall(), "boot"), found, interval)
            if len(self.historian.facts) or not int(now) % 60:
                self.historian.settle()
            self.clock.forward(1)
        self.historian.settle()

    def restart(self) -> None:
        """What SIGKILL and a new start leave of it: nothing is told to the old one."""
        self.historian.settle()
        self.historian.close()
        self.historian = Historian()


@pytest.fixture
def card(root: Path, fake_clock: FakeClock) -> Iterator[Card]:
    made = Card(fake_clock)
    yield made
    made.historian.close()


def volts(first: int = START, last: int = START + 86_400) -> dict[int, float | None]:
    with History(paths.history_db(), readonly=True) as history:
        found = history.series(["input.voltage"], first, last)
    return {time - START: value for time, value in zip(found.times, found.columns["input.voltage"], strict=True)}


def test_a_record_is_taken_every_interval_and_can_be_read_at_once(card: Card) -> None:
    card.run(31, input_voltage=230.04, ups_status="OL")
    assert volts() == {0: 230.0, 10: 230.0, 20: 230.0, 30: 230.0}
    card.run(20, 2, input_voltage=231.0)
    assert list(volts()) == [0, 10, 20, 30, 31, *range(32, 51, 2)]


def test_at_the_end_of_an_hour_it_goes_to_the_record_and_nothing_is_twice(card: Card) -> None:
    card.run(7_300, input_voltage=230.0)
    assert list(volts()) == list(range(0, 7_300, 10))
    with History(paths.history_db(), readonly=True) as history:
        assert [row[0] for row in history.rows("SELECT count FROM detail")] == [360, 360]


def test_a_restart_goes_on_with_the_hour(card: Card) -> None:
    card.run(1_795, input_voltage=230.0)
    card.restart()
    card.run(1_900, input_voltage=231.0, ups_load=20)
    told = volts()
    assert len(told) == 180 + 190 + 1
    with History(paths.history_db(), readonly=True) as history:
        assert [row[0] for row in history.rows("SELECT count FROM detail")] == [361]
        assert history.series(["ups.load"], START + 1_780, START + 1_800).columns["ups.load"] == [None, None, 20.0]


def test_a_kill_between_the_record_and_the_new_tail_doubles_nothing(card: Card) -> None:
    card.run(3_600, input_voltage=230.0)
    card.historian.close()
    before = paths.history_tail().read_bytes()
    card.restart()
    card.run(1, input_voltage=230.0)
    card.historian.close()
    paths.history_tail().write_bytes(before)
    assert list(volts()) == list(range(0, 3_600, 10))
    card.restart()
    card.run(11, input_voltage=230.0)
    assert list(volts()) == [*range(0, 3_600, 10), 3_601, 3_610]


def test_a_reading_that_is_stale_or_missing_is_a_hole_and_silence_a_gap(card: Card) -> None:
    card.run(11, input_voltage=230.0, ups_load=20)
    card.run(10, ups_load=20)
    card.run(60)
    card.run(10, input_voltage=229.0, ups_load=20)
    assert volts() == {0: 230.0, 10: 230.0, 20: None, 81: 229.0, 90: 229.0}
    with History(paths.history_db(), readonly=True) as history:
        assert history.series(["input.voltage"], START, START + 100).gaps == [3]


def test_the_moment_of_an_outage_is_a_record_of_its_own_and_on_the_medium(
    card: Card, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    sync = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda file: (synced.append(int(clock.wall()) - START), sync(file))[1])
    card.run(14, input_voltage=230.0, ups_status="OL")
    before = len(synced)
    card.run(3, input_voltage=0.0, ups_status="OB DISCHRG")
    assert len(synced) == before + 1
    card.run(5, input_voltage=230.0, ups_status="OL")
    assert volts() == {0: 230.0, 10: 230.0, 14: 0.0, 17: 230.0, 20: 230.0}


def test_a_dip_between_two_records_is_not_lost(card: Card) -> None:
    card.run(12, input_voltage=230.0)
    card.run(1, input_voltage=190.0)
    card.run(30, input_voltage=230.0)
    card.restart()
    card.run(20, input_voltage=229.0)
    assert min(value for value in volts().values() if value) == 229.0
    with History(paths.history_db(), readonly=True) as history:
        found = history.figures(["input.voltage"], START, START + 3_600)["input.voltage"]
    assert (found.low, found.low_at) == (190.0, START + 12)


@pytest.mark.parametrize("step", [7_200, -1_800])
def test_a_clock_that_is_set_begins_a_run_of_its_own(card: Card, step: int) -> None:
    card.run(60, input_voltage=230.0)
    card.clock.set_wall_by(step)
    card.run(60, input_voltage=231.0)
    told = volts(START - 7_200)
    assert list(told.values()).count(230.0) == 6
    assert list(told.values()).count(231.0) >= 6
    assert list(told) == sorted(told)


def test_while_the_medium_is_full_records_wait_and_nothing_is_lost(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    card.run(60, input_voltage=230.0)
    write = os.pwrite

    def full(file: int, data: bytes, at: int) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    card.run(120, input_voltage=231.0)
    assert "No space left" in str(card.historian.facts["STORAGE_FULL"]["reason"])
    assert list(volts()) == list(range(0, 60, 10))
    monkeypatch.setattr(os, "pwrite", write)
    card.run(20, input_voltage=232.0)
    assert card.historian.facts == {}
    assert list(volts()) == list(range(0, 200, 10))


def test_while_the_record_is_full_hours_wait_in_the_tail(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    card.run(10, input_voltage=230.0)
    with History(paths.history_db()) as history:
        limit = history.rows("PRAGMA page_count")[0][0]
    add = History.add

    def no_room(self: History, *what: object) -> None:
        self.rows(f"PRAGMA max_page_count={limit}")
        add(self, *what)  # type: ignore[arg-type]

    monkeypatch.setattr(History, "add", no_room)
    chance = random.Random(5)
    for _ in range(400):
        noise = {name: chance.gauss(200, 20) for name in ("input_voltage", "output_voltage", "battery_voltage")}
        card.run(10, **noise)
    assert "full" in str(card.historian.facts["STORAGE_FULL"]["reason"])
    assert list(volts()) == [*range(0, 4_010, 10)]
    card.restart()
    monkeypatch.setattr(History, "add", add)
    card.run(int(RETRY_S) + 10, input_voltage=230.0)
    assert card.historian.facts == {}
    assert len(volts()) == 401 + 7
    with History(paths.history_db(), readonly=True) as history:
        assert sum(row[0] for row in history.rows("SELECT count FROM detail")) == 401


def test_a_damaged_record_is_put_aside_and_the_present_hour_is_kept(card: Card) -> None:
    card.run(100, input_voltage=230.0)
    card.historian.close()
    paths.history_db().write_bytes(b"x" * 8_192)
    card.restart()
    card.run(100, input_voltage=231.0)
    assert len(volts()) == 20
    assert len(list(paths.data_dir().glob("history.db.damaged-*"))) == 1


def test_a_defect_of_the_record_does_not_reach_the_core(card: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    take = Writer.take

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Writer, "take", broken)
    card.run(int(RETRY_S), input_voltage=230.0)
    assert volts() == {}
    monkeypatch.setattr(Writer, "take", take)
    card.run(int(RETRY_S) + 20, input_voltage=231.0)
    assert set(volts().values()) == {231.0}


def test_when_the_records_are_cleared_nothing_of_before_is_left(card: Card) -> None:
    card.run(4_000, input_voltage=230.0)
    assert card.historian.clear() == ""
    assert volts() == {}
    card.run(20, input_voltage=231.0)
    assert set(volts().values()) == {231.0}
    card.restart()
    card.run(10, input_voltage=231.0)
    assert set(volts().values()) == {231.0}
