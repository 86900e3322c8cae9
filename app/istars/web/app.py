"""The pages and the API of the card: they read the live table and the event record, and give commands to the workers."""

from __future__ import annotations

import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from istars.store.accounts import SCRYPT_COST
from istars.web import (
    api,
    auth,
    commands_api,
    firmware_api,
    history_api,
    https,
    live,
    openapi,
    security,
    session,
    settings_api,
    snmp_api,
    ups_api,
)
from istars.web.pages import (
    about,
    account,
    alarms,
    audit,
    certificate,
    control,
    events,
    firmware,
    messages,
    overview,
    parameters,
    report,
    serial,
    settings,
    snmp,
    system,
    tokens,
    users,
    wishes,
)
from istars.web.store import Store

HERE = Path(__file__).parent


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """The program that the web server runs. Opens no file but the key of the cookies.

    `config` overrides Flask's own options, and `SCRYPT_COST` for tests. `ISTARS_HTTP_PROXY=1` in the environment says that a
    proxy of ours stands in front, whose word on address and scheme is taken; without it such headers are ignored.
    """
    app = Flask(__name__, static_folder=str(HERE / "static"), static_url_path=f"/static/{fingerprint(HERE / 'static')}")
    app.config.from_mapping(SECRET_KEY=session.secret_key(), SCRYPT_COST=SCRYPT_COST)
    app.config.from_mapping(config or {})
    app.jinja_options = {"trim_blocks": True, "lstrip_blocks": True}
    app.extensions["istars.store"] = Store(app.config["SCRYPT_COST"])
    session.init_app(app)
    https.init_app(app)
    security.init_app(app)
    security.public(app.view_functions["static"])
    app.add_url_rule("/favicon.ico", "favicon", security.public(lambda: app.send_static_file("icon.svg")))
    pages = (
        overview,
        settings,
        snmp,
        parameters,
        control,
        system,
        alarms,
        events,
        messages,
        wishes,
        report,
        users,
        tokens,
        about,
        audit,
        certificate,
        firmware,
        serial,
    )
    programs = (api, history_api, settings_api, commands_api, snmp_api, firmware_api, ups_api, openapi)
    for part in (auth, account, live, *pages, *programs):
        app.register_blueprint(part.blueprint)
    if os.environ.get("ISTARS_HTTP_PROXY") == "1":
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
    return app


def fingerprint(folder: Path) -> str:
    """Eight characters that change with any file below `folder`: browsers may keep what stands under them for ever."""
    value = 0
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            value = zlib.crc32(path.relative_to(folder).as_posix().encode() + path.read_bytes(), value)
    return f"{value:08x}"
