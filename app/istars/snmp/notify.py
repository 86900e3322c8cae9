"""Traps and informs, sent to the recipients who chose them; informs are repeated until they are answered."""

from __future__ import annotations

import math
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
    """A notice on its way to one recipient; times in boottime seconds. `told` hears what came of it, once.

    Without an answer until `end` it has failed, however many tries are left. What is not to be sent after a restart is a `trial`.
    """

    recipient: Recipient
    notice: Notice
    due: float
    uptime: float
    told: Callable[[str], None]
    end: float = math.inf
    trial: bool = False
    number: int = field(default_factory=lambda: int.from_bytes(os.urandom(4), "big") >> 1)
    tries: int = 0
    reports: int = 0
    heard: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """How it stands with a recipient: a value of `istars.snmp.trap.N.state`, what was told last, and what came of it."""

    state: str = "untold"
    detail: str = ""
    lost: int = 0


class Notifier:
    """Sends notices by sockets of its own, so that answers to informs find their way back.

    `failed` hears of a notice that was lost: of each kind once, until the recipient is reached again. `standing` has each
    recipient by its number.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.recipients: Sequence[Recipient] = ()
        self.retries, self.interval = 3, 5.0
        self.failed: Callable[[Recipient, Notice, str], None] = lambda _recipient, _notice, _reason: None
        self.sendings: list[Sending] = []
        self.standing: dict[int, Standing] = {}
        self._last: dict[tuple[int, Oid, str], float] = {}
        self._lost: dict[int, set[tuple[Oid, str]]] = {}
        self._sockets: dict[int, socket.socket] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """Where answers come in."""
        return list(self._sockets.values())

    def use(self, recipients: Sequence[Recipient]) -> None:
        """Tell these from now on. What was on its way to somebody else, or to another address, goes nowhere any more."""
        before, self.recipients = {_place(each) for each in self.recipients}, recipients
        for sending in list(self.sendings):
            if _place(sending.recipient) not in {_place(each) for each in recipients}:
                self._finish(sending, "there is no such recipient any more")
        same = {each.number for each in recipients if _place(each) in before}
        for kept in (self.standing, self._lost):
            for number in kept.keys() - same:
                del kept[number]

    def tell(self, notice: Notice) -> None:
        """Send `notice` to all who chose it."""
        for recipient in self.recipients:
            if notice.event in recipient.events:
                self.send(recipient, notice)

    def send(self, recipient: Recipient, notice: Notice) -> None:
        """Send one notice. The same one does not go to the same recipient again within 5 seconds: it waits."""
        now = clock.boottime()
        key = (recipient.number, notice.oid, notice.subject)
        due = max(now, self._last.get(key, 0.0) + APART_S)
        self._last = {each: at for each, at in self._last.items() if at > now - APART_S}
        self._last[key] = due
        self._add(Sending(recipient, notice, due, self.agent.engine.uptime, self._keeper(recipient, notice)))

    def try_out(self, recipient: Recipient, notice: Notice, patience_s: float, told: Callable[[str], None]) -> None:
        """Send one notice at once; `told` hears "" when it was sent (an inform: acknowledged), else why not."""
        now = clock.boottime()
        self._add(Sending(recipient, notice, now, self.agent.engine.uptime, told, now + patience_s, trial=True))

    def resume(self, recipient: Recipient, notice: Notice, number: int, tries: int) -> None:
        """Go on with what an earlier run of the worker had not finished."""
        told = self._keeper(recipient, notice)
        self._add(Sending(recipient, notice, clock.boottime(), 0.0, told, number=number, tries=tries))

    def _add(self, sending: Sending) -> None:
        if len(self.sendings) < WAITING_KEPT:
            self.sendings.append(sending)
        else:
            self._conclude(sending, "too many notifications wait for an answer")

    def _keeper(self, recipient: Recipient, notice: Notice) -> Callable[[str], None]:
        return lambda reason: self._noted(recipient, notice, reason)

    def _noted(self, recipient: Recipient, notice: Notice, reason: str) -> None:
        """On battery there is a notice every minute: that one is lost again is not said again."""
        kinds = self._lost.setdefault(recipient.number, set())
        if not reason:
            kinds.clear()
        elif (notice.oid, notice.subject) not in kinds:
            kinds.add((notice.oid, notice.subject))
            self.failed(recipient, notice, reason)

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
        self._conclude(sending, reason)

    def _conclude(self, sending: Sending, reason: str) -> None:
        """Note what came of a notice."""
        to, words = sending.recipient, sending.notice.words
        if reason:
            lost = self.standing.get(to.number, Standing()).lost + 1
            more = f"; {lost} were lost" if lost > 1 else ""
            self.standing[to.number] = Standing("failing", f"{words}: {reason}{more}", lost)
        else:
            self.standing[to.number] = Standing("acknowledged" if to.inform else "sent", words)
        sending.told(reason)

    def _attempt(self, sending: Sending, now: float) -> None:
        recipient = sending.recipient
        if sending.tries > (self.retries if recipient.inform else 0) or now >= sending.end:
            tries = f"{sending.tries} {'try' if sending.tries == 1 else 'tries'}"
            self._finish(sending, f"no answer after {tries}")
            return
        sending.tries += 1
        sending.reports = 0
        sending.due = min(now + self.interval, max(sending.end, now))
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


def _place(recipient: Recipient) -> tuple[int, str, int]:
    return recipient.number, recipient.address, recipient.port


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
