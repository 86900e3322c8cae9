"""What texts may be: one line that a person can read, a host, an e-mail address, a time zone."""

from __future__ import annotations

import re
from datetime import date

from istars.platform import zone

UNREADABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories that no line of text holds: control characters, halves of a pair, line and paragraph ends."""
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make what stands in a log or a page look like something else."""
HOST_LENGTH = 253
MAIL_LENGTH = 254
YEARS = range(1970, 2200)
KEY_KINDS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "ssh-rsa",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
)
"""Kinds of public keys that dropbear takes."""
RSA_SMALLEST = 256
"""Octets of the modulus: 2048 bits."""
LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")


def check_line(text: str, limit: int) -> None:
    """Raise ValueError with the reason where `text` is not one line of at most `limit` characters."""
    if len(text) > limit:
        raise ValueError(f"must be one line of at most {limit} characters, not {len(text)}")
    # Nearly always true, and what follows loads a large table into each worker.
    if text.isprintable():
        return
    import unicodedata

    for place, character in enumerate(text, start=1):
        if character in TURNING or unicodedata.category(character) in UNREADABLE:
            name = "a null byte" if character == "\0" else f"the control character U+{ord(character):04X}"
            raise ValueError(f"must be one line of text; character {place} is {name}")


def is_host(text: str) -> bool:
    """Whether `text` is a host name or an IPv4 or IPv6 address."""
    import ipaddress  # see check_line()

    try:
        ipaddress.ip_address(text)
    except ValueError:
        labels = text.removesuffix(".").split(".")
        # what looks like a number is a mistyped address
        return len(text) <= HOST_LENGTH and all(map(LABEL.fullmatch, labels)) and not labels[-1].isdigit()
    return "%" not in text


def is_address(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address."""
    from istars.settings import addresses  # see check_line()

    return "%" not in text and addresses.address_of(text) is not None


def patterns(text: str) -> str:
    """Address patterns in their usual form. Raises ValueError with the reason."""
    if not text:
        return ""
    from istars.settings import addresses  # see check_line()

    try:
        return ", ".join(map(str, addresses.parse(text)))
    except addresses.BadPattern as error:
        raise ValueError(str(error)) from None


def is_mail(text: str) -> bool:
    """Whether `text` is an e-mail address as people have them: no comments, no quotes."""
    name, sign, host = text.rpartition("@")
    plain = re.fullmatch(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}", name, re.ASCII) is not None
    dots = name.startswith(".") or name.endswith(".") or ".." in name
    return bool(sign) and plain and not dots and len(text) <= MAIL_LENGTH and is_host(host)


def is_date(text: str) -> bool:
    """Whether `text` is a day that clocks can count, as year, month and day with hyphens."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return False
    return found.isoformat() == text and found.year in YEARS


def public_key(text: str) -> str:
    """A public key as a line of a `.pub` file (kind, base 64, remark): the same with single spaces. RFC 4253, section 6.6.

    Raises ValueError with the reason: for a private key, for options in front of the key, for one that is cut off.
    """
    if not text:
        return ""
    if "PRIVATE KEY" in text:
        raise ValueError("is a private key: take the line of the file that ends in .pub, and make a new pair")
    kind, _, rest = text.partition(" ")
    coded, _, remark = rest.strip().partition(" ")
    if kind not in KEY_KINDS:
        raise ValueError(f"must begin with one of: {', '.join(KEY_KINDS)}")
    import base64  # see check_line()
    import binascii

    try:
        parts = _fields(base64.b64decode(coded, validate=True))
    except (binascii.Error, ValueError):
        raise ValueError("is not a whole key: paste the line as it stands in the file") from None
    if len(parts) < 2 or parts[0] != kind.encode():
        raise ValueError("is not a whole key: paste the line as it stands in the file")
    if kind == "ssh-rsa" and len(parts[-1].lstrip(b"\0")) < RSA_SMALLEST:
        raise ValueError("is a key of RSA with less than 2048 bits, which is not safe any more")
    return " ".join(word for word in (kind, coded, *remark.split()) if word)


def _fields(blob: bytes) -> list[bytes]:
    """The strings of a key, each behind its length in four octets. Raises ValueError where one is cut off."""
    parts = []
    while blob:
        end = 4 + int.from_bytes(blob[:4], "big")
        if len(blob) < max(end, 4):
            raise ValueError("cut off")
        parts.append(blob[4:end])
        blob = blob[end:]
    return parts


def is_zone(text: str) -> bool:
    """Whether `text` is a time zone that this card knows."""
    return zone.known(text)
