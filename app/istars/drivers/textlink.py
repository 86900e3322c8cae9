"""Questions and answers of text protocols: ask a line, read lines until one has the shape of the answer."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterable, Sequence

from istars.drivers.framing import text_lines
from istars.drivers.item import Group, Item, Line, Query, Timing
from istars.drivers.link import SEEN_LIMIT, Answer, Harvest, NotUnderstood, shown
from istars.drivers.transport import Transport
from istars.errors import BadAnswer, CommandRefused, LinkError, NoAnswer, PortError

LOG = logging.getLogger(__name__)

SETTLE_S = 0.25
"""After a damaged line the good one either follows at once or not at all."""

ACCEPTED, REFUSED = b"(ACK", b"(NAK"


class TextLink:
    """A device that answers lines of text. Questions it does not know are echoed, and then not asked again."""

    def __init__(self, transport: Transport, line: Line, timing: Timing, items: Iterable[Item]) -> None:
        self.last_seen = b""
        self.absent: set[str] = set()
        self._transport = transport
        self._terminator = line.terminator
        self._timing = timing
        self._items = tuple(items)
        self._shapes = {item.at.query.answer for item in self._items if isinstance(item.at, Group)}
        self._line_echoes = False

    def reset(self) -> None:
        """See Link."""
        self.absent.clear()
        self._line_echoes = False

    def read(self, items: Sequence[Item], tries: int) -> Harvest:
        """See Link."""
        harvest = Harvest()
        for query, wanted in _by_query(items).items():
            wanted = [item for item in wanted if item.name not in self.absent]
            if not wanted:
                continue
            harvest.asked.update(item.name for item in wanted)
            try:
                found = self._ask(query, tries)
            except NotUnderstood as problem:
                self._give_up(query)
                harvest.failed(problem)
            except PortError:
                raise
            except NoAnswer as problem:
                harvest.failed(problem)
                break
            except LinkError as problem:
                harvest.failed(problem)
            else:
                groups = found.groupdict()
                harvest.raw.update((item.name, groups[_group(item)] or b"") for item in wanted)
        return harvest

    def _give_up(self, query: Query) -> None:
        LOG.info("%s does not know %s", self._transport.where, shown(query.send))
        self.absent.update(item.name for item in self._items if isinstance(item.at, Group) and item.at.query is query)

    def _ask(self, query: Query, tries: int) -> re.Match[bytes]:
        """The answer to `query`, asked again while it is missing or damaged."""
        while True:
            tries -= 1
            try:
                return self._ask_once(query)
            except (NotUnderstood, PortError):
                raise
            except LinkError:
                if tries <= 0:
                    raise

    def _ask_once(self, query: Query) -> re.Match[bytes]:
        self._send(query.send)
        until = time.monotonic() + self._timing.answer_s
        buffer, echoed = b"", False
        while chunk := self._transport.read(1, until):
            self._note(chunk)
            lines, buffer = text_lines(buffer + chunk, self._terminator)
            for line in lines:
                found = query.answer.fullmatch(line)
                if found:
                    self._line_echoes = self._line_echoes or echoed or line.startswith(query.send)
                    return found
                if line == query.send:
                    echoed = True
                elif line and not self._is_late(line):
                    until = min(until, time.monotonic() + SETTLE_S)
        self._note(self._transport.rest())
        raise self._failure(query, echoed)

    def _is_late(self, line: bytes) -> bool:
        """Whether `line` answers an earlier question: it says nothing about this one, whose answer is still to come."""
        return any(shape.fullmatch(line) for shape in self._shapes)

    def _failure(self, query: Query, echoed: bool) -> LinkError:
        asked, where = shown(query.send), self._transport.where
        if echoed or self.last_seen.rstrip(b"\r\n") == REFUSED:
            return NotUnderstood(f"the device at {where} does not know {asked}")
        if self.last_seen:
            return BadAnswer(f"{where} answered {asked} with {shown(self.last_seen)}")
        return NoAnswer(f"no answer from {where} to {asked} within {self._timing.answer_s:g} s")

    def give(self, payload: bytes) -> Answer:
        """Send a command and listen for a refusal: most units are silent, some acknowledge, all echo what they do not know."""
        self._send(payload)
        until = time.monotonic() + self._timing.refusal_s
        buffer = b""
        while chunk := self._transport.read(1, until):
            self._note(chunk)
            lines, buffer = text_lines(buffer + chunk, self._terminator)
            for line in lines:
                if line == ACCEPTED:
                    return Answer.ACCEPTED
                if line == REFUSED:
                    raise CommandRefused(f"the UPS refuses the command {shown(payload)}")
                if line == payload and not self._line_echoes:
                    raise CommandRefused(f"the UPS does not know the command {shown(payload)}")
        return Answer.SILENCE

    def _send(self, text: bytes) -> None:
        """Send one line; what came before belongs to nobody any more."""
        self._transport.discard()
        self.last_seen = b""
        self._transport.write(text + self._terminator)

    def _note(self, chunk: bytes) -> None:
        self.last_seen = (self.last_seen + chunk)[-SEEN_LIMIT:]


def _group(item: Item) -> str:
    return item.at.name if isinstance(item.at, Group) else ""


def _by_query(items: Sequence[Item]) -> dict[Query, list[Item]]:
    """Items in the order of their first question."""
    grouped: dict[Query, list[Item]] = {}
    for item in items:
        if isinstance(item.at, Group):
            grouped.setdefault(item.at.query, []).append(item)
    return grouped
