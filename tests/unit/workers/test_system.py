"""The worker of the operating system: commands, the timetable, what it says of the clock. chronyd itself: tests/peers/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.errors import SettingsError
from istars.platform import clock, files, machine, paths, programs, restart, timekeeping, zone
from istars.platform.doors import Doors
from istars.platform.programs import ProgramFailed
from istars.platform.ssh import CommandLine, SshFailed
from istars.settings.store import change
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.workers import system
from istars.workers.system import System

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D"
TRACKING = (
    "C0000207,time.example.net,2,{updated:.9f},{behind:.9f},0.0,0.0,-0.054,0.0,53.371,0.000005,0.00008,0.0,Normal\n"
)
SOURCES = "^,{state},time.example.net,1,6,{reach},1,0.000001514,0.000001514,0.000003236\n"
UNSYNCHRONISED = "00000000,,0,0.000000000,0.000000000,0.0,0.0,0.0,0.0,0.0,1.0,1.0,0.0,Not synchronised\n"


class Chrony:
    """What chronyc says, in the form of version 4.3."""

    def __init__(self) -> None:
        self.sources = SOURCES.format(state="*", reach=17)
        self.behind = 0.0
        self.updated = 1_700_000_900.0
        self.asked: list[str] = []
        self.refuses: dict[str, str] = {}

    def __call__(self, words: list[str], patience_s: float = 5.0) -> str:
        assert words[:5] == ["chronyc", "-c", "-N", "-h", str(timekeeping.socket_path())]
        verb = words[5]
        self.asked.append(verb)
        if verb in self.refuses:
            raise ProgramFailed(self.refuses[verb])
        if verb == "makestep":
            self.behind = 0.0
        tracking = TRACKING.format(updated=self.updated, behind=self.behind) if self.updated else UNSYNCHRONISED
        return {"sources": self.sources, "tracking": tracking}.get(verb, "200 OK\n")


@pytest.fixture
def live(root: Path, fake_clock: FakeClock) -> Iterator[LiveTable]:
    with LiveTable(paths.live_db()) as table:
        yield table


@pytest.fixture
def chrony(live: LiveTable, monkeypatch: pytest.MonkeyPatch) -> Chrony:
    made = Chrony()
    monkeypatch.setattr(programs, "run", made)
    timekeeping.socket_path().parent.mkdir()
    timekeeping.socket_path().touch()
    return made


@pytest.fixture
def restarted(monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock) -> list[float]:
    """When the card was restarted, in boottime."""
    found: list[float] = []
    monkeypatch.setattr(restart, "now", lambda: found.append(clock.boottime()))
    return found


@pytest.fixture
def start(live: LiveTable, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], System]]:
    """Starts a worker; the timetable's clock is the fake one."""
    import datetime as real
    from types import SimpleNamespace

    import schedule

    class Told(real.datetime):
        @classmethod
        def now(cls, tz: real.tzinfo | None = None) -> real.datetime:  # type: ignore[override]
            return real.datetime.fromtimestamp(clock.wall(), tz)

    names = {name: getattr(real, name) for name in ("date", "time", "timedelta", "timezone")}
    monkeypatch.setattr(schedule, "datetime", SimpleNamespace(datetime=Told, **names))
    started = []

    def begin() -> System:
        zone.use("UTC")
        worker = System()
        started.append(worker)
        worker.begin()
        worker.turn()
        return worker

    yield begin
    for worker in started:
        worker.live.close()


def order(live: LiveTable, name: str, **arguments: object) -> int:
    return live.submit("system", name, arguments, asked_by="anna", address="10.0.0.7", lifetime_s=10)


def said(live: LiveTable) -> dict[str, object]:
    return {name: each.value for name, each in live.readings().items()}


def outcome(live: LiveTable, number: int) -> tuple[str, str]:
    command: LiveCommand = live.command(number)
    return command.state, command.result


def told(live: LiveTable) -> list[str]:
    return [event.code for event in live.pending_events()]


def pass_to(worker: System, fake_clock: FakeClock, wall: float) -> None:
    """Let time pass until `wall`, turning as often as the worker asks for and at least with each sign of life."""
    while clock.wall() < wall:
        due = worker.turn()
        fake_clock.forward(min(5.0, max(0.5, due - clock.boottime()), wall - clock.wall()))
    worker.turn()


THREE = 1_700_017_200.0
"""2023-11-15 03:00 UTC; the fake clock begins four and a half hours before."""


def test_a_synchronised_clock_is_told(chrony: Chrony, live: LiveTable, start: Callable[[], System]) -> None:
    chrony.behind = 0.0123
    start()
    assert said(live) == {
        "istars.clock.state": "synchronised",
        "istars.clock.server": "time.example.net",
        "istars.clock.offset": 12.3,
        "istars.clock.updated": "2023-11-14T22:28:20+00:00",
        "istars.clock.reachable": 1,
        "istars.restart.next": "",
        "istars.ssh.state": "foreign",
    }


