"""Who may do what, and what every answer carries.

Closed by default: a view answers strangers only if it is marked `@public`, and changes something only for people with the
permission to write and with the token of a form of ours. Nothing is built from the Host header, so any name may lead here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from flask import Flask, Response, current_app, g, jsonify, redirect, render_template, request, url_for
from flask_wtf.csrf import CSRFError, CSRFProtect, validate_csrf
from jinja2 import TemplateError
from werkzeug.exceptions import HTTPException
from wtforms import ValidationError

from istars.errors import StoreError
from istars.model.commands import Permission
from istars.web import session
from istars.web.store import store

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BODY_LIMIT = 64 * 1024
NEXT_LIMIT = 512
REALM = 'Bearer realm="iStars"'

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

WORDS = {
    400: ("bad-request", "The card did not understand this request."),
    401: ("sign-in-required", "Sign in first."),
    403: ("forbidden", "You do not have the permission for this."),
    404: ("not-found", "There is nothing at this address."),
    405: ("method-not-allowed", "This cannot be done at this address."),
    413: ("too-large", "What was sent is larger than the card takes here."),
    422: ("refused", "The card does not take what was sent."),
    415: ("wrong-type", "What was sent is not in a form that the card reads here."),
    500: ("internal-error", "Something went wrong inside the card. It stands in the card's log. Try again."),
    503: ("unavailable", "The card cannot read its records at the moment."),
}
"""Status to code and sentence, for answers that nobody worded better."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use a view, and how many bytes they may send. Without `permission` it is read for looking, else write."""

    public: bool = False
    permission: Permission | None = None
    before_change: bool = False
    body_limit: int = BODY_LIMIT
    stream_limit: int = 0


def access_of(view: Callable[..., Any]) -> Access:
    """The mark of a view; the closed default where it has none."""
    found = getattr(view, "istars_access", None)
    return found if isinstance(found, Access) else Access()


def _mark(view: View, **changes: Any) -> View:
    setattr(view, "istars_access", replace(access_of(view), **changes))  # noqa: B010 - functions have no such field for mypy
    return view


def public(view: View) -> View:
    """Answer everybody. The list of these views is short and a test holds it."""
    return _mark(view, public=True)


def before_password_change(view: View) -> View:
    """Answer also people who still have to choose a password."""
    return _mark(view, before_change=True)


def requires(permission: str) -> Callable[[View], View]:
    """Answer only people with `permission` ("read", "write" or "administrator") or more."""
    needed = Permission(permission)
    return lambda view: _mark(view, permission=needed)


def takes_up_to(size: int) -> Callable[[View], View]:
    """Read a body of at most `size` bytes, of whoever may use the view."""
    return lambda view: _mark(view, body_limit=size)


def streams(limit: int) -> Callable[[View], View]:
    """Take a body of up to `limit` bytes, which the view reads as it comes in: nobody else may touch it.

    The token of our forms stands in the header X-CSRFToken, or in the query where a form without script sends the body: so
    nothing of it is read before it is known that its sender may send it.
    """
    return lambda view: _mark(view, stream_limit=limit)


def wants_data() -> bool:
    """Whether the answer is for a program: the API, and the values that pages poll."""
    return request.path.startswith(("/api/", "/live"))


def problem(status: int, code: str = "", message: str = "", field: str = "") -> Response:
    """An error as the API tells it: `error` is a code for programs, `message` a sentence, `field` what it is about."""
    usual = WORDS.get(status, WORDS[400])
    body = {"error": code or usual[0], "message": message or usual[1]}
    if field:
        body["field"] = field
    response = jsonify(body)
    response.status_code = status
    return response


def refuse(status: int, code: str = "", message: str = "") -> Response:
    """An error in the form that whoever asks can read: JSON for programs, a page for people."""
    if wants_data():
        return problem(status, code, message)
    told = message or WORDS.get(status, WORDS[400])[1]
    try:
        return Response(render_template("error.html", status=status, message=told), status)
    except TemplateError:
        log.exception("the page for errors cannot be made")
        return Response(f"{told}\n", status, mimetype="text/plain")


def local_path(text: str | None) -> str:
    """`text` if it is a page of this card, else the first page. Never leads to another host, whatever a browser makes of it."""
    if not text or len(text) > NEXT_LIMIT or not text.startswith("/") or text.startswith("//"):
        return "/"
    if "\\" in text or not text.isprintable() or text.startswith(("/login", "/logout", "/password", "/api/", "/live")):
        return "/"
    return text


