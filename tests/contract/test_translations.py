"""The catalogues of messages: every text is translated, with its arguments, and compiled."""

from __future__ import annotations

import gettext
import re
import sys
from pathlib import Path

import polib
import pytest
from istars.settings.groups import alerts

TREE = Path(__file__).parents[2]
sys.path.insert(0, str(TREE / "scripts"))

import translations  # noqa: E402

CODES = [code for code in alerts.LANGUAGES if code != "en"]


def catalogue(code: str) -> Path:
    return translations.LOCALE / code / "LC_MESSAGES" / "istars.po"


def test_every_language_that_can_be_chosen_has_a_catalogue_and_the_other_way_round() -> None:
    assert sorted(folder.name for folder in translations.LOCALE.iterdir() if folder.is_dir()) == sorted(CODES)


@pytest.mark.parametrize("code", CODES)
def test_every_text_of_a_message_is_translated_with_its_arguments(code: str) -> None:
    found = {entry.msgid: entry.msgstr for entry in polib.pofile(str(catalogue(code)))}
    assert list(found) == translations.sources(), "run scripts/translations.py"
    assert [text for text, said in found.items() if not said.strip()] == []
    for text, said in found.items():
        assert sorted(re.findall(r"\{\w+\}", said)) == sorted(re.findall(r"\{\w+\}", text)), text


@pytest.mark.parametrize("code", CODES)
def test_what_is_compiled_is_what_is_written(code: str) -> None:
    compiled = gettext.translation("istars", str(translations.LOCALE), [code])
    for entry in polib.pofile(str(catalogue(code))):
        assert compiled.gettext(entry.msgid) == entry.msgstr, "run scripts/translations.py"


def test_the_code_says_no_text_that_the_catalogue_could_not_find() -> None:
    # A text that is put together before it is said would be looked for in vain.
    assert {"{event} since {time}", "No alarms", "What to do:"} <= set(translations.said())