def test_what_is_no_longer_known_is_taken_away(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], fake_clock: FakeClock
) -> None:
    worker = start()
    chrony.sources, chrony.updated = SOURCES.format(state="?", reach=0), 0
    fake_clock.forward(system.LOOK_S)
    worker.turn()
    found = said(live)
    assert found["istars.clock.state"] == "searching"
    assert "istars.clock.offset" not in found
    assert str(found["istars.clock.detail"]).startswith("no answer from 0.pool.ntp.org")


@pytest.mark.parametrize("answer", ["nonsense\n", "^,*,x,1,6,9z,1,0,0,0\n"])
def test_an_answer_that_is_not_understood_is_no_good_clock(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], answer: str
) -> None:
    chrony.sources = answer
    start()
    assert said(live)["istars.clock.state"] == "stopped"


def test_without_servers_the_clock_is_set_by_hand(chrony: Chrony, live: LiveTable, start: Callable[[], System]) -> None:
    change({"time.ntp.servers": ""})
    start()
    assert said(live)["istars.clock.state"] == "manual"
    assert timekeeping.sources_path().read_bytes() == b""


def test_on_a_developers_machine_nothing_is_done_to_the_clock(live: LiveTable, start: Callable[[], System]) -> None:
    worker = start()
    assert said(live)["istars.clock.state"] == "foreign"
    adjust, hand = order(live, "istars.clock.adjust"), order(live, "istars.clock.set", time="2026-11-21 14:05:00")
    worker.turn()
    assert outcome(live, adjust) == ("failed", timekeeping.FOREIGN)
    assert outcome(live, hand) == ("failed", timekeeping.FOREIGN)
    worker.end()
    assert not (paths.data_dir() / "clock").exists()


def test_servers_are_written_as_chrony_reads_them(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], fake_clock: FakeClock
) -> None:
    worker = start()
    change({"time.ntp.servers": "ntp.example.net, 192.0.2.1, 2001:db8::1", "time.ntp.interval": "64"})
    chrony.asked.clear()
    worker.turn()
    assert timekeeping.sources_path().read_text() == (
        "server ntp.example.net iburst minpoll 6 maxpoll 6\n"
        "server 192.0.2.1 iburst minpoll 6 maxpoll 6\n"
        "server 2001:db8::1 iburst minpoll 6 maxpoll 6\n"
    )
    assert "reload" in chrony.asked
    chrony.asked.clear()
    change({"system.name": "of no concern"})
    worker.turn()
    assert "reload" not in chrony.asked


@pytest.mark.parametrize(
    "hostile",
    ["a\nallow all", "a\rallow", "a b", "a;reboot", "a;", "$(reboot)", "`reboot`", "a|b", "-h", "a\tmaxpoll 3", "#a", "a\0",
     "a#b", "../x", "a/b", "'a'", "a\\", "\N{LINE SEPARATOR}a"],
)  # fmt: skip
def test_no_directive_and_no_shell_word_gets_in_as_a_server(root: Path, hostile: str) -> None:
    with pytest.raises(SettingsError, match=r"time\.ntp\.servers"):
        change({"time.ntp.servers": f"ntp.example.net, {hostile}"})
    assert not paths.settings_file().exists()


def test_more_than_four_servers_are_refused(root: Path) -> None:
    with pytest.raises(SettingsError, match="must have at most 4 items, not 5"):
        change({"time.ntp.servers": "a.net, b.net, c.net, d.net, e.net"})


@pytest.mark.parametrize(
    ("behind", "result"),
    [
        (5.25, "the clock was 5.250 s behind time.example.net and was set"),
        (-0.5, "the clock was 0.500 s ahead of time.example.net and was set"),
        (0.0002, "the clock agrees with time.example.net within a millisecond"),
    ],
)
def test_adjusting_tells_how_far_the_clock_was_wrong(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], fake_clock: FakeClock, behind: float, result: str
) -> None:
    worker = start()
    chrony.behind = behind
    number = order(live, "istars.clock.adjust")
    worker.turn()
    assert live.command(number).state == "running"  # the last measurement is older than the command
    fake_clock.forward(2)
    worker.turn()
    assert outcome(live, number) == ("done", result)
    assert ("makestep" in chrony.asked) == (abs(behind) > 0.001)
    assert chrony.asked.index("online") < chrony.asked.index("burst")


def test_what_chronyd_itself_puts_right_meanwhile_is_told_too(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], fake_clock: FakeClock
) -> None:
    worker = start()
    number = order(live, "istars.clock.adjust")
    worker.turn()
    fake_clock.set_wall_by(30)
    fake_clock.forward(2)
    worker.turn()
    assert outcome(live, number) == ("done", "the clock was 30.000 s behind time.example.net and was set")


