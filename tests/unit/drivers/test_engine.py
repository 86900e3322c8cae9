from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace

import pytest
from fake_clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from istars.drivers.engine import Driver, Options, line_for, protocols
from istars.drivers.framing import text_shape
from istars.drivers.item import (
    Blocks,
    Family,
    Group,
    Item,
    Line,
    Protocol,
    Query,
    Readings,
    Registers,
    Table,
    When,
)
from istars.drivers.link import shown
from istars.drivers.registers import Number
from istars.errors import BadAnswer, LinkError, NoAnswer, PortError
from unit.drivers.loop import LoopTransport, ModbusPeer, Peer, hurried

STATE = Query(b"STATE", text_shape(rb"\((?P<load>\d+) (?P<volts>\d+)"))
NAME = Query(b"NAME", text_shape(rb"#(?P<name>[A-Z]+)"), When.ONCE)
WEAR = Query(b"WEAR", text_shape(rb"%(?P<days>\d+)"), When.RARELY)


def words(raw: bytes) -> int:
    return int(raw)


TEXT = hurried(
    Protocol(
        name="made-up",
        title="Made up",
        family=Family.TEXT,
        line=Line(terminator=b"\r"),
        items=(
            Item("ups.load", Group(STATE, "load"), words),
            Item("output.voltage", Group(STATE, "volts"), words),
            Item("device.model", Group(NAME, "name"), bytes.decode, When.ONCE),
            Item("istars.ups.rundays", Group(WEAR, "days"), words, When.RARELY),
        ),
        interpreter=lambda _options: lambda fields: Readings(dict(fields)),
    )
)


class Script:
    """A device that answers each question with the next of its answers; the last one stays."""

    def __init__(self, **answers: Iterable[bytes] | bytes) -> None:
        self.answers = {
            name.encode() + b"\r": [given] if isinstance(given, bytes) else list(given)
            for name, given in answers.items()
        }
        self.asked: list[bytes] = []

    def __call__(self, sent: bytes) -> bytes:
        self.asked.append(sent)
        answers = self.answers.get(sent, [b""])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def count(self, name: bytes) -> int:
        return self.asked.count(name + b"\r")


GOOD = {"STATE": b"(42 230\r", "NAME": b"#ALPHA\r", "WEAR": b"%12\r"}


def text_driver(peer: Peer, chunk: int = 4096) -> Driver:
    return Driver(TEXT, LoopTransport(peer, chunk), Options())


def test_all_classes_come_with_the_first_poll() -> None:
    device = Script(**GOOD)
    poll = text_driver(device).poll()
    assert poll.complete
    assert poll.values == {
        "ups.load": 42,
        "output.voltage": 230,
        "device.model": "ALPHA",
        "istars.ups.rundays": 12,
    }


def test_readings_are_as_old_as_the_status_however_long_the_identity_takes(fake_clock: FakeClock) -> None:
    def device(sent: bytes) -> bytes:
        fake_clock.forward(0.2 if sent == b"STATE\r" else 1.5)
        return GOOD[sent.decode().strip()]

    poll = text_driver(device).poll()
    assert poll.at == 1_000.2
    assert fake_clock.at > poll.at + 2


def test_once_is_asked_once_and_rarely_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(at=100.0)
    monkeypatch.setattr(
        "istars.drivers.engine.time", SimpleNamespace(monotonic=lambda: clock.at, sleep=lambda _s: None)
    )
    device = Script(**{**GOOD, "WEAR": [b"%12\r", b"%13\r"]})
    driver = text_driver(device)
    for _ in range(5):
        assert driver.poll().values["istars.ups.rundays"] == 12
    assert (device.count(b"STATE"), device.count(b"NAME"), device.count(b"WEAR")) == (5, 1, 1)
    clock.at += 301
    poll = driver.poll()
    assert (poll.values["istars.ups.rundays"], poll.values["device.model"]) == (13, "ALPHA")
    assert (device.count(b"NAME"), device.count(b"WEAR")) == (1, 2)