def init_app(app: Flask) -> None:
    """Put the guard before and the headers behind every view."""
    app.config.update(
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        # the guard below decides when a token is needed: not for programs that bring their own
        WTF_CSRF_CHECK_DEFAULT=False,
        # as long as the session: a limit would read the wall clock, which jumps
        WTF_CSRF_TIME_LIMIT=None,
        # our own Referrer-Policy makes browsers send no referrer
        WTF_CSRF_SSL_STRICT=False,
    )
    # redirects of the router carry the Host header that the request came with
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    CSRFProtect(app)
    app.before_request(_guard)
    app.after_request(_finish)
    app.register_error_handler(HTTPException, _on_http_error)
    app.register_error_handler(StoreError, _on_store_error)


def _guard() -> Any:
    """Decide before every view whether it runs; an answer instead of None keeps it from running."""
    if request.endpoint is None:
        return None
    access = access_of(current_app.view_functions[request.endpoint])
    unsafe = request.method not in SAFE_METHODS
    if access.stream_limit:
        request.max_content_length = access.stream_limit
    if access.public:
        if unsafe:
            _check_form(access)
        return None
    person = session.person()
    if person is None:
        return _ask_to_sign_in()
    if person.must_change and not access.before_change:
        return _ask_for_password()
    needed = access.permission or (Permission.WRITE if unsafe else Permission.READ)
    if not person.permission.allows(needed):
        return refuse(403, message=f"Your permission is “{person.rights}”. It is not enough for this.")
    if access.body_limit > BODY_LIMIT:
        request.max_content_length = access.body_limit
        # Werkzeug counts the part of a file that it is just reading, 64 kB, as a field of the form
        request.max_form_memory_size = 3 * BODY_LIMIT
    if unsafe and not person.by_token:
        _check_form(access)
    if person.secret and (unsafe or not wants_data()):
        store().sessions.note_use(person.secret)
    return None


def _check_form(access: Access) -> None:
    """Raise CSRFError for a request that another site made the browser send."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise CSRFError("sent by another site")
    if access.stream_limit:
        try:
            validate_csrf(request.headers.get("X-CSRFToken") or request.args.get("csrf_token"))
        except ValidationError as error:
            raise CSRFError(str(error)) from None
        return
    guard: CSRFProtect = current_app.extensions["csrf"]
    guard.protect()


def _ask_to_sign_in() -> Any:
    if wants_data():
        brought = "Authorization" in request.headers
        message = "This token is wrong, has expired or was revoked." if brought else "Sign in, or send a token."
        response = problem(401, "wrong-token" if brought else "sign-in-required", message)
        response.headers["WWW-Authenticate"] = REALM + (', error="invalid_token"' if brought else "")
        return response
    rule = request.url_rule
    shows = rule is not None and rule.methods is not None and "GET" in rule.methods
    wanted = local_path(request.full_path.rstrip("?")) if shows else "/"
    return redirect(url_for("auth.login", next=wanted if wanted != "/" else None))


def _ask_for_password() -> Any:
    if wants_data():
        return problem(
            403, "password-change-required", "Sign in with a browser and choose a password of your own first."
        )
    wanted = local_path(request.full_path.rstrip("?")) if request.method == "GET" else "/"
    return redirect(url_for("auth.password", next=wanted if wanted != "/" else None))


def _finish(response: Response) -> Response:
    """The headers of every answer; one that a view has set stays."""
    if request.endpoint == "static" and response.status_code in (200, 206, 304):
        # the path holds a fingerprint of the contents
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _on_http_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or 500
    code = message = ""
    if isinstance(error, CSRFError):
        log.warning("refused %s %s from %s: %s", request.method, request.path, session.address(), error.description)
        code, message = "csrf", "This form is too old, or was not sent from a page of this card. Load the page again."
        g.form_refused = True
    elif status == 413:
        message = f"What was sent is larger than {(request.max_content_length or BODY_LIMIT) // 1024} kB."
    elif status == 400 and error.description:
        message = str(error.description)
    elif status == 413 and request.max_content_length:
        message = f"What was sent is larger than {request.max_content_length // 1024} kB."
    response = refuse(status, code, message)
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(allowed)
    return response


def _on_store_error(error: StoreError) -> Any:
    log.error("%s %s: %s", request.method, request.path, error)
    response = refuse(503)
    response.headers["Retry-After"] = "5"
    return response
