from __future__ import annotations

import json
import math

import pytest
from simulators.designs import design_of
from simulators.line import Line
from simulators.megatec import Megatec
from simulators.physics import Ups
from simulators.server import device_for
from simulators.steering import USAGE, Steering
from simulators.wire import WireFaults

ARGUMENTS: dict[str, tuple[str, ...]] = {
    "mains": ("off", "on", "180", "OFF"),
    "wander": ("off", "on"),
    "load": ("60", "0"),
    "overload": ("120", "off"),
    "battery": ("low", "80", "weak", "good"),
    "temperature": ("48", "auto"),
    "fault": ("on", "off"),
    "bypass": ("on", "off"),
    "output": ("on", "off"),
    "beeper": ("on", "off"),
    "test": ("quick", "deep", "5", "stop"),
    "late": ("2.5", "0", "off"),
    "echo": ("on", "off"),
    "garbage": ("", "5", "on", "off"),
    "half": ("", "5", "on", "off"),
    "star": ("", "1"),
    "nul": ("", "1"),
    "blank": ("F", "I", "off"),
    "blocks": ("1", "125"),
    "speed": ("60", "0"),
    "advance": ("5", "0.1"),
}


class Bench:
    """A host without any I/O, and what hangs on it."""

    def __init__(self, kind: str = "megatec") -> None:
        self.speed = 1.0
        self.plugged = True
        self.ups = Ups(design_of(kind))
        self.device = device_for(self.ups)
        self.wire = WireFaults()
        self.steering = Steering(self.ups, self.device, self.wire, self)

    def unplug(self) -> None:
        self.plugged = False

    def replug(self) -> None:
        self.plugged = True

    def say(self, words: str) -> str:
        answer = self.steering.obey(words)
        assert "\n" not in answer
        return answer

    def line(self, baud: int = 0, paced: bool = False) -> Line:
        return Line(self.device, self.wire, baud, paced, lambda: None)

    def ask(self, request: bytes = b"Q1\r") -> bytes:
        """What arrives after a request on a line that takes no time."""
        line = self.line()
        line.receive(request, 0.0)
        return line.due(10.0)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "words", [f"{name} {argument}".strip() for name in USAGE for argument in ARGUMENTS.get(name, ("",))]
)
def test_every_word_is_understood(words: str) -> None:
    bench = Bench("east" if words.startswith("blocks") else "megatec")
    if words in ("test stop", "replug"):
        bench.say({"test stop": "test quick", "replug": "unplug"}[words])
    assert not bench.say(words).startswith("error:")


@pytest.mark.parametrize("words", ["", "mians off", "mains", "mains maybe", "mains -3", "load nan", "load 60 70"])
def test_what_is_not_understood_is_an_error(bench: Bench, words: str) -> None:
    before = bench.ups.mains_v, bench.ups.load_percent
    assert bench.say(words).startswith("error:")
    assert (bench.ups.mains_v, bench.ups.load_percent) == before


def test_unknown_word_gets_the_list(bench: Bench) -> None:
    for usage in USAGE.values():
        assert usage in bench.say("frobnicate")
        assert usage in bench.say("help")


def test_refusals_say_why(bench: Bench) -> None:
    interactive = Bench("megatec-interactive")
    east = Bench("east")
    for words in ("bypass on", "blocks 1", "replug"):
        assert interactive.say(words).startswith("error:")
    assert "refuses" in interactive.say("bypass on")
    for words in ("star", "blank F"):
        assert "only Megatec" in east.say(words)
    bench.say("mains off")
    bench.say("advance 1")
    assert "refuses" in bench.say("test quick")


def test_words_reach_the_physics(bench: Bench) -> None:
    bench.say("mains off")
    bench.say("load 60")
    bench.say("battery low")
    bench.say("temperature 48")
    bench.say("advance 1")
    state = json.loads(bench.say("status"))
    assert state["mode"] == "battery"
    assert (state["input_v"], state["load_percent"], state["battery_low"]) == (0.0, 60, True)
    assert (state["temperature_c"], state["plugged"], state["speed"]) == (48.0, True, 1.0)


