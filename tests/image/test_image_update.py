"""Updates as an owner makes them: one that is kept, and one that never gets healthy and is left again."""

from __future__ import annotations

from pathlib import Path

from chromium import launch
from guest import Guest
from packages import BROKEN, Factory, board_text
from pages import PASSWORD, PATIENCE_S, kept_as_good
from playwright.sync_api import expect, sync_playwright
from stories import signed_in

GIVEN_UP_S = 600.0
"""Three tries of firmware that does not get healthy, on a busy machine."""
JUDGED_S = 30
"""So long such firmware is tried, by the card's clock, from the start of its updater."""


def upload_in_a_browser(card: Guest, package: Path, version: str) -> None:
    """Sign in, choose the file, wait for the check, press "Start upgrade", and see that it is written."""
    with sync_playwright() as playwright:
        browser = launch(playwright)
        page = browser.new_context(ignore_https_errors=True).new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        page.goto(f"{card.url}/login")
        page.fill("[name=user]", "admin")
        page.fill("[name=pw]", PASSWORD)
        page.click("button.main")
        page.wait_for_url(f"{card.url}/")
        page.goto(f"{card.url}/assistant/firmware")
        page.set_input_files("#file", package)
        page.get_by_role("button", name="Upload").click()
        start = page.get_by_role("button", name="Start upgrade")
        expect(start).to_be_visible(timeout=PATIENCE_S * 1000)
        expect(page.locator("#firmware")).to_contain_text(version)
        start.click()
        expect(page.locator("#firmware")).to_contain_text("restart", timeout=PATIENCE_S * 1000)
        browser.close()


def test_an_update_by_the_page_runs_in_the_other_slot_and_is_kept(first_card: Guest, factory: Factory) -> None:
    before = len(first_card.console())
    upload_in_a_browser(first_card, factory.package("0.2.0"), "0.2.0")
    first_card.wait_for(r"slot B, order B A", after=before)
    first_card.wait_for_pages()
    owner = signed_in(first_card)
    first_card.until(lambda: kept_as_good(owner), "the new firmware is found good")
    now = owner.firmware()
    assert (now["version"], now["slot"], now["state"]) == ("0.2.0", "B", "good")
    assert {slot["name"]: slot["version"] for slot in now["slots"]}["B"] == "0.2.0"
    assert now["history"][0]["result"] == "installed"
    # nobody has cut the power: nobody has shown that they stand before the card
    first_card.typed("", "Name: ")
    first_card.typed("?", "after the card's power was cut")


def test_firmware_that_never_gets_healthy_is_left_for_the_one_before(first_card: Guest, factory: Factory) -> None:
    owner = signed_in(first_card)
    owner.json("/api/v1/settings", {"settings": {"system.name": "UPS in the cellar"}}, "PATCH")
    runs = owner.firmware()
    board = board_text(factory, deadline_s=JUDGED_S)
    changes = {"workers/core.py": BROKEN, "../../../../../etc/istars/board.json": board}
    owner.bring_good(factory.package("0.3.0", changes=changes))
    before = len(first_card.console())
    owner.json("/api/v1/firmware/install", {"version": "0.3.0"})
    other = "A" if runs["slot"] == "B" else "B"
    first_card.wait_for(f"slot {other}, order {other} {runs['slot']}, .*{other} 0", GIVEN_UP_S, after=before)
    first_card.wait_for(f"slot {runs['slot']}, order", GIVEN_UP_S, after=before)
    first_card.wait_for_pages()
    owner = signed_in(first_card)
    first_card.until(lambda: kept_as_good(owner), "the old firmware is found good again")
    now = owner.firmware()
    assert (now["version"], now["slot"], now["state"]) == (runs["version"], runs["slot"], "rolled-back")
    assert "core" in now["reason"]
    page = owner.page("/assistant/firmware")
    assert "Rolled back from 0.3.0" in page
    assert now["reason"] in page
    assert owner.json("/api/v1/settings/system.name")["value"] == "UPS in the cellar"
