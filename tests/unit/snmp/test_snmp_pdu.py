"""Requests by v1 and v2c: order of a walk, ends, errors, sizes, who is answered at all."""

from __future__ import annotations

import pytest
from asking import ON_MAINS, Harness, message, understood
from istars.snmp import pdu

NAME = "1.3.6.1.2.1.1.5.0"
UPS = "1.3.6.1.2.1.33.1"


@pytest.mark.parametrize("version", [0, 1])
def test_a_walk_goes_up_without_a_gap_and_ends(harness: Harness, version: int) -> None:
    rows = harness.walk(version=version)
    assert [tuple(map(int, name.split("."))) for name, _ in rows] == harness.picture.table().names
    assert len(rows) > 100


def test_bulk_brings_the_same_as_one_by_one(harness: Harness) -> None:
    wanted = [name for name, _ in harness.walk("1.3.6.1.2.1.33") if name.startswith("1.3.6.1.2.1.33.")]
    found: list[str] = []
    name = "1.3.6.1.2.1.33"
    while True:
        answer = harness.ask("bulk", name, bulk=(0, 25))
        assert answer is not None
        rows = [name for name, value in answer[2] if name.startswith("1.3.6.1.2.1.33.")]
        found += rows
        if len(rows) < len(answer[2]):
            break
        name = rows[-1]
    assert found == wanted


def test_bulk_repeats_the_last_names_only_and_stops_at_the_end(harness: Harness) -> None:
    answer = harness.ask("bulk", "1.3.6.1.2.1.1.3", "1.3.6.1.2.1.1.4", "1.3.9", bulk=(1, 3))
    assert answer is not None
    assert [name for name, _ in answer[2]] == [
        "1.3.6.1.2.1.1.3.0", "1.3.6.1.2.1.1.4.0", "1.3.9", "1.3.6.1.2.1.1.5.0", "1.3.9", "1.3.6.1.2.1.1.6.0", "1.3.9",
    ]  # fmt: skip
    answer = harness.ask("bulk", "1.3.9", bulk=(0, 50))
    assert answer is not None
    assert answer[2] == [("1.3.9", "end")]
    answer = harness.ask("bulk", "1.3.6.1", bulk=(0, 0))
    assert answer is not None
    assert answer[2] == []


def test_a_bulk_answer_is_cut_to_what_goes_in_one_piece(harness: Harness) -> None:
    answers = harness.raw(message("bulk", ["1.3.6.1"], bulk=(0, 1000)))
    assert 1000 < len(answers[0]) <= pdu.ONE_FRAME


def test_what_is_not_there_is_told_apart(harness: Harness) -> None:
    answer = harness.ask("get", f"{UPS}.2.6.0", f"{UPS}.2.5.0", "1.3.6.1.2.1.4.1.0", f"{UPS}.2.5", f"{UPS}.3.3.1.3.9")
    assert answer == (
        0,
        0,
        [
            (f"{UPS}.2.6.0", "instance"), (f"{UPS}.2.5.0", 2186), ("1.3.6.1.2.1.4.1.0", None), (f"{UPS}.2.5", None),
            (f"{UPS}.3.3.1.3.9", "instance"),
        ],
    )  # fmt: skip
    assert harness.ask("get", NAME, f"{UPS}.2.6.0", version=0) is not None
    first = harness.ask("get", NAME, f"{UPS}.2.6.0", version=0)
    assert first is not None
    assert first[:2] == (2, 2), "v1 says noSuchName and which"
    assert [name for name, _ in first[2]] == [NAME, f"{UPS}.2.6.0"]
    last = harness.ask("next", "1.3.9", version=0)
    assert last is not None
    assert last[:2] == (2, 1)


def test_what_does_not_fit_is_too_big(harness: Harness) -> None:
    harness.set({"system.location": "x" * 60, "system.administrator": "y" * 120})
    names = ["1.3.6.1.2.1.1.4.0"] * 600
    answer = harness.ask("get", *names)
    assert answer == (1, 0, [])
    fits = harness.ask("get", *names[:300])
    assert fits is not None
    assert len(fits[2]) == 300


def test_a_table_never_shows_an_old_value_twice(harness: Harness) -> None:
    assert harness.value("4.4.1.5.1") == 42
    harness.publish({**ON_MAINS, "ups.load": 43})
    assert harness.value("4.4.1.5.1") == 43
    answer = harness.ask("get", "1.3.6.1.2.1.1.3.0", f"{UPS}.4.4.1.5.1")
    again = harness.ask("get", "1.3.6.1.2.1.1.3.0", f"{UPS}.4.4.1.5.1")
    assert answer is not None
    assert again is not None
    assert again[2][0][1] >= answer[2][0][1]  # type: ignore[operator]


def test_nobody_is_answered_from_elsewhere_nor_with_another_community(harness: Harness) -> None:
    told: list[str] = []
    harness.agent.refused = told.append
    assert harness.ask("get", NAME, host="10.0.0.1") is None
    assert harness.ask("get", NAME, host="::1") is None
    assert told == []
    assert harness.ask("get", NAME, community="Public") is None
    assert harness.ask("get", NAME, community="") is None
    assert harness.ask("get", NAME, host="127.0.0.2", community="private") is not None
    assert told == ["127.0.0.1", "127.0.0.1"]
    assert harness.counters.bad_communities == 2


def test_after_a_factory_start_nobody_is_answered(harness: Harness) -> None:
    harness.set({f"snmp.manager.{number}.permission": "none" for number in (1, 2)})
    assert not harness.agent.access.open
    assert harness.ask("get", NAME) is None


def test_bulk_is_not_of_version_1_and_other_pdus_are_none_of_ours(harness: Harness) -> None:
    data = bytearray(message("bulk", [NAME]))
    data[4] = 0
    assert harness.raw(bytes(data)) == []
    for tag in (0xA2, 0xA4, 0xA6, 0xA7, 0xA8, 0xA9):
        other = message("get", [NAME]).replace(b"\xa0", bytes((tag,)), 1)
        assert harness.raw(other) == []


def test_long_forms_of_lengths_are_understood(harness: Harness) -> None:
    data = message("get", [NAME])
    long = b"\x30\x84" + (len(data) - 2).to_bytes(4, "big") + data[2:]
    assert understood(harness.raw(long)[0]) == understood(harness.raw(data)[0])


def test_many_different_questions_do_not_fill_the_memory(harness: Harness) -> None:
    for number in range(3 * pdu.PLANS_KEPT):
        harness.ask("next", f"1.3.6.1.{number}")
    assert len(harness.agent.reader._plans) <= pdu.PLANS_KEPT
