"""The test bed's image from its parts: root file system, boot image, disk, and packages that update it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from testbed.base import base, compiled, kernel, site
from testbed.parts import CACHE, HERE, TREE, digest, made, run

SECTOR = 512
FIRST_MIB = 1
DATA_MIB = 512
LOADER_MIB = 4
COMPATIBLE = "istars-testbed"
TRIAL = {"healthy_s": 6, "deadline_s": 300}
"""Seconds; the first is shorter than on a card, so that a test sees firmware being kept."""
CONSOLE = "ttyAMA0"
UBOOT = "/usr/lib/u-boot/qemu_arm/u-boot.bin"
ARGUMENTS = (
    "-M", "virt,highmem=off", "-cpu", "cortex-a7", "-m", "256", "-bios", UBOOT,
    "-drive", "if=none,id=medium,format=qcow2,file={disk}", "-device", "virtio-blk-device,drive=medium",
    "-netdev", "user,id=lan,{forward}", "-device", "virtio-net-device,netdev=lan", "-device", "virtio-rng-device",
    "-device", "pci-serial,chardev=ups",
)  # fmt: skip
"""Of `qemu-system-arm`; {disk} and {forward} are put in by whoever starts it."""
OVERLAY = TREE / "rootfs"
USERS = TREE / "buildroot-external" / "boards" / "common" / "users.txt"
TABLE = json.loads((TREE / "firmware" / "partitions.json").read_text(encoding="utf-8"))
KEYS = TREE / "build" / "keys"


def version() -> str:
    """That of the app."""
    found = re.search(
        r'^version = "(.+)"$', (TREE / "app" / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE
    )
    return found[1] if found else sys.exit("testbed: app/pyproject.toml has no version")


def keys() -> Path:
    """The folder of the development keys, made at the first use."""
    run(TREE / "scripts" / "make-dev-ca.sh", KEYS)
    return KEYS


def accounts(root: Path) -> None:
    """The accounts of Debian that cannot be done without, and those of the card."""
    master = root / "usr/share/base-passwd"
    passwd = (
        (master / "passwd.master").read_text(encoding="ascii").replace(":*:", ":x:").replace("/bin/bash", "/bin/sh")
    )
    group = (master / "group.master").read_text(encoding="ascii").replace(":*:", ":x:")
    passwd += "messagebus:x:100:101::/run/dbus:/bin/false\n"
    group += "messagebus:x:101:\n"
    for line in USERS.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            name, uid, own, gid, _, home, shell, more, *remark = line.split()
            home, shell = "/" if home == "-" else home, "/bin/false" if shell == "-" else shell
            passwd += f"{name}:x:{uid}:{gid}:{' '.join(remark)}:{home}:{shell}\n"
            if f"\n{own}:" not in group:
                group += f"{own}:x:{gid}:\n"
            for each in [] if more == "-" else more.split(","):
                head, found, tail = group.partition(f"\n{each}:x:")
                number, _, rest = tail.partition("\n")
                group = f"{head}{found}{number}{'' if number.endswith(':') else ','}{name}\n{rest}"
    for name in ("passwd", "group", "shadow"):
        (root / "etc" / name).unlink(missing_ok=True)
    shadow = "".join(f"{line.split(':')[0]}:*:20000:0:99999:7:::\n" for line in passwd.splitlines())
    (root / "etc/passwd").write_text(passwd, encoding="ascii")
    (root / "etc/group").write_text(group, encoding="ascii")
    (root / "etc/shadow").write_text(shadow, encoding="ascii")
    (root / "etc/shadow").chmod(0o600)


def tree(root: Path) -> None:
    """Put the root file system together in `root`, from links to the cached parts."""
    parts = base()
    run("cp", "-al", parts / "root", root)
    packages = root / "usr/lib/python3/dist-packages"
    run("cp", "-al", f"{site()}/.", packages)
    for folder in (kernel(parts / "debs") / "modules", OVERLAY):
        # tar goes through links such as /sbin, and replaces a file instead of writing into one that the cache shares
        run(
            "sh",
            "-c",
            'tar -C "$1" -cf - . | tar -C "$2" --keep-directory-symlink --no-same-owner -xf -',
            "copy",
            folder,
            root,
        )
    app = packages / "istars"
    shutil.copytree(TREE / "app" / "istars", app, ignore=shutil.ignore_patterns("__pycache__"))
    board = {"board": "testbed", "compatible": COMPATIBLE, "link": "/dev/ttyS0", "trial": TRIAL}
    name, number = "iStars", version()
    rauc = (TREE / "firmware" / "system.conf.in").read_text(encoding="utf-8")
    texts = {
        "etc/istars/board.json": json.dumps(board, indent=2) + "\n",
        "etc/os-release": f"NAME={name}\nID=istars\nVERSION_ID={number}\nVARIANT_ID=testbed\n"
        f'PRETTY_NAME="{name} {number} (test bed)"\n',
        "etc/rauc/system.conf": rauc.replace("@COMPATIBLE@", COMPATIBLE),
        "etc/rauc/keyring.pem": (keys() / "dev-ca.pem").read_text(encoding="ascii"),
        "etc/inittab": (OVERLAY / "etc/inittab").read_text(encoding="utf-8") + "::respawn:/usr/lib/istars/rauc-service\n",
        "usr/lib/istars/rauc-service": (HERE / "rauc-service").read_text(encoding="utf-8"),
        "etc/hostname": "istars\n",
        "usr/bin/istars": "#!/usr/bin/python3\nimport sys\n\nfrom istars.__main__ import main\n\nsys.exit(main())\n",
    }  # fmt: skip
    for path, text in texts.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755 if text.startswith("#!") else 0o644)
    accounts(root)
    for folder in ("data", "proc", "sys", "dev", "run", "tmp", "root", "mnt"):
        (root / folder).mkdir(exist_ok=True)
    compiled(app, "/usr/lib/python3/dist-packages/istars")


def rootfs() -> Path:
    """The root file system as squashfs."""

    def make(folder: Path) -> None:
        tree(folder / "root")
        run("mksquashfs", folder / "root", folder / "rootfs.squashfs", "-noappend", "-no-progress", "-no-xattrs", "-all-root",
            "-comp", "zstd",
            "-Xcompression-level", "3")  # fmt: skip
        shutil.rmtree(folder / "root")

    inputs = (version(), OVERLAY, TREE / "app" / "istars", USERS, TREE / "firmware", *parts_key())
    return made("rootfs", digest(*inputs), make, keep=2) / "rootfs.squashfs"


def parts_key() -> tuple[str, ...]:
    """Names of the parts that everything is made of."""
    parts = base()
    return parts.name, site().name, kernel(parts / "debs").name, digest(HERE, keys() / "dev-ca.pem")


def boot_image() -> Path:
    """Kernel and initramfs, with the hashes by which U-Boot knows that they are whole."""

    def make(folder: Path) -> None:
        for path in (HERE / "fit.its", *(kernel(base() / "debs") / name for name in ("vmlinuz", "initrd"))):
            shutil.copy(path, folder)
        run("mkimage", "-f", "fit.its", "boot.itb", cwd=folder, env={**os.environ, "SOURCE_DATE_EPOCH": "0"})
        for name in ("fit.its", "vmlinuz", "initrd"):
            (folder / name).unlink()

    return made("boot", digest(*parts_key()), make) / "boot.itb"


def boot_script(folder: Path) -> Path:
    """boot.scr of the test bed: its own steps around the choice of the slot that every card has."""
    size = int(TABLE["environment"]["size"])
    text = (HERE / "boot.cmd").read_text(encoding="utf-8")
    words = {"text": f"{size - 5:x}", "whole": f"{size - 1:x}", "blocks": f"{size // SECTOR:x}", "console": CONSOLE,
             "select": (TREE / "firmware" / "uboot" / "select.cmd").read_text(encoding="utf-8")}  # fmt: skip
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    source = folder / "boot.cmd"
    source.write_text(text, encoding="utf-8")
    run("mkimage", "-A", "arm", "-T", "script", "-C", "none", "-d", source, folder / "boot.scr")
    return folder / "boot.scr"


def environment(folder: Path) -> Path:
    """U-Boot's environment as it leaves the factory; both copies are the same."""
    out = folder / "env.bin"
    subprocess.run(["mkenvimage", "-r", "-s", hex(int(TABLE["environment"]["size"])), "-o", out, "-"], check=True,
                   input=b"BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=3\n")  # fmt: skip
    return out