@pytest.mark.parametrize(
    ("state", "reach", "result"),
    [
        ("?", 0, "no time server answers: 192.0.2.1"),
        ("x", 17, "the time servers answer, but none of them can be trusted yet; try again later"),
    ],
)
def test_a_clock_that_cannot_be_compared_is_told_after_a_while(
    chrony: Chrony,
    live: LiveTable,
    start: Callable[[], System],
    fake_clock: FakeClock,
    state: str,
    reach: int,
    result: str,
) -> None:
    change({"time.ntp.servers": "192.0.2.1"})
    chrony.sources = SOURCES.format(state=state, reach=reach)
    worker = start()
    number = order(live, "istars.clock.adjust")
    worker.turn()
    fake_clock.forward(system.ADJUST_S - 0.1)
    worker.turn()
    assert live.command(number).state == "running"
    fake_clock.forward(0.2)
    worker.turn()
    assert outcome(live, number) == ("failed", result)


@pytest.mark.parametrize(
    ("verb", "result"),
    [
        ("burst", "503 No such source"),
        ("makestep", "the clock was 5.000 s behind time.example.net and could not be set: 503 No such source"),
    ],
)
def test_what_chronyd_refuses_is_told(
    chrony: Chrony, live: LiveTable, start: Callable[[], System], fake_clock: FakeClock, verb: str, result: str
) -> None:
    worker = start()
    chrony.behind = 5.0
    chrony.refuses[verb] = "503 No such source"
    number = order(live, "istars.clock.adjust")
    worker.turn()
    fake_clock.forward(2)
    worker.turn()
    assert outcome(live, number) == ("failed", result)


@pytest.mark.parametrize(
    ("typed", "epoch"),
    [
        ("2026-11-21 14:05:00", 1_795_241_100),
        ("2026-11-21T14:05", 1_795_241_100),
        ("2026-11-21T14:05:00+00:00", 1_795_269_900),
    ],
)
def test_a_clock_that_is_the_cards_is_set_in_its_zone(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch, typed: str, epoch: int
) -> None:
    put: list[float] = []
    ran: list[list[str]] = []
    monkeypatch.setattr(machine, "ours", lambda: True)
    monkeypatch.setattr(timekeeping.time, "clock_settime", lambda _clock, moment: put.append(moment))
    monkeypatch.setattr(programs, "run", lambda words, *_: ran.append(words))
    change({"system.zone": "Asia/Shanghai"})
    worker = start()
    number = order(live, "istars.clock.set", time=typed)
    worker.turn()
    assert (live.command(number).state, put, ran) == ("done", [epoch], [["hwclock", "-u", "-w"]])


