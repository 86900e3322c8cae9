"""Settings on flash: read, checked, saved as a whole; the last good file stays beside it.

A save is written to a temporary file, flushed to the medium, put in place in one step, and the folder is flushed: after a power
cut the old file is there or the new one. Two programs that save at the same moment do so one after the other, each on what the
other has left. A damaged file never becomes silent defaults: the last good one serves and `problems` says so, which the rules
turn into an alarm.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from istars.errors import SettingsError, UnknownName
from istars.platform import files, paths
from istars.settings import csvfile, groups
from istars.settings.field import Setting

log = logging.getLogger(__name__)

ENVIRONMENT = {
    "UPS": "ups.device",
    "UPS_PROTOCOL": "ups.protocol",
    "ISTARS_WEB_HTTP": "web.http",
    "SNMP_PORT": "snmp.port",
}
"""Variables that take precedence over the file, for a card that runs on a developer's machine."""


class SettingsRejected(SettingsError):
    """Nothing was saved; `errors` has the reason for every option that is not acceptable."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        first = next(iter(errors))
        super().__init__(first, errors[first])
        self.errors = dict(errors)

    def __str__(self) -> str:
        return "; ".join(f"{key}: {reason}" for key, reason in self.errors.items())


@dataclass(frozen=True, slots=True)
class Change:
    """One option that a save changes, in the words of the file; of a secret only that it changes."""

    key: str
    old: str
    new: str

    @property
    def applies(self) -> str:
        """The worker that acts on it."""
        return groups.FIELDS[self.key].applies


class Settings(Mapping[str, Setting]):
    """All options with their values; `problems` says in plain sentences what of the file could not be used.

    `overridden` has the options whose value is that of a variable, not of the file, with the name of the variable.
    """

    def __init__(
        self,
        values: Mapping[str, Setting],
        problems: tuple[str, ...] = (),
        overridden: Mapping[str, str] | None = None,
    ) -> None:
        self._values = {key: values.get(key, declared.default) for key, declared in groups.FIELDS.items()}
        self.problems = problems
        self.overridden = dict(overridden or {})

    def __getitem__(self, key: str) -> Setting:
        try:
            return self._values[key]
        except KeyError:
            raise UnknownName(f"no option is called {key!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def text(self, key: str) -> str:
        """The value as text."""
        return str(self[key])

    def number(self, key: str) -> float:
        """The value of a numeric option."""
        value = self[key]
        if isinstance(value, str):
            raise SettingsError(key, "is not a number")
        return float(value)

    def whole(self, key: str) -> int:
        """The value of a whole-number option."""
        return int(self.number(key))

    def items_of(self, key: str) -> tuple[str, ...]:
        """The items of a list."""
        return tuple(item for item in self.text(key).split(", ") if item)


def good_copy(path: Path) -> Path:
    """Where the last file that was read without an error is kept."""
    return path.with_name(path.name + ".good")


def _read(path: Path) -> csvfile.Parsed | None:
    """What `path` says; None where there is no such file."""
    try:
        with path.open("rb") as file:
            return csvfile.parse_bytes(file.read(csvfile.SIZE_LIMIT + 1))
    except FileNotFoundError:
        return None
    except OSError as error:
        parsed = csvfile.Parsed()
        parsed.wrong(f"cannot be read: {error.strerror}")
        return parsed


def load(path: Path | None = None, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this instance. Never raises for a bad file: see `Settings.problems`."""
    path = path or paths.settings_file()
    parsed = _read(path)
    problems: tuple[str, ...] = ()
    values: dict[str, Setting] = {}
    if parsed is not None and parsed.errors:
        problems = tuple(f"{path.name}: {error}" for error in parsed.messages())
        last_good = _read(good_copy(path))
        # Without a last good file, nothing better is left than the lines of this one that are good.
        values = last_good.values if last_good is not None and not last_good.errors else parsed.values
    elif parsed is not None:
        values = parsed.values
    values, overridden = dict(values), {}
    for variable, key in ENVIRONMENT.items():
        given = (os.environ if environment is None else environment).get(variable)
        if given:
            try:
                values[key] = groups.FIELDS[key].parse(given)
                overridden[key] = variable
            except SettingsError as error:
                problems += (f"the variable {variable}: {error}",)
    return Settings(values, problems, overridden)


