"""Good and bad texts for every kind of option, and declarations of kinds that no option of today has."""

from __future__ import annotations

import base64
from datetime import date

from hypothesis import strategies as st
from istars.platform import zone
from istars.settings.field import Field, Group, Section, Type

OTHERS = Group(
    "others",
    "Others",
    (
        Section(
            "Kinds",
            (
                Field("other.switch", Type.SWITCH, False, "Switch"),
                Field("other.choice", Type.CHOICE, "a", "Choice", choices={"a": "First", "b": "Second"}),
                Field("other.host", Type.HOST, "", "Host"),
                Field("other.mail", Type.MAIL, "", "Mail"),
                Field("other.secret", Type.SECRET, "", "Secret", maximum=40),
                Field("other.hosts", Type.LIST, "", "Hosts", of=Type.HOST, maximum=3),
                Field("other.address", Type.ADDRESS, "", "Address"),
                Field("other.addresses", Type.ADDRESSES, "", "Addresses"),
                Field("other.words", Type.LIST, "", "Words", pattern="one|two|three", maximum=3),
                Field("other.ratio", Type.NUMBER, 0.5, "Ratio", minimum=-1, maximum=1),
            ),
        ),
    ),
)
RECEIVERS = Group(
    "receivers",
    "Receivers",
    (Section("Receiver", (Field("receiver.{n}.host", Type.HOST, "", "Receiver {n}"),)),),
    repeat=3,
)

LONG = "x" * 201
NOWHERE = ("a\0b", "a\nb", "a\tb", "a\x1bb", "a\x7fb", "a\x85b", "a\u2028b", "a\ud800b", "a\u202eb", LONG)
"""Texts that no option takes."""

BAD = {
    Type.WHOLE: ("", "1.5", "1e3", "1_0", "0x10", "\u0663", "\uff11", "nan", "-", "1,5", "9" * 30, "<b>", "=1+1"),
    Type.NUMBER: ("", "1e3", "1_0.0", "\u0663", "nan", "inf", "-inf", ".", "1.", ".5", "1,5", "9" * 30, "=1+1"),
    Type.SWITCH: ("", "yes", "ON", "1", "true", "=on"),
    Type.CHOICE: ("", "c", "A", "First"),
    Type.HOST: (
        "-a",
        "a..b",
        "a b",
        "1.2.3",
        "1.2.3.256",
        "h\u00f6st",
        "a" * 64,
        "fe80::1%eth0",
        "http://a",
        "=a",
        "a/b",
    ),
    Type.MAIL: (
        "a",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b@c d",
        "a..b@c.example",
        ".a@c.example",
        "\u00e9@c.example",
    ),
    Type.ZONE: (
        "",
        "Europe",
        "Europe/Atlantis",
        "../etc/passwd",
        "/etc/passwd",
        "Factory",
        "utc ",
        "posix/UTC",
        "=UTC",
    ),
    Type.SECRET: ("s" * 129,),
    Type.KEY: (
        "ssh-ed25519",
        "ssh-ed25519 AAAA",
        "ssh-ed25519 ???? ann",
        "AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D",
        'command="id" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D',
        "ssh-dss AAAAB3NzaC1kc3MAAAAA",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ),
    Type.ADDRESS: ("a", "1.2.3", "1.2.3.256", "1.2.3.4/8", "fe80::1%eth0", "*.*.*.*", "=1"),
    Type.ADDRESSES: (
        "a",
        "*",
        "1.*.3.*",
        "1.2.3.4/8",
        "1.2.3.4/33",
        "fe80::1%eth0",
        "::/129",
        ",".join(["1.2.3.4"] * 17),
    ),
    Type.LIST: ("a, b, c, d, e, f", "a, -b", "a; b"),
    Type.DATE: (
        "2026-13-01",
        "2026-02-29",
        "20261121",
        "2026-1-1",
        "21.11.2026",
        "2026-W01-1",
        "today",
        "=1",
        "1969-12-31",
        "2200-01-01",
    ),
    Type.TEXT: (),
}
ZONE_NAMES = zone.names()
WORD = st.characters(
    exclude_categories=("Cc", "Cs", "Zl", "Zp"),
    exclude_characters="\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
)
READABLE = st.characters(min_codepoint=32, max_codepoint=126)
HOSTS = st.one_of(
    st.ip_addresses().map(str), st.from_regex(r"[a-z][a-z0-9]{0,20}(\.[a-z][a-z0-9]{0,9}){0,3}", fullmatch=True)
)


REMARKS = ("", "ann@laptop", "  of Ann,  at “home” 変電所", "=1+1", "'")


def _key(drawn: tuple[bytes, str]) -> str:
    """A public key of SSH with this point and this remark."""
    point, remark = drawn
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", point))
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {remark}"


def good_texts(declared: Field) -> st.SearchStrategy[str]:
    """Texts that the option takes, not always in the form in which they are kept."""
    low, high = declared.minimum, declared.maximum
    match declared.type:
        case Type.WHOLE:
            assert low is not None
            assert high is not None
            return st.integers(int(low), int(high)).map(str)
        case Type.NUMBER:
            assert low is not None
            assert high is not None
            return st.integers(int(low * 1000), int(high * 1000)).map(lambda thousandths: f"{thousandths / 1000:.3f}")
        case Type.SWITCH:
            return st.sampled_from(("on", "off"))
        case Type.CHOICE:
            return st.sampled_from(tuple(declared.choices or ()))
        case Type.HOST:
            return st.one_of(st.just(""), HOSTS)
        case Type.MAIL:
            return st.one_of(st.just(""), HOSTS.map(lambda host: f"a.person+ups@{host}"))
        case Type.ZONE:
            return st.sampled_from(ZONE_NAMES)
        case Type.DATE:
            return st.one_of(st.just(""), st.dates(date(1970, 1, 1), date(2199, 12, 31)).map(str))
        case Type.ADDRESS:
            return st.one_of(st.just(""), st.ip_addresses().map(str))
        case Type.ADDRESSES:
            return st.lists(st.one_of(st.ip_addresses(v=4).map(str), st.just("10.*"), st.just("::/0")), max_size=3).map(
                " ".join
            )
        case Type.KEY:
            return st.one_of(
                st.just(""), st.tuples(st.binary(min_size=32, max_size=32), st.sampled_from(REMARKS)).map(_key)
            )
        case Type.LIST if declared.pattern:
            return st.lists(st.sampled_from(declared.pattern.split("|")), max_size=3).map(", ".join)
        case Type.LIST:
            items = st.sampled_from(declared.pattern.split("|")) if declared.pattern else HOSTS
            return st.lists(items, max_size=int(high or 3)).map(" ,".join)
    if declared.key == "ups.device":
        return st.one_of(st.just("/dev/ttyUSB0"), st.integers(1, 65535).map(lambda port: f"tcp:192.0.2.7:{port}"))
    if declared.type is Type.SECRET and declared.pattern:
        return st.from_regex(declared.pattern, fullmatch=True, alphabet=READABLE)
    if declared.pattern:
        return st.from_regex(declared.pattern, fullmatch=True, alphabet=READABLE).map(str.strip)
    signs = st.text(st.one_of(WORD, st.sampled_from("'=+-@ \",;\uff1d\ufeff")), max_size=int(high or 200))
    return signs.filter(lambda text: not low or bool(text.strip()))
