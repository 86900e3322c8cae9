"""The PIN that was given to a SIM card and not (yet) accepted: after three wrong ones a card is locked for good.

It is on flash before the PIN is given, so that neither a restart nor a power cut makes it be tried a second time.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from istars.platform import files, paths

ROUNDS = 20_000


def _path() -> Path:
    return paths.data_dir() / "tried-pin.json"


def _digest(pin: str, salt: str) -> str:
    return hashlib.pbkdf2_hmac("sha256", pin.encode(), bytes.fromhex(salt), ROUNDS).hex()


def _noted() -> dict[str, str]:
    try:
        found = json.loads(_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    if not isinstance(found, dict) or not found:
        raise ValueError("it is not a note of this card")
    return {str(key): str(value) for key, value in found.items()}


def was_tried(pin: str, card: str) -> bool:
    """Whether `pin` was given to the SIM card `card` (ICCID, empty where it is not known) and not accepted.

    A card that is not known may always be the one. A note that cannot be read stands for any PIN and any card.
    """
    try:
        noted = _noted()
        if not noted:
            return False
        another_card = bool(card and noted["card"]) and card != noted["card"]
        return not another_card and _digest(pin, noted["salt"]) == noted["digest"]
    except (OSError, ValueError, KeyError):
        return True


def note(pin: str, card: str) -> None:
    """Note that `pin` is given to `card`. Raises OSError where that cannot be put on flash: it must not be given then."""
    salt = os.urandom(16).hex()
    content = {"salt": salt, "digest": _digest(pin, salt), "card": card}
    files.replace(_path(), json.dumps(content).encode(), mode=0o600)


def accepted(card: str, *, given_now: bool) -> None:
    """`card` is open: forget the note if it is about it. `given_now` says that this program itself has just given the PIN."""
    try:
        noted = _noted()
        if noted and (given_now or (card and noted.get("card") == card)):
            _path().unlink(missing_ok=True)
    except (OSError, ValueError):
        if given_now:
            _path().unlink(missing_ok=True)


def forget() -> None:
    """The owner has taken the PIN out of the settings: what is entered next may be tried."""
    _path().unlink(missing_ok=True)
