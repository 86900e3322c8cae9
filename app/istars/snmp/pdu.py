"""Requests and their responses (RFC 3416): GET, GETNEXT, GETBULK answered from the table, SET given to whoever writes.

What a request asks for is worked out once: the same question, as management systems ask it again and again, only joins octets
that are encoded already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from istars.snmp import ber
from istars.snmp.ber import BadEncoding, Oid, expect, header, read_integer, tlv
from istars.snmp.table import Table

GET, GETNEXT, RESPONSE, SET, GETBULK = 0xA0, 0xA1, 0xA2, 0xA3, 0xA5
INFORM, TRAP2, REPORT, TRAP1 = 0xA6, 0xA7, 0xA8, 0xA4
READS = (GET, GETNEXT, GETBULK)
TOO_BIG, NO_SUCH_NAME, GEN_ERR, NO_ACCESS, WRONG_TYPE, WRONG_LENGTH = 1, 2, 5, 6, 7, 8
WRONG_VALUE, INCONSISTENT_VALUE, COMMIT_FAILED, AUTHORIZATION, NOT_WRITABLE = 10, 12, 14, 16, 17
V1, V2C = 0, 1
V1_STATUS = {WRONG_TYPE: 3, WRONG_LENGTH: 3, WRONG_VALUE: 3, INCONSISTENT_VALUE: 3, NO_ACCESS: 2, NOT_WRITABLE: 2,
             AUTHORIZATION: 2, COMMIT_FAILED: 5}  # fmt: skip
"""Errors that SNMPv1 does not know, as it says them (RFC 3584, 4.4)."""
ONE_FRAME = 1_472
"""Octets that go over an Ethernet in one piece: GETBULK answers with as many rows as fit."""
OVERHEAD = 60
"""Octets around the variable bindings of a response, but for community and security parameters."""
VARBINDS = 2_000
PLANS_KEPT = 256
PLANNED = ONE_FRAME
"""Longer questions are not kept."""

NO_ERROR = b"\x02\x01\x00\x02\x01\x00"


@dataclass(slots=True)
class Plan:
    """What a question leads to: rows of the table, or what is said instead; `body` is the response without its request-id."""

    parts: list[int | bytes]
    body: bytes | None = None
    status: int = 0
    index: int = 0


@dataclass(slots=True)
class Request:
    """A request as it came: `id` is encoded, `tail` is all behind it. Not frozen, see `usm.Message`."""

    tag: int
    id: bytes
    tail: bytes

    @property
    def varbinds(self) -> list[tuple[Oid, bytes]]:
        """Names and encoded values. Raises BadEncoding."""
        _, at = read_integer(self.tail, 0)
        _, at = read_integer(self.tail, at)
        return [(name, self.tail[value:end]) for name, value, end in _each(self.tail, at)]


def _each(tail: bytes, at: int) -> list[tuple[Oid, int, int]]:
    """Name, beginning and end of the value of each binding in the list at `at`."""
    at, end = expect(tail, at, ber.SEQUENCE)
    if end != len(tail):
        raise BadEncoding("variable bindings")
    found: list[tuple[Oid, int, int]] = []
    while at < end:
        start, stop = expect(tail, at, ber.SEQUENCE)
        name, value = expect(tail, start, ber.OID)
        _, _, last = header(tail, value)
        if last != stop or len(found) >= VARBINDS:
            raise BadEncoding("variable bindings")
        found.append((ber.read_oid(tail[name:value]), value, stop))
        at = stop
    return found


def request(data: bytes, at: int) -> Request:
    """The request at `at`, which must be the last thing in `data`. Raises BadEncoding."""
    tag, start, end = header(data, at)
    if end != len(data):
        raise BadEncoding("PDU")
    _, after = expect(data, start, ber.INTEGER)
    return Request(tag, data[start:after], data[after:])


def response(identity: bytes, status: int, index: int, bindings: bytes) -> bytes:
    """A response with the variable bindings as they stand encoded."""
    said = ber.integer(status) + ber.integer(index) if status else NO_ERROR
    return tlv(RESPONSE, identity + said + bindings)


def refused(version: int, asked: Request, status: int, index: int) -> bytes:
    """A response that says why not; its bindings are those of the request (for `tooBig` none, but in SNMPv1)."""
    if version == V1:
        status = V1_STATUS.get(status, status)
    _, at = read_integer(asked.tail, 0)
    _, at = read_integer(asked.tail, at)
    bindings = tlv(ber.SEQUENCE, b"") if status == TOO_BIG and version != V1 else asked.tail[at:]
    return response(asked.id, status, index, bindings)


class Reader:
    """Answers what is read. `table` gives the present picture."""

    def __init__(self, table: Callable[[], Table]) -> None:
        self._table = table
        self._shape: list[Oid] | None = None
        self._seen: Table | None = None
        self._plans: dict[tuple[bool, int, bytes], Plan] = {}

    def answer(self, version: int, asked: Request, limit: int) -> bytes:
        """The response to a request that reads, of at most `limit` octets. Raises BadEncoding."""
        table = self._table()
        if table is not self._seen:
            self._changed(table)
        key = (version == V1, asked.tag, asked.tail)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plan(table, version, asked)
            if len(self._plans) >= PLANS_KEPT:
                self._plans.clear()
            if len(asked.tail) <= PLANNED:
                self._plans[key] = plan
        body = plan.body
        if body is None or len(body) > limit - OVERHEAD:
            if plan.status:
                return refused(version, asked, plan.status, plan.index)
            built = self._body(table, plan, asked.tag, limit)
            if built is None:
                return refused(version, asked, TOO_BIG, 0)
            body = built
        return tlv(RESPONSE, asked.id + body)

    def ready(self, version: int, tag: int, tail: bytes) -> bytes | None:
        """What `answer` would say behind the request-id, if that is joined already and fits everywhere."""
        table = self._table()
        if table is not self._seen:
            return None
        plan = self._plans.get((version == V1, tag, tail))
        return None if plan is None or plan.body is None or len(plan.body) > ONE_FRAME else plan.body

    def _changed(self, table: Table) -> None:
        """There is a new picture: what was joined is old, and where rows came or went, all plans are."""
        if self._shape is None or table.names != self._shape:
            self._plans.clear()
        else:
            for plan in self._plans.values():
                plan.body = None
        self._shape, self._seen = table.names, table

    def _body(self, table: Table, plan: Plan, tag: int, limit: int) -> bytes | None:
        """The response without its request-id; None where it does not fit."""
        room = min(limit, ONE_FRAME if tag == GETBULK else limit) - OVERHEAD
        parts, size, moving, cut = [], 0, False, False
        for part in plan.parts:
            octets = part if isinstance(part, bytes) else table.varbind(part)
            size += len(octets)
            if size > room:
                if tag != GETBULK:
                    return None
                cut = True
                break
            moving = moving or (not isinstance(part, bytes) and table.moves(part))
            parts.append(octets)
        if cut and not parts:
            return None
        body = NO_ERROR + tlv(ber.SEQUENCE, b"".join(parts))
        if not moving and not (cut and limit < ONE_FRAME):
            plan.body = body
        return body

    def _plan(self, table: Table, version: int, asked: Request) -> Plan:
        first, at = read_integer(asked.tail, 0)
        second, at = read_integer(asked.tail, at)
        names = [name for name, _, _ in _each(asked.tail, at)]
        if asked.tag == GETBULK:
            return Plan(_bulk(table, names, max(0, first), max(0, second)))
        find = _exact if asked.tag == GET else _next
        parts: list[int | bytes] = []
        for place, name in enumerate(names, start=1):
            part = find(table, name)
            if version == V1 and isinstance(part, bytes):
                return Plan([], status=NO_SUCH_NAME, index=place)
            parts.append(part)
        return Plan(parts)


def _exact(table: Table, name: Oid) -> int | bytes:
    index = table.find(name)
    return ber.varbind(name, table.absent(name)) if index is None else index


def _next(table: Table, name: Oid) -> int | bytes:
    index = table.after(name)
    return index if index < len(table) else ber.varbind(name, ber.END_OF_MIB)


def _bulk(table: Table, names: Sequence[Oid], single: int, repetitions: int) -> list[int | bytes]:
    """Rows in the order of RFC 3416, 4.2.3; a round that only says "end of MIB" is the last one."""
    parts = [_next(table, name) for name in names[:single]]
    repeated = list(names[single:])
    if not repeated:
        return parts
    for _ in range(min(repetitions, VARBINDS // len(repeated) + 1)):
        row = [_next(table, name) for name in repeated]
        parts += row
        if all(isinstance(part, bytes) for part in row):
            break
        repeated = [
            name if isinstance(part, bytes) else table.names[part] for name, part in zip(repeated, row, strict=True)
        ]
    return parts
