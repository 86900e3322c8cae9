"""Which readings go into the data record, and how a value stands there: as a whole number of its last decimal.

`ups.status` stands there too, as one bit a token: when the UPS was on battery belongs to every curve.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from istars.model.declare import Kind, Value
from istars.model.readings import READINGS

STATUS = "ups.status"
STATUS_BITS = (
    "OL", "OB", "LB", "HB", "RB", "CHRG", "DISCHRG", "BYPASS", "TEST", "CAL", "OFF", "OVER", "TRIM", "BOOST", "FSD", "ECO",
    "CONVERTER", "ALARM",
)  # fmt: skip
"""Token to bit, for ever: what is on flash was written so. New tokens are added at the end."""

LARGEST = 2**31 - 1
MISSING = -(2**31)
"""What stands in a record for a reading that had no current value."""

_CARD = (
    "istars.link.",
    "istars.snmp.",
    "istars.modem.",
    "istars.clock.",
    "istars.restart.",
    "istars.ssh.",
    "ups.timer.",
    "istars.ups.run",
)
_SETTINGS = (".nominal", ".phases", ".packs", ".blocks", ".days", ".transfer.low", ".transfer.high", ".voltage.cell")
_MEASURED = frozenset({"istars.battery.voltage.cell"})


@cache
def precision(name: str) -> int | None:
    """Decimals with which the reading `name` is recorded; None where it is not: a text, a setting of the UPS, the card's own."""
    if name == STATUS:
        return 0
    declared = READINGS.get(name)
    if declared is None or declared.kind is not Kind.NUMBER or name.startswith(_CARD):
        return None
    if name.endswith(_SETTINGS) and name not in _MEASURED:
        return None
    return declared.precision


def scaled(name: str, value: Value) -> int | None:
    """The whole number that stands in the record for `value`; None where it cannot stand there."""
    if name == STATUS:
        tokens = str(value).split()
        return sum(1 << bit for bit, token in enumerate(STATUS_BITS) if token in tokens)
    decimals = precision(name)
    if decimals is None or isinstance(value, str) or value != value:
        return None
    whole = round(value * 10**decimals)
    return whole if abs(whole) <= LARGEST else None


def status_text(bits: float) -> str:
    """`ups.status` as it stood, out of its recorded bits."""
    return " ".join(token for bit, token in enumerate(STATUS_BITS) if int(bits) >> bit & 1)


def has(bits: float | None, token: str) -> bool:
    """Whether a recorded status has a token; false where there was no status."""
    return bits is not None and bool(int(bits) >> STATUS_BITS.index(token) & 1)


ENERGY: Mapping[str, tuple[str, ...]] = {
    "ups.realpower": ("ups.realpower",),
    "output.L1.realpower": ("output.L1.realpower", "output.L2.realpower", "output.L3.realpower"),
}
"""Readings that together are the active power of the load, the first that is recorded counts."""
