"""From events to traps: each once, also when the worker was killed; on battery every minute; failures are kept."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator

import pytest
from asking import ON_MAINS, Harness
from istars.model.alarms import ALARMS
from istars.platform import clock, paths
from istars.snmp.notify import Notice, Notifier, probe
from istars.snmp.watch import Watch
from istars.store.archive import Archive, Event
from istars.store.live_alarms import LiveAlarm, Step
from netsnmp import user

UPS_TRAPS = (1, 3, 6, 1, 2, 1, 33, 2)
NUMBERS = itertools.count(1)


class Told(Notifier):
    """A notifier that only remembers."""

    def __init__(self, harness: Harness) -> None:
        super().__init__(harness.agent)
        self.notices: list[Notice] = []

    def tell(self, notice: Notice) -> None:
        self.notices.append(notice)

    def taken(self) -> list[int]:
        """Numbers of the RFC's traps since the last time."""
        found = [notice.oid[-1] for notice in self.notices if notice.oid[:-1] == UPS_TRAPS]
        self.notices.clear()
        return found


@pytest.fixture
def archive(harness: Harness) -> Iterator[Archive]:
    with Archive(paths.archive_db()) as found:
        yield found


def happens(harness: Harness, archive: Archive, code: str, kind: str = "raise", key: str = "") -> str:
    """The core has recorded an event and keeps the alarm."""
    key = key or f"alarm{next(NUMBERS)}"
    severity = ALARMS[code].severity.value
    archive.append([Event(0, f"{key}:{kind}", clock.wall(), code, kind, severity, {}, key)], [])
    harness.live.take_rules()
    if kind == "raise":
        alarm = LiveAlarm(key, code, severity, clock.wall(), clock.boottime(), clock.boot_id())
        harness.live.apply(Step(raised=[alarm]))
    else:
        harness.live.apply(Step(cleared=[key]))
    return key


def test_alarms_are_told_with_their_number_and_description(harness: Harness, archive: Archive) -> None:
    told = Told(harness)
    watch = Watch(harness.picture, told)
    assert [notice.words for notice in told.notices] == ["coldStart"]
    key = happens(harness, archive, "OVERLOAD")
    watch.look()
    added = told.notices[-1]
    assert added.oid == (*UPS_TRAPS, 3)
    assert added.bindings[0][1] == b"\x02\x01\x01"
    assert harness.value("6.2.1.2.1") == "1.3.6.1.2.1.33.1.6.3.8"
    happens(harness, archive, "OVERLOAD", "clear", key)
    watch.look()
    removed = told.notices[-1]
    assert removed.oid == (*UPS_TRAPS, 4)
    assert removed.bindings == added.bindings
    watch.look()
    assert told.taken() == [3, 4]
    watch.close()


def test_an_alarm_that_came_and_went_between_two_looks_is_told(harness: Harness, archive: Archive) -> None:
    told = Told(harness)
    watch = Watch(harness.picture, told)
    happens(harness, archive, "FAN_FAIL", "clear", happens(harness, archive, "FAN_FAIL"))
    watch.look()
    assert told.taken() == [3, 4]
    watch.close()


def test_on_battery_is_told_every_minute_until_it_is_over(
    harness: Harness, archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(harness)
    watch = Watch(harness.picture, told)
    real, ahead = clock.boottime, [0.0]
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: real() + ahead[0])
    harness.publish({**ON_MAINS, "ups.status": "OB DISCHRG"}, lifetime_s=1000)
    key = happens(harness, archive, "ON_BATTERY")
    watch.look()
    notice = told.notices[-1]
    assert [name[7:] for name, _ in notice.bindings] == [(1, 2, 3, 0), (1, 2, 2, 0), (1, 9, 7, 0)]
    assert told.taken() == [1], "and no alarm entry of its own"
    for later in (30.0, 59.0):
        ahead[0] = later
        watch.look()
        assert told.taken() == []
    for later in (61.0, 122.0):
        ahead[0] = later
        watch.look()
        assert told.taken() == [1]
    happens(harness, archive, "ON_BATTERY", "clear", key)
    ahead[0] = 200.0
    watch.look()
    assert told.taken() == [4], "its removal is told, its insertion is not"
    watch.close()


