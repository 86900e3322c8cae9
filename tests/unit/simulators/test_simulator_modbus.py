from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulators.designs import design_of
from simulators.modbus import ModbusSlave, crc16, framed
from simulators.physics import Ups
from simulators.registers import EastRegisters, InvtRegisters


def slave_of(kind: str, phases: int = 1) -> ModbusSlave:
    ups = Ups(design_of(kind, phases))
    return ModbusSlave(EastRegisters(ups) if kind == "east" else InvtRegisters(ups))


def ups_of(slave: ModbusSlave) -> Ups:
    assert isinstance(slave.registers, EastRegisters | InvtRegisters)
    return slave.registers.ups


def ask(slave: ModbusSlave, function: int, first: int, value: int, address: int = 1) -> bytes:
    return slave.respond(framed(bytes([address, function, first >> 8, first & 255, value >> 8, value & 255])))


def read(slave: ModbusSlave, function: int, first: int, count: int) -> list[int]:
    answer = ask(slave, function, first, count)
    assert framed(answer[:-2]) == answer
    assert answer[:3] == bytes([1, function, 2 * count])
    return [int.from_bytes(answer[at : at + 2], "big", signed=True) for at in range(3, 3 + 2 * count, 2)]


@pytest.fixture
def east() -> ModbusSlave:
    return slave_of("east")


@pytest.fixture
def invt() -> ModbusSlave:
    return slave_of("invt")


def test_crc_of_known_frames() -> None:
    for frame in ("0104000C0001F1C9", "01040208FBFF73", "010480000001", "01068003000191CA", "018402C2C1"):
        data = bytes.fromhex(frame)
        if frame != "010480000001":
            assert framed(data[:-2]) == data
    assert crc16(b"123456789") == 0x4B37


@given(st.binary(max_size=20))
def test_noise_is_not_answered(noise: bytes) -> None:
    answer = slave_of("east").respond(noise)
    assert answer == b"" or framed(noise[:-2]) == noise


def test_wrong_crc_and_other_addresses_meet_silence(east: ModbusSlave) -> None:
    frame = bytes.fromhex("0104000C0001F1C9")
    assert east.respond(frame[:-1] + b"\0") == b""
    assert east.respond(frame[:-1]) == b""
    assert ask(east, 4, 12, 1, address=2) == b""
    assert ask(east, 6, 0x8002, 1, address=0) == b""
    assert not ups_of(east).beeper


@pytest.mark.parametrize(
    ("function", "first", "value", "code"),
    [
        (1, 0, 1, 1),
        (16, 0, 1, 1),
        (4, 0, 0, 3),
        (4, 0, 126, 3),
        (4, 71, 2, 2),
        (4, 900, 1, 2),
        (3, 83, 1, 2),
        (3, 80, 4, 2),
        (6, 0x8005, 1, 2),
        (6, 5, 1, 2),
        (6, 0x8000, 7, 3),
        (6, 0x8007, 1, 4),
    ],
)
def test_exceptions(east: ModbusSlave, function: int, first: int, value: int, code: int) -> None:
    assert ask(east, function, first, value) == framed(bytes([1, function | 0x80, code]))


def test_writes_are_not_known_to_invt(invt: ModbusSlave) -> None:
    assert ask(invt, 6, 0x8000, 1) == framed(bytes([1, 0x86, 1]))


def test_block_limit_refuses_longer_reads(east: ModbusSlave) -> None:
    east.most_registers = 1
    assert ask(east, 4, 0, 72) == bytes.fromhex("018402C2C1")
    assert len(read(east, 4, 12, 1)) == 1


def test_east_measurements_are_the_physics(east: ModbusSlave) -> None:
    ups = ups_of(east)
    block = read(east, 4, 0, 72)
    assert block[0] == block[12] == round(ups.input_v * 10)
    assert block[18] == 500
    assert block[24] == 2300
    assert block[27] == pytest.approx(ups.load_w / 0.9 / 23, abs=1)
    assert (block[36], block[39], block[45]) == (25, 23, 420)
    assert (block[49], block[55]) == (2160, 1000)
    assert block[54] == round(ups.runtime_s / 60)
    assert block[59] == 12
    assert (block[1], block[13], block[25], block[50]) == (0, 0, 0, 0)
    assert b"".join(word.to_bytes(2, "big") for word in block[67:70]) == b"V2.0.7"
    # Rectifier 2, inverter 2, battery float 3, bypass there, load on the inverter; mode 4.
    assert (block[70], block[71]) == (2 | 2 << 2 | 3 << 4 | 1 << 7 | 2 << 9, 4)


def test_east_status_word_follows_the_story(east: ModbusSlave) -> None:
    ups = ups_of(east)
    ups.set_mains(0.0)
    ups.step(1.0)
    assert read(east, 4, 70, 2) == [3 | 2 << 2 | 4 << 4 | 0 << 7 | 2 << 9, 5]
    assert read(east, 4, 51, 1)[0] < 0
    ups.set_mains(230.0)
    ups.step(1.0)
    assert read(east, 4, 70, 2) == [1 | 2 << 2 | 4 << 4 | 1 << 7 | 2 << 9, 5]
    ups.step(5.0)
    assert read(east, 4, 71, 1) == [4]
    ups.set_charge(50.0)
    ups.step(1.0)
    assert (read(east, 4, 70, 1)[0] >> 4) & 7 == 2
    assert read(east, 4, 51, 1)[0] > 0
    ups.set_fault(True)
    assert read(east, 4, 70, 2)[1] == 7
    assert read(east, 4, 70, 1)[0] >> 9 == 1


