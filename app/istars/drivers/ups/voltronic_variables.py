"""The variables of the Voltronic P series that can be written. Each write is answered by (ACK or (NAK.

    QFLAG (EpashcjDbroegfl    flags that are on (E) and off (D), a letter each; PE<letter> and PD<letter> switch one
    QHE   (242 218            economy mode: highest and lowest voltage; HEH242, HEL218
    QBYV  (264 170            bypass: highest and lowest voltage; PHV264, PLV170
    QBV   packs               BATGN02

Limits are those that all dialects (P01, P02, P03, P09, P10, P13, P14, P99) have in common.
Source: networkupstools/nut 6c63f774, nutdrv_qx_voltronic.c, ranges and table of test answers.
"""

from __future__ import annotations

from collections.abc import Callable

from istars.drivers.columns import number, query
from istars.drivers.framing import text_shape
from istars.drivers.item import Fields, Group, Item, Query, Settable, When

QFLAG = Query(b"QFLAG", text_shape(rb"\((?P<flags>E[a-z]*D[a-z]*|[ED][a-z]*)"), When.ONCE)
QHE = query(b"QHE", "({.high:000} {.low:000}", When.ONCE)
QBYV = query(b"QBYV", "({.high:000} {.low:000}", When.ONCE)
HIGH, LOW = "c0", "c1"
NOMINAL = "output.voltage.nominal"

FLAGS = {
    "ups.start.auto": "r",
    "ups.start.battery": "c",
    "battery.protection": "s",
    "battery.energysave": "g",
    "istars.battery.alarm": "b",
    "istars.bypass.alarm": "p",
    "istars.bypass.forbidden": "f",
    "istars.bypass.whenoff": "o",
}
"""Variable to its letter."""


def state_of_flag(raw: bytes, letter: str) -> str | None:
    """Whether `letter` is on; None for a unit that does not have it."""
    on, _, off = raw.decode("ascii").partition("D")
    return "yes" if letter in on[1:] else "no" if letter in off else None


def _flag(name: str, letter: str) -> Settable:
    return Settable(
        name,
        Item(name, Group(QFLAG, "flags"), lambda raw: state_of_flag(raw, letter), When.ONCE),
        lambda value: f"P{'E' if value == 'yes' else 'D'}{letter.upper()}".encode(),
    )


def _volts(
    name: str, asked: Query, column: str, order: str, limits: Callable[[Fields], tuple[float, float] | None]
) -> Settable:
    return Settable(
        name, Item(name, Group(asked, column), number, When.ONCE), lambda value: f"{order}{value:03d}".encode(), limits
    )


def _nominal(fields: Fields) -> float | None:
    value = fields.get(NOMINAL)
    return None if value is None or isinstance(value, str) else float(value)


def _around(near: int, far: int) -> Callable[[Fields], tuple[float, float] | None]:
    """Between `near` and `far` volts from the nominal voltage for units of 200 V and more, half of that for the others."""

    def limits(fields: Fields) -> tuple[float, float] | None:
        nominal = _nominal(fields)
        if nominal is None:
            return None
        part = 1 if nominal >= 200 else 2
        ends = sorted((nominal + int(near / part), nominal + int(far / part)))
        return ends[0], ends[1]

    return limits


def _either(high: tuple[int, int], low: tuple[int, int]) -> Callable[[Fields], tuple[float, float] | None]:
    """One range for units of 200 V and more, another for the others."""

    def limits(fields: Fields) -> tuple[float, float] | None:
        nominal = _nominal(fields)
        return None if nominal is None else high if nominal >= 200 else low

    return limits


def variables(status: Query) -> tuple[Settable, ...]:
    """The variables; `status` is QBV, which tells the number of battery packs in its third column."""
    return (
        *(_flag(name, letter) for name, letter in FLAGS.items()),
        Settable(
            "battery.packs",
            Item("battery.packs", Group(status, "c2"), number, When.ONCE),
            lambda value: f"BATGN{value:02d}".encode(),
            lambda _fields: (1, 99),
        ),
        _volts("input.transfer.eco.low", QHE, LOW, "HEL", _around(-7, -24)),
        _volts("input.transfer.eco.high", QHE, HIGH, "HEH", _around(7, 24)),
        _volts("input.transfer.bypass.low", QBYV, LOW, "PLV", _either((170, 209), (85, 104))),
        _volts("input.transfer.bypass.high", QBYV, HIGH, "PHV", _either((231, 264), (120, 138))),
    )
