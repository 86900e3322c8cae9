"""Settings in a browser: every option of every page is changed and found in the export; readers stay out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from card import Card
from istars.settings import csvfile
from istars.settings.field import Field, Type
from istars.settings.groups import FIELDS, GROUPS
from istars.store.accounts import Accounts
from istars.web.app import create_app
from istars.web.pages.settings import PLACES
from other_values import GROUP_OF, OTHERS
from playwright.sync_api import Browser, BrowserContext, Page, expect
from watching import Opener, Watch, sign_in_first_time

PAGES = {place.group.name: place.path for place in PLACES.values()}
READER = "three small green boats"


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card of its own: its settings are changed beyond recognition."""
    with Card() as made:
        yield made


@pytest.fixture(scope="module")
def cookies(chromium: Browser, card: Card) -> Any:
    """Of an administrator."""
    return sign_in_first_time(chromium, card)


@pytest.fixture(scope="module")
def reading(chromium: Browser, card: Card) -> Any:
    """Cookies of somebody who may only look."""
    accounts = Accounts(card.root / "data" / "istars" / "accounts.db")
    accounts.add_user("eve", READER, "read")
    accounts.close()
    context = chromium.new_context()
    page = context.new_page()
    page.goto(card.url)
    page.fill("[name=user]", "eve")
    page.fill("[name=pw]", READER)
    page.click("button.main")
    expect(page).to_have_url(f"{card.url}/")
    made = context.storage_state()
    context.close()
    return made


@pytest.fixture
def show(card: Card, chromium: Browser, cookies: Any, watch: Watch) -> Iterator[Opener]:
    """Opens a page of this card, signed in."""
    contexts: list[BrowserContext] = []

    def opened(path: str, *, width: int = 1280, height: int = 800, scheme: str = "light", **options: Any) -> Page:
        size = {"width": width, "height": height}
        given = {"storage_state": cookies, **options}
        contexts.append(watch.context(chromium, viewport=size, color_scheme=scheme, **given))
        page = contexts[-1].new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()


def field_of(page: Page, key: str) -> Any:
    return page.locator(f'[name="{key}"]')


def put(page: Page, declared: Field, text: str) -> None:
    """Do what a person does to give an option a value."""
    field = field_of(page, declared.key)
    # options of a recipient that is not set stand behind its name
    field.evaluate("node => { const part = node.closest('details'); if (part) part.open = true; }")
    if declared.type is Type.SWITCH:
        field.set_checked(text == "on")
    elif field.evaluate("node => node.tagName") == "SELECT":
        field.select_option(text)
    else:
        field.fill(text)


def exported(card: Card) -> dict[str, str]:
    result = card.python("settings", "export")
    parsed = csvfile.parse(result.stdout)
    assert parsed.errors == []
    return {key: FIELDS[key].format(value) for key, value in parsed.values.items()}


def lines(page: Page, card: Card) -> dict[str, str]:
    """The file that an administrator takes away, line by line, by what stands first in each."""
    answer = page.request.get(f"{card.url}/api/v1/settings/file")
    assert answer.ok
    return {line.partition(",")[0]: line for line in answer.text().split("\r\n")}


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()


@pytest.mark.parametrize("group", [group.name for group in GROUPS])
def test_every_option_of_a_page_is_changed_and_found_in_the_export(card: Card, show: Opener, group: str) -> None:
    page = show(PAGES[group])
    before, lines_before = exported(card), lines(page, card)
    keys = [key for key in FIELDS if GROUP_OF[key] == group]
    for number, key in enumerate(keys, start=1):
        put(page, FIELDS[key], OTHERS[key])
        expect(page.locator("[data-n]")).to_have_text(f"{number} unsaved")
    save(page)
    expect(page.get_by_role("alert").filter(has_text="saved")).to_contain_text(f"{len(keys)} changes saved.")
    expect(page.locator("[data-n]")).to_have_text("No changes")
    open_keys = {key for key in keys if not FIELDS[key].secret}
    assert exported(card) == {**before, **{key: OTHERS[key] for key in open_keys}}
    lines_after = lines(page, card)
    assert list(lines_after) == list(lines_before)
    assert {first for first, line in lines_after.items() if line != lines_before[first]} == open_keys
    for key in keys:
        assert (OTHERS[key] in lines_after[key]) == (key in open_keys), "a secret leaves the card in no file"
        if key not in open_keys:
            expect(field_of(page, key)).to_have_value("")
            expect(page.locator(f"#{key.replace('.', '-')}-help")).to_contain_text("One is stored")
    if group == "system":
        expect(page.locator(".sys strong")).to_have_text(OTHERS["system.name"])
        expect(page.locator("#clock")).to_contain_text("+08:00")


