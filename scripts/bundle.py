"""The signed bundle that RAUC installs.

    bundle.py --version 0.2.0 --compatible istars-nv --rootfs F --boot F --key K --cert C --keyring R -o OUT.raucb

Format verity of RAUC (its manual, "Bundle Formats"): squashfs with the images | hash tree of dm-verity | CMS with the manifest
inside | its length. It is written here and not by `rauc bundle`, because that draws a random salt and writes the time of signing:
the same input gives other bytes every time. Here the salt is drawn from the payload, and the signature has no attributes, so that
an RSA key gives the same bytes from the same input; a key of another kind (ECDSA) has randomness of its own.

Keys: `--key` is a PEM file, or a PKCS#11 URI (`pkcs11:...`, with OpenSSL's engine pkcs11); that engine asks for the PIN.
`rauc info` proves at the end, against `--keyring`, that RAUC accepts what was made.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BLOCK = 4096


def run(*words: str | Path, **more: object) -> bytes:
    """What a program prints; ends with its last line where it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        sys.exit(f"bundle: {words[0]}: {said[-1] if said else f'ended with status {done.returncode}'}")
    return bytes(done.stdout)


REPRODUCIBLE = ("-noappend", "-no-progress", "-no-xattrs", "-all-root", "-mkfs-time", "0", "-all-time", "0")


def payload_of(images: dict[str, Path], folder: Path) -> Path:
    """A squashfs with the images; same images, same bytes."""
    content, out = folder / "content", folder / "payload"
    content.mkdir()
    for name, path in images.items():
        target = content / f"{name}.img"
        shutil.copyfile(path, target)
        target.chmod(0o644)
    content.chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    run("mksquashfs", content, out, *REPRODUCIBLE, env=environment)
    return out


def hash_tree(payload: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """Root hash and tree of dm-verity: the level below the root comes first, that of the payload's blocks last."""

    def above(level: bytes) -> bytes:
        return b"".join(hashlib.sha256(salt + level[at : at + BLOCK]).digest() for at in range(0, len(level), BLOCK))

    levels, level = [], above(payload)
    while len(level) > hashlib.sha256().digest_size:
        level += bytes(-len(level) % BLOCK)
        levels.append(level)
        level = above(level)
    return level, b"".join(reversed(levels))


def manifest_of(options: argparse.Namespace, images: dict[str, Path], root_hash: bytes, salt: bytes, tree: int) -> str:
    """The manifest that is signed."""
    lines = ["[update]", f"compatible={options.compatible}", f"version={options.version}", ""]
    lines += [
        "[bundle]",
        "format=verity",
        f"verity-hash={root_hash.hex()}",
        f"verity-salt={salt.hex()}",
        f"verity-size={tree}",
    ]
    for name, path in images.items():
        digest, size = hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size
        lines += ["", f"[image.{name}]", f"sha256={digest}", f"size={size}", f"filename={name}.img"]
    return "\n".join(lines) + "\n"


def sign(manifest: str, options: argparse.Namespace, folder: Path) -> bytes:
    """The manifest inside a CMS (DER) that the key of `options` has signed."""
    unsigned = folder / "manifest.raucm"
    unsigned.write_text(manifest, encoding="ascii")
    engine = ["-engine", "pkcs11", "-keyform", "engine"] if options.key.startswith("pkcs11:") else []
    more = [word for path in options.intermediate for word in ("-certfile", path)]
    return run("openssl", "cms", "-sign", "-binary", "-nodetach", "-noattr", "-md", "sha256", "-outform", "DER", "-in", unsigned,
               "-signer", options.cert, "-inkey", options.key, *engine, *more)  # fmt: skip


def main() -> int:
    """Make the bundle and have RAUC look at it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    for name, words in (
        ("version", "of the firmware, as https://semver.org has it"), ("compatible", "for which cards"),
        ("key", "private key: PEM file or pkcs11: URI"), ("cert", "its certificate, PEM"),
        ("keyring", "authorities that cards trust, PEM"),
        ("rootfs", "squashfs of the root file system"), ("boot", "image of the boot partition"), ("output", "file to write"),
    ):  # fmt: skip
        parser.add_argument(*(("-o",) if name == "output" else ()), f"--{name}", required=True, help=words)
    parser.add_argument(
        "--intermediate", action="append", default=[], help="certificate between the two, PEM; may be repeated"
    )
    parser.add_argument("--rauc", default="rauc", help="the program that checks the result")
    options = parser.parse_args()
    images = {"boot": Path(options.boot), "rootfs": Path(options.rootfs)}
    out = Path(options.output)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".bundle-") as name:
        folder = Path(name)
        payload = payload_of(images, folder).read_bytes()
        payload += bytes(-len(payload) % BLOCK)
        salt = hashlib.sha256(b"iStars salt" + hashlib.sha256(payload).digest()).digest()
        root_hash, tree = hash_tree(payload, salt)
        cms = sign(manifest_of(options, images, root_hash, salt, len(tree)), options, folder)
        made = folder / "bundle.raucb"
        made.write_bytes(payload + tree + cms + len(cms).to_bytes(8, "big"))
        run(options.rauc, f"--keyring={options.keyring}", "info", made, env={**os.environ, "LC_ALL": "C"})
        made.replace(out)
    print(f"{out}: {options.version} for {options.compatible}, {out.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
