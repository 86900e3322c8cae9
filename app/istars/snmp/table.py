"""What the agent serves: one sorted picture of all objects, taken when something changed and read by bisection."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable

from istars.snmp import ber
from istars.snmp.ber import Oid

Value = bytes | Callable[[], bytes]
"""An encoded value, or what makes it at the moment of the request: times and counters."""
Row = tuple[Oid, Value]


class Table:
    """Rows sorted by their names. `objects` are all objects that this agent has at all, with or without instances."""

    def __init__(self, rows: Iterable[Row], objects: frozenset[Oid] = frozenset()) -> None:
        ordered = sorted(rows, key=lambda row: row[0])
        self.names = [name for name, _ in ordered]
        self._values = [value for _, value in ordered]
        self._encoded: list[bytes | None] = [None] * len(ordered)
        self._objects = objects
        self._place = {name: index for index, name in enumerate(self.names)}

    def __len__(self) -> int:
        return len(self.names)

    def find(self, name: Oid) -> int | None:
        """The row of exactly this name."""
        return self._place.get(name)

    def after(self, name: Oid) -> int:
        """The row with the next name; the number of rows where there is none."""
        return bisect_right(self.names, name)

    def moves(self, index: int) -> bool:
        """Whether the value of this row is made anew for each request."""
        return callable(self._values[index])

    def value(self, index: int) -> bytes:
        """The encoded value of a row."""
        value = self._values[index]
        return value() if callable(value) else value

    def varbind(self, index: int) -> bytes:
        """The row as it stands in a response."""
        known = self._encoded[index]
        if known is None:
            known = ber.varbind(self.names[index], self.value(index))
            if not self.moves(index):
                self._encoded[index] = known
        return known

    def absent(self, name: Oid) -> bytes:
        """Why there is no row of this name: the object is not known here, or it has no such instance."""
        known = any(name[:size] in self._objects for size in range(len(name) - 1, 6, -1))
        return ber.NO_SUCH_INSTANCE if known else ber.NO_SUCH_OBJECT
