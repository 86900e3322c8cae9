"""Which passwords are refused, and why: too short, too few different signs, or made of words that everybody tries first."""

from __future__ import annotations

from collections.abc import Iterable

SHORTEST = 12
LONGEST = 128
FEWEST_DIFFERENT = 5
SHORTEST_WORD = 3
OWN_PART = 5
"""So many characters have to be left when the well-known words are taken out."""

_WORDS = """
    password passwort passw0rd p@ssw0rd p@ssword administrator administrador admin root user login welcome
    willkommen bienvenue letmein changeme change default secret geheim master monkey dragon iloveyou princess
    sunshine football baseball superman batman trustno1 whatever qwertyuiop qwertzuiop azertyuiop asdfghjkl zxcvbnm
    yxcvbnm qwerty qwertz azerty 1q2w3e4r5t6y 1q2w3e4r 1qaz2wsx qazwsx abcdefghijklm abcdefgh abcdef abc 1234567890
    0123456789 0987654321 9876543210 123456789 987654321 12345678 1234567 123456 654321 12345 1234 123 2024 2025
    2026 2027 istars istar snmp public private ups card network server apc eaton !@#$%^&*
"""
COMMON = tuple(_WORDS.split())


def problem(password: str, names: Iterable[str]) -> str:
    """Why `password` cannot be taken, as one sentence; empty where it can. `names` are those of the user and the card."""
    count = len(password)
    if count < SHORTEST:
        return f"{count} {'character' if count == 1 else 'characters'}. It needs at least {SHORTEST}."
    if count > LONGEST:
        return f"{count} characters. At most {LONGEST} are possible."
    if not password.isprintable():
        return "It holds a sign that cannot be typed everywhere, such as a tab."
    if len(set(password)) < FEWEST_DIFFERENT:
        return f"It has only {len(set(password))} different characters."
    folded = password.casefold()
    if _left(folded, [name.casefold() for name in names]) < OWN_PART:
        return "It is little more than a name that stands on this card. Add words of your own."
    if _left(folded, COMMON) < OWN_PART:
        return "It is one of the passwords that are tried first. Add words of your own."
    return ""


def _left(folded: str, words: Iterable[str]) -> int:
    """How many letters and digits are left when every one of `words` is taken out, the longest first."""
    for word in sorted((word for word in words if len(word.strip()) >= SHORTEST_WORD), key=len, reverse=True):
        folded = folded.replace(word, " ")
    return sum(character.isalnum() for character in folded)
