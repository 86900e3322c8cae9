"""What an option is: key, type, default, limits, words. Everything else about it is derived from this declaration."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from istars.errors import SettingsError
from istars.settings import texts

Setting = str | int | float | bool
"""The value of an option. A list is one text, its items separated by commas."""

TEXT_LIMIT = 200
LIST_LIMIT = 2_000
KEY_LIMIT = 1_000
"""Enough for RSA with 4096 bits and a remark."""
DECIMALS = 6
LARGEST = 10**15
SWITCH = {"on": True, "off": False}


class Type(Enum):
    """What a value is."""

    TEXT = "text"
    WHOLE = "whole number"
    NUMBER = "number"
    SWITCH = "on or off"
    CHOICE = "choice"
    HOST = "host name or address"
    ADDRESS = "IP address"
    ADDRESSES = "list of address patterns"
    MAIL = "e-mail address"
    ZONE = "time zone"
    DATE = "date such as 2026-11-21"
    KEY = "public key of SSH"
    SECRET = "secret"  # noqa: S105 - a kind of option, not one of them
    LIST = "list"


NUMBERS = (Type.WHOLE, Type.NUMBER)
LIMITS = {Type.LIST: LIST_LIMIT, Type.KEY: KEY_LIMIT}
"""Characters of a value, for types that need other room than TEXT_LIMIT."""


@dataclass(frozen=True, slots=True)
class Field:
    """Declaration of one option.

    `minimum` and `maximum` limit a number, the characters of a text, the items of a list. `applies` names the worker that acts
    on a change; without it the change is in force with the next look. `of` is the type of the items of a list. `administrator`
    says that by page and API only an administrator may change it.
    """

    key: str
    type: Type
    default: Setting
    label: str
    help: str = ""
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: Mapping[str, str] | None = None
    pattern: str | None = None
    of: Type = Type.TEXT
    applies: str = ""
    administrator: bool = False
    since: int = 1

    @property
    def secret(self) -> bool:
        """Whether the value is never shown nor exported."""
        return self.type is Type.SECRET

    def parse(self, text: str) -> Setting:
        """The value that `text` stands for.

        Raises SettingsError naming the key and the reason.
        """
        try:
            return self._value(text)
        except ValueError as error:
            raise SettingsError(self.key, str(error)) from None

    def accept(self, value: object) -> Setting:
        """The value that JSON gives: numbers as numbers, switches as true and false, all others as text.

        Raises SettingsError as `parse` does.
        """
        match value:
            case bool():
                if self.type is Type.SWITCH:
                    return value
            case int() | float() if self.type in NUMBERS and abs(value) >= LARGEST:
                raise SettingsError(self.key, "is too large a number")
            case int() if self.type in NUMBERS:
                return self.parse(str(value))
            case float() if self.type is Type.NUMBER:
                return self.parse(f"{value:.15f}")
            case str() if self.type not in (*NUMBERS, Type.SWITCH):
                return self.parse(value)
        said = "true or false" if self.type is Type.SWITCH else "a text"
        raise SettingsError(self.key, f"must be {f'a {self.type.value}' if self.type in NUMBERS else said}")

    def _value(self, text: str) -> Setting:
        """As `parse`; raises ValueError with the reason alone."""
        texts.check_line(text, LIMITS.get(self.type, TEXT_LIMIT))
        if self.type is Type.SECRET:
            self._check_text(text)
            return text
        text = text.strip()
        match self.type:
            case Type.WHOLE | Type.NUMBER:
                return self._number(text)
            case Type.SWITCH:
                if text not in SWITCH:
                    raise ValueError(f"must be on or off, not {text!r}")
                return SWITCH[text]
            case Type.LIST:
                return self._list(text)
            case Type.ADDRESSES:
                return texts.patterns(text)
            case Type.KEY:
                return texts.public_key(text)
        self._check_text(text)
        return text

    def _number(self, text: str) -> int | float:
        whole = self.type is Type.WHOLE
        if not re.fullmatch(r"[+-]?\d{1,15}" if whole else r"[+-]?\d{1,15}(\.\d{1,15})?", text, re.ASCII):
            raise ValueError(f"{text!r} is not a {self.type.value}{'' if whole else ' such as 2.5'}")
        # the sum takes the sign from a zero
        value = int(text) if whole else round(float(text), DECIMALS) + 0.0
        low, high = self.minimum, self.maximum
        if (low is not None and value < low) or (high is not None and value > high):
            limits = f"between {low:g} and {high:g}" if low is not None and high is not None else "within its limits"
            raise ValueError(f"must be {limits} {self.unit}".rstrip() + f", not {text}")
        return value

    def _list(self, text: str) -> str:
        items = [item.strip() for item in text.split(",") if item.strip()]
        if self.maximum is not None and len(items) > self.maximum:
            raise ValueError(f"must have at most {self.maximum:g} items, not {len(items)}")
        if self.minimum is not None and len(items) < self.minimum:
            raise ValueError(f"must have at least {self.minimum:g} items")
        item_of = replace(self, type=self.of, minimum=None, maximum=None)
        return ", ".join(item_of.format(item_of._value(item)) for item in items)

    def _check_text(self, text: str) -> None:
        if self.minimum is not None and len(text) < self.minimum:
            few = "must not be empty" if self.minimum == 1 else f"must have at least {self.minimum:g} characters"
            raise ValueError(few)
        if self.maximum is not None and len(text) > self.maximum:
            raise ValueError(f"must have at most {self.maximum:g} characters, not {len(text)}")
        if self.type is Type.CHOICE and self.choices is not None and text not in self.choices:
            raise ValueError(f"{text!r} is not one of: {', '.join(self.choices)}")
        check = CHECKS.get(self.type)
        if text and check is not None and not check(text):
            raise ValueError(f"{text!r} is not a {self.type.value}")
        if self.pattern is not None and not re.fullmatch(self.pattern, text):
            said = "what was typed" if self.secret else repr(text)
            raise ValueError(f"{said} is not allowed here. {self.help}".strip())

    def format(self, value: Setting) -> str:
        """`value` as it stands in the file."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, float):
            return f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
        return str(value)


