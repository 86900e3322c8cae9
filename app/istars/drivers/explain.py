"""What bytes on a line mean, by the declaration of a protocol: for people who look at a line by hand.

A request is known to be harmless only if it is one of the questions that the card itself asks, or a read of Modbus. Everything
else may change the device: what is not known is never called harmless.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from istars.drivers.framing import EXCEPTION_BIT, crc16
from istars.drivers.item import Command, Family, Group, Item, Limit, Options, Protocol, Query, Registers
from istars.drivers.modbuslink import EXCEPTIONS
from istars.drivers.textlink import ACCEPTED, REFUSED
from istars.model.commands import COMMANDS
from istars.model.readings import READINGS, Value, format_value
from istars.model.variables import VARIABLES

READS = (1, 2, 3, 4)
"""Functions of Modbus that only read."""
SHORTEST, LONGEST = 4, 256
MOST_NAMED = 12
ANY_NUMBER = rb"[.\d]+"
RUN = re.compile(ANY_NUMBER)


@dataclass(frozen=True, slots=True)
class Meaning:
    """`text` for people, the `fields` that an answer holds, and whether a request may change the device."""

    text: str
    fields: Mapping[str, Value] = field(default_factory=dict)
    changes: bool = False


class Explainer:
    """Explains one protocol; `None` where it is not known, which makes every request one that may change the device."""

    def __init__(self, protocol: Protocol | None, options: Options) -> None:
        self.protocol = protocol
        self._options = options
        self._modbus = protocol is not None and protocol.family is Family.MODBUS
        self._items: tuple[Item, ...] = ()
        self._queries: dict[bytes, Query] = {}
        self._orders: list[tuple[int, re.Pattern[bytes], str]] = []
        if protocol is not None:
            self._items = (*protocol.items, *(each.item for each in protocol.variables))
            for item in self._items:
                if isinstance(item.at, Group):
                    self._queries[item.at.query.send] = item.at.query
            self._queries |= {query.send: query for query in protocol.signature}
            self._orders = sorted(_orders(protocol), key=lambda each: -each[0])

    @property
    def terminator(self) -> bytes:
        """What ends a frame; empty where silence does."""
        return b"" if self.protocol is None or self._modbus else self.protocol.line.terminator

    def request(self, data: bytes) -> Meaning:
        """What a request asks or orders."""
        if self.protocol is None:
            return Meaning("Not known: it may change the device.", changes=True)
        return self._modbus_request(data) if self._modbus else self._text_request(data)

    def answer(self, request: bytes, data: bytes) -> Meaning:
        """What an answer says; `request` is the last one that was sent, empty where there was none."""
        if self.protocol is None:
            return Meaning("Not known.")
        return self._modbus_answer(request, data) if self._modbus else self._text_answer(request, data)

    # ---- text

    def _text_request(self, data: bytes) -> Meaning:
        lines = [line for line in data.replace(b"\n", b"\r").split(b"\r") if line]
        known = [self._queries.get(line) for line in lines]
        if lines and all(known):
            return Meaning("; ".join(self._asks(query) for query in known if query))
        told = [self._orders_what(line) for line in lines if line not in self._queries]
        return Meaning("; ".join(told) or "Not known: it may change the device.", changes=True)

    def _asks(self, query: Query) -> str:
        named = [item.name for item in self._items if isinstance(item.at, Group) and item.at.query is query]
        labels = [_label(name) for name in named if _label(name)] or [name.strip(".") for name in named]
        more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
        return f"Asks for {', '.join(labels[:3])}{more}" if labels else "Asks what the device is"

    def _orders_what(self, payload: bytes) -> str:
        return next(
            (label for _, shape, label in self._orders if shape.fullmatch(payload)),
            "Not known: it may change the device.",
        )

    def _text_answer(self, request: bytes, data: bytes) -> Meaning:
        line = data.translate(None, b"\0\n").strip(b"\r ")
        if line == ACCEPTED:
            return Meaning("Accepted.")
        if line == REFUSED:
            return Meaning("Refused.")
        asked = self._queries.get(request.strip(b"\r\n"))
        for query in (asked, *self._queries.values()) if asked else self._queries.values():
            found = query.answer.fullmatch(line)
            if found and found.groupdict():
                return self._told(query, found)
        if line and line == request.strip(b"\r\n"):
            return Meaning("The request came back: the device does not know it, or the line echoes.")
        return Meaning("Not an answer of this protocol.")

    def _told(self, query: Query, found: re.Match[bytes]) -> Meaning:
        groups = found.groupdict()
        raw = {
            item.name: groups[item.at.name] or b""
            for item in self._items
            if isinstance(item.at, Group) and item.at.query is query and item.at.name in groups
        }
        fields = _decoded(self._items, raw)
        return Meaning(_words(fields) + self._states(fields) or "Nothing that is known.", fields)

    def _states(self, fields: Mapping[str, Value]) -> str:
        """What the interpreter of the protocol makes of the status bits."""
        if self.protocol is None or not any(name.startswith(".") for name in fields):
            return ""
        values = self.protocol.interpreter(self._options)(fields).values
        told = [f"{_label(name)} {values[name]}" for name in ("ups.status", "ups.alarm") if values.get(name)]
        return f" → {', '.join(told)}" if told else ""

    # ---- Modbus RTU

    def _modbus_request(self, data: bytes) -> Meaning:
        if not SHORTEST <= len(data) <= LONGEST or crc16(data[:-2]) != data[-2:]:
            return Meaning("Not a frame of Modbus: its checksum is wrong.", changes=True)
        function = data[1]
        if function in READS and len(data) == 8:
            register, count = int.from_bytes(data[2:4], "big"), int.from_bytes(data[4:6], "big")
            return Meaning(f"Reads {_registers(register, count)} of device {data[0]}, function {function}")
        told = self._orders_what(data[1:-2])
        register = int.from_bytes(data[2:4], "big")
        return Meaning(f"Writes register {register} ({register:#06x}): {told}", changes=True)

    def _modbus_answer(self, request: bytes, data: bytes) -> Meaning:
        if not SHORTEST <= len(data) <= LONGEST or crc16(data[:-2]) != data[-2:]:
            return Meaning("Not a whole frame of Modbus.")
        if data[1] & EXCEPTION_BIT:
            return Meaning(f"Refused: exception {data[2]}, {EXCEPTIONS.get(data[2], 'not in the standard')}.")
        if data == request:
            return Meaning("Accepted." if data[1] not in READS else "The request came back: the line echoes.")
        if data[1] not in (3, 4) or len(request) != 8 or request[1] != data[1] or len(data) != 5 + data[2]:
            return Meaning(f"Answer of device {data[0]}, function {data[1]}.")
        first, raw = int.from_bytes(request[2:4], "big"), {}
        for item in self._items:
            if isinstance(item.at, Registers) and item.at.table == data[1]:
                at = 2 * (item.at.address - first)
                if at >= 0 and at + 2 * item.at.count <= data[2]:
                    raw[item.name] = data[3 + at : 3 + at + 2 * item.at.count]
        fields = _decoded(self._items, raw)
        return Meaning(_words(fields) or f"{data[2] // 2} registers: {data[3:-2].hex(' ', 2)}", fields)


def _decoded(items: Iterable[Item], raw: Mapping[str, bytes]) -> dict[str, Value]:
    found = {item.name: item.decode(raw[item.name]) for item in items if item.name in raw}
    return {name: value for name, value in found.items() if value is not None}


def _label(name: str) -> str:
    """The name of a reading for people; of one phase of three, too."""
    base, _, phase = name.partition(":")
    if base not in READINGS:
        return VARIABLES[base].label if base in VARIABLES else ""
    return READINGS[base].label + (f" L{phase}" if phase else "")


def _words(fields: Mapping[str, Value]) -> str:
    told = []
    for name, value in fields.items():
        base = name.partition(":")[0]
        if base in READINGS:
            told.append(f"{_label(name)} {format_value(base, value)} {READINGS[base].unit}".rstrip())
        elif base in VARIABLES:
            told.append(f"{_label(name)} {value} {VARIABLES[base].unit}".rstrip())
    if not told:
        told = [f"{name.strip('.')} {value}" for name, value in fields.items()]
    more = f" and {len(told) - MOST_NAMED} more" if len(told) > MOST_NAMED else ""
    return ", ".join(told[:MOST_NAMED]) + more


def _registers(first: int, count: int) -> str:
    return f"register {first}" if count == 1 else f"registers {first} to {first + count - 1}"


def _orders(protocol: Protocol) -> Iterable[tuple[int, re.Pattern[bytes], str]]:
    """Shape of each command, with how many of its bytes are fixed, and its words."""
    for command in protocol.commands:
        shape = shape_of(command, protocol)
        yield _fixed(shape), shape, COMMANDS[command.name].label
    for each in protocol.variables:
        declared = VARIABLES[each.name]
        samples = each.choices or tuple(declared.choices) or ("50", "99")
        if declared.decimals is None and not declared.choices:
            continue
        for sample in samples:
            payload = each.write(declared.parse(sample))
            shape = (
                re.compile(re.escape(payload), re.DOTALL)
                if declared.choices
                else _joined([each.write(declared.parse(one)) for one in samples], protocol)
            )
            yield _fixed(shape), shape, f"{declared.label}: {declared.choices.get(sample, 'another value')}"


def _fixed(shape: re.Pattern[bytes]) -> int:
    """How much of a shape is no number that may be any: the more, the better it tells."""
    return len(shape.pattern.replace(ANY_NUMBER, b""))


def shape_of(command: Command, protocol: Protocol) -> re.Pattern[bytes]:
    """What the bytes of a command look like, whatever its arguments are: numbers that follow them may be any."""
    declared = COMMANDS[command.name]
    limits = {
        each.name: command.limits.get(each.name, Limit(each.low, each.high or 0, each.unit))
        for each in declared.arguments
    }
    ends = [{name: getattr(limit, end) for name, limit in limits.items()} for end in ("low", "high")]
    middle = {name: (limit.low + limit.high) // 2 for name, limit in limits.items()}
    samples = [command.order(arguments).payload for arguments in (*ends, middle)]
    return _joined(samples, protocol)


def _joined(samples: list[bytes], protocol: Protocol) -> re.Pattern[bytes]:
    """One shape for samples that differ in their numbers."""
    if len(set(samples)) == 1:
        return re.compile(re.escape(samples[0]), re.DOTALL)
    if protocol.family is Family.MODBUS:
        return re.compile(re.escape(samples[0][:3]) + b"..", re.DOTALL)
    runs = [RUN.findall(sample) for sample in samples]
    texts = RUN.split(samples[0])
    if len({len(each) for each in runs}) != 1 or any(RUN.split(sample) != texts for sample in samples):
        return re.compile(re.escape(texts[0]) + b".*", re.DOTALL)
    pattern = re.escape(texts[0])
    for place, text in enumerate(texts[1:]):
        found = {each[place] for each in runs}
        pattern += (re.escape(found.pop()) if len(found) == 1 else ANY_NUMBER) + re.escape(text)
    return re.compile(pattern, re.DOTALL)
