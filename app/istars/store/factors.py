"""The second factor: codes of an authenticator app (TOTP, RFC 6238), and the recovery codes for a lost phone.

A code counts for its step of 30 s and the one before and after, by the wall clock, and opens once. A card that does not know
the time cannot check codes and says so; recovery codes work without a clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum

from istars.platform import clock
from istars.store.guarded import GuardedDatabase

STEP_S = 30
DIGITS = 6
TOLERANCE = 1
"""Steps before and after the present one that count too: a phone is some seconds off, and typing takes time."""
USED_KEPT = 50
EARLIEST_WALL = 1_767_225_600.0
"""2026-01-01, before which this program did not exist: a clock that shows less was never set."""

RECOVERY_CODES = 8
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
"""None that is taken for another."""
GROUPS, GROUP_LENGTH = 4, 4


class Check(StrEnum):
    """What came of a code."""

    RIGHT = "right"
    RECOVERED = "recovered"
    WRONG = "wrong"
    USED = "used"
    NO_CLOCK = "no-clock"


def clock_is_set() -> bool:
    """Whether the card knows the time."""
    return clock.wall() >= EARLIEST_WALL


def new_secret() -> str:
    """A secret for an app: 160 random bits in base 32."""
    import pyotp  # few need it, and it takes time to load

    return str(pyotp.random_base32())


def address_for_app(secret: str, user: str, card: str) -> str:
    """What the QR code holds: an `otpauth:` address."""
    import pyotp  # see new_secret()

    return str(pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S).provisioning_uri(name=user, issuer_name=card))


def step_of(secret: str, code: str) -> int | None:
    """The step of time near now whose code this is; None where it is none of them. Compares each in the same time."""
    import pyotp  # see new_secret()

    totp = pyotp.TOTP(secret, digits=DIGITS, interval=STEP_S)
    now = int(clock.wall() // STEP_S)
    given = "".join(code.split()).encode("utf-8", "replace")
    found = None
    for step in range(now - TOLERANCE, now + TOLERANCE + 1):
        if hmac.compare_digest(totp.generate_otp(step).encode("ascii"), given):
            found = step
    return found


class Factors:
    """The second factors of the users, in the file of the accounts. Raises StoreError where that cannot be used."""

    def __init__(self, file: GuardedDatabase) -> None:
        self._file = file

    def users(self) -> set[str]:
        """Names of those who have a second factor."""
        with self._file.reading() as database:
            return {row[0] for row in database.rows("SELECT user FROM factor")}

    def has(self, user: str) -> bool:
        """Whether `user` needs a code to sign in."""
        with self._file.reading() as database:
            return bool(database.rows("SELECT 1 FROM factor WHERE user = ?", (user,)))

    def recovery_left(self, user: str) -> int:
        """How many recovery codes of `user` were not used."""
        with self._file.reading() as database:
            return int(database.rows("SELECT count(*) FROM recovery WHERE user = ?", (user,))[0][0])

    def switch_on(self, user: str, secret: str, code: str) -> tuple[Check, list[str]]:
        """Begin to ask `user` for codes, if `code` proves that the app has the secret; the recovery codes are seen only here."""
        if not clock_is_set():
            return Check.NO_CLOCK, []
        step = step_of(secret, code)
        if step is None:
            return Check.WRONG, []
        codes = [new_code() for _ in range(RECOVERY_CODES)]
        with self._file.changing() as connection:
            connection.execute("INSERT OR REPLACE INTO factor VALUES (?,?,?)", (user, secret, clock.wall()))
            connection.execute("DELETE FROM used_code WHERE user = ?", (user,))
            # the code that was shown here must not sign anybody in afterwards
            connection.execute("INSERT INTO used_code (user, step) VALUES (?,?)", (user, step))
            connection.execute("DELETE FROM recovery WHERE user = ?", (user,))
            connection.executemany("INSERT INTO recovery VALUES (?,?)", [(user, _digest(text)) for text in codes])
        return Check.RIGHT, codes

    def switch_off(self, user: str) -> bool:
        """Ask `user` for no more codes; False where that was so before."""
        with self._file.changing() as connection:
            there = connection.execute("DELETE FROM factor WHERE user = ?", (user,)).rowcount > 0
            for table in ("used_code", "recovery"):
                connection.execute(f"DELETE FROM {table} WHERE user = ?", (user,))  # noqa: S608 - names from the line above
        return there

    def check(self, user: str, code: str) -> Check:
        """What `code` is worth; one that is right, or a recovery code, is used up by this."""
        with self._file.reading() as database:
            rows = database.rows("SELECT secret FROM factor WHERE user = ?", (user,))
        if not rows:
            return Check.WRONG
        if self._use_recovery(user, code):
            return Check.RECOVERED
        if not clock_is_set():
            return Check.NO_CLOCK
        step = step_of(rows[0][0], code)
        if step is None:
            return Check.WRONG
        return Check.RIGHT if self._use_step(user, step) else Check.USED

    def _use_step(self, user: str, step: int) -> bool:
        """Note the step as used; False where it was before. Not a counter that only grows: clocks are also set back."""
        with self._file.changing(keep=False) as connection:
            fresh = (
                connection.execute("INSERT OR IGNORE INTO used_code (user, step) VALUES (?,?)", (user, step)).rowcount
                > 0
            )
            connection.execute(
                "DELETE FROM used_code WHERE user = ?1 AND id NOT IN "
                "(SELECT id FROM used_code WHERE user = ?1 ORDER BY id DESC LIMIT ?2)",
                (user, USED_KEPT),
            )
        return fresh

    def _use_recovery(self, user: str, code: str) -> bool:
        if len(_plain(code)) != GROUPS * GROUP_LENGTH:
            return False
        row = (user, _digest(code))
        with self._file.reading() as database:
            if not database.rows("SELECT 1 FROM recovery WHERE user = ? AND digest = ?", row):
                return False
        with self._file.changing() as connection:
            return connection.execute("DELETE FROM recovery WHERE user = ? AND digest = ?", row).rowcount > 0


def new_code() -> str:
    """`k7qd-2mxp-...`: 79 random bits, found in no time by their digest and by nobody without it."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP_LENGTH)) for _ in range(GROUPS))


def _plain(code: str) -> str:
    return "".join(letter for letter in code.casefold() if letter.isalnum())


def _digest(code: str) -> bytes:
    return hashlib.sha256(_plain(code).encode("utf-8", "replace")).digest()
