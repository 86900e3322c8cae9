"""The engine: one device, its protocol's table, and a transport. Every table runs here.

In: bytes of a device. Out: readings under the names of the model, once per poll, and commands carried out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from istars.drivers.item import (
    Command,
    Family,
    Fields,
    Item,
    Line,
    Options,
    Order,
    Protocol,
    Settable,
    When,
    Writable,
)
from istars.drivers.link import Harvest, Link, Telling
from istars.drivers.modbuslink import ModbusLink
from istars.drivers.textlink import TextLink
from istars.drivers.transport import NetworkTransport, Transport, transport_for
from istars.drivers.ups import protocol_named, protocol_names
from istars.errors import BadAnswer, CommandRefused, LinkError, PortError
from istars.model import commands, variables
from istars.model.readings import READINGS, Value
from istars.platform import clock

__all__ = ["Driver", "Options", "Poll", "open_driver", "protocols"]

LOG = logging.getLogger(__name__)

TRIES = 3
RARELY_S = 300.0
"""Time between two looks at an item of the class `rarely`, and before a question that was not answered is tried again."""

MISSES = 3
"""Polls in which an item that is asked for once may go unanswered before it waits for RARELY_S."""

LOOK_AGAIN_S = 0.2
"""Pause between two looks at the status while the effect of a command is awaited."""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one poll brought. `complete` says that everything came which this device has; else the rest is missing here.

    `at` is the boottime at which the status was answered: questions for identity may follow it and take their time.
    """

    values: dict[str, Value]
    estimated: frozenset[str]
    complete: bool
    at: float = field(default_factory=lambda: clock.boottime())


