"""How long somebody has to wait after wrong passwords: per user name and per address, doubling from the fifth on.

Counts survive a restart. Time is boottime: a clock that is set neither opens nor lengthens a wait, and a restart of the card
begins it again at most once. A user's own addresses are not locked out by what strangers do to the user's name.
"""

from __future__ import annotations

import hashlib
import ipaddress
import logging
from dataclasses import dataclass

from istars.errors import StoreError
from istars.platform import clock
from istars.store.guarded import GuardedDatabase

log = logging.getLogger(__name__)

FREE_FAILURES = 4
"""So many wrong passwords cost nothing; the next begins the first wait."""
FIRST_WAIT_S = 30.0
LONGEST_WAIT_S = {"address": 900.0, "user": 300.0}
"""Shorter for a name: a stranger must not keep its owner out for long."""
FORGET_S = 86_400.0
ROWS_KEPT = 1_000
ADDRESSES_KEPT = 500


@dataclass(frozen=True, slots=True)
class Wait:
    """What stands before the next try: `seconds` to wait (0 is none) because of `cause`, or the tries left before a wait.

    `first` says that the name or the address has not had to wait before.
    """

    seconds: float
    cause: str
    tries_left: int
    first: bool = False


class Throttle:
    """Failed sign-ins, in the file of the accounts. Raises StoreError where that cannot be read."""

    def __init__(self, file: GuardedDatabase) -> None:
        self._file = file
        self._unsaved: dict[str, tuple[int, float]] = {}

    def wait(self, user: str, address: str) -> Wait:
        """What stands before a try of `user` from `address`."""
        worst = Wait(0.0, "", FREE_FAILURES + 1)
        for cause, key in self._keys(user, address).items():
            failures, since_s = self._failures(key)
            if failures > FREE_FAILURES:
                longest = LONGEST_WAIT_S[cause]
                seconds = min(longest, FIRST_WAIT_S * 2 ** min(failures - FREE_FAILURES - 1, 16)) - since_s
                if seconds > worst.seconds:
                    worst = Wait(seconds, cause, 0, failures == FREE_FAILURES + 1)
            if not worst.seconds:
                worst = Wait(0.0, "", min(worst.tries_left, max(1, FREE_FAILURES + 1 - failures)))
        return worst

    def failed(self, user: str, address: str) -> Wait:
        """Count a wrong password and answer what it costs."""
        for key in self._keys(user, address).values():
            failures = self._failures(key)[0] + 1
            row = (key, failures, clock.boot_id(), clock.boottime())
            try:
                with self._file.changing(keep=False) as connection:
                    connection.execute("INSERT OR REPLACE INTO throttle VALUES (?,?,?,?)", row)
                    connection.execute(
                        "DELETE FROM throttle WHERE key IN (SELECT key FROM throttle ORDER BY boot = ? DESC, at DESC "
                        "LIMIT -1 OFFSET ?)",
                        (row[2], ROWS_KEPT),
                    )
                self._unsaved.pop(key, None)
            except StoreError as error:
                # a full flash must not make guessing free: memory counts on
                log.warning("failed sign-ins are counted in memory only: %s", error)
                self._unsaved[key] = (failures, row[3])
        return self.wait(user, address)

    def succeeded(self, user: str, address: str) -> None:
        """Forget the failures, and remember the address as one of the user's own."""
        own = _network(address)
        keys = (_user_key(user), _address_key(address))
        for key in keys:
            self._unsaved.pop(key, None)
        with self._file.reading() as database:
            rows = database.rows("SELECT count(*) FROM known_address WHERE user = ? AND address = ?", (user, own))
            counted = database.rows("SELECT count(*) FROM throttle WHERE key IN (?, ?)", keys)
        if rows[0][0] and not counted[0][0]:
            return
        try:
            with self._file.changing(keep=False) as connection:
                connection.execute("DELETE FROM throttle WHERE key IN (?, ?)", keys)
                connection.execute("INSERT OR IGNORE INTO known_address (user, address) VALUES (?, ?)", (user, own))
                connection.execute(
                    "DELETE FROM known_address WHERE id <= (SELECT max(id) FROM known_address) - ?", (ADDRESSES_KEPT,)
                )
        except StoreError as error:
            log.warning("a sign-in could not be noted: %s", error)

    def forgive(self, user: str) -> None:
        """Forget the failures under a user's name, and which addresses are the user's own."""
        with self._file.changing(keep=False) as connection:
            connection.execute("DELETE FROM throttle WHERE key = ?", (_user_key(user),))
            connection.execute("DELETE FROM known_address WHERE user = ?", (user,))

    def _keys(self, user: str, address: str) -> dict[str, str]:
        """What is counted for this try; not the user's name where the address is known as the user's own."""
        keys = {"address": _address_key(address)}
        with self._file.reading() as database:
            known = database.rows(
                "SELECT 1 FROM known_address WHERE user = ? AND address = ?", (user, _network(address))
            )
        if not known:
            keys["user"] = _user_key(user)
        return keys

    def _failures(self, key: str) -> tuple[int, float]:
        """Failures that still count, and seconds since the last one."""
        now = clock.boottime()
        if key in self._unsaved:
            failures, at = self._unsaved[key]
            return failures, max(0.0, now - at)
        with self._file.reading() as database:
            rows = database.rows("SELECT failures, boot, at FROM throttle WHERE key = ?", (key,))
        if not rows:
            return 0, 0.0
        failures, boot, at = rows[0]
        # after a restart nobody knows how long the card was off: the wait counts from the start of this boot
        since_s = max(0.0, now - at) if boot == clock.boot_id() else now
        return (0, since_s) if since_s > FORGET_S else (failures, since_s)


def _user_key(user: str) -> str:
    """Not the name itself: people type passwords into that field."""
    return "user:" + hashlib.sha256(user.encode("utf-8", "replace")).hexdigest()


def _address_key(address: str) -> str:
    return "address:" + _network(address)


def _network(address: str) -> str:
    """What one sender can change at will counts as one: an IPv6 network of 64 bits, a single IPv4 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
