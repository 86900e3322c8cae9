"""The first message of TLS, made by hand: it offers what no library of today would, so nothing weak hides behind that."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable

HELLO_CLIENT, HELLO_SERVER = 1, 2
ALERT, HANDSHAKE = 21, 22
RECORD_MOST = 16_384
MOST = 30_000
"""Suites in one message; the server takes messages of up to 128 kB."""
SIGNALS = {0x00FF, 0x5600}
"""No suites: secure renegotiation, and a fallback that a server of TLS 1.3 refuses for its own sake (RFC 7507)."""
EVERY = [number for number in range(0x10000) if number not in SIGNALS]


def _sized(width: str, content: bytes) -> bytes:
    """`content` behind its length."""
    return struct.pack(width, len(content)) + content


def _extension(number: int, content: bytes) -> bytes:
    return struct.pack(">H", number) + _sized(">H", content)


def _extensions() -> bytes:
    """Curves x25519, P-256, P-384; plain points; every pair of hash (MD5 to SHA-512) and signature (RSA, DSA, ECDSA)."""
    pairs = bytes(byte for digest in range(1, 7) for kind in (1, 2, 3) for byte in (digest, kind))
    return (
        _extension(10, _sized(">H", struct.pack(">3H", 0x001D, 0x0017, 0x0018)))
        + _extension(11, _sized(">B", b"\0"))
        + _extension(13, _sized(">H", pairs))
    )


def hello(version: int, suites: Iterable[int]) -> bytes:
    """A ClientHello of `version` (0x0300 for SSL 3, 0x0303 for TLS 1.2) as records."""
    body = struct.pack(">H", version) + os.urandom(32) + _sized(">B", b"")
    body += _sized(">H", b"".join(struct.pack(">H", suite) for suite in suites)) + _sized(">B", b"\0")
    body += _sized(">H", _extensions())
    message = bytes((HELLO_CLIENT,)) + len(body).to_bytes(3, "big") + body
    pieces = (message[at : at + RECORD_MOST] for at in range(0, len(message), RECORD_MOST))
    return b"".join(struct.pack(">BH", HANDSHAKE, min(version, 0x0301)) + _sized(">H", piece) for piece in pieces)


def chosen(port: int, version: int, suites: Iterable[int]) -> tuple[int, int] | None:
    """Version and suite that a server on the loopback chooses; None if it answers with an alert. Anything else is a failure."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection, connection.makefile("rb") as answer:
        connection.sendall(hello(version, suites))
        kind, _, length = struct.unpack(">BHH", answer.read(5))
        content = answer.read(length)
    if kind == ALERT:
        return None
    assert (kind, content[0]) == (HANDSHAKE, HELLO_SERVER), content
    session = content[38]
    picked: tuple[int, int] = struct.unpack(">H", content[4:6]) + struct.unpack(
        ">H", content[39 + session : 41 + session]
    )
    return picked


def accepted(port: int, version: int) -> set[tuple[int, int]]:
    """Every pair of version and suite that a server can be brought to use by clients up to `version`, of all 65,536 numbers."""
    found: set[tuple[int, int]] = set()
    for start in range(0, len(EVERY), MOST):
        left = EVERY[start : start + MOST]
        while picked := chosen(port, version, left):
            found.add(picked)
            left.remove(picked[1])
    return found
