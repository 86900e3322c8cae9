"""Keys for programs: made and revoked by administrators, shown once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for

from istars.model.commands import Permission
from istars.platform import clock
from istars.store.account_rules import AccountRefused
from istars.store.factors import clock_is_set
from istars.store.tokens import Token
from istars.web import live, session
from istars.web.account_forms import MEANINGS, Form, check, sentence, typed
from istars.web.audit import note
from istars.web.security import requires
from istars.web.session import RIGHTS
from istars.web.store import store

blueprint = Blueprint("tokens", __name__, url_prefix="/settings/tokens")

DAY_S = 86_400.0
EXPIRIES = {"30": "30 days", "90": "90 days", "365": "1 year", "never": "Never"}


@dataclass(frozen=True, slots=True)
class Key:
    """One token as the list shows it; `state` is `good`, `expired` or `revoked`."""

    token: Token
    state: str
    made: str
    until: str


def key_of(token: Token, wall: float) -> Key:
    """A token as the list shows it at wall time `wall`."""
    state = "revoked" if token.revoked is not None else "good" if token.usable(wall) else "expired"
    until = clock.iso(token.expires)[:10] if token.expires is not None else "never"
    return Key(token, state, clock.iso(token.created)[:10], until)


@blueprint.get("/add")
@requires("administrator")
def add() -> Any:
    """The form for a new token."""
    return _token_page(Form())


@blueprint.post("/add")
@requires("administrator")
def save() -> Any:
    """Make a token and show it, this once."""
    form = typed()
    check(form, "name", "permission", "patterns")
    expires_at = _expiry(form)
    if form.errors:
        return _token_page(form)
    try:
        text = store().accounts.create_token(
            form.name, form.permission, expires_at, patterns=form.patterns, owner=session.asker().name
        )
    except AccountRefused as error:
        form.errors[error.field] = sentence(str(error))
        return _token_page(form)
    until = clock.iso(expires_at)[:10] if expires_at is not None else "never expires"
    note("token made", f"token {form.name}", new=f"{form.permission}, {until}")
    return live.show("general", "users_token.html", args={}, form=form, text=text, rights=RIGHTS)


def _expiry(form: Form) -> float | None:
    """Wall time at which the token ends; None is never. Notes what is wrong in the form."""
    if form.expires == "never":
        return None
    if form.expires not in EXPIRIES:
        form.errors["expires"] = "Choose one of the times."
    elif not clock_is_set():
        form.errors["expires"] = (
            f"The card's clock is not set: it shows {clock.iso(clock.wall())[:10]}. Set it first, or choose Never."
        )
    else:
        return clock.wall() + int(form.expires) * DAY_S
    return None


def _token_page(form: Form) -> str:
    offered = {permission: words for permission, words in RIGHTS.items() if permission is not Permission.NONE}
    return live.show(
        "general", "users_token.html", args={}, form=form, text="", rights=offered, meanings=MEANINGS, expiries=EXPIRIES
    )


@blueprint.get("/revoke")
@requires("administrator")
def ask_revoke() -> Any:
    """Ask before a token is revoked."""
    return live.show("general", "users_revoke.html", args={}, token=_one_token())


@blueprint.post("/revoke")
@requires("administrator")
def revoke() -> Any:
    """End a token."""
    token = _one_token()
    if store().accounts.revoke_token_number(token.id):
        note("token revoked", f"token {token.name}")
        flash(f"Token {token.name} was revoked.", "info")
    return redirect(url_for("users.page"), 303)


def _one_token() -> Token:
    """The token that the address names; 404 where there is none that opens anything."""
    number = request.args.get("number", "")
    found = next((item for item in store().accounts.list_tokens() if str(item.id) == number), None)
    if found is None or found.revoked is not None:
        abort(404)
    return found
