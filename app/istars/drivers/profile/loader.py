"""Text of a data file to a register map, or to the list of its mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from istars.drivers.profile import entries
from istars.drivers.profile.declare import MapItem, Profile, Side
from istars.drivers.profile.source import Entry, Problem, ProfileError, Wrong, entry_lines, load

SCHEMA = 1
ENTRY_LIMIT = 1_000

T = TypeVar("T")


def parse_profile(text: str, name: str, file: str = "") -> Profile:
    """The map in `text`; `name` becomes the name of the protocol.

    Raises ProfileError with every mistake.
    """
    return _Reader(text, name, file or f"{name}.json").profile()


class _Reader:
    """Walks one file and collects its mistakes."""

    def __init__(self, text: str, name: str, file: str) -> None:
        self._text, self._name, self._file = text, name, file
        self._problems: list[Problem] = []

    def profile(self) -> Profile:
        """The map. Raises ProfileError."""
        try:
            top = Entry(load(self._text))
            made = self._whole(top)
            top.end()
        except json.JSONDecodeError as problem:
            raise ProfileError(self._file, [Problem(problem.lineno, "", f"no valid JSON: {problem.msg}")]) from problem
        except (Wrong, ValueError) as problem:
            self._problems.insert(0, Problem(1, "", str(problem)))
        if self._problems:
            raise ProfileError(self._file, self._problems)
        return made

    def _whole(self, top: Entry) -> Profile:
        if top.take("schema", 0) != SCHEMA:
            raise Wrong(f"schema must be {SCHEMA}")
        if not re.fullmatch(r"[a-z0-9-]{1,40}", self._name):
            raise Wrong(f"the name {self._name!r} may hold small letters, digits and hyphens only")
        table = entries.TABLES[top.choice("table", entries.TABLES, "input")]
        sides = {side: entries.side_of(Entry(raw)) for side, raw in top.items("sides").items()}
        names = _names(top)
        items = self._section(top, "items", lambda entry: entries.item_of(entry, table, sides))
        self._check_items(items, sides)
        alarms = self._section(top, "alarms", lambda entry: entries.alarm_of(entry, table))
        rules = self._section(top, "rules", lambda entry: entries.rule_of(entry, names))
        commands = self._section(top, "commands", lambda entry: entries.command_of(entry, names))
        variables = self._section(top, "variables", entries.variable_of)
        samples = self._section(top, "samples", entries.sample_of)
        hidden = {item.name: item for found, _ in alarms for item in found}
        return Profile(
            name=self._name,
            title=top.text("title", limit=80),
            source=top.text("source", limit=1000),
            remark=top.text("remark", "", limit=1000),
            line=entries.line_of(Entry(top.items("line"))),
            timing=entries.timing_of(Entry(top.items("timing"))),
            blocks=entries.blocks_of(Entry(top.items("blocks"))),
            fixed=entries.fixed_of(top.items("fixed")),
            sides=sides,
            items=(*items, *hidden.values()),
            rules=(*(rule for _, found in alarms for rule in found), *rules),
            commands=tuple(commands),
            variables=tuple(variables),
            samples=tuple(samples),
        )

    def _section(self, top: Entry, key: str, parse: Callable[[Entry], T]) -> list[T]:
        """The entries of one list; mistakes in one do not hide those of the next."""
        raw = top.list(key)
        if len(raw) > ENTRY_LIMIT:
            raise Wrong(f"{key} has more than {ENTRY_LIMIT} entries")
        made = []
        for index, (value, line) in enumerate(zip(raw, entry_lines(self._text, key), strict=True)):
            name = value.get("name", "") if isinstance(value, dict) else ""
            try:
                entry = Entry(value)
                made.append(parse(entry))
                entry.end()
            except Wrong as problem:
                where = f"{key}[{index}]" + (f" ({name})" if name else "")
                self._problems.append(Problem(line, where, str(problem)))
        return made

    def _check_items(self, items: Collection[MapItem], sides: Mapping[str, Side]) -> None:
        """What only shows when all items are known."""
        if not items and not self._problems:
            raise Wrong("items is empty")
        names = [item.name for item in items]
        for name in sorted({name for name in names if names.count(name) > 1}):
            raise Wrong(f"items: {name} is there twice")
        phased = {item.name for item in items if item.phases}
        for name, side in sides.items():
            if side.voltage not in phased and not self._problems:
                raise Wrong(f"sides, {name}: voltage must name an item with phases, not {side.voltage!r}")
        for item in items:
            for test in item.factor_when:
                if test.field not in names:
                    raise Wrong(f"items, {item.name}: rescale names {test.field!r}, which is no item")


def _names(top: Entry) -> set[str]:
    """Names of all items, also of those with a mistake: conditions on them are not one more."""
    raw = top.peek("items")
    names = (value.get("name") for value in raw if isinstance(value, dict)) if isinstance(raw, list) else ()
    return {name for name in names if isinstance(name, str)}
