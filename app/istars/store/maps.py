"""Register maps that the owner brings: offered in memory, tried by the worker that has the port, kept on flash.

Whoever offers a map writes it here and gives the command `istars.map.keep`; its result says what the device answered, or every
mistake in the map by line. The format is described in `drivers/ups/profiles/README.md`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from istars.errors import StoreError
from istars.platform import files, paths

SIZE_LIMIT = 256 * 1024
MOST = 50
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


def _file(folder: Path, name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise StoreError(f"the name {name!r} may hold small letters, digits and hyphens only, 40 at most")
    return folder / f"{name}.json"


def offer(name: str, content: bytes) -> None:
    """Lay a map down to be tried. Raises StoreError for a bad name or one too large, OSError."""
    if len(content) > SIZE_LIMIT:
        raise StoreError(f"the map is larger than {SIZE_LIMIT // 1024} kB")
    files.replace(_file(paths.offered_dir(), name), content)


def offered(name: str) -> str:
    """Text of the map that waits under `name`. Raises StoreError where there is none or it is no text."""
    return _text(_file(paths.offered_dir(), name), name)


def keep(name: str) -> None:
    """Put the offered map on flash, in place of an older one of the name. Raises StoreError, OSError."""
    source, target = _file(paths.offered_dir(), name), _file(paths.maps_dir(), name)
    if not target.exists() and len(stored()) >= MOST:
        raise StoreError(f"there are {MOST} maps already; remove one first")
    target.parent.mkdir(exist_ok=True, mode=0o750)
    files.replace(target, source.read_bytes())
    source.unlink()


def drop(name: str) -> None:
    """Forget an offered map."""
    _file(paths.offered_dir(), name).unlink(missing_ok=True)


def stored() -> dict[str, str]:
    """Names of the maps on flash, with their titles."""
    titles = {}
    for path in sorted(paths.maps_dir().glob("*.json")):
        try:
            titles[path.stem] = str(json.loads(path.read_text("utf-8")).get("title") or path.stem)
        except (OSError, ValueError, AttributeError):
            titles[path.stem] = f"{path.stem} (damaged)"
    return titles


def content(name: str) -> str:
    """The map as it was brought. Raises StoreError where there is none."""
    return _text(_file(paths.maps_dir(), name), name)


def remove(name: str) -> None:
    """Take a map off flash. Raises StoreError where there is none."""
    path = _file(paths.maps_dir(), name)
    if not path.exists():
        raise StoreError(f"there is no map {name!r}")
    path.unlink()
    files.flush_folder(path.parent)


def _text(path: Path, name: str) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as problem:
        raise StoreError(f"there is no map {name!r}") from problem
    except UnicodeDecodeError as problem:
        raise StoreError(f"the map {name!r} is no UTF-8 text") from problem
