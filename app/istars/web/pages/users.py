"""Remote login: who may use the card and from where, keys for programs, and who is signed in. For administrators only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, flash, redirect, request, url_for

from istars.platform import clock
from istars.store.account_rules import AccountRefused
from istars.store.accounts import User
from istars.store.sessions import Session
from istars.web import live, passwords, session
from istars.web.account_forms import MEANINGS, Form, attempt, check, sentence, typed
from istars.web.audit import note
from istars.web.pages.tokens import key_of
from istars.web.security import requires
from istars.web.session import RIGHTS
from istars.web.store import settings, store
from istars.web.view import duration

blueprint = Blueprint("users", __name__, url_prefix="/settings/users")


@dataclass(frozen=True, slots=True)
class Seat:
    """One session as the list shows it."""

    handle: str
    user: str
    address: str
    since: str
    iso: str
    lasted: str
    unused: str
    mine: bool


def _of(user: User) -> Form:
    patterns = "\n".join(pattern.text for pattern in user.patterns)
    return Form(user.name, user.permission, patterns, must_change=user.must_change)


def _one() -> User:
    """The user that the address names; 404 where there is none."""
    user = store().accounts.user(request.args.get("name", ""))
    if user is None:
        abort(404)
    return user


def _bound(user: User) -> str:
    return ", ".join(pattern.text for pattern in user.patterns) or "any address"


# the list


@blueprint.get("")
@requires("administrator")
def page() -> Any:
    """Users, tokens and sessions."""
    wall = clock.wall()
    idle_s = settings().number("session.idle") * 60
    users = store().accounts.users()
    seats = [
        _seat(found, wall)
        for found in store().sessions.present(idle_s)
        if (user := session.user_of(found)) is not None and user.generation == found.generation
    ]
    return live.show(
        "general",
        "users.html",
        args={},
        users=users,
        rights=RIGHTS,
        factors=store().factors.users(),
        seats=seats,
        keys=[key_of(token, wall) for token in reversed(store().accounts.list_tokens())],
    )


def _seat(found: Session, wall: float) -> Seat:
    boot, person = clock.boottime(), session.person()
    mine = person is not None and bool(person.secret) and store().sessions.handle_of(person.secret) == found.handle
    iso = clock.iso(wall - (boot - found.began))
    return Seat(
        handle=found.handle,
        user=found.user,
        address=found.address,
        since=f"{iso[:10]} {iso[11:16]}",
        iso=iso,
        lasted=duration(boot - found.began),
        unused=duration(boot - found.used),
        mine=mine,
    )


# users


@blueprint.get("/add")
@requires("administrator")
def add() -> Any:
    """The form for a new user."""
    return _user_page(Form())


@blueprint.post("/add")
@requires("administrator")
def save_new() -> Any:
    """Make a user."""
    form = typed()
    password = request.form.get("p1", "")
    check(form, "name", "permission", "patterns", taken=[user.name for user in store().accounts.users()])
    _check_password(form, password)
    if form.errors:
        return _user_page(form)
    accounts = store().accounts
    if attempt(
        form,
        lambda: accounts.add_user(
            form.name, password, form.permission, must_change=form.must_change, patterns=form.patterns
        ),
    ):
        made = accounts.user(form.name)
        note("user added", f"user {form.name}", new=f"{form.permission}, {_bound(made)}" if made else "")
        flash(f"User {form.name} was added.", "info")
        return redirect(url_for("users.page"), 303)
    return _user_page(form)


@blueprint.get("/edit")
@requires("administrator")
def edit() -> Any:
    """The form of one user."""
    user = _one()
    return _user_page(_of(user), user)


@blueprint.post("/edit")
@requires("administrator")
def save() -> Any:
    """Change permission and addresses, and the password where one was typed: all of it or nothing."""
    user, form, asker = _one(), typed(), session.asker()
    form.name = user.name
    check(form, "permission", "patterns")
    password, mine = request.form.get("p1", ""), user.name == asker.name
    if password and mine:
        form.errors["p1"] = "Change your own password in your account, where the present one is asked for."
    elif password:
        _check_password(form, password)
    if form.errors:
        return _user_page(form, user)
    accounts = store().accounts
    if attempt(
        form,
        lambda: accounts.change_user(
            user.name,
            permission=form.permission,
            patterns=form.patterns,
            password=password,
            must_change=None if mine else form.must_change,
            by=asker,
        ),
    ):
        _note_change(user, accounts.user(user.name) or user, bool(password))
        flash(f"User {user.name} was saved.", "info")
        return redirect(url_for("users.page"), 303)
    return _user_page(form, user)


def _note_change(before: User, after: User, password: bool) -> None:
    if password:
        note("password set", f"user {after.name}", new="changed")
    elif before.must_change != after.must_change:
        words = ["may be kept", "must be changed"]
        note("password rule changed", f"user {after.name}", words[before.must_change], words[after.must_change])
    if before.permission is not after.permission:
        note("permission changed", f"user {after.name}", before.permission.value, after.permission.value)
    if before.patterns != after.patterns:
        note("addresses changed", f"user {after.name}", _bound(before), _bound(after))


def _check_password(form: Form, password: str) -> None:
    names = (form.name, settings().text("system.name"), settings().text("system.location"))
    reason = passwords.problem(password, names)
    if reason:
        form.errors["p1"] = reason


def _user_page(form: Form, user: User | None = None) -> str:
    return live.show(
        "general",
        "users_edit.html",
        args={},
        form=form,
        user=user,
        mine=user is not None and user.name == session.asker().name,
        has_factor=user is not None and store().factors.has(user.name),
        rights=RIGHTS,
        meanings=MEANINGS,
        shortest=passwords.SHORTEST,
        address=session.address(),
    )


@blueprint.post("/factor/off")
@requires("administrator")
def factor_off() -> Any:
    """Switch the second factor of a user off, who has lost phone and recovery codes. One's own needs the password."""
    user = _one()
    if user.name == session.asker().name:
        return redirect(url_for("account.page"), 303)
    if store().factors.switch_off(user.name):
        note("second factor switched off", f"user {user.name}")
        flash(f"The second factor of {user.name} is off.", "info")
    return redirect(url_for("users.edit", name=user.name), 303)


