"""The certificate with which the card proves who it is: what it says, and how to bring one's own. For administrators."""

from __future__ import annotations

import re
from typing import Any

from flask import Blueprint, Response, flash, redirect, request, url_for

from istars.errors import IStarsError
from istars.platform import clock, sysinfo, tls
from istars.platform.certificates import Certificate, CertificateRefused
from istars.platform.openssl import OpensslFailed
from istars.web import audit
from istars.web.pages import assistant
from istars.web.security import refuse, requires

blueprint = Blueprint("certificate", __name__)

FEW_DAYS = 30


def _page(part: str = "", error: str = "", status: int = 200) -> Response:
    """The page; `part` is the form that `error` is about."""
    chain: list[Certificate] = []
    problem = ""
    try:
        chain = tls.current()
    except FileNotFoundError:
        problem = "There is no certificate: https is not served."
    except (OSError, OpensslFailed, CertificateRefused, ValueError) as failure:
        problem = f"The certificate cannot be read: {failure}"
    days = int((chain[0].ends - clock.wall()) // tls.DAY_S) if chain else 0
    shown = assistant.show(
        "certificate",
        "certificate.html",
        chain=chain,
        problem=problem,
        own=tls.is_own(),
        days=days,
        few=days < FEW_DAYS,
        waiting=tls.pending_request(),
        host=sysinfo.host_name(),
        addresses=" ".join(sysinfo.addresses()),
        part=part,
        error=error,
        form=request.form,
        iso=clock.iso,
    )
    return Response(shown, status)


@blueprint.get("/assistant/certificate")
@requires("administrator")
def page() -> Response:
    """What is served at this moment."""
    return _page()


def _failed(part: str, failure: Exception) -> Response:
    if isinstance(failure, CertificateRefused):
        return _page(part, str(failure), 422)
    reason = failure.strerror if isinstance(failure, OSError) else str(failure)
    return _page(part, f"It could not be done: {reason}. The certificate from before is still in use.", 503)


def _done(text: str) -> Any:
    flash(text, "info")
    return redirect(url_for("certificate.page"), 303)


@blueprint.post("/assistant/certificate/upload")
@requires("administrator")
def upload() -> Any:
    """Serve with the chain and key that somebody brings."""
    chain, key = _brought("chain"), _brought("key")
    if not chain.strip():
        return _page("upload", "Choose the file with the certificate, or paste its text.", 422)
    try:
        before = _fingerprint()
        described = tls.install(chain, key)
    except (IStarsError, OSError) as failure:
        return _failed("upload", failure)
    audit.note("certificate replaced", described[0].subject, before, described[0].fingerprint)
    return _done("The certificate is in use for every new connection.")


def _brought(name: str) -> bytes:
    """A file of the form, or the text that was pasted instead."""
    given = request.files.get(f"{name}-file")
    content = given.read() if given is not None else b""
    return content or request.form.get(f"{name}-text", "").replace("\r\n", "\n").encode()


def _fingerprint() -> str:
    """Of the certificate that is served; empty where there is none."""
    try:
        return tls.current()[0].fingerprint
    except (IStarsError, OSError, ValueError):
        return ""


@blueprint.post("/assistant/certificate/request")
@requires("administrator")
def make_request() -> Any:
    """Make a key and a request that an authority can sign."""
    form = request.form
    names = [name for name in re.split(r"[\s,;]+", form.get("names", "")) if name]
    try:
        tls.make_request(
            form.get("host", "").strip(),
            names[:20],
            form.get("organisation", "").strip(),
            form.get("country", "").strip().upper(),
        )
    except (IStarsError, OSError) as failure:
        return _failed("request", failure)
    audit.note("certificate request made", form.get("host", "").strip())
    return _done("The request is made. Save it, have it signed, and upload the certificate here.")


@blueprint.get("/assistant/certificate/request.pem")
@requires("administrator")
def save_request() -> Response:
    """The request that waits, as a file. Its key never leaves the card."""
    text = tls.pending_request()
    if not text:
        return refuse(404)
    response = Response(text, mimetype="application/x-pem-file")
    response.headers["Content-Disposition"] = 'attachment; filename="request.pem"'
    return response


@blueprint.post("/assistant/certificate/new")
@requires("administrator")
def make_new() -> Any:
    """Serve with a new key that the card signs itself."""
    if request.form.get("sure") != "yes":
        return _page("new", "Tick the box to confirm.", 422)
    try:
        before = _fingerprint()
        tls.make_new(sysinfo.host_name(), sysinfo.addresses())
    except (IStarsError, OSError) as failure:
        return _failed("new", failure)
    audit.note("certificate made new", sysinfo.host_name(), before, _fingerprint())
    return _done("A new certificate is in use. Browsers ask again whether you trust it; compare the fingerprint.")