def test_a_silent_question_costs_one_try_in_a_poll_and_does_not_hide_the_next() -> None:
    device = Script(STATE=GOOD["STATE"], WEAR=GOOD["WEAR"])
    driver = text_driver(device)
    polls = [driver.poll() for _ in range(8)]
    assert all(poll.complete for poll in polls)
    assert "istars.ups.rundays" not in polls[0].values
    assert polls[1].values["istars.ups.rundays"] == 12
    assert device.count(b"NAME") == 3


def test_a_question_that_is_echoed_is_not_asked_again() -> None:
    device = Script(**{**GOOD, "NAME": b"NAME\r"})
    driver = text_driver(device)
    for _ in range(4):
        assert driver.poll().complete
    assert device.count(b"NAME") == 1


@pytest.mark.parametrize("bad", [b"", b"(42 2", b"(4x 230\r", b"\r", b"garbage\r"])
def test_a_missing_or_damaged_answer_is_asked_for_three_times(bad: bytes) -> None:
    device = Script(**{**GOOD, "STATE": [bad, bad, GOOD["STATE"]]})
    assert text_driver(device).poll().values["ups.load"] == 42
    assert device.count(b"STATE") == 3


def test_after_three_tries_the_poll_fails_and_the_next_asks_only_once() -> None:
    device = Script(STATE=[b""] * 4 + [GOOD["STATE"]] * 2)
    driver = text_driver(device)
    for expected in (3, 4):
        with pytest.raises(NoAnswer, match="no answer from loop to 'STATE'"):
            driver.poll()
        assert device.count(b"STATE") == expected
    assert driver.poll().values["ups.load"] == 42


def test_a_device_that_comes_back_is_asked_who_it_is_again() -> None:
    device = Script(STATE=[GOOD["STATE"], b"", b"", b"", GOOD["STATE"]], NAME=[b"#ALPHA\r", b"#BETA\r"])
    driver = text_driver(device)
    assert driver.poll().values["device.model"] == "ALPHA"
    with pytest.raises(NoAnswer):
        driver.poll()
    assert driver.poll().values["device.model"] == "BETA"


def test_a_late_answer_to_another_question_is_not_taken_for_this_one() -> None:
    device = Script(**{**GOOD, "STATE": b"#ALPHA\r%99\r(42 230\r"})
    assert text_driver(device).poll().values["ups.load"] == 42
    assert device.count(b"STATE") == 1


def test_an_echo_before_the_answer() -> None:
    device = Script(STATE=b"STATE\r(42 230\r", NAME=b"NAME\r#ALPHA\r")
    assert text_driver(device).poll().values["device.model"] == "ALPHA"


def test_a_device_that_does_not_know_the_main_question() -> None:
    driver = text_driver(Script(STATE=b"STATE\r"))
    for _ in range(2):
        with pytest.raises(BadAnswer, match="does not know 'STATE'"):
            driver.poll()


def test_values_that_cannot_be_true_are_dropped_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    device = Script(STATE=[b"(42 9999\r", b"(42 9998\r", b"(42 230\r", b"(42 230\r"])
    driver = text_driver(device)
    shown = ["output.voltage" in driver.poll().values for _ in range(4)]
    assert shown == [False, False, True, True]
    messages = [record.getMessage() for record in caplog.records if "output.voltage" in record.getMessage()]
    assert messages == [
        "loop: output.voltage = 9999 cannot be true and is not used",
        "loop: output.voltage is plausible again",
    ]


@pytest.mark.thorough
@given(answer=st.binary(max_size=120), chunk=st.integers(1, 50))
def test_whatever_a_device_says_only_known_failures_come_out(answer: bytes, chunk: int) -> None:
    for protocol in protocols().values():
        driver = Driver(hurried(protocol), LoopTransport(lambda _sent: answer, chunk), Options(cells=96, baud=921_600))
        for _ in range(2):
            with contextlib.suppress(LinkError):
                driver.poll()
        assert driver.last_seen in answer


