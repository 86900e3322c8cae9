"""Traps and informs, sent to the recipients who chose them; informs are repeated until they are answered."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from istars.platform import clock
from istars.snmp import ber, pdu, usm
from istars.snmp.access import Recipient
from istars.snmp.agent import Agent
from istars.snmp.ber import SEQUENCE, BadEncoding, Oid, expect, read_integer, read_octets, tlv
from istars.snmp.oids import NOTIFICATIONS, SYSTEM_ID, TRAP_OID, TRAPS, UPS_TRAPS, UPTIME
from istars.snmp.pdu import V1, V2C

log = logging.getLogger(__name__)

APART_S = 5.0
"""The same notification does not reach a recipient more often (RFC 1628, notifications)."""
WAITING_KEPT = 200
IP_ADDRESS = 0x40
ENTERPRISE_SPECIFIC = 6
REPORTS = 4
"""Reports of a recipient's engine that one attempt may bring: it tells its identity, then its time."""

Bindings = tuple[tuple[Oid, bytes], ...]


@dataclass(frozen=True, slots=True)
class Notice:
    """One notification: its identity, what it tells, the word of NOTICES under which it is chosen, and itself in words.

    `subject` tells apart notifications of one identity.
    """

    oid: Oid
    bindings: Bindings
    event: str
    words: str
    subject: str = ""


@dataclass(slots=True)
class Sending:
    """A notice on its way to one recipient; times in boottime seconds. `told` hears what came of it, once."""

    recipient: Recipient
    notice: Notice
    due: float
    uptime: float
    told: Callable[[str], None]
    number: int = field(default_factory=lambda: int.from_bytes(os.urandom(4), "big") >> 1)
    tries: int = 0
    reports: int = 0
    heard: str | None = None


