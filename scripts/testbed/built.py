"""`image.json` of an image that Buildroot has built for QEMU: `python -m testbed.built IMAGES FOLDER`.

IMAGES has `rootfs.squashfs`, `boot.itb`, kernel and device tree (CARD=istars_qemu); FOLDER is for the medium, which has the boot
loader of Debian with its script in a partition of its own, as the test bed has: `make test-image IMAGE=FOLDER/image.json` drives
both alike.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from testbed.image import ARGUMENTS, DATA_MIB, KEYS, LOADER_MIB, assemble, boot_script, environment, version
from testbed.parts import TREE, run

BOARD = TREE / "buildroot-external" / "boards" / "qemu-imx6ul" / "board.json"
KERNEL, DTB = "zImage", "imx6ul-istars-qemu.dtb"
"""For QEMU's i.MX6UL, which has no boot loader here; the kernel is the one that is in `boot.itb`."""


def main() -> int:
    """Put the medium together."""
    images, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    slots = {
        f"{name}-{slot}": images / file
        for name, file in (("boot", "boot.itb"), ("rootfs", "rootfs.squashfs"))
        for slot in "ab"
    }
    with tempfile.TemporaryDirectory(dir=out) as name:
        folder = Path(name)
        (folder / "loader").mkdir()
        boot_script(folder / "loader")
        run("mke2fs", "-q", "-t", "ext4", "-d", folder / "loader", folder / "loader.ext4", f"{LOADER_MIB}M")
        run("mke2fs", "-q", "-t", "ext4", "-L", "data", folder / "data.ext4", f"{DATA_MIB}M")
        made = environment(folder)
        loader, data = folder / "loader.ext4", folder / "data.ext4"
        assemble(out / "disk.img", {"loader": loader, "env": made, "env-red": made, **slots, "data": data})
    for file in ("rootfs.squashfs", "boot.itb", KERNEL, DTB):
        shutil.copy(images / file, out)
    said = {
        "disk": str(out / "disk.img"),
        "rootfs": str(out / "rootfs.squashfs"),
        "boot": str(out / "boot.itb"),
        "keys": str(KEYS),
        "compatible": json.loads(BOARD.read_text(encoding="utf-8"))["compatible"],
        "version": version(),
        "bootloader": True,
        "arguments": list(ARGUMENTS),
        "board": {"kernel": str(out / KERNEL), "dtb": str(out / DTB)},
    }
    (out / "image.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    print(out / "image.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
