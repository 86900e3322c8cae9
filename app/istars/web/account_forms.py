"""What the forms about users and tokens share: their fields, and the errors beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from flask import request

from istars.model.commands import Permission
from istars.store.account_rules import AccountRefused, need_free_name, valid_name, valid_patterns, valid_permission
from istars.web import auth

MEANINGS = {
    Permission.NONE: "Cannot sign in at all.",
    Permission.READ: "Sees all pages of the UPS, changes nothing.",
    Permission.WRITE: "Also gives commands to the UPS, acknowledges alarms and changes settings.",
    Permission.ADMINISTRATOR: "Also manages users, firmware and keys.",
}
TEXT_LENGTH = 2_000
"""Longest text of a field that is looked at; a form of ours sends no longer one."""


@dataclass(slots=True)
class Form:
    """What was typed, and what is wrong with it by field."""

    name: str = ""
    permission: str = Permission.READ
    patterns: str = ""
    expires: str = "365"
    must_change: bool = True
    errors: dict[str, str] = field(default_factory=dict)


def sentence(text: str) -> str:
    """A reason as a sentence of its own."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?")) else ".")


def typed() -> Form:
    """The form of this request."""
    sent = request.form
    return Form(
        name=sent.get("name", "")[:TEXT_LENGTH].strip(),
        permission=sent.get("permission", ""),
        patterns=sent.get("patterns", "")[:TEXT_LENGTH],
        expires=sent.get("expires", ""),
        must_change="must_change" in sent,
    )


CHECKS: dict[str, Callable[[str], object]] = {
    "name": valid_name,
    "permission": valid_permission,
    "patterns": valid_patterns,
}


def check(form: Form, *names: str, taken: Iterable[str] = ()) -> None:
    """Note all that is wrong with these fields, so that nobody has to send a form once for each error."""
    for name in names:
        try:
            CHECKS[name](getattr(form, name))
            if name == "name":
                need_free_name(form.name, taken)
        except AccountRefused as error:
            form.errors[name] = sentence(str(error))


def attempt(form: Form, change: Callable[[], object]) -> bool:
    """Do `change`, one password hash at a time; False where it was refused, and then `form` holds the reason."""
    try:
        with auth.one_at_a_time():
            change()
    except auth.Busy:
        form.errors["p1"] = "Somebody is signing in. Try again in a moment."
    except AccountRefused as error:
        form.errors[error.field] = sentence(str(error))
    return not form.errors
