"""Writing files so that a power cut leaves the old one or the new one, never half of one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, content: bytes, mode: int = 0o640) -> None:
    """Put `content` in place of `path` in one step, on the medium when this returns.

    Raises OSError (no room, no permission); the old file is then untouched and nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        # root writes in folders that other accounts of the card may write in too: no link of theirs leads elsewhere
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock that `path` stands for, alone among all processes and threads; it is made if need be and stays.

    The kernel frees it when its holder ends, however that happens. Raises OSError where it cannot be made.
    """
    # only for reading: whoever made it may have been another account of the card
    descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
