"""`iStars.tar.gz`, the package in which firmware is handed over: unpacked while it comes in, and nothing in it is believed.

    manifest.json    what is in it; advisory: what counts is the signature of the bundle
    iStars.raucb     the bundle that rauc installs
    CHANGES.txt      what is new, for people

One gzip stream with a ustar archive: these three regular files in this order and nothing else. Links, devices, folders, sparse
files, extended headers (PAX, GNU), other names and other orders are refused, and so is every size above the limits, before a
byte behind it is written.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from istars.errors import IStarsError
from istars.model.versions import BadVersion, version

PRODUCT = "iStars"
BLOCK = 512
CHUNK = 64 * 1024
PACKAGE_LIMIT = 64 * 1024 * 1024
"""Of the package as it comes in; the goal for what is made is 32 MB."""
LIMITS = {"manifest.json": 16 * 1024, "iStars.raucb": 64 * 1024 * 1024, "CHANGES.txt": 64 * 1024}
"""Members in their order, and the most bytes of each."""
BUNDLE = "iStars.raucb"
PADDING_LIMIT = 64 * 1024
TYPES = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"5": "a folder", b"6": "a pipe",
    b"7": "a contiguous file", b"x": "an extended header (PAX)", b"g": "an extended header (PAX)", b"L": "a long name (GNU)",
    b"K": "a long link (GNU)", b"S": "a sparse file (GNU)", b"M": "a part of a volume (GNU)", b"V": "a label (GNU)",
}  # fmt: skip


class PackageRefused(IStarsError):
    """What was brought is not a package for this card; the text is the reason, for the person who brought it."""


class Source(Protocol):
    """Where the package comes from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` says; checked for shape, not for truth. `min_version` is the oldest that may be replaced by it."""

    version: str
    compatible: tuple[str, ...]
    min_version: str
    notes: str
    sha256: str
    size: int


class Inflated:
    """The bytes inside a gzip stream, read at most a chunk at a time, however much a few bytes unfold to."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._gzip = zlib.decompressobj(31)
        self._taken = 0

    def _more(self, wanted: int) -> bytes:
        while not self._gzip.eof:
            pending = self._gzip.unconsumed_tail or self._source.read(CHUNK)
            if not self._gzip.unconsumed_tail:
                self._taken += len(pending)
                if self._taken > PACKAGE_LIMIT:
                    raise PackageRefused(f"The file is larger than {PACKAGE_LIMIT // 2**20} MB.")
            if not pending:
                if not self._taken:
                    raise PackageRefused("The file is empty.")
                raise PackageRefused("The file is cut off: its end is missing.")
            try:
                out = self._gzip.decompress(pending, wanted)
            except zlib.error:
                first = self._taken == len(pending)
                raise PackageRefused(
                    "The file is not a package (iStars.tar.gz)." if first else "The file is damaged."
                ) from None
            if out:
                return out
        return b""

    def exactly(self, size: int, sink: Callable[[bytes], object]) -> None:
        """Hand `size` bytes on to `sink`, in pieces. Raises PackageRefused where there are fewer."""
        while size:
            piece = self._more(min(size, CHUNK))
            if not piece:
                raise PackageRefused("The archive in the file is cut off: its end is missing.")
            sink(piece)
            size -= len(piece)

    def block(self) -> bytes:
        """The next 512 bytes."""
        out = bytearray()
        self.exactly(BLOCK, out.extend)
        return bytes(out)

    def finish(self) -> None:
        """See that only zeros follow, and nothing behind the gzip stream."""
        left = PADDING_LIMIT
        while piece := self._more(CHUNK):
            left -= len(piece)
            if left < 0 or piece.strip(b"\0"):
                raise PackageRefused("Something stands behind the end of the archive.")
        if self._gzip.unused_data or self._source.read(1):
            raise PackageRefused("Something stands behind the end of the file.")


def unpack(
    source: Source, sink: Callable[[bytes], object], ready: Callable[[Manifest], object]
) -> tuple[Manifest, str]:
    """Read a package from `source`: `ready` gets its manifest, then `sink` its bundle piece by piece. Answers the manifest and
    what is new.

    Raises PackageRefused, with whatever `ready` and `sink` raise; what `sink` has got by then is worth nothing.
    """
    archive = Inflated(source)
    texts: dict[str, bytes] = {}
    manifest: Manifest | None = None
    for name, limit in LIMITS.items():
        size = _header(archive.block(), name, limit)
        if name == BUNDLE:
            manifest = read_manifest(texts["manifest.json"], size)
            ready(manifest)
            _bundle(archive, size, manifest.sha256, sink)
        else:
            out = bytearray()
            archive.exactly(size, out.extend)
            texts[name] = bytes(out)
        archive.exactly(-size % BLOCK, _zeros)
    for _ in range(2):
        if archive.block().strip(b"\0"):
            raise PackageRefused("There are more files in the archive than belong there.")
    archive.finish()
    assert manifest is not None  # noqa: S101 - LIMITS has the bundle
    return manifest, texts["CHANGES.txt"].decode("utf-8", "replace")


def _zeros(piece: bytes) -> None:
    if piece.strip(b"\0"):
        raise PackageRefused("The archive in the file is damaged.")


def _bundle(archive: Inflated, size: int, sha256: str, sink: Callable[[bytes], object]) -> None:
    digest = hashlib.sha256()

    def take(piece: bytes) -> None:
        digest.update(piece)
        sink(piece)

    archive.exactly(size, take)
    if digest.hexdigest() != sha256:
        raise PackageRefused(f"{BUNDLE} is not the file that the manifest describes; it was damaged on its way.")


def _header(block: bytes, name: str, limit: int) -> int:
    """Size of the member that a header announces; it must be the file `name`. Raises PackageRefused."""
    if not block.strip(b"\0"):
        raise PackageRefused(f"{name} is missing in the archive.")
    told, end = block[148:156].strip(b" \0"), block[257:265]
    if end != b"ustar\x0000" or not told or not set(told) <= set(b"01234567"):
        raise PackageRefused("The archive in the file is not of the form ustar.")
    if int(told, 8) != sum(block) - sum(block[148:156]) + 8 * ord(" "):
        raise PackageRefused("The archive in the file is damaged: a header does not add up.")
    called = block[:100].split(b"\0", 1)[0]
    kind = block[156:157]
    shown = called.decode("ascii", "backslashreplace")[:80]
    if kind not in (b"0", b"\0"):
        raise PackageRefused(
            f"{shown!r} in the archive is {TYPES.get(kind, 'no regular file')}; only files belong there."
        )
    if called != name.encode() or block[345:500].strip(b"\0") or block[157:257].strip(b"\0"):
        raise PackageRefused(f"{shown!r} stands in the archive where {name} belongs.")
    digits = block[124:136].rstrip(b" \0")
    if not digits or not set(digits) <= set(b"01234567"):
        raise PackageRefused(f"The size of {name} in the archive cannot be read.")
    size = int(digits, 8)
    if size > limit:
        raise PackageRefused(f"{name} claims to have {size} bytes; more than {limit} are not taken.")
    if not size:
        raise PackageRefused(f"{name} in the archive is empty.")
    return size


def read_manifest(content: bytes, size: int) -> Manifest:
    """The manifest of a package whose bundle has `size` bytes. Raises PackageRefused."""
    try:
        said = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        raise PackageRefused("manifest.json cannot be read.") from None
    if not isinstance(said, dict) or said.get("product") != PRODUCT:
        raise PackageRefused(f"The package is not for {PRODUCT}.")
    compatible = said.get("compatible")
    if not isinstance(compatible, list) or not all(isinstance(each, str) for each in compatible):
        raise PackageRefused("manifest.json: compatible is not a list of names.")
    manifest = Manifest(
        _text(said, "version", 100),
        tuple(compatible[:100]),
        _text(said, "min_version", 100, usual=""),
        _text(said, "notes", 4000, usual=""),
        _text(said, "sha256", 64),
        size,
    )
    try:
        for each in filter(None, (manifest.version, manifest.min_version)):
            version(each)
    except BadVersion as error:
        raise PackageRefused(f"manifest.json: {error}.") from None
    if said.get("size") != size:
        raise PackageRefused("manifest.json says another size than the archive.")
    return manifest


def _text(said: dict[str, Any], name: str, limit: int, usual: str | None = None) -> str:
    value = said.get(name, usual)
    if (
        not isinstance(value, str)
        or len(value) > limit
        or not all(each.isprintable() or each == "\n" for each in value)
    ):
        raise PackageRefused(f"manifest.json: {name} is missing or is no text that fits.")
    return value
