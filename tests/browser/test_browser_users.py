"""Users in a real browser: from the first administrator's form to the end of somebody else's session."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from card import Card, until
from istars.web.app import create_app
from playwright.sync_api import Browser, Page, expect
from watching import Opener, Watch

FIRST, OWN = "seven slow purple trains", "nine quick orange boats"
EVERYBODYS = {"account.begin", "account.confirm", "account.switch_off", "auth.logout", "auth.set_password"}
"""What everybody may change: about the own account and session. Signing in is for strangers too."""


@pytest.fixture
def stranger(chromium: Browser, watch: Watch, card: Card) -> Iterator[Callable[..., Page]]:
    """Opens the card in the browser of somebody who is not signed in."""
    contexts = []

    def opened(**options: Any) -> Page:
        contexts.append(watch.context(chromium, **options))
        page: Page = contexts[-1].new_page()
        page.goto(card.url)
        return page

    # a session that is over answers the polls of a page with 401, and that is what it is for
    watch.expected = re.compile("status of 40[13]")
    yield opened
    for context in contexts:
        context.close()


def sign_in(page: Page, name: str, password: str) -> None:
    page.fill("[name=user]", name)
    page.fill("[name=pw]", password)
    page.click("button.main")


def add_user(admin: Page, card: Card, name: str, permission: str = "Read only", patterns: str = "") -> None:
    admin.goto(f"{card.url}/settings/users")
    admin.get_by_role("link", name="Add user").click()
    admin.get_by_label("Name", exact=True).fill(name)
    admin.get_by_label(permission).check()
    admin.get_by_label("Manager addresses").fill(patterns)
    admin.get_by_label("Password", exact=True).fill(FIRST)
    admin.get_by_role("button", name="Add user").click()
    expect(admin.get_by_role("alert")).to_contain_text(f"User {name} was added.")


def choose_password(page: Page) -> None:
    """What stands between the first sign-in and everything else."""
    expect(page.locator("main")).to_contain_text("An administrator has chosen your present password.")
    page.fill("[name=p1]", OWN)
    page.fill("[name=p2]", OWN)
    page.click("button.main")


def remove_user(admin: Page, card: Card, name: str) -> None:
    admin.goto(f"{card.url}/settings/users")
    admin.get_by_role("link", name=f"Remove {name}").click()
    expect(admin.locator("h1")).to_have_text(f"Remove user {name}?")
    admin.get_by_role("button", name=f"Remove {name}").click()
    expect(admin.get_by_role("alert")).to_contain_text(f"User {name} was removed.")


def unsafe_routes() -> list[tuple[str, str]]:
    """Method and path of every route that changes something which not everybody may."""
    app = create_app()
    with app.test_request_context():
        return [
            (method, rule.build(dict.fromkeys(rule.arguments, "1"), append_unknown=False)[1])
            for rule in app.url_map.iter_rules()
            for method in sorted(rule.methods & {"POST", "PUT", "PATCH", "DELETE"})
            if rule.endpoint not in EVERYBODYS and not rule.rule.startswith("/login")
        ]


def test_a_reader_sees_no_forms_and_changes_nothing(
    card: Card, show: Opener, stranger: Callable[..., Page], root: Path
) -> None:
    admin = show()
    add_user(admin, card, "eve")
    eve = stranger()
    sign_in(eve, "eve", FIRST)
    choose_password(eve)
    expect(eve).to_have_url(f"{card.url}/")
    card.sim("mains off")
    until(card.alarms, "the alarm")
    for link in ("Overview", "Statistical query", "Current alarm"):
        eve.get_by_role("navigation", name="Functions").get_by_role("link", name=re.compile(link)).click()
        expect(eve.locator("main form[method=post]")).to_have_count(0)
    expect(eve.get_by_role("link", name="General settings")).to_have_count(0)
    eve.goto(f"{card.url}/account")
    form = {"csrf_token": eve.locator("[name=csrf_token]").first.input_value()}
    routes = unsafe_routes()
    assert len(routes) > 10
    for method, path in routes:
        answer = eve.request.fetch(card.url + path, method=method, form=form)
        assert answer.status == 403, (method, path)
    assert eve.goto(f"{card.url}/settings/users").status == 403  # type: ignore[union-attr]
    remove_user(admin, card, "eve")


def test_second_factor_and_the_end_of_a_session(card: Card, show: Opener, stranger: Callable[..., Page]) -> None:
    admin = show()
    add_user(admin, card, "bob", "Read and write", "127.0.0.*")
    bob = stranger()
    sign_in(bob, "bob", FIRST)
    choose_password(bob)
    bob.goto(f"{card.url}/account")
    bob.get_by_label("Your present password").fill(OWN)
    bob.get_by_role("button", name="Set up").click()
    picture = bob.get_by_role("img", name="QR code that holds the key below")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 100
    app = pyotp.TOTP(bob.locator("#secret").inner_text().replace(" ", ""))
    bob.get_by_label("The code that the app shows now").fill(app.now())
    bob.get_by_role("button", name="Switch on").click()
    expect(bob.get_by_role("list", name="Recovery codes").get_by_role("listitem")).to_have_count(8)
    recovery = bob.get_by_role("listitem").filter(has_text=re.compile(r"^\w{4}-\w{4}-")).first.inner_text()

    bob.get_by_role("link", name="I have kept them").click()
    bob.locator(".who summary").click()
    bob.get_by_role("button", name="Log out").click()
    sign_in(bob, "bob", OWN)
    expect(bob).to_have_url(f"{card.url}/login/code")
    bob.get_by_label("Code of your app, or a recovery code").fill("000000")
    bob.click("button.main")
    expect(bob.get_by_role("alert")).to_contain_text("The code is not right.")
    # that of the next 30 s: the present one was used up by switching it on
    bob.get_by_label("Code of your app, or a recovery code").fill(app.at(int(time.time()) + 30))
    bob.click("button.main")
    expect(bob).to_have_url(f"{card.url}/")

    admin.goto(f"{card.url}/settings/users")
    expect(admin.get_by_role("row", name=re.compile("^bob 127"))).to_contain_text("127.0.0.1")
    admin.get_by_role("button", name="End session of bob").click()
    expect(admin.get_by_role("alert")).to_contain_text("The session of bob from 127.0.0.1 was ended.")
    expect(bob).to_have_url(re.compile("/login"), timeout=10_000)
    expect(bob.locator("#why")).to_contain_text("An administrator has ended this session.")

    sign_in(bob, "bob", OWN)
    bob.get_by_label("Code of your app, or a recovery code").fill(recovery)
    bob.click("button.main")
    expect(bob.get_by_role("alert")).to_contain_text("7 of 8 are left")
    remove_user(admin, card, "bob")


def test_user_bound_to_another_address_stays_outside(card: Card, show: Opener, stranger: Callable[..., Page]) -> None:
    admin = show()
    add_user(admin, card, "noc", patterns="192.0.2.*")
    noc = stranger()
    sign_in(noc, "noc", FIRST)
    expect(noc.get_by_role("alert")).to_contain_text("User name or password is not right.")
    remove_user(admin, card, "noc")


def test_wrong_passwords_lock_out_for_a_while(chromium: Browser) -> None:
    with Card() as own:
        page = chromium.new_context().new_page()
        page.goto(own.url)
        for left in ("4 more tries", "3 more tries", "2 more tries", "1 more try", "You can try again at"):
            sign_in(page, "admin", "wrong")
            expect(page.get_by_role("alert")).to_contain_text(left)
        button = page.locator("button.main")
        expect(button).to_be_disabled()
        expect(button).to_contain_text("s)")
        # the card decides, not the page
        page.goto(own.url)
        sign_in(page, "admin", "admin")
        expect(page.get_by_role("alert")).to_contain_text("Too many tries")
        page.context.close()


def test_token_is_shown_once(card: Card, show: Opener) -> None:
    admin = show()
    admin.goto(f"{card.url}/settings/users")
    admin.get_by_role("link", name="Make token").click()
    admin.get_by_label("Name", exact=True).fill("grafana")
    admin.get_by_role("button", name="Make token").click()
    token = admin.locator("#token").inner_text()
    assert card.get("/api/v1/readings", token)["readings"]
    admin.get_by_role("link", name="I have it").click()
    expect(admin.locator("main")).not_to_contain_text(token)
    admin.get_by_role("link", name="Revoke grafana").click()
    admin.get_by_role("button", name="Revoke grafana").click()
    expect(admin.get_by_role("alert")).to_contain_text("Token grafana was revoked.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_pages_fit_and_axe_finds_nothing_serious(
    card: Card, show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    page = show(width=width, height=844, scheme=scheme)
    for path in (
        "/settings/users",
        "/settings/users/edit?name=admin",
        "/settings/users/add",
        "/settings/tokens/add",
        "/account",
    ):
        page.goto(card.url + path)
        axe_check(page)
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path
    page.goto(f"{card.url}/settings/users/add")
    page.get_by_label("Manager addresses").fill("10.0.0.300")
    page.get_by_role("button", name="Add user").click()
    expect(page.locator("#errors")).to_be_focused()
    axe_check(page)
