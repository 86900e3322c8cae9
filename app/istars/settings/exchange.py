"""Settings from a file that somebody brings: first the difference and every error by line, then all of it or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from istars.settings import csvfile, groups
from istars.settings.field import Setting
from istars.settings.store import Change, SettingsRejected, examine, put


@dataclass(frozen=True, slots=True)
class Import:
    """What a file would change. With `errors`, which name the line, nothing of it is taken; `unknown` keys are passed over."""

    values: dict[str, Setting]
    changes: tuple[Change, ...] = ()
    errors: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def look(content: bytes, path: Path | None = None) -> Import:
    """Look what importing a file would do; nothing is changed."""
    parsed = csvfile.parse_bytes(content)
    # an export holds no secrets: an empty one means the secret that is there
    values = {key: value for key, value in parsed.values.items() if value != "" or not groups.FIELDS[key].secret}
    unknown = tuple(parsed.unknown)
    if parsed.errors:
        return Import({}, errors=parsed.messages(), unknown=unknown)
    try:
        return Import(values, examine(values, path), unknown=unknown)
    except SettingsRejected as error:
        return Import({}, errors=_by_line(error, parsed), unknown=unknown)


def take(content: bytes, path: Path | None = None) -> Import:
    """Import a file; an answer with errors has changed nothing.

    Raises OSError where flash cannot be written; then nothing is changed either.
    """
    found = look(content, path)
    if found.errors:
        return found
    try:
        changes = put(found.values, path)
    except SettingsRejected as error:
        # somebody else saved between the look and this
        return Import({}, errors=(str(error),), unknown=found.unknown)
    return Import(found.values, changes, unknown=found.unknown)


def _by_line(error: SettingsRejected, parsed: csvfile.Parsed) -> tuple[str, ...]:
    return tuple(
        f"line {parsed.lines[key]}: {key}: {reason}" if key in parsed.lines else f"{key}: {reason}"
        for key, reason in error.errors.items()
    )
