"""Messages of SNMP version 1 and 2c, to bytes and back: the part of BER that they use (RFC 1157, RFC 3416, X.690).

Pure functions, no socket. Own, because a general SNMP library costs 16 MB in a worker and seconds of a small processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
IP_ADDRESS, COUNTER, GAUGE, TICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_OBJECT, NO_INSTANCE, END_OF_VIEW = 0x80, 0x81, 0x82
GET, GET_NEXT, RESPONSE, SET = 0xA0, 0xA1, 0xA2, 0xA3
NUMBERS = (INTEGER, COUNTER, GAUGE, TICKS, COUNTER64)
ABSENT = (NO_OBJECT, NO_INSTANCE, END_OF_VIEW)
DEEPEST_OID = 128


class BadMessage(ValueError):
    """Bytes that are no message of SNMP."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value: its tag, and an int, the octets, or the dotted text of an object identifier."""

    tag: int
    value: int | bytes | str


NOTHING = Value(NULL, b"")


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response: `bindings` are object identifiers as dotted texts with their values."""

    version: int
    community: bytes
    kind: int
    request: int
    error: int
    index: int
    bindings: tuple[tuple[str, Value], ...]


def _tlv(tag: int, body: bytes) -> bytes:
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def _integer(value: int, tag: int = INTEGER) -> bytes:
    return _tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _oid(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    body = bytearray()
    for arc in (40 * first + second, *rest):
        digits = [arc & 0x7F]
        while arc := arc >> 7:
            digits.append(arc & 0x7F | 0x80)
        body += bytes(reversed(digits))
    return _tlv(OID, bytes(body))


def _value(value: Value) -> bytes:
    if isinstance(value.value, int):
        return _integer(value.value, value.tag)
    if isinstance(value.value, str):
        return _oid(value.value)
    return _tlv(value.tag, value.value)


def bindings(pairs: Sequence[tuple[str, Value]]) -> bytes:
    """A list of variable bindings."""
    return _tlv(SEQUENCE, b"".join(_tlv(SEQUENCE, _oid(name) + _value(value)) for name, value in pairs))


def request(version: int, community: bytes, kind: int, number: int, bound: bytes) -> bytes:
    """A whole request; `bound` comes from bindings()."""
    pdu = _tlv(kind, _integer(number) + _integer(0) + _integer(0) + bound)
    return _tlv(SEQUENCE, _integer(version) + _tlv(OCTETS, community) + pdu)


class _Reader:
    """Takes one element after the other off some bytes. Raises BadMessage for what is cut or too long."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> bool:
        return self._at < len(self._data)

    def take(self, *tags: int) -> tuple[int, bytes]:
        """Tag and content of the next element, which must have one of `tags` where some are given."""
        data, at = self._data, self._at
        if at + 2 > len(data):
            raise BadMessage("cut")
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > len(data):
                raise BadMessage("bad length")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > len(data) or (tags and tag not in tags):
            raise BadMessage("cut or of another type")
        self._at = at + length
        return tag, data[at : at + length]

    def integer(self) -> int:
        """The next element as a number."""
        return _number(INTEGER, self.take(INTEGER)[1])


def _number(tag: int, body: bytes) -> int:
    if not 1 <= len(body) <= 9:
        raise BadMessage("bad number")
    return int.from_bytes(body, "big", signed=tag == INTEGER)


def _dotted(body: bytes) -> str:
    arcs: list[int] = []
    arc = 0
    for byte in body:
        arc = arc << 7 | byte & 0x7F
        if arc > 0xFFFFFFFF or len(arcs) > DEEPEST_OID:
            raise BadMessage("bad object identifier")
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    if not arcs or body[-1] & 0x80:
        raise BadMessage("bad object identifier")
    first = min(arcs[0] // 40, 2)
    return ".".join(str(part) for part in (first, arcs[0] - 40 * first, *arcs[1:]))


def _decoded(tag: int, body: bytes) -> Value:
    if tag in NUMBERS:
        return Value(tag, _number(tag, body))
    if tag == OID:
        return Value(tag, _dotted(body))
    return Value(tag, body)


def parse(data: bytes) -> Message:
    """The message in `data`. Raises BadMessage."""
    top = _Reader(_Reader(data).take(SEQUENCE)[1])
    version, community = top.integer(), top.take(OCTETS)[1]
    kind, body = top.take(GET, GET_NEXT, RESPONSE, SET)
    pdu = _Reader(body)
    number, error, index = pdu.integer(), pdu.integer(), pdu.integer()
    rows = _Reader(pdu.take(SEQUENCE)[1])
    found = []
    while rows.left:
        row = _Reader(rows.take(SEQUENCE)[1])
        name = _dotted(row.take(OID)[1])
        found.append((name, _decoded(*row.take())))
    return Message(version, community, kind, number, error, index, tuple(found))
