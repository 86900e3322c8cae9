"""Settings from a file that somebody brings: first the difference and every error by line, then all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from istars.errors import SettingsError
from istars.platform.openssl import OpensslFailed
from istars.settings import csvfile, groups
from istars.settings.field import Setting
from istars.settings.sealed import SealError, seal, unseal
from istars.settings.store import Change, SettingsRejected, examine, put


@dataclass(frozen=True, slots=True)
class Import:
    """What a file would change. With `errors`, which name the line, nothing of it is taken; `unknown` keys are passed over.

    `sealed` says that the file holds encrypted secrets and that no passphrase was given: they are passed over too.
    """

    values: dict[str, Setting]
    changes: tuple[Change, ...] = ()
    errors: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    sealed: bool = False


def export(values: Mapping[str, Setting], passphrase: str = "") -> str:
    """The file for somebody to keep; with a passphrase its secrets stand in it encrypted, without one they are left out.

    Raises SealError for a passphrase that is too short, OpensslFailed where openssl cannot do its part.
    """
    sealed = ""
    if passphrase:
        kept = {key: str(value) for key, value in values.items() if groups.FIELDS[key].secret and value != ""}
        sealed = seal(kept, passphrase)
    return csvfile.dump(values, secrets=False, sealed=sealed)


def look(content: bytes, path: Path | None = None, *, passphrase: str = "") -> Import:
    """Look what importing a file would do; nothing is changed. `passphrase` opens its encrypted secrets."""
    parsed = csvfile.parse_bytes(content)
    if passphrase and parsed.sealed and not parsed.errors:
        _unseal(parsed, passphrase)
    # an export holds no secrets: an empty one means the secret that is there
    values = {key: value for key, value in parsed.values.items() if value != "" or not groups.FIELDS[key].secret}
    unknown = tuple(parsed.unknown)
    if parsed.errors:
        return Import({}, errors=parsed.messages(), unknown=unknown)
    try:
        return Import(values, examine(values, path), unknown=unknown, sealed=bool(parsed.sealed) and not passphrase)
    except SettingsRejected as error:
        return Import({}, errors=_by_line(error, parsed), unknown=unknown)


def take(content: bytes, path: Path | None = None, *, passphrase: str = "") -> Import:
    """Import a file; an answer with errors has changed nothing.

    Raises OSError where flash cannot be written; then nothing is changed either.
    """
    found = look(content, path, passphrase=passphrase)
    if found.errors:
        return found
    try:
        changes = put(found.values, path)
    except SettingsRejected as error:
        # somebody else saved between the look and this
        return Import({}, errors=(str(error),), unknown=found.unknown)
    return replace(found, changes=changes)


def _unseal(parsed: csvfile.Parsed, passphrase: str) -> None:
    """The encrypted secrets of a file among its values; what is wrong with them among its errors."""
    line = parsed.lines[csvfile.SEALED]
    try:
        found = unseal(parsed.sealed, passphrase)
    except (SealError, OpensslFailed) as error:
        parsed.wrong(str(error), line)
        return
    for key, text in found.items():
        declared = groups.FIELDS.get(groups.RENAMES.get(key, key))
        if declared is None or not declared.secret:
            parsed.unknown.append(key)
            continue
        try:
            parsed.values[declared.key] = declared.parse(text)
            parsed.lines[declared.key] = line
        except SettingsError as error:
            parsed.wrong(str(error), line)


def _by_line(error: SettingsRejected, parsed: csvfile.Parsed) -> tuple[str, ...]:
    return tuple(
        f"line {parsed.lines[key]}: {key}: {reason}" if key in parsed.lines else f"{key}: {reason}"
        for key, reason in error.errors.items()
    )
