"""The clock and the restart of the card in a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from card import Card, until
from istars.store.live import LiveTable
from playwright.sync_api import Browser, BrowserContext, Page, expect
from watching import Opener, Watch, sign_in_first_time

PAGE = "/settings/system"


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card of its own: it is restarted."""
    with Card() as made:
        until(lambda: "istars.clock.state" in made.values(), "the state of the clock")
        yield made


@pytest.fixture(scope="module")
def cookies(chromium: Browser, card: Card) -> Any:
    """Of an administrator."""
    return sign_in_first_time(chromium, card)


@pytest.fixture
def show(card: Card, chromium: Browser, cookies: Any, watch: Watch) -> Iterator[Opener]:
    """Opens a page of this card, signed in."""
    contexts: list[BrowserContext] = []

    def opened(path: str, *, width: int = 1280, scheme: str = "light", **options: Any) -> Page:
        given = {"viewport": {"width": width, "height": 844}, "storage_state": cookies, **options}
        contexts.append(watch.context(chromium, color_scheme=scheme, **given))
        page = contexts[-1].new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()


def button(page: Page, name: str) -> Any:
    return page.get_by_role("button", name=name, exact=True)


def test_a_clock_that_is_not_the_cards_is_not_touched_and_that_is_said(show: Opener, watch: Watch) -> None:
    watch.expected = re.compile("status of 422")
    page = show(PAGE)
    panel = page.locator("#clock-panel")
    expect(panel).to_contain_text("Kept by the operating system of this machine")
    expect(panel).to_contain_text("It is not changed from here.")
    button(page, "Adjust now").click()
    reason = "The clock belongs to the operating system of this machine, not to the card."
    expect(page.locator(".banner.crit").filter(has_text="Adjust the clock now")).to_contain_text(reason)
    page.get_by_label("Set by hand").fill("2026-11-21 14:05:07")
    button(page, "Set the clock").click()
    expect(page.locator("#by-hand-e")).to_have_text(reason)
    expect(page.get_by_label("Set by hand")).to_be_focused()
    expect(page.get_by_label("Set by hand")).to_have_value("2026-11-21 14:05:07")


def test_a_restart_that_is_ordered_is_shown(card: Card, show: Opener) -> None:
    page = show(PAGE)
    expect(page.get_by_text("No restart is scheduled.")).to_be_visible()
    page.get_by_label("Restart the card").select_option("monthly")
    page.get_by_label("Time of day").fill("04:30")
    page.get_by_label("Day of the month").fill("28")
    button(page, "Save").click()
    expect(page.get_by_role("alert").filter(has_text="3 changes saved.")).to_be_visible()
    planned = until(lambda: str(card.values().get("istars.restart.next") or ""), "the worker plans it")
    assert re.fullmatch(r"\d{4}-\d\d-28 04:30", planned)
    page.reload()
    expect(page.get_by_text(f"The card restarts by itself next at {planned}.")).to_be_visible()


def test_restarting_asks_first_and_the_page_finds_the_card_again(card: Card, show: Opener, watch: Watch) -> None:
    # while the card is away the browser reports every question that nobody answers
    watch.expected = re.compile("ERR_|status of 50")
    before = card.programs()
    page = show(PAGE)
    page.get_by_role("link", name="Restart now").click()
    expect(page.get_by_text("The UPS goes on supplying its load")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(card.url + PAGE)
    assert card.programs() == before
    page.get_by_role("link", name="Restart now").click()
    button(page, "Restart now").click()
    expect(page.get_by_role("alert").filter(has_text="The card restarts in a moment.")).to_be_visible()
    until(lambda: card.programs().get("web", before["web"]) != before["web"] and card.answers(), "new programs")
    page.goto(card.url + PAGE)
    expect(page.get_by_role("heading", name="Clock", exact=True)).to_be_visible()
    assert card.events().count(("event", "CARD_RESTARTS")) == 1


def test_without_javascript_a_restart_can_be_ordered_too(card: Card, show: Opener) -> None:
    page = show(f"{PAGE}/restart", java_script_enabled=False)
    expect(button(page, "Restart now")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    expect(page).to_have_url(card.url + PAGE)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_question_fits_and_axe_finds_nothing_serious(
    show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    page = show(f"{PAGE}/restart", width=width, scheme=scheme)
    wider = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0
    axe_check(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
def test_the_page_of_an_open_command_line_fits_and_axe_finds_nothing_serious(
    card: Card, show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    said = {"istars.ssh.state": "open", "istars.ssh.fingerprint": "SHA256:G+xdQe9/OiwoAgRbvdiZU7dTKGiBNoRJjh1bqzy2pxc"}
    with LiveTable(card.root / "run" / "istars" / "live.db") as live:
        live.publish("test", said, lifetime_s=60)
    page = show("/settings/ssh", width=width, scheme=scheme)
    expect(page.get_by_text("ssh admin@127.0.0.1 istars readings --json")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
    axe_check(page)
