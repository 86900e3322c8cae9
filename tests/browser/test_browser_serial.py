"""Serial port debugging in a browser: borrowing, sending, the meaning of what comes, recording, and getting the port back."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from card import Card, until
from playwright.sync_api import Browser, BrowserContext, Page, expect
from watching import Opener, Watch, sign_in_first_time

PAGE = "/assistant/serial"


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card of its own: its UPS is out of sight while these tests run."""
    with Card() as made:
        yield made


@pytest.fixture(scope="module")
def cookies(chromium: Browser, card: Card) -> Any:
    """Of an administrator."""
    return sign_in_first_time(chromium, card)


@pytest.fixture
def show(card: Card, chromium: Browser, cookies: Any, watch: Watch) -> Iterator[Opener]:
    """Opens a page of this card, signed in."""
    contexts: list[BrowserContext] = []

    def opened(path: str = PAGE, *, width: int = 1280, scheme: str = "light", **options: Any) -> Page:
        given = {"viewport": {"width": width, "height": 844}, "storage_state": cookies, **options}
        contexts.append(watch.context(chromium, color_scheme=scheme, **given))
        page = contexts[-1].new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    until(lambda: watches(card), "the card watches the UPS again", 60)


def watches(card: Card) -> bool:
    """Whether the card has its port and the UPS answers."""
    return card.values().get("istars.link.state") == "ok"


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def borrow(page: Page) -> None:
    press(page, "Borrow the port")
    expect(page.locator("#desk")).to_contain_text("is borrowed by admin")


def send(page: Page, text: str) -> None:
    page.get_by_label("Bytes", exact=True).fill(text)
    press(page, "Send")


def test_a_question_and_its_answer_are_shown_live_with_their_meaning(card: Card, show: Opener) -> None:
    page = show()
    expect(page.get_by_text("no alarm can come")).to_be_visible()
    borrow(page)
    expect(page.locator("#nolink")).to_contain_text("The card does not watch the UPS at present")
    press(page, "Record serial port debugging data")
    send(page, "Q1")
    heard = page.locator("#frames .rx").first
    expect(heard.locator("code")).to_contain_text("(")
    expect(heard).to_contain_text("Status OL")
    expect(page.locator("#frames .tx").first).to_contain_text("Asks for Mains voltage")
    page.get_by_role("link", name="Hex", exact=True).click()
    expect(page.locator("#frames .tx code").first).to_have_text("51 31 0D")
    press(page, "Stop recording")
    with page.expect_download() as taken:
        page.get_by_role("link", name="Test fixture").nth(1).click()
    row = json.loads(taken.value.path().read_text(encoding="utf-8").splitlines()[0])
    assert (row["request"], row["encoding"], row["grade"]) == ("Q1\r", "ascii", "RUN")
    press(page, "Give back")
    expect(page.locator("#desk")).to_contain_text("Given back: ordered by admin")
    until(lambda: watches(card), "the card watches the UPS again")


def test_an_order_is_asked_about_and_then_reaches_the_ups(card: Card, show: Opener) -> None:
    page = show()
    borrow(page)
    send(page, "S02R0003")
    expect(page.get_by_role("heading", name="Send this to the UPS?")).to_be_visible()
    expect(page.get_by_text("Switch off and on again")).to_be_visible()
    assert json.loads(card.sim("status"))["shutdown_in_s"] is None
    press(page, "Send it")
    expect(page.locator("#frames .tx").first).to_contain_text("Order")
    until(lambda: json.loads(card.sim("status"))["shutdown_in_s"] is not None, "the UPS counts down")
    send(page, "C")
    press(page, "Send it")
    until(lambda: json.loads(card.sim("status"))["shutdown_in_s"] is None, "it is cancelled")
    press(page, "Give back")
    done = [json.dumps(event) for event in card.json("events", "--limit", "1000") if event["code"] == "COMMAND_DONE"]
    assert any("Switch off and on again" in event and "admin" in event for event in done)


def test_the_port_comes_back_after_the_page_was_left(card: Card, show: Opener) -> None:
    page = show()
    borrow(page)
    page.goto("about:blank")
    until(lambda: not watches(card), "the port is lent")
    until(lambda: watches(card), "the card watches the UPS again", 60)
    page.goto(card.url + PAGE)
    expect(page.locator("#desk")).to_contain_text("nobody looks at the page any more")


def test_the_port_comes_back_when_the_worker_is_killed(card: Card, show: Opener, watch: Watch) -> None:
    page = show()
    borrow(page)
    until(lambda: not watches(card), "the port is lent")
    os.kill(card.programs()["upslink"], signal.SIGKILL)
    until(lambda: watches(card), "the card watches the UPS again", 60)
    expect(page.locator("#desk")).to_contain_text("the card's program was restarted")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("path", [PAGE, "/device/control"])
def test_the_pages_fit_and_axe_finds_nothing_serious(
    show: Opener, axe_check: Callable[[Page], None], path: str, width: int, scheme: str
) -> None:
    page = show(path, width=width, scheme=scheme)
    wider = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider == 0
    axe_check(page)


def test_without_javascript_a_question_can_be_sent_too(show: Opener) -> None:
    page = show(java_script_enabled=False)
    borrow(page)
    send(page, "F")
    expect(page.locator("#frames .tx").first).to_contain_text("Asks for Rated mains voltage")
    press(page, "Give back")
    expect(page.get_by_role("button", name="Borrow the port")).to_be_visible()
