"""Who asks: the signed cookie of a browser, or the token of a program.

The cookie holds a name, a random number and the secret of the forms; it is written when somebody signs in and out, not with
every answer. What the number means stands in `store/sessions.py`, so a copied cookie is worthless after signing out.
"""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
from dataclasses import dataclass
from typing import Any

from flask import Flask, Request, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import LoginManager, current_user, login_user
from flask_wtf.csrf import generate_csrf
from itsdangerous import BadSignature

from istars.errors import StoreError
from istars.model.commands import Permission
from istars.platform import files, paths
from istars.store.account_rules import Asker, kept_permission
from istars.store.accounts import User
from istars.store.sessions import HALF_S, Session
from istars.web import remote
from istars.web.store import settings, store

log = logging.getLogger(__name__)

SECRET_BYTES = 32
RIGHTS = {
    Permission.NONE: "No permission",
    Permission.READ: "Read only",
    Permission.WRITE: "Read and write",
    Permission.ADMINISTRATOR: "Administrator",
}


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks. `secret` is what the cookie holds, empty for a program with a token. `remote`: a RADIUS server knows them."""

    name: str
    permission: Permission
    must_change: bool = False
    secret: str = ""
    remote: bool = False

    is_authenticated = True
    is_active = True
    is_anonymous = False

    @property
    def rights(self) -> str:
        """The permission in words."""
        return RIGHTS[self.permission]

    @property
    def by_token(self) -> bool:
        """Whether a program asks, not a browser."""
        return not self.secret

    def may(self, permission: str) -> bool:
        """Whether this person may do what asks for `permission`."""
        return self.permission.allows(Permission(permission))

    def get_id(self) -> str:
        """The name; the cookie holds it beside the random number that counts."""
        return self.name


class CookieInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, without its time limit: that reads the wall clock, which jumps; ours is in `store/sessions.py`.

    The name carries the port: cookies do not know ports, and two instances on one machine would sign each other out.
    """

    digest_method = staticmethod(hashlib.sha256)

    def __init__(self, port: str) -> None:
        self._name = f"istars-{port}"

    def get_cookie_name(self, app: Flask) -> str:
        """With TLS under the prefix that keeps other hosts and plain http from setting it."""
        return f"__Host-{self._name}" if request.is_secure else self._name

    def get_cookie_secure(self, app: Flask) -> bool:
        """Never over plain http once it was set over TLS."""
        return request.is_secure

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The contents of the cookie; empty where its signature is not ours."""
        signer = self.get_signing_serializer(app)
        if signer is None:
            return None
        value = request.cookies.get(self.get_cookie_name(app))
        if not value:
            return self.session_class()
        try:
            return self.session_class(signer.loads(value))
        except BadSignature:
            return self.session_class()


def secret_key() -> bytes:
    """The key that signs the cookies: made at the first start, kept on flash for nobody else to read."""
    path = paths.data_dir() / "web-secret"
    try:
        key = path.read_bytes()
        if len(key) == SECRET_BYTES:
            return key
        log.error("%s is damaged; a new one is made and everybody has to sign in again", path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.error("%s cannot be read: %s", path, error.strerror)
    key = secrets.token_bytes(SECRET_BYTES)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        files.replace(path, key, 0o600)
    except OSError as error:
        log.error("%s cannot be written (%s): a restart of the web worker signs everybody out", path, error.strerror)
    return key


def init_app(app: Flask) -> None:
    """Let Flask-Login find out who asks."""
    app.session_interface = CookieInterface(os.environ.get("HTTP_PORT", "80"))
    app.config.update(SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
    manager = LoginManager()
    # Addresses change while people walk through a building: a session is bound to none but those its user is bound to.
    manager.session_protection = None
    manager.user_loader(_by_cookie)
    manager.request_loader(_by_token)
    manager.init_app(app)


def person() -> Person | None:
    """Who asks, or None for a stranger. Raises StoreError where that cannot be found out."""
    found: Any = current_user
    known = found._get_current_object() if found.is_authenticated else None
    if g.get("accounts_error") is not None:
        raise g.accounts_error
    return known if isinstance(known, Person) else None


def address() -> str:
    """Where the request comes from."""
    return request.remote_addr or "local"


def asker() -> Asker:
    """Who asks for a change of the accounts, and from where."""
    known = person()
    return Asker(known.name if known else "", address())


def begin(user: User) -> None:
    """Sign `user` in under a new cookie; whatever the browser had before is over."""
    end("replaced")
    secret = store().sessions.start(user.name, user.generation, address())
    login_user(Person(user.name, user.permission, user.must_change, secret))
    session["number"] = secret
    _new_form_secret()


def begin_remote(user: User, lasts_s: float) -> None:
    """Sign somebody in whom a RADIUS server has accepted, for `lasts_s` at most."""
    end("replaced")
    given = user.permission.value
    secret = store().sessions.start(user.name, user.generation, address(), remote=given, lasts_s=lasts_s)
    login_user(Person(user.name, user.permission, secret=secret, remote=True))
    session["number"] = secret
    _new_form_secret()


def begin_half(user: User) -> None:
    """The password of `user` was right, the code is still missing: a cookie that opens nothing but the question for it."""
    end("replaced")
    session["half"] = store().sessions.start(user.name, user.generation, address(), half=True)
    _new_form_secret()


def half() -> User | None:
    """Whose password was right in this browser some minutes ago; None where nobody waits for the question for the code."""
    secret = session.get("half")
    if not isinstance(secret, str):
        return None
    known = store().sessions.find(secret, HALF_S)
    user = store().accounts.user(known.user) if known and known.half and not known.ended else None
    if known is None or user is None or user.generation != known.generation or not user.may_enter(address()):
        return None
    return user


def _new_form_secret() -> None:
    """What was planted in the browser before signing in is worth nothing after."""
    g.pop("csrf_token", None)
    generate_csrf()


def end(reason: str = "left") -> None:
    """Sign out: the cookie is worthless from now on, whoever has a copy."""
    secrets_held = [session.get("number"), session.get("half")]
    session.clear()
    for secret in secrets_held:
        if isinstance(secret, str):
            store().sessions.end(secret, reason)


def why_signed_out() -> str:
    """Why the cookie of this request no longer counts, empty if it has none.

    `idle`, `old`, `left`, `replaced`, `closed` by somebody else, `elsewhere`: not from this address, `unknown`.
    """
    if person() is not None:
        return ""
    return str(g.get("signed_out", ""))


def _by_cookie(_name: str) -> Person | None:
    """The person of a session that is not over. A request that brings a token is judged by the token alone."""
    secret = session.get("number")
    if "Authorization" in request.headers or not isinstance(secret, str):
        return None
    try:
        known = store().sessions.find(secret, settings().number("session.idle") * 60)
        if known is None or known.ended or known.half:
            g.signed_out = known.ended if known else "unknown"
            return None
        user = user_of(known)
        if user is None or user.generation != known.generation:
            store().sessions.end(secret, "replaced")
            g.signed_out = "replaced"
            return None
        if not user.may_enter(address()):
            # whoever the cookie belongs to goes on where it is allowed; a copy of it is worth nothing here
            log.warning("the session of %s was refused to %s", user.name, address())
            g.signed_out = "elsewhere"
            return None
    except StoreError as error:
        # kept for `person()`: the page that reports it asks again who is signed in
        g.accounts_error = error
        return None
    return Person(user.name, user.permission, user.must_change, secret, bool(known.remote))


def user_of(known: Session) -> User | None:
    """Whose session it is, as far as that user still has access."""
    if known.remote:
        return remote.user(known.user, kept_permission(known.remote))
    return store().accounts.user(known.user)


def _by_token(asked: Request) -> Person | None:
    """The program whose token stands in `Authorization: Bearer`. Only the API takes tokens."""
    scheme, _, text = asked.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not asked.path.startswith("/api/"):
        return None
    try:
        token = store().accounts.token(text.strip())
    except StoreError as error:
        g.accounts_error = error
        return None
    if token is not None and not token.may_enter(address()):
        log.warning("the token %s was refused to %s", token.name, address())
        return None
    return Person(f"token {token.name}", token.permission) if token else None
