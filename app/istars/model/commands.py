"""Every command the card can give, declared once: NUT instant command names, arguments, permission, words for the page.

A protocol declares which of them its devices understand; the page and the API offer those and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from istars.errors import CommandRefused, UnknownName


class Permission(StrEnum):
    """What somebody may do; each includes the ones before it. `none` forbids a user everything, signing in too."""

    NONE = "none"
    READ = "read"
    WRITE = "write"
    ADMINISTRATOR = "administrator"

    def allows(self, needed: Permission) -> bool:
        """Whether somebody with this permission may do what asks for `needed`."""
        order = list(Permission)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a command: whole numbers in `unit` between `low` and `high`, or a text when `high` is None."""

    name: str
    label: str
    unit: str = ""
    low: int = 0
    high: int | None = None
    default: int | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """Declaration of one command. `effect` says what happens to the load; `confirm` asks before it is given.

    `target` is the worker that carries it out. One that is `quiet` is no event, whatever comes of it: it
    changes nothing, or has a record of its own.
    """

    name: str
    label: str
    effect: str
    arguments: tuple[Argument, ...] = ()
    permission: Permission = Permission.WRITE
    confirm: bool = False
    interrupts_load: bool = False
    target: str = "upslink"
    quiet: bool = False

    def check(self, arguments: Mapping[str, object]) -> dict[str, int | str]:
        """Arguments as they are needed, defaults filled in.

        Raises CommandRefused naming the argument and the reason. The protocol may allow less and checks again.
        """
        unknown = sorted(set(arguments) - {argument.name for argument in self.arguments})
        if unknown:
            raise CommandRefused(f"{self.name}: there is no argument called {unknown[0]!r}")
        return {argument.name: _check(self.name, argument, arguments.get(argument.name)) for argument in self.arguments}


def _check(command: str, argument: Argument, value: object) -> int | str:
    """One argument's value; the default where it is missing."""
    if value is None:
        value = argument.default if argument.high is not None else ""
    if argument.high is None:
        if not isinstance(value, str) or len(value) > 200:
            raise CommandRefused(f"{command}: {argument.name} must be a text of at most 200 characters")
        return value
    if value is None:
        raise CommandRefused(f"{command}: {argument.name} is missing")
    try:
        whole = int(str(value))
    except ValueError:
        raise CommandRefused(f"{command}: {argument.name} must be a whole number, not {value!r}") from None
    if not argument.low <= whole <= argument.high:
        raise CommandRefused(
            f"{command}: {argument.name} must be between {argument.low} and {argument.high} {argument.unit}, not {whole}"
        )
    return whole


_DELAY = Argument("delay_s", "Switch off in", "s", 0, 5_940, 30)
_RETURN = Argument("return_s", "Switch on again after", "s", 0, 599_940, 180)