@pytest.mark.parametrize(
    "typed", ["", "soon", "2026-13-01 00:00", "2026-11-21 25:00", "9" * 30, "2019-12-31", "2100-01-02 00:00"]
)
def test_a_time_that_cannot_be_meant_is_refused(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr(machine, "ours", lambda: True)
    monkeypatch.setattr(timekeeping.time, "clock_settime", lambda *_: pytest.fail("the clock was set"))
    worker = start()
    number = order(live, "istars.clock.set", time=typed)
    worker.turn()
    assert live.command(number).state == "failed"


def test_the_time_is_kept_on_flash_by_the_hour_and_at_the_end(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock
) -> None:
    monkeypatch.setattr(machine, "ours", lambda: True)
    worker, kept = start(), paths.data_dir() / "clock"
    assert not kept.exists()
    fake_clock.forward(system.REMEMBER_S)
    worker.turn()
    assert kept.read_text() == f"{clock.wall():.0f}\n"
    fake_clock.forward(100)
    worker.turn()
    assert kept.read_text() == f"{clock.wall() - 100:.0f}\n"
    worker.end()
    assert kept.read_text() == f"{clock.wall():.0f}\n"


def test_a_restart_is_answered_and_written_down_before_it_happens(
    live: LiveTable, start: Callable[[], System], restarted: list[float], fake_clock: FakeClock
) -> None:
    worker = start()
    number = order(live, "istars.restart")
    worker.turn()
    assert outcome(live, number) == ("done", "the card restarts in a moment")
    assert told(live) == ["CARD_RESTARTS"]
    fake_clock.forward(system.GRACE_S)
    worker.turn()
    assert restarted == []  # the core has not put its event on flash
    live.forget_pending(live.pending_events()[-1].id)
    with live.transaction() as db:
        db.execute("UPDATE command SET recorded = 1")
    worker.turn()
    assert len(restarted) == 1
    fake_clock.forward(60)
    worker.turn()
    assert len(restarted) == 1


def test_a_core_that_hangs_does_not_keep_the_card_from_restarting(
    live: LiveTable, start: Callable[[], System], restarted: list[float], fake_clock: FakeClock
) -> None:
    worker = start()
    order(live, "istars.restart")
    worker.turn()
    fake_clock.forward(system.LATEST_S)
    worker.turn()
    assert len(restarted) == 1


def test_a_restart_that_fails_is_told(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock
) -> None:
    def fails() -> None:
        raise ProgramFailed("the program reboot is not installed")

    monkeypatch.setattr(restart, "now", fails)
    worker = start()
    order(live, "istars.restart")
    worker.turn()
    fake_clock.forward(system.LATEST_S)
    worker.turn()
    assert told(live) == ["CARD_RESTARTS", "COMMAND_FAILED"]
    assert live.pending_events()[1].args["result"] == "the program reboot is not installed"


def test_the_timetable_restarts_the_card_once(
    live: LiveTable, start: Callable[[], System], restarted: list[float], fake_clock: FakeClock
) -> None:
    change({"restart.schedule": "daily"})
    worker = start()
    assert said(live)["istars.restart.next"] == "2023-11-15 03:00"
    pass_to(worker, fake_clock, THREE - 1)
    assert told(live) == []
    pass_to(worker, fake_clock, THREE + 120)
    assert (told(live), len(restarted)) == (["CARD_RESTARTS"], 1)
    assert said(live)["istars.restart.next"] == "2023-11-16 03:00"


def test_a_clock_that_jumps_over_a_restart_does_not_carry_it_out(
    live: LiveTable, start: Callable[[], System], restarted: list[float], fake_clock: FakeClock
) -> None:
    change({"restart.schedule": "daily"})
    worker = start()
    fake_clock.set_wall_by(THREE + 10 - clock.wall())
    pass_to(worker, fake_clock, THREE + 120)
    assert (told(live), restarted) == ([], [])


def test_a_clock_that_is_set_back_over_a_restart_does_not_repeat_it(
    live: LiveTable, start: Callable[[], System], restarted: list[float], fake_clock: FakeClock
) -> None:
    change({"restart.schedule": "daily"})
    worker = start()
    pass_to(worker, fake_clock, THREE + 60)
    assert len(restarted) == 1
    fake_clock.set_wall_by(-1800)
    again = start()  # as after the restart
    pass_to(again, fake_clock, THREE + 120)
    assert len(restarted) == 1


def test_a_restart_that_cannot_be_written_down_is_left_out(
    live: LiveTable,
    start: Callable[[], System],
    restarted: list[float],
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change({"restart.schedule": "daily"})
    worker = start()

    def no_room(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", no_room)
    pass_to(worker, fake_clock, THREE + 120)
    assert (told(live), restarted) == ([], [])


@pytest.mark.parametrize("text", ["24:00", "3:00", "03:60", "03:00:00", "noon", "03.00", "0\uff13:00"])
def test_a_time_of_day_that_is_none_is_refused(root: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"restart\.time"):
        change({"restart.time": text})


def test_the_command_line_opens_where_a_key_could_sign_in_and_the_firewall_with_it(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[str, ...]] = []
    opened: list[object] = []
    monkeypatch.setattr(machine, "ours", lambda: True)
    monkeypatch.setattr(CommandLine, "look", lambda _self, keys: looked.append(keys))
    monkeypatch.setattr(Doors, "look", lambda _self, *, plain_http, open_ports: opened.append(open_ports["tcp"]))
    worker = start()
    for values, state, wanted, ports in (
        ({}, "closed", (), ()),
        ({"ssh.enabled": "on"}, "keyless", (), ()),
        ({"ssh.key.3": KEY}, "open", (KEY,), (22,)),
        ({"ssh.enabled": "off"}, "closed", (), ()),
    ):
        change(values)
        worker.turn()
        assert live.readings()["istars.ssh.state"].value == state
        assert (looked[-1], opened[-1]) == (wanted, ports)


def test_a_command_line_that_cannot_be_opened_is_told_and_the_firewall_stays_closed(
    live: LiveTable, start: Callable[[], System], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_self: CommandLine, _keys: tuple[str, ...]) -> None:
        raise SshFailed("dropbearkey: no room")

    opened: list[object] = []
    monkeypatch.setattr(machine, "ours", lambda: True)
    monkeypatch.setattr(CommandLine, "look", fail)
    monkeypatch.setattr(Doors, "look", lambda _self, *, plain_http, open_ports: opened.append(open_ports["tcp"]))
    change({"ssh.enabled": "on", "ssh.key.1": KEY})
    start().turn()
    said = live.readings()
    assert (said["istars.ssh.state"].value, said["istars.ssh.detail"].value) == ("failed", "dropbearkey: no room")
    assert set(opened) == {()}