def _differences(old: Mapping[str, Setting], new: Mapping[str, Setting]) -> Iterator[Change]:
    for key, declared in groups.FIELDS.items():
        if old[key] != new[key]:
            if declared.secret:
                yield Change(key, "stored" if old[key] else "", "changed" if new[key] else "")
            else:
                yield Change(key, declared.format(old[key]), declared.format(new[key]))


def broken_rules(values: Mapping[str, Setting], concerned: Iterable[str]) -> dict[str, str]:
    """What is wrong between options, of which at least one is `concerned`: reason by key."""
    concerned = set(concerned)
    errors = {}
    for rule in (rule for group in groups.GROUPS for rule in group.rules):
        if concerned & {rule.lower, rule.upper} and rule.broken(values):
            low = rule.lower in concerned
            key, other = (rule.lower, rule.upper) if low else (rule.upper, rule.lower)
            bound = groups.FIELDS[other]
            errors[key] = (
                f"must be {'less' if low else 'more'} than “{bound.label}”, which is {bound.format(values[other])}"
            )
    return errors


def check(changes: Mapping[str, str]) -> tuple[dict[str, Setting], dict[str, str]]:
    """The values that `changes` (texts by key) stand for, and the reason for each that is not acceptable."""
    values: dict[str, Setting] = {}
    errors: dict[str, str] = {}
    for key, text in changes.items():
        if key not in groups.FIELDS:
            errors[key] = "there is no option of this name"
            continue
        try:
            values[key] = groups.FIELDS[key].parse(text)
        except SettingsError as error:
            errors[key] = error.reason
    return values, errors


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Be the only one who saves; what an interrupted save left behind is removed."""
    with files.locked(path.with_name(f".{path.name}.lock")):
        for rest in path.parent.glob(f".{path.name}*.new"):
            rest.unlink(missing_ok=True)
        yield


def examine(values: Mapping[str, Setting], path: Path | None = None) -> tuple[Change, ...]:
    """What saving `values` would change.

    Raises SettingsRejected for values that do not go together.
    """
    old = load(path, environment={})
    new = {**old, **values}
    # the values before the change may be old ones that a rule of today forbids: whoever changes others is not held up
    errors = broken_rules(new, {key for key in values if old[key] != new[key]})
    if errors:
        raise SettingsRejected(errors)
    return tuple(_differences(old, new))


def put(values: Mapping[str, Setting], path: Path | None = None) -> tuple[Change, ...]:
    """Write `values`, which `check` or a declaration has made, beside those that stand there; answers what has changed.

    Raises SettingsRejected for values that do not go together, OSError where flash cannot be written; then nothing is changed.
    """
    path = path or paths.settings_file()
    with _alone(path):
        changes = examine(values, path)
        current = load(path, environment={})
        if changes or current.problems or not path.exists():
            content = csvfile.dump({**current, **values}).encode()
            files.replace(path, content)
            _keep_good(path, content)
    return changes


def _keep_good(path: Path, content: bytes) -> None:
    """Keep a copy of what was saved. The save itself is done: without room for the copy the older one stays."""
    try:
        files.replace(good_copy(path), content)
    except OSError as error:
        log.error("the settings are saved, but their copy %s is not: %s", good_copy(path), error.strerror)


def change(changes: Mapping[str, str], path: Path | None = None) -> tuple[Change, ...]:
    """Check `changes` (texts by key) together with what is there, and write all of it or nothing; answers what has changed.

    Raises SettingsRejected naming every value that is not acceptable, OSError where flash cannot be written.
    """
    values, errors = check(changes)
    if errors:
        raise SettingsRejected(errors)
    return put(values, path)


def save(changes: Mapping[str, str], path: Path | None = None) -> Settings:
    """As `change`; answers the settings that are in force then."""
    change(changes, path)
    return load(path)


class SettingsFile:
    """The settings as a worker sees them: read again when the file was replaced."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.settings_file()
        self._seen = self._identity()
        self.current = load(self.path)

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def changed(self) -> bool:
        """Look whether the file was replaced; if so, `current` is new."""
        identity = self._identity()
        if identity == self._seen:
            return False
        self._seen = identity
        self.current = load(self.path)
        for problem in self.current.problems:
            log.error("%s", problem)
        return True
