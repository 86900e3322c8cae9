"""Signing in and out: who gets in, how long, and what nobody gets."""

import errno
import threading

import pytest
from istars.platform import clock, files, paths
from istars.store.sessions import LONGEST_S
from istars.web import auth, passwords
from istars.web.app import create_app
from web_browser import COST, PASSWORD, Browser

NEW = "seven slow purple trains"


def text(response):
    return response.get_data(as_text=True)


# the first password


def test_first_sign_in_leads_to_a_password_and_nowhere_else(browser):
    one = browser()
    response = one.sign_in(password="admin")
    assert (response.status_code, response.headers["Location"]) == (303, "/password")
    for path in ("/", "/alarms", "/records/events", "/records/events.csv"):
        response = one.get(path)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/password")
    for path in ("/live", "/api/v1/readings", "/api/v1/alarms", "/api/v1/events"):
        response = one.get(path)
        assert (response.status_code, response.json["error"]) == (403, "password-change-required")
    one.get("/password")
    response = one.post("/alarms", {"alarm": "x"})
    assert (response.status_code, response.headers["Location"]) == (302, "/password")


def test_choosing_a_password_opens_the_card(browser, accounts):
    one = browser()
    one.sign_in(password="admin", path="/login?next=/alarms")
    page = one.get("/password?next=/alarms")
    assert "The card still has the password it came with" in text(page)
    assert 'name="pw"' not in text(page)
    response = one.post("/password?next=/alarms", {"p1": NEW, "p2": NEW})
    assert (response.status_code, response.headers["Location"]) == (303, "/alarms")
    assert one.get("/password").status_code == 200
    assert accounts.verify("admin", "admin") is None
    assert browser().sign_in(password=NEW).headers["Location"] == "/"


def test_first_password_cannot_be_kept_by_walking_away(browser):
    one = browser()
    one.sign_in(password="admin")
    one.get("/password")
    assert one.post("/logout").headers["Location"] == "/login"
    assert browser().sign_in(password="admin").headers["Location"] == "/password"


@pytest.mark.parametrize(
    ("chosen", "repeated", "told"),
    [
        ("", "", "0 characters. It needs at least 12."),
        ("x", "x", "1 character. It needs"),
        ("elevenchars", "elevenchars", "11 characters"),
        (NEW, NEW + "x", "not the same"),
        ("adminadminadmin", "adminadminadmin", "a name that stands on this card"),
        ("Administrator!", "Administrator!", "tried first"),
        ("Password12345!", "Password12345!", "tried first"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "1 different"),
        ("121212121212", "121212121212", "2 different"),
        ("three\tsmall boats", "three\tsmall boats", "cannot be typed"),
        ("x" * 129, "x" * 129, "At most 128"),
    ],
)
def test_refused_passwords(browser, accounts, chosen, repeated, told):
    one = browser()
    one.sign_in(password="admin")
    one.get("/password")
    response = one.post("/password", {"p1": chosen, "p2": repeated})
    assert response.status_code == 200
    assert told in text(response)
    assert 'aria-invalid="true"' in text(response)
    assert accounts.user("admin").must_change
    assert chosen not in text(response) or len(chosen) < 2


@pytest.mark.parametrize("name", ["UPS-A, Core room", "Rechenzentrum 9"])
def test_name_of_the_card_is_no_password(name):
    assert passwords.problem(name + "1", [name])
    assert passwords.problem(name.upper() * 2, [name])


@pytest.mark.parametrize(
    "good",
    [
        NEW,
        "correct horse battery staple",
        "Tr0ub4dor&3 plus",
        "日本語のパスワードはいかが",
        "admin likes 12 green pears",
    ],
)
def test_good_passwords(good):
    assert passwords.problem(good, ["admin", "iStars", ""]) == ""


# wrong tries


def test_wrong_password_and_unknown_user_look_alike(browser, accounts):
    pages = []
    for number, name in enumerate(("admin", "nobody")):
        response = browser(address=f"10.1.0.{number}").sign_in(name, "wrong password")
        assert response.status_code == 200
        pages.append(text(response).replace(f'value="{name}"', ""))
    strip = [page.split('<div class="fields')[1].split("<details")[0] for page in pages]
    assert strip[0] == strip[1]
    assert "User name or password is not right." in strip[0]
    assert "4 more tries" in strip[0]


