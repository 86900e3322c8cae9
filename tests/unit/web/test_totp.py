"""The second factor from the first look at the page to the recovery code of somebody whose phone is lost."""

import re

import pyotp
import pytest
from istars.platform import clock
from istars.store.factors import EARLIEST_WALL
from web_browser import PASSWORD

NEW = "seven slow purple trains"


def text(response):
    return response.get_data(as_text=True)


class Phone:
    """An authenticator app: shows codes of the card's time, which it moves."""

    def __init__(self, monkeypatch):
        self.wall = 1_800_000_000.0
        self.secret = ""
        monkeypatch.setattr(clock, "wall", lambda: self.wall)

    def code(self):
        """The next code that was not shown before."""
        self.wall += 30
        return pyotp.TOTP(self.secret).at(int(self.wall))


@pytest.fixture
def phone(monkeypatch):
    return Phone(monkeypatch)


def set_up(one, phone, password=PASSWORD):
    """Switch it on as a user does; answers the recovery codes."""
    one.get("/account")
    assert one.post("/account/factor/begin", {"pw": password}).headers["Location"] == "/account/factor"
    page = text(one.get("/account/factor"))
    phone.secret = re.search(r'id="secret">([A-Z2-7 ]+)<', page)[1].replace(" ", "")
    page = text(one.post("/account/factor", {"code": phone.code()}))
    return re.findall(r"<li>([a-z2-9-]{19})</li>", page)


def to_code(one, name="admin", password=PASSWORD, path="/login"):
    """The password is right: leads to the question for the code."""
    response = one.sign_in(name, password, path)
    assert response.status_code == 303
    return one.get(response.headers["Location"])


def test_set_up_shows_secret_picture_and_recovery_codes_once(admin, phone, accounts, app):
    admin.get("/account")
    admin.post("/account/factor/begin", {"pw": PASSWORD})
    picture = admin.get("/account/factor.svg")
    assert picture.mimetype == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    assert text(picture).startswith("<svg")
    assert "style" not in text(picture)
    codes = set_up(admin, phone)
    assert len(codes) == 8
    assert admin.get("/account/factor.svg").status_code == 404
    assert admin.get("/account/factor").headers["Location"] == "/account"
    assert admin.post("/account/factor", {"code": phone.code()}).headers["Location"] == "/account"
    page = text(admin.get("/account"))
    assert codes[0] not in page
    assert phone.secret not in page
    assert '<span class="num">8</span> of 8 recovery codes' in page


def test_looking_at_the_pages_switches_nothing_on(admin, phone, browser):
    for path in ("/account", "/account/factor", "/account/factor.svg"):
        admin.get(path)
    admin.post("/account/factor/begin", {"pw": PASSWORD})
    admin.get("/account/factor")
    admin.post("/account/factor", {"code": "000000"})
    assert browser().sign_in().headers["Location"] == "/"


def test_set_up_needs_the_password_and_a_right_code(admin, phone, browser):
    admin.get("/account")
    assert "not your present password" in text(admin.post("/account/factor/begin", {"pw": "wrong"}))
    assert admin.get("/account/factor").status_code == 302
    admin.post("/account/factor/begin", {"pw": PASSWORD})
    page = text(admin.post("/account/factor", {"code": "000000"}))
    assert "not the code of this moment" in page
    assert "clock shows" in page
    assert admin.get("/account").status_code == 200


def test_set_up_signs_out_everybody_else(admin, phone, browser):
    second = browser()
    second.sign_in()
    set_up(admin, phone)
    assert admin.get("/account").status_code == 200
    assert second.get("/account").status_code == 302


def test_secret_of_one_session_is_not_seen_by_another(admin, phone, browser):
    admin.get("/account")
    admin.post("/account/factor/begin", {"pw": PASSWORD})
    second = browser()
    second.sign_in()
    assert second.get("/account/factor.svg").status_code == 404
    assert second.get("/account/factor").status_code == 302