class Notifier:
    """Sends notices by sockets of its own, so that answers to informs find their way back."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.recipients: Sequence[Recipient] = ()
        self.retries, self.interval = 3, 5.0
        self.failed: Callable[[Recipient, Notice, str], None] = lambda _recipient, _notice, _reason: None
        self.sendings: list[Sending] = []
        self._last: dict[tuple[int, Oid, str], float] = {}
        self._failing: set[int] = set()
        self._sockets: dict[int, socket.socket] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """Where answers come in."""
        return list(self._sockets.values())

    def tell(self, notice: Notice) -> None:
        """Send `notice` to all who chose it."""
        for recipient in self.recipients:
            if notice.event in recipient.events:
                self.send(recipient, notice, lambda reason, to=recipient: self._noted(to, notice, reason))  # type: ignore[misc]

    def _noted(self, recipient: Recipient, notice: Notice, reason: str) -> None:
        """Say it once when a recipient can no longer be reached: on battery there is a notice every minute."""
        if not reason:
            self._failing.discard(recipient.number)
        elif recipient.number not in self._failing:
            self._failing.add(recipient.number)
            self.failed(recipient, notice, reason)

    def send(self, recipient: Recipient, notice: Notice, told: Callable[[str], None]) -> None:
        """Send one notice; `told` hears "" when it was sent (an inform: acknowledged), else the reason why not."""
        now = clock.boottime()
        key = (recipient.number, notice.oid, notice.subject)
        due = max(now, self._last.get(key, 0.0) + APART_S)
        self._last = {each: at for each, at in self._last.items() if at > now - APART_S}
        self._last[key] = due
        if len(self.sendings) >= WAITING_KEPT:
            told("too many notifications wait for an answer")
            return
        self.sendings.append(Sending(recipient, notice, due, self.agent.engine.uptime, told))

    def turn(self, now: float) -> float | None:
        """Send and repeat what is due; answers when the next one is (None: nothing waits)."""
        for sending in list(self.sendings):
            if sending.heard is not None:
                self._finish(sending, sending.heard)
            elif now >= sending.due:
                self._attempt(sending, now)
        return min((sending.due for sending in self.sendings), default=None)

    def _finish(self, sending: Sending, reason: str) -> None:
        self.sendings.remove(sending)
        sending.told(reason)

    def _attempt(self, sending: Sending, now: float) -> None:
        recipient = sending.recipient
        if sending.tries > (self.retries if recipient.inform else 0):
            self._finish(sending, f"no answer after {sending.tries} tries")
            return
        sending.tries += 1
        sending.reports = 0
        sending.due = now + self.interval
        try:
            self._transmit(sending)
        except OSError as error:
            if not recipient.inform:
                self._finish(sending, error.strerror or str(error))
                return
        if not recipient.inform:
            self._finish(sending, "")

    def _socket(self, address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = self._sockets.get(family)
        if found is None:
            found = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        return found

    def _transmit(self, sending: Sending) -> None:
        recipient = sending.recipient
        place = (recipient.address, recipient.port)
        by_pysnmp = recipient.version == "v3" and recipient.inform
        for message in self._v3_inform(sending) if by_pysnmp else [self._message(sending)]:
            self._socket(recipient.address).sendto(message, place)

    def _message(self, sending: Sending) -> bytes:
        """The notice as one message."""
        recipient, engine = sending.recipient, self.agent.engine
        if recipient.version == "v1":
            return _community(V1, recipient.community, self._trap1(sending))
        told = _notification(sending)
        if recipient.user is None:
            return _community(V2C, recipient.community, told)
        scoped = tlv(SEQUENCE, tlv(ber.OCTETS, engine.id) + b"\x04\x00" + told)
        return usm.write(recipient.user.user, sending.number, engine.id, engine.boots, engine.time, scoped)

    def _trap1(self, sending: Sending) -> bytes:
        """A Trap-PDU of SNMPv1 (RFC 3584, 3.2)."""
        notice = sending.notice
        generic = notice.oid[:-1] == TRAPS
        enterprise = SYSTEM_ID if generic else notice.oid[:-1]
        kind = (notice.oid[-1] - 1, 0) if generic else (ENTERPRISE_SPECIFIC, notice.oid[-1])
        return tlv(
            pdu.TRAP1,
            ber.oid(enterprise)
            + tlv(IP_ADDRESS, self._own_address(sending.recipient))
            + ber.integer(kind[0])
            + ber.integer(kind[1])
            + ber.ticks(sending.uptime)
            + _list(notice.bindings),
        )

    @staticmethod
    def _own_address(recipient: Recipient) -> bytes:
        """The address under which the recipient sees this card; all zeros where that is none of IPv4."""
        if ":" in recipient.address:
            return bytes(4)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((recipient.address, recipient.port))
            return socket.inet_aton(probe.getsockname()[0])

    def _v3_inform(self, sending: Sending) -> list[bytes]:
        recipient = sending.recipient
        if recipient.user is None:
            return []

        def told(reason: str) -> None:
            if not reason:
                sending.heard = ""
            elif sending.reports < REPORTS:
                # a report has told who the recipient is, or its time: the next message fits
                sending.reports += 1
                sending.due = 0.0
                sending.tries -= 1
            else:
                sending.heard = reason

        place = (recipient.address, recipient.port)
        return self.agent.behind().inform(recipient.user, place, _notification(sending), told)

    def receive(self, sock: socket.socket) -> None:
        """Take an answer of a recipient."""
        try:
            data, (host, port, *_) = sock.recvfrom(usm.MESSAGE_SIZE)
        except OSError:
            return  # a recipient is not there: what is waiting is repeated, and then it is said
        if not any(each.recipient.address == host and each.recipient.inform for each in self.sendings):
            return
        try:
            start, end = expect(data, 0, SEQUENCE)
            version, at = read_integer(data, start)
            if version == V2C:
                _, at = read_octets(data, at)
                self._acknowledged(host, pdu.request(data[:end], at))
            else:
                for message in self.agent.behind().answer(data, (host, port)):
                    sock.sendto(message, (host, port))
        except (BadEncoding, OSError):
            return

    def _acknowledged(self, host: str, response: pdu.Request) -> None:
        number, _ = read_integer(response.id, 0)
        status, _ = read_integer(response.tail, 0)
        for sending in self.sendings:
            if response.tag == pdu.RESPONSE and sending.number == number and sending.recipient.address == host:
                sending.heard = f"error {status}" if status else ""

    def close(self) -> None:
        """Give the sockets back."""
        for sock in self._sockets.values():
            sock.close()


def _community(version: int, community: bytes, told: bytes) -> bytes:
    return tlv(SEQUENCE, ber.integer(version) + tlv(ber.OCTETS, community) + told)


def _list(bindings: Bindings) -> bytes:
    return tlv(SEQUENCE, b"".join(ber.varbind(name, value) for name, value in bindings))


def _notification(sending: Sending) -> bytes:
    """A trap or an inform of SNMPv2 (RFC 3416, 4.2.6)."""
    notice = sending.notice
    head: Bindings = ((UPTIME, ber.ticks(sending.uptime)), (TRAP_OID, ber.oid(notice.oid)))
    tag = pdu.INFORM if sending.recipient.inform else pdu.TRAP2
    return tlv(tag, ber.integer(sending.number) + pdu.NO_ERROR + _list((*head, *notice.bindings)))


def started(warm: bool) -> Notice:
    """The agent has started, after the card or alone."""
    return Notice((*TRAPS, 2 if warm else 1), (), "card", "warmStart" if warm else "coldStart")


def refused() -> Notice:
    """Somebody asked with a wrong community or digest."""
    return Notice((*TRAPS, 5), (), "card", "authenticationFailure")


def probe() -> Notice:
    """Nothing has happened: somebody wants to know whether notices arrive."""
    return Notice((*NOTIFICATIONS, 1), (), "card", "test")


def ups_trap(number: int, bindings: Iterator[tuple[Oid, bytes]], event: str, words: str, subject: str = "") -> Notice:
    """One of the traps of RFC 1628."""
    return Notice((*UPS_TRAPS, number), tuple(bindings), event, words, subject)
