"""Sign-in by RADIUS, secrets that leave the card, and options that are not everybody's, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import Card
from playwright.sync_api import Browser, Page, expect
from radius_server import ACCEPT, REJECT, RadiusServer, Reply
from watching import Opener, Watch

SECRET = "a shared secret of the tests"
GOOD = "the password at the server"
PHRASE = "five tall yellow ladders"
WRITER = "three small green boats"


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="saved")).to_be_visible()


@pytest.fixture
def administrator(card: Card, show: Opener) -> Iterator[Page]:
    """The page of RADIUS; the option is off again afterwards."""
    page = show("/settings/radius")
    yield page
    page.goto(f"{card.url}/settings/radius")
    if page.get_by_label("Ask RADIUS servers").is_checked():
        page.get_by_label("Ask RADIUS servers").uncheck()
        save(page)


@pytest.fixture
def stranger(chromium: Browser, card: Card, watch: Watch) -> Iterator[Page]:
    """A browser in which nobody is signed in."""
    # a session that is over answers the polls of a page with 401
    watch.expected = re.compile("status of 4(01|03|22)")
    context = watch.context(chromium)
    page = context.new_page()
    page.goto(card.url)
    yield page
    context.close()


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def set_up(page: Page, port: int) -> None:
    page.get_by_label("Ask RADIUS servers").check()
    page.get_by_role("textbox", name="Servers", exact=True).fill("127.0.0.1")
    page.get_by_label("Port").fill(str(port))
    page.get_by_label("Shared secret").fill(SECRET)
    save(page)


def test_an_owner_sets_radius_up_and_ends_it_again(card: Card, administrator: Page, stranger: Page) -> None:
    def answer(asked: object) -> list[Reply]:
        return [Reply(ACCEPT, [(11, b"istars-read")]) if getattr(asked, "password", "") == GOOD else Reply(REJECT)]

    with RadiusServer(answer) as server:
        set_up(administrator, server.port)
        for password, told in (
            ("wrong", "Refused by RADIUS."),
            (GOOD, "eve may sign in with the permission “Read only”."),
        ):
            administrator.get_by_label("User name").fill("eve")
            administrator.get_by_label("Password", exact=True).fill(password)
            administrator.get_by_role("button", name="Ask the servers").click()
            expect(administrator.get_by_role("alert")).to_contain_text(told)
        sign_in(stranger, "eve", GOOD)
        expect(stranger.locator("h1")).to_be_visible()
        expect(stranger).to_have_url(f"{card.url}/")
    administrator.goto(f"{card.url}/settings/users")
    expect(administrator.get_by_role("button", name="End session of eve")).to_be_visible()
    administrator.goto(f"{card.url}/settings/radius")
    administrator.get_by_label("Ask RADIUS servers").uncheck()
    save(administrator)
    # Nobody touches that page: it asks for new values, learns of it and leaves by itself.
    expect(stranger.locator("#why")).to_contain_text("You were signed out.")


def test_secrets_are_saved_with_a_passphrase_and_come_back(card: Card, administrator: Page, tmp_path: Path) -> None:
    page = administrator
    set_up(page, 1812)
    page.goto(f"{card.url}/assistant/about")
    page.locator("summary", has_text="With passwords and keys").click()
    page.locator("#passphrase").fill(PHRASE)
    page.get_by_label("Passphrase again").fill(PHRASE)
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Save with secrets").click()
    file = tmp_path / "system_config.csv"
    downloading.value.save_as(file)
    assert SECRET not in file.read_text(encoding="utf-8")
    page.goto(f"{card.url}/settings/radius")
    page.get_by_label("Shared secret").fill("another one")
    page.get_by_label("Port").fill("1645")
    save(page)
    page.goto(f"{card.url}/assistant/about")
    page.set_input_files("#file", file)
    page.locator("#opens").fill(PHRASE)
    page.get_by_role("button", name="Compare with this card").click()
    expect(page.locator("h1")).to_have_text("Restore 2 settings?")
    expect(page.get_by_role("row", name="radius.secret")).to_contain_text("changed")
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_role("alert").filter(has_text="2 settings were restored.")).to_be_visible()


def test_somebody_who_may_only_write_sees_closed_options(card: Card, show: Opener, stranger: Page) -> None:
    page = show("/settings/users/add")
    page.get_by_label("Name", exact=True).fill("wilma")
    page.get_by_label("Read and write").check()
    page.get_by_label("Password", exact=True).fill(WRITER)
    page.locator("[name=must_change]").uncheck()
    page.get_by_role("button", name="Add user").click()
    expect(page.get_by_role("alert")).to_contain_text("User wilma was added.")
    sign_in(stranger, "wilma", WRITER)
    expect(stranger).to_have_url(f"{card.url}/")
    assert stranger.goto(f"{card.url}/settings/radius").status == 403  # type: ignore[union-attr]
    stranger.goto(f"{card.url}/settings/system")
    for label in ("Without encryption (http)", "Browsers remember to use https", "Syslog server of the audit record"):
        expect(stranger.get_by_label(label)).to_be_disabled()
    expect(stranger.locator("[data-n]")).to_have_text("No changes")
    stranger.get_by_label("Location").fill("Hall 3")
    save(stranger)
    page.goto(f"{card.url}/settings/users")
    page.get_by_role("link", name="Remove wilma").click()
    page.get_by_role("button", name="Remove wilma").click()
    expect(page.get_by_role("alert")).to_contain_text("User wilma was removed.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_on_the_page_of_radius(
    show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    axe_check(show("/settings/radius", width=width, height=844, scheme=scheme))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_page_of_radius_does_not_scroll_sideways(show: Opener, width: int) -> None:
    page = show("/settings/radius", width=width, height=844)
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