def test_sign_in_asks_for_the_code_and_leads_back(admin, phone, browser):
    set_up(admin, phone)
    one = browser()
    page = to_code(one, path="/login?next=/alarms")
    assert page.request.full_path == "/login/code?next=/alarms"
    for path in ("/", "/alarms", "/account", "/settings/users"):
        assert one.get(path).headers["Location"].startswith("/login")
    assert one.get("/api/v1/readings").status_code == 401
    one.get("/login/code?next=/alarms")
    response = one.post("/login/code?next=/alarms", {"code": phone.code()})
    assert (response.status_code, response.headers["Location"]) == (303, "/alarms")
    assert one.get("/alarms").status_code == 200


def test_next_of_the_second_step_never_leads_away(admin, phone, browser):
    set_up(admin, phone)
    one = browser()
    to_code(one)
    assert one.post("/login/code?next=//evil.example", {"code": phone.code()}).headers["Location"] == "/"


def test_code_opens_once(admin, phone, browser):
    set_up(admin, phone)
    code = phone.code()
    first, second = browser(), browser()
    to_code(first)
    to_code(second)
    assert first.post("/login/code", {"code": code}).status_code == 303
    response = second.post("/login/code", {"code": code})
    assert response.status_code == 200
    assert "This code was used already." in text(response)
    assert second.get("/").status_code == 302


def test_wrong_codes_cost_waiting_and_the_password_does_not_forgive_them(admin, phone, browser, boottime):
    set_up(admin, phone)
    one = browser(address="10.3.0.1")
    for left in (4, 3, 2, 1):
        to_code(one)
        page = text(one.post("/login/code", {"code": "000000"}))
        assert f"{left} more {'try' if left == 1 else 'tries'}" in page
    response = one.post("/login/code", {"code": "000000"})
    assert (response.status_code, response.headers["Retry-After"]) == (429, "30")
    assert one.post("/login/code", {"code": phone.code()}).status_code == 429
    assert one.sign_in().status_code == 429
    boottime.pass_s(30)
    assert one.post("/login/code", {"code": phone.code()}).status_code == 303


def test_question_for_the_code_does_not_wait_for_ever(admin, phone, browser, boottime):
    set_up(admin, phone)
    one = browser()
    to_code(one)
    boottime.pass_s(301)
    assert one.post("/login/code", {"code": phone.code()}).headers["Location"] == "/login"
    assert one.get("/").status_code == 302


def test_half_a_session_dies_with_what_it_stands_on(admin, phone, browser, accounts):
    set_up(admin, phone)
    one, two = browser(), browser(address="10.0.0.9")
    to_code(one)
    to_code(two)
    accounts.change_user("admin", patterns="10.0.0.7")
    assert two.post("/login/code", {"code": phone.code()}).headers["Location"] == "/login"
    accounts.set_password("admin", NEW)
    assert one.post("/login/code", {"code": phone.code()}).headers["Location"] == "/login"


def test_strangers_are_asked_for_no_code(browser):
    one = browser()
    assert one.get("/login/code").headers["Location"] == "/login"
    one.get("/login")
    assert one.post("/login/code", {"code": "123456"}).headers["Location"] == "/login"


def test_stale_form_leads_back_to_the_beginning(browser):
    response = browser().post("/login/code", {"code": "1"})
    assert response.status_code == 400
    assert "open for too long" in text(response)


def test_recovery_code_signs_in_once_and_says_how_many_are_left(admin, phone, browser):
    codes = set_up(admin, phone)
    one = browser()
    to_code(one)
    assert one.post("/login/code", {"code": codes[0]}).status_code == 303
    assert "7 of 8 are left" in text(one.get("/account"))
    to_code(two := browser())
    assert "The code is not right." in text(two.post("/login/code", {"code": codes[0]}))


def test_clock_that_is_not_set(admin, phone, browser):
    codes = set_up(admin, phone)
    phone.wall = EARLIEST_WALL - 86_400 * 300
    one = browser()
    to_code(one)
    for _ in range(6):
        response = one.post("/login/code", {"code": phone.code()})
        assert response.status_code == 200
        assert "clock is not set: it shows 2025-03" in text(response)
    assert one.post("/login/code", {"code": codes[3]}).status_code == 303


