"""Registers of a Modbus RTU device, on a serial line or through a serial server that passes bytes on unchanged.

Neighbouring registers are read as one block. A device that refuses a block, or stays silent on it while it answers shorter
questions, gets it in halves from then on, down to single registers; a register refused on its own is absent.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence

from istars.drivers.blocks import Block, plan, split
from istars.drivers.framing import EXCEPTION_BIT, WRITE_SEVERAL, read_pdu, reply_length, rtu, rtu_frame
from istars.drivers.item import Blocks, Item, Line, Table, Timing
from istars.drivers.link import SEEN_LIMIT, Answer, Harvest, NotUnderstood, shown
from istars.drivers.transport import Transport
from istars.errors import BadAnswer, CommandRefused, LinkError, NoAnswer, PortError

LOG = logging.getLogger(__name__)

SHORTEST_REPLY = 5
BITS_OF_BYTE = 11
BITS_OF_SILENCE = 3.5 * BITS_OF_BYTE
"""The standard separates frames by 3.5 characters of 11 bits."""

SETTLE_S = 0.3
"""An answer that has begun goes on without such a pause, even through a serial server; what does not is damaged."""

EXCEPTIONS = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledged, still working",
    6: "device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target does not answer",
}
NOT_THERE = (1, 2, 3)
"""Exceptions that say something about the question, and not about the moment."""

Key = tuple[Table, int, int]


class ModbusLink:
    """A device that answers Modbus RTU requests."""

    def __init__(self, transport: Transport, line: Line, timing: Timing, blocks: Blocks, address: int) -> None:
        self.last_seen = b""
        self.absent: set[str] = set()
        self._transport = transport
        self._timing = timing
        self._gap_s = max(timing.gap_s, BITS_OF_SILENCE / line.baud)
        self._byte_s = BITS_OF_BYTE / line.baud
        self._blocks = blocks
        self._address = address
        self._plans: dict[tuple[str, ...], list[Block]] = {}
        self._refused: set[Key] = set()
        self._proven: set[Key] = set()
        self._line_echoes = False
        self._quiet_since = 0.0

    def reset(self) -> None:
        """See Link."""
        self.absent.clear()
        self._refused.clear()
        self._proven.clear()
        self._plans.clear()
        self._line_echoes = False

    def read(self, items: Sequence[Item], tries: int) -> Harvest:
        """See Link."""
        harvest = Harvest()
        queue = deque(self._planned(items))
        while queue:
            block = queue.popleft()
            harvest.asked.update(item.name for item in block.items)
            try:
                registers = self._read_block(block, tries)
            except NotUnderstood as problem:
                parts = self._without(block, problem)
                queue.extendleft(reversed(parts))
                if not parts:
                    harvest.failed(problem)
            except PortError:
                raise
            except NoAnswer as problem:
                harvest.failed(problem)
                break
            except LinkError as problem:
                harvest.failed(problem)
            else:
                harvest.raw.update((item.name, block.bytes_of(item, registers)) for item in block.items)
        return harvest

    def _planned(self, items: Sequence[Item]) -> list[Block]:
        """Blocks for `items`; refusals make a new plan."""
        key = tuple(item.name for item in items)
        if key not in self._plans:
            found = plan((item for item in items if item.name not in self.absent), self._blocks)
            while any(_key(block) in self._refused for block in found):
                found = [
                    part for block in found for part in (split(block) if _key(block) in self._refused else (block,))
                ]
            self._plans[key] = found
        return self._plans[key]

    def _without(self, block: Block, problem: LinkError) -> tuple[Block, ...]:
        """What is asked instead of `block`, which the device refused."""
        self._plans.clear()
        parts = split(block)
        if parts:
            LOG.info("%s does not give registers %s together: %s", self._transport.where, _range(block), problem)
            self._refused.add(_key(block))
        else:
            names = [item.name for item in block.items]
            LOG.info("%s has no %s: %s", self._transport.where, ", ".join(names), problem)
            self.absent.update(names)
        return parts

    def _read_block(self, block: Block, tries: int) -> bytes:
        """The registers of `block`. Raises NotUnderstood where the device refuses it, also by silence on this block alone."""
        pdu, known = read_pdu(block.table, block.address, block.count), _key(block) in self._proven
        silent = False
        while True:
            tries -= 1
            try:
                frame = self._ask(rtu(self._address, pdu))
                break
            except (NotUnderstood, PortError):
                raise
            except NoAnswer as problem:
                if not known and split(block):
                    if not self._answers(block.items[0]):
                        raise
                    if silent:
                        raise NotUnderstood(f"silence, while single registers are answered ({problem})") from problem
                    silent, tries = True, max(tries, 1)
                elif tries <= 0:
                    raise
            except LinkError:
                if tries <= 0:
                    raise
        self._proven.add(_key(block))
        return frame[3:-2]

    def _answers(self, item: Item) -> bool:
        """Whether the device answers anything at all when asked for `item` alone."""
        alone = plan((item,), self._blocks)[0]
        try:
            self._ask(rtu(self._address, read_pdu(alone.table, alone.address, alone.count)))
        except NotUnderstood:
            return True
        except NoAnswer:
            return False
        return True

    def give(self, payload: bytes) -> Answer:
        """Write a register. The good reply repeats the request, or its beginning."""
        request = rtu(self._address, payload)
        try:
            self._ask(request)
        except NotUnderstood as problem:
            raise CommandRefused(f"the UPS refuses the command: {problem}") from problem
        return Answer.ACCEPTED

    def _ask(self, request: bytes) -> bytes:
        """The good reply to `request`."""
        self._send(request)
        answer_by = until = time.monotonic() + self._timing.answer_s
        wanted = reply_length(request)
        buffer, heard, echoes = b"", 0, 0
        # The first bytes tell an exception from a good reply, so that neither is waited for longer than it takes.
        while chunk := self._transport.read(self._missing(buffer, wanted), until):
            self._note(chunk)
            buffer += chunk
            heard += len(chunk)
            while (cut := rtu_frame(buffer, request))[1] is not None:
                used, frame = cut
                buffer = buffer[used:]
                if frame == request and self._is_echo(request, echoes):
                    echoes += 1
                elif frame is not None:
                    return self._good(frame)
            buffer = buffer[cut[0] :]
            if heard > echoes * len(request):
                until = min(answer_by, time.monotonic() + wanted * self._byte_s + SETTLE_S)
        self._note(self._transport.rest())
        raise self._failure(request, echoes)

    def _missing(self, buffer: bytes, wanted: int) -> int:
        if len(buffer) < SHORTEST_REPLY:
            return SHORTEST_REPLY - len(buffer)
        return max(1, wanted - len(buffer))

    def _is_echo(self, request: bytes, echoes: int) -> bool:
        """Whether the request that came back is only the line's echo; a write is confirmed by the same bytes once more."""
        if request[1] in (*Table, WRITE_SEVERAL):
            self._line_echoes = True
            return True
        return self._line_echoes and echoes == 0

    def _good(self, frame: bytes) -> bytes:
        self._quiet_since = time.monotonic()
        if not frame[1] & EXCEPTION_BIT:
            return frame
        code = frame[2]
        text = f"exception {code}, {EXCEPTIONS.get(code, 'not in the standard')}"
        raise NotUnderstood(text) if code in NOT_THERE else BadAnswer(f"{self._transport.where} answers with {text}")

    def _failure(self, request: bytes, echoes: int) -> LinkError:
        self._quiet_since = time.monotonic()
        where, asked = self._transport.where, shown(request)
        if self.last_seen and not (echoes and self.last_seen == request):
            return BadAnswer(f"{where} answered {asked} with {shown(self.last_seen)}")
        return NoAnswer(f"no answer from {where} to {asked} within {self._timing.answer_s:g} s")

    def _send(self, request: bytes) -> None:
        """Send one frame after the silence that separates it from the last one; what came late belongs to nobody."""
        pause = self._quiet_since + self._gap_s - time.monotonic()
        if pause > 0:
            time.sleep(pause)
        self._transport.discard()
        self.last_seen = b""
        self._transport.write(request)

    def _note(self, chunk: bytes) -> None:
        self.last_seen = (self.last_seen + chunk)[-SEEN_LIMIT:]


def _key(block: Block) -> Key:
    return block.table, block.address, block.count


def _range(block: Block) -> str:
    return f"{block.address} to {block.address + block.count - 1}"
