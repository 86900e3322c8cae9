"""Short messages as they stand on the wire (3GPP TS 23.040): SMS-SUBMIT, SMS-DELIVER, SMS-STATUS-REPORT; alphabets of TS 23.038.

Text that fits the GSM alphabet goes with 7 bits a character, all other as UCS-2. What is too long for one message goes in parts
that the telephone puts together again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The GSM 7 bit default alphabet (23.038 section 6.2.1), by code."""
ESCAPE = 0x1B
EXTENSION: Mapping[int, str] = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
"""What follows an escape (section 6.2.1.1); each of these costs two septets."""

SEPTETS = {character: (code,) for code, character in enumerate(ALPHABET) if code != ESCAPE} | {
    character: (ESCAPE, code) for code, character in EXTENSION.items()
}

WHOLE_SEPTETS, PART_SEPTETS = 160, 153
WHOLE_UNITS, PART_UNITS = 70, 67
MOST_PARTS = 255
GSM7, UCS2 = 0x00, 0x08

SUBMIT, WITH_REPORT, WITH_HEADER = 0x11, 0x20, 0x40
"""First octet: SMS-SUBMIT with a relative validity period; the network is to report; user data begin with a header."""
STATUS_REPORT = 0x02
INTERNATIONAL, UNKNOWN, ALPHANUMERIC = 0x91, 0x81, 0xD0
PARTS_HEADER = bytes((0x05, 0x00, 0x03))
"""Header of one part (9.2.3.24.1): length, concatenated messages with 8 bit reference, length; then reference, total, number."""
PARTS_HEADER_SEPTETS = 7

THREE_DAYS = 169
"""Validity: what the network could not hand over by then is of no use any more."""


@dataclass(frozen=True, slots=True)
class Pdu:
    """One message part for the modem: `hex` is what is typed at the prompt, `octets` the number in the command before it."""

    hex: str
    octets: int


@dataclass(frozen=True, slots=True)
class Received:
    """One message part that came in. `at` is the message centre's time stamp as it stands there, 14 digits."""

    sender: str
    text: str
    at: str


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a message part: its reference, its recipient, the message centre's status (TP-ST, 9.2.3.15)."""

    reference: int
    recipient: str
    status: int

    @property
    def arrived(self) -> bool:
        """Whether the telephone has it, as far as the centre can tell."""
        return self.status < 0x20

    @property
    def final(self) -> bool:
        """Whether the centre has ended its tries; while it has not, another report follows."""
        return not 0x20 <= self.status < 0x40


def _swapped(digits: str) -> bytes:
    """Digits as half octets, the low one first; F fills up an odd number."""
    even = digits + "F" * (len(digits) % 2)
    return bytes.fromhex("".join(even[place + 1] + even[place] for place in range(0, len(even), 2)))


def _unswapped(octets: bytes) -> str:
    return "".join(f"{octet & 15:X}{octet >> 4:X}" for octet in octets).rstrip("F")


def _number(text: str) -> tuple[str, int]:
    """Digits and type of address."""
    return (text[1:], INTERNATIONAL) if text.startswith("+") else (text, UNKNOWN)


def _address(text: str) -> bytes:
    digits, kind = _number(text)
    return bytes((len(digits), kind)) + _swapped(digits)


def _centre(text: str) -> bytes:
    """Field of the message centre; empty leaves it to the SIM."""
    if not text:
        return b"\0"
    digits, kind = _number(text)
    field = bytes((kind,)) + _swapped(digits)
    return bytes((len(field),)) + field


def fits_gsm(text: str) -> bool:
    """Whether every character is in the GSM alphabet or its extension."""
    return all(character in SEPTETS for character in text)


