"""Where https is served: plain http leads there, and browsers may be told to remember it."""

from __future__ import annotations

import os
import re
from typing import Any

from flask import Flask, Response, redirect, request

from istars.platform import tls
from istars.web.security import SAFE_METHODS, refuse, wants_data
from istars.web.store import settings

HOST = re.compile(r"(\[[0-9A-Fa-f:]{2,45}\]|[A-Za-z0-9._-]{1,253})(:\d{1,5})?")
OPEN = frozenset({"api.health"})
"""Answers over http too: whoever watches whether the card lives, and who knows nothing of its certificate."""
REMEMBER_S = 31_536_000
USUAL_PORT = 443


def init_app(app: Flask) -> None:
    """Put the way to https before every view; must be called before the guard of `security.py` is put there."""
    app.config.setdefault("HTTPS_PORT", int(os.environ.get("HTTPS_PORT") or "0"))
    app.before_request(lambda: _lead(app.config["HTTPS_PORT"]))
    app.after_request(_remember)


def _lead(port: int) -> Any:
    """An answer that leads to https, or None where http is served or nothing else is there."""
    if request.is_secure or not port or request.endpoint in OPEN or settings().text("web.http") == "serve":
        return None
    if not tls.server_file().exists():
        return None
    found = HOST.fullmatch(request.host)
    if wants_data() or request.method not in SAFE_METHODS or found is None:
        # what was sent has been seen by everybody on the way: it must not seem to have worked
        return refuse(403, "https-required", f"This card answers over https only, on port {port}.")
    host = found[1] + ("" if port == USUAL_PORT else f":{port}")
    return redirect(f"https://{host}{request.full_path.rstrip('?')}", 307)


def _remember(response: Response) -> Response:
    """Have browsers use https alone for a year, where that is wanted; they heed it only under a good certificate."""
    if request.is_secure and settings()["web.hsts"]:
        response.headers["Strict-Transport-Security"] = f"max-age={REMEMBER_S}"
    return response
