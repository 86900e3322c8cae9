"""Pages that are watched: what they may not do is noted, a test fails on it afterwards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from card import Card
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

Opener = Callable[..., Page]
"""Opens a page of the card: `show("/alarms", width=390, height=844, scheme="dark")`."""


def sign_in_first_time(browser: Browser, card: Card) -> Any:
    """Sign in as an owner does on the first day; answers the cookies."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(card.url)
    page.fill("[name=user]", "admin")
    page.fill("[name=pw]", "admin")
    page.click("button.main")
    page.fill("[name=p1]", card.password)
    page.fill("[name=p2]", card.password)
    page.click("button.main")
    expect(page).to_have_url(f"{card.url}/")
    cookies = context.storage_state()
    context.close()
    return cookies


class Watch:
    """What pages did that they may not do."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.errors: list[str] = []
        self.left: list[str] = []
        self.asked: list[str] = []
        self.expected: re.Pattern[str] | None = None

    def context(self, browser: Browser, **options: Any) -> BrowserContext:
        """A window of its own whose pages are watched."""
        context = browser.new_context(reduced_motion="reduce", **options)
        context.route("**/*", self._route)
        context.on("console", lambda message: self._error(message.text) if message.type == "error" else None)
        context.on("weberror", lambda error: self._error(str(error.error)))
        return context

    def _error(self, text: str) -> None:
        if self.expected is None or not self.expected.search(text):
            self.errors.append(text)

    def _route(self, route: Route) -> None:
        url = route.request.url
        self.asked.append(url.removeprefix(self.card.url))
        if url.startswith(self.card.url + "/"):
            route.continue_()
        else:
            self.left.append(url)
            route.abort()

    def polls(self) -> int:
        """How often pages have asked for live values."""
        return sum(path.startswith("/live?") for path in self.asked)
