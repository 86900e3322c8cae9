"""What bytes on a line mean: every sample of every protocol, every command, and what is not known."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some
from istars.drivers.engine import Options, protocols
from istars.drivers.explain import Explainer
from istars.drivers.framing import rtu
from istars.drivers.item import Family, Protocol
from istars.model.commands import COMMANDS

SERIAL = {name: each for name, each in protocols().items() if each.family in (Family.TEXT, Family.MODBUS)}
MEGATEC = Explainer(protocols()["megatec"], Options())


@pytest.mark.parametrize("protocol", SERIAL.values(), ids=SERIAL)
def test_every_sample_is_a_harmless_question_and_its_answer_is_told(protocol: Protocol) -> None:
    explain = Explainer(protocol, Options())
    for sample in protocol.samples:
        asked, told = explain.request(sample.request), explain.answer(sample.request, sample.reply)
        assert not (asked.changes and sample.fields), sample.request
        assert sample.fields.items() <= told.fields.items()
        assert told.text or not any(not name.startswith(".") for name in sample.fields)


@pytest.mark.parametrize("protocol", SERIAL.values(), ids=SERIAL)
def test_every_command_changes_the_ups_and_is_named(protocol: Protocol) -> None:
    explain = Explainer(protocol, Options())
    labels: dict[bytes, set[str]] = {}
    sent = {}
    for command in protocol.commands:
        declared = COMMANDS[command.name]
        arguments = {each.name: max(each.default or 0, command.limits[each.name].low) for each in declared.arguments}
        payload = command.order(arguments).payload
        labels.setdefault(payload, set()).add(declared.label)
        sent[command.name] = payload
    for payload in sent.values():
        whole = rtu(1, payload) if protocol.family is Family.MODBUS else payload + protocol.line.terminator
        found = explain.request(whole)
        assert found.changes
        assert any(label in found.text for label in labels[payload]), found.text


def test_words_of_a_status_and_of_a_register() -> None:
    status = MEGATEC.answer(b"Q1\r", b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r")
    assert "Mains voltage 226.0 V" in status.text
    assert "→ Status OL" in status.text
    east = Explainer(protocols()["east-ea900"], Options())
    asked = bytes.fromhex("01 04 00 0C 00 01 F1 C9")
    assert east.request(asked).text == "Reads register 12 of device 1, function 4"
    assert "229.9 V" in east.answer(asked, bytes.fromhex("01 04 02 08 FB FF 73")).text
    assert "illegal data address" in east.answer(asked, bytes.fromhex("01 84 02 c2 c1")).text


@given(some.binary(max_size=40))
def test_whatever_is_not_a_question_of_the_card_may_change_the_ups(data: bytes) -> None:
    lines = {line for line in data.replace(b"\n", b"\r").split(b"\r") if line}
    asked = {b"Q1", b"F", b"I"}
    assert MEGATEC.request(data).changes or (lines and lines <= asked)
    assert Explainer(None, Options()).request(data).changes
    assert MEGATEC.answer(data, data).text


@given(some.binary(max_size=40))
def test_no_bytes_trouble_the_explanation_of_modbus(data: bytes) -> None:
    east = Explainer(protocols()["east-ea900"], Options())
    whole = rtu(1, data)
    for request in (data, whole):
        assert east.request(request).text
        for answer in (data, whole):
            assert east.answer(request, answer).text