def test_wait_after_the_fifth_try_holds_for_the_right_password_too(browser, accounts, boottime):
    accounts.set_password("admin", PASSWORD)
    one = browser()
    for _ in range(5):
        response = one.sign_in(password="wrong")
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "30"
    assert 'data-wait="30"' in text(response)
    assert "Too many tries" in text(response)
    assert "card time" in text(response)
    assert one.sign_in().status_code == 429
    boottime.pass_s(29)
    assert one.sign_in().status_code == 429
    boottime.pass_s(1)
    assert one.sign_in().status_code == 303


def test_wait_survives_a_restart_of_the_worker(browser, accounts, card):
    accounts.set_password("admin", PASSWORD)
    for _ in range(5):
        browser().sign_in(password="wrong")
    again = create_app({"SCRYPT_COST": COST})
    assert Browser(again).sign_in().status_code == 429
    again.extensions["istars.store"].close()


def test_tries_at_the_same_moment_are_all_counted(app, browser, accounts):
    """Five wrong passwords sent at once count as five: no more than that are ever compared."""
    many = [browser() for _ in range(12)]
    for one in many:
        one.get("/login")
    answers = []
    threads = [
        threading.Thread(
            target=lambda one=one: answers.append(one.post("/login", {"user": "admin", "pw": "wrong"}).status_code)
        )
        for one in many
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(200) <= 4
    assert set(answers) <= {200, 429, 503}


def test_passwords_are_compared_one_after_the_other(browser, accounts, monkeypatch):
    """Each takes 16 MiB and a core; and what is tried at once must be counted before the next."""
    together, most, both = [], [], threading.Event()
    usual = accounts.verify

    def verify(name, password):
        together.append(name)
        most.append(len(together))
        if len(together) > 1:
            both.set()
        both.wait(0.1)
        together.pop()
        return usual(name, password)

    monkeypatch.setattr(accounts, "verify", verify)
    two = [browser(), browser()]
    for one in two:
        one.get("/login")
    threads = [threading.Thread(target=one.post, args=("/login", {"user": "admin", "pw": "wrong"})) for one in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1]


def test_too_many_at_once_are_sent_away_not_queued(browser):
    places = 1 + auth.WAITING_LIMIT
    for _ in range(places):
        assert auth.one_at_a_time._places.acquire(blocking=False)
    try:
        response = browser().sign_in()
    finally:
        for _ in range(places):
            auth.one_at_a_time._places.release()
    assert response.status_code == 503
    assert "Several people" in text(response)


def test_log_holds_no_typed_secret(browser, caplog):
    with caplog.at_level("INFO"):
        browser().sign_in("my secret password", "other secret")
        browser().sign_in("admin", "third secret")
    assert "secret" not in caplog.text
    assert "admin from 10.0.0.7" in caplog.text


@pytest.mark.parametrize(
    "data", [{}, {"user": "admin"}, {"pw": "x"}, {"user": "a" * 5000, "pw": "b" * 5000}, {"user": "\0", "pw": "\0"}]
)
def test_strange_forms(browser, data):
    one = browser()
    one.get("/login")
    assert one.post("/login", data).status_code == 200


# sessions


def test_sign_in_renews_the_cookie(browser, accounts):
    """What somebody has planted in the browser before is worth nothing after."""
    accounts.set_password("admin", PASSWORD)
    one = browser()
    one.get("/login")
    before = one.cookie.value
    one.sign_in()
    first, planted = one.cookie.value, one.token
    assert first != before
    assert one.post("/logout", {"csrf_token": planted}).status_code == 400
    stranger = browser()
    stranger.client.set_cookie("istars-80", before, domain="card.example")
    assert stranger.get("/password").status_code == 302
    one.get("/password")
    one.post("/logout")
    assert one.cookie is None
    one.sign_in()
    assert one.cookie.value != first


def test_stolen_cookie_dies_with_signing_out(admin, browser):
    thief = browser()
    thief.client.set_cookie("istars-80", admin.cookie.value, domain="card.example")
    assert thief.get("/password").status_code == 200
    assert admin.post("/logout").status_code == 303
    assert thief.get("/password").status_code == 302
    assert thief.get("/api/v1/readings").status_code == 401


def test_signing_out_leaves_other_browsers_alone(admin, browser):
    second = browser()
    second.sign_in()
    admin.post("/logout")
    assert second.get("/password").status_code == 200


def test_new_password_ends_every_other_session(admin, browser):
    second = browser()
    second.sign_in()
    old = admin.cookie.value
    admin.get("/password")
    response = admin.post("/password", {"pw": PASSWORD, "p1": NEW, "p2": NEW})
    assert response.status_code == 303
    assert admin.get("/password").status_code == 200
    assert second.get("/password").status_code == 302
    assert "The password was changed" in text(second.get("/login"))
    thief = browser()
    thief.client.set_cookie("istars-80", old, domain="card.example")
    assert thief.get("/password").status_code == 302


def test_new_password_asks_for_the_present_one(admin, accounts):
    admin.get("/password")
    response = admin.post("/password", {"pw": "wrong", "p1": NEW, "p2": NEW})
    assert "not your present password" in text(response)
    response = admin.post("/password", {"pw": PASSWORD, "p1": PASSWORD, "p2": PASSWORD})
    assert "the password you have now" in text(response)
    for _ in range(6):
        response = admin.post("/password", {"pw": "wrong", "p1": NEW, "p2": NEW})
    assert "Too many tries" in text(response)
    assert accounts.verify("admin", PASSWORD)


def test_idle_session_ends_and_says_so(admin, boottime):
    boottime.pass_s(899)
    assert admin.get("/password").status_code == 200
    boottime.pass_s(899)
    assert admin.get("/password").status_code == 200
    boottime.pass_s(901)
    response = admin.get("/records/events?severity=warning")
    assert response.status_code == 302
    assert response.headers["Location"] == "/login?next=/records/events?severity%3Dwarning"
    page = admin.get(response.headers["Location"])
    assert "Signed out after 15 minutes without use." in text(page)
    assert "go back to where you were" in text(page)
    response = admin.sign_in(path=response.headers["Location"])
    assert response.headers["Location"] == "/records/events?severity=warning"


def test_watching_is_not_using(admin, boottime):
    """A page left open polls for ever; that keeps nobody signed in."""
    for _ in range(3):
        boottime.pass_s(300)
        answers = [
            admin.get(path).status_code
            for path in ("/live", "/live/part", "/api/v1/readings", "/api/v1/alarms", "/api/v1/events")
        ]
    assert set(answers) == {401}


def test_idle_time_is_a_setting(admin, boottime):
    from istars.settings.store import save

    save({"session.idle": "60"})
    boottime.pass_s(3500)
    assert admin.get("/password").status_code == 200


def test_nobody_stays_for_ever(admin, boottime):
    for _ in range(int(LONGEST_S // 600)):
        assert admin.get("/password").status_code == 200
        boottime.pass_s(600)
    assert admin.get("/password").status_code == 302
    assert "Signed out after 12 hours." in text(admin.get("/login"))


def test_clock_step_ends_no_session(admin, monkeypatch):
    usual = clock.wall
    for step in (3600, -3600, 86_400 * 4000, -86_400 * 4000):
        monkeypatch.setattr(clock, "wall", lambda step=step: usual() + step)
        monkeypatch.setattr("time.time", lambda step=step: usual() + step)
        assert admin.get("/password").status_code == 200


def test_restart_of_the_worker_ends_no_session(admin, card):
    again = create_app({"SCRYPT_COST": COST})
    client = Browser(again)
    client.client.set_cookie("istars-80", admin.cookie.value, domain="card.example")
    assert client.get("/password").status_code == 200
    again.extensions["istars.store"].close()


def test_restart_of_the_card_ends_all(admin, monkeypatch):
    monkeypatch.setattr(clock, "boot_id", lambda: "another boot")
    assert admin.get("/password").status_code == 302
    assert "The card was restarted." in text(admin.get("/login"))


def test_polls_do_not_sign_the_cookie_again(admin):
    for path in ("/", "/live?page=overview", "/api/v1/readings", "/api/v1/events", "/alarms"):
        assert "Set-Cookie" not in admin.get(path).headers


def test_cookie_is_for_this_card_and_no_script(browser, accounts):
    accounts.set_password("admin", PASSWORD)
    (cookie,) = browser().sign_in().headers.getlist("Set-Cookie")
    assert cookie.startswith("istars-80=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie
    assert "Domain" not in cookie
    (cookie,) = browser(scheme="https").sign_in().headers.getlist("Set-Cookie")
    assert cookie.startswith("__Host-istars-80=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "change", [lambda value: value[:-2] + "AA", lambda _: "x", lambda value: value.split(".")[0] + ".x.y"]
)
def test_forged_cookies_are_worth_nothing(admin, browser, change):
    thief = browser()
    thief.client.set_cookie("istars-80", change(admin.cookie.value), domain="card.example")
    assert thief.get("/password").status_code == 302


def test_key_is_made_once_and_for_nobody_else(app, card):
    path = paths.data_dir() / "web-secret"
    assert path.stat().st_mode & 0o777 == 0o600
    assert create_app().secret_key == app.secret_key == path.read_bytes()
    path.write_bytes(b"short")
    assert create_app().secret_key != app.secret_key
    assert len(path.read_bytes()) == 32


def test_key_that_cannot_be_kept(card, caplog, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    assert create_app().secret_key
    assert "cannot be written (No space left on device)" in caplog.text


# where to afterwards


@pytest.mark.parametrize(
    "evil",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/\n/evil.example",
        "/%0d%0aX: y\r\n",
        "https://evil.example/",
        "http:evil.example",
        "javascript:alert(1)",
        "evil.example",
        " //evil.example",
        "/a\\b",
        "/login?next=/x",
        "/logout",
        "/live",
        "/api/v1/readings",
        "/" + "x" * 600,
        "",
    ],
)
def test_next_never_leads_away(browser, accounts, evil):
    accounts.set_password("admin", PASSWORD)
    one = browser()
    one.get("/login")
    response = one.client.post(
        "/login",
        query_string={"next": evil},
        data={"csrf_token": one.token, "user": "admin", "pw": PASSWORD},
        **one.extra,
    )
    assert (response.status_code, response.headers["Location"]) == (303, "/")


@pytest.mark.parametrize("path", ["/alarms", "/records/events?day=2026-11-20&severity=critical", "/alarms#x"])
def test_next_leads_to_a_page_of_ours(browser, accounts, path):
    accounts.set_password("admin", PASSWORD)
    one = browser()
    one.get("/login")
    response = one.client.post(
        "/login",
        query_string={"next": path},
        data={"csrf_token": one.token, "user": "admin", "pw": PASSWORD},
        **one.extra,
    )
    assert response.headers["Location"] == path


def test_whoever_is_signed_in_needs_no_form(admin):
    assert admin.get("/login?next=/alarms").headers["Location"] == "/alarms"
    assert admin.get("/login?next=//evil.example").headers["Location"] == "/"


# damage


def test_damaged_accounts_let_nobody_in(browser, accounts, caplog):
    accounts.set_password("admin", PASSWORD)
    accounts.close()
    for path in (paths.accounts_db(), accounts.file.copy):
        path.write_bytes(b"garbage" * 5000)
    response = browser().sign_in(password="admin")
    assert response.status_code == 503
    assert "Nobody can sign in." in text(response)
    assert "no good copy" in caplog.text


def test_damage_shuts_out_those_inside_too(admin, accounts):
    accounts.close()
    for path in (paths.accounts_db(), accounts.file.copy):
        path.write_bytes(b"garbage" * 5000)
    assert admin.get("/password").status_code == 503
    assert admin.get("/api/v1/readings").json["error"] == "unavailable"
    assert "Nobody can sign in." in text(admin.get("/login"))


def test_sign_in_page_tells_strangers_nothing_about_the_ups(browser, card):
    from istars.settings.store import save

    save({"system.name": "UPS-A", "system.location": "Laboratory 9"})
    page = text(browser().get("/login"))
    assert "UPS-A" in page
    assert "Laboratory" not in page
    assert 'id="clock"' in page
    assert "http, not encrypted" in page
    assert "Encrypted, https" in text(browser(scheme="https").get("/login"))