def test_errors_are_told_on_top_and_at_the_field(card: Card, show: Opener, watch: Watch) -> None:
    # the browser itself reports every answer that is not a success
    watch.expected = re.compile("status of 422")
    page = show(PAGES["ups"])
    before = exported(card)
    field_of(page, "ups.address").fill("500")
    field_of(page, "ups.battery.packs").fill("7")
    save(page)
    expect(page.locator("#errors")).to_be_focused()
    expect(page.locator("#errors")).to_contain_text("Nothing was saved. One field needs a change: UPS address.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(field_of(page, "ups.address")).to_be_focused()
    expect(field_of(page, "ups.address")).to_have_attribute("aria-describedby", "ups-address-error ups-address-help")
    expect(page.locator("#ups-address-error")).to_contain_text("Must be between 1 and 247, not 500.")
    expect(field_of(page, "ups.battery.packs")).to_have_value("7")
    expect(page.locator("[data-n]")).to_have_text("2 unsaved")
    assert exported(card) == before


def test_leaving_with_unsaved_changes_asks_first(card: Card, show: Opener) -> None:
    page = show(PAGES["system"])
    asked: list[str] = []

    def stay(dialog: Any) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    field_of(page, "system.location").fill("Hall 9")
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(field_of(page, "system.location")).to_have_value("Hall 9")
    assert asked == ["beforeunload"]
    page.get_by_role("link", name="Discard").click()
    expect(page.locator("[data-n]")).to_have_text("No changes")
    page.get_by_role("link", name="Overview", exact=True).click()
    expect(page).to_have_url(f"{card.url}/")
    assert asked == ["beforeunload"]


def test_it_works_without_javascript(card: Card, show: Opener) -> None:
    page = show(PAGES["system"], java_script_enabled=False)
    field_of(page, "system.administrator").fill("Night shift")
    save(page)
    expect(page.locator(".banner", has_text="1 change saved.")).to_be_visible()
    assert exported(card)["system.administrator"] == "Night shift"


# Two dozen pages of the same parts: each width once, and each set of colours once.
@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (1280, "light")])
def test_the_pages_fit_and_axe_finds_nothing_serious(
    card: Card, show: Opener, axe_check: Callable[[Page], None], width: int, scheme: str
) -> None:
    page = show(PAGES["ups"], width=width, height=844, scheme=scheme)
    for path in PAGES.values():
        page.goto(card.url + path)
        wider = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider == 0, path
        axe_check(page)


def every_page() -> set[str]:
    """Path of every page but those about the own account and session; files are none."""
    own = ("/account", "/login", "/password", "/api/", "/live", "/static", "/favicon")
    rules = create_app().url_map.iter_rules()
    pages = {rule.rule for rule in rules if "GET" in (rule.methods or ()) and not rule.arguments}
    return {path for path in pages if not path.startswith(own) and "." not in path}


def test_a_reader_sees_no_form_and_changes_nothing(card: Card, show: Opener, reading: Any, watch: Watch) -> None:
    watch.expected = re.compile("status of 403")
    before = exported(card)
    page = show("/", storage_state=reading)
    for path in sorted(every_page()):
        page.goto(card.url + path)
        expect(page.get_by_role("link", name="Device")).to_have_count(0)
        expect(page.get_by_role("link", name="General settings")).to_have_count(0)
        expect(page.locator("main form:not([method=get])")).to_have_count(0)
    for path in PAGES.values():
        answer = page.goto(card.url + path)
        assert answer is not None
        assert answer.status == 403
        expect(page.locator("form[data-guard]")).to_have_count(0)
        assert page.request.post(card.url + path, form={"system.name": "x"}).status == 403
    for method in ("PUT", "PATCH"):
        body = {"settings": {"system.name": "x"}}
        assert page.request.fetch(f"{card.url}/api/v1/settings", method=method, data=body).status == 403
    assert exported(card) == before
