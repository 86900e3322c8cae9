"""Troubles of the line between UPS and card, put onto answers before they are sent.

In: a sound answer; out: what really arrives. All randomness comes from one seeded source.
"""

from __future__ import annotations

import math
from random import Random
from typing import Final

# Words of `WireFaults.arm`; each damages the next so many answers.
DAMAGES: Final = ("star", "nul", "half", "garbage")


class WireFaults:
    """Which troubles are on: a dead line, an echo, lateness (s), and damages with the answers each has left."""

    def __init__(self, seed: int = 1) -> None:
        self.mute = False
        self.echo = False
        self.late_s = 0.0
        self.left: dict[str, float] = dict.fromkeys(DAMAGES, 0)
        self._random = Random(seed)

    def arm(self, damage: str, answers: float) -> None:
        """Damage the next `answers` answers (math.inf: all, 0: none)."""
        self.left[damage] = answers

    def on_line(self, request: bytes, answer: bytes) -> bytes:
        """Return what the card receives after `request`: perhaps its own echo, then the perhaps damaged answer."""
        return (request if self.echo else b"") + (self._damaged(answer) if answer else b"")

    def _damaged(self, answer: bytes) -> bytes:
        if self._take("star"):
            answer = answer.replace(b"(", b"*", 1)
        if self._take("nul"):
            answer = self._insert(b"\0" * self._random.randint(1, 3), answer)
        if self._take("half"):
            answer = answer[: self._inside(answer)]
        if self._take("garbage"):
            answer = self._noise() + self._insert(self._noise(), answer) + self._noise()
        return answer

    def _take(self, damage: str) -> bool:
        on = self.left[damage] > 0
        if on and not math.isinf(self.left[damage]):
            self.left[damage] -= 1
        return on

    def _noise(self) -> bytes:
        return self._random.randbytes(self._random.randint(1, 8))

    def _inside(self, answer: bytes) -> int:
        """Return a place between the first and the last byte."""
        return self._random.randint(1, max(len(answer) - 1, 1))

    def _insert(self, piece: bytes, answer: bytes) -> bytes:
        at = self._inside(answer)
        return answer[:at] + piece + answer[at:]
