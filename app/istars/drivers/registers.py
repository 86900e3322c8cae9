"""What 16-bit registers stand for: numbers, choices, texts. Raw bytes are big endian, as they stand on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from istars.model.readings import Value


@dataclass(frozen=True, slots=True)
class Number:
    """A number times `scale`, two's complement unless `signed` is off; raw values in `unknown` mean that there is none.

    `bits` takes a part of the register, lowest bit 0.
    """

    scale: float = 1
    signed: bool = True
    unknown: frozenset[int] = frozenset()
    bits: tuple[int, int] | None = None

    def __call__(self, raw: bytes) -> Value | None:
        """The value of the registers `raw`."""
        word = _part(raw, self.bits)
        if word in self.unknown:
            return None
        if self.signed and not self.bits and raw[0] & 0x80:
            word -= 1 << 8 * len(raw)
        return word * int(self.scale) if self.scale == int(self.scale) else round(word * self.scale, 6)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several states; a raw value that is not listed is unknown."""

    choices: Mapping[int, str]
    bits: tuple[int, int] | None = None

    def __call__(self, raw: bytes) -> Value | None:
        """The value of the registers `raw`."""
        return self.choices.get(_part(raw, self.bits))


@dataclass(frozen=True, slots=True)
class Text:
    """ASCII, two characters in a register, high byte first; padding of NUL or blanks is stripped."""

    def __call__(self, raw: bytes) -> Value | None:
        """The value of the registers `raw`."""
        return "".join(chr(byte) for byte in raw if 32 <= byte < 127).strip() or None


def _part(raw: bytes, bits: tuple[int, int] | None) -> int:
    word = int.from_bytes(raw, "big")
    if bits is None:
        return word
    first, last = bits
    return word >> first & (1 << last - first + 1) - 1
