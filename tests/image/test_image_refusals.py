"""Packages that a card must not take: each is refused with its reason, and nothing is written to a slot."""

from __future__ import annotations

import dataclasses
import gzip
import subprocess
import tarfile
from collections.abc import Callable

import pytest
from firmware_samples import archive, entry, manifest, packed, spoiled
from guest import Guest, content, written
from packages import TREE, Factory
from pages import Owner
from stories import signed_in

SLOTS = ("boot-a", "boot-b", "rootfs-a", "rootfs-b")


@dataclasses.dataclass(frozen=True)
class Bad:
    """A package that is refused: how it is made, and a word of the reason."""

    make: Callable[[Factory], bytes]
    reason: str


def corrupt(factory: Factory) -> bytes:
    bad = spoiled(factory.bundle("0.2.0"))
    return factory.packed(bad, "0.2.0", factory.image.compatible).read_bytes()


def signed_by_somebody_else(factory: Factory) -> bytes:
    keys = factory.folder / "strangers"
    subprocess.run(["sh", TREE / "scripts/make-dev-ca.sh", keys], check=True, capture_output=True)
    return factory.package("0.2.0", keys=keys).read_bytes()


def for_another_board(factory: Factory) -> bytes:
    return factory.package("0.2.0", compatible="another-card").read_bytes()


def truncated(factory: Factory) -> bytes:
    whole = factory.package("0.2.0").read_bytes()
    return whole[: len(whole) // 2]


def climbing(_factory: Factory) -> bytes:
    bundle = b"bundle"
    return packed(("manifest.json", manifest(bundle)), ("../../../etc/passwd", bundle))


def with_a_link(_factory: Factory) -> bytes:
    return packed(
        ("manifest.json", manifest(b"bundle")),
        entry("iStars.raucb", kind=tarfile.SYMTYPE, link="/dev/disk/by-partlabel/rootfs-b"),
    )


def ten_gigabytes(_factory: Factory) -> bytes:
    """Manifest and header agree that the bundle has ten gigabytes; `tarfile` itself writes no such header."""
    told = 10 * 2**30
    header = bytearray(entry("iStars.raucb").tobuf(tarfile.USTAR_FORMAT))
    header[124:136] = b"%012o" % told
    header[148:156] = b"%06o\0 " % (sum(header) - sum(header[148:156]) + 8 * ord(" "))
    return gzip.compress(archive(("manifest.json", manifest(b"bundle", size=told)))[:-1024] + header + b"short")


PACKAGES = {
    "corrupt": Bad(corrupt, "not what was signed"),
    "signed by somebody else": Bad(signed_by_somebody_else, "signature"),
    "for another board": Bad(for_another_board, "another-card"),
    "truncated": Bad(truncated, "its end is missing"),
    "climbing out of its folder": Bad(climbing, "'../../../etc/passwd' stands"),
    "with a link": Bad(with_a_link, "a symbolic link"),
    "saying that it has ten gigabytes": Bad(ten_gigabytes, "10737418240 bytes"),
}


@pytest.fixture(scope="module")
def owner(first_card: Guest) -> Owner:
    return signed_in(first_card)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_refused(name: str, first_card: Guest, owner: Owner, factory: Factory) -> None:
    bad = PACKAGES[name]
    status, said = owner.bring(bad.make(factory))
    if status == 200:
        found = first_card.until(owner.settled, "the package is checked")
        assert found["state"] == "failed", found
        reason = found["reason"]
    else:
        assert status in (400, 413, 422), said
        reason = str(said)
    assert bad.reason in reason
    assert reason
    refused, _ = owner.ask("/api/v1/firmware/install", b"{}", "POST", "application/json")
    assert refused == 409


def test_none_of_them_was_written_to_a_slot(owner: Owner, first_card: Guest) -> None:
    now = owner.firmware()
    assert (now["slot"], now["confirmed"]) == ("A", True)
    # in order, so that everything that the card has written is in the file
    first_card.leave()
    places = first_card.image.partitions()
    assert [name for name in SLOTS if written(first_card.medium, *places[name])] == []
    assert written(first_card.medium, *places["data"]), "the look at the medium sees nothing at all"
    for name in SLOTS:
        start, size = places[name]
        assert content(first_card.medium, start, size) == content(first_card.image.disk, start, size), name
