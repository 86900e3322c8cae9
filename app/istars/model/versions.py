"""Versions of firmware as Semantic Versioning 2.0.0 has them, and which of two is newer (https://semver.org)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from istars.errors import IStarsError

_FORM = re.compile(
    r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})(?:-([0-9A-Za-z.-]{1,40}))?(?:\+[0-9A-Za-z.-]{1,40})?",
    re.ASCII,
)


class BadVersion(IStarsError):
    """A text that is no version."""


class NotAllowed(IStarsError):
    """A version that may not replace the one that runs."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """`MAJOR.MINOR.PATCH`, `-PRERELEASE` and `+BUILD` may follow; what was built makes no difference to the order."""

    numbers: tuple[int, int, int]
    prerelease: tuple[str, ...]
    text: str

    @property
    def _order(self) -> tuple[object, ...]:
        # a version without a pre-release is newer than one with; numbers are older than words
        parts = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in self.prerelease)
        return self.numbers, not self.prerelease, parts

    def __lt__(self, other: Version) -> bool:
        return self._order < other._order

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._order == other._order

    def __hash__(self) -> int:
        return hash(self._order)

    def __str__(self) -> str:
        return self.text


def version(text: str) -> Version:
    """The version that `text` says; raises BadVersion."""
    found = _FORM.fullmatch(text)
    if found is None or (found[4] is not None and not all(found[4].split("."))):
        raise BadVersion(f"{text[:40]!r} is not a version such as 1.2.3")
    prerelease = tuple(found[4].split(".")) if found[4] else ()
    return Version((int(found[1]), int(found[2]), int(found[3])), prerelease, text)


def goes_back(wanted: str, runs: str, *, oldest: str, floor: str) -> bool:
    """Whether `wanted` is older than what `runs`.

    `oldest` is the oldest version that it replaces, `floor` the oldest that the card may have; empty where there is none. Raises
    NotAllowed.
    """
    try:
        new, old = version(wanted), version(runs)
        if floor and new < version(floor):
            raise NotAllowed(f"It is {new}; this card does not go back behind {floor}.")
        if oldest and old < version(oldest):
            raise NotAllowed(f"It replaces {oldest} and newer; {old} runs. Install a version in between first.")
    except BadVersion as error:
        raise NotAllowed(f"Its version cannot be compared with the one that runs: {error}.") from None
    return new < old