@given(before=st.binary(max_size=50), after=st.binary(max_size=50), chunk=st.integers(1, 60))
def test_noise_around_an_answer_costs_nothing(before: bytes, after: bytes, chunk: int) -> None:
    device = Script(**{**GOOD, "STATE": before + b"\r" + GOOD["STATE"] + after})
    driver = text_driver(device, chunk)
    assert re.fullmatch(r"\d+", str(driver.poll().values["ups.load"]))


class Gone(LoopTransport):
    """A port that disappears when it is written to for the n-th time."""

    def __init__(self, peer: Peer, left: int) -> None:
        super().__init__(peer)
        self.left = left

    def write(self, data: bytes) -> None:
        self.left -= 1
        if self.left < 0:
            self.close()
            raise PortError("port-missing", "loop disappeared")
        super().write(data)


def test_a_port_that_disappears_while_the_identity_is_read_costs_the_next_poll_only() -> None:
    transport = Gone(Script(**GOOD), 1)
    driver = Driver(TEXT, transport, Options())
    assert driver.poll().values["ups.load"] == 42
    with pytest.raises(PortError):
        driver.poll()
    transport.left = 99
    assert driver.poll().values["device.model"] == "ALPHA"
    driver.close()
    driver.close()


def register(name: str, address: int, when: When = When.EACH_POLL) -> Item:
    return Item(name, Registers(Table.INPUT, address), Number(), when)


BINARY = hurried(
    Protocol(
        name="made-up",
        title="Made up",
        family=Family.MODBUS,
        line=Line(baud=921_600),
        items=(
            register("ups.load", 0),
            register("output.voltage", 1),
            register("input.voltage", 4),
            register("battery.voltage", 30),
            register("ups.power.nominal", 60, When.ONCE),
        ),
        interpreter=lambda _options: lambda fields: Readings(dict(fields)),
    )
)
VALUES = {(4, 0): 42, (4, 1): 230, (4, 4): 229, (4, 30): 216, (4, 60): 6000}


def binary_driver(device: Callable[[bytes], bytes], chunk: int = 4096, **changes: object) -> Driver:
    return Driver(replace(BINARY, **changes), LoopTransport(device, chunk), Options())  # type: ignore[arg-type]


ALL = {"ups.load": 42, "output.voltage": 230, "input.voltage": 229, "battery.voltage": 216, "ups.power.nominal": 6000}


def test_neighbouring_registers_are_read_together() -> None:
    device = ModbusPeer(VALUES)
    driver = binary_driver(device)
    assert driver.poll().values == ALL
    assert device.asked == [(4, 0, 5), (4, 30, 1), (4, 60, 1)]
    driver.poll()
    assert device.asked[3:] == [(4, 0, 5), (4, 30, 1)]


def test_a_refused_block_is_read_in_parts_from_then_on() -> None:
    device = ModbusPeer(VALUES)
    device.missing = {2, 3}
    driver = binary_driver(device, blocks=Blocks(hole=40))
    poll = driver.poll()
    assert (poll.values, poll.complete) == (ALL, True)
    assert device.asked == [(4, 0, 31), (4, 0, 5), (4, 0, 2), (4, 4, 1), (4, 30, 1), (4, 60, 1)]
    device.asked.clear()
    assert driver.poll().values == ALL
    assert device.asked == [(4, 0, 2), (4, 4, 1), (4, 30, 1)]


def test_a_device_that_gives_single_registers_only() -> None:
    device = ModbusPeer(VALUES)
    device.limit = 1
    driver = binary_driver(device)
    assert driver.poll().values == ALL
    device.asked.clear()
    driver.poll()
    assert [count for _, _, count in device.asked] == [1, 1, 1, 1]


