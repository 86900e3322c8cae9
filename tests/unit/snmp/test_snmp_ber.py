"""Our encoding against pyasn1's, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.snmp import ber
from istars.snmp.ber import BadEncoding
from pyasn1.codec.ber import decoder, encoder
from pyasn1.type import univ
from pysnmp.proto import rfc1902


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_those_of_pyasn1(value: int) -> None:
    encoded = ber.integer(value)
    assert decoder.decode(encoded)[0] == value
    assert len(encoded) <= len(encoder.encode(univ.Integer(value)))
    assert ber.read_integer(encoded, 0) == (value, len(encoded))


@given(st.integers(0, 2), st.integers(0, 39), st.lists(st.integers(0, 2**32 - 1), max_size=40))
def test_object_identifiers_are_those_of_pyasn1(first: int, second: int, rest: list[int]) -> None:
    name = (first, second, *rest)
    encoded = ber.oid(name)
    assert encoded == encoder.encode(univ.ObjectIdentifier(name))
    start, end = ber.expect(encoded, 0, ber.OID)
    assert ber.read_oid(encoded[start:end]) == name


@given(st.binary(max_size=70_000))
def test_octet_strings_are_those_of_pyasn1(value: bytes) -> None:
    if len(value) < 65_000:
        encoded = ber.octets(value)
        assert encoded == encoder.encode(univ.OctetString(value))
        assert ber.read_octets(encoded, 0) == (value, len(encoded))


@given(st.integers(0, 2**32 - 1))
def test_unsigned_types_are_those_of_pysnmp(value: int) -> None:
    for ours, theirs in ((ber.counter(value), rfc1902.Counter32()), (ber.gauge(value), rfc1902.Gauge32())):
        assert int(decoder.decode(ours, asn1Spec=theirs)[0]) == value


def test_counters_begin_again_and_gauges_stay() -> None:
    assert ber.counter(2**32 + 5) == ber.counter(5)
    assert ber.gauge(2**32 + 5) == ber.gauge(2**32 - 1)
    assert ber.gauge(-1) == ber.gauge(0)


def test_text_is_cut_at_a_whole_character() -> None:
    assert ber.octets("a\u00e9", 2) == b"\x04\x01a"
    assert ber.octets("a\u00e9", 3) == b"\x04\x03a\xc3\xa9"


@pytest.mark.parametrize(
    "data",
    [b"", b"\x02", b"\x02\x01", b"\x02\x81", b"\x02\x85\0\0\0\0\1\1", b"\x02\x80\x01", b"\x02\x00", b"\x04\x01a"],
)
def test_a_number_that_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(BadEncoding):
        ber.read_integer(data, 0)


@pytest.mark.parametrize("content", [b"", b"\x80", b"\x2b\x86", b"\x2b" + b"\xff" * 9 + b"\x7f", b"\x2b" * 200])
def test_a_name_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BadEncoding):
        ber.read_oid(content)