_DECLARED = (
    Command("test.battery.start.quick", "Short battery test", "The load runs from the battery for about 10 seconds."),
    Command(
        "test.battery.start",
        "Battery test of some minutes",
        "The load runs from the battery for the time chosen; the test ends by itself when the battery is low.",
        (Argument("duration_s", "Length", "s", 1, 5_940, 600),),
    ),
    Command(
        "test.battery.start.deep",
        "Battery test until low",
        "The load runs from the battery until it is low. For some hours afterwards the battery bridges less.",
        confirm=True,
    ),
    Command("test.battery.stop", "Stop the battery test", "The load goes back to mains."),
    Command("beeper.toggle", "Buzzer on or off", "Nothing happens to the load."),
    Command("beeper.mute", "Silence the buzzer", "Nothing happens to the load."),
    Command("beeper.enable", "Buzzer on", "Nothing happens to the load."),
    Command("beeper.disable", "Buzzer off", "Nothing happens to the load."),
    Command(
        "shutdown.return",
        "Switch off, on again when mains returns",
        "The load loses power after the delay and gets it back when mains is there.",
        (_DELAY,),
        confirm=True,
        interrupts_load=True,
    ),
    Command(
        "shutdown.stayoff",
        "Switch off and stay off",
        "The load loses power after the delay and stays off until somebody switches it on.",
        (_DELAY,),
        confirm=True,
        interrupts_load=True,
    ),
    Command(
        "shutdown.reboot",
        "Switch off and on again",
        "The load loses power after the delay and gets it back after the pause.",
        (_DELAY, _RETURN),
        confirm=True,
        interrupts_load=True,
    ),
    Command("shutdown.stop", "Cancel the switch-off", "A switch-off that is counting down does not happen."),
    Command("load.off", "Switch off now", "The load loses power at once.", confirm=True, interrupts_load=True),
    Command("load.on", "Switch on", "The load gets power.", confirm=True),
    *(
        Command(
            f"outlet.{group}.load.{state}",
            f"Switch outlet group {group} {state}",
            effect,
            confirm=True,
            interrupts_load=state == "off",
        )
        for group in (1, 2)
        for state, effect in (
            ("off", f"What is connected to outlet group {group} loses power at once; the rest keeps it."),
            ("on", f"What is connected to outlet group {group} gets power."),
        )
    ),
    Command(
        "bypass.start",
        "Transfer to bypass",
        "The load runs from mains directly: it is powered but not protected.",
        confirm=True,
    ),
    Command("bypass.stop", "Transfer to inverter", "The load is protected again."),
    Command("istars.fault.clear", "Clear the fault", "The UPS forgets a fault that is over."),
    Command(
        "istars.history.clear",
        "Clear the history of the UPS",
        "The records inside the UPS are erased; those of this card stay.",
        confirm=True,
    ),
    Command(
        "istars.variable.set",
        "Change a setting of the UPS",
        "Depends on the setting; it stands beside it.",
        (Argument("name", "Setting"), Argument("value", "Value")),
    ),
    Command("istars.variable.read", "Read the settings of the UPS", "Nothing happens to the load.", quiet=True),
    Command(
        "istars.serial.borrow",
        "Borrow a serial port",
        "Nothing happens to the load. While its port is borrowed the UPS is not watched: no alarm can come.",
        (
            Argument("device", "Port"),
            Argument("baud", "Baud rate", "", 0, 921_600, 0),
            Argument("parity", "Parity"),
            Argument("bytesize", "Data bits", "", 0, 8, 0),
            Argument("stopbits", "Stop bits", "", 0, 2, 0),
        ),
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.serial.return",
        "Give the serial port back",
        "Nothing happens to the load. The UPS is watched again.",
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.serial.ask",
        "Send a question over the borrowed port",
        "Nothing happens to the load: what could change the UPS is not sent.",
        (Argument("bytes", "Bytes, hexadecimal"),),
        permission=Permission.ADMINISTRATOR,
        quiet=True,
    ),
    Command(
        "istars.serial.send",
        "Send over the borrowed port",
        "Whatever the bytes make the UPS do.",
        (Argument("bytes", "Bytes, hexadecimal"),),
        permission=Permission.ADMINISTRATOR,
        confirm=True,
    ),
    Command(
        "istars.serial.record",
        "Record serial port debugging data",
        "Nothing happens to the load.",
        (Argument("on", "Record", "", 0, 1, 1),),
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.wake.now",
        "Wake a computer",
        "Nothing happens to the load.",
        (Argument("computer", "Number", "", 1, 8, 1),),
        target="notifier",
    ),
    Command(
        "istars.notify.test",
        "Send a test message",
        "Nothing happens to the load.",
        (Argument("endpoint", "Channel"), Argument("address", "Recipient")),
        target="notifier",
        quiet=True,
    ),
    Command(
        "istars.report.now",
        "Send a daily report now",
        "Nothing happens to the load. The report is about the last 24 hours.",
        (Argument("recipient", "Report recipient", "", 1, 4, 1),),
        target="notifier",
    ),
    Command(
        "istars.link.detect",
        "Find out what the UPS speaks",
        "Nothing happens to the load. The UPS is only asked; for some seconds its readings are not renewed.",
        (Argument("device", "Port"), Argument("apply", "Make what is found the setting", "", 0, 1, 1)),
    ),
    Command("istars.link.detect.stop", "Stop finding out what the UPS speaks", "Nothing happens to the load."),
    Command(
        "istars.map.keep",
        "Try a register map and keep it",
        "Nothing happens to the load. The map is kept if the device on the port answers by it.",
        (Argument("name", "Name"),),
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.alarm.acknowledge",
        "Acknowledge an alarm",
        "The alarm stays until its cause is gone.",
        (Argument("alarm", "Alarm"), Argument("note", "Note")),
        target="core",
    ),
    Command(
        "istars.trap.test",
        "Send a test trap",
        "Nothing happens to the load.",
        (Argument("recipient", "Recipient", "", 1, 8),),
        target="snmpd",
    ),
    Command(
        "istars.firmware.install",
        "Install firmware",
        "The load stays powered. The card writes the new firmware beside the old one and restarts into it.",
        (Argument("version", "Version"), Argument("downgrade", "Also an older version", "", 0, 1, 0)),
        permission=Permission.ADMINISTRATOR,
        confirm=True,
    ),
    Command(
        "istars.firmware.discard",
        "Remove the update file",
        "Nothing happens to the load.",
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.firmware.look",
        "Ask for new firmware",
        "Nothing happens to the load.",
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.firmware.download",
        "Download new firmware",
        "Nothing happens to the load; nothing is installed.",
        permission=Permission.ADMINISTRATOR,
    ),
    Command(
        "istars.records.clear",
        "Clear the records of events and readings",
        "Nothing happens to the load. Events and readings of the past are gone; alarms that are present stay.",
        permission=Permission.ADMINISTRATOR,
        confirm=True,
        target="core",
    ),
    Command(
        "istars.clock.adjust",
        "Adjust the clock now",
        "Nothing happens to the load. The time servers are asked, and the clock is set to what they say.",
        target="system",
    ),
    Command(
        "istars.clock.set",
        "Set the clock by hand",
        "Nothing happens to the load. Times of events before and after do not compare.",
        (Argument("time", "Date and time"),),
        permission=Permission.ADMINISTRATOR,
        target="system",
    ),
    Command(
        "istars.restart",
        "Restart the card",
        "Nothing happens to the load: the UPS goes on supplying it. The card answers again after a moment.",
        permission=Permission.ADMINISTRATOR,
        confirm=True,
        target="system",
    ),
)

COMMANDS: Mapping[str, Command] = MappingProxyType({item.name: item for item in _DECLARED})
"""Name to declaration, in the order in which a page lists them."""


def command(name: str) -> Command:
    """Declaration of `name`; raises UnknownName for a name that is not declared."""
    try:
        return COMMANDS[name]
    except KeyError:
        raise UnknownName(f"no command is called {name!r}") from None