def disk() -> Path:
    """The medium as it leaves the factory: both slots filled, the data partition empty."""

    def make(folder: Path) -> None:
        root, boot, env = rootfs(), boot_image(), environment(folder)
        loader, data = folder / "loader.ext4", folder / "data.ext4"
        (folder / "loader").mkdir()
        boot_script(folder / "loader")
        run("mke2fs", "-q", "-t", "ext4", "-d", folder / "loader", loader, f"{LOADER_MIB}M")
        run("mke2fs", "-q", "-t", "ext4", "-L", "data", data, f"{DATA_MIB}M")
        contents = {
            "loader": loader,
            "env": env,
            "env-red": env,
            "boot-a": boot,
            "boot-b": boot,
            "rootfs-a": root,
            "rootfs-b": root,
            "data": data,
        }
        assemble(folder / "disk.img", contents)
        shutil.rmtree(folder / "loader")
        for path in (loader, data, env):
            path.unlink()

    return made("disk", digest(rootfs().parent.name, boot_image().parent.name, *parts_key()), make, keep=2) / "disk.img"


def assemble(path: Path, contents: Mapping[str, Path]) -> None:
    """A disk with a GPT, the partitions of firmware/partitions.json behind that of the boot loader, and what is in them."""
    partitions = [("loader", LOADER_MIB), *((each["name"], each["mib"] or DATA_MIB) for each in TABLE["partitions"])]
    lines, at, starts = ["label: gpt", "unit: sectors"], FIRST_MIB, {}
    for name, mib in partitions:
        more = ", attrs=LegacyBIOSBootable" if name == "loader" else ""
        lines.append(f'start={at * 2048}, size={mib * 2048}, name="{name}"{more}')
        starts[name] = at * 2**20
        at += mib
    with path.open("wb") as out:
        out.truncate((at + 1) * 2**20)
    subprocess.run(["sfdisk", "--quiet", path], input="\n".join(lines).encode(), check=True, stdout=subprocess.DEVNULL)
    for name, source in contents.items():
        run(
            "dd",
            f"if={source}",
            f"of={path}",
            "bs=1M",
            f"seek={starts[name] // 2**20}",
            "conv=notrunc,sparse",
            "status=none",
        )


def describe() -> Path:
    """`image.json`: everything that tests need to know of an image (tests/image/README.md)."""
    medium, boot = disk(), boot_image()
    said = {
        "disk": str(medium),
        "rootfs": str(rootfs()),
        "boot": str(boot),
        "keys": str(keys()),
        "compatible": COMPATIBLE,
        "version": version(),
        "bootloader": True,
        "arguments": list(ARGUMENTS),
        "board": {"kernel": str(kernel(base() / "debs") / "vmlinuz"), "initrd": str(kernel(base() / "debs") / "initrd"),
                  "dtb": str(kernel(base() / "debs") / "dtbs" / "imx6ul-14x14-evk.dtb")},
    }  # fmt: skip
    out = CACHE / "image.json"
    out.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    return out
