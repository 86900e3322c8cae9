"""Where somebody may come from: `192.168.1.*`, `10.20.0.0/16`, `2001:db8::/32`, `10.0.0.7`; none at all is everywhere.

An IPv4 address that a socket for both shows as `::ffff:10.0.0.7` is `10.0.0.7` here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from istars.errors import IStarsError

PATTERNS_LIMIT = 16
PATTERN_LENGTH = 64
BETWEEN = re.compile(r"[\s,;]+")
MAPPED_BITS = 96
"""Length of the prefix under which IPv6 holds the IPv4 addresses."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class BadPattern(IStarsError):
    """A text is no address pattern; the message names it and says what would be one."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern: `text` in its one usual form, and the addresses it stands for."""

    text: str
    network: Network

    def __str__(self) -> str:
        return self.text

    def holds(self, address: Address) -> bool:
        """Whether `address` is one of them."""
        return address.version == self.network.version and address in self.network


def parse(text: str) -> tuple[Pattern, ...]:
    """The patterns of a text, between which stand spaces, commas or new lines; each once. Raises BadPattern."""
    words = [word for word in BETWEEN.split(text) if word]
    if len(words) > PATTERNS_LIMIT:
        raise BadPattern(
            f"{len(words)} addresses. At most {PATTERNS_LIMIT} are possible; take a network such as 10.20.0.0/16."
        )
    return tuple({str(pattern): pattern for pattern in map(_pattern, words)}.values())


def allowed(patterns: Iterable[Pattern], address: str) -> bool:
    """Whether somebody bound to `patterns` may come from `address`. What is no address is nowhere."""
    bound = tuple(patterns)
    if not bound:
        return True
    asked = address_of(address)
    return asked is not None and any(pattern.holds(asked) for pattern in bound)


def address_of(text: str) -> Address | None:
    """The address that a socket tells, without its zone; None where it is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _pattern(word: str) -> Pattern:
    if len(word) > PATTERN_LENGTH or not word.isascii() or not word.isprintable():
        raise _bad(word)
    if "*" in word:
        return _with_stars(word)
    if "/" in word:
        return _with_prefix(word)
    if "%" in word:
        raise BadPattern(f"“{word}” names an interface of another machine: leave “%” and what follows out.")
    found = address_of(word)
    if found is None:
        raise _bad(word)
    return Pattern(str(found), ipaddress.ip_network(found))


def _with_stars(word: str) -> Pattern:
    """`192.168.1.*`, `10.*.*.*`; fewer than four parts are filled up with stars."""
    parts = word.split(".")
    fixed = [part for part in parts if part != "*"]
    if "*" in fixed or len(parts) > 4 or parts[: len(fixed)] != fixed or any("*" in part for part in fixed):
        raise BadPattern(f"“{word}”: a star stands for whole numbers at the end, as in 192.168.1.* or 10.*.*.*")
    if not fixed and len(parts) == 1:
        raise BadPattern("“*”: leave the field empty to allow every address.")
    try:
        network = ipaddress.IPv4Network((".".join([*fixed, *["0"] * (4 - len(fixed))]), 8 * len(fixed)))
    except ValueError:
        raise _bad(word) from None
    return Pattern(".".join([*fixed, *["*"] * (4 - len(fixed))]), network)


def _with_prefix(word: str) -> Pattern:
    """`10.20.0.0/16`, `2001:db8::/32`."""
    address, _, bits = word.partition("/")
    try:
        found: Address | None = ipaddress.ip_address(address)
        if not bits.isdigit() or found is None or int(bits) > found.max_prefixlen:
            raise _bad(word)
        network: Network = ipaddress.ip_network((found, int(bits)), strict=False)
    except ValueError:
        raise _bad(word) from None
    if network.network_address != found:
        raise BadPattern(
            f"“{word}” is an address inside a network: write {network} for the network, or {address} for the one."
        )
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= MAPPED_BITS:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            network = ipaddress.IPv4Network((mapped, network.prefixlen - MAPPED_BITS))
    if network.prefixlen == network.max_prefixlen:
        return Pattern(str(network.network_address), network)
    return Pattern(str(network), network)


def _bad(word: str) -> BadPattern:
    shown = word if len(word) <= PATTERN_LENGTH else word[:PATTERN_LENGTH] + "…"
    return BadPattern(
        f"“{shown}” is no address. Write for example 192.168.1.*, 10.20.0.0/16, 10.0.0.7 or 2001:db8::/32."
    )
