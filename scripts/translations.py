"""The texts of messages: which there are, and the catalogues that translate them.

    python scripts/translations.py          # bring locale/*/LC_MESSAGES/istars.po up to date and compile it to istars.mo

A text that is new appears in the .po with an empty translation; one that is no longer used leaves it.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import polib

TREE = Path(__file__).parents[1]
sys.path.insert(0, str(TREE / "app"))

from istars.model.alarms import ALARMS  # noqa: E402
from istars.model.readings import READINGS, reading  # noqa: E402
from istars.notify import daily, report, sms, texts  # noqa: E402

ARGUMENT = re.compile(r"\{\w+\}")
"""A text that is nothing but an argument."""
NOTIFY = TREE / "app/istars/notify"
LOCALE = TREE / "app/istars/locale"
REASONS = tuple(name for name in READINGS if name.endswith((".reason", "modem.state")))
"""Readings whose words say why something does not work: they become arguments of alarms."""


def said() -> list[str]:
    """Texts that the code of `notify/` says: literals in calls of `say` and `say.sentence`."""
    found = []
    for file in sorted(NOTIFY.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                sentence = isinstance(node.func, ast.Attribute) and node.func.attr == "sentence"
                called = node.func.value if sentence else node.func
                if isinstance(called, ast.Name) and called.id == "say" and isinstance(node.args[0].value, str):
                    found.append(node.args[0].value)
    return [text for text in found if text]


def sources() -> list[str]:
    """Every text that a message may hold, each once, in the order of the catalogue."""
    found = [*said(), *texts.SHORT.values(), *texts.SEVERITIES.values()]
    for alarm in ALARMS.values():
        found += [alarm.title, alarm.cleared, alarm.detail, *alarm.actions]
    for name in dict.fromkeys((*texts.CONTEXT, *sms.STATED)):
        found += [reading(name).label, reading(name).label.lower()]
    found += [reading(name).label for name in (*daily.STATE, *report.TABLE)]
    for name in ("ups.status", "istars.battery.state", "ups.test.result", *REASONS):
        found += reading(name).values.values()
    return [text for text in dict.fromkeys(found) if text and not ARGUMENT.fullmatch(text)]


def refresh(file: Path) -> polib.POFile:
    """The catalogue with exactly the texts that there are."""
    old = {entry.msgid: entry for entry in polib.pofile(str(file))} if file.exists() else {}
    made = polib.POFile(wrapwidth=118)
    made.metadata = {
        "Language": file.parents[1].name,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
    }
    for text in sources():
        made.append(old.get(text) or polib.POEntry(msgid=text))
    return made


def main() -> int:
    """Refresh and compile every catalogue; answers whether all texts are translated."""
    missing = 0
    for file in sorted(LOCALE.glob("*/LC_MESSAGES/istars.po")):
        made = refresh(file)
        made.save(str(file))
        made.save_as_mofile(str(file.with_suffix(".mo")))
        for entry in made.untranslated_entries():
            print(f"{file.relative_to(TREE)}: not translated: {entry.msgid}")
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