def test_the_end_of_a_test_is_told_and_nothing_else_of_it(harness: Harness, archive: Archive) -> None:
    told = Told(harness)
    watch = Watch(harness.picture, told)
    harness.state.test.asked = 4
    key = happens(harness, archive, "TEST_RUNNING")
    watch.look()
    assert told.taken() == []
    assert harness.value("7.1.0") == "1.3.6.1.2.1.33.1.7.7.4"
    happens(harness, archive, "TEST_RUNNING", "clear", key)
    watch.look()
    assert told.taken() == [2]
    watch.close()


def test_what_happened_while_the_worker_was_dead_is_told_once(harness: Harness, archive: Archive) -> None:
    first = Watch(harness.picture, Told(harness))
    happens(harness, archive, "FAN_FAIL")
    first.look()
    first.close()  # killed: nothing else is done
    happens(harness, archive, "EPO")
    told = Told(harness)
    second = Watch(harness.picture, told)
    assert told.notices[0].words == "warmStart"
    second.look()
    assert told.taken() == [3]
    assert len(harness.picture.state._numbers) == 2
    second.close()


def test_events_that_wait_for_room_on_flash_are_told_once(harness: Harness, archive: Archive) -> None:
    told = Told(harness)
    watch = Watch(harness.picture, told)
    event = Event(0, "k:raise", clock.wall(), "FAN_FAIL", "raise", "critical", {}, "k")
    harness.live.tell(event)
    watch.look()
    assert told.taken() == [3]
    archive.append([event], [])
    watch.look()
    assert told.taken() == []
    watch.close()


