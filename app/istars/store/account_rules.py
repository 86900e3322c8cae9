"""What holds for every account, whoever makes or changes it: names, permissions, addresses, and that the door stays open."""

from __future__ import annotations

import ipaddress
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from istars.errors import IStarsError
from istars.model.commands import Permission
from istars.settings import addresses
from istars.settings.addresses import BadPattern, Pattern

log = logging.getLogger(__name__)

NAME_LENGTH = 64
NOWHERE = Pattern("nowhere", ipaddress.ip_network("0.0.0.0/32"))
"""In place of stored patterns that cannot be understood: nobody comes from there."""


class AccountRefused(IStarsError):
    """A user or token cannot be made or changed like that: the message says why, `field` what it is about.

    Fields are `name`, `password`, `permission`, `patterns`, `expires`.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for a change, and from where; both empty for somebody at the console, who cannot lock the door behind himself."""

    name: str = ""
    address: str = ""


CONSOLE = Asker()


def kept_permission(text: str) -> Permission:
    """A stored permission; one that only another version knows opens nothing."""
    return Permission(text) if text in set(Permission) else Permission.NONE


def kept_patterns(text: str) -> tuple[Pattern, ...]:
    """Stored patterns; what cannot be understood must not become "everywhere"."""
    try:
        return addresses.parse(text)
    except BadPattern as error:
        log.error("a stored address pattern cannot be read, so that it lets nobody in: %s", error)
        return (NOWHERE,)


def unknown(name: str) -> AccountRefused:
    """The error for a name that nobody has."""
    return AccountRefused(f"there is no user called {name!r}", "name")


def valid_name(name: str) -> str:
    """`name` as it is; raises AccountRefused for one that cannot be typed, or looks like another."""
    if not 1 <= len(name) <= NAME_LENGTH or not name.isprintable() or name != name.strip():
        raise AccountRefused(f"a name has 1 to {NAME_LENGTH} printable characters and no space at its ends", "name")
    return name


def valid_permission(permission: str) -> Permission:
    """The permission of that name; raises AccountRefused."""
    try:
        return Permission(permission)
    except ValueError:
        raise AccountRefused(
            f"the permission is one of {', '.join(Permission)}, not {permission!r}", "permission"
        ) from None


def valid_patterns(text: str) -> str:
    """The patterns of a text as they are stored; raises AccountRefused."""
    try:
        return " ".join(pattern.text for pattern in addresses.parse(text))
    except BadPattern as error:
        raise AccountRefused(str(error), "patterns") from None


def need_free_name(name: str, taken: Iterable[str]) -> None:
    """Raise AccountRefused where somebody has that name, in whatever case: people could not tell the two apart."""
    same = next((other for other in taken if other.casefold() == name.casefold()), None)
    if same is not None:
        raise AccountRefused(f"there is already a user called {same!r}", "name")


def need_way_back(bound: str, address: str) -> None:
    """Raise AccountRefused where patterns for oneself do not hold the address one asks from."""
    if address and not addresses.allowed(addresses.parse(bound), address):
        raise AccountRefused(f"you would lock yourself out: you ask from {address}, which is none of these", "patterns")


def need_administrator(connection: sqlite3.Connection, field: str, address: str = "") -> None:
    """Raise AccountRefused where nobody is left who may change users; with `address`, nobody who may do it from there."""
    rows = connection.execute("SELECT patterns FROM user WHERE permission = ?", (Permission.ADMINISTRATOR,)).fetchall()
    if not rows:
        raise AccountRefused("this is the last administrator: make another one first", field)
    if address and not any(addresses.allowed(kept_patterns(bound), address) for (bound,) in rows):
        raise AccountRefused(f"no administrator could sign in from {address} any more, where you ask from", field)
