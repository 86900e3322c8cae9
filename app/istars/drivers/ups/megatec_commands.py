"""The commands of Megatec / Q1. None has an answer, so each is checked by what the status shows afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from istars.drivers.item import Command, Fields, Limit, Order
from istars.drivers.ups.megatec_bits import BEEPER, SHUTDOWN, TESTING, bit, output_off

DELAY = Limit(12, 600, "s")
RETURN = Limit(180, 599_940, "s")
"""From 3 minutes on: early units never come back with R0001 or R0002."""


def _minutes(seconds: int) -> int:
    return math.ceil(seconds / 60)


def delay_text(seconds: int) -> tuple[str, int]:
    """The shortest delay that the protocol can say and that is not shorter: its text, and its length in seconds.

    `.2` to `.9` are tenths of a minute, `01` to `10` whole minutes.
    """
    tenths = math.ceil(seconds / 6)
    return (f".{tenths}", 6 * tenths) if tenths < 10 else (f"{_minutes(seconds):02d}", 60 * _minutes(seconds))


def _fixed(payload: bytes, says: str) -> Callable[[Mapping[str, int]], Order]:
    order = Order(payload, says)
    return lambda _arguments: order


def _test(arguments: Mapping[str, int]) -> Order:
    minutes = _minutes(arguments["duration_s"])
    return Order(b"T%02d" % minutes, f"Battery test of {minutes} min")


def _return(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    return Order(f"S{said}".encode(), f"Output off in {seconds} s, on again when mains returns", seconds)


def _stay_off(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    return Order(f"S{said}R0000".encode(), f"Output off in {seconds} s, to stay off", seconds)


def _reboot(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    minutes = _minutes(arguments["return_s"])
    return Order(f"S{said}R{minutes:04d}".encode(), f"Output off in {seconds} s, on again {minutes} min later", seconds)


def _shows(place: int, value: bool) -> Callable[[Fields, Fields], bool]:
    return lambda _before, now: bit(now, place) is value


_TESTS, _PENDING = "the UPS reports a test running", "the UPS reports a shutdown pending"

COMMANDS = (
    Command("test.battery.start.quick", _fixed(b"T", "Battery test of 10 s"), {}, _shows(TESTING, True), _TESTS),
    Command("test.battery.start", _test, {"duration_s": Limit(60, 5940, "s")}, _shows(TESTING, True), _TESTS),
    Command("test.battery.start.deep", _fixed(b"TL", "Battery test until low"), {}, _shows(TESTING, True), _TESTS),
    Command(
        "test.battery.stop",
        _fixed(b"CT", "End of the battery test"),
        {},
        _shows(TESTING, False),
        "the UPS reports no test running",
    ),
    Command(
        "beeper.toggle",
        _fixed(b"Q", "Beeper toggled"),
        {},
        lambda before, now: bit(now, BEEPER) is not bit(before, BEEPER),
        "the UPS reports the other state",
    ),
    Command(
        "beeper.enable",
        _fixed(b"Q", "Beeper on"),
        {},
        _shows(BEEPER, True),
        "the UPS reports its beeper on",
        already=lambda now: bit(now, BEEPER),
    ),
    Command(
        "beeper.disable",
        _fixed(b"Q", "Beeper off"),
        {},
        _shows(BEEPER, False),
        "the UPS reports its beeper off",
        already=lambda now: None if bit(now, BEEPER) is None else not bit(now, BEEPER),
    ),
    Command("shutdown.return", _return, {"delay_s": DELAY}, _shows(SHUTDOWN, True), _PENDING),
    Command("shutdown.stayoff", _stay_off, {"delay_s": DELAY}, _shows(SHUTDOWN, True), _PENDING),
    Command("shutdown.reboot", _reboot, {"delay_s": DELAY, "return_s": RETURN}, _shows(SHUTDOWN, True), _PENDING),
    Command(
        "shutdown.stop",
        _fixed(b"C", "Shutdown cancelled"),
        {},
        _shows(SHUTDOWN, False),
        "the UPS reports no shutdown pending",
    ),
    Command(
        "load.off",
        _fixed(b"S00R0000", "Output off at once"),
        {},
        lambda _before, now: output_off(now) is True,
        "the output has no voltage",
    ),
    Command(
        "load.on",
        _fixed(b"C", "Output on"),
        {},
        lambda _before, now: output_off(now) is False,
        "the output has voltage",
    ),
)
