from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulators.designs import MEGATEC_KINDS, design_of
from simulators.megatec import Megatec
from simulators.physics import Ups

Q1 = re.compile(rb"\(\d{3}\.\d \d{3}\.\d \d{3}\.\d \d{3} \d\d\.\d (\d\.\d\d|\d\d\.\d) \d\d\.\d [01]{8}\r")
RATINGS = re.compile(rb"#\d{3}\.\d \d{3} (\d\d\.\d\d|\d{3}\.\d) \d\d\.\d\r")


@pytest.fixture(params=MEGATEC_KINDS)
def device(request: pytest.FixtureRequest) -> Megatec:
    return Megatec(Ups(design_of(request.param)))


@pytest.fixture
def online() -> Megatec:
    return Megatec(Ups(design_of("megatec")))


def bits(device: Megatec) -> dict[int, bool]:
    """Status bits by their number."""
    text = device.respond(b"Q1\r")[38:46].decode()
    return {7 - place: bit == "1" for place, bit in enumerate(text)}


def output_v(device: Megatec) -> float:
    return float(device.respond(b"Q1\r")[13:18])


def test_answers_have_their_exact_widths(device: Megatec) -> None:
    for volts in (230.0, 0.0, 400.0):
        for load in (0.0, 42.0, 300.0):
            device.ups.set_mains(volts)
            device.ups.set_load(load)
            device.ups.step(0.2)
            answer = device.respond(b"Q1\r")
            assert len(answer) == 47
            assert Q1.fullmatch(answer)
            assert Q1.fullmatch(device.respond(b"D\r"))
    assert RATINGS.fullmatch(device.respond(b"F\r"))
    assert len(device.respond(b"F\r")) == 22
    assert re.fullmatch(rb"#.{15} .{10} .{10}\r", device.respond(b"I\r"))


def test_blank_answers_keep_their_widths(online: Megatec) -> None:
    online.blank = {"F", "I"}
    assert online.respond(b"F\r") == b"#   .        .     . \r"
    assert len(online.respond(b"F\r")) == 22
    assert len(online.respond(b"I\r")) == 39


def test_battery_is_per_cell_online_and_per_pack_otherwise() -> None:
    online, interactive = (Megatec(Ups(design_of(kind))) for kind in MEGATEC_KINDS)
    assert online.respond(b"Q1\r")[28:32] == b"2.25"
    assert interactive.respond(b"Q1\r")[28:32] == b"27.0"
    assert (bits(online)[3], bits(interactive)[3]) == (False, True)


@given(command=st.binary(max_size=12))
def test_unknown_commands_are_echoed_and_harmless(command: bytes) -> None:
    device = Megatec(Ups(design_of("megatec")))
    known = re.fullmatch(rb"Q1|D|F|I|T|TL|CT|Q|C|T\d\d|S(\.\d|\d\d)(R\d{4})?", command.strip(b"\r\n\0"))
    answer = device.respond(command + b"\r")
    assert known or answer in (b"", command.strip(b"\r\n\0") + b"\r")


@pytest.mark.parametrize("command", [b"XYZ", b"T00", b"T1", b"S11", b"S.1", b"S1", b"S02R03", b"QGS", b"M", b"q1"])
def test_these_are_not_commands(online: Megatec, command: bytes) -> None:
    assert online.respond(command + b"\r") == command + b"\r"
    assert online.ups.pending is None
    assert online.ups.test is None


@pytest.mark.parametrize("command", [b"T", b"TL", b"T05", b"CT", b"Q", b"C", b"S.5", b"S02", b"S.5R0003", b"S00R0000"])
def test_commands_are_obeyed_in_silence(online: Megatec, command: bytes) -> None:
    assert online.respond(command + b"\r") == b""


def test_transfer_voltage_is_told_once(online: Megatec) -> None:
    online.ups.set_mains(0.0)
    online.ups.step(1.0)
    first, second = online.respond(b"Q1\r"), online.respond(b"Q1\r")
    assert (first[1:6], first[7:12]) == (b"000.0", b"158.0")
    assert second[7:12] == b"000.0"


def test_bits_follow_the_physics(device: Megatec) -> None:
    ups = device.ups
    kind = ups.design.topology == "interactive"
    assert bits(device) == {7: False, 6: False, 5: False, 4: False, 3: kind, 2: False, 1: False, 0: True}
    ups.set_mains(0.0)
    ups.step(1.0)
    assert bits(device)[7]
    ups.set_charge(10.0)
    assert bits(device)[6]
    ups.set_mains(230.0)
    ups.set_charge(90.0)
    ups.step(10.0)
    assert not bits(device)[7]
    assert not bits(device)[6]
    ups.set_fault(True)
    assert bits(device)[4]
    ups.set_fault(False)
    assert not bits(device)[4]


def test_bit_5_is_bypass_or_regulator() -> None:
    online, interactive = (Megatec(Ups(design_of(kind))) for kind in MEGATEC_KINDS)
    online.ups.go_to_bypass(True)
    interactive.ups.set_mains(185.0)
    for device in (online, interactive):
        assert bits(device)[5]
    answer = interactive.respond(b"Q1\r")
    assert float(answer[13:18]) / float(answer[1:6]) == pytest.approx(1.15, abs=0.01)


def test_battery_test_and_its_cancel(device: Megatec) -> None:
    device.respond(b"T\r")
    assert bits(device)[2]
    device.ups.step(11.0)
    assert not bits(device)[2]
    device.respond(b"T03\r")
    device.ups.step(100.0)
    assert bits(device)[2]
    assert not bits(device)[7]
    device.respond(b"CT\r")
    assert not bits(device)[2]
    device.ups.set_weak(True)
    device.respond(b"TL\r")
    device.ups.step(5.0)
    assert not bits(device)[2]
    assert bits(device)[4]


def test_beeper_toggles(device: Megatec) -> None:
    for on in (False, True):
        device.respond(b"Q\r")
        assert bits(device)[0] is on


def test_shutdown_and_return(device: Megatec) -> None:
    device.respond(b"S.5R0003\r")
    device.ups.step(29.0)
    assert bits(device)[1]
    assert output_v(device) > 200.0
    device.ups.step(2.0)
    assert not bits(device)[1]
    assert output_v(device) == 0.0
    device.ups.step(181.0)
    assert output_v(device) > 200.0


def test_shutdown_cancelled_in_time(device: Megatec) -> None:
    device.respond(b"S02\r")
    device.ups.step(100.0)
    device.respond(b"C\r")
    device.ups.step(100.0)
    assert output_v(device) > 200.0


def test_off_now_stays_off_until_c(device: Megatec) -> None:
    device.respond(b"S00R0000\r")
    device.ups.step(3600.0)
    assert output_v(device) == 0.0
    device.respond(b"C\r")
    device.ups.step(1.0)
    assert output_v(device) > 200.0


def test_commands_are_cut_at_cr(online: Megatec) -> None:
    assert online.split(b"Q1\rF\rI", quiet=False) == ([b"Q1\r", b"F\r"], b"I")
    assert online.split(b"x" * 1000, quiet=True) == ([], b"x" * 32)
