"""One serial line to the device: cuts requests out of the bytes that come in, and times the answers.

No I/O and no clock in here: bytes and moments (monotonic seconds) come in, bytes with their due moments go out. An
answer is due when its last character would have arrived at the real speed: request time, thinking time, answer time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from .device import Device
from .wire import WireFaults

BITS_PER_CHARACTER: Final = 10


@dataclass
class Setting:
    """How one end of the line is set up. Where the ends differ, neither understands a word of the other."""

    baud: int
    parity: str = "N"

    @property
    def bits(self) -> int:
        """Bits of one character on the wire."""
        return BITS_PER_CHARACTER + (self.parity != "N")


def garbled(data: bytes, seed: int) -> bytes:
    """What arrives of `data` at an end that is set up differently: noise, with some characters lost."""
    random = Random(data + bytes([seed & 0xFF]))
    return bytes(random.randrange(256) for _ in data if random.random() < 0.7)


class Line:
    """A line of `baud` (0: no waiting at all) to `device`; `paced` sends answers character by character.

    `before_answer` is called before the device is asked, to bring the physics up to date.
    """

    def __init__(
        self,
        device: Device,
        wire: WireFaults,
        baud: int,
        paced: bool,
        before_answer: Callable[[], None],
        parity: str = "N",
        client: Callable[[], Setting | None] = lambda: None,
    ) -> None:
        self._device = device
        self._wire = wire
        self._setting = Setting(baud, parity)
        self._client = client
        self._character_s = self._setting.bits / baud if baud else 0.0
        self._thinking_s = device.thinking_s if baud else 0.0
        self._paced = paced
        self._before_answer = before_answer
        self._buffer = b""
        self._quiet_at: float | None = None
        self._free_at = 0.0
        self._going_out: deque[tuple[float, bytes]] = deque()

    @property
    def deadline(self) -> float | None:
        """Moment of the next thing to do; None when there is nothing."""
        moments = [at for at, _ in list(self._going_out)[:1]]
        if self._quiet_at is not None:
            moments.append(self._quiet_at)
        return min(moments, default=None)

    def receive(self, data: bytes, now: float) -> None:
        """Take bytes that have just arrived."""
        data = self._through(data)
        requests, self._buffer = self._device.split(self._buffer + data, quiet=False)
        self._quiet_at = now + self._device.silence_s if self._buffer and self._device.silence_s else None
        for request in requests:
            # What was left over from before has long arrived.
            self._answer(request, now, min(len(request), len(data)))

    def due(self, now: float) -> bytes:
        """Return what the device has sent until now."""
        if self._quiet_at is not None and now >= self._quiet_at:
            self._quiet_at = None
            requests, self._buffer = self._device.split(self._buffer, quiet=True)
            for request in requests:
                self._answer(request, now, len(request))
        ready = b""
        while self._going_out and self._going_out[0][0] <= now:
            ready += self._going_out.popleft()[1]
        return ready

    def _through(self, data: bytes) -> bytes:
        """What arrives at the other end."""
        client = self._client()
        return data if client is None or client == self._setting else garbled(data, client.baud)

    def _answer(self, request: bytes, now: float, arriving: int) -> None:
        if self._wire.mute:
            return
        self._before_answer()
        data = self._wire.on_line(request, self._device.respond(request))
        data = self._through(data)
        heard_at = now + arriving * self._character_s
        begin = max(heard_at + self._thinking_s + self._wire.late_s, self._free_at)
        self._free_at = begin + len(data) * self._character_s
        if self._paced:
            for place, byte in enumerate(data, 1):
                self._going_out.append((begin + place * self._character_s, bytes([byte])))
        elif data:
            self._going_out.append((self._free_at, data))
