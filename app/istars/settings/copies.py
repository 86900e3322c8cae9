"""A copy of the settings for each firmware that ran, so that a slot that runs again finds those of its own version.

    system_config.csv             what is in force
    system_config.csv.version     the firmware that has worked with it last
    system_config.csv.<version>   what was in force when that firmware was left

Newer firmware reads the file of older firmware and writes it in its own format, which older firmware may not know. When the card
goes back from new firmware, the copy comes back; when somebody installs older firmware on purpose, only if it cannot read the
present file: settings of long ago help nobody. Databases need none of this: a change that older firmware could not read gets a
file of another name, and the old one stays (README.md, "Layout").
"""

from __future__ import annotations

import logging
from pathlib import Path

from istars.platform import files, paths
from istars.settings import csvfile
from istars.settings.store import good_copy

log = logging.getLogger(__name__)

COPIES_KEPT = 4


def _version_file(path: Path) -> Path:
    return path.with_name(path.name + ".version")


def _copy_of(path: Path, version: str) -> Path:
    return path.with_name(f"{path.name}.{version.replace('/', '_')}")


def _understood(content: bytes) -> bool:
    return not csvfile.parse_bytes(content).errors


def begin(version: str, *, went_back: bool, path: Path | None = None) -> bool:
    """Called before anything else reads the settings; `went_back` says that the card has left firmware that did not prove good.

    True where the settings of before were put back. Raises OSError where flash cannot be written; calling it again makes it good.
    """
    path = path or paths.settings_file()
    named = _version_file(path)
    last = named.read_text(encoding="utf-8").strip() if named.exists() else ""
    if last == version:
        return False
    present = path.read_bytes() if path.exists() else b""
    back = _copy_of(path, version)
    returns = bool(last) and back.exists() and (went_back or not _understood(present))
    if last and present:
        files.replace(_copy_of(path, last), present)
    if returns:
        content = back.read_bytes()
        files.replace(path, content)
        if _understood(content):
            files.replace(good_copy(path), content)
        log.warning("the settings are those again with which firmware %s was left", version)
    files.replace(named, version.encode())
    _forget(path, {version, last})
    return returns


def _forget(path: Path, needed: set[str]) -> None:
    """Remove the oldest copies beyond those that are kept."""
    keep = {path, good_copy(path), _version_file(path), *(_copy_of(path, version) for version in needed)}
    copies = [each for each in path.parent.glob(f"{path.name}.*") if each not in keep]
    for each in sorted(copies, key=lambda each: each.stat().st_mtime, reverse=True)[COPIES_KEPT:]:
        each.unlink(missing_ok=True)
