"""Secrets in a file that leaves the card: encrypted with a passphrase, so that the file can be kept anywhere.

    text = "v1." + base64(salt + cipher + tag)       salt: 16 bytes, tag: 32 bytes
    key  = scrypt(passphrase in UTF-8 (NFC), salt, N=32768, r=8, p=1), 64 bytes
    cipher = openssl enc -aes-256-cbc -salt -pbkdf2 -iter 1 -md sha256, its passphrase the first 32 bytes of key in hexadecimal
    tag  = HMAC-SHA256(last 32 bytes of key, "istars secrets v1" + salt + cipher)

The tag is checked before anything is decrypted. What is inside is a JSON object: text by key of the option.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import unicodedata
from collections.abc import Mapping

from istars.errors import IStarsError
from istars.platform import openssl

VERSION = "v1."
SHORTEST = 12
LONGEST = 1_024
SALT_BYTES, TAG_BYTES = 16, 32
COST = 32_768
"""N of scrypt: 32 MiB, and twice the time of a sign-in. Whoever has the file may try passphrases for years."""
MEMORY = 64 * 1024 * 1024
ENC = ("enc", "-aes-256-cbc", "-pbkdf2", "-iter", "1", "-md", "sha256", "-a", "-A")


class SealError(IStarsError):
    """Secrets cannot be encrypted or read: the message says why."""


def seal(values: Mapping[str, str], passphrase: str) -> str:
    """The encrypted form of `values` (text by key).

    Raises SealError for a passphrase that is too short or too long, OpensslFailed where that program cannot do its part.
    """
    if not SHORTEST <= len(passphrase) <= LONGEST:
        raise SealError(f"the passphrase needs {SHORTEST} to {LONGEST} characters")
    salt = secrets.token_bytes(SALT_BYTES)
    key, check = _keys(passphrase, salt)
    cipher = base64.b64decode(openssl.run(*ENC, "-salt", "-kfile", key, "-in", json.dumps(dict(values)).encode()))
    return VERSION + base64.b64encode(salt + cipher + _tag(check, salt, cipher)).decode("ascii")


def unseal(text: str, passphrase: str) -> dict[str, str]:
    """What `seal` was given.

    Raises SealError for another version, a wrong passphrase and for a text that was changed, OpensslFailed as `seal` does.
    """
    if not text.startswith(VERSION):
        raise SealError("the secrets are encrypted in a way that this firmware does not know")
    try:
        raw = base64.b64decode(text.removeprefix(VERSION), validate=True)
    except (binascii.Error, ValueError):
        raise SealError("the encrypted secrets were changed or cut off") from None
    salt, cipher, tag = raw[:SALT_BYTES], raw[SALT_BYTES:-TAG_BYTES], raw[-TAG_BYTES:]
    key, check = _keys(passphrase, salt)
    if not hmac.compare_digest(tag, _tag(check, salt, cipher)):
        raise SealError("the passphrase is wrong, or the encrypted secrets were changed")
    found = json.loads(openssl.run(*ENC, "-d", "-kfile", key, "-in", base64.b64encode(cipher) + b"\n"))
    return {str(name): str(value) for name, value in found.items()}


def _keys(passphrase: str, salt: bytes) -> tuple[bytes, bytes]:
    """The key of openssl as the text of its file, and the key of the tag."""
    typed = unicodedata.normalize("NFC", passphrase).encode("utf-8", "surrogatepass")
    made = hashlib.scrypt(typed, salt=salt, n=COST, r=8, p=1, maxmem=MEMORY, dklen=64)
    return made[:32].hex().encode("ascii") + b"\n", made[32:]


def _tag(key: bytes, salt: bytes, cipher: bytes) -> bytes:
    return hmac.digest(key, b"istars secrets v1" + salt + cipher, "sha256")
