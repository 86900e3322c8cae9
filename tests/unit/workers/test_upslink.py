"""The UPS link worker on a real live table, with a driver that does as it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.drivers.engine import Options, Poll, protocols
from istars.drivers.item import Writable
from istars.errors import CommandRefused, LinkError, NoAnswer, PortError
from istars.model.readings import Value
from istars.platform import clock, paths
from istars.settings.store import save
from istars.store import abilities
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.workers.upslink import UpsLink


class FakeDriver:
    """Answers what the test puts in, or raises it."""

    def __init__(self) -> None:
        self.answer: dict[str, Value] | LinkError = {"ups.status": "OL", "input.voltage": 230.0}
        self.estimated = frozenset[str]()
        self.opened = 0
        self.polls = 0
        self.closed = 0
        self.given: list[tuple[str, dict[str, int | str]]] = []
        self.result: str | CommandRefused | LinkError = "done"
        self.asked: tuple[str, str, Options] | None = None
        self.last_seen = b""
        self.protocol = protocols()["megatec"]
        self.counts_s = 0
        self.written: list[tuple[str, object]] = []

    def open(self) -> None:
        self.opened += 1

    def close(self) -> None:
        self.closed += 1

    def offers(self) -> dict[str, dict[str, tuple[int, int]]]:
        return {"shutdown.return": {"delay_s": (12, 600)}, "shutdown.stop": {}}

    def writable(self) -> tuple[Writable, ...]:
        return (Writable("battery.packs", len(self.written), 1, 99),)

    def write(self, name: str, value: object) -> str:
        self.written.append((name, value))
        return "written"

    def poll(self) -> Poll:
        self.polls += 1
        if isinstance(self.answer, LinkError):
            raise self.answer
        return Poll(values=dict(self.answer), estimated=self.estimated, complete=True)

    def execute(self, name: str, arguments: dict[str, int | str]) -> str:
        self.given.append((name, arguments))
        if not isinstance(self.result, str):
            raise self.result
        return self.result


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    fake = FakeDriver()

    def opened(protocol: str, device: str, options: Options) -> FakeDriver:
        fake.asked = (protocol, device, options)
        return fake

    monkeypatch.setattr("istars.workers.upslink.open_driver", opened)
    return fake


@pytest.fixture
def link(root: Path, driver: FakeDriver, fake_clock: FakeClock) -> Iterator[UpsLink]:
    worker = UpsLink()
    worker.begin()
    yield worker
    worker.end()
    worker.live.close()


@pytest.fixture
def live(link: UpsLink) -> Iterator[LiveTable]:
    with LiveTable(paths.live_db()) as table:
        yield table


def test_a_poll_is_published_with_the_state_of_the_link(link: UpsLink, live: LiveTable, driver: FakeDriver) -> None:
    driver.estimated = frozenset({"input.voltage"})
    link.turn()
    seen = live.readings()
    assert (seen["ups.status"].value, seen["istars.link.state"].value) == ("OL", "ok")
    assert seen["input.voltage"].estimated


def test_polls_keep_their_rhythm(link: UpsLink, driver: FakeDriver, fake_clock: FakeClock) -> None:
    assert link.turn() == 1_001.0
    fake_clock.at = 1_000.4
    assert link.turn() == 1_001.0
    assert driver.polls == 1
    fake_clock.at = 1_001.05
    assert link.turn() == 1_002.0
    fake_clock.at = 1_010.0
    assert link.turn() == 1_010.0
    assert driver.polls == 3


def test_readings_live_for_three_polls(link: UpsLink, live: LiveTable, fake_clock: FakeClock) -> None:
    link.turn()
    fake_clock.forward(2.9)
    assert not live.readings()["ups.status"].stale(fake_clock.at)
    fake_clock.forward(0.1)
    assert live.readings()["ups.status"].stale(fake_clock.at)


def test_silence_is_published_and_told_once(
    link: UpsLink, live: LiveTable, driver: FakeDriver, fake_clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    link.turn()
    driver.answer = NoAnswer("nothing came within 1 s")
    for _ in range(5):
        fake_clock.forward(2)
        link.turn()
    assert live.readings()["istars.link.reason"].value == "no-answer"
    assert live.readings()["ups.status"].at == 1_000.0
    assert [record.message for record in caplog.records if "no data" in record.message] == [
        "no data from the UPS (megatec on /dev/ups): nothing came within 1 s"
    ]
    assert driver.closed == 0
    caplog.set_level("INFO")
    driver.answer = {"ups.status": "OL"}
    fake_clock.forward(2)
    link.turn()
    assert "the UPS answers" in caplog.text
    assert live.readings()["istars.link.state"].value == "ok"


def test_a_port_that_failed_is_opened_again(link: UpsLink, driver: FakeDriver, fake_clock: FakeClock) -> None:
    link.turn()
    driver.answer = PortError("port-missing", "it is gone")
    fake_clock.forward(1)
    assert link.turn() == fake_clock.at + 1
    assert driver.closed == 1
    driver.answer = {"ups.status": "OL"}
    fake_clock.forward(1)
    link.turn()
    assert driver.opened == 2


def test_a_command_is_carried_out_its_result_kept_and_the_ups_asked_at_once(
    link: UpsLink, live: LiveTable, driver: FakeDriver
) -> None:
    link.turn()
    number = live.submit("upslink", "beeper.mute", {"x": 1}, asked_by="ann", address="::1", lifetime_s=5)
    link.turn()
    assert driver.given == [("beeper.mute", {"x": 1})]
    assert (live.command(number).state, live.command(number).result) == ("done", "done")
    assert driver.polls == 2


@pytest.mark.parametrize("refusal", [CommandRefused("delay_s is too long"), NoAnswer("nothing came")])
def test_a_refused_command_says_why(
    link: UpsLink, live: LiveTable, driver: FakeDriver, refusal: CommandRefused | LinkError
) -> None:
    driver.result = refusal
    number = live.submit("upslink", "load.off", {}, asked_by="ann", address="::1", lifetime_s=5)
    link.turn()
    assert (live.command(number).state, live.command(number).result) == ("failed", str(refusal))


def test_a_command_that_an_earlier_run_left_is_not_carried_out(
    link: UpsLink, live: LiveTable, driver: FakeDriver
) -> None:
    number = live.submit("upslink", "load.off", {}, asked_by="ann", address="::1", lifetime_s=500)
    link.begin()
    link.turn()
    assert driver.given == []
    assert live.command(number).state == "failed"


def test_changed_settings_open_the_link_anew(link: UpsLink, driver: FakeDriver) -> None:
    link.turn()
    save({"ups.device": "/dev/ttyUSB7", "ups.protocol": "east-ea900", "ups.address": "3", "ups.battery.cells": "96"})
    link.turn()
    assert driver.closed == 1
    assert driver.asked == ("east-ea900", "/dev/ttyUSB7", Options(cells=96, packs=1, address=3, baud=0))


def test_settings_of_others_leave_the_port_open(link: UpsLink, driver: FakeDriver) -> None:
    link.turn()
    save({"system.name": "UPS-A", "limit.load.high": "70"})
    link.turn()
    assert driver.closed == 0


def test_the_pages_are_told_which_protocols_there_are(link: UpsLink, live: LiveTable, driver: FakeDriver) -> None:
    driver.answer = NoAnswer("silence")
    link.turn()
    titles = json.loads(str(live.readings()["istars.link.protocols"].value))
    assert titles.pop("automatic")
    assert titles == {name: declared.title for name, declared in protocols().items()}


def test_a_worker_lives_in_the_time_zone_of_the_card(root: Path, driver: FakeDriver) -> None:
    save({"system.zone": "Asia/Tokyo"})
    worker = UpsLink()
    zones: list[str] = []

    def turn() -> float:
        zones.append(clock.iso(0.0)[-6:])
        if len(zones) == 1:
            save({"system.zone": "Asia/Kathmandu"})
            worker.settings.changed()
        worker.stopping = len(zones) == 2
        return 0.0

    worker.turn = turn  # type: ignore[method-assign]
    worker.run()
    assert zones == ["+09:00", "+05:30"]


def test_readings_of_another_protocol_are_forgotten(link: UpsLink, live: LiveTable, driver: FakeDriver) -> None:
    driver.answer = {"ups.status": "OL", "battery.runtime": 60}
    link.turn()
    save({"ups.protocol": "east-ea900"})
    driver.answer = {"ups.status": "OL"}
    link.turn()
    assert "battery.runtime" not in live.readings()
    assert "istars.link.state" in live.readings()


def give(live: LiveTable, link: UpsLink, name: str, arguments: dict[str, object] | None = None) -> LiveCommand:
    """Let the worker carry out a command."""
    number = live.submit("upslink", name, arguments or {}, asked_by="test", address="local", lifetime_s=5)
    link.turn()
    return live.command(number)


def test_what_the_ups_can_do_is_told_and_forgotten_with_the_port(link: UpsLink, driver: FakeDriver) -> None:
    assert abilities.read() == abilities.Abilities()
    link.turn()
    told = abilities.read()
    assert (told.protocol, [each.name for each in told.offered()]) == ("megatec", ["shutdown.return", "shutdown.stop"])
    assert told.limits(told.offered()[0], "delay_s") == (12, 600)
    link.end()
    assert abilities.read() == abilities.Abilities()


def test_a_variable_is_written_and_told_anew(link: UpsLink, live: LiveTable, driver: FakeDriver) -> None:
    link.turn()
    assert abilities.read().setting("battery.packs") == abilities.Setting("battery.packs", 0, 1, 99)
    done = give(live, link, "istars.variable.set", {"name": "battery.packs", "value": "4"})
    assert (done.state, done.result, driver.written) == ("done", "written", [("battery.packs", "4")])
    now = abilities.read().setting("battery.packs")
    assert now is not None
    assert now.value == 1


def test_a_switch_off_counts_down_until_the_ups_no_longer_says_so(
    link: UpsLink, live: LiveTable, driver: FakeDriver, fake_clock: FakeClock
) -> None:
    def left() -> tuple[object, bool] | None:
        fake_clock.forward(1)
        link.turn()
        found = live.readings().get("ups.timer.shutdown")
        return None if found is None or found.stale(fake_clock.at) else (found.value, found.estimated)

    driver.counts_s = 60
    give(live, link, "shutdown.return", {"delay_s": 60})
    driver.answer = {"ups.status": "OL", "ups.alarm": "SHUTDOWN_PENDING"}
    assert left() == (59, True)
    fake_clock.forward(28)
    assert left() == (30, True)
    driver.answer = {"ups.status": "OL", "ups.alarm": ""}
    fake_clock.forward(3)
    assert left() is None
    driver.answer = {"ups.status": "OL", "ups.alarm": "SHUTDOWN_PENDING"}
    assert left() is None
