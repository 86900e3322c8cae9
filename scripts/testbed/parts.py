"""Parts of the test bed: files made by other programs, each kept under a name that says from what it was made."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
CACHE = TREE / "build" / "testbed"


def run(*words: object, **more: object) -> str:
    """What a program prints; ends the build with its last lines where it fails."""
    words = tuple(str(word) for word in words)
    done = subprocess.run(words, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload]
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()[-8:]
        sys.exit("testbed: " + " ".join(str(word) for word in words[:3]) + ":\n  " + "\n  ".join(lines))
    return str(done.stdout)


def digest(*inputs: object) -> str:
    """A name for what is made from `inputs`: files and folders by their content, other things as text."""
    total = hashlib.sha256()
    for each in inputs:
        if isinstance(each, Path):
            found = sorted(path for path in each.rglob("*") if path.is_file()) if each.is_dir() else [each]
            for path in found:
                if "__pycache__" not in path.parts and not path.name.endswith((".pyc", ".egg-info")):
                    mode = path.stat().st_mode & 0o777
                    total.update(f"{path.relative_to(each) if each.is_dir() else path.name} {mode:o}\n".encode())
                    total.update(path.read_bytes())
        else:
            total.update(f"{each}\n".encode())
    return total.hexdigest()[:16]


def made(name: str, key: str, make: Callable[[Path], None], *, keep: int = 1) -> Path:
    """The folder `name-key`, made by `make(folder)` unless it is there; all but the newest `keep` of this name are removed."""
    folder = CACHE / f"{name}-{key}"
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=CACHE))
        new.chmod(0o755)
        try:
            make(new)
            new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    os.utime(folder)
    others = sorted(CACHE.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in [path for path in others if len(path.name) == len(folder.name)][keep:]:
        shutil.rmtree(old)
    return folder


def listed(path: Path) -> list[str]:
    """The lines of a list without remarks."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]
