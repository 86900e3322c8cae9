from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.drivers.blocks import plan, split
from istars.drivers.item import Blocks, Group, Item, Query, Registers, Table
from istars.drivers.registers import Number
from istars.drivers.ups.megatec import Q1


def item(address: int, count: int = 1, table: Table = Table.INPUT) -> Item:
    return Item(f".{table}.{address}.{count}", Registers(table, address, count), Number())


addresses = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 4), st.sampled_from(list(Table))), max_size=40)


@given(places=addresses, hole=st.integers(0, 20), limit=st.integers(4, 125))
def test_blocks_cover_every_item_once_within_the_limits(
    places: list[tuple[int, int, Table]], hole: int, limit: int
) -> None:
    items = [item(*place) for place in set(places)]
    blocks = plan(items, Blocks(hole, limit))
    assert sorted(i.name for block in blocks for i in block.items) == sorted(i.name for i in items)
    for block in blocks:
        assert block.count <= limit
        registers = bytes(range(256)) * 8
        for one in block.items:
            assert isinstance(one.at, Registers)
            assert one.at.table is block.table
            assert len(block.bytes_of(one, registers[: 2 * block.count])) == 2 * one.at.count


def test_neighbours_are_joined_across_small_holes_only() -> None:
    blocks = plan([item(0), item(1), item(10), item(19), item(19, 2, Table.HOLDING)], Blocks(hole=8))
    assert [(block.table, block.address, block.count) for block in blocks] == [
        (Table.HOLDING, 19, 2),
        (Table.INPUT, 0, 20),
    ]
    assert len(plan([item(0), item(10)], Blocks(hole=8))) == 2


def test_a_refused_block_is_cut_at_its_widest_hole() -> None:
    halves = split(plan([item(0), item(1), item(2), item(9), item(12)], Blocks())[0])
    assert [(half.address, half.count) for half in halves] == [(0, 3), (9, 4)]


def test_a_refused_block_without_holes_is_cut_in_the_middle() -> None:
    halves = split(plan([item(address) for address in range(10)], Blocks())[0])
    assert [(half.address, half.count) for half in halves] == [(0, 5), (5, 5)]


def test_bits_of_one_register_share_its_block() -> None:
    blocks = plan([item(70), item(70), item(71)], Blocks())
    assert [(block.address, block.count) for block in blocks] == [(70, 2)]


def test_what_shares_its_registers_cannot_be_cut() -> None:
    assert split(plan([item(70), item(70), item(70)], Blocks())[0]) == ()
    assert split(plan([item(70, 2), item(71)], Blocks())[0]) == ()
    halves = split(plan([item(70), item(70), item(71)], Blocks())[0])
    assert [(half.address, len(half.items)) for half in halves] == [(70, 2), (71, 1)]


def test_only_registers_have_blocks() -> None:
    text = Item("input.voltage", Group(Query(b"Q1", Q1.answer), "input"), bytes.decode)
    with pytest.raises(TypeError):
        plan([text], Blocks())
