"""The own account of whoever is signed in: permission, password, second factor, sessions."""

from __future__ import annotations

import io
from typing import Any

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for

from istars.platform import clock
from istars.store.accounts import User
from istars.store.factors import RECOVERY_CODES, Check, address_for_app, clock_is_set, new_secret
from istars.store.sessions import Session
from istars.web import auth, session
from istars.web.audit import note
from istars.web.security import requires
from istars.web.session import Person
from istars.web.store import settings, store

blueprint = Blueprint("account", __name__, url_prefix="/account")

QR_SCALE, QR_BORDER = 6, 4
NO_CLOCK = "The card's clock is not set: it shows {}. Codes depend on the time, so set the clock first."
BUSY = "Somebody else is signing in. Try again in a moment."


def _me() -> tuple[Person, User]:
    """The person behind the cookie and what is kept of that user."""
    person = auth.myself()
    user = store().accounts.user(person.name) if person is not None else None
    if person is None or user is None:
        abort(404)
    return person, user


def _sitting(person: Person) -> Session:
    """The session that this request belongs to."""
    found = store().sessions.find(person.secret, settings().number("session.idle") * 60)
    if found is None:
        abort(401)
    return found


def clock_problem() -> str:
    """Why no code can be checked now; empty where they can."""
    return "" if clock_is_set() else NO_CLOCK.format(clock.iso(clock.wall())[:10])


@blueprint.get("")
def page() -> Any:
    """The account as it is."""
    return _account_page()


def _account_page(errors: dict[str, str] | None = None, status: int = 200) -> Response:
    person, user = _me()
    shown = render_template(
        "account.html",
        person=person,
        user=user,
        has_factor=store().factors.has(user.name),
        recovery_left=store().factors.recovery_left(user.name),
        recovery_all=RECOVERY_CODES,
        address=session.address(),
        clock_problem=clock_problem(),
        errors=errors or {},
    )
    return Response(shown, status)


def _password_errors(person: Person, name: str) -> dict[str, str]:
    """The error of field `name` where the present password is wrong: a browser left open must not be enough."""
    try:
        with auth.one_at_a_time():
            reason = auth.check_present(person).get("pw")
            return {name: reason} if reason else {}
    except auth.Busy:
        return {name: BUSY}


@blueprint.post("/factor/begin")
@requires("read")
def begin() -> Any:
    """Make the secret of a second factor, for this session only; it counts when a code has confirmed it."""
    person, _ = _me()
    errors = {"begin": clock_problem()} if clock_problem() else _password_errors(person, "begin")
    if errors:
        return _account_page(errors)
    store().sessions.keep_pending(person.secret, new_secret())
    return redirect(url_for("account.factor"), 303)


@blueprint.get("/factor")
def factor() -> Any:
    """Show the secret and ask for a first code."""
    person, user = _me()
    pending = _sitting(person).pending
    return _factor_page(user, pending) if pending else redirect(url_for("account.page"))


def _factor_page(user: User, pending: str, error: str = "") -> str:
    groups = " ".join(pending[start : start + 4] for start in range(0, len(pending), 4))
    return render_template("factor.html", user=user, groups=groups, error=error, recovery_all=RECOVERY_CODES)


@blueprint.get("/factor.svg")
def picture() -> Any:
    """The secret as a QR code, for the camera of a phone."""
    import segno  # used once in the life of a user; loading it costs memory

    person, user = _me()
    pending = _sitting(person).pending
    if not pending:
        abort(404)
    drawing = io.BytesIO()
    text = address_for_app(pending, user.name, settings().text("system.name"))
    # dark on light in every theme: cameras want it so
    segno.make_qr(text, error="m").save(
        drawing, kind="svg", scale=QR_SCALE, border=QR_BORDER, dark="#000", light="#fff", xmldecl=False
    )
    return Response(drawing.getvalue(), mimetype="image/svg+xml")


@blueprint.post("/factor")
@requires("read")
def confirm() -> Any:
    """Switch the second factor on with a code that proves the app has the secret; shows the recovery codes, this once."""
    person, user = _me()
    pending = _sitting(person).pending
    if not pending:
        return redirect(url_for("account.page"), 303)
    result, codes = store().factors.switch_on(user.name, pending, request.form.get("code", ""))
    if result is Check.NO_CLOCK:
        return _factor_page(user, pending, clock_problem())
    if result is not Check.RIGHT:
        at = clock.iso(clock.wall())[11:19]
        return _factor_page(
            user,
            pending,
            f"This is not the code of this moment. The card's clock shows {at}; that of the phone must agree.",
        )
    store().sessions.keep_pending(person.secret, "")
    # whoever else is signed in has not given a code
    store().accounts.end_sessions(user.name)
    renewed = store().accounts.user(user.name)
    if renewed is not None:
        session.begin(renewed)
    note("second factor switched on", f"user {user.name}")
    return render_template("recovery.html", codes=codes)


@blueprint.post("/factor/off")
@requires("read")
def switch_off() -> Any:
    """Ask for no more codes, after the present password."""
    person, user = _me()
    errors = _password_errors(person, "off")
    if errors:
        return _account_page(errors)
    if store().factors.switch_off(user.name):
        note("second factor switched off", f"user {user.name}")
        flash("The second factor is off. Your password alone signs you in.", "info")
    return redirect(url_for("account.page"), 303)
