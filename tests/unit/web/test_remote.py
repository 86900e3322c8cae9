"""Sign-in by RADIUS: who is asked about, what they may do, how long; the users of the card never depend on it."""

import threading

import pytest
from istars.platform.radius import CLOSED
from istars.settings.groups.radius import GROUP
from istars.settings.store import change
from istars.store.sessions import LONGEST_S
from istars.store.throttle import FREE_FAILURES
from istars.web import auth
from other_values import written_down
from radius_server import ACCEPT, CHALLENGE, REJECT, RadiusServer, Reply
from web_browser import PASSWORD

pytestmark = pytest.mark.thorough

SECRET = "a shared secret of the tests"
GOOD = "the password at the server"


def allowed(*attributes):
    """A server's way to answer: the password GOOD is right, whoever asks."""
    return lambda asked: [Reply(ACCEPT, list(attributes)) if asked.password == GOOD else Reply(REJECT)]


def filters(*names):
    return [(11, name.encode()) for name in names]


@pytest.fixture
def server():
    """A server that allows everybody with the password GOOD to look; a test may give it another `answer`."""
    with RadiusServer(allowed(*filters("istars-read"))) as made:
        yield made


@pytest.fixture
def use(app, live):
    """Switches RADIUS on."""

    def switched_on(server, **more):
        first = {
            "enabled": "on",
            "servers": "127.0.0.1",
            "port": str(server.port),
            "secret": SECRET,
            "timeout": "5",
            "tries": "1",
        }
        change({f"radius.{name}": text for name, text in {**first, **more}.items()})

    return switched_on


def text(response):
    return response.get_data(as_text=True)


def test_somebody_the_server_knows_may_do_what_it_says(browser, use, server):
    use(server)
    eve = browser(address="10.0.0.9")
    assert eve.sign_in("eve", GOOD).status_code == 303
    page = text(eve.get("/"))
    assert "eve<small" in page
    assert "Read only" in page
    assert eve.get("/settings/system").status_code == 403
    (question,) = server.asked
    assert question.signed
    assert question.attributes[1] == b"eve"
    assert question.attributes[31] == b"10.0.0.9"
    assert question.attributes[32] == b"UPS"
    entry = written_down()[0]
    assert (entry.who, entry.action, entry.subject, entry.new) == (
        "eve",
        "signed in",
        "user eve",
        "by RADIUS server 127.0.0.1, read",
    )


@pytest.mark.parametrize(
    ("permission", "attributes", "status"),
    [
        ("told", filters("istars-read"), "read"),
        ("told", filters("istars-write"), "write"),
        ("told", filters("istars-administrator"), "administrator"),
        ("told", filters("istars-administrator", "x", "istars-read"), "read"),
        ("told", [(6, (6).to_bytes(4, "big"))], "administrator"),
        ("told", [(6, (7).to_bytes(4, "big"))], "read"),
        ("told", [*filters("istars-read"), (6, (6).to_bytes(4, "big"))], "read"),
        ("told", [], None),
        ("told", filters("administrator", "istars-ADMINISTRATOR", "istars-none"), None),
        ("told", [(6, (1).to_bytes(4, "big"))], None),
        ("told", [(6, b"\6")], None),
        ("read", [], "read"),
        ("read", filters("istars-administrator"), "read"),
        ("write", [], "write"),
    ],
)
def test_what_a_server_allows(browser, use, server, permission, attributes, status):
    server.answer = allowed(*attributes)
    use(server, permission=permission)
    eve = browser()
    response = eve.sign_in("eve", GOOD)
    if status is None:
        assert response.status_code == 200
        assert written_down()[0].new == "RADIUS gives no permission"
        assert eve.get("/").status_code == 302
        return
    assert response.status_code == 303
    seen = {path: eve.get(path).status_code for path in ("/", "/settings/system", "/settings/users")}
    assert seen == {
        "/": 200,
        "/settings/system": 403 if status == "read" else 200,
        "/settings/users": 200 if status == "administrator" else 403,
    }