def pack(septets: Sequence[int], fill_bits: int = 0) -> bytes:
    """Septets to octets, the first in the lowest bits, after `fill_bits` that mean nothing."""
    bits = 0
    for place, septet in enumerate(septets):
        bits |= septet << (7 * place + fill_bits)
    return bits.to_bytes((7 * len(septets) + fill_bits + 7) // 8, "little")


def unpack(octets: bytes, count: int, fill_bits: int = 0) -> list[int]:
    """`count` septets out of `octets`."""
    bits = int.from_bytes(octets, "little") >> fill_bits
    return [bits >> 7 * place & 0x7F for place in range(count)]


def _units(character: str) -> bytes:
    return character.encode("utf-16-be", "replace")


def _pieces(text: str, whole: int, part: int, cost: Mapping[str, int]) -> list[str]:
    """`text` cut so that each piece costs at most `part`; uncut if it costs no more than `whole`. No character is cut."""
    if sum(cost[character] for character in text) <= whole:
        return [text]
    pieces, used = [""], 0
    for character in text:
        if used + cost[character] > part:
            pieces.append("")
            used = 0
        pieces[-1] += character
        used += cost[character]
    return pieces


def split(text: str) -> list[str]:
    """The texts of the parts that `text` needs; one if it fits into one message."""
    if fits_gsm(text):
        cost = {character: len(SEPTETS[character]) for character in text}
        return _pieces(text, WHOLE_SEPTETS, PART_SEPTETS, cost)
    cost = {character: len(_units(character)) // 2 for character in text}
    return _pieces(text, WHOLE_UNITS, PART_UNITS, cost)


def submit(
    number: str, text: str, *, reference: int = 0, centre: str = "", validity: int = THREE_DAYS, report: bool = False
) -> Iterator[Pdu]:
    """The parts of a message to `number`; `reference` (0 to 255) is what the telephone joins them by.

    With `report` the network says later what became of each part. `validity` is TP-VP of 9.2.3.12.1. Raises ValueError for a
    text that needs more than 255 parts.
    """
    pieces = split(text)
    if len(pieces) > MOST_PARTS:
        raise ValueError(f"the text needs {len(pieces)} parts")
    gsm = fits_gsm(text)
    for place, piece in enumerate(pieces, start=1):
        header = PARTS_HEADER + bytes((reference, len(pieces), place)) if len(pieces) > 1 else b""
        if gsm:
            septets = [septet for character in piece for septet in SEPTETS[character]]
            length = len(septets) + (PARTS_HEADER_SEPTETS if header else 0)
            data = header + pack(septets, 1 if header else 0)
        else:
            data = header + _units(piece)
            length = len(data)
        first = SUBMIT | (WITH_HEADER if header else 0) | (WITH_REPORT if report else 0)
        tpdu = bytes((first, 0)) + _address(number) + bytes((0, GSM7 if gsm else UCS2, validity, length)) + data
        yield Pdu((_centre(centre) + tpdu).hex().upper(), len(tpdu))


def decode_septets(septets: Sequence[int]) -> str:
    """Text of the GSM alphabet; an unknown character after an escape is the one without it (section 6.2.1.1)."""
    text, escaped = "", False
    for septet in septets:
        if septet == ESCAPE and not escaped:
            escaped = True
            continue
        text += EXTENSION.get(septet, ALPHABET[septet]) if escaped else ALPHABET[septet]
        escaped = False
    return text


def deliver(pdu: str) -> Received:
    """Read an SMS-DELIVER as `AT+CMGL` gives it, with the field of the message centre.

    Raises ValueError where it is none, or where its text is neither GSM alphabet nor UCS-2.
    """
    try:
        return _deliver(bytes.fromhex(pdu))
    except (IndexError, UnicodeDecodeError) as problem:
        raise ValueError(f"{pdu[:40]}... is no SMS-DELIVER") from problem


def status_report(pdu: str) -> Report:
    """Read an SMS-STATUS-REPORT as `+CDS` gives it, with the field of the message centre. Raises ValueError."""
    octets = bytes.fromhex(pdu)
    try:
        rest = octets[1 + octets[0] :]
        first, reference, digits, kind = rest[:4]
        end = 4 + (digits + 1) // 2
        # two time stamps of seven octets stand before the status
        status = rest[end + 14]
    except (IndexError, ValueError) as problem:
        raise ValueError(f"{pdu[:40]}... is no SMS-STATUS-REPORT") from problem
    if first & 3 != STATUS_REPORT:
        raise ValueError("it is not a status report")
    return Report(reference, _sender(rest[4:end], digits, kind), status)


def _deliver(octets: bytes) -> Received:
    rest = octets[1 + octets[0] :]
    first, digits, kind = rest[0], rest[1], rest[2]
    if first & 3:
        raise ValueError("it is not a message that came in")
    end = 3 + (digits + 1) // 2
    sender = _sender(rest[3:end], digits, kind)
    coding, stamp, length, data = rest[end + 1], rest[end + 2 : end + 9], rest[end + 9], rest[end + 10 :]
    header = 1 + data[0] if first & WITH_HEADER else 0
    return Received(sender, _text(data, coding, length, header), _unswapped(stamp))


def _sender(field: bytes, digits: int, kind: int) -> str:
    if kind & 0x70 == ALPHANUMERIC & 0x70:
        return decode_septets(unpack(field, digits * 4 // 7))
    return ("+" if kind & 0x70 == INTERNATIONAL & 0x70 else "") + _unswapped(field)


def _text(data: bytes, coding: int, length: int, header: int) -> str:
    """Text behind a header of so many octets. The alphabet stands in bits 2 and 3 of general data coding (23.038 section 4)."""
    alphabet = coding & 0x0C
    if coding & 0xC0 == 0 and alphabet == UCS2:
        return data[header:length].decode("utf-16-be")
    if alphabet and coding & 0xF0 != 0xC0:
        raise ValueError("it is not a text")
    skipped = (header * 8 + 6) // 7
    return decode_septets(unpack(data, length)[skipped:])
