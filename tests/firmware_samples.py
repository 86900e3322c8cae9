"""Firmware to try updates with: authorities, bundles that a real RAUC takes, packages good and bad."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

TREE = Path(__file__).parents[1]
COMPATIBLE = "istars-nv"


def run(*words: object) -> str:
    """What a script prints; its complaint where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Maker:
    """Somebody who signs firmware, with a folder of his own for keys and files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = folder / "keys"
        run("sh", TREE / "scripts" / "make-dev-ca.sh", self.keys)
        self.keyring = self.keys / "dev-ca.pem"
        (folder / "rootfs").write_bytes(hashlib.shake_256(b"root").digest(2_500_000))
        (folder / "boot").write_bytes(hashlib.shake_256(b"boot").digest(250_000))

    def bundle(self, version: str = "0.2.0", compatible: str = COMPATIBLE, name: str = "") -> Path:
        """A bundle of a version; the same one when it is asked for again."""
        out = self.folder / (name or f"{version}-{compatible}.raucb")
        if not out.exists():
            run(
                sys.executable, TREE / "scripts" / "bundle.py", "--version", version, "--compatible", compatible,
                "--rootfs", self.folder / "rootfs", "--boot", self.folder / "boot", "--key", self.keys / "dev-signer.key",
                "--cert", self.keys / "dev-signer.pem", "--keyring", self.keyring, "-o", out,
            )  # fmt: skip
        return out

    def package(self, version: str = "0.2.0", *, bundle: Path | None = None, compatible: str = COMPATIBLE,
                name: str = "iStars.tar.gz", min_version: str = "") -> Path:  # fmt: skip
        """A package with a bundle."""
        out = self.folder / name
        run(
            sys.executable, TREE / "scripts" / "package.py", "--bundle", bundle or self.bundle(version, compatible),
            "--version", version, "--compatible", compatible, "--min-version", min_version, "--notes", "Mends the clock",
            "-o", out,
        )  # fmt: skip
        return out


def spoiled(bundle: Path) -> Path:
    """A copy of a bundle in which one byte of the payload is another one."""
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 0x40
    out = bundle.with_name(f"spoiled-{bundle.name}")
    out.write_bytes(content)
    return out


def manifest(bundle: bytes, **changes: object) -> bytes:
    """manifest.json for a bundle; `changes` may remove a member by None."""
    said = {
        "product": "iStars", "version": "0.2.0", "compatible": [COMPATIBLE], "min_version": "", "notes": "",
        "sha256": hashlib.sha256(bundle).hexdigest(), "size": len(bundle), **changes,
    }  # fmt: skip
    return json.dumps({name: value for name, value in said.items() if value is not None}).encode()


def members(bundle: bytes = b"bundle", **changes: object) -> list[tuple[str, bytes]]:
    """The members that belong in a package."""
    return [("manifest.json", manifest(bundle, **changes)), ("iStars.raucb", bundle), ("CHANGES.txt", b"Faster.\n")]


def entry(name: str, size: int = 0, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    """The header of a member."""
    made = tarfile.TarInfo(name)
    made.size, made.type, made.linkname = size, kind, link
    return made


def archive(*parts: tuple[str, bytes] | tarfile.TarInfo | bytes, form: int = tarfile.USTAR_FORMAT) -> bytes:
    """A tar file: members, headers alone, or bytes as they are."""
    out = io.BytesIO()
    for part in parts:
        if isinstance(part, bytes):
            out.write(part)
        elif isinstance(part, tarfile.TarInfo):
            out.write(part.tobuf(form))
        else:
            name, content = part
            out.write(entry(name, len(content)).tobuf(form) + content + bytes(-len(content) % 512))
    return out.getvalue() + bytes(1024)


def packed(*parts: tuple[str, bytes] | tarfile.TarInfo | bytes) -> bytes:
    """The same in gzip."""
    return gzip.compress(archive(*parts), mtime=0)
