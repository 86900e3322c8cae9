"""Signing in and out, and choosing a password.

Wrong passwords cost waiting (`store/throttle.py`). A wrong password and an unknown name look alike and take the same time.
Nobody gets further with the password the card came with than to choosing another.
"""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, Response, current_app, flash, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError

from istars.errors import IStarsError, StoreError
from istars.model.commands import Permission
from istars.platform import clock
from istars.platform.radius import NoAnswer
from istars.store.account_rules import NAME_LENGTH
from istars.store.accounts import User
from istars.store.factors import RECOVERY_CODES, Check
from istars.store.sessions import LONGEST_S
from istars.store.telling import tell
from istars.store.throttle import Wait
from istars.web import passwords, remote, session
from istars.web.audit import note
from istars.web.security import before_password_change, local_path, public, refuse, requires
from istars.web.session import Person
from istars.web.store import live, settings, store

log = logging.getLogger(__name__)

blueprint = Blueprint("auth", __name__)

READ = Permission.READ
LOCKED_AN_HOUR, HOUR_S = 10, 3_600.0
"""So many events about locked sign-ins at most: whoever guesses must not push out what matters."""
WAITING_LIMIT = 2
"""Sign-ins that may wait for their turn; more would take all threads from the pages."""


class Busy(IStarsError):
    """Too many people sign in at the same moment."""


