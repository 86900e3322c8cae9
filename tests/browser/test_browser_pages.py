"""The pages for everybody: any width, both themes, keyboard alone, without JavaScript, and nothing that axe finds serious."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from card import Card, until
from playwright.sync_api import Browser, Page, expect
from watching import Opener

PAGES = ("/", "/alarms", "/records/events", "/records/events?day=2001-02-30", "/password")
ENTRIES = ("Overview", "Device", "Statistical query", "General settings", "Assistant", "Current alarm")


def wider_than(page: Page) -> int:
    """By how many pixels the page scrolls sideways."""
    return int(page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_page_scrolls_sideways(card: Card, show: Opener, width: int) -> None:
    card.sim("mains off")
    until(card.alarms, "the alarm")
    page = show(width=width, height=844)
    for path in PAGES:
        page.goto(card.url + path)
        assert wider_than(page) == 0, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing_serious(
    card: Card, show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    card.sim("mains off")
    until(card.alarms, "the alarm")
    page = show(width=width, height=844, scheme=scheme)
    for path in PAGES:
        page.goto(card.url + path)
        axe_check(page)
    card.sim("unplug")
    page.goto(card.url)
    expect(page.locator("h1")).to_contain_text("No data from the UPS since", timeout=15_000)
    axe_check(page)


def test_the_menu_has_the_entries_that_exist_and_no_dead_link(card: Card, show: Opener) -> None:
    page = show()
    links = page.get_by_role("navigation", name="Functions").get_by_role("link")
    expect(links).to_have_count(len(ENTRIES))
    for index, name in enumerate(ENTRIES):
        link = page.get_by_role("navigation", name="Functions").get_by_role("link").nth(index)
        expect(link).to_contain_text(name)
        link.click()
        expect(page.get_by_role("navigation", name="Functions").locator("[aria-current=page]")).to_contain_text(name)


def test_the_bar_says_where_who_and_when(card: Card, show: Opener) -> None:
    page = show()
    expect(page.locator(".sys strong")).to_have_text("UPS")
    expect(page.locator(".who summary")).to_contain_text("admin")
    expect(page.locator(".who summary")).to_contain_text("Administrator")
    expect(page.locator("#link")).to_contain_text("UPS connected")
    expect(page.locator("#clock")).to_have_text(re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d$"))
    shown = page.locator("#clock b").inner_text()
    expect(page.locator("#clock b")).not_to_have_text(shown)


@pytest.mark.parametrize("width", [390, 1280])
def test_the_keyboard_opens_every_node(card: Card, show: Opener, width: int) -> None:
    page = show(width=width, height=844)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    opened = []
    for _ in range(12):
        page.keyboard.press("Tab")
        target = page.evaluate("() => document.activeElement.getAttribute('href')")
        if not target or not target.startswith("#d-"):
            break
        page.keyboard.press("Enter")
        expect(page.locator(target)).to_be_visible()
        expect(page.locator(".detail:visible")).to_have_count(1)
        opened.append(target)
    assert opened == ["#d-mains", "#d-byp", "#d-rec", "#d-bat", "#d-inv", "#d-load"]
    expect(page.locator("#say")).to_have_text("Load: readings shown")


def test_the_chosen_node_and_the_focus_stay_when_the_drawing_changes(card: Card, show: Opener) -> None:
    page = show()
    page.locator("#flow svg.wide .n-inv").focus()
    page.keyboard.press("Enter")
    card.sim("mains off")
    expect(page.locator("#flow")).to_have_attribute("data-state", "battery", timeout=10_000)
    expect(page.locator("#d-inv")).to_be_visible()
    expect(page.locator("#flow svg.wide .n-inv")).to_have_attribute("aria-current", "true")
    expect(page.locator("#flow svg.wide .n-inv")).to_be_focused()


def test_the_theme_is_chosen_and_kept(card: Card, show: Opener) -> None:
    page = show(scheme="light")
    bright = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    page.locator(".who summary").click()
    page.get_by_role("button", name="Dark or light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.goto(card.url + "/alarms")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") != bright


def test_the_account_menu_closes_with_escape(show: Opener) -> None:
    page = show()
    summary = page.locator(".who summary")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(summary).to_be_focused()


def test_without_javascript_the_pages_still_tell_everything(card: Card, show: Opener) -> None:
    page = show(width=390, height=844, java_script_enabled=False)
    expect(page.locator("h1")).to_have_text("Running on mains")
    expect(page.locator("#flow svg.tall")).to_be_visible()
    page.locator("#flow svg.tall .n-bat").click()
    expect(page.locator("#d-bat")).to_be_visible()
    expect(page.locator("#theme")).to_be_hidden()


def test_days_and_severities_of_the_record(card: Card, show: Opener) -> None:
    card.sim("mains off")
    until(card.alarms, "the alarm")
    page = show("/records/events")
    today = date.fromisoformat(page.get_by_label("Day, as year-month-day").input_value())
    expect(page.locator("#events li", has_text="Mains failed, UPS on battery").first).to_be_visible()
    page.get_by_role("link", name="Information").click()
    expect(page.locator("#events li", has_text="Card started")).to_have_count(1)
    expect(page.locator("#events .sev", has_text="Warning")).to_have_count(0)
    page.get_by_role("link", name="Day before").click()
    expect(page.locator(".mute", has_text=str(today - timedelta(days=1)))).to_be_visible()
    expect(page.locator("#events")).to_contain_text("No such event on this day.")
    page.get_by_role("link", name="Day after").click()
    expect(page.get_by_role("link", name="Day after")).to_have_count(0)
    page.get_by_label("Day, as year-month-day").fill("20 November")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#day-error")).to_contain_text("Type the day as year-month-day")


def test_the_record_as_a_file(card: Card, show: Opener) -> None:
    card.sim("mains off")
    until(card.alarms, "the alarm")
    page = show("/records/events")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert re.fullmatch(r"events-\d{4}-\d\d-\d\d\.csv", download.value.suggested_filename)
    content = Path(download.value.path()).read_bytes()
    assert content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert rows[0]["code"] == "CARD_STARTED"
    assert rows[-1]["code"] == "ON_BATTERY"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d", rows[-1]["time"])
    assert [int(row["id"]) for row in rows] == sorted(int(row["id"]) for row in rows)


def test_log_out(card: Card, show: Opener) -> None:
    page = show(storage_state=None)
    expect(page).to_have_url(re.compile("/login"))
    page.fill("[name=user]", "admin")
    page.fill("[name=pw]", card.password)
    page.click("button.main")
    page.locator(".who summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page).to_have_url(re.compile("/login"))
    page.goto(card.url + "/alarms")
    expect(page).to_have_url(re.compile("/login"))


def test_axe_itself_finds_something_where_there_is_something(
    chromium: Browser, axe_check: Callable[[Page], None]
) -> None:
    page = chromium.new_page()
    page.set_content("<html lang=en><title>x</title><main><h1>x</h1><img src='data:,'></main>")
    with pytest.raises(AssertionError, match="image-alt"):
        axe_check(page)
    page.close()
