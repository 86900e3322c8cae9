"""The commands of the Voltronic P series: each is answered by (ACK or (NAK, and its effect is then looked for in the status."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from istars.drivers.item import Command, Fields, Limit, Order
from istars.drivers.ups.megatec_commands import delay_text
from istars.drivers.ups.voltronic_states import SHUTDOWN, SILENCED, TESTING, bit, mode

DELAY = Limit(12, 5940, "s")
RETURN = Limit(60, 599_940, "s")


def _fixed(payload: bytes, says: str) -> Callable[[Mapping[str, int]], Order]:
    order = Order(payload, says)
    return lambda _arguments: order


def _shows(place: int, value: bool) -> Callable[[Fields, Fields], bool]:
    return lambda _before, now: bit(now, place) is value


def _off(fields: Fields) -> bool:
    return mode(fields) in ("S", "D", "P")


def _test(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["duration_s"])
    return Order(f"T{said}".encode(), f"Battery test of {seconds} s")


def _return(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    return Order(f"S{said}".encode(), f"Output off in {seconds} s, on again when mains returns", seconds)


def _stay_off(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    return Order(f"S{said}R0000".encode(), f"Output off in {seconds} s, to stay off", seconds)


def _reboot(arguments: Mapping[str, int]) -> Order:
    said, seconds = delay_text(arguments["delay_s"])
    minutes = math.ceil(arguments["return_s"] / 60)
    return Order(f"S{said}R{minutes:04d}".encode(), f"Output off in {seconds} s, on again {minutes} min later", seconds)


def _outlet(group: int, state: str) -> Command:
    wanted = "1" if state == "on" else "0"
    return Command(
        f"outlet.{group}.load.{state}",
        _fixed(f"SK{state.upper()}{group}".encode(), f"Outlet group {group} {state}"),
        {},
        lambda _before, now: now.get(f".outlet.{group}") == wanted,
        f"the UPS reports outlet group {group} {state}",
        needs=f".outlet.{group}",
    )


_TESTS, _PENDING = "the UPS reports a test running", "the UPS reports a shutdown pending"

COMMANDS = (
    Command("test.battery.start.quick", _fixed(b"T", "Battery test of 10 s"), {}, _shows(TESTING, True), _TESTS),
    Command("test.battery.start", _test, {"duration_s": Limit(12, 5940, "s")}, _shows(TESTING, True), _TESTS),
    Command("test.battery.start.deep", _fixed(b"TL", "Battery test until low"), {}, _shows(TESTING, True), _TESTS),
    Command("test.battery.stop", _fixed(b"CT", "End of the battery test"), {}, _shows(TESTING, False),
            "the UPS reports no test running"),
    Command("beeper.enable", _fixed(b"BZON", "Beeper on"), {}, _shows(SILENCED, False), "the UPS reports its beeper on"),
    Command("beeper.disable", _fixed(b"BZOFF", "Beeper off"), {}, _shows(SILENCED, True), "the UPS reports its beeper off"),
    Command("shutdown.return", _return, {"delay_s": DELAY}, _shows(SHUTDOWN, True), _PENDING),
    Command("shutdown.stayoff", _stay_off, {"delay_s": DELAY}, _shows(SHUTDOWN, True), _PENDING),
    Command("shutdown.reboot", _reboot, {"delay_s": DELAY, "return_s": RETURN}, _shows(SHUTDOWN, True), _PENDING),
    Command("shutdown.stop", _fixed(b"CS", "Shutdown cancelled"), {}, _shows(SHUTDOWN, False),
            "the UPS reports no shutdown pending"),
    Command("load.off", _fixed(b"SOFF", "Output off at once"), {}, lambda _before, now: _off(now), "the UPS reports standby"),
    Command("load.on", _fixed(b"SON", "Output on"), {}, lambda _before, now: not _off(now), "the UPS reports its output on"),
    *(_outlet(group, state) for group in (1, 2) for state in ("on", "off")),
)  # fmt: skip
