"""MIB files for programs: which there are, and each as text. A test of a recipient is the command `istars.trap.test`."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify

from istars.snmp.mibfiles import MIB_FILES
from istars.web.pages.snmp import mib_file
from istars.web.security import problem, requires

blueprint = Blueprint("snmp_api", __name__, url_prefix="/api/v1/snmp/mibs")


@blueprint.get("")
@requires("read")
def every() -> Any:
    """The files that there are."""
    return jsonify(mibs=[{"name": each.name, "title": each.title, "oid": each.oid} for each in MIB_FILES.values()])


@blueprint.get("/<name>")
@requires("read")
def one(name: str) -> Any:
    """One of them."""
    return mib_file(name) or problem(404, "no-such-mib", f"No MIB file is called {name[:80]!r}.", "name")
