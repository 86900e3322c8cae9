"""The configuration of `genimage` for the card's medium, from the partition table: `genimage.py partitions.json [--uboot FILE]`.

The boot ROM of i.MX reads the boot loader at 1 KiB, where GPT usually has its list of partitions: the list is moved behind the
boot loader, and the first partition begins at FIRST_MIB (boards/common/uboot.fragment knows it as CONFIG_ENV_OFFSET).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

FIRST_MIB = 4
TABLE_MIB = 3
LOADER_KIB = 1
DATA_MIB = 512
"""Size of `data`: room for records and a firmware package, on a medium of 2 GB and more."""

CONTENT = {
    "env": "env.bin",
    "env-red": "env.bin",
    "boot-a": "boot.itb",
    "boot-b": "boot.itb",
    "rootfs-a": "rootfs.squashfs",
    "rootfs-b": "rootfs.squashfs",
    "data": "data.ext4",
}


def offsets(table: dict[str, list[dict[str, object]]]) -> dict[str, tuple[int, int]]:
    """Partition to where it begins and how long it is, MiB; the last one is as long as in the image."""
    found, at = {}, FIRST_MIB
    for entry in table["partitions"]:
        size = int(str(entry["mib"])) or DATA_MIB
        found[str(entry["name"])] = (at, size)
        at += size
    return found


def uuid(number: int) -> str:
    """The same identifier on every medium: the kernel and RAUC go by labels, and two cards are never in one machine."""
    return f"6f1c3f0a-0c52-4d8e-9b1e-15da7a0001{number:02x}"


def config(table: dict[str, list[dict[str, object]]], uboot: str) -> str:
    """The text of the configuration."""
    lines = ["image sdcard.img {", "\thdimage {", '\t\tpartition-table-type = "gpt"']
    lines += [f"\t\tgpt-location = {TABLE_MIB}M", f'\t\tdisk-uuid = "{uuid(0)}"', "\t}"]
    if uboot:
        room = TABLE_MIB * 1024 - LOADER_KIB
        lines += ["\tpartition u-boot {", '\t\tin-partition-table = "no"', f'\t\timage = "{uboot}"']
        lines += [f"\t\toffset = {LOADER_KIB}K", f"\t\tsize = {room}K", "\t}"]
    for number, (name, (at, size)) in enumerate(offsets(table).items(), 1):
        lines += [f"\tpartition {name} {{", f'\t\timage = "{CONTENT[name]}"', '\t\tpartition-type-uuid = "L"']
        lines += [f'\t\tpartition-uuid = "{uuid(number)}"', f"\t\toffset = {at}M", f"\t\tsize = {size}M", "\t}"]
    return "\n".join([*lines, "}"]) + "\n"


def main() -> None:
    """Print the configuration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("table", type=Path)
    parser.add_argument("--uboot", default="", help="boot loader as the boot ROM reads it")
    parser.add_argument("--data-mib", action="store_true", help="print the size of the partition `data` instead")
    options = parser.parse_args()
    if options.data_mib:
        print(DATA_MIB)
        return
    print(config(json.loads(options.table.read_text(encoding="utf-8")), options.uboot), end="")


if __name__ == "__main__":
    main()
