"""A RADIUS server of a few lines that shares no code with the card: it answers as a test wants it to, also wrongly."""

from __future__ import annotations

import hashlib
import hmac
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

ACCEPT, REJECT, CHALLENGE = 2, 3, 11
NO_MD5 = b"\0" * 16


@dataclass
class Asked:
    """One question: its attributes by number, the password as the server reads it, and whether it is signed."""

    raw: bytes
    attributes: dict[int, bytes]
    password: str
    signed: bool


@dataclass
class Reply:
    """What is answered. `secret` signs it, `signed` False leaves the Message-Authenticator out, `spoil` changes the packet."""

    code: int
    attributes: list[tuple[int, bytes]] = field(default_factory=list)
    secret: bytes | None = None
    signed: bool = True
    spoil: Callable[[bytes], bytes] = bytes


def attributes_of(packet: bytes) -> list[tuple[int, int, bytes]]:
    """Number, place of the value, value."""
    found, place = [], 20
    while place < len(packet):
        number, length = packet[place], packet[place + 1]
        found.append((number, place + 2, packet[place + 2 : place + length]))
        place += length
    return found


def hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """User-Password as it was before it was hidden (RFC 2865, section 5.2)."""
    plain, last = b"", authenticator
    for start in range(0, len(password), 16):
        block = password[start : start + 16]
        plain += bytes(a ^ b for a, b in zip(block, hashlib.md5(secret + last).digest(), strict=True))
        last = block
    return plain.rstrip(b"\0")


class RadiusServer:
    """Listens on the loopback. `answer` gives the replies to a question, none for silence; `asked` has the questions."""

    def __init__(self, answer: Callable[[Asked], list[Reply]], secret: bytes = b"a shared secret of the tests") -> None:
        self.answer, self.secret = answer, secret
        self.asked: list[Asked] = []
        self.line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.line.bind(("127.0.0.1", 0))
        self.port = int(self.line.getsockname()[1])
        self.thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.sendto(b"end", ("127.0.0.1", self.port))
        self.thread.join()
        self.line.close()

    def _serve(self) -> None:
        while True:
            raw, back = self.line.recvfrom(4_096)
            if raw == b"end":
                return
            question = self._read(raw)
            self.asked.append(question)
            for reply in self.answer(question):
                self.line.sendto(reply.spoil(self._packet(raw, reply)), back)

    def _read(self, raw: bytes) -> Asked:
        values = {number: value for number, _, value in attributes_of(raw)}
        place = next((at for number, at, _ in attributes_of(raw) if number == 80), 0)
        blank = raw[:place] + NO_MD5 + raw[place + 16 :]
        signed = bool(place) and hmac.digest(self.secret, blank, "md5") == values[80]
        return Asked(raw, values, hidden(values[2], self.secret, raw[4:20]).decode("utf-8", "replace"), signed)

    def _packet(self, raw: bytes, reply: Reply) -> bytes:
        secret = self.secret if reply.secret is None else reply.secret
        attributes = [*reply.attributes, *([(80, NO_MD5)] if reply.signed else [])]
        body = b"".join(struct.pack("!BB", number, len(value) + 2) + value for number, value in attributes)
        head = struct.pack("!BBH", reply.code, raw[1], 20 + len(body))
        if reply.signed:
            body = body[:-16] + hmac.digest(secret, head + raw[4:20] + body, "md5")
        return head + hashlib.md5(head + raw[4:20] + body + secret).digest() + body