def test_east_controls_act(east: ModbusSlave) -> None:
    ups = ups_of(east)
    assert ask(east, 6, 0x8003, 1) == bytes.fromhex("01068003000191CA")
    assert read(east, 4, 71, 1) == [3]
    assert read(east, 4, 3, 1)[0] > 0
    ask(east, 6, 0x8004, 1)
    assert read(east, 4, 71, 1) == [4]
    ask(east, 6, 0x8002, 1)
    assert not ups.beeper
    ask(east, 6, 0x8002, 0)
    assert ups.beeper
    ask(east, 6, 0x8006, 2)
    assert read(east, 4, 71, 1) == [6]
    ask(east, 6, 0x8007, 1)
    assert read(east, 4, 71, 1) == [4]
    ask(east, 6, 0x8006, 1)
    ups.step(19.0)
    assert read(east, 4, 71, 1) == [6]
    ups.step(2.0)
    assert (read(east, 4, 71, 1), ups.test_result) == ([4], "passed")
    assert ask(east, 6, 0x8000, 1) == bytes.fromhex("01068000000161CA")


def test_east_settings(east: ModbusSlave) -> None:
    block = read(east, 3, 0, 83)
    assert (block[5], block[7], block[8], block[15]) == (16, 225, 235, 6000)
    assert b"".join(word.to_bytes(2, "big") for word in block[76:]) == b"EA9060123456AB"


def test_invt_is_the_same_one_register_on(invt: ModbusSlave) -> None:
    ups = ups_of(invt)
    block = read(invt, 3, 0, 80)
    assert block[0] == block[1] == block[13] == round(ups.input_v * 10)
    assert block[19] == round(ups.input_hz * 100)
    assert block[25] == 2300
    assert block[46] == 420
    assert block[49] == 250
    assert (block[50], block[54], block[56]) == (2160, 350, 1000)
    assert block[55] == round(ups.runtime_s / 6)
    assert block[79] == 3
    assert ask(invt, 3, 80, 1)[1] == 0x83
    assert ask(invt, 4, 80, 1)[1] == 0x84


def invt_states(slave: ModbusSlave) -> dict[int, int]:
    """All states that are not 0, by register."""
    values = read(slave, 4, 81, 100)
    return {register: value for register, value in enumerate(values, 81) if value}


def test_invt_states_follow_the_story(invt: ModbusSlave) -> None:
    ups = ups_of(invt)
    assert invt_states(invt) == {81: 1, 82: 1, 83: 1, 109: 2, 121: 1}
    ups.set_mains(0.0)
    ups.step(1.0)
    assert invt_states(invt) == {81: 1, 82: 3, 83: 1, 88: 1, 90: 1, 91: 1, 118: 1, 121: 1}
    ups.set_charge(5.0)
    assert invt_states(invt)[107] == 1
    ups.step(600.0)
    assert invt_states(invt)[97] == 1
    assert 81 not in invt_states(invt)
    ups.set_mains(230.0)
    ups.step(30.0)
    assert invt_states(invt) == {81: 1, 82: 2, 83: 1, 107: 1, 109: 2, 118: 1, 121: 1}
    ups.set_charge(100.0)
    ups.set_overload(140.0)
    assert invt_states(invt)[126] == 1
    ups.step(31.0)
    assert (invt_states(invt)[81], invt_states(invt)[92], invt_states(invt)[127]) == (2, 1, 1)


def test_invt_test_result(invt: ModbusSlave) -> None:
    ups = ups_of(invt)
    ups.start_test("quick")
    assert invt_states(invt)[99] == 3
    ups.step(30.0)
    assert invt_states(invt)[99] == 1
    ups.set_weak(True)
    ups.start_test("quick")
    ups.step(30.0)
    assert invt_states(invt)[99] == 2


@pytest.mark.parametrize(("kind", "function", "offset"), [("east", 4, 0), ("invt", 3, 1)])
def test_three_phases_fill_all_registers(kind: str, function: int, offset: int) -> None:
    slave = slave_of(kind, phases=3)
    ups = ups_of(slave)
    block = read(slave, function, offset, 56)
    assert block[24:27] == [2300, 2300, 2300]
    assert len(set(block[12:15])) == 3
    assert block[45:48] == [420, 378, 462]
    assert 100 * sum(block[39:42]) == pytest.approx(ups.load_w, abs=150)
    assert block[49] == block[50] == round(ups.battery.voltage_v * 5)


def test_megatec_has_no_three_phases() -> None:
    with pytest.raises(ValueError, match="3 phases"):
        design_of("megatec", 3)


def test_frames_end_with_silence_only(east: ModbusSlave) -> None:
    assert east.split(b"\x01\x04", quiet=False) == ([], b"\x01\x04")
    assert east.split(b"\x01\x04", quiet=True) == ([b"\x01\x04"], b"")
    assert east.split(b"", quiet=True) == ([], b"")
