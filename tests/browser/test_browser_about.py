"""About, certificate and audit record in a browser: any width, both themes, and an owner who saves, restores and resets."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from card import Card
from playwright.sync_api import Page, expect
from watching import Opener, Watch

PAGES = (
    "/assistant/about",
    "/assistant/about/reset",
    "/assistant/certificate",
    "/assistant/audit",
    "/assistant/audit?day=x",
)


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_of_the_assistant_scrolls_sideways(card: Card, show: Opener, width: int) -> None:
    page = show(width=width, height=844)
    for path in PAGES:
        page.goto(card.url + path)
        over = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious_in_the_assistant(
    card: Card, show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    page = show(width=width, height=844, scheme=scheme)
    for path in PAGES:
        page.goto(card.url + path)
        axe_check(page)
    compare(page, card, "key,value\nformat,1\nsystem.location,Laboratory\n")
    axe_check(page)


def compare(page: Page, card: Card, text: str) -> None:
    """Bring a file to the page About."""
    page.goto(f"{card.url}/assistant/about")
    page.set_input_files("#file", {"name": "system_config.csv", "mimeType": "text/csv", "buffer": text.encode()})
    page.get_by_role("button", name="Compare with this card").click()
    page.wait_for_url("**/restore")


def test_an_owner_saves_breaks_restores_and_resets(card: Card, show: Opener, watch: Watch, tmp_path: Path) -> None:
    watch.expected = re.compile("422")  # the console tells of the wrong name
    page = show("/assistant/about")
    expect(page.get_by_role("heading", name="About this card")).to_be_visible()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Save system_config.csv").click()
    saved = tmp_path / "system_config.csv"
    downloading.value.save_as(saved)
    text = saved.read_text(encoding="utf-8")
    assert "system.name" in text

    compare(page, card, "key,value\nformat,1\nsystem.name,Renamed\nsystem.location,Cellar\n")
    expect(page.get_by_role("heading", name="Restore 2 settings?")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator(".sys strong")).to_have_text("Renamed")

    page.set_input_files("#file", saved)
    page.get_by_role("button", name="Compare with this card").click()
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("alert").filter(has_text="2 settings were restored")).to_be_visible()

    compare(page, card, "key,value\nformat,1\nsystem.location,Cellar\n")
    page.get_by_role("button", name="Restore").click()
    page.get_by_role("link", name="Reset").click()
    page.get_by_role("button", name="Reset all settings").click()
    expect(page.get_by_text("This is not the name of the system")).to_be_visible()
    page.get_by_label("Type the name of the system").fill("UPS")
    page.get_by_role("button", name="Reset all settings").click()
    expect(page.get_by_role("alert").filter(has_text="those of the factory again")).to_be_visible()

    page.get_by_role("link", name="Audit record").click()
    page.get_by_label("Words to look for").fill("cellar")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".audit li")).to_have_count(4)  # there and back, twice
    expect(page.locator(".audit li").first).to_contain_text("Settings reset: system.location from Cellar")
    compare(page, card, text)
    page.get_by_role("button", name="Restore").click()
    expect(page.get_by_role("alert").filter(has_text="restored")).to_be_visible()


def test_errors_of_a_file_are_shown_by_line(card: Card, show: Opener, watch: Watch) -> None:
    watch.expected = re.compile("422")
    page = show("/assistant/about")
    compare(page, card, "key,value\nformat,1\nsystem.name,\nsession.idle,soon\n")
    alert = page.get_by_role("alert").filter(has_text="Nothing was changed")
    expect(alert).to_contain_text("line 3: system.name")
    expect(alert).to_contain_text("line 4: session.idle")


def test_a_request_and_a_new_certificate(card: Card, show: Opener) -> None:
    page = show("/assistant/certificate")
    before = page.locator(".finger").inner_text()
    page.get_by_label("Host name").fill("ups.example")
    page.get_by_role("button", name="Make a request").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Save request.pem").click()
    assert "BEGIN CERTIFICATE REQUEST" in Path(downloading.value.path()).read_text(encoding="ascii")
    page.get_by_label("Replace the certificate that is in use").check()
    page.get_by_role("button", name="Make new").click()
    expect(page.get_by_role("alert").filter(has_text="compare the fingerprint")).to_be_visible()
    assert page.locator(".finger").inner_text() != before
