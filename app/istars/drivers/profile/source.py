"""Reading a register map: JSON with the line of every entry, so that each mistake is shown where it stands."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from istars.errors import IStarsError

SIZE_LIMIT = 256 * 1024


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: line (1 is the first; 0 unknown), entry, reason."""

    line: int
    where: str
    reason: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.where}" if self.where else f"line {self.line}"
        return f"{place}: {self.reason}"


class ProfileError(IStarsError):
    """A register map cannot be used; `problems` are all the mistakes found, each with its line."""

    def __init__(self, file: str, problems: Collection[Problem]) -> None:
        super().__init__("\n".join(f"{file}: {problem}" for problem in problems))
        self.file = file
        self.problems = tuple(problems)


class Wrong(Exception):
    """Reason why one entry cannot be used; becomes a Problem where the entry's place is known."""


def load(text: str) -> dict[str, Any]:
    """The object that `text` holds. Raises Wrong, json.JSONDecodeError (it has a line number) or another ValueError."""
    if len(text) > SIZE_LIMIT:
        raise Wrong(f"larger than {SIZE_LIMIT // 1024} kB")
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise Wrong("nested too deeply") from None
    if not isinstance(found, dict):
        raise Wrong("must be an object: { ... }")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        names = [name for name, _ in pairs]
        raise Wrong(f"{next(name for name in names if names.count(name) > 1)!r} is there twice")
    return made


def _no_constant(name: str) -> None:
    raise Wrong(f"{name} is not a number")


def entry_lines(text: str, section: str) -> list[int]:
    """Lines on which the entries of the top-level list `section` begin; `text` is valid JSON."""
    decoder = json.JSONDecoder()
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        key, at = decoder.raw_decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if key == section and text[at] == "[":
            return _starts(text, at, decoder)
        at = _skip(text, decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return []


def _starts(text: str, at: int, decoder: json.JSONDecoder) -> list[int]:
    lines: list[int] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        lines.append(text.count("\n", 0, at) + 1)
        at = _skip(text, decoder.raw_decode(text, at)[1])
        if text[at] == ",":
            at = _skip(text, at + 1)
    return lines


def _skip(text: str, at: int) -> int:
    """Place of the next character that is not white space."""
    while text[at] in " \t\r\n":
        at += 1
    return at


class Entry:
    """One object of the file, whose keys are taken one by one; whatever is left over is a mistake."""

    def __init__(self, raw: Any) -> None:
        if not isinstance(raw, dict):
            raise Wrong("must be an object: { ... }")
        self._left = dict(raw)

    def has(self, key: str) -> bool:
        """Whether `key` is there and not yet taken."""
        return key in self._left

    def peek(self, key: str) -> Any:
        """The raw value of `key`, which stays; None where it is missing."""
        return self._left.get(key)

    def take(self, key: str, default: Any = None) -> Any:
        """The raw value of `key`. Raises Wrong where it is missing and there is no default."""
        if key not in self._left and default is None:
            raise Wrong(f"{key} is missing")
        return self._left.pop(key, default)

    def text(self, key: str, default: str | None = None, limit: int = 500) -> str:
        """A printable text."""
        value = self.take(key, default)
        if not isinstance(value, str) or len(value) > limit or not all(c.isprintable() for c in value):
            raise Wrong(f"{key} must be a text of at most {limit} printable characters")
        return value

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number, written as such or as "0x8000"."""
        return whole(key, self.take(key, default), low, high)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number between `low` and `high`."""
        value = self.take(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise Wrong(f"{key}: {value!r} is not a number between {low:g} and {high:g}")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise Wrong(f"{key} must be true or false")
        return value

    def choice(self, key: str, allowed: Collection[str], default: str | None = None) -> str:
        """One of the words in `allowed`."""
        value = self.take(key, default)
        if not isinstance(value, str) or value not in allowed:
            raise Wrong(f"{key}: {value!r} is not one of: {', '.join(allowed)}")
        return value

    def items(self, key: str) -> Mapping[str, Any]:
        """An object with any keys; empty where it is missing."""
        value = self.take(key, {})
        if not isinstance(value, dict):
            raise Wrong(f"{key} must be an object: {{ ... }}")
        return value

    def list(self, key: str) -> list[Any]:
        """A list; empty where it is missing."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise Wrong(f"{key} must be a list: [ ... ]")
        return value

    def end(self) -> None:
        """Raises Wrong for keys that nobody took."""
        if self._left:
            raise Wrong(f"{min(self._left)!r} is not known here")


def whole(key: str, value: Any, low: int, high: int) -> int:
    """`value` as a whole number between `low` and `high`; also from hexadecimal text. Raises Wrong."""
    try:
        found = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        found = None
    if isinstance(found, bool) or not isinstance(found, int) or not low <= found <= high:
        raise Wrong(f"{key}: {value!r} is not a whole number between {low} and {high}")
    return found
