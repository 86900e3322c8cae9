"""Which registers are read together: neighbours become one request, within what the device can take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from istars.drivers.item import Blocks, Item, Registers, Table


@dataclass(frozen=True, slots=True)
class Block:
    """One request: `count` registers from `address` on, and the items that lie in them."""

    table: Table
    address: int
    count: int
    items: tuple[Item, ...]

    def bytes_of(self, item: Item, registers: bytes) -> bytes:
        """The part of the answer that is `item`."""
        at = _place(item)
        first = 2 * (at.address - self.address)
        return registers[first : first + 2 * at.count]


def plan(items: Iterable[Item], rules: Blocks) -> list[Block]:
    """Blocks that cover `items`, by table and address, across holes of at most `rules.hole` unused registers."""
    blocks: list[Block] = []
    group: list[Item] = []
    for item in sorted(items, key=_order):
        if group and not _fits(group, item, rules):
            blocks.append(_block(group))
            group = []
        group.append(item)
    if group:
        blocks.append(_block(group))
    return blocks


def split(block: Block) -> tuple[Block, ...]:
    """Two halves of a block that the device refused: cut at its widest hole (an address in it may not exist), else in the
    middle (it may be too long). Nothing where there is no cut, because all items share the same registers.
    """
    middle = len(block.items) / 2
    merits = {}
    for cut in range(1, len(block.items)):
        hole = _place(block.items[cut]).address - max(_end(item) for item in block.items[:cut])
        if hole >= 0:
            merits[cut] = hole, -abs(cut - middle)
    if not merits:
        return ()
    best = max(merits, key=merits.__getitem__)
    return _block(block.items[:best]), _block(block.items[best:])


def _fits(group: list[Item], item: Item, rules: Blocks) -> bool:
    first, at = _place(group[0]), _place(item)
    end = max(_end(member) for member in group)
    return (
        at.table is first.table
        and at.address - end <= rules.hole
        and max(end, _end(item)) - first.address <= rules.limit
    )


def _block(items: Iterable[Item]) -> Block:
    members = tuple(items)
    first = _place(members[0])
    return Block(first.table, first.address, max(_end(item) for item in members) - first.address, members)


def _order(item: Item) -> tuple[int, int]:
    at = _place(item)
    return at.table, at.address


def _end(item: Item) -> int:
    at = _place(item)
    return at.address + at.count


def _place(item: Item) -> Registers:
    if not isinstance(item.at, Registers):
        raise TypeError(f"{item.name} is no register")
    return item.at
