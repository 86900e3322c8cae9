"""Keys for programs. A token is shown once, when it is made; kept is what tells it from others, and not it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass

from istars.model.commands import Permission
from istars.platform import clock
from istars.settings import addresses
from istars.settings.addresses import Pattern
from istars.store.account_rules import (
    AccountRefused,
    kept_patterns,
    kept_permission,
    valid_name,
    valid_patterns,
    valid_permission,
)
from istars.store.guarded import GuardedDatabase

TOKEN_SIGN = "ist_"  # noqa: S105 - what every token starts with, so that scanners for leaked secrets know it
TOKEN_BYTES = 32
PREFIX_LENGTH = 10

_TOKEN = "id, prefix, name, permission, created, expires, revoked, patterns, owner"  # noqa: S105 - names of columns


@dataclass(frozen=True, slots=True)
class Token:
    """A key for programs. `prefix` is its visible part; times are wall time, `expires` None is never."""

    id: int
    prefix: str
    name: str
    permission: Permission
    created: float
    expires: float | None
    revoked: float | None
    patterns: tuple[Pattern, ...] = ()
    owner: str = ""

    def may_enter(self, address: str) -> bool:
        """Whether this token opens anything for a program at `address`."""
        return addresses.allowed(self.patterns, address)

    def usable(self, now: float) -> bool:
        """Whether it opens anything at wall time `now`."""
        return self.revoked is None and (self.expires is None or now < self.expires)


def _token(row: sqlite3.Row) -> Token:
    return Token(row[0], row[1], row[2], kept_permission(row[3]), row[4], row[5], row[6], kept_patterns(row[7]), row[8])


class Tokens:
    """The tokens of one card, in the file of the accounts. Raises StoreError where that cannot be used."""

    file: GuardedDatabase

    def create_token(
        self, name: str, permission: str, expires_at: float | None = None, *, patterns: str = "", owner: str = ""
    ) -> str:
        """Make a token and answer it: this is the only time it is seen. `expires_at` is wall time.

        Raises AccountRefused for a bad name, one that a usable token has, an unknown permission or `none`, a bad pattern, or a
        time that is over.
        """
        valid_name(name)
        allowed, bound, now = valid_permission(permission), valid_patterns(patterns), clock.wall()
        if allowed is Permission.NONE:
            raise AccountRefused("a token without a permission would open nothing", "permission")
        if expires_at is not None and expires_at <= now:
            raise AccountRefused(f"a token that expires at {clock.iso(expires_at)} would never be usable", "expires")
        if any(token.name == name and token.usable(now) for token in self.list_tokens()):
            raise AccountRefused(f"there is already a token called {name!r}; revoke it first", "name")
        text = TOKEN_SIGN + secrets.token_urlsafe(TOKEN_BYTES)
        with self.file.changing() as connection:
            connection.execute(
                "INSERT INTO token (digest, prefix, name, permission, created, expires, patterns, owner) "
                "VALUES (?,?,?,?,?,?,?,?)",
                (_digest(text), text[:PREFIX_LENGTH], name, allowed, now, expires_at, bound, owner),
            )
        return text

    def list_tokens(self) -> list[Token]:
        """Every token ever made, oldest first, without what would open anything."""
        with self.file.reading() as database:
            return [_token(row) for row in database.rows(f"SELECT {_TOKEN} FROM token ORDER BY id")]  # noqa: S608 - constant

    def revoke_token(self, name_or_prefix: str) -> bool:
        """End the tokens of that name or visible part; False where no usable one has it."""
        with self.file.changing() as connection:
            cursor = connection.execute(
                "UPDATE token SET revoked = ?1 WHERE revoked IS NULL AND (name = ?2 OR prefix = ?2)",
                (clock.wall(), name_or_prefix),
            )
            return cursor.rowcount > 0

    def revoke_token_number(self, number: int) -> Token | None:
        """End the token of that `id` and answer what it was; None where it is not, or was revoked before."""
        found = next((token for token in self.list_tokens() if token.id == number and token.revoked is None), None)
        if found is not None:
            with self.file.changing() as connection:
                connection.execute("UPDATE token SET revoked = ? WHERE id = ?", (clock.wall(), number))
        return found

    def token(self, text: str) -> Token | None:
        """The usable token whose text this is.

        It is looked up by its digest, of which an attacker can steer no byte; the comparison takes the same time for all.
        """
        digest = _digest(text)
        with self.file.reading() as database:
            rows = database.rows(f"SELECT {_TOKEN}, digest FROM token WHERE digest = ?", (digest,))  # noqa: S608 - constant
        if not rows or not hmac.compare_digest(rows[0]["digest"], digest):
            return None
        found = _token(rows[0])
        return found if found.usable(clock.wall()) else None


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()
