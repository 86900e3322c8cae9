"""Objects of an SNMP agent (version 1 or 2c) over UDP: a UPS behind another network card.

What the agent does not have is not asked again until the link is opened anew.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import time
from collections.abc import Sequence

from istars.drivers import ber
from istars.drivers.item import Item, Options, Timing
from istars.drivers.item import Oid as Place
from istars.drivers.link import SEEN_LIMIT, Answer, Harvest
from istars.drivers.transport import host_and_port
from istars.errors import BadAnswer, CommandRefused, LinkError, NoAnswer, PortError

MIB = "1.3.6.1.2.1.33.1"
AT_ONCE = 16
"""Objects in one request: more may not fit into the answer of an old card."""

LARGEST = 65_507
LONGEST_TABLE = 64
NO_SUCH_NAME = 2
ERRORS = {
    1: "the answer is too big", 2: "there is no such object", 3: "bad value", 4: "read only", 5: "general error",
    6: "no access", 7: "wrong type", 10: "wrong value", 16: "not allowed", 17: "not writable", 18: "inconsistent",
}  # fmt: skip


class UdpTransport:
    """A UDP socket to one host; nothing is sent by opening it."""

    def __init__(self, device: str) -> None:
        self.where = device
        self._address = host_and_port(device)
        self._socket: socket.socket | None = None

    @property
    def is_open(self) -> bool:
        """See Transport."""
        return self._socket is not None

    def open(self) -> None:
        """See Transport. Raises PortError for a host that is not known."""
        if self._socket is not None:
            return
        try:
            family, kind, number, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            link = socket.socket(family, kind, number)
            link.setblocking(False)
            link.connect(address)
        except OSError as problem:
            raise PortError(
                "port-missing", f"{self.where} cannot be reached: {problem.strerror or problem}"
            ) from problem
        self._socket = link

    def close(self) -> None:
        """See Transport."""
        link, self._socket = self._socket, None
        if link is not None:
            link.close()

    def write(self, data: bytes) -> None:
        """See Transport."""
        # A port that nobody listens on is told at the next use of the socket: that is silence, and no lost port.
        with contextlib.suppress(ConnectionRefusedError):
            self._open().send(data)

    def read(self, least: int, until: float) -> bytes:
        """One datagram; b"" once it is `until`."""
        link = self._open()
        poll = select.poll()
        poll.register(link, select.POLLIN)
        while poll.poll(max(0.0, until - time.monotonic()) * 1000):
            try:
                return link.recv(LARGEST)
            except BlockingIOError:
                continue
            except OSError:
                # The error was told once; the time goes on.
                time.sleep(0.05)
        return b""

    def rest(self) -> bytes:
        """See Transport."""
        return b""

    def discard(self) -> None:
        """See Transport."""
        link = self._open()
        with contextlib.suppress(OSError):
            while link.recv(LARGEST):
                pass

    def _open(self) -> socket.socket:
        if self._socket is None:
            raise PortError("port-missing", f"{self.where} is not open")
        return self._socket


class SnmpLink:
    """One agent."""

    def __init__(self, transport: UdpTransport, timing: Timing, options: Options) -> None:
        self.last_seen = b""
        self.absent: set[str] = set()
        self._transport = transport
        self._timing = timing
        self._version = 0 if options.snmp_version == "1" else 1
        self._community = (options.community or "public").encode()
        self._number = int.from_bytes(os.urandom(3), "big")

    def reset(self) -> None:
        """See Link."""
        self.absent.clear()

    def read(self, items: Sequence[Item], tries: int) -> Harvest:
        """See Link."""
        harvest = Harvest()
        wanted = [item for item in items if item.name not in self.absent]
        single = [item for item in wanted if isinstance(item.at, Place) and not item.at.table]
        try:
            for at in range(0, len(single), AT_ONCE):
                self._objects(single[at : at + AT_ONCE], tries, harvest)
            for item in wanted:
                if isinstance(item.at, Place) and item.at.table:
                    harvest.asked.add(item.name)
                    harvest.raw[item.name] = b" ".join(self._table(f"{MIB}.{item.at.object}", tries))
        except PortError:
            raise
        except LinkError as problem:
            harvest.failed(problem)
        return harvest

    def _objects(self, items: Sequence[Item], tries: int, harvest: Harvest) -> None:
        """Ask for single objects. Version 1 refuses all of a request for one that is missing, so that one is left out."""
        left = list(items)
        harvest.asked.update(item.name for item in items)
        while left:
            names = [f"{MIB}.{item.at.object}" for item in left if isinstance(item.at, Place)]
            answer = self._ask(ber.GET, ber.bindings([(name, ber.NOTHING) for name in names]), tries)
            if answer.error == NO_SUCH_NAME and 1 <= answer.index <= len(left):
                self.absent.add(left.pop(answer.index - 1).name)
                continue
            if answer.error:
                raise BadAnswer(f"{self._transport.where}: {ERRORS.get(answer.error, f'error {answer.error}')}")
            found = dict(answer.bindings)
            for name, item in zip(names, left, strict=True):
                value = found.get(name)
                if value is None or value.tag in ber.ABSENT:
                    self.absent.add(item.name)
                else:
                    harvest.raw[item.name] = raw_value(value)
            return

    def _table(self, column: str, tries: int) -> list[bytes]:
        """All values of a column."""
        found: list[bytes] = []
        at = column
        while len(found) < LONGEST_TABLE:
            answer = self._ask(ber.GET_NEXT, ber.bindings([(at, ber.NOTHING)]), tries)
            if answer.error or not answer.bindings:
                break
            name, value = answer.bindings[0]
            if not name.startswith(column + ".") or name == at or value.tag in ber.ABSENT:
                break
            found.append(raw_value(value))
            at = name
        return found

    def give(self, payload: bytes) -> Answer:
        """Set objects; `payload` are their bindings."""
        answer = self._ask(ber.SET, payload, 1)
        if answer.error:
            raise CommandRefused(
                f"the other card refuses the command: {ERRORS.get(answer.error, f'error {answer.error}')}"
            )
        return Answer.ACCEPTED

    def _ask(self, kind: int, bound: bytes, tries: int) -> ber.Message:
        """The response to a request, asked again while there is none. Raises NoAnswer."""
        for _ in range(max(tries, 1)):
            self._number = (self._number + 1) & 0x7FFFFFFF
            self._transport.discard()
            self._transport.write(ber.request(self._version, self._community, kind, self._number, bound))
            until = time.monotonic() + self._timing.answer_s
            while data := self._transport.read(1, until):
                self.last_seen = data[-SEEN_LIMIT:]
                try:
                    answer = ber.parse(data)
                except ber.BadMessage:
                    continue
                # What answers an earlier question says nothing about this one.
                if answer.kind == ber.RESPONSE and answer.request == self._number:
                    return answer
        raise NoAnswer(
            f"no answer from {self._transport.where} within {self._timing.answer_s:g} s; a wrong community is not answered either"
        )


def raw_value(value: ber.Value) -> bytes:
    """A value as the bytes that an item decodes: numbers and object identifiers as text."""
    return value.value if isinstance(value.value, bytes) else str(value.value).encode()
