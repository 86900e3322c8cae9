"""A running card with its simulated UPS, and Chromium looking at it.

Every page that a test opens is watched: an error in its console or a request that leaves the card fails the test.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from card import Card, until
from chromium import launch
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from watching import Opener, Watch, sign_in_first_time

# axe-core as the Python package brings it: no other package manager is needed.
AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
TO_NORMAL = ("overload off", "mains on", "battery 100")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these need Chromium, and time."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(120))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium with a new, empty profile."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running() -> Iterator[Card]:
    """One card for all tests. It begins about noon in its time zone: no test runs into midnight."""
    card = Card()
    # their names count westward
    west = datetime.now(UTC).hour - 12
    assert card.python("settings", "set", "system.zone", f"Etc/GMT{west:+}" if west else "UTC").returncode == 0
    with card:
        yield card


@pytest.fixture(scope="session")
def cookies(chromium: Browser, running: Card) -> Any:
    """Of somebody who has signed in."""
    return sign_in_first_time(chromium, running)


@pytest.fixture
def card(running: Card) -> Card:
    """The card with a UPS that has nothing to complain about, whatever an earlier test did to it."""
    with contextlib.suppress(AssertionError):  # refused where it is plugged in
        running.sim("replug")
    for words in TO_NORMAL:
        running.sim(words)
    until(lambda: "ups.status" in running.values() and not running.alarms(), "the UPS is back to normal")
    return running


@pytest.fixture
def watch(card: Card) -> Iterator[Watch]:
    """Fails the test if a page did what it may not do."""
    made = Watch(card)
    yield made
    assert made.errors == []
    assert made.left == []


@pytest.fixture
def show(card: Card, chromium: Browser, cookies: Any, watch: Watch) -> Iterator[Opener]:
    """Opens a page of the card, signed in: `show("/alarms", width=390, scheme="dark")`."""
    contexts: list[BrowserContext] = []

    def opened(path: str = "/", *, width: int = 1280, height: int = 800, scheme: str = "light", **options: Any) -> Page:
        context = watch.context(
            chromium,
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            **{"storage_state": cookies, **options},
        )
        contexts.append(context)
        page = context.new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core."""
    assert AXE.exists(), f"{AXE} is missing"
    return AXE.read_text(encoding="utf-8")


@pytest.fixture
def axe_check(axe: str) -> Callable[[Page], None]:
    """Fails if axe finds a serious or critical violation on a page."""

    def check(page: Page) -> None:
        # through the debugger, so that the page's own policy against foreign scripts stays in force
        session = page.context.new_cdp_session(page)
        session.send("Runtime.evaluate", {"expression": axe})
        answer = session.send(
            "Runtime.evaluate",
            {
                "expression": "axe.run(document, {resultTypes: ['violations']}).then(found => JSON.stringify(found.violations))",
                "awaitPromise": True,
                "returnByValue": True,
            },
        )
        session.detach()
        found = [
            f"{each['id']} ({each['impact']}): {each['nodes'][0]['html'][:200]}"
            for each in json.loads(answer["result"]["value"])
            if each["impact"] in ("serious", "critical")
        ]
        assert found == [], f"{page.url}: {found}"

    return check


@pytest.fixture
def watch_for(chromium: Browser) -> Iterator[Callable[[Card], Page]]:
    """Opens the overview of another card, signed in and watched."""
    watches: list[Watch] = []
    contexts: list[BrowserContext] = []

    def opened(card: Card) -> Page:
        cookies = sign_in_first_time(chromium, card)
        watches.append(Watch(card))
        contexts.append(watches[-1].context(chromium, storage_state=cookies, viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.goto(card.url)
        return page

    yield opened
    for context in contexts:
        context.close()
    for watch in watches:
        assert watch.errors == []
        assert watch.left == []