CHECKS: Mapping[Type, Callable[[str], bool]] = {
    Type.HOST: texts.is_host,
    Type.ADDRESS: texts.is_address,
    Type.MAIL: texts.is_mail,
    Type.ZONE: texts.is_zone,
    Type.DATE: texts.is_date,
}


@dataclass(frozen=True, slots=True)
class Below:
    """Two numbers that stand in order: `lower` is less than `upper`, unless one of them has the value `off`."""

    lower: str
    upper: str
    off: float | None = None

    def broken(self, values: Mapping[str, Setting]) -> bool:
        """Whether these values stand in the wrong order."""
        low, high = values[self.lower], values[self.upper]
        return self.off not in (low, high) and not isinstance(low, str) and not isinstance(high, str) and low >= high


@dataclass(frozen=True, slots=True)
class Section:
    """Options that stand together on a page. With `fold` the page shows them closed while the first of them is empty."""

    title: str
    fields: tuple[Field, ...]
    help: str = ""
    fold: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The options of one page.

    `repeat` makes a list of it: its keys hold `{n}`, which stands for 1 to `repeat`.
    """

    name: str
    title: str
    sections: tuple[Section, ...]
    help: str = ""
    rules: tuple[Below, ...] = ()
    repeat: int = 0

    @property
    def fields(self) -> tuple[Field, ...]:
        """All options, those of a list written out."""
        declared = tuple(field for section in self.sections for field in section.fields)
        if not self.repeat:
            return declared
        return tuple(
            replace(field, key=field.key.format(n=number), label=field.label.format(n=number))
            for number in range(1, self.repeat + 1)
            for field in declared
        )
