"""The page of the certificate, and the way from http to https."""

import io

import pytest
from istars.platform import openssl, tls
from istars.settings import store
from istars.web.app import create_app
from web_browser import COST, PASSWORD, Browser

pytestmark = pytest.mark.thorough


def text(response):
    return response.get_data(as_text=True)


@pytest.fixture
def own(card):
    assert tls.ensure("card", ["10.0.0.9"])
    return tls.server_file().read_bytes()


def signed_by_itself(key, name="ups.example"):
    return openssl.run(
        "req", "-x509", "-new", "-config", openssl.CONFIG, "-key", key, "-subj", f"/CN={name}", "-days", "30",
        "-addext", "extendedKeyUsage=serverAuth",
    ).encode()  # fmt: skip


def noted(app):
    return [
        (entry.action, entry.subject, entry.old, entry.new) for entry in app.extensions["istars.audit"].every(None, "")
    ]


def upload(who, chain=b"", key=b""):
    files = {"chain-file": (io.BytesIO(chain), "c.pem"), "key-file": (io.BytesIO(key), "k.pem")}
    return who.post("/assistant/certificate/upload", files, content_type="multipart/form-data")


def test_it_says_what_is_in_use(admin, own, live):
    page = text(admin.get("/assistant/certificate"))
    made = tls.current()[0]
    for words in (made.fingerprint, made.subject, made.serial, "10.0.0.9", "EC 256 bit", "Made by this card"):
        assert words in page
    assert "PRIVATE KEY-----" not in page


def test_only_administrators_see_it(reader, own, live):
    for path in ("/assistant/certificate", "/assistant/certificate/request.pem"):
        assert reader.get(path).status_code == 403


def test_without_a_certificate_it_says_so(admin, live):
    assert "https is not served" in text(admin.get("/assistant/certificate"))
    assert admin.get("/assistant/certificate/request.pem").status_code == 404


def test_one_is_brought(app, admin, own, live):
    before, key = tls.current()[0].fingerprint, tls.new_key()
    assert upload(admin, signed_by_itself(key), key).status_code == 303
    page = text(admin.get("/assistant/certificate"))
    assert "in use for every new connection" in page
    assert "Brought by an administrator" in page
    assert noted(app)[0] == ("certificate replaced", "CN=ups.example", before, tls.current()[0].fingerprint)


@pytest.mark.parametrize(
    ("chain", "words"), [(b"", "Choose the file"), (b"hello", "no certificate in PEM form"), (None, "does not belong")]
)
def test_what_cannot_serve_is_refused_with_the_reason(admin, own, live, chain, words):
    answer = upload(admin, signed_by_itself(tls.new_key()) if chain is None else chain, tls.new_key())
    assert answer.status_code == 422
    assert words in text(answer)
    assert tls.server_file().read_bytes() == own


def test_a_request_is_made_and_saved(app, admin, own, live):
    form = {"host": "ups.example", "names": "10.0.0.9, ups2.example", "organisation": "Works", "country": "DE"}
    assert admin.post("/assistant/certificate/request", form).status_code == 303
    assert "Save request.pem" in text(admin.get("/assistant/certificate"))
    saved = admin.get("/assistant/certificate/request.pem")
    assert saved.data.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")
    assert b"PRIVATE" not in saved.data
    assert noted(app)[0][:2] == ("certificate request made", "ups.example")
    assert tls.server_file().read_bytes() == own


def test_wrong_words_of_a_request_come_back_with_what_was_typed(admin, own, live):
    answer = admin.post("/assistant/certificate/request", {"host": "<script>", "organisation": "Works & Co"})
    assert answer.status_code == 422
    assert "host name may have" in text(answer)
    assert "Works &amp; Co" in text(answer)
    assert "<script>" not in text(answer).replace('<script src="', "")


def test_a_new_one_needs_a_tick(app, admin, own, live):
    assert admin.post("/assistant/certificate/new").status_code == 422
    assert tls.server_file().read_bytes() == own
    assert admin.post("/assistant/certificate/new", {"sure": "yes"}).status_code == 303
    assert tls.server_file().read_bytes() != own
    assert noted(app)[0][0] == "certificate made new"


def test_a_missing_program_is_said(admin, own, live, monkeypatch):
    admin.get("/assistant/certificate")
    monkeypatch.setattr(openssl, "PROGRAM", "no-such-program")
    answer = admin.post("/assistant/certificate/new", {"sure": "yes"})
    assert answer.status_code == 503
    assert "no-such-program is not installed" in text(answer)


# from http to https


@pytest.fixture
def secured(card, own):
    """A card that serves https on a port of its own."""
    app = create_app({"SCRYPT_COST": COST, "HTTPS_PORT": 8443})
    app.extensions["istars.store"].accounts.set_password("admin", PASSWORD)
    yield app
    app.extensions["istars.store"].close()


def test_http_leads_to_https(secured):
    answer = Browser(secured).get("/records/events?day=2026-11-20")
    assert answer.status_code == 307
    assert answer.headers["Location"] == "https://card.example:8443/records/events?day=2026-11-20"


def test_the_usual_port_is_left_out(card, own):
    app = create_app({"SCRYPT_COST": COST, "HTTPS_PORT": 443})
    assert Browser(app).get("/login").headers["Location"] == "https://card.example/login"
    app.extensions["istars.store"].close()


@pytest.mark.parametrize(("method", "path"), [("POST", "/login"), ("GET", "/api/v1/readings"), ("GET", "/live")])
def test_what_must_not_travel_in_the_clear_is_refused(secured, method, path):
    answer = Browser(secured).request(method, path)
    assert answer.status_code == 403
    assert "8443" in text(answer)


@pytest.mark.parametrize("host", ["evil.example/path", "a b", "user@evil.example", "[::1].evil"])
def test_a_host_that_is_none_leads_nowhere(secured, host):
    answer = secured.test_client(use_cookies=False).get("/login", headers={"Host": host})
    assert answer.status_code in (400, 403)
    assert "Location" not in answer.headers


def test_health_is_told_over_http(secured, live):
    assert Browser(secured).get("/api/health").status_code == 200


def test_http_is_served_where_it_is_set_so(secured):
    store.save({"web.http": "serve"})
    assert Browser(secured).get("/login").status_code == 200


def test_http_is_served_where_there_is_no_certificate(secured):
    tls.server_file().unlink()
    assert Browser(secured).get("/login").status_code == 200


def test_https_has_safe_cookies_and_tells_browsers_to_stay_only_if_wanted(secured, live):
    browser = Browser(secured, scheme="https")
    answer = browser.sign_in()
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Host-istars-")
    for mark in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/"):
        assert mark in cookie
    assert "Strict-Transport-Security" not in browser.get("/").headers
    store.save({"web.hsts": "on", "web.http": "serve"})
    assert browser.get("/").headers["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in Browser(secured).get("/login").headers