class Driver:
    """One device, polled and commanded. Not for use by several threads."""

    def __init__(self, protocol: Protocol, transport: Transport, options: Options) -> None:
        self.protocol = protocol
        self._transport = transport
        self._options = options
        self._link = _link(protocol, transport, options)
        self._each = tuple(item for item in protocol.items if item.when is When.EACH_POLL)
        self._slow = tuple(item for item in protocol.items if item.when is not When.EACH_POLL)
        self._commands = {command.name: command for command in protocol.commands}
        self._implausible: set[str] = set()
        self._answering = True
        self.counts_s = 0
        """Seconds that the device counts down since the last command, where that command makes it count."""
        self._forget()

    def _forget(self) -> None:
        """Nothing is known about the device: it may be another one than before."""
        self._link.reset()
        self._interpret = self.protocol.interpreter(self._options)
        self._kept: dict[str, Value] = {}
        self._next: dict[str, float] = {}
        self._misses: dict[str, int] = {}

    @property
    def last_seen(self) -> bytes:
        """The last bytes that were on the wire, to show what an unknown device said."""
        return self._link.last_seen

    @property
    def absent(self) -> Collection[str]:
        """Names of items that the device said it does not have."""
        return self._link.absent

    def open(self) -> None:
        """Open the port; nothing happens where it is open. Raises PortError."""
        if not self._transport.is_open:
            self._transport.open()
            self._forget()

    def close(self) -> None:
        """Give the port back. Always safe."""
        self._transport.close()

    def poll(self) -> Poll:
        """Ask for everything that is due.

        Raises NoAnswer, BadAnswer or PortError when nothing came. While the device is lost each poll asks only once, so
        that the caller is not held up; its return is noticed just as early.
        """
        self.open()
        try:
            fields, complete = self._read_each()
        except LinkError:
            self._answering = False
            self._forget()
            raise
        answered = clock.boottime()
        self._answering = True
        self._read_slow()
        readings = self._interpret({**self._kept, **fields})
        values = self._plausible(readings.values)
        return Poll(values, readings.estimated & values.keys(), complete, answered)

    def _read_each(self) -> tuple[Fields, bool]:
        harvest = self._link.read(self._each, TRIES if self._answering else 1)
        if not harvest.raw:
            raise harvest.failure or BadAnswer(f"{self._transport.where} has nothing of {self.protocol.title}")
        return self._decode(self._each, harvest), harvest.complete

    def _read_slow(self) -> None:
        """Ask for what is wanted once or rarely. Failures cost the poll nothing; they are tried again, later and later."""
        now = time.monotonic()
        due = [item for item in self._slow if self._next.get(item.name, now) <= now]
        # A device that is silent on one question is not asked the next in this poll: those left out come first next time.
        due.sort(key=lambda item: self._misses.get(item.name, 0))
        if not due:
            return
        try:
            harvest = self._link.read(due, tries=1)
        except PortError as problem:
            LOG.debug("identity not read: %s", problem)
            return
        for item in due:
            if item.name in harvest.asked:
                self._next[item.name] = self._when_next(item, harvest, now)
            if item.name in harvest.raw:
                self._kept.pop(item.name, None)
        self._kept.update(self._decode(due, harvest))

    def _when_next(self, item: Item, harvest: Harvest, now: float) -> float:
        """Monotonic time of the next question for `item`."""
        if item.name in self._link.absent:
            return float("inf")
        if item.name in harvest.raw:
            self._misses[item.name] = 0
            return float("inf") if item.when is When.ONCE else now + RARELY_S
        self._misses[item.name] = self._misses.get(item.name, 0) + 1
        return now + RARELY_S if self._misses[item.name] >= MISSES else now

    def _decode(self, items: Iterable[Item], harvest: Harvest) -> dict[str, Value]:
        """Fields of `harvest`; without those that the device left blank or that cannot be true."""
        fields: dict[str, Value] = {}
        for item in items:
            if item.name in harvest.raw:
                value = item.decode(harvest.raw[item.name])
                if value is not None:
                    fields[item.name] = value
        return self._plausible(fields)

    def _plausible(self, fields: Mapping[str, Value]) -> dict[str, Value]:
        """`fields` without those outside the limits of the model; logs when that begins and when it ends."""
        kept = {}
        for name, value in fields.items():
            declared = READINGS.get(name.partition(":")[0])
            if declared is None or declared.plausible(value):
                kept[name] = value
                if name in self._implausible:
                    self._implausible.discard(name)
                    LOG.info("%s: %s is plausible again", self._transport.where, name)
            elif name not in self._implausible:
                self._implausible.add(name)
                LOG.warning("%s: %s = %r cannot be true and is not used", self._transport.where, name, value)
        return kept

    def commands(self) -> tuple[str, ...]:
        """Names of the commands that this device has: without those whose items it said it does not have."""
        return tuple(name for name, command in self._commands.items() if command.needs not in self._link.absent)

    def offers(self) -> dict[str, dict[str, tuple[int, int]]]:
        """The commands of this device with the limits that its protocol has for their arguments. Raises LinkError."""
        names = self.commands()
        if isinstance(self._link, Telling):
            said = self._link.offered()
            names = tuple(name for name in names if name in said)
        return {
            name: {each: (limit.low, limit.high) for each, limit in self._commands[name].limits.items()}
            for name in names
        }

    def writable(self) -> tuple[Writable, ...]:
        """The variables of this device that can be written, asked for now. Raises LinkError."""
        self.open()
        if isinstance(self._link, Telling):
            return self._link.writable()
        harvest = self._link.read([each.item for each in self.protocol.variables], tries=2)
        if not harvest.raw and harvest.failure is not None and not harvest.complete:
            raise harvest.failure
        return tuple(self._described(each, harvest) for each in self.protocol.variables if self._has(each, harvest))

    @staticmethod
    def _has(each: Settable, harvest: Harvest) -> bool:
        return each.item.name in harvest.raw and each.item.decode(harvest.raw[each.item.name]) is not None

    def _described(self, each: Settable, harvest: Harvest) -> Writable:
        low, high = each.limits(self._kept) or (None, None)
        return Writable(each.name, each.item.decode(harvest.raw[each.item.name]), low, high, each.choices)

    def write(self, name: str, text: object) -> str:
        """Write a variable and tell what the device shows of it then.

        Raises CommandRefused naming the reason, or LinkError when the device does not answer.
        """
        there = next((each for each in self.writable() if each.name == name), None)
        if there is None:
            raise CommandRefused(f"{name}: the UPS has no such variable that can be written")
        declared = variables.variable(name)
        value = declared.parse(text, there.low, there.high)
        if there.choices and str(value) not in there.choices:
            raise CommandRefused(f"{name} must be one of {', '.join(there.choices)} for this UPS, not {value!r}")
        self._link.give(self._writing(name, value))
        now = next((each.value for each in self.writable() if each.name == name), None)
        if now is None:
            return f"{declared.label}: sent, but the UPS does not say what it is now."
        if not _same(now, value):
            return f"{declared.label}: sent, but the UPS shows {now}."
        return (
            f"{declared.label} is {declared.choices.get(str(now), now)} {declared.unit}".rstrip()
            + ", as the UPS shows."
        )

    def _writing(self, name: str, value: Value) -> bytes:
        if self.protocol.family is Family.NUT:
            quoted = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return f'SET VAR {{ups}} {name} "{quoted}"'.encode()
        return next(each.write(value) for each in self.protocol.variables if each.name == name)

    def execute(self, name: str, arguments: Mapping[str, object]) -> str:
        """Carry out a command and tell what happened.

        Raises CommandRefused naming the reason, or LinkError when the device does not answer.
        """
        self.counts_s = 0
        if name not in self._commands:
            raise CommandRefused(f"{self.protocol.title} has no command {name}")
        command = self._commands[name]
        order = command.order(self._checked(command, arguments))
        self.open()
        before = self._status() if command.shown else {}
        if command.already is not None:
            there = command.already(before)
            if there is None:
                raise CommandRefused(f"{name}: the UPS can only toggle, and does not tell its present state")
            if there:
                return f"Nothing to do: {command.shows} already."
        self._link.give(order.payload)
        self.counts_s = order.counts_s
        return self._effect(command, order, before)

    def _checked(self, command: Command, arguments: Mapping[str, object]) -> dict[str, int]:
        """Arguments within what the protocol can say."""
        given = commands.command(command.name).check(arguments)
        checked = {name: value for name, value in given.items() if isinstance(value, int)}
        for name, limit in command.limits.items():
            if not limit.low <= checked[name] <= limit.high:
                raise CommandRefused(
                    f"{command.name}: {name} must be between {limit.low} and {limit.high} {limit.unit} for "
                    f"{self.protocol.title}, not {checked[name]}"
                )
        return checked

    def _status(self) -> Fields:
        """Fields of this moment; raises LinkError."""
        return self._read_each()[0]

    def _effect(self, command: Command, order: Order, before: Fields) -> str:
        """What the device shows of a command that was sent."""
        if command.shown is None:
            return f"{order.says}: accepted."
        until = time.monotonic() + self.protocol.timing.effect_s
        while True:
            try:
                if command.shown(before, self._status()):
                    return f"{order.says}: {command.shows}."
            except LinkError as problem:
                return f"{order.says}: sent, but not confirmed: {problem.detail}."
            if time.monotonic() >= until:
                return f"{order.says}: sent, but the UPS does not show it."
            time.sleep(LOOK_AGAIN_S)


