"""Firmware to update a card with, made from the image that is tested: the same root file system with small changes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from guest import Image

TREE = Path(__file__).parents[2]
BROKEN = "raise SystemExit('this firmware is broken on purpose')\n"


def run(*words: object) -> None:
    """Run a program; its complaint where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@contextlib.contextmanager
def alone(folder: Path, name: str) -> Iterator[None]:
    """Make sure that only one process of a run makes what `name` stands for; the others wait and find it made."""
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Factory:
    """Makes firmware in `folder`, each of them once, for all processes of a run."""

    def __init__(self, image: Image, folder: Path) -> None:
        self.image, self.folder = image, folder

    def rootfs(self, version: str, changes: Mapping[str, str]) -> Path:
        """A root file system of another version; `changes` are files of the app (below `istars/`) with another content."""
        out = self.folder / f"rootfs-{version}.squashfs"
        if out.exists():
            return out
        tree = self.folder / "tree"
        if not tree.exists():
            run("unsquashfs", "-q", "-n", "-d", tree, self.image.rootfs)
        release = (tree / "etc/os-release").read_text(encoding="utf-8")
        kept: dict[Path, bytes | None] = {tree / "etc/os-release": release.encode()}
        (tree / "etc/os-release").write_text(
            re.sub(r"(?m)^VERSION_ID=.*$", f"VERSION_ID={version}", release), encoding="utf-8"
        )
        app = next(path for path in (tree / "usr/lib").glob("python3*/*-packages/istars") if path.is_dir())
        for name, text in changes.items():
            for path in (
                app / name,
                *(app / name).parent.glob(f"__pycache__/{Path(name).stem}.*"),
                (app / name).with_suffix(".pyc"),
            ):
                if path.exists():
                    kept[path] = path.read_bytes()
                    path.unlink()
            kept.setdefault(app / name, None)
            (app / name).write_text(text, encoding="utf-8")
        new = out.with_suffix(".new")
        run("mksquashfs", tree, new, "-noappend", "-quiet", "-no-progress", "-comp", "zstd", "-Xcompression-level", "3")
        new.rename(out)
        for path, before in kept.items():
            path.unlink() if before is None else path.write_bytes(before)
        return out

    def bundle(
        self, version: str, *, changes: Mapping[str, str] | None = None, compatible: str = "", keys: Path | None = None
    ) -> Path:
        """The signed bundle of a version."""
        compatible, keys = compatible or self.image.compatible, keys or self.image.keys
        out = self.folder / f"{version}-{compatible}-{keys.name}.raucb"
        if not out.exists():
            run(sys.executable, TREE / "scripts/bundle.py", "--version", version, "--compatible", compatible, "--rootfs",
                self.rootfs(version, changes or {}), "--boot", self.image.boot, "--key", keys / "dev-signer.key", "--cert",
                keys / "dev-signer.pem", "--keyring", keys / "dev-ca.pem", "-o", out)  # fmt: skip
        return out

    def package(
        self, version: str, *, changes: Mapping[str, str] | None = None, compatible: str = "", keys: Path | None = None
    ) -> Path:
        """`iStars.tar.gz` of a version."""
        with alone(self.folder, "factory"):
            bundle = self.bundle(version, changes=changes, compatible=compatible, keys=keys)
            return self.packed(bundle, version, compatible or self.image.compatible)

    def packed(self, bundle: Path, version: str, compatible: str) -> Path:
        """`iStars.tar.gz` around a bundle."""
        out = bundle.with_suffix(".tar.gz")
        if not out.exists():
            run(sys.executable, TREE / "scripts/package.py", "--bundle", bundle, "--version", version, "--compatible", compatible,
                "--notes", "For a test", "-o", out)  # fmt: skip
        return out


def board_text(factory: Factory, **trial: float) -> str:
    """`board.json` of the image with another trial."""
    words = ["unsquashfs", "-cat", factory.image.rootfs, "etc/istars/board.json"]
    said = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return json.dumps({**said, "trial": {**said.get("trial", {}), **trial}}, indent=2)
