"""Nobody in who does not belong: every route is walked, every answer carries its headers, every form its token."""

import io
import json
import sqlite3

import pytest
from istars.errors import StoreError
from istars.platform import paths
from istars.web import security, session
from istars.web.app import create_app, fingerprint
from web_browser import PASSWORD, Browser

PUBLIC = {"auth.login", "auth.try_login", "auth.code", "auth.try_code", "static", "api.health", "favicon"}
BEFORE_CHANGE = {"auth.logout", "auth.password", "auth.set_password"}
OWN = {"account.begin", "account.confirm", "account.switch_off"}
"""Everybody may change these about themselves."""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def text(response):
    return response.get_data(as_text=True)


def walk(app, *methods):
    """Every route as (endpoint, method, path), with something in place of its arguments."""
    for rule in app.url_map.iter_rules():
        with app.test_request_context():
            path = rule.build(
                {name: "ui.css" if name == "filename" else "1" for name in rule.arguments}, append_unknown=False
            )[1]
        for method in sorted(rule.methods & set(methods)):
            yield rule.endpoint, method, path


# the routes


def test_only_the_short_list_is_public(app):
    marked = {name for name, view in app.view_functions.items() if security.access_of(view).public}
    assert marked == PUBLIC
    early = {name for name, view in app.view_functions.items() if security.access_of(view).before_change}
    assert early == BEFORE_CHANGE


def test_strangers_get_nothing(app, browser):
    seen = 0
    for endpoint, method, path in walk(app, "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        if endpoint in PUBLIC:
            continue
        response = browser().request(method, path)
        if path.startswith(("/api/", "/live")):
            assert response.status_code == 401, (method, path)
            assert response.headers["WWW-Authenticate"].startswith("Bearer ")
        else:
            assert response.status_code == 302, (method, path)
            assert response.headers["Location"].startswith("/login")
        assert "Set-Cookie" not in response.headers
        seen += 1
    assert seen > 15


def contents():
    """All that is kept on this card, but who was seen when."""
    found = {}
    for path in (paths.live_db(), paths.archive_db(), paths.accounts_db()):
        connection = sqlite3.connect(path)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        found[path.name] = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        connection.close()
    found["files"] = {
        path.name: path.read_bytes() for path in paths.data_dir().iterdir() if path.suffix in (".csv", "")
    }
    return found


def test_looking_changes_nothing(app, live, admin):
    before = contents()
    for _endpoint, method, path in walk(app, "GET", "HEAD", "OPTIONS"):
        assert admin.request(method, path).status_code < 500, path
    assert contents() == before
    assert admin.get("/password").status_code == 200


def test_readers_change_nothing(app, live, reader):
    """A user who may only look gets 403 for everything but what concerns the own session."""
    before = contents()
    for endpoint, method, path in walk(app, "POST", "PUT", "PATCH", "DELETE"):
        if endpoint in PUBLIC | BEFORE_CHANGE | OWN:
            continue
        response = reader.request(method, path, headers={"X-CSRFToken": reader.token})
        assert response.status_code == 403, (method, path)
    assert contents() == before
    assert reader.get("/password").status_code == 200


def test_unmarked_views_are_closed(card):
    app = create_app({"SCRYPT_COST": 256})
    app.add_url_rule("/new", "new", lambda: "seen", methods=["GET", "POST"])
    app.extensions["istars.store"].accounts.set_password("admin", PASSWORD)
    app.extensions["istars.store"].accounts.add_user("eve", PASSWORD, "read")
    stranger, eve, admin = Browser(app), Browser(app), Browser(app)
    assert stranger.get("/new").status_code == 302
    eve.sign_in("eve")
    eve.get("/password")
    assert (eve.get("/new").status_code, eve.post("/new").status_code) == (200, 403)
    admin.sign_in()
    admin.get("/password")
    assert (admin.get("/new").status_code, admin.post("/new").status_code) == (200, 200)
    app.extensions["istars.store"].close()


@pytest.mark.parametrize(("needed", "status"), [("read", 200), ("write", 403), ("administrator", 403)])
def test_permissions_stand_in_order(app, needed, status):
    view = security.requires(needed)(lambda: "seen")
    app.add_url_rule("/marked", "marked", view)
    app.extensions["istars.store"].accounts.add_user("eve", PASSWORD, "read")
    eve = Browser(app)
    eve.sign_in("eve")
    assert eve.get("/marked").status_code == status


# forms


def test_every_unsafe_request_with_a_cookie_needs_a_token(app, admin):
    for _endpoint, method, path in walk(app, "POST", "PUT", "PATCH", "DELETE"):
        for token in ("", "x", "ImFiYyI.x.y"):
            response = admin.request(method, path, data={"csrf_token": token})
            assert response.status_code == 400, (method, path)
        data = path.startswith("/api/")
        assert (
            (response.json["error"] == "csrf")
            if data
            else ("Load the page again" in text(response) or "open for too long" in text(response))
        )
    assert admin.get("/password").status_code == 200


def test_token_of_another_browser_is_none(admin, reader):
    response = admin.client.post("/logout", data={"csrf_token": reader.token}, **admin.extra)
    assert response.status_code == 400
    assert admin.get("/password").status_code == 200


def test_token_of_a_form_may_stand_in_a_header(admin):
    response = admin.request("POST", "/api/v1/alarms/none/acknowledge", headers={"X-CSRFToken": admin.token})
    assert response.json["error"] == "no-such-alarm"


@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 400), ("same-site", 400), ("same-origin", 303), ("none", 303)]
)
def test_browser_that_says_the_request_comes_from_elsewhere(admin, site, status):
    assert admin.post("/logout", headers={"Sec-Fetch-Site": site}).status_code == status


