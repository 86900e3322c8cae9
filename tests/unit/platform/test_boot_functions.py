"""rootfs/usr/lib/istars/functions with a shell of this machine: which partition is which, on a card with two media."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

FUNCTIONS = Path(__file__).parents[3] / "rootfs/usr/lib/istars/functions"
MEDIA = {
    "loop0": "",
    "mmcblk0": "",
    "mmcblk0p1": "env",
    "mmcblk0p2": "rootfs-a",
    "mmcblk0p3": "data",
    "mmcblk1": "",
    "mmcblk1p1": "rootfs-a",
    "mmcblk1p2": "data",
    "mmcblk1p3": "pictures of the holidays",
}
"""Name of the device to the label of its partition: of the card, and of an SD card that was left in its slot."""


@pytest.fixture
def shell(tmp_path: Path) -> str:
    """The functions, with the files of the machine in a folder."""
    for name, label in MEDIA.items():
        folder = tmp_path / "sys/class/block" / name
        folder.mkdir(parents=True)
        text = f"MAJOR=179\nMINOR=1\nDEVNAME={name}\nDEVTYPE=partition\n"
        (folder / "uevent").write_text(text + (f"PARTNAME={label}\n" if label else ""), encoding="ascii")
    text = FUNCTIONS.read_text(encoding="utf-8")
    return text.replace("/sys/class", f"{tmp_path}/sys/class").replace("/dev/disk", f"{tmp_path}/dev/disk")


def run(text: str) -> tuple[int, str]:
    """Status and output of a shell script."""
    done = subprocess.run(["sh", "-eu"], input=text, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize(("label", "device"), [("data", "/dev/mmcblk0p3"), ("env", "/dev/mmcblk0p1")])
def test_a_partition_is_found_by_its_label(shell: str, label: str, device: str) -> None:
    assert run(f"{shell}partition {label}") == (0, f"{device}\n")


@pytest.mark.parametrize("label", ["dat", "data2", "nothing"])
def test_a_label_that_no_partition_has_is_not_found(shell: str, label: str) -> None:
    assert run(f"{shell}partition {label} || echo none") == (0, "none\n")


def test_the_medium_of_the_card_gets_the_names_however_often_they_are_given(shell: str, tmp_path: Path) -> None:
    run(f"{shell}name_partitions; name_partitions")
    named = {link.name: str(link.readlink()) for link in (tmp_path / "dev/disk/by-partlabel").iterdir()}
    assert named == {
        "env": "/dev/mmcblk0p1",
        "rootfs-a": "/dev/mmcblk0p2",
        "data": "/dev/mmcblk0p3",
        "pictures of the holidays": "/dev/mmcblk1p3",
    }


def test_giving_names_changes_nothing_of_the_script_that_asks(shell: str) -> None:
    """`init-istars` repairs and mounts what stands in `device`: never another medium."""
    said = run(f"{shell}device=$(partition data); label=mine; name_partitions; echo $device $label")
    assert said == (0, "/dev/mmcblk0p3 mine\n")