def test_set_up_where_the_clock_is_not_set(admin, monkeypatch):
    monkeypatch.setattr(clock, "wall", lambda: 60.0)
    page = text(admin.get("/account"))
    assert "clock is not set: it shows 1970-01-01" in page
    assert "/account/factor/begin" not in page
    assert "clock is not set" in text(admin.post("/account/factor/begin", {"pw": PASSWORD}))
    assert admin.get("/account/factor").status_code == 302


def test_switching_off_needs_the_password(admin, phone, browser):
    set_up(admin, phone)
    admin.get("/account")
    assert "not your present password" in text(admin.post("/account/factor/off", {"pw": "wrong"}))
    assert admin.post("/account/factor/off", {"pw": PASSWORD}).status_code == 303
    assert browser().sign_in().headers["Location"] == "/"


def test_administrator_switches_it_off_for_others(admin, reader, phone, browser):
    set_up(reader, phone)
    assert "asked for a code" in text(admin.get("/settings/users/edit?name=eve"))
    assert admin.post("/settings/users/factor/off?name=eve").status_code == 303
    assert "The second factor of eve is off." in text(admin.get("/settings/users/edit?name=eve"))
    assert browser(address="10.0.0.8").sign_in("eve").headers["Location"] == "/"


def test_own_factor_is_not_switched_off_without_the_password(admin, phone, browser):
    set_up(admin, phone)
    admin.get("/settings/users")
    assert admin.post("/settings/users/factor/off?name=admin").headers["Location"] == "/account"
    assert browser().sign_in().headers["Location"] == "/login/code"


def test_page_asked_for_may_have_any_letters(admin, phone, browser):
    set_up(admin, phone)
    one = browser()
    one.get("/login?next=/alarms?n=ü")
    response = one.post("/login?next=/alarms?n=ü", {"user": "admin", "pw": PASSWORD})
    response = one.get(response.headers["Location"])
    response = one.post(response.request.full_path, {"code": phone.code()})
    assert response.headers["Location"] == "/alarms?n=%C3%BC"


def test_reader_has_an_account_too(reader, phone, browser):
    assert len(set_up(reader, phone)) == 8
    one = browser(address="10.0.0.8")
    to_code(one, "eve")
    assert one.post("/login/code", {"code": phone.code()}).status_code == 303


def test_forced_password_change_comes_after_the_code(admin, reader, phone, browser, accounts):
    set_up(reader, phone)
    accounts.set_password("eve", NEW, must_change=True)
    one = browser(address="10.0.0.8")
    to_code(one, "eve", NEW)
    assert one.get("/password").headers["Location"].startswith("/login")
    one.get("/login/code")
    assert one.post("/login/code", {"code": phone.code()}).headers["Location"] == "/password"
    assert one.get("/account").headers["Location"].startswith("/password")


@pytest.mark.parametrize("code", ["", "\0", "x" * 5000, "١٢٣٤٥٦", "<b>"])
def test_strange_codes(admin, phone, browser, code):
    set_up(admin, phone)
    one = browser()
    to_code(one)
    response = one.post("/login/code", {"code": code})
    assert response.status_code == 200
    assert "The code is not right." in text(response)


def test_number_of_half_a_session_opens_nothing_in_the_place_of_a_whole_one(app, admin, phone, browser):
    """Nobody can sign such a cookie; and if somebody could, the table would still know."""
    set_up(admin, phone)
    one = browser()
    to_code(one)
    signer = app.session_interface.get_signing_serializer(app)
    number = signer.loads(one.cookie.value)["half"]
    thief = browser()
    forged = signer.dumps({"_user_id": "admin", "_fresh": True, "number": number})
    thief.client.set_cookie("istars-80", forged, domain="card.example")
    assert thief.get("/account").headers["Location"].startswith("/login")