def test_forms_work_over_tls_without_a_referrer(browser, accounts):
    """Our own Referrer-Policy keeps browsers from sending one."""
    accounts.set_password("admin", PASSWORD)
    assert browser(scheme="https").sign_in().status_code == 303


def test_stale_sign_in_form_is_shown_anew(browser):
    one = browser()
    response = one.post("/login", {"user": "admin", "pw": "admin"})
    assert response.status_code == 400
    assert "This page was open for too long." in text(response)
    assert one.post("/login", {"user": "admin", "pw": "admin"}).status_code == 303


# headers


def test_every_answer_carries_the_headers(app, admin, browser):
    for one in (admin, browser()):
        for _endpoint, method, path in (*walk(app, "GET"), ("", "GET", "/nothing-here"), ("", "POST", "/login")):
            response = one.request(method, path)
            assert response.headers["Content-Security-Policy"] == POLICY
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Referrer-Policy"] == "no-referrer"
            assert response.headers["X-Frame-Options"] == "DENY"
            assert response.headers.get("Cache-Control"), path


def test_pages_are_not_kept_and_static_files_are(app, admin):
    for path in ("/", "/alarms", "/login", "/password", "/api/v1/alarms"):
        assert admin.get(path).headers["Cache-Control"] == "no-store"
    path = f"{app.static_url_path}/ui.css"
    response = admin.get(path)
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert admin.get("/static/00000000/ui.css").status_code == 404
    assert "no-store" in admin.get(f"{app.static_url_path}/nothing.css").headers["Cache-Control"]
    assert admin.get(f"{app.static_url_path}/../auth.py").status_code == 404
    assert admin.get(f"{app.static_url_path}/%2e%2e/auth.py").status_code == 404


def test_static_path_follows_the_contents(tmp_path):
    (tmp_path / "a.css").write_text("one")
    first = fingerprint(tmp_path)
    (tmp_path / "a.css").write_text("two")
    assert fingerprint(tmp_path) != first


def test_favicon_is_there_for_browsers_that_guess(browser):
    response = browser().get("/favicon.ico")
    assert (response.status_code, response.mimetype) == (200, "image/svg+xml")