def test_the_same_notice_is_not_sent_twice_within_five_seconds(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, ahead = clock.boottime, 0.0
    monkeypatch.setattr("istars.platform.clock.boottime", lambda: real() + ahead)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        port = str(receiver.getsockname()[1])
        harness.set({"snmp.trap.1.address": "127.0.0.1", "snmp.trap.1.port": port, "snmp.trap.1.events": "card"})
        notifier = Notifier(harness.agent)
        notifier.use(harness.agent.access.recipients)
        for _ in range(2):
            notifier.tell(probe())
        notifier.turn(clock.boottime())
        assert receiver.recv(2000)
        assert len(notifier.sendings) == 1
        assert notifier.standing[1].state == "sent"
        receiver.setblocking(False)
        with pytest.raises(BlockingIOError):
            receiver.recv(2000)
        ahead = 5.5
        notifier.turn(clock.boottime())
        assert receiver.recv(2000)
        assert not notifier.sendings
        notifier.close()


def test_recipients_hear_what_they_chose(harness: Harness) -> None:
    harness.set({
        **user(1, "alice", "sha256", "aes", "none"),
        "snmp.trap.1.address": "192.0.2.1", "snmp.trap.1.events": "critical", "snmp.trap.2.address": "192.0.2.2",
        "snmp.trap.2.events": "warning, card", "snmp.trap.3.address": "192.0.2.3", "snmp.trap.3.version": "v3",
        "snmp.trap.3.user": "nobody",
    })  # fmt: skip
    notifier = Notifier(harness.agent)
    notifier.use(harness.agent.access.recipients)
    notifier.tell(probe())
    assert [sending.recipient.number for sending in notifier.sendings] == [2]
    assert harness.agent.access.problems == ["Trap recipient 3 gets nothing: its SNMPv3 user is not known."]
    assert b"alice" not in harness.agent.access.users, "who only is told may not ask"


INFORM = {
    "snmp.trap.1.address": "127.0.0.1",
    "snmp.trap.1.port": "9",
    "snmp.trap.1.type": "inform",
    "snmp.inform.retries": "1",
}
OTHER = Notice((*UPS_TRAPS, 3), (((1, 3, 6), b"\x05\x00"),), "critical", "Overload", "OVERLOAD")


@pytest.fixture
def informer(harness: Harness) -> Iterator[Notifier]:
    """Tells one recipient that never answers."""
    harness.set(INFORM)
    found = Notifier(harness.agent)
    found.retries, found.interval = 1, 5.0
    found.use(harness.agent.access.recipients)
    yield found
    found.close()


def fail(notifier: Notifier, notice: Notice) -> None:
    """Tell, and let all tries pass."""
    notifier.tell(notice)
    ahead = clock.boottime()
    while notifier.sendings:
        ahead += 6
        notifier.turn(ahead)


def test_a_recipient_that_is_gone_is_said_once_for_each_kind_until_it_is_back(informer: Notifier) -> None:
    said: list[str] = []
    informer.failed = lambda _recipient, notice, reason: said.append(f"{notice.words}: {reason}")
    fail(informer, probe())
    fail(informer, probe())
    fail(informer, OTHER)
    assert said == ["test: no answer after 2 tries", "Overload: no answer after 2 tries"]
    assert informer.standing[1].state == "failing"
    assert informer.standing[1].detail == "Overload: no answer after 2 tries; 3 were lost"
    informer.tell(probe())
    informer.sendings[0].heard = ""
    informer.turn(0)
    assert (informer.standing[1].state, informer.standing[1].detail) == ("acknowledged", "test")
    fail(informer, probe())
    assert len(said) == 3


def test_a_trial_ends_before_those_who_wait_for_it_give_up(informer: Notifier) -> None:
    informer.retries, informer.interval = 10, 60.0
    said: list[str] = []
    informer.try_out(informer.recipients[0], probe(), 12, said.append)
    now = clock.boottime()
    due = informer.turn(now)
    assert due is not None
    assert due <= now + 12
    assert said == []
    informer.turn(now + 12)
    assert said == ["no answer after 1 try"]


def test_what_waits_goes_to_nobody_else(harness: Harness, informer: Notifier) -> None:
    informer.tell(OTHER)
    harness.set({"snmp.trap.1.address": "127.0.0.2"})
    informer.use(harness.agent.access.recipients)
    assert informer.sendings == []
    assert informer.standing == {}


def test_what_waits_outlives_the_worker(harness: Harness, archive: Archive, informer: Notifier) -> None:
    watch = Watch(harness.picture, informer)
    informer.sendings.clear()
    happens(harness, archive, "FAN_FAIL")
    watch.look()  # killed here: nothing is sent yet
    again = Notifier(harness.agent)
    again.use(harness.agent.access.recipients)
    second = Watch(harness.picture, again)
    second.look()
    assert [each.notice.words for each in again.sendings] == ["Fan failed", "warmStart"]
    first, resumed = informer.sendings[0], again.sendings[0]
    assert (resumed.notice, resumed.number, resumed.tries) == (first.notice, first.number, first.tries)
    for sending in again.sendings:
        sending.heard = ""
    again.turn(clock.boottime())
    second.keep()
    third = Watch(harness.picture, Told(harness))
    assert [notice.words for notice in third.notifier.notices] == ["warmStart"]
    for each in (watch, second, third):
        each.close()


@pytest.mark.parametrize(
    "text", ["", "7", "{}", '{"told": 0, "waiting": [1, {"to": [1, "127.0.0.1", 9]}]}', '{"told": "x", "waiting": []}']
)
def test_a_note_that_cannot_be_read_costs_what_is_in_it_only(harness: Harness, informer: Notifier, text: str) -> None:
    harness.live.set_mark("snmp", text)
    watch = Watch(harness.picture, informer)
    watch.look()
    assert [each.notice.words for each in informer.sendings] == ["warmStart"]
    watch.close()
