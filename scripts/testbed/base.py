"""What of the test bed comes from Debian and PyPI: root file system, kernel with drivers, initramfs, Python packages.

No package is configured: maintainer scripts of a foreign processor would run for minutes. What they would have done, as far as
the card needs it, is done here.
"""

from __future__ import annotations

import compileall
import os
import py_compile
import shutil
import sys
from pathlib import Path

from testbed.parts import HERE, TREE, digest, listed, made, run

SUITE = "bookworm"
"""Python 3.11, RAUC 1.8, kernel 6.1. Not newer: kernel 6.12 loses what arrives at the serial port of QEMU's i.MX6UL."""

BY_DEBIAN = ("pillow",)
"""Python packages with parts that are compiled: packages.txt has them, in the version of Debian."""


def apt_sources() -> str:
    """The archives of Debian that this machine uses, for the suite of the test bed. Raises SystemExit where it has none."""
    own = run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(COMPONENT)",
        "Created-By: Packages",
        "Origin: Debian",
    )
    lines = {f"deb {line}" for line in own.splitlines() if line.split()[1:] == [SUITE, "main"]}
    if not lines:
        raise SystemExit(f"apt of this machine knows no archive of Debian {SUITE}, of which the test bed is made")
    return "\n".join(sorted(lines))


def base() -> Path:
    """Folder with `root` (the packages, unpacked) and `debs` (kernel, static busybox)."""
    packages = listed(HERE / "packages.txt")
    sources = apt_sources()

    def make(folder: Path) -> None:
        (folder / "debs").mkdir()
        (folder / "sources.list").write_text(sources + "\n", encoding="utf-8")
        run("mmdebstrap", "-q", "--variant=extract", "--architectures=armhf", "--mode=root",
            "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", '--aptopt=Apt::Install-Recommends "false"',
            f"--include={','.join(packages)}", f"--extract-hook={HERE / 'fetch-kernel'}", SUITE, folder / "root",
            folder / "sources.list", env={**os.environ, "DEBS": str(folder / "debs")})  # fmt: skip
        prune(folder / "root")

    return made(
        "base",
        digest(*packages, SUITE, *listed(HERE / "dropped.txt"), sources, HERE / "fetch-kernel", Path(__file__)),
        make,
    )


def prune(root: Path) -> None:
    """Drop what no card has, and do what Debian's maintainer scripts would have done."""
    for path in listed(HERE / "dropped.txt"):
        target = root / path
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink(missing_ok=True)
    for name in ("var/run", "var/lock", "etc/resolv.conf", "etc/hostname"):
        target = root / name
        shutil.rmtree(target) if target.is_dir() and not target.is_symlink() else target.unlink(missing_ok=True)
    (root / "var/run").symlink_to("/run")
    (root / "var/lock").symlink_to("/run/lock")
    applets = run("qemu-arm-static", "-L", root, root / "usr/bin/busybox", "--list").split()
    for applet in applets:
        if not any(
            (root / folder / applet).is_symlink() or (root / folder / applet).exists()
            for folder in ("usr/bin", "usr/sbin")
        ):
            # what accounts other than root use, too
            (root / "usr/bin" / applet).symlink_to("busybox")
    for path, busybox in (("usr/bin/sh", "busybox"), ("usr/sbin/init", "../bin/busybox")):
        (root / path).unlink(missing_ok=True)
        (root / path).symlink_to(busybox)
    compiled(root / "usr/lib/python3.11", "/usr/lib/python3.11")
    compiled(root / "usr/lib/python3/dist-packages", "/usr/lib/python3/dist-packages")


def compiled(folder: Path, shown: str) -> None:
    """Compile Python: the root is read-only, and an import that compiles takes seconds there."""
    if sys.version_info[:2] == (3, 11):
        compileall.compile_dir(folder, quiet=2, stripdir=str(folder), prependdir=shown, workers=2,
                               invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)  # fmt: skip


def site() -> Path:
    """The card's Python packages in the versions of the card, but for those of `BY_DEBIAN`."""
    requirements = [
        line for line in listed(TREE / "app" / "requirements.txt") if line.partition("==")[0] not in BY_DEBIAN
    ]

    def make(folder: Path) -> None:
        run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--disable-pip-version-check",
            "--root-user-action=ignore", "--target", folder, *requirements)  # fmt: skip
        foreign = {path.relative_to(folder).parts[0] for path in folder.rglob("*.so")}
        # markupsafe works without its accelerator; of any other package we could not say so
        if foreign - {"markupsafe"}:
            sys.exit(f"testbed: {', '.join(sorted(foreign))} has a part that is compiled for this machine")
        for path in folder.rglob("*.so"):
            path.unlink()
        shutil.rmtree(folder / "bin", ignore_errors=True)
        compiled(folder, "/usr/lib/python3/dist-packages")

    return made("site", digest(*requirements, sys.version_info[:2]), make)