@pytest.mark.parametrize(
    ("reply", "reason"),
    [(Reply(REJECT), "refused by RADIUS"), (Reply(CHALLENGE), "RADIUS asks for more than a password")],
)
def test_a_refusal_looks_like_a_wrong_password_and_counts(browser, use, server, reply, reason):
    server.answer = lambda _: [reply]
    use(server)
    eve = browser()
    answer = eve.sign_in("eve", "wrong")
    assert "User name or password is not right." in text(answer)
    assert f"{FREE_FAILURES} more tries" in text(answer)
    assert (written_down()[0].subject, written_down()[0].new) == ("an unknown user", reason)
    for _ in range(FREE_FAILURES):
        answer = eve.sign_in("eve", "wrong")
    assert answer.status_code == 429
    asked = len(server.asked)
    assert eve.sign_in("eve", GOOD).status_code == 429
    assert len(server.asked) == asked, "while a wait lasts nobody is asked"


@pytest.mark.parametrize(
    "reply", [None, Reply(ACCEPT, filters("istars-read"), signed=False), Reply(ACCEPT, secret=b"another")]
)
def test_an_answer_that_does_not_count_is_no_wrong_password(browser, use, server, reply):
    server.answer = lambda _: [reply] if reply else []
    use(server, timeout="0.5")
    eve = browser()
    answer = eve.sign_in("eve", GOOD)
    assert answer.status_code == 503
    assert "The RADIUS server does not answer." in text(answer)
    assert written_down()[0].new.startswith("RADIUS: 127.0.0.1: ")
    assert eve.app.extensions["istars.store"].throttle.wait("eve", "10.0.0.7").tries_left == FREE_FAILURES + 1


def test_users_of_the_card_sign_in_while_servers_are_silent(browser, accounts, use, server):
    answered, asked = threading.Event(), threading.Event()

    def slow(_):
        asked.set()
        assert answered.wait(30)
        return [Reply(REJECT)]

    server.answer = slow
    use(server)
    accounts.set_password("admin", PASSWORD)
    eve, admin = browser(), browser()
    eve.get("/login")
    thread = threading.Thread(target=eve.post, args=("/login", {"user": "eve", "pw": "x"}))
    thread.start()
    assert asked.wait(30)
    assert admin.sign_in().status_code == 303
    answered.set()
    thread.join()


def test_more_questions_than_may_wait_are_refused(browser, use, server):
    use(server)
    eve = browser()
    for _ in range(2):
        assert auth.one_question._places.acquire(blocking=False)
    try:
        assert eve.sign_in("eve", GOOD).status_code == 503
    finally:
        for _ in range(2):
            auth.one_question._places.release()
    assert server.asked == []
    assert eve.sign_in("eve", GOOD).status_code == 303


@pytest.mark.parametrize("name", ["admin", "Admin", "ADMIN"])
def test_nobody_at_a_server_becomes_a_user_of_the_card(browser, accounts, use, server, name):
    server.answer = allowed(*filters("istars-administrator"))
    accounts.set_password("admin", PASSWORD)
    use(server)
    assert browser().sign_in(name, GOOD).status_code == 200
    assert server.asked == []
    assert browser().sign_in("admin").status_code == 303


@pytest.mark.parametrize("name", ["", " eve", "e" * 65, "a\0b", "a\x1b[31m", "\u202eeve"])
def test_names_that_no_user_could_have_are_asked_about_nowhere(browser, use, server, name):
    use(server)
    assert browser().sign_in(name, GOOD).status_code == 200
    assert server.asked == []


def test_an_empty_password_is_sent_nowhere(browser, use, server):
    use(server)
    assert browser().sign_in("eve", "").status_code == 503
    assert server.asked == []


@pytest.mark.parametrize("change_of", [{"enabled": "off"}, {"servers": ""}, {"secret": ""}])
def test_without_switch_server_or_secret_nobody_is_asked(browser, use, server, change_of):
    use(server, **change_of)
    assert browser().sign_in("eve", GOOD).status_code == 200
    assert server.asked == []


@pytest.mark.parametrize("key", [field.key for field in GROUP.fields])
def test_a_session_ends_when_one_of_the_settings_is_changed(browser, use, server, key):
    from other_values import OTHERS

    use(server)
    eve = browser()
    eve.sign_in("eve", GOOD)
    change({"system.location": "Hall 3"})
    assert eve.get("/").status_code == 200
    change({key: "off" if key == "radius.enabled" else OTHERS[key]})
    assert eve.get("/").status_code == 302
    assert "You were signed out." in text(eve.get("/login"))