# the Host header


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1", "[::1]:8080", "x/y@evil.example", "a b"])
def test_no_redirect_is_built_from_the_host(app, host):
    for path in (
        "/",
        "/alarms/",
        "//alarms",
        "/login/",
        "/records//events",
        "//evil.example/..",
        "/%2e%2e/login",
        "/a\\b",
    ):
        # as the server hands it over: a client would make a host of the second slash
        response = app.test_client().get("/", headers={"Host": host}, environ_overrides={"PATH_INFO": path})
        assert response.status_code in (200, 302, 404), path
        target = response.headers.get("Location", "/login")
        assert target.startswith("/login"), path
        assert "//" not in target
    assert "evil.example" not in text(app.test_client().get("/login", headers={"Host": host}))


# errors


@pytest.mark.parametrize(
    ("path", "method", "status", "told"),
    [
        ("/nothing", "GET", 404, "There is nothing at this address."),
        ("/", "DELETE", 405, "This cannot be done at this address."),
        ("/broken", "GET", 500, "Something went wrong inside the card."),
        ("/unreadable", "GET", 503, "The card cannot read its records at the moment."),
    ],
)
def test_errors_are_pages_of_the_house_or_json(app, browser, accounts, path, method, status, told):
    def broken():
        raise RuntimeError("a secret detail")

    def unreadable():
        raise StoreError("a secret detail")

    for prefix in ("", "/api"):
        app.add_url_rule(f"{prefix}/broken", f"broken{bool(prefix)}", broken)
        app.add_url_rule(f"{prefix}/unreadable", f"unreadable{bool(prefix)}", unreadable)
    accounts.set_password("admin", PASSWORD)
    admin = browser()
    admin.sign_in()
    admin.get("/password")
    page = admin.request(method, path)
    assert (page.status_code, page.mimetype) == (status, "text/html")
    assert told in text(page)
    assert 'class="gate"' in text(page)
    answer = admin.request(method, "/api/v1/alarms" if path == "/" else f"/api{path}")
    assert (answer.status_code, answer.mimetype) == (status, "application/json")
    assert answer.json["message"].startswith(told)
    assert "secret detail" not in text(page) + text(answer)
    if status == 405:
        assert "GET" in page.headers["Allow"]


def test_too_much_is_refused(admin, bearer):
    response = admin.post("/logout", {"note": "x" * 70_000})
    assert (response.status_code, "larger than 64 kB" in text(response)) == (413, True)
    response = bearer("POST", "/api/v1/alarms/1/acknowledge", "write", data=json.dumps({"note": "x" * 70_000}))
    assert (response.status_code, response.json["error"]) in ((413, "too-large"), (404, "no-such-alarm"))
    response = admin.post("/logout", {"file": (io.BytesIO(b"x" * 70_000), "a.bin")})
    assert response.status_code == 413
    assert admin.get("/password").status_code == 200


def test_error_page_needs_no_template(app, admin, monkeypatch, caplog):
    """When the templates themselves are broken the card still says so."""
    from jinja2 import TemplateSyntaxError

    def fail(*_given, **_more):
        raise TemplateSyntaxError("broken", 1)

    monkeypatch.setattr(security, "render_template", fail)
    response = admin.get("/nothing")
    assert (response.status_code, response.mimetype) == (404, "text/plain")


# behind a proxy


def test_proxy_is_believed_only_when_told(card, monkeypatch):
    headers = {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    for told, expected in ((None, ("10.0.0.7", False)), ("1", ("192.0.2.1", True))):
        if told:
            monkeypatch.setenv("ISTARS_HTTP_PROXY", told)
        app = create_app({"SCRYPT_COST": 256})
        seen = []
        app.add_url_rule(
            "/who",
            "who",
            security.public(lambda seen=seen: seen.append((session.address(), security.request.is_secure)) or "x"),
        )
        app.test_client().get("/who", headers=headers, environ_overrides={"REMOTE_ADDR": "10.0.0.7"})
        assert seen == [expected]
        app.extensions["istars.store"].close()