def kernel(debs: Path) -> Path:
    """Folder with `vmlinuz`, `initrd`, `dtbs`, and `modules` (lib/modules/VERSION with what modules.txt lists)."""

    def make(folder: Path) -> None:
        unpacked, busybox = folder / "deb", folder / "busybox"
        run("dpkg-deb", "-x", next(debs.glob("linux-image-*.deb")), unpacked)
        run("dpkg-deb", "-x", next(debs.glob("busybox-static*.deb")), busybox)
        image = next((unpacked / "boot").glob("vmlinuz-*"))
        version = image.name.removeprefix("vmlinuz-")
        shutil.copy(image, folder / "vmlinuz")
        (folder / "dtbs").mkdir()
        for dtb in (unpacked / "usr/lib" / f"linux-image-{version}").glob("imx6ul*-14x14-evk.dtb"):
            shutil.copy(dtb, folder / "dtbs")
        run("depmod", "-b", unpacked, version)
        order = copy_modules(unpacked, version, folder / "modules")
        initramfs(folder, busybox / "bin/busybox", order)
        run("depmod", "-b", folder / "modules", version)
        shutil.rmtree(unpacked)
        shutil.rmtree(busybox)

    return made(
        "kernel",
        digest(*sorted(path.name for path in debs.iterdir()), HERE / "modules.txt", HERE / "init", Path(__file__)),
        make,
    )


def copy_modules(unpacked: Path, version: str, target: Path) -> list[Path]:
    """Copy what is listed with what it depends on; answers those of the initramfs in the order of loading."""
    order: dict[Path, None] = {}
    for line in listed(HERE / "modules.txt"):
        when, name = line.split()
        said = run("modprobe", "-d", unpacked, "-S", version, "--show-depends", name)
        for each in said.splitlines():
            words = each.split()
            if words[0] != "insmod":
                continue
            source = Path(words[1])
            relative = source.relative_to(unpacked.resolve() if source.is_relative_to(unpacked.resolve()) else unpacked)
            copy = target / relative
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
            if when == "initramfs":
                order[copy] = None
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        shutil.copy(unpacked / "lib/modules" / version / name, target / "lib/modules" / version / name)
    boot = [line.split()[1] for line in listed(HERE / "modules.txt") if line.startswith("boot ")]
    (target / "etc").mkdir()
    (target / "etc/modules").write_text("\n".join(boot) + "\n", encoding="ascii")
    return list(order)


def initramfs(folder: Path, busybox: Path, order: list[Path]) -> None:
    """`initrd`: busybox, the modules, and testbed/init."""
    tree = folder / "initramfs"
    for name in ("bin", "modules", "proc", "sys", "dev", "root"):
        (tree / name).mkdir(parents=True)
    shutil.copy(busybox, tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")
    shutil.copy(HERE / "init", tree / "init")
    for module in order:
        shutil.copy(module, tree / "modules" / module.name)
    (tree / "modules/order").write_text("".join(module.name + "\n" for module in order), encoding="ascii")
    run(
        "sh",
        "-c",
        "find . | LC_ALL=C sort | cpio --quiet --reproducible -o -H newc -R 0:0 | gzip -9n >../initrd",
        cwd=tree,
    )
    shutil.rmtree(tree)


def tool_missing() -> list[str]:
    """Debian packages of the building machine that the test bed needs and that are not there."""
    wanted = {
        "mmdebstrap": "mmdebstrap",
        "qemu-arm-static": "qemu-user-static",
        "qemu-system-arm": "qemu-system-arm",
        "mkimage": "u-boot-tools",
        "mksquashfs": "squashfs-tools",
        "sfdisk": "fdisk",
        "depmod": "kmod",
        "cpio": "cpio",
        "mke2fs": "e2fsprogs",
        "rauc": "rauc",
        "/usr/lib/u-boot/qemu_arm/u-boot.bin": "u-boot-qemu",
        "dpkg-deb": "dpkg",
        "fdtput": "device-tree-compiler",
    }
    return sorted(
        {package for program, package in wanted.items() if not (shutil.which(program) or Path(program).is_file())}
    )
