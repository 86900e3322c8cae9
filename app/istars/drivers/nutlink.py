"""Variables of a UPS on a server of Network UPS Tools (RFC 9271, TCP port 3493), and its instant commands."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Sequence

from istars.drivers.item import Item, Options, Timing, Variable, Writable
from istars.drivers.link import SEEN_LIMIT, Answer, Harvest, shown
from istars.drivers.transport import TcpTransport
from istars.errors import BadAnswer, CommandRefused, LinkError, NoAnswer, PortError

LONGEST = 256 * 1024
"""Bytes of a whole list; a server that sends more is none."""

UPS = b"{ups}"
"""Stands for the name of the UPS in a command."""

WORD = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\S+)')
MOST_VARIABLES = 60
SILENT = (b"DATA-STALE", b"DRIVER-NOT-CONNECTED")
COMMAND_S = 5.0


def words(line: bytes) -> list[bytes]:
    """The words of a line, those in quotes without them and without what escapes a quote or a backslash."""
    return [re.sub(rb"\\(.)", rb"\1", quoted) if quoted or not plain else plain for quoted, plain in WORD.findall(line)]


class NutLink:
    """One UPS of one server."""

    def __init__(self, transport: TcpTransport, timing: Timing, ups: str, options: Options) -> None:
        self.last_seen = b""
        self.absent: set[str] = set()
        self._transport = transport
        self._timing = timing
        self._ups = ups.encode()
        self._user, self._password = options.user, options.password
        self._known = False

    def reset(self) -> None:
        """See Link."""
        self._known = False

    def read(self, items: Sequence[Item], tries: int) -> Harvest:
        """See Link. One list brings all variables; what is not in it the UPS does not have at present."""
        harvest = Harvest()
        harvest.asked.update(item.name for item in items)
        try:
            found = self._variables()
        except PortError:
            raise
        except LinkError as problem:
            harvest.failed(problem)
            return harvest
        for item in items:
            if isinstance(item.at, Variable) and item.at.name.encode() in found:
                harvest.raw[item.name] = found[item.at.name.encode()]
        return harvest

    def _variables(self) -> dict[bytes, bytes]:
        lines = self._ask(b"LIST VAR " + self._ups, b"END LIST VAR " + self._ups)
        found = {}
        for line in lines:
            parts = words(line)
            if parts[:2] == [b"VAR", self._ups] and len(parts) == 4:
                found[parts[2]] = parts[3]
        return found

    def give(self, payload: bytes) -> Answer:
        """Give the commands in `payload`, one a line; the first that is refused ends it."""
        if not self._known and self._user:
            for line in (f"USERNAME {self._user}", f"PASSWORD {self._password}"):
                self._order(line.encode())
            self._known = True
        for order in payload.replace(UPS, self._ups).split(b"\n"):
            self._order(order)
        return Answer.ACCEPTED

    def offered(self) -> tuple[str, ...]:
        """Commands that the server has for this UPS."""
        lines = self._ask(b"LIST CMD " + self._ups, b"END LIST CMD " + self._ups)
        found = (words(line) for line in lines)
        return tuple(
            parts[2].decode("ascii", "replace") for parts in found if parts[:1] == [b"CMD"] and len(parts) == 3
        )

    def writable(self) -> tuple[Writable, ...]:
        """Variables that the server lets be written, with what it says of each."""
        lines = self._ask(b"LIST RW " + self._ups, b"END LIST RW " + self._ups)
        found = [parts for line in lines if (parts := words(line))[:1] == [b"RW"] and len(parts) == 4]
        return tuple(self._described(parts[2], parts[3]) for parts in found[:MOST_VARIABLES])

    def _described(self, name: bytes, value: bytes) -> Writable:
        choices = self._list(b"ENUM", name)
        ends = [parts[3:] for parts in self._list_of(b"RANGE", name) if len(parts) == 5]
        low = high = None
        if ends:
            with contextlib.suppress(ValueError):
                low, high = float(ends[0][0]), float(ends[0][1])
        return Writable(name.decode("ascii", "replace"), value.decode("utf-8", "replace"), low, high, choices)

    def _list(self, kind: bytes, name: bytes) -> tuple[str, ...]:
        return tuple(parts[3].decode("utf-8", "replace") for parts in self._list_of(kind, name) if len(parts) == 4)

    def _list_of(self, kind: bytes, name: bytes) -> list[list[bytes]]:
        """Lines of ENUM or RANGE; none where the server does not know the question."""
        tail = b" ".join((kind, self._ups, name))
        try:
            lines = self._ask(b"LIST " + tail, b"END LIST " + tail)
        except Refused:
            return []
        return [parts for line in lines if (parts := words(line))[:1] == [kind]]

    def _order(self, line: bytes) -> None:
        try:
            answer = self._ask(line, b"OK", COMMAND_S)
        except Refused as problem:
            if problem.word == b"ALREADY-SET-USERNAME" or problem.word == b"ALREADY-SET-PASSWORD":
                return
            raise CommandRefused(
                f"the server of Network UPS Tools refuses: {problem.word.decode('ascii', 'replace')}"
            ) from problem
        if not answer[-1].startswith(b"OK"):
            raise BadAnswer(f"{self._transport.where} answered {shown(answer[-1])}")

    def _ask(self, request: bytes, last: bytes, wait_s: float = 0.0) -> list[bytes]:
        """Lines of the answer, up to the one that begins with `last`. Raises Refused, NoAnswer, BadAnswer."""
        self._transport.discard()
        self._transport.write(request + b"\n")
        until = time.monotonic() + (wait_s or self._timing.answer_s)
        buffer, lines = b"", []
        while len(buffer) < LONGEST and (chunk := self._transport.read(1, until)):
            self.last_seen = (self.last_seen + chunk)[-SEEN_LIMIT:]
            *whole, buffer = (buffer + chunk).split(b"\n")
            for line in whole:
                lines.append(line.rstrip(b"\r"))
                if lines[-1].startswith(b"ERR"):
                    raise self._refusal(words(lines[-1])[1:])
                if lines[-1].startswith(last):
                    return lines
        raise NoAnswer(f"no answer from {self._transport.where} within {wait_s or self._timing.answer_s:g} s")

    def _refusal(self, reason: list[bytes]) -> LinkError:
        word = reason[0] if reason else b"ERR"
        if word in SILENT:
            return NoAnswer(f"{self._transport.where} has no data of {self._ups.decode()}: {word.decode()}")
        return Refused(self._transport.where, word)


class Refused(BadAnswer):
    """The server refuses a request with `word`."""

    def __init__(self, where: str, word: bytes) -> None:
        super().__init__(f"{where} refuses: {word.decode('ascii', 'replace')}")
        self.word = word
