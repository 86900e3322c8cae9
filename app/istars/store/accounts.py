"""Users and API tokens: who they are, what they may do, how they prove it.

A new card has one user, `admin` with the password `admin`, who must choose another before anything else. A damaged file never
leads back there: the last good copy serves, and where there is none every sign-in is refused (`store/guarded.py`).
"""

from __future__ import annotations

import secrets
import sqlite3
import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from istars.model.commands import Permission
from istars.platform import clock
from istars.settings import addresses
from istars.settings.addresses import Pattern
from istars.store.account_rules import (
    CONSOLE,
    AccountRefused,
    Asker,
    kept_patterns,
    kept_permission,
    need_administrator,
    need_free_name,
    need_way_back,
    unknown,
    valid_name,
    valid_patterns,
    valid_permission,
)
from istars.store.database import Database, StoreDamaged
from istars.store.guarded import GuardedDatabase
from istars.store.tokens import Tokens

FIRST_NAME = "admin"
FIRST_PASSWORD = "admin"  # noqa: S105 - known to everybody, and good for nothing but choosing another
SCRYPT_COST = 16_384
"""N of scrypt with r=8, p=1: 16 MiB and 70 ms on a PC, several times that on the card."""

FIRST, GIVEN = 1, 2
"""Values of `must_change`: the password the card came with, one that an administrator has chosen."""


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who may sign in. `generation` changes with password and permission: older sessions are over.

    `given` says that an administrator has chosen the password which must be changed.
    """

    name: str
    permission: Permission
    must_change: bool
    generation: int
    created: float
    patterns: tuple[Pattern, ...] = ()
    given: bool = False

    def may_enter(self, address: str) -> bool:
        """Whether this user may do anything at all from `address`."""
        return self.permission is not Permission.NONE and addresses.allowed(self.patterns, address)


class AccountFile(Database):
    """The file behind Accounts. One that an older version has made gets what it lacks; nothing in it is lost."""

    schema = resources.files(__package__).joinpath("accounts.sql").read_text(encoding="utf-8")
    synchronous = "FULL"

    def _prepare(self, db: sqlite3.Connection) -> None:
        super()._prepare(db)
        script = [
            f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT '';"
            for table, column in ADDED
            if (columns := [row["name"] for row in db.execute(f"PRAGMA table_info({table})")]) and column not in columns
        ]
        if script:
            revision = int(db.execute("PRAGMA user_version").fetchone()[0]) + 1
            script += [self.schema, f"PRAGMA user_version = {revision};"]
            db.executescript("\n".join(["BEGIN IMMEDIATE;", *script, "COMMIT;"]))


ADDED = (("user", "patterns"), ("token", "patterns"), ("token", "owner"))
"""Columns that the first version of the file did not have. Tables that it did not have are made by the schema."""

_USER = "name, permission, must_change, generation, created, patterns"


def _user(row: sqlite3.Row) -> User:
    return User(row[0], kept_permission(row[1]), bool(row[2]), row[3], row[4], kept_patterns(row[5]), row[2] == GIVEN)


class Accounts(Tokens):
    """Users and tokens of one card. Threads may share it; nothing is opened before the first use.

    Raises StoreError where the file cannot be used, StoreDamaged where neither it nor its copy is good.
    """

    def __init__(self, path: Path, *, scrypt_cost: int = SCRYPT_COST) -> None:
        self._method = f"scrypt:{scrypt_cost}:8:1"
        self.file = GuardedDatabase(path, AccountFile, self._first_user)

    def state(self) -> str:
        """`good`, `restored` (the last good copy took over) or `closed` (nobody can sign in), after a look at the file."""
        with suppress(StoreDamaged), self.file.reading():
            pass
        return self.file.state

    def close(self) -> None:
        """Give the file back."""
        self.file.close()

    # users

    def users(self) -> list[User]:
        """Everybody who may sign in, by name."""
        with self.file.reading() as database:
            return [_user(row) for row in database.rows(f"SELECT {_USER} FROM user ORDER BY name")]  # noqa: S608 - constant

    def user(self, name: str) -> User | None:
        """The user of that exact name."""
        with self.file.reading() as database:
            rows = database.rows(f"SELECT {_USER} FROM user WHERE name = ?", (name,))  # noqa: S608 - constant text
        return _user(rows[0]) if rows else None

    def verify(self, name: str, password: str) -> User | None:
        """The user, if the password is right. Takes as long for a name that does not exist."""
        from werkzeug.security import check_password_hash  # the command line needs no web code for anything else

        with self.file.reading() as database:
            rows = database.rows(f"SELECT {_USER}, hash FROM user WHERE name = ?", (name,))  # noqa: S608 - constant text
        stored = rows[0]["hash"] if rows else f"{self._method}$nobody${'0' * 128}"
        right = check_password_hash(stored, _normal(password))
        return _user(rows[0]) if rows and right else None

    def add_user(
        self, name: str, password: str, permission: str, *, must_change: bool = False, patterns: str = ""
    ) -> User:
        """Make a user; raises AccountRefused for a bad or taken name, an unknown permission or a bad pattern."""
        bound = valid_patterns(patterns)
        row = (valid_name(name), self._hash(password), valid_permission(permission), GIVEN * must_change, bound)
        with self.file.changing() as connection:
            need_free_name(name, [taken for (taken,) in connection.execute("SELECT name FROM user")])
            self._insert(connection, row)
        return self._known(name)

    def set_password(self, name: str, password: str, *, must_change: bool = False) -> User:
        """Change a password; every session of the user is over. Raises AccountRefused for an unknown name."""
        row = (self._hash(password), GIVEN * must_change, secrets.randbits(48), name)
        with self.file.changing() as connection:
            connection.execute("UPDATE user SET hash = ?, must_change = ?, generation = ? WHERE name = ?", row)
        return self._known(name)

    def change_user(
        self,
        name: str,
        *,
        permission: str | None = None,
        patterns: str | None = None,
        password: str = "",
        must_change: bool | None = None,
        by: Asker = CONSOLE,
    ) -> User:
        """Change what is given, all of it or nothing; another permission or password ends every session of the user.

        Raises AccountRefused for an unknown name, permission or pattern, and for what would shut the door behind `by` or
        behind the last administrator. That the card's first password must be changed cannot be lifted.
        """
        allowed = None if permission is None else valid_permission(permission)
        bound = None if patterns is None else valid_patterns(patterns)
        hashed = self._hash(password) if password else ""
        with self.file.changing() as connection:
            row = connection.execute(f"SELECT {_USER} FROM user WHERE name = ?", (name,)).fetchone()  # noqa: S608 - constant
            if row is None:
                raise unknown(name)
            before = _user(row)
            if hashed:
                new = (hashed, 0, secrets.randbits(48), name)
                connection.execute("UPDATE user SET hash = ?, must_change = ?, generation = ? WHERE name = ?", new)
            if must_change is not None and (hashed or row["must_change"] != FIRST):
                connection.execute("UPDATE user SET must_change = ? WHERE name = ?", (GIVEN * must_change, name))
            if allowed is not None and allowed is not before.permission:
                self._change_permission(connection, name, allowed, by)
            if bound is not None:
                if name == by.name:
                    need_way_back(bound, by.address)
                connection.execute("UPDATE user SET patterns = ? WHERE name = ?", (bound, name))
                need_administrator(connection, "patterns", by.address)
        return self._known(name)

    @staticmethod
    def _change_permission(connection: sqlite3.Connection, name: str, allowed: Permission, by: Asker) -> None:
        if name == by.name and allowed is Permission.NONE:
            raise AccountRefused("you cannot take every permission from yourself", "permission")
        new = (allowed, secrets.randbits(48), name)
        connection.execute("UPDATE user SET permission = ?, generation = ? WHERE name = ?", new)
        need_administrator(connection, "permission")

    def remove_user(self, name: str, *, by: Asker = CONSOLE) -> None:
        """Remove a user, with the second factor and all sessions.

        Raises AccountRefused for an unknown name, for oneself, and for the last administrator.
        """
        if name == by.name:
            raise AccountRefused("you cannot remove yourself; another administrator can", "name")
        with self.file.changing() as connection:
            if not connection.execute("DELETE FROM user WHERE name = ?", (name,)).rowcount:
                raise unknown(name)
            for table in ("factor", "used_code", "recovery", "known_address"):
                connection.execute(f"DELETE FROM {table} WHERE user = ?", (name,))  # noqa: S608 - names from the line above
            need_administrator(connection, "name")

    def end_sessions(self, name: str) -> None:
        """Every session of the user is over, wherever it was begun."""
        with self.file.changing() as connection:
            connection.execute("UPDATE user SET generation = ? WHERE name = ?", (secrets.randbits(48), name))

    def _known(self, name: str) -> User:
        user = self.user(name)
        if user is None:
            raise unknown(name)
        return user

    def _hash(self, password: str) -> str:
        from werkzeug.security import generate_password_hash  # see verify()

        return generate_password_hash(_normal(password), self._method)

    def _first_user(self, connection: sqlite3.Connection) -> None:
        self._insert(connection, (FIRST_NAME, self._hash(FIRST_PASSWORD), Permission.ADMINISTRATOR, FIRST, ""))

    @staticmethod
    def _insert(connection: sqlite3.Connection, row: tuple[str, str, Permission, int, str]) -> None:
        connection.execute(
            "INSERT INTO user (name, hash, permission, must_change, patterns, generation, created) VALUES (?,?,?,?,?,?,?)",
            (*row, secrets.randbits(48), clock.wall()),
        )


def _normal(password: str) -> str:
    """One form for what different keyboards send for the same letters."""
    return unicodedata.normalize("NFC", password)
