"""Address patterns: every text is either understood in one way or refused with a reason."""

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from istars.settings.addresses import PATTERNS_LIMIT, BadPattern, address_of, allowed, parse

octets = st.integers(0, 255)
networks = st.one_of(
    st.builds(
        lambda number, bits: ipaddress.ip_network((number, bits), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda number, bits: ipaddress.IPv6Network((number, bits), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(0, 128),
    ),
)
addresses = st.ip_addresses()
patient = settings(deadline=None)  # the machine may be busy with other tests


def understood_or_refused(text):
    """Whether it is understood; what is must be so again in its usual form."""
    try:
        found = parse(text)
    except BadPattern:
        return False
    assert parse(" ".join(map(str, found))) == found
    return True


@patient
@given(st.text())
def test_any_text_is_understood_or_refused(text):
    understood_or_refused(text)


@patient
@given(st.lists(st.sampled_from(["10", "*", ".", "/", ":", "::", "0", "255", "256", "ffff", "%", " ", ",", "-1", "٣"])))
def test_what_looks_like_an_address(parts):
    understood_or_refused("".join(parts))


@patient
@given(networks, addresses)
def test_network_holds_what_the_library_says(network, address):
    pattern = parse(str(network))
    seen = address_of(str(address))
    told = pattern[0].network
    assert allowed(pattern, str(address)) == (seen.version == told.version and seen in told)


@patient
@given(octets, octets, octets, addresses)
def test_stars_are_networks(a, b, c, address):
    for stars, network in (
        (f"{a}.{b}.{c}.*", f"{a}.{b}.{c}.0/24"),
        (f"{a}.{b}.*.*", f"{a}.{b}.0.0/16"),
        (f"{a}.*.*.*", f"{a}.0.0.0/8"),
        (f"{a}.*", f"{a}.0.0.0/8"),
    ):
        assert parse(stars)[0].network == parse(network)[0].network
        assert allowed(parse(stars), str(address)) == allowed(parse(network), str(address))
    assert allowed(parse(f"{a}.{b}.{c}.*"), f"{a}.{b}.{c}.9")
    assert not allowed(parse(f"{a}.{b}.{c}.*"), f"{a}.{b}.{(c + 1) % 256}.9")


@patient
@given(st.ip_addresses(v=4))
def test_one_address_in_both_its_forms(address):
    mapped = f"::ffff:{address}"
    for pattern in (str(address), mapped):
        assert allowed(parse(pattern), str(address))
        assert allowed(parse(pattern), mapped)
        assert str(parse(pattern)[0]) == str(address)


def test_none_is_everywhere_and_nowhere_is_nowhere():
    assert parse(" \n, ;") == ()
    assert allowed((), "10.0.0.7")
    assert allowed((), "local")
    assert not allowed(parse("10.0.0.0/8"), "local")
    assert not allowed(parse("0.0.0.0/0 ::/0"), "")


def test_several_with_anything_between_each_once():
    found = parse("192.168.1.*, 10.20.0.0/16;2001:DB8::/32\n10.0.0.7 10.0.0.7/32")
    assert list(map(str, found)) == ["192.168.1.*", "10.20.0.0/16", "2001:db8::/32", "10.0.0.7"]
    assert [allowed(found, each) for each in ("192.168.1.200", "10.20.255.1", "2001:db8:7::1", "10.0.0.7")] == [
        True
    ] * 4
    assert [allowed(found, each) for each in ("192.168.2.1", "10.21.0.1", "2001:db9::1", "10.0.0.8")] == [False] * 4
    assert allowed(parse("fe80::/10"), "fe80::1%eth0")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("*", "leave the field empty"),
        ("192.168.*.1", "a star stands for whole numbers at the end"),
        ("192.168.1.1*", "a star stands"),
        ("192.168.1.*.*", "a star stands"),
        ("2001:db8::*", "a star stands"),
        ("192.168.1.*/24", "a star stands"),
        ("256.1.1.*", "is no address"),
        ("010.0.0.1", "is no address"),
        ("10.0.0", "is no address"),
        ("10.0.0.7/33", "is no address"),
        ("10.0.0.0/255.0.0.0", "is no address"),
        ("10.0.0.0/", "is no address"),
        ("10.0.0.0/٨", "is no address"),
        ("10.0.0.0/-8", "is no address"),
        ("10.20.4.17/16", "write 10.20.0.0/16 for the network, or 10.20.4.17"),
        ("fe80::1%eth0", "interface of another machine"),
        ("example.org", "is no address"),
        ("<b>", "is no address"),
        ("\0", "is no address"),
        ("x" * 5000, "is no address"),
    ],
)
def test_reasons(text, told):
    with pytest.raises(BadPattern, match="^.{1,220}$") as caught:
        parse(text)
    assert told in str(caught.value)


def test_not_more_than_a_few():
    parse(" ".join(f"10.0.0.{host}" for host in range(PATTERNS_LIMIT)))
    with pytest.raises(BadPattern, match="At most 16"):
        parse(" ".join(f"10.0.0.{host}" for host in range(PATTERNS_LIMIT + 1)))
