"""What the UPS can be told to do, as page and API offer it: controls with their limits, checked before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from istars.errors import CommandRefused, IStarsError
from istars.model.commands import Argument, Command
from istars.model.variables import Variable, variable
from istars.store.abilities import Abilities, Setting
from istars.web.view import Tone

GROUPS = (
    ("Battery test", ("test.battery.",)),
    ("Buzzer", ("beeper.",)),
    ("Switching the load", ("shutdown.", "load.")),
    ("Outlet groups", ("outlet.",)),
    ("Bypass", ("bypass.",)),
    ("Faults and records", ("istars.fault.", "istars.history.")),
)
"""Title of a group of controls, and how the names of its commands begin."""

MINUTE_S = 60


class Wrong(IStarsError):
    """An argument that this UPS does not take: `field` names it, the message is the reason."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Input:
    """One argument as a person types it: in minutes (`per` 60) where the catalogue thinks in minutes."""

    name: str
    label: str
    unit: str
    per: int
    low: int
    high: int
    default: int

    def seconds(self, typed: str) -> int:
        """What was typed, in the unit of the command. Raises Wrong."""
        text = typed.strip()
        if not (text.isascii() and text.isdigit() and len(text) <= 9):
            raise Wrong(self.name, f"{self.label} must be a whole number, not {text[:20]!r}")
        if not self.low <= int(text) <= self.high:
            raise Wrong(
                self.name,
                f"{self.label} must be between {self.low} and {self.high} {self.unit} for this UPS, not {text}",
            )
        return int(text) * self.per


@dataclass(frozen=True, slots=True)
class Control:
    """One command on the page. `warning` is what it does to the load, in a few words, where that is bad."""

    declared: Command
    inputs: tuple[Input, ...]
    tone: Tone = Tone.NONE
    warning: str = ""


def controls(able: Abilities) -> tuple[tuple[str, tuple[Control, ...]], ...]:
    """The commands of this UPS in groups; nothing that it does not have."""
    made = [control_of(able, declared) for declared in able.offered()]
    groups = ((title, tuple(each for each in made if each.declared.name.startswith(heads))) for title, heads in GROUPS)
    return tuple((title, found) for title, found in groups if found)


def control_of(able: Abilities, declared: Command) -> Control:
    """A command of this UPS as the page shows it."""
    inputs = tuple(_input(able, declared, each) for each in declared.arguments)
    if declared.interrupts_load:
        return Control(declared, inputs, Tone.CRIT, "Load loses power")
    if declared.name == "bypass.start":
        return Control(declared, inputs, Tone.WARN, "Load not protected")
    if declared.name.startswith("test.battery.start"):
        return Control(declared, inputs, Tone.INFO, "Load on battery")
    return Control(declared, inputs)


def _input(able: Abilities, declared: Command, argument: Argument) -> Input:
    low, high = able.limits(declared, argument.name)
    default = argument.default or 0
    per = MINUTE_S if argument.unit == "s" and default >= 2 * MINUTE_S else 1
    first, last = math.ceil(low / per), high // per
    usual = min(max(default // per, first), last)
    return Input(argument.name, argument.label, "min" if per > 1 else argument.unit, per, first, last, usual)


def typed(control: Control, form: Mapping[str, str]) -> dict[str, object]:
    """Arguments out of a form. Raises Wrong for the first that this UPS does not take."""
    return {each.name: each.seconds(form.get(each.name, str(each.default))) for each in control.inputs}


def check(able: Abilities, declared: Command, arguments: Mapping[str, object]) -> dict[str, int | str]:
    """Arguments of a program within what this UPS takes. Raises Wrong."""
    unknown = sorted(set(arguments) - {each.name for each in declared.arguments})
    if unknown:
        raise Wrong(unknown[0][:40], f"{declared.name} has no argument called {unknown[0][:40]!r}")
    try:
        checked = declared.check(arguments)
    except CommandRefused as error:
        named = next((each.name for each in declared.arguments if f": {each.name} " in str(error)), "arguments")
        raise Wrong(named, str(error)) from None
    for name, value in checked.items():
        low, high = able.limits(declared, name)
        if isinstance(value, int) and not low <= value <= high:
            raise Wrong(name, f"{declared.name}: {name} must be between {low} and {high} for this UPS, not {value}")
    return checked


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting of the UPS on the page."""

    declared: Variable
    setting: Setting
    words: str
    choices: tuple[tuple[str, str], ...]

    @property
    def range(self) -> str:
        """What may be typed."""
        if self.setting.low is None or self.setting.high is None or self.choices:
            return ""
        return f"From {self.setting.low:g} to {self.setting.high:g} {self.declared.unit}".rstrip() + "."


def knob_of(setting: Setting) -> Knob:
    """A setting of this UPS as the page shows it."""
    declared = variable(setting.name)
    offered = setting.choices or tuple(declared.choices)
    choices = tuple((each, declared.choices.get(each, each)) for each in offered)
    words = declared.choices.get(str(setting.value), str(setting.value))
    return Knob(declared, setting, words, choices)


def check_setting(setting: Setting, value: object) -> str:
    """The value as the worker takes it. Raises Wrong."""
    declared = variable(setting.name)
    try:
        given = str(declared.parse(value, setting.low, setting.high))
    except CommandRefused as error:
        raise Wrong("value", str(error)) from None
    if setting.choices and given not in setting.choices:
        raise Wrong(
            "value", f"{setting.name} must be one of {', '.join(setting.choices)} for this UPS, not {given[:40]!r}"
        )
    return given
