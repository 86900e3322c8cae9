"""What the UPS that is connected can do: written by the worker that speaks with it, read by pages, API and others.

One JSON object in memory: `protocol`, `title`, `commands` (name to argument to [lowest, highest]), and `variables`, a list of
name, value, low, high, choices; `problem` says why the variables could not be read. Empty while no UPS has answered yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from istars.model.commands import COMMANDS, Command
from istars.model.readings import Value
from istars.platform import files, paths


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable that can be written."""

    name: str
    value: Value
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Abilities:
    """See the head of this file."""

    protocol: str = ""
    title: str = ""
    commands: Mapping[str, Mapping[str, tuple[int, int]]] = field(default_factory=dict)
    variables: tuple[Setting, ...] = ()
    problem: str = ""

    def offered(self) -> list[Command]:
        """Declarations of the commands, in the order of the catalogue."""
        return [declared for name, declared in COMMANDS.items() if name in self.commands]

    def limits(self, command: Command, argument: str) -> tuple[int, int]:
        """Lowest and highest that this UPS takes."""
        own = self.commands.get(command.name, {}).get(argument)
        declared = next(each for each in command.arguments if each.name == argument)
        return own or (declared.low, declared.high if declared.high is not None else 0)

    def setting(self, name: str) -> Setting | None:
        """The variable of this name."""
        return next((each for each in self.variables if each.name == name), None)


def write(
    protocol: str,
    title: str,
    commands: Mapping[str, Mapping[str, tuple[int, int]]],
    variables: Sequence[Mapping[str, object]],
    problem: str,
) -> None:
    """Tell everybody. Raises OSError."""
    told = {"protocol": protocol, "title": title, "commands": commands, "variables": variables, "problem": problem}
    files.replace(paths.abilities_file(), json.dumps(told).encode())


def forget() -> None:
    """Nothing is known: another UPS, or none. Raises OSError."""
    paths.abilities_file().unlink(missing_ok=True)


def read() -> Abilities:
    """What the UPS can do; nothing where that is not known."""
    try:
        found: dict[str, Any] = json.loads(paths.abilities_file().read_bytes())
        return Abilities(
            found["protocol"],
            found["title"],
            {name: {each: (ends[0], ends[1]) for each, ends in said.items()} for name, said in found["commands"].items()},
            tuple(Setting(each["name"], each["value"], each["low"], each["high"], tuple(each["choices"]))
                  for each in found["variables"]),
            found["problem"],
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Abilities()