@blueprint.get("/remove")
@requires("administrator")
def ask_remove() -> Any:
    """Ask before a user is removed."""
    return _remove_page(_one())


@blueprint.post("/remove")
@requires("administrator")
def remove() -> Any:
    """Remove a user."""
    user = _one()
    try:
        store().accounts.remove_user(user.name, by=session.asker())
    except AccountRefused as error:
        return _remove_page(user, sentence(str(error)))
    note("user removed", f"user {user.name}", old=f"{user.permission}, {_bound(user)}")
    flash(f"User {user.name} was removed.", "info")
    return redirect(url_for("users.page"), 303)


def _remove_page(user: User, error: str = "") -> str:
    wall = clock.wall()
    tokens = [token for token in store().accounts.list_tokens() if token.owner == user.name and token.usable(wall)]
    return live.show("general", "users_remove.html", args={}, user=user, tokens=tokens, error=error, rights=RIGHTS)


# sessions


@blueprint.post("/sessions/end")
@requires("administrator")
def end_session() -> Any:
    """Sign somebody out."""
    person = session.person()
    handle = request.form.get("session", "")
    if person is not None and person.secret and store().sessions.handle_of(person.secret) == handle:
        note("signed out", f"user {person.name}")
        session.end()
        return redirect(url_for("auth.login"), 303)
    ended = store().sessions.close_one(handle)
    if ended is None:
        flash("This session was over already.", "info")
    else:
        note("session ended", f"user {ended.user}", old=f"from {ended.address}")
        flash(f"The session of {ended.user} from {ended.address} was ended.", "info")
    return redirect(url_for("users.page"), 303)
