"""What a protocol is made of: frozen declarations without any run-time value inside.

A protocol is a table of items (reading, where its bytes are, how they decode, how often to ask) and of commands. The engine
reads these tables; tests, simulators and documents read the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

from istars.model.readings import Value

Fields = Mapping[str, Value]
"""Item name to decoded value. What a device left blank is absent."""

Decoder = Callable[[bytes], Value | None]
"""Bytes of one item to its value; None where the device says that it does not know."""


class When(Enum):
    """How often an item is asked for."""

    EACH_POLL = "poll"
    RARELY = "rarely"
    ONCE = "once"


class Family(Enum):
    """How questions and answers are framed on the wire."""

    TEXT = "text"
    MODBUS = "modbus"
    SNMP = "snmp"
    NUT = "nut"


class Table(IntEnum):
    """The two kinds of 16-bit Modbus registers, by the function code that reads them."""

    HOLDING = 3
    INPUT = 4


@dataclass(frozen=True, slots=True)
class Line:
    """Settings of the serial line. With a `terminator` each answer is a line of text; without, answers are binary."""

    baud: int = 9600
    bytesize: int = 8
    parity: str = "N"
    stopbits: int = 1
    dtr: bool = True
    rts: bool = True
    terminator: bytes = b""


@dataclass(frozen=True, slots=True)
class Timing:
    """Times in seconds: the longest wait for an answer, the silence between two frames, the wait for a refusal of a command
    that has no answer, and how long the effect of a command is looked for.
    """

    answer_s: float = 1.2
    gap_s: float = 0.0
    refusal_s: float = 0.4
    effect_s: float = 3.0


@dataclass(frozen=True, slots=True)
class Query:
    """A question of a text protocol: what is sent (without terminator) and the shape of its answer, with named groups.

    `template` is the picture of the answer (see `columns.py`), where the question was made of one.
    """

    send: bytes
    answer: re.Pattern[bytes]
    when: When = When.EACH_POLL
    template: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Where a text item is: a named group in the answer to a query."""

    query: Query
    name: str


@dataclass(frozen=True, slots=True)
class Registers:
    """Where a Modbus item is: `count` registers from `address` on."""

    table: Table
    address: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Oid:
    """Where an item of RFC 1628 is: the object below upsObjects, with its instance; or a whole column of a table."""

    object: str
    table: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """Where an item of a server of Network UPS Tools is: its variable."""

    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One value of a device.

    `name` is that of a reading in `model/readings.py`; one that starts with "." serves the protocol's own interpreter and is
    never published.
    """

    name: str
    at: Group | Registers | Oid | Variable
    decode: Decoder
    when: When = When.EACH_POLL


@dataclass(frozen=True, slots=True)
class Limit:
    """What the protocol can say for an argument of a command: low..high in `unit`."""

    low: int
    high: int
    unit: str


@dataclass(frozen=True, slots=True)
class Order:
    """A command ready to be sent: its bytes (text without terminator, or a Modbus request without address and checksum) and
    what they make the device do, in words. `counts_s`: seconds that the device counts down before the load loses power.
    """

    payload: bytes
    says: str
    counts_s: int = 0


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a protocol.

    `order` turns checked arguments into bytes. `shown(before, now)` tells whether the device's status shows the effect, which
    is `shows` in words. A command with `already` toggles: it is sent only where that is not true of the status, and it is
    refused where the status does not tell (None). A device that does not have the item `needs` does not have the command.
    """

    name: str
    order: Callable[[Mapping[str, int]], Order]
    limits: Mapping[str, Limit] = field(default_factory=dict)
    shown: Callable[[Fields, Fields], bool] | None = None
    shows: str = ""
    already: Callable[[Fields], bool | None] | None = None
    needs: str = ""


def no_limits(_fields: Fields) -> tuple[float, float] | None:
    """Whatever the device takes."""
    return None


@dataclass(frozen=True, slots=True)
class Settable:
    """A variable of a device that can be written (`model/variables.py`): the item that carries it, and the bytes that set it.

    It is read when somebody looks, not polled. `limits` are those of this device, by what it says of itself (its ratings);
    `choices` are those of the model that this protocol can say, all where empty.
    """

    name: str
    item: Item
    write: Callable[[Value], bytes]
    limits: Callable[[Fields], tuple[float, float] | None] = no_limits
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Writable:
    """A variable that this device has: its value, None where it did not say, and what it takes."""

    name: str
    value: Value | None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """A request, the reply to it and the fields it holds, with its origin: a capture or the protocol's own document."""

    request: bytes
    reply: bytes
    fields: Fields
    origin: str


@dataclass(frozen=True, slots=True)
class Options:
    """What the user sets because the protocol cannot tell. 0 or "" takes the protocol's own value."""

    cells: int = 0
    packs: int = 1
    address: int = 1
    baud: int = 0
    bytesize: int = 0
    parity: str = ""
    stopbits: int = 0
    snmp_version: str = "2c"
    community: str = ""
    user: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class Readings:
    """Values under the names of the model; `estimated` are those that the device did not measure."""

    values: Mapping[str, Value]
    estimated: frozenset[str] = frozenset()


Interpreter = Callable[[Fields], Readings]
"""Decoded fields of one poll to readings: status tokens, alarm codes, units, phases. May remember between polls."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How registers are read together: across at most `hole` registers that nobody wants, at most `limit` at once."""

    hole: int = 8
    limit: int = 125


@dataclass(frozen=True, slots=True)
class Protocol:
    """Everything the engine must know about a kind of device."""

    name: str
    title: str
    family: Family
    line: Line
    items: tuple[Item, ...]
    interpreter: Callable[[Options], Interpreter]
    commands: tuple[Command, ...] = ()
    variables: tuple[Settable, ...] = ()
    timing: Timing = field(default_factory=Timing)
    blocks: Blocks = field(default_factory=Blocks)
    samples: tuple[Sample, ...] = ()
    remark: str = ""
    source: str = ""
    signature: tuple[Query, ...] = ()
    """Questions of a text protocol whose good answers, all of them, tell it from its relatives."""
