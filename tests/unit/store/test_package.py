"""The unpacker of update files: what belongs in them is taken, everything else is refused with its reason, and nothing grows."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
import tracemalloc
import zlib

import pytest
from firmware_samples import archive, entry, members, packed
from hypothesis import given
from hypothesis import strategies as st
from istars.store import package
from istars.store.package import PackageRefused, unpack

GOOD = members(b"x" * 2000)


def take(content: bytes) -> tuple[package.Manifest, str, bytes]:
    """Manifest, changes and bundle of a package."""
    out: list[bytes] = []
    manifest, changes = unpack(io.BytesIO(content), out.append, lambda _manifest: None)
    return manifest, changes, b"".join(out)


def refused(content: bytes) -> str:
    """Why a package is refused."""
    with pytest.raises(PackageRefused) as caught:
        take(content)
    return str(caught.value)


def test_a_package_gives_its_manifest_its_bundle_and_its_changes() -> None:
    manifest, changes, bundle = take(packed(*GOOD))
    assert (manifest.version, manifest.compatible, manifest.size) == ("0.2.0", ("istars-nv",), 2000)
    assert bundle == b"x" * 2000
    assert changes == "Faster.\n"


def test_the_manifest_is_known_before_the_first_byte_of_the_bundle() -> None:
    seen: list[str] = []
    unpack(
        io.BytesIO(packed(*GOOD)), lambda _piece: seen.append("bundle"), lambda manifest: seen.append(manifest.version)
    )
    assert seen == ["0.2.0", "bundle"]


@given(st.binary(min_size=1, max_size=5000), st.integers(1, 700))
def test_it_does_not_matter_in_which_pieces_it_comes_in(bundle: bytes, piece: int) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or piece, piece))

    out: list[bytes] = []
    unpack(Slow(packed(*members(bundle))), out.append, lambda _manifest: None)
    assert b"".join(out) == bundle


@given(st.data())
def test_what_is_cut_off_anywhere_is_refused(data: st.DataObject) -> None:
    whole = packed(*GOOD)
    assert refused(whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.data())
def test_a_changed_byte_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    whole = bytearray(packed(*GOOD))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        manifest, changes, bundle = take(bytes(whole))
    except PackageRefused:
        return
    # the head of gzip holds a time and a system, which say nothing
    assert (manifest.version, changes, bundle) == ("0.2.0", "Faster.\n", b"x" * 2000)


@given(st.binary(max_size=3000))
def test_whatever_else_comes_is_refused_and_never_a_failure(content: bytes) -> None:
    assert refused(content)
    assert refused(gzip.compress(content))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.FIFOTYPE, "a pipe"),
        (tarfile.CONTTYPE, "a contiguous file"),
        (tarfile.XHDTYPE, "an extended header"),
        (tarfile.XGLTYPE, "an extended header"),
        (tarfile.GNUTYPE_LONGNAME, "a long name"),
        (tarfile.GNUTYPE_LONGLINK, "a long link"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (b"Z", "no regular file"),
    ],
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_only_files_belong_in_it(kind: bytes, words: str, place: int) -> None:
    name = GOOD[place][0]
    assert words in refused(packed(*GOOD[:place], entry(name, kind=kind, link="/etc/passwd")))


@pytest.mark.parametrize(
    "name",
    ["../iStars.raucb", "/iStars.raucb", "./iStars.raucb", "a/iStars.raucb", "istars.raucb", "iStars.raucb ", "x"],
)
def test_other_names_are_refused(name: str) -> None:
    assert "where iStars.raucb belongs" in refused(packed(GOOD[0], (name, GOOD[1][1]), GOOD[2]))


def test_a_name_behind_a_prefix_is_refused() -> None:
    header = bytearray(entry("iStars.raucb", 6).tobuf(tarfile.USTAR_FORMAT))
    header[345:347] = b".."
    assert "where iStars.raucb belongs" in refused(packed(GOOD[0], summed(header), b"bundle" + bytes(506)))


def summed(header: bytearray) -> bytes:
    """A header with the sum that belongs to it."""
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def test_order_and_number_of_the_files_are_fixed() -> None:
    assert "where manifest.json belongs" in refused(packed(GOOD[1], GOOD[0], GOOD[2]))
    assert "CHANGES.txt is missing" in refused(packed(*GOOD[:2]))
    assert "more files" in refused(packed(*GOOD, ("extra", b"x")))
    assert "more files" in refused(packed(*GOOD, GOOD[1]))


@pytest.mark.parametrize("size", [package.LIMITS["iStars.raucb"] + 1, 10 * 2**30, 8**11 - 1])
def test_a_size_beyond_the_limit_is_refused_before_anything_is_written(size: int) -> None:
    header = bytearray(entry("iStars.raucb").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"%012o" % size
    out: list[bytes] = []
    with pytest.raises(PackageRefused, match=f"claims to have {size} bytes"):
        unpack(io.BytesIO(packed(GOOD[0], summed(header))), out.append, lambda _manifest: None)
    assert out == []


def test_sizes_that_are_no_octal_number_are_refused() -> None:
    for told in (b"\x80" + bytes(10) + b"\xff", b"-0000000001\0", b"0x000000010\0", bytes(12)):
        header = bytearray(entry("manifest.json").tobuf(tarfile.USTAR_FORMAT))
        header[124:136] = told
        assert "cannot be read" in refused(packed(summed(header)))


@pytest.mark.parametrize("size", [5, 7])
def test_a_manifest_that_lies_about_the_size_is_refused(size: int) -> None:
    assert "another size" in refused(packed(*members(b"bundle", size=size)))


def test_a_bundle_that_is_not_the_one_of_the_manifest_is_refused() -> None:
    assert "damaged on its way" in refused(packed(*members(b"bundle", sha256="0" * 64)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"product": "other"}, "not for iStars"),
        ({"product": None}, "not for iStars"),
        ({"version": "new"}, "is not a version"),
        ({"version": 2}, "version is missing"),
        ({"min_version": "1"}, "is not a version"),
        ({"compatible": "istars-nv"}, "compatible is not a list"),
        ({"compatible": [1]}, "compatible is not a list"),
        ({"notes": "\x1b[2J"}, "notes is missing or"),
        ({"notes": "x" * 4001}, "notes is missing or"),
        ({"sha256": None}, "sha256 is missing"),
    ],
)
def test_a_manifest_of_another_shape_is_refused(change: dict[str, object], words: str) -> None:
    assert words in refused(packed(*members(b"bundle", **change)))


def test_a_manifest_that_is_no_json_is_refused() -> None:
    for content in (b"{", b"\xff", b"[" * 16_000, b"[]"):
        assert refused(packed(("manifest.json", content), *GOOD[1:]))


def test_what_stands_behind_the_end_is_refused() -> None:
    whole = packed(*GOOD)
    assert "behind the end of the file" in refused(whole + b"x")
    assert "behind the end of the file" in refused(whole + whole)
    assert "behind the end of the archive" in refused(gzip.compress(archive(*GOOD) + b"x"))
    assert "behind the end of the archive" in refused(gzip.compress(archive(*GOOD) + bytes(2**20)))


def test_other_archives_are_refused() -> None:
    assert "not of the form ustar" in refused(gzip.compress(archive(*GOOD, form=tarfile.GNU_FORMAT)))
    assert "not a package" in refused(archive(*GOOD))
    assert "not a package" in refused(b"PK\x03\x04" + bytes(100))
    assert "empty" in refused(b"")


def test_a_wrong_sum_of_a_header_is_refused() -> None:
    header = bytearray(entry("manifest.json", 5).tobuf(tarfile.USTAR_FORMAT))
    header[100] ^= 1
    assert "does not add up" in refused(packed(bytes(header)))


def test_what_unfolds_without_end_takes_no_memory() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    header = entry("iStars.raucb", package.LIMITS["iStars.raucb"]).tobuf(tarfile.USTAR_FORMAT)
    size = package.LIMITS["iStars.raucb"]
    start = archive(("manifest.json", members(b"x" * 3, size=size)[0][1]))[:-1024] + header
    content = squeeze.compress(start) + b"".join(squeeze.compress(bytes(2**20)) for _ in range(80)) + squeeze.flush()
    assert len(content) < 200_000
    tracemalloc.start()
    try:
        with pytest.raises(PackageRefused, match="damaged on its way"):
            unpack(io.BytesIO(content), lambda _piece: None, lambda _manifest: None)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 2**20


def test_more_than_a_package_may_have_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "PACKAGE_LIMIT", 1_000)
    noise = struct.pack("<1000I", *(number * 2654435761 % 2**32 for number in range(1000)))
    assert "larger than" in refused(packed(*members(noise)))
