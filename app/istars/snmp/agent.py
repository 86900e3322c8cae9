"""Messages: who asks, may they, and the answer. What is odd in SNMPv3 goes to pysnmp, loaded when first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from istars.snmp import pdu, usm
from istars.snmp.access import Access, Known
from istars.snmp.ber import (
    OCTETS,
    SEQUENCE,
    BadEncoding,
    counter,
    expect,
    integer,
    read_integer,
    read_octets,
    tlv,
    varbind,
)
from istars.snmp.counters import Counters
from istars.snmp.engine import LARGEST_BOOTS, Engine
from istars.snmp.oids import USM_STATS
from istars.snmp.pdu import AUTHORIZATION, NO_ACCESS, READS, SET, V1, V2C, Reader, Request
from istars.snmp.picture import Picture
from istars.snmp.usm import AUTHENTIC, MESSAGE_SIZE, PRIVATE, REPORTABLE, WINDOW_S, Message, User
from istars.snmp.writes import Asker, Writer

if TYPE_CHECKING:
    from istars.snmp.behind import Behind

Reply = Callable[[bytes], None]
V3 = 3
UNSUPPORTED_LEVEL, NOT_IN_TIME, UNKNOWN_USER, UNKNOWN_ENGINE, WRONG_DIGEST = 1, 2, 3, 4, 5
"""Numbers below usmStats of RFC 3414."""
SECURITY_SIZE = 140
"""Octets of header and security parameters, at most."""
SMALLEST_MESSAGE = 484
SHORT = 0x80
"""Lengths below it stand in one octet."""
HEADS_KEPT = 64


class Agent:
    """Answers one message at a time. `refused` is told from where somebody asked without being known."""

    def __init__(self, engine: Engine, picture: Picture, writer: Writer, counters: Counters) -> None:
        self.engine, self.picture, self.writer, self.counters = engine, picture, writer, counters
        self.access = Access()
        self.reader = Reader(picture.table)
        self.refused: Callable[[str], None] = lambda _host: None
        self._behind: Behind | None = None
        self._heads: dict[tuple[str, bytes], int] = {}

    def use(self, access: Access) -> None:
        """Serve these from now on."""
        self.access = access
        self._behind = None
        self._heads.clear()

    def receive(self, data: bytes, host: str, reply: Reply) -> None:
        """Answer a message from `host` by `reply`, at once or, after a SET, when it is known what came of it; or not at all."""
        self.counters.received += 1
        quick = self._quick(data, host)
        if quick is not None:
            reply(quick)
            return
        try:
            start, end = expect(data, 0, SEQUENCE)
            if end != len(data):
                raise BadEncoding("more than a message")
            version, at = read_integer(data, start)
            if version in (V1, V2C):
                self._by_community(data, start, at, version, host, reply)
            elif version == V3:
                self._by_user(data, at, host, reply)
            else:
                self.counters.bad_versions += 1
        except BadEncoding:
            self.counters.unreadable += 1

    def _quick(self, data: bytes, host: str) -> bytes | None:
        """The answer to a question that was asked before by the same manager, if it is joined already; most are."""
        try:
            after = 7 + data[6]
            seen = self._heads.get((host, data[2:after]))
            if seen is None or data[1] != len(data) - 2 or data[after + 1] >= SHORT or data[after + 3] >= SHORT:
                return None
            behind = after + 4 + data[after + 3]
        except IndexError:
            return None
        body = self.reader.ready(seen, data[after], data[behind:])
        if body is None:
            return None
        return tlv(SEQUENCE, data[2:after] + tlv(pdu.RESPONSE, data[after + 2 : behind] + body))

    def _by_community(self, data: bytes, start: int, at: int, version: int, host: str, reply: Reply) -> None:
        managers = self.access.managers_at(host)
        if not managers:
            return
        community, after = read_octets(data, at)
        manager = next((each for each in managers if each.community == community), None)
        if manager is None:
            self.counters.bad_communities += 1
            self.refused(host)
            return
        asked = pdu.request(data, after)
        head = data[start:after]
        if len(self._heads) >= HEADS_KEPT:
            self._heads.clear()
        self._heads[host, head] = version
        if asked.tag in READS and (version != V1 or asked.tag != pdu.GETBULK):
            limit = MESSAGE_SIZE - len(head) - 8
            reply(tlv(SEQUENCE, head + self.reader.answer(version, asked, limit)))
        elif asked.tag == SET:
            if not manager.write:
                self.counters.bad_uses += 1
                reply(tlv(SEQUENCE, head + pdu.refused(version, asked, NO_ACCESS, 1)))
                return
            asker = Asker(manager.who, host, version)
            self.writer.perform(asked, asker, lambda answer: reply(tlv(SEQUENCE, head + answer)))

    def _by_user(self, data: bytes, at: int, host: str, reply: Reply) -> None:
        if not self.access.readers:
            return
        message = usm.read(data, at)
        known = self.access.users.get(message.user)
        fault = self._fault(known, message, data)
        if fault:
            self._report(fault, known, message, host, reply)
            return
        asked = self._opened(known, message) if known is not None else None
        if known is None or asked is None:
            for answer in self.behind().receive(data, host):
                reply(answer)
            return
        if asked.tag == SET:
            if not known.write:
                reply(self._sealed(known.user, message, pdu.refused(V3, asked, AUTHORIZATION, 0)))
                return
            asker = Asker(known.who, host, V3)
            self.writer.perform(asked, asker, lambda answer: reply(self._sealed(known.user, message, answer)))
        else:
            limit = min(message.size, MESSAGE_SIZE) - SECURITY_SIZE
            reply(self._sealed(known.user, message, self.reader.answer(V3, asked, limit)))

    def _fault(self, known: Known | None, message: Message, data: bytes) -> int:
        """What is wrong with the sender of a message, as its number below usmStats (RFC 3414, 3.2); 0 where nothing is."""
        engine, level = self.engine, message.flags & (AUTHENTIC | PRIVATE)
        if message.engine != engine.id:
            return UNKNOWN_ENGINE
        if known is None:
            return UNKNOWN_USER
        if level & ~known.user.flags or level == PRIVATE:
            return UNSUPPORTED_LEVEL
        if level & AUTHENTIC:
            if not usm.genuine(known.user, message, data):
                return WRONG_DIGEST
            if (
                message.boots != engine.boots
                or engine.boots == LARGEST_BOOTS
                or abs(message.time - engine.time) > WINDOW_S
            ):
                return NOT_IN_TIME
        return 0

    def _report(self, fault: int, known: Known | None, message: Message, host: str, reply: Reply) -> None:
        """Tell the sender what is wrong, if the message asks for that; the time is told signed, so that it can be believed."""
        counted = self.counters.usm
        counted[fault] += 1
        if fault == WRONG_DIGEST:
            self.refused(host)
        if not message.flags & REPORTABLE:
            return
        name = (*USM_STATS, fault, 0)
        bindings = tlv(SEQUENCE, varbind(name, counter(counted[fault])))
        said = tlv(pdu.REPORT, _request_id(message) + pdu.NO_ERROR + bindings)
        user = known.user if known is not None else User.unknown(message.user)
        reply(self._sealed(user, message, said, AUTHENTIC if fault == NOT_IN_TIME else 0))

    def _opened(self, known: Known, message: Message) -> Request | None:
        """The request in a message from who it says; None where something about it is unusual."""
        user, engine, body = known.user, self.engine, message.body
        if not user.auth or message.flags & (AUTHENTIC | PRIVATE) != user.flags or message.size < SMALLEST_MESSAGE:
            return None
        try:
            if user.priv:
                body = user.decrypt(message.boots, message.time, message.salt, body)
            start, end = expect(body, 0, SEQUENCE)
            context, at = read_octets(body, start)
            name, at = read_octets(body, at)
            asked = pdu.request(body[:end], at)
        except BadEncoding:
            return None
        return asked if context == engine.id and not name and asked.tag in (*READS, SET) else None

    def _sealed(self, user: User, message: Message, answer: bytes, flags: int = AUTHENTIC | PRIVATE) -> bytes:
        engine = self.engine
        scoped = tlv(SEQUENCE, tlv(OCTETS, engine.id) + b"\x04\x00" + answer)
        return usm.write(user, message.id, engine.id, engine.boots, engine.time, scoped, flags)

    def behind(self) -> Behind:
        """Pysnmp with the present users: it takes memory and time that most cards never need."""
        if self._behind is None:
            from istars.snmp.behind import Behind

            self._behind = Behind(self.engine, self.access, self.reader)
        return self._behind


def _request_id(message: Message) -> bytes:
    """That of the request in a message, encoded; 0 where it cannot be known (RFC 3412, 7.1)."""
    if not message.flags & PRIVATE:
        try:
            start, _ = expect(message.body, 0, SEQUENCE)
            _, at = read_octets(message.body, start)
            _, at = read_octets(message.body, at)
            return pdu.request(message.body, at).id
        except BadEncoding:
            pass
    return integer(0)
