"""Forms made of the declarations of options: what is typed is judged by the declaration and by nothing else.

A form remembers what stood in it when it was shown. Only what a person has changed since is saved, so that two people with
the same page do not undo each other's changes; where both change the same option, the second one is told.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wtforms import BooleanField, PasswordField, SelectField, StringField, ValidationError
from wtforms.form import BaseForm

from istars.errors import SettingsError
from istars.platform import clock, zone
from istars.settings.field import NUMBERS, Field, Group, Section, Setting, Type

Choices = Sequence[tuple[str, str]]
"""Value and words of each thing that may be chosen."""

SEEN = "seen"
STORED = "One is stored; leave the field empty to keep it."
WORKERS = {
    "upslink": "the link to the UPS",
    "core": "the alarm rules",
    "system": "the card's operating system",
    "snmpd": "the SNMP agent",
    "modem": "the GSM modem",
}
"""Worker to what it is for the people who read the pages."""


class Judged:
    """Validator of WTForms that asks the declaration."""

    def __init__(self, declared: Field) -> None:
        self.declared = declared

    def __call__(self, _form: object, field: Any) -> None:
        """Raise ValidationError with the reason where the option does not take what was typed."""
        try:
            self.declared.parse(typed(field))
        except SettingsError as error:
            raise ValidationError(error.reason) from None


def typed(field: Any) -> str:
    """What stands in a field, in the words of the file."""
    if isinstance(field, BooleanField):
        return "on" if field.data else "off"
    return field.data or ""


def sentence(reason: str) -> str:
    """A reason as a sentence of its own."""
    return reason[:1].upper() + reason[1:] + ("" if reason.endswith((".", "?")) else ".")


def hint(declared: Field) -> str:
    """What may be typed, for numbers."""
    if declared.type not in NUMBERS or declared.minimum is None or declared.maximum is None:
        return ""
    low, high = declared.format(float(declared.minimum)), declared.format(float(declared.maximum))
    return f"From {low} to {high}, usually {declared.format(declared.default)}."


def applied(section: Section) -> str:
    """Who takes the options of a section into use, as a sentence."""
    workers = sorted({WORKERS[field.applies] for field in section.fields if field.applies in WORKERS})
    return f"Applied at once by {' and '.join(workers)}." if workers else "Applied at once."


def choices_of(declared: Field, offered: Mapping[str, Choices], now: str) -> list[tuple[str, str]]:
    """What may be chosen: as declared, or as the card knows at this moment; what is set now always belongs to it."""
    if declared.type is Type.ZONE:
        found = [(name, f"{name} ({away})") for name, away in zone.offsets(clock.wall())]
    elif declared.choices is not None:
        found = list(declared.choices.items())
    else:
        found = list(offered.get(declared.key, ()))
    if found and now not in {value for value, _ in found}:
        found.insert(0, (now, f"{now} (not known)" if now else "none"))
    return found


def _input(declared: Field, offered: Mapping[str, Choices], now: str) -> Any:
    """The field of WTForms for an option."""
    judged = [Judged(declared)]
    if declared.type is Type.SWITCH:
        return BooleanField(declared.label, judged, false_values=("off", ""))
    if declared.type is Type.SECRET:
        return PasswordField(declared.label, judged)
    if choices := choices_of(declared, offered, now):
        # the declaration judges; a choice that is offered no more is refused by the page below
        return SelectField(declared.label, judged, choices=choices, validate_choice=False)
    return StringField(declared.label, judged)


@dataclass(frozen=True, slots=True)
class Row:
    """One option on the page."""

    declared: Field
    field: Any
    value: str
    id: str
    kind: str
    help: str
    error: str = ""
    closed: bool = False

    @property
    def choices(self) -> Choices:
        """What may be chosen."""
        return [(value, words) for value, words, *_ in self.field.iter_choices()]

    @property
    def marks(self) -> str:
        """Ids of what describes the field."""
        return " ".join(f"{self.id}-{part}" for part, text in (("error", self.error), ("help", self.help)) if text)

    @property
    def inputmode(self) -> str:
        """The keys that a phone shows; some have no minus among the digits."""
        if self.declared.type not in NUMBERS or (self.declared.minimum or 0) < 0:
            return ""
        return "numeric" if self.declared.type is Type.WHOLE else "decimal"


class SettingsForm:
    """The options of a group. `current` is what the file says, `offered` what may be chosen by key, `sent` what came back.

    `closed` has the keys that are shown, but are not this person's to change.
    """

    def __init__(
        self,
        group: Group,
        current: Mapping[str, Setting],
        offered: Mapping[str, Choices] | None = None,
        sent: Any = None,
        closed: Collection[str] = (),
    ) -> None:
        self.group = group
        self.closed = closed
        # browsers do not send what is closed: who sends it nevertheless is told when it is saved
        self.untouched = {key for key in closed if sent is not None and key not in sent}
        self.fields = {field.key: field for field in group.fields}
        self.now = {
            key: "" if declared.secret else declared.format(current[key]) for key, declared in self.fields.items()
        }
        inputs = {key: _input(declared, offered or {}, self.now[key]) for key, declared in self.fields.items()}
        self.form: Any = BaseForm(inputs)
        data = {
            key: current[key] if declared.type is Type.SWITCH else self.now[key]
            for key, declared in self.fields.items()
        }
        self.form.process(sent, data=data)
        self.seen = self._seen_by(sent) if sent is not None else self.now
        self.errors: dict[str, str] = {}
        self.stored = {key for key, declared in self.fields.items() if declared.secret and current[key]}

    def _seen_by(self, sent: Any) -> dict[str, str]:
        """What stood in the form that was sent; what it does not say is what stands there now."""
        try:
            said = json.loads(sent.get(SEEN, "{}"))
        except (ValueError, RecursionError):
            said = {}
        said = said if isinstance(said, dict) else {}
        return {key: said[key] if isinstance(said.get(key), str) else now for key, now in self.now.items()}

    def read(self) -> dict[str, Setting]:
        """What a person has changed, by key; `errors` has what of it is not acceptable, and then nothing may be saved."""
        changed = {
            key: text
            for key, declared in self.fields.items()
            if key not in self.untouched
            and (text := self._typed(key)) != self.seen[key]
            and not (declared.secret and text == "")
        }
        self.form.validate()
        for key in changed:
            self._judge(key, changed[key])
        return {} if self.errors else {key: self.fields[key].parse(text) for key, text in changed.items()}

    def _typed(self, key: str) -> str:
        text = typed(self.form[key])
        return text if self.fields[key].secret else text.strip(" ")

    def _judge(self, key: str, text: str) -> None:
        field, now = self.form[key], self.now[key]
        if field.errors:
            self.errors[key] = field.errors[0]
        elif isinstance(field, SelectField) and text not in {value for value, *_ in field.iter_choices()}:
            self.errors[key] = f"{text[:40]!r} cannot be chosen here"
        elif not self.fields[key].secret and self.seen[key] != now != text:
            self.errors[key] = f"somebody else has set this to “{now}” meanwhile. Save again to put yours in its place"

    @property
    def seen_now(self) -> str:
        """What the form shown now is to remember."""
        return json.dumps({key: now for key, now in self.now.items() if not self.fields[key].secret})

    def row(self, declared: Field, remark: str = "") -> Row:
        """The option as the page shows it."""
        field = self.form[declared.key]
        kind = {BooleanField: "switch", SelectField: "choice", PasswordField: "secret"}.get(type(field), "text")
        error = sentence(self.errors[declared.key]) if declared.key in self.errors else ""
        closed = declared.key in self.closed
        kept = STORED if declared.key in self.stored else "None is stored." if declared.secret else ""
        remarks = (
            declared.help,
            hint(declared),
            kept,
            remark,
            "Only an administrator may change this." if closed else "",
        )
        value = "" if declared.secret else self.now[declared.key] if closed else typed(field)
        told = " ".join(text for text in remarks if text)
        return Row(declared, field, value, declared.key.replace(".", "-"), kind, told, error, closed)

    def sections(self, remarks: Mapping[str, str] | None = None) -> list[tuple[Section, str, list[Row]]]:
        """Sections with the sentence who applies them and their options; `remarks` by key are added to the help."""
        sections = list(self.group.sections)
        if self.group.repeat:
            declared, title = self.group.fields, self.group.sections[0].title
            size = len(declared) // self.group.repeat
            sections = [
                Section(title.format(n=number), declared[(number - 1) * size : number * size], fold=True)
                for number in range(1, self.group.repeat + 1)
            ]
        told = remarks or {}
        return [
            (section, applied(section), [self.row(field, told.get(field.key, "")) for field in section.fields])
            for section in sections
        ]