def test_a_register_that_is_refused_alone_is_absent() -> None:
    device = ModbusPeer(VALUES)
    device.missing = {4, 60}
    driver = binary_driver(device)
    for _ in range(3):
        poll = driver.poll()
        assert poll.complete
        assert poll.values == {
            name: value for name, value in ALL.items() if name not in ("input.voltage", "ups.power.nominal")
        }
    assert device.asked.count((4, 4, 1)) == device.asked.count((4, 60, 1)) == 1


def test_a_device_that_has_nothing_of_the_map() -> None:
    device = ModbusPeer({})
    device.last = -1
    driver = binary_driver(device)
    for _ in range(2):
        with pytest.raises(BadAnswer, match="illegal data address"):
            driver.poll()


def test_silence_on_long_blocks_only() -> None:
    device = ModbusPeer(VALUES)
    device.mute = lambda _first, count: count > 2
    driver = binary_driver(device)
    poll = driver.poll()
    assert (poll.values, poll.complete) == (ALL, True)
    device.asked.clear()
    driver.poll()
    assert device.asked == [(4, 0, 2), (4, 4, 1), (4, 30, 1)]


def test_a_block_that_is_lost_once_is_not_split() -> None:
    device = ModbusPeer(VALUES)
    lost = iter([True])
    device.mute = lambda _first, count: count == 5 and next(lost, False)
    driver = binary_driver(device)
    assert driver.poll().values == ALL
    device.asked.clear()
    driver.poll()
    assert device.asked[0] == (4, 0, 5)


def test_a_dead_device_is_not_asked_to_the_end() -> None:
    device = ModbusPeer(VALUES)
    device.mute = lambda _first, _count: True
    driver = binary_driver(device)
    with pytest.raises(NoAnswer):
        driver.poll()
    assert {first for _, first, _ in device.asked} == {0}


def test_a_block_that_fails_makes_the_poll_incomplete() -> None:
    device = ModbusPeer(VALUES)
    driver = binary_driver(device)
    driver.poll()
    device.mute = lambda first, _count: first == 30
    poll = driver.poll()
    assert not poll.complete
    assert "battery.voltage" not in poll.values
    assert poll.values["ups.load"] == 42


def test_a_busy_device_is_asked_again() -> None:
    device = ModbusPeer(VALUES)
    busy = iter([bytes.fromhex("018406C302")])
    driver = binary_driver(lambda sent: next(busy, b"") or device(sent))
    assert driver.poll().values == ALL


def test_a_half_duplex_line_gives_back_what_was_sent() -> None:
    device = ModbusPeer(VALUES)
    driver = binary_driver(lambda sent: sent + device(sent))
    assert driver.poll().values == ALL


@given(before=st.binary(max_size=30), after=st.binary(max_size=30), chunk=st.integers(1, 40))
def test_noise_around_registers_costs_nothing(before: bytes, after: bytes, chunk: int) -> None:
    device = ModbusPeer(VALUES)
    driver = binary_driver(lambda sent: before + device(sent) + after, chunk)
    assert driver.poll().values == ALL


def test_the_device_address_is_used() -> None:
    device = ModbusPeer(VALUES, address=17)
    transport = LoopTransport(device)
    assert Driver(BINARY, transport, Options(address=17)).poll().values == ALL
    with pytest.raises(NoAnswer):
        Driver(BINARY, transport, Options(address=16)).poll()


def test_the_users_line_settings_win() -> None:
    megatec = protocols()["megatec"]
    assert line_for(megatec, Options()) == megatec.line
    line = line_for(megatec, Options(baud=9600, parity="E", bytesize=7, stopbits=2))
    assert (line.baud, line.parity, line.bytesize, line.stopbits, line.rts) == (9600, "E", 7, 2, False)


def test_bytes_of_the_wire_fit_into_a_sentence() -> None:
    assert shown(b"Q1\r") == "'Q1'"
    assert shown(b"\x01\x04") == "01 04"
    assert shown(b"") == ""
    assert len(shown(bytes(200))) < 120
    assert len(shown(b"x" * 200)) < 120
