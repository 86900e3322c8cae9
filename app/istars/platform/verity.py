"""The hash tree of dm-verity over the payload of a RAUC bundle: whether every byte is what was signed.

    payload | hash tree | signature (CMS, DER) | length of the signature, 8 bytes, most significant first

The kernel checks the same tree while it installs; here it is checked beforehand, without the kernel's help and without a second
copy of the payload. Format: block of 4096 bytes, SHA-256 over salt and block, tree from the leaves up to one root hash.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from istars.errors import IStarsError

BLOCK = 4096
LENGTH_BYTES = 8
SIGNATURE_LIMIT = 64 * 1024
STEP = 256
"""Blocks between two breaths: a megabyte."""


class BundleDamaged(IStarsError):
    """The file is not a bundle, or not the one that was signed."""


def signature(path: Path) -> bytes:
    """The signature of a bundle (CMS in DER). Raises BundleDamaged, OSError."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = _length(file.fileno(), size)
        file.seek(size - LENGTH_BYTES - length)
        return file.read(length)


def _length(descriptor: int, size: int) -> int:
    """Length of the signature in a bundle of `size` bytes."""
    tail = os.pread(descriptor, LENGTH_BYTES, max(0, size - LENGTH_BYTES))
    length = int.from_bytes(tail, "big")
    if len(tail) < LENGTH_BYTES or not 0 < length <= min(SIGNATURE_LIMIT, size - LENGTH_BYTES):
        raise BundleDamaged("it does not end as a firmware bundle does; it may have been cut off")
    return length


def check(path: Path, *, root_hash: bytes, salt: bytes, tree_size: int) -> Iterator[float]:
    """Check the payload against `root_hash`, which must come from a signature that was verified.

    A generator, so that whoever has to give a sign of life can do so in between: it yields what share is done, 0 to 1, and
    raises BundleDamaged at the end of it where a byte is not what was signed. Raises OSError.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        payload = size - LENGTH_BYTES - _length(file.fileno(), size) - tree_size
        if payload <= 0 or payload % BLOCK or tree_size < 0:
            raise BundleDamaged("its length is not the one that was signed; it may have been cut off")
        level = bytearray()
        blocks = payload // BLOCK
        for number in range(blocks):
            level += hashlib.sha256(salt + file.read(BLOCK)).digest()
            if number % STEP == 0:
                yield number / blocks
    while len(level) > len(root_hash):
        level += bytes(-len(level) % BLOCK)
        level = bytearray().join(
            hashlib.sha256(salt + level[at : at + BLOCK]).digest() for at in range(0, len(level), BLOCK)
        )
    if bytes(level) != root_hash:
        raise BundleDamaged("its contents are not what was signed; the file was damaged or changed on its way")
    yield 1.0
