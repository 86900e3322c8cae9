"""Messages in the language of who gets them: English stands in the source, other languages in `locale/` (gettext).

`scripts/translations.py` compiles the catalogues; a test holds that every text of a message is in each of them.
"""

from __future__ import annotations

import gettext
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from istars.model.readings import Value, format_value, reading

LOCALE = Path(__file__).parents[1] / "locale"
DOMAIN = "istars"
ENGLISH = "en"
_DECIMAL = re.compile(r"[-\u2212]?\d+\.\d+")


class Language:
    """Says the texts of messages in the language `code`; in English where the catalogue does not know one."""

    def __init__(self, code: str) -> None:
        self.code = code
        self._catalogue: gettext.NullTranslations = (
            gettext.NullTranslations()
            if code == ENGLISH
            else gettext.translation(DOMAIN, str(LOCALE), [code], fallback=True)
        )

    def __call__(self, text: str) -> str:
        """`text` in this language."""
        # The empty text is the head of a catalogue.
        return self._catalogue.gettext(text) if text else ""

    def sentence(self, text: str, **arguments: object) -> str:
        """`text` in this language with its arguments."""
        return self(text).format_map(arguments)

    def arguments(self, found: Mapping[str, object]) -> dict[str, object]:
        """Arguments of an event: what is a text of ours is translated, numbers get the sign of this language."""
        return {name: self.number(self(value)) if isinstance(value, str) else value for name, value in found.items()}

    def number(self, text: str) -> str:
        """`text` with the decimal sign of this language if it is a number."""
        return text.replace(".", ",") if self.code == "de" and _DECIMAL.fullmatch(text) else text

    def value(self, name: str, value: Value) -> str:
        """The value of reading `name` with its unit."""
        shown = self.number(format_value(name, value, self))
        unit = reading(name).unit
        return f"{shown} {unit}" if unit and unit not in shown else shown


@cache
def language(code: str) -> Language:
    """The language with this code; English for one that is not known."""
    return Language(code)
