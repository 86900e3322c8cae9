"""Basic encoding rules, as much of them as SNMP uses (RFC 3417, section 8): definite lengths, tags of one octet."""

from __future__ import annotations

from functools import lru_cache

Oid = tuple[int, ...]

INTEGER, OCTETS, NULL, OID, SEQUENCE = 0x02, 0x04, 0x05, 0x06, 0x30
COUNTER, GAUGE, TICKS = 0x41, 0x42, 0x43
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB = b"\x80\x00", b"\x81\x00", b"\x82\x00"
NOTHING = b"\x05\x00"
LARGEST_SUBIDENTIFIER = 0xFFFFFFFF
OID_LENGTH = 128
INTEGER_SIZE = 9


class BadEncoding(Exception):
    """Octets are not what they should be."""


def tlv(tag: int, content: bytes) -> bytes:
    """One element with its tag and its length."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    if size < 0x100:
        return bytes((tag, 0x81, size)) + content
    return bytes((tag, 0x82, size >> 8, size & 0xFF)) + content


def integer(value: int, tag: int = INTEGER) -> bytes:
    """A whole number in two's complement; unsigned types only differ in their tag."""
    if 0 <= value < 0x80:
        return bytes((tag, 1, value))
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(tag, value.to_bytes(size, "big", signed=True))


def counter(value: int) -> bytes:
    """A Counter32: it begins again at zero."""
    return integer(value & 0xFFFFFFFF, COUNTER)


def gauge(value: int) -> bytes:
    """A Gauge32: it stays at its largest value."""
    return integer(min(max(0, value), 0xFFFFFFFF), GAUGE)


def ticks(seconds: float) -> bytes:
    """TimeTicks, in hundredths of a second."""
    return integer(int(seconds * 100) & 0xFFFFFFFF, TICKS)


def octets(value: bytes | str, longest: int = 255) -> bytes:
    """An octet string; text in UTF-8, cut to at most `longest` octets at a whole character."""
    if isinstance(value, str):
        value = value.encode()[:longest].decode(errors="ignore").encode()
    return tlv(OCTETS, value)


def oid_content(oid: Oid) -> bytes:
    """The octets of an object identifier without tag and length."""
    out = bytearray()
    for number in (oid[0] * 40 + oid[1], *oid[2:]):
        if number < 0x80:
            out.append(number)
            continue
        shift = (number.bit_length() - 1) // 7 * 7
        while shift:
            out.append(0x80 | (number >> shift) & 0x7F)
            shift -= 7
        out.append(number & 0x7F)
    return bytes(out)


@lru_cache(1024)
def oid(value: Oid) -> bytes:
    """An object identifier."""
    return tlv(OID, oid_content(value))


def varbind(name: Oid, value: bytes) -> bytes:
    """A name with its encoded value."""
    return tlv(SEQUENCE, oid(name) + value)


def header(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag of the element at `at`, where its content begins and where it ends. Raises BadEncoding."""
    try:
        tag, size = data[at], data[at + 1]
        start = at + 2
        if size & 0x80:
            count = size & 0x7F
            if not 0 < count <= 4:
                raise BadEncoding("length")
            start += count
            size = int.from_bytes(data[at + 2 : start], "big")
    except IndexError:
        raise BadEncoding("cut off") from None
    end = start + size
    if end > len(data) or start > len(data):
        raise BadEncoding("cut off")
    return tag, start, end


def expect(data: bytes, at: int, wanted: int) -> tuple[int, int]:
    """Where the content of the element at `at` begins and ends, whose tag is `wanted`. Raises BadEncoding."""
    try:
        # nearly always the length is of one octet: no call, no tuple
        if data[at] == wanted and (size := data[at + 1]) < 0x80 and (end := at + 2 + size) <= len(data):
            return at + 2, end
    except IndexError:
        raise BadEncoding("cut off") from None
    tag, start, end = header(data, at)
    if tag != wanted:
        raise BadEncoding(f"tag {tag:#x}, not {wanted:#x}")
    return start, end


def read_integer(data: bytes, at: int) -> tuple[int, int]:
    """The whole number at `at` and where it ends. Raises BadEncoding."""
    start, end = expect(data, at, INTEGER)
    if not 0 < end - start <= INTEGER_SIZE:
        raise BadEncoding("integer")
    return int.from_bytes(data[start:end], "big", signed=True), end


def number(content: bytes) -> int:
    """What the content of a whole number says. Raises BadEncoding for more than 64 bits."""
    if not 0 < len(content) <= INTEGER_SIZE:
        raise BadEncoding("integer")
    return int.from_bytes(content, "big", signed=True)


def read_octets(data: bytes, at: int) -> tuple[bytes, int]:
    """The octet string at `at` and where it ends. Raises BadEncoding."""
    start, end = expect(data, at, OCTETS)
    return data[start:end], end


def read_oid(content: bytes) -> Oid:
    """The object identifier that these octets stand for. Raises BadEncoding."""
    if not content or content[-1] & 0x80:
        raise BadEncoding("object identifier")
    found: list[int] = []
    number = 0
    for octet in content:
        number = number << 7 | octet & 0x7F
        if not octet & 0x80:
            found.append(number)
            number = 0
        elif number > LARGEST_SUBIDENTIFIER:
            raise BadEncoding("object identifier")
    if max(found) > LARGEST_SUBIDENTIFIER + 80 or len(found) >= OID_LENGTH:
        raise BadEncoding("object identifier")
    first = min(found[0] // 40, 2)
    return (first, found[0] - 40 * first, *found[1:])