def test_a_session_ends_when_the_card_gets_a_user_of_that_name(browser, accounts, use, server):
    use(server)
    eve = browser()
    eve.sign_in("eve", GOOD)
    assert eve.get("/").status_code == 200
    accounts.add_user("Eve", PASSWORD, "administrator")
    assert eve.get("/").status_code == 302


@pytest.mark.parametrize(("told", "lasts"), [(600, 600), (0, LONGEST_S), (10**6, LONGEST_S), (None, LONGEST_S)])
def test_a_session_lasts_as_long_as_the_server_says(browser, use, server, boottime, told, lasts):
    timeout = [(27, told.to_bytes(4, "big"))] if told is not None else []
    server.answer = allowed(*filters("istars-read"), *timeout)
    use(server)
    change({"session.idle": "1440"})
    eve = browser()
    eve.sign_in("eve", GOOD)
    boottime.pass_s(lasts - 30)
    assert eve.get("/").status_code == 200
    boottime.pass_s(31)
    assert eve.get("/").status_code == 302


def test_administrators_see_and_end_the_session(admin, browser, use, server):
    use(server)
    eve = browser(address="10.0.0.9")
    eve.sign_in("eve", GOOD)
    page = text(admin.get("/settings/users"))
    handle = page.split("of eve from 10.0.0.9")[0].rpartition('value="')[2].split('"')[0]
    assert admin.post("/settings/users/sessions/end", {"session": handle}).status_code == 303
    assert eve.get("/").status_code == 302


def test_an_administrator_of_the_server_works_and_ends_the_own_session(browser, use, server):
    server.answer = allowed(*filters("istars-administrator"))
    use(server)
    boss = browser()
    boss.sign_in("boss", GOOD)
    page = text(boss.get("/settings/users"))
    assert "(this session)" in page
    made = {"name": "new", "p1": PASSWORD, "permission": "read", "patterns": ""}
    assert boss.post("/settings/users/add", made).status_code == 303
    handle = page.split("of boss from")[0].rpartition('value="')[2].split('"')[0]
    assert boss.post("/settings/users/sessions/end", {"session": handle}).headers["Location"] == "/login"


def test_a_user_of_a_server_has_no_password_here(browser, use, server):
    use(server)
    eve = browser()
    eve.sign_in("eve", GOOD)
    assert "My account" not in text(eve.get("/"))
    for path in ("/account", "/password", "/account/factor"):
        assert eve.get(path).status_code == 404
    assert eve.post("/password", {"pw": GOOD, "p1": "x", "p2": "x"}).status_code == 404
    assert eve.post("/account/factor/off", {"pw": GOOD}).status_code == 404


# trying it


def tried(admin, name="eve", password=GOOD):
    admin.get("/settings/radius")
    return text(admin.post("/settings/radius/try", {"user": name, "pw": password}))


def test_a_try_shows_what_the_server_says_and_signs_nobody_in(admin, app, use, server):
    use(server)
    assert "127.0.0.1: eve may sign in with the permission “Read only”." in tried(admin)
    assert [each.user for each in app.extensions["istars.store"].sessions.present(900)] == ["admin"]
    assert "127.0.0.1: Refused by RADIUS." in tried(admin, password="wrong")
    server.answer = lambda _: [Reply(ACCEPT, [(18, b"Hello <b>eve</b>")])]
    assert "127.0.0.1: Hello &lt;b&gt;eve&lt;/b&gt; RADIUS gives no permission." in tried(admin)
    assert "The card decides about this name itself" in tried(admin, "Admin")
    entry = written_down()[0]
    assert (entry.action, entry.new) == ("RADIUS tried", "The card decides about this name itself, and asks no server.")
    assert GOOD not in str(written_down())


def test_a_try_names_the_reason_of_silence(admin, use, server):
    with RadiusServer(allowed()) as gone:
        pass
    use(gone)
    assert f"There is no answer that counts. 127.0.0.1: {CLOSED}." in tried(admin)
    change({"radius.secret": ""})
    assert "No shared secret is set" in tried(admin)


def test_only_administrators_try(reader, browser, accounts, live):
    accounts.add_user("wilma", PASSWORD, "write")
    writer = browser()
    writer.sign_in("wilma")
    writer.get("/password")
    for who in (reader, writer):
        assert who.post("/settings/radius/try", {"user": "eve", "pw": "x"}).status_code == 403