def _same(now: Value, wanted: Value) -> bool:
    """Whether a device shows what was written; some show 20 as 20.0."""
    try:
        return abs(float(now) - float(wanted)) < 1e-6
    except ValueError:
        return str(now) == str(wanted)


def _link(protocol: Protocol, transport: Transport, options: Options) -> Link:
    """The link of the protocol's family."""
    line = line_for(protocol, options)
    if protocol.family is Family.MODBUS:
        return ModbusLink(transport, line, protocol.timing, protocol.blocks, options.address)
    if isinstance(transport, NetworkTransport):
        return transport.link(protocol.timing, options)
    return TextLink(transport, line, protocol.timing, (*protocol.items, *(each.item for each in protocol.variables)))


def transport_of(protocol: Protocol, device: str, options: Options) -> Transport:
    """The transport to `device` for this protocol; opens nothing.

    Raises PortError for a name that this protocol cannot use.
    """
    kind = device.partition(":")[0]
    wanted = {Family.SNMP: "snmp", Family.NUT: "nut"}.get(protocol.family, "")
    if wanted or kind in ("snmp", "nut"):
        if kind != wanted:
            forms = {"snmp": "snmp:HOST:PORT", "nut": "nut:UPS@HOST:PORT"}
            raise PortError(
                "port-missing",
                f"{protocol.title} needs a port of the form {forms.get(wanted, '/dev/NAME')}, not {device}",
            )
        from istars.drivers.network import transport_to

        return transport_to(device)
    return transport_for(device, line_for(protocol, options))


def line_for(protocol: Protocol, options: Options) -> Line:
    """The protocol's serial line with what the user set instead."""
    line = protocol.line
    return replace(
        line,
        baud=options.baud or line.baud,
        bytesize=options.bytesize or line.bytesize,
        parity=options.parity or line.parity,
        stopbits=options.stopbits or line.stopbits,
    )


def protocols() -> dict[str, Protocol]:
    """Every protocol there is, by name."""
    return {name: protocol_named(name) for name in protocol_names()}


def open_driver(protocol: str, device: str, options: Options) -> Driver:
    """A driver with its port open. `device` is a path or `tcp:host:port`.

    Raises LinkError with the reason unknown-protocol, or PortError.
    """
    if protocol not in protocol_names():
        known = ", ".join(protocol_names())
        raise LinkError("unknown-protocol", f"there is no protocol {protocol!r}; there are: {known}")
    declared = protocol_named(protocol)
    driver = Driver(declared, transport_of(declared, device, options), options)
    driver.open()
    return driver
