"""The search for a UPS: what is tried in which order, what is sent, what is told. Whole searches are in tests/integration."""

from __future__ import annotations

import pytest
from istars.drivers.detect import Detection, Prober, as_json, detect, lines_for, outcome
from istars.drivers.identify import TEXT_ORDER, telling
from istars.drivers.item import Line, Registers
from istars.drivers.ups import TEXT_PROTOCOLS, protocol_named
from unit.drivers.loop import LoopTransport


def test_the_line_that_worked_last_is_tried_first_and_each_once() -> None:
    lines = lines_for("/dev/ttyS0", (4800, "E"))
    assert (lines[0].baud, lines[0].parity) == (4800, "E")
    assert len({(line.baud, line.parity) for line in lines}) == len(lines) == 15
    assert len(lines_for("tcp:192.0.2.7:4001")) == 1


def test_every_text_protocol_can_be_told_from_its_relatives() -> None:
    assert set(TEXT_ORDER) == set(TEXT_PROTOCOLS)
    for name in TEXT_ORDER:
        assert protocol_named(name).signature


def test_maps_are_told_by_states_and_frequencies() -> None:
    items = telling(protocol_named("east-ea900"))
    assert {"input.frequency:1", "istars.ups.mode", "istars.battery.state"} <= {item.name for item in items}
    assert all(isinstance(item.at, Registers) for item in items)


def test_a_stranger_is_not_found_but_what_it_said_is_told() -> None:
    *_, state = detect("tcp:192.0.2.7:1", opener=lambda _device, _line: LoopTransport(lambda _sent: b"ERROR 17\r"))
    assert state.found is None
    assert "the last thing seen" in outcome(state)
    assert "ERROR 17" in outcome(state)
    shown = as_json(state)["answers"]
    assert isinstance(shown, list)
    assert {"sent": "0d 51 31 0d", "came": "45 52 52 4f 52 20 31 37 0d"}.items() <= shown[0].items()


def test_silence_is_told() -> None:
    *_, state = detect("tcp:192.0.2.7:1", opener=lambda _device, _line: LoopTransport(lambda _sent: b""))
    assert (state.found, state.answers) == (None, [])
    assert outcome(state) == "nothing answers on tcp:192.0.2.7:1"
    assert state.percent == 99


def test_an_echo_alone_is_no_modbus_device() -> None:
    transport = LoopTransport(lambda sent: sent)
    assert not Prober(transport, Line(), Detection("x"), 0.0).hears_modbus(1)


def test_only_questions_are_sent() -> None:
    transport = LoopTransport(lambda _sent: b"")
    list(detect("tcp:192.0.2.7:1", opener=lambda _device, _line: transport))
    texts = {sent.strip(b"\r") for sent in transport.sent if sent.endswith(b"\r")}
    assert texts == {b"Q1", b"QPI", b"Q6", b"Q2", b"G2", b"M", b"QS", b"D"}
    assert {sent[1] for sent in transport.sent if not sent.endswith(b"\r")} == {4}


ANSWERS = {
    b"Q1": b"(230.4 230.4 230.0 042 50.0 2.25 35.0 00000001",
    b"F": b"#230.0 026 192.0 50.0",
    b"I": b"#EAST            EA906S     V2.81     ",
}


@pytest.mark.parametrize("slow", [b"QPI", b"M", b"F"])
def test_an_answer_that_comes_late_is_not_taken_for_that_of_the_next_question(slow: bytes) -> None:
    """A busy device answers one question only after the next one: what follows must not be off by one."""
    held: list[bytes] = []

    def device(sent: bytes) -> bytes:
        asked = sent.strip(b"\r")
        answer = ANSWERS.get(asked, asked) + b"\r"
        if asked == slow and not held:
            held.append(answer)
            return b""
        late = held.pop() if held and held[0] else b""
        held[:] = [b""] if late else held
        return late + answer

    *_, state = detect("tcp:192.0.2.7:1", opener=lambda _device, _line: LoopTransport(device))
    assert state.found is not None
    assert state.found.protocol == "megatec"
