"""Short messages as octets, against what gammu and smsd made and what another program reads."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.drivers.modem import pdu
from smspdudecoder.codecs import GSM, UCS2
from smspdudecoder.fields import SMSSubmit

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames" / "gsm.jsonl"
TO = "+8613912345678"
FOR_EVER = 255
"""The validity that gammu and smsd give."""


def messages() -> list[Any]:
    rows = [json.loads(line) for line in FRAMES.read_text("utf-8").splitlines()]
    return [pytest.param(row, id=row["id"]) for row in rows if row["request"].startswith("AT+CMGS=")]


@pytest.mark.parametrize("row", messages())
def test_a_message_is_octet_for_octet_that_of_other_programs(row: dict[str, Any]) -> None:
    known = row["decoded"]
    expected = re.search(r"-> ([0-9A-F]+)\x1a", row["request"])
    assert expected
    centre = known["smsc"] if known.get("smsc", "").startswith("+") else ""
    made = list(
        pdu.submit(
            known.get("to", TO), known["text"], reference=known.get("reference", 0), centre=centre,
            validity=FOR_EVER,
        )
    )  # fmt: skip
    part = made[known.get("part", 1) - 1]
    assert len(made) == known.get("of", 1)
    assert part.hex == expected[1]
    assert row["request"].startswith(f"AT+CMGS={part.octets}\r")


def read_back(parts: list[pdu.Pdu]) -> tuple[str, list[dict[str, Any]]]:
    """The text as smspdudecoder reads it, and the headers of the parts."""
    text, headers = "", []
    for part in parts:
        read = SMSSubmit.decode(StringIO(part.hex))
        assert read["recipient"]["number"] == TO.removeprefix("+")
        assert part.octets == len(part.hex) // 2 - 1
        text += read["user_data"]["data"]
        headers.append(read["user_data"].get("header") or {})
    return text, headers


GSM_TEXT = st.text(st.sampled_from([*pdu.ALPHABET.replace("\x1b", ""), *pdu.EXTENSION.values()]), max_size=700)


@given(GSM_TEXT)
def test_text_of_the_gsm_alphabet_comes_back_whole(text: str) -> None:
    parts = list(pdu.submit(TO, text, reference=7))
    septets = sum(len(pdu.SEPTETS[character]) for character in text)
    assert (len(parts) == 1) == (septets <= 160)
    joined = ""
    for part in parts:
        raw = bytes.fromhex(part.hex)[13:]
        coding, length, data = raw[0], raw[2], raw[3:]
        assert coding == 0
        skipped = 7 if len(parts) > 1 else 0
        assert length <= 160
        assert len(data) <= 140
        joined += pdu.decode_septets(pdu.unpack(data, length)[skipped:])
    assert joined == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
def test_any_text_comes_back_whole_and_no_character_is_cut(text: str) -> None:
    pieces = pdu.split(text)
    assert "".join(pieces) == text
    if not pdu.fits_gsm(text):
        limit = 140 if len(pieces) == 1 else 134
        assert all(0 < len(piece.encode("utf-16-be")) <= limit for piece in pieces)


@pytest.mark.parametrize("text", ["UPS on battery", "{[€]}", "市电异常", "🔋 38 min", "Łódź"])
def test_another_program_reads_the_same_text(text: str) -> None:
    read, _ = read_back(list(pdu.submit(TO, text)))
    assert read == text


@pytest.mark.parametrize(
    ("text", "parts"), [("a" * 160, 1), ("a" * 161, 2), ("电" * 70, 1), ("电" * 71, 2), ("€" * 80, 1), ("€" * 81, 2)]
)
def test_how_many_parts_a_text_needs(text: str, parts: int) -> None:
    assert len(list(pdu.submit(TO, text))) == parts


def test_another_program_reads_the_marks_of_the_parts() -> None:
    text = "电" * 140
    read, headers = read_back(list(pdu.submit(TO, text, reference=200)))
    assert read == text
    marks = [header["elements"][0]["data"] for header in headers]
    assert [(mark["reference"], mark["parts_count"], mark["part_number"]) for mark in marks] == [
        (200, 3, 1),
        (200, 3, 2),
        (200, 3, 3),
    ]


def test_a_text_that_needs_more_than_255_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="256 parts"):
        list(pdu.submit(TO, "a" * (255 * 153 + 1)))


def test_packing_agrees_with_another_program() -> None:
    text = "Mains failed {A} 100 €"
    septets = [septet for character in text for septet in pdu.SEPTETS[character]]
    assert GSM.decode(pdu.pack(septets).hex().upper()).rstrip("@") == text
    assert pdu.unpack(pdu.pack(septets, 3), len(septets), 3) == septets


def incoming(sender: str, coding: int, length: int, data: str, first: str = "04") -> str:
    return f"00{first}{sender}00{coding:02X}62112141920000{length:02X}{data}"


FROM_TO = "0D91683119325476F8"


def test_a_message_that_came_in_is_read() -> None:
    # A well-known example of such a message.
    read = pdu.deliver("07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07")
    assert (read.sender, read.text) == ("+31641600986", "How are you?")
    read = pdu.deliver(incoming(FROM_TO, 8, 12, UCS2.encode("STATUS")))
    assert (read.sender, read.text, read.at) == (TO, "STATUS", "26111214290000")


def test_a_part_of_a_longer_message_is_read_without_its_header() -> None:
    septets = [pdu.SEPTETS[character][0] for character in "STATUS"]
    data = bytes.fromhex("050003070201") + pdu.pack(septets, 1)
    assert pdu.deliver(incoming(FROM_TO, 0, 13, data.hex(), first="44")).text == "STATUS"


def test_a_sender_with_a_name_is_not_taken_for_a_number() -> None:
    name = pdu.pack([pdu.SEPTETS[character][0] for character in "+86Bank"]).hex()
    read = pdu.deliver(incoming(f"0DD0{name}", 8, 2, UCS2.encode("x")))
    assert read.sender == "+86Bank"


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "00",
        "07",
        "zz",
        incoming(FROM_TO, 4, 3, "010203"),
        incoming(FROM_TO, 8, 3, "D83D00"),
        "0011000D91683119325476F8",
    ],
)
def test_what_is_no_text_message_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="."):
        pdu.deliver(raw)


@given(st.binary(max_size=200))
def test_noise_raises_nothing_else(raw: bytes) -> None:
    try:
        read = pdu.deliver(raw.hex())
    except ValueError:
        return
    assert isinstance(read.text, str)


@pytest.mark.parametrize(
    ("raw", "reference", "recipient", "arrived", "final"),
    [
        # reports of real networks, as test collections of other programs quote them
        ("07915391131213F406030C91539133131316218030612015402180306120654000", 3, "+351933313161", True, True),
        ("0891683108608805F906750D91683109731147F4313050913492003130509134430000", 0x75, "+8613903711744", True, True),
        # the same with other states: still trying, given up
        ("07915391131213F406030C91539133131316218030612015402180306120654022", 3, "+351933313161", False, False),
        ("07915391131213F406030C91539133131316218030612015402180306120654046", 3, "+351933313161", False, True),
    ],
)
def test_a_report_says_what_became_of_a_message(
    raw: str, reference: int, recipient: str, arrived: bool, final: bool
) -> None:
    read = pdu.status_report(raw)
    assert (read.reference, read.recipient) == (reference, recipient)
    assert (read.arrived, read.final) == (arrived, final)


@pytest.mark.parametrize("raw", ["", "zz", "0006", "0002", incoming(FROM_TO, 4, 3, "010203")])
def test_what_is_no_report_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match="."):
        pdu.status_report(raw)


def test_a_report_is_asked_for_where_it_is_wanted() -> None:
    plain, asking = (next(pdu.submit("+8613912345678", "x", report=wanted)).hex for wanted in (False, True))
    assert (plain[2:4], asking[2:4]) == ("11", "31")
    assert plain[4:] == asking[4:]
