"""Packages that a card must not take: each is refused with its reason, and nothing is written to a slot."""

from __future__ import annotations

import dataclasses
import gzip
import io
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import until
from firmware_samples import archive, entry, manifest, packed, spoiled
from guest import Guest, written
from packages import TREE, Factory
from pages import Owner

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
    out = io.BytesIO()
    big = entry("iStars.raucb")
    big.size = 10 * 2**30 - 2**31  # the largest that fits the eleven digits of the header is 8 GiB
    out.write(archive(("manifest.json", manifest(b"bundle")))[:-1024])
    out.write(big.tobuf(tarfile.USTAR_FORMAT))
    return gzip.compress(out.getvalue() + b"short")


PACKAGES = {
    "corrupt": Bad(corrupt, "damaged"),
    "signed by somebody else": Bad(signed_by_somebody_else, "signature"),
    "for another board": Bad(for_another_board, "another-card"),
    "truncated": Bad(truncated, ""),
    "climbing out of its folder": Bad(climbing, ""),
    "with a link": Bad(with_a_link, ""),
    "saying that it has ten gigabytes": Bad(ten_gigabytes, ""),
}


@pytest.fixture(scope="module")
def card(first_start: tuple[Guest, Path]) -> Iterator[Guest]:
    """The card as it was after its first start."""
    guest, kept = first_start
    guest.resume(kept)
    yield guest
    guest.power_off()


@pytest.fixture(scope="module")
def owner(card: Guest) -> Owner:
    made = Owner(card.url)
    made.sign_in()
    return made


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_refused(name: str, owner: Owner, factory: Factory) -> None:
    bad = PACKAGES[name]
    status, said = owner.bring(bad.make(factory))
    if status == 200:
        found = until(owner.settled, "the package is checked")
        assert found["state"] == "failed", found
        reason = found["reason"]
    else:
        assert status in (400, 413, 422), said
        reason = str(said)
    assert bad.reason in reason
    assert reason
    refused, _ = owner.ask("/api/v1/firmware/install", b"{}", "POST", "application/json")
    assert refused == 409


def test_none_of_them_was_written_to_a_slot(owner: Owner, card: Guest) -> None:
    now = owner.firmware()
    assert (now["slot"], now["confirmed"]) == ("A", True)
    card.monitor("stop")
    medium = card.save()
    places = card.image.partitions()
    assert [name for name in SLOTS if written(medium, *places[name])] == []
    assert written(medium, *places["data"]), "the look at the medium sees nothing at all"