def test_overload_off_brings_the_old_load_back(bench: Bench) -> None:
    bench.say("load 33")
    bench.say("overload 120")
    assert bench.ups.overload
    bench.say("overload off")
    assert bench.ups.load_percent == 33.0


def test_echo_comes_before_the_answer(bench: Bench) -> None:
    bench.say("echo on")
    assert bench.ask(b"F\r") == b"F\r#230.0 026 192.0 50.0\r"
    assert bench.ask(b"Q\r") == b"Q\r"


def test_mute_says_and_does_nothing(bench: Bench) -> None:
    bench.say("mute")
    assert bench.ask(b"Q\r") == b""
    assert bench.ups.beeper
    bench.say("unmute")
    assert len(bench.ask()) == 47


def test_damages_last_as_long_as_told(bench: Bench) -> None:
    sound = bench.ask(b"F\r")
    bench.say("half 2")
    assert [len(bench.ask(b"F\r")) < len(sound) for _ in range(3)] == [True, True, False]
    bench.say("nul on")
    assert bench.wire.left["nul"] == math.inf
    assert all(b"\0" in bench.ask(b"F\r") for _ in range(5))
    bench.say("nul off")
    assert bench.ask(b"F\r") == sound


def test_garbage_leaves_the_pieces_in_order(bench: Bench) -> None:
    sound = bench.ask(b"F\r")
    bench.say("garbage 1")
    answer = bench.ask(b"F\r")
    rest = iter(answer)
    assert all(byte in rest for byte in sound)
    assert len(sound) + 3 <= len(answer) <= len(sound) + 24


def test_star_and_blank(bench: Bench) -> None:
    bench.say("star 1")
    assert bench.ask()[:1] == b"*"
    assert bench.ask()[:1] == b"("
    bench.say("blank F")
    assert bench.ask(b"F\r") == b"#   .        .     . \r"


def test_answer_takes_the_time_of_the_line(bench: Bench) -> None:
    line = bench.line(baud=2400)
    line.receive(b"Q1\r", 100.0)
    expected = 100.0 + (3 + 47) * 10 / 2400 + Megatec.thinking_s
    assert line.deadline == pytest.approx(expected)
    assert line.due(expected - 0.001) == b""
    assert len(line.due(expected + 0.001)) == 47
    assert line.deadline is None


def test_paced_answer_comes_character_by_character(bench: Bench) -> None:
    line = bench.line(baud=2400, paced=True)
    line.receive(b"Q1\r", 0.0)
    arrived = []
    while (at := line.deadline) is not None:
        arrived.append(line.due(at))
    assert [len(piece) for piece in arrived] == [1] * 47


def test_late_answers_do_not_pile_up(bench: Bench) -> None:
    bench.say("late 2.5")
    line = bench.line()
    for second in range(3):
        line.receive(b"Q1\r", float(second))
    assert line.due(2.4) == b""
    assert len(line.due(2.5)) == 47
    assert len(line.due(4.5)) == 2 * 47


def test_modbus_frame_needs_its_silence() -> None:
    bench = Bench("east")
    frame = bytes.fromhex("010400180001B1CD")
    line = bench.line()
    line.receive(frame[:3], 0.0)
    line.receive(frame[3:], 0.003)
    assert line.due(0.006) == b""
    assert line.due(0.0075) == bytes.fromhex("01040208FCBEB1")
    # A pause inside spoils the frame, and the rest of it, but not the next one.
    line.receive(frame[:3], 1.0)
    assert line.due(1.005) == b""
    line.receive(frame[3:], 1.005)
    assert line.due(1.02) == b""
    line.receive(frame, 2.0)
    assert line.due(2.01) == bytes.fromhex("01040208FCBEB1")


def test_block_limit_by_word() -> None:
    bench = Bench("east")
    bench.say("blocks 1")
    assert bench.ask(bytes.fromhex("010400000048F03C")) == bytes.fromhex("018402C2C1")