class Turns:
    """One after the other, while at most `waiting` wait; what is counted inside is counted before the next try begins."""

    def __init__(self, waiting: int) -> None:
        self._turn = threading.Lock()
        self._places = threading.BoundedSemaphore(1 + waiting)

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Wait for the turn; raises Busy where too many wait."""
        if not self._places.acquire(blocking=False):
            raise Busy
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


one_at_a_time = Turns(WAITING_LIMIT)
"""Password hashes: each takes 16 MiB and much time."""
one_question = Turns(1)
"""Questions to RADIUS servers: a silent one takes its time, in which the users of the card must be able to sign in."""


@blueprint.get("/login")
@public
def login() -> Any:
    """The form; it says why a session is over."""
    try:
        if session.person() is not None:
            return redirect(local_path(request.args.get("next")))
        return _login_page(session.why_signed_out())
    except StoreError as error:
        return _no_accounts(error)


@blueprint.post("/login")
@public
def try_login() -> Any:
    """Check name and password; then begin a session, or ask for the code of the second factor."""
    name, password = request.form.get("user", ""), request.form.get("pw", "")
    try:
        if remote.concerns(name):
            return _try_remote(name, password)
        with one_at_a_time():
            user, wait = _verify(name, password)
        if user is None:
            return _refused(name, wait)
        if store().factors.has(user.name):
            session.begin_half(user)
            return redirect(url_for("auth.code", next=_wanted()), 303)
        return _enter(user)
    except Busy:
        return _login_page("busy", 503, name)
    except StoreError as error:
        return _no_accounts(error)


def _enter(user: User) -> Response:
    """Begin the session of somebody who has proved everything, and lead to where they wanted."""
    session.begin(user)
    log.info("%s signed in from %s", user.name, session.address())
    note("signed in", f"user {user.name}")
    if user.must_change:
        return _to(url_for("auth.password", next=_wanted()))
    return _to(_wanted() or "/")


def _try_remote(name: str, password: str) -> Response:
    """Ask the RADIUS servers. Their silence is no wrong password: it is not counted, and whoever tries is told."""
    throttle, address = store().throttle, session.address()
    with one_question():
        wait = throttle.wait(name, address)
        if wait.seconds > 0:
            return _refused(name, wait)
        try:
            answer = remote.ask(name, password, address)
        except NoAnswer as error:
            log.warning("nobody can sign in by RADIUS: %s", error)
            note("sign-in refused", "an unknown user", new=f"RADIUS: {error}")
            return _login_page("silent", 503, name)
        guest = remote.admit(name, answer)
        if guest is None:
            return _refused(name, _count_failure(name, "an unknown user", remote.why(answer)))
        throttle.succeeded(name, address)
    session.begin_remote(guest.user, guest.lasts_s)
    log.info("%s signed in from %s by RADIUS", name, address)
    note("signed in", f"user {name}", new=f"by RADIUS server {answer.server}, {guest.user.permission}")
    return _to(_wanted() or "/")


def _wanted() -> str | None:
    """The page that was asked for before signing in; None for the first page."""
    wanted = local_path(request.args.get("next"))
    return wanted if wanted != "/" else None


def _to(path: str) -> Response:
    response = Response(status=303)
    response.headers["Location"] = path
    return response


def _verify(name: str, password: str) -> tuple[User | None, Wait]:
    """The user whose password this is, or what the failure costs. While a wait lasts nothing is tried and nothing counted.

    A user without a permission, or from an address that is not theirs, looks like a wrong password: a right one must not be
    confirmed to somebody who then only looks for the right address.
    """
    throttle, address = store().throttle, session.address()
    wait = throttle.wait(name, address)
    if wait.seconds > 0:
        return None, wait
    user = store().accounts.verify(name, password) if len(name) <= NAME_LENGTH else None
    if user is not None and user.may_enter(address):
        if not store().factors.has(name):
            throttle.succeeded(name, address)
        return user, wait
    # people type passwords into the field for the name: what is nobody's name goes into no log
    shown = f"user {name}" if store().accounts.user(name) is not None else "an unknown user"
    reason = "wrong password" if user is None else "no permission" if not user.permission.allows(READ) else "address"
    return None, _count_failure(name, shown, reason)


def _count_failure(name: str, shown: str, reason: str) -> Wait:
    """Write down that a try failed (`shown` is whose, for people) and count it; answers what it costs."""
    address = session.address()
    log.warning("sign-in refused: %s from %s, %s", shown.removeprefix("user "), address, reason)
    note("sign-in refused", shown, new=reason)
    wait = store().throttle.failed(name, address)
    if wait.seconds > 0:
        _tell_locked(shown, wait)
    return wait


def _tell_locked(shown: str, wait: Wait) -> None:
    """An event for a name or an address that has to wait from now on, but not more of them than somebody reads."""
    now = clock.boottime()
    told: deque[float] = current_app.extensions.setdefault("istars.locked", deque(maxlen=LOCKED_AN_HOUR))
    if wait.first and (len(told) < LOCKED_AN_HOUR or now - told[0] >= HOUR_S):
        told.append(now)
        tell(live(), "LOGIN_FAIL", by=f"{shown}, from {session.address()}")


@blueprint.get("/login/code")
@public
def code() -> Any:
    """Ask for the code of the second factor."""
    try:
        if session.person() is not None:
            return redirect(local_path(request.args.get("next")))
        user = session.half()
        if user is None:
            return redirect(url_for("auth.login", next=_wanted()))
        return _code_page(user.name, "")
    except StoreError as error:
        return _no_accounts(error)


@blueprint.post("/login/code")
@public
def try_code() -> Any:
    """Check a code and begin the session. Wrong ones count like wrong passwords."""
    try:
        user = session.half()
        if user is None:
            return _back_to_password()
        with one_at_a_time():
            result, wait = _check_code(user.name, request.form.get("code", ""))
        if result not in (Check.RIGHT, Check.RECOVERED):
            return _code_page(user.name, "wait" if wait.seconds > 0 else result, wait)
        response = _enter(user)
        if result is Check.RECOVERED:
            left = store().factors.recovery_left(user.name)
            flash(
                f"You used a recovery code. {left} of {RECOVERY_CODES} are left; make new ones in your account.", "warn"
            )
        return response
    except Busy:
        return _login_page("busy", 503)
    except StoreError as error:
        return _no_accounts(error)


def _check_code(name: str, typed: str) -> tuple[Check, Wait]:
    """What a code is worth, and what stands before the next try."""
    throttle, address = store().throttle, session.address()
    wait = throttle.wait(name, address)
    if wait.seconds > 0:
        return Check.WRONG, wait
    result = store().factors.check(name, typed)
    if result in (Check.RIGHT, Check.RECOVERED):
        throttle.succeeded(name, address)
    elif result is not Check.NO_CLOCK:
        wait = _count_failure(name, f"user {name}", f"{result} code")
    return result, wait


def _back_to_password() -> Response:
    """Nobody waits for this question, or not any more."""
    return _to(url_for("auth.login", next=_wanted()))


def _code_page(name: str, state: str, wait: Wait | None = None) -> Response:
    seconds = math.ceil(wait.seconds) if wait is not None else 0
    again_at = clock.iso(clock.wall() + seconds)[11:19]
    today = clock.iso(clock.wall())[:10]
    page = render_template(
        "totp.html", state=state, user=name, wait=wait, seconds=seconds, again_at=again_at, today=today
    )
    response = Response(page, 429 if state == "wait" else 200)
    if seconds:
        response.headers["Retry-After"] = str(seconds)
    return response


def _refused(name: str, wait: Wait) -> Response:
    if wait.seconds > 0:
        return _login_page("wait", 429, name, wait)
    return _login_page("wrong", 200, name, wait)


def _login_page(state: str, status: int = 200, name: str = "", wait: Wait | None = None) -> Response:
    """The form in one of its states; with a wait it says until when."""
    seconds = math.ceil(wait.seconds) if wait is not None else 0
    page = render_template(
        "login.html",
        state=state,
        user=name,
        wait=wait,
        seconds=seconds,
        again_at=clock.iso(clock.wall() + seconds)[11:19],
        address=session.address(),
        idle=settings().whole("session.idle"),
        longest_h=int(LONGEST_S // 3600),
        back=local_path(request.args.get("next")) != "/",
    )
    response = Response(page, status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(max(seconds, 2))
    return response


def _no_accounts(error: StoreError) -> Response:
    """Nobody can sign in: neither the accounts nor their copy can be read."""
    log.error("nobody can sign in: %s", error)
    return _login_page("damaged", 503)


@blueprint.errorhandler(CSRFError)
def _stale_form(error: CSRFError) -> Any:
    """A form from a page that was open for too long, or a browser that takes no cookies."""
    if request.endpoint in ("auth.try_login", "auth.try_code"):
        return _login_page("again", 400, request.form.get("user", ""))
    return refuse(400, "csrf", "This form is too old, or was not sent from a page of this card. Load the page again.")


@blueprint.post("/logout")
@requires("read")
@before_password_change
def logout() -> Any:
    """End the session, for every copy of its cookie."""
    person = session.person()
    note("signed out", f"user {person.name}" if person else "")
    session.end()
    return redirect(url_for("auth.login"), 303)


@blueprint.get("/password")
@requires("read")
@before_password_change
def password() -> Any:
    """The form for a new password."""
    person = myself()
    return refuse(404) if person is None else _password_page(person)


@blueprint.post("/password")
@requires("read")
@before_password_change
def set_password() -> Any:
    """Take a new password. All other sessions of this user are over, this one goes on under a new cookie."""
    person = myself()
    if person is None:
        return refuse(404)
    chosen, repeated = request.form.get("p1", ""), request.form.get("p2", "")
    try:
        with one_at_a_time():
            errors = {} if person.must_change else check_present(person)
            errors = errors or _check_chosen(person, chosen, repeated)
            if errors:
                return _password_page(person, errors)
            user = store().accounts.set_password(person.name, chosen)
    except Busy:
        return _password_page(person, {"p1": "Somebody else is signing in. Try again in a moment."}, 503)
    session.begin(user)
    log.info("%s chose a new password from %s", user.name, session.address())
    note("password changed", f"user {user.name}")
    if not person.must_change:
        flash("Your new password is in force. Everybody else who was signed in as you has been signed out.", "info")
    return redirect(local_path(request.args.get("next")), 303)


def myself() -> Person | None:
    """The person behind a cookie; a token has no password, and that of a RADIUS user is none of this card."""
    person = session.person()
    return person if person is not None and person.secret and not person.remote else None


def check_present(person: Person) -> dict[str, str]:
    """Errors by field: whoever finds a browser signed in must not be able to take the account over."""
    user, wait = _verify(person.name, request.form.get("pw", ""))
    if user is not None:
        return {}
    if wait.seconds > 0:
        return {"pw": f"Too many tries. Wait {math.ceil(wait.seconds)} s."}
    return {"pw": "This is not your present password."}


def _check_chosen(person: Person, chosen: str, repeated: str) -> dict[str, str]:
    """Errors by field."""
    names = (person.name, settings().text("system.name"), settings().text("system.location"))
    reason = passwords.problem(chosen, names)
    if reason:
        return {"p1": reason}
    if chosen != repeated:
        return {"p2": "This is not the same as above."}
    if store().accounts.verify(person.name, chosen) is not None:
        return {"p1": "This is the password you have now."}
    return {}


def _password_page(person: Person, errors: dict[str, str] | None = None, status: int = 200) -> Response:
    user = store().accounts.user(person.name)
    page = render_template(
        "password.html",
        person=person,
        given=user is not None and user.given,
        errors=errors or {},
        shortest=passwords.SHORTEST,
    )
    return Response(page, status)
