from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.drivers.framing import (
    crc16,
    read_pdu,
    reply_length,
    rtu,
    rtu_frame,
    text_line,
    text_lines,
    text_shape,
    write_pdu,
)
from istars.drivers.ups.megatec import Q1, F, I

STATUS = b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000"
RATINGS = b"#220.0 000 024.0 50.0"
IDENTITY = b"#-------------   ------     VT12046Q  "


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    """`stream` in pieces, cut at `places` (taken modulo its length)."""
    ends = sorted({place % (len(stream) + 1) for place in places} | {len(stream)})
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False)]


noise = st.binary(max_size=60)
places = st.lists(st.integers(min_value=0, max_value=500), max_size=8)


@given(before=noise, between=noise, after=noise, places=places, frame=st.sampled_from([STATUS, RATINGS, IDENTITY]))
def test_noise_never_costs_the_text_frame_that_follows_it(
    before: bytes, between: bytes, after: bytes, places: list[int], frame: bytes
) -> None:
    shape = {STATUS: Q1, RATINGS: F, IDENTITY: I}[frame].answer
    expected = shape.fullmatch(frame)
    assert expected is not None
    found, buffer = [], b""
    for piece in cut(before + frame + b"\r" + between + frame + b"\r" + after, places):
        lines, buffer = text_lines(buffer + piece)
        found += [match.groupdict() for line in lines if (match := shape.fullmatch(line))]
    assert found.count(expected.groupdict()) >= 2


@given(noise)
def test_any_bytes_make_lines(data: bytes) -> None:
    lines, rest = text_lines(data)
    assert len(lines) == data.count(b"\r")
    assert b"\r" not in rest


def test_a_line_that_never_ends_is_dropped_from_the_front() -> None:
    used, line = text_line(b"x" * 5000)
    assert (used, line) == (5000 - 4096, None)


@pytest.mark.parametrize(
    "line",
    [
        b"\x00(226.0 195.0 \x00226.0 014 49.0 27.5 30.0 00001000\x00\r",
        b"\n(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\n\r",
        b"*226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r",
        b"Q1(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r",
        b"(226.0 1(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r",
        b"\xff\xfe(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\xff\r",
        b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000  \r",
    ],
    ids=["NUL bytes", "line feeds", "star", "echo", "torn answer", "unprintable", "blanks behind"],
)
def test_a_status_is_found_in_its_quirks(line: bytes) -> None:
    found = Q1.answer.fullmatch(text_line(line)[1] or b"")
    assert found is not None
    assert (found["input"], found["bits"]) == (b"226.0", b"00001000")


@pytest.mark.parametrize(
    "line",
    [
        b"(226.0 195.0 226.0 014 49.0 27.5 30.0 0000100",
        b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001002",
        b"(226.0 195.0 226.0 014 49.0 27.5 00001000",
        b"(226.0 195.x 226.0 014 49.0 27.5 30.0 00001000",
        b"226.0 195.0 226.0 014 49.0 27.5 30.0 00001000",
        b"",
        b"Q1",
    ],
)
def test_a_damaged_status_is_none(line: bytes) -> None:
    assert Q1.answer.fullmatch(line) is None


def test_answers_are_told_apart_by_their_shape() -> None:
    answers = {Q1: STATUS, F: RATINGS, I: IDENTITY}
    blank = {F: b"#   .        .     . ", I: b"#                           V2.8      "}
    for query in answers:
        for other, answer in (*answers.items(), *blank.items()):
            assert bool(query.answer.fullmatch(answer)) is (other is query)


def test_shape_takes_the_last_start() -> None:
    found = text_shape(rb"#(?P<n>\d+)").fullmatch(b"#1#2#34")
    assert found is not None
    assert found["n"] == b"34"


def test_checksum_of_the_standard() -> None:
    # The example of the Modbus over serial line guide: 02 07 -> 41 12.
    assert crc16(b"\x02\x07") == b"\x41\x12"


def reading(count: int, start: int = 0) -> bytes:
    return rtu(1, read_pdu(4, start, count))


def answer(words: bytes) -> bytes:
    return rtu(1, bytes((4, len(words))) + words)


@given(before=noise, between=noise, after=noise, places=places, words=st.binary(min_size=2, max_size=40))
def test_noise_never_costs_the_modbus_frame_that_follows_it(
    before: bytes, between: bytes, after: bytes, places: list[int], words: bytes
) -> None:
    words = words[: len(words) // 2 * 2]
    request, good = reading(len(words) // 2), answer(words)
    found, buffer = [], b""
    for piece in cut(before + good + between + good + after, places):
        buffer += piece
        while True:
            used, frame = rtu_frame(buffer, request)
            buffer = buffer[used:]
            if frame is None:
                break
            found.append(frame)
    assert found.count(good) >= 2
    assert len(buffer) <= reply_length(request)


@given(
    noise,
    st.sampled_from(
        [
            reading(3),
            rtu(1, write_pdu(6, 0x8002, 1)),
            rtu(1, write_pdu(0x68, 0x28A4, 255)),
            rtu(1, write_pdu(16, 12028, 1)),
        ]
    ),
)
def test_any_bytes_are_survived(data: bytes, request: bytes) -> None:
    used, frame = rtu_frame(data, request)
    assert 0 <= used <= len(data)
    assert frame is None or crc16(frame[:-2]) == frame[-2:]


def test_a_header_in_the_noise_does_not_hide_the_frame_behind_it() -> None:
    request, good = reading(2), answer(b"\x08\xfb\x01\xf4")
    assert rtu_frame(b"\x01\x04\x04" + good, request) == (3 + len(good), good)


def test_half_a_frame_waits_for_its_other_half() -> None:
    request, good = reading(2), answer(b"\x08\xfb\x01\xf4")
    used, frame = rtu_frame(b"\xff\xff" + good[:5], request)
    assert (used, frame) == (2, None)


def test_exceptions_echoes_and_foreign_answers() -> None:
    request = reading(72)
    exception = bytes.fromhex("018402C2C1")
    assert rtu_frame(exception, request) == (5, exception)
    assert rtu_frame(request + exception, request) == (8, request)
    other_count, other_device = answer(b"\0\0"), rtu(2, b"\x04\x02\0\0")
    assert rtu_frame(other_count, request)[1] is None
    assert rtu_frame(other_device, reading(1))[1] is None


def test_a_write_by_function_16_is_answered_by_its_beginning() -> None:
    # request and reply as in the Modbus application protocol 1.1b3, 6.12, with one register
    request = rtu(1, write_pdu(16, 0x0001, 0x000A))
    assert request[:-2] == bytes.fromhex("01 10 0001 0001 02 000A")
    reply = rtu(1, bytes.fromhex("10 0001 0001"))
    assert rtu_frame(reply, request) == (8, reply)
    assert rtu_frame(request + reply, request) == (len(request), request)
    assert rtu_frame(rtu(1, bytes.fromhex("10 0002 0001")), request)[1] is None


def test_a_write_is_answered_by_itself() -> None:
    request = rtu(1, write_pdu(6, 0x8002, 1))
    assert rtu_frame(request, request) == (8, request)
    assert rtu_frame(rtu(1, write_pdu(6, 0x8002, 0)), request)[1] is None
