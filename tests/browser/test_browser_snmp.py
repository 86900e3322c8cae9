"""SNMP on its pages: somebody is let in and told, a real management system hears it, the MIB files can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from card import TREE, Card, free_port, until
from netsnmp import AUTH_WORD, PRIV_WORD, TrapDaemon, run, v3
from playwright.sync_api import Browser, BrowserContext, Page, expect
from watching import Opener, Watch, sign_in_first_time

CHARGE = "1.3.6.1.2.1.33.1.2.4.0"
COMMUNITY = "a community of its own"
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card of its own, as it comes from the factory."""
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

    def opened(path: str, width: int, height: int) -> Page:
        size = {"width": width, "height": height}
        contexts.append(watch.context(chromium, viewport=size, storage_state=cookies, accept_downloads=True))
        page = contexts[-1].new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()


def fill(page: Page, values: dict[str, str]) -> None:
    """Type or choose, and save."""
    for key, value in values.items():
        field = page.locator(f'[name="{key}"]')
        if not field.is_visible():
            page.locator("details").filter(has=field).locator("summary").click()
        if field.evaluate("field => field.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text(f"{len(values)} changes saved.")).to_be_visible()


def follow(page: Page, name: str) -> None:
    """Go on by a link of the page's text."""
    page.get_by_role("main").get_by_role("link", name=name, exact=True).click()


@pytest.mark.parametrize("size", SIZES)
def test_somebody_is_let_in_and_told(
    card: Card, show: Opener, axe_check: Callable[[Page], None], tmp_path: Path, size: str
) -> None:
    number = 1 + list(SIZES).index(size)
    port = card.environment["SNMP_PORT"]
    page = show("/settings/snmp", *SIZES[size])
    # the tests of this file share a card where one process runs them, in any order
    if "Nobody may ask" in page.locator("#agent-state").inner_text():
        expect(page.get_by_text("Best: add a")).to_be_visible()
        assert run("snmpget", "-v2c", "-c", "public", CHARGE, port=port, patience_s=0.5)[0] != 0
        fill(page, {"snmp.inform.interval": "1", "snmp.inform.retries": "1"})
    else:
        page.get_by_text("How to open it safely").click()
    axe_check(page)
    follow(page, "manager")
    name, key = f"user{number}", f"snmp.manager.{number}"
    community = f"{COMMUNITY} {number}"
    fill(page, {f"{key}.addresses": "127.0.0.1", f"{key}.community": community, f"{key}.permission": "read"})
    until(
        lambda: run("snmpget", "-v2c", "-c", community, CHARGE, port=port, patience_s=1)[0] == 0,
        "the manager is answered",
    )
    page.goto(f"{card.url}/settings/snmp/users")
    key = f"snmp.user.{number}"
    fill(page, {f"{key}.name": name, f"{key}.permission": "read", f"{key}.auth.passphrase": AUTH_WORD,
                f"{key}.priv.passphrase": PRIV_WORD})  # fmt: skip
    until(
        lambda: run("snmpget", *v3(name, "sha256", "aes"), CHARGE, port=port, patience_s=1)[0] == 0,
        "the user is answered",
    )
    page.goto(f"{card.url}/settings/snmp")
    expect(page.locator("#agent-state")).to_contain_text("Answers")
    expect(page.get_by_text(f"User {name}, v3, SHA-256, AES-128")).to_be_visible()
    assert community not in page.content()
    with TrapDaemon(tmp_path) as daemon:
        until(daemon.ready, "snmptrapd listens")
        recipients(page, card, daemon, number)
        axe_check(page)


def recipients(page: Page, card: Card, daemon: TrapDaemon, number: int) -> None:
    """Enter one who listens and one who does not, and try both."""
    page.goto(f"{card.url}/settings/snmp/traps")
    there, gone = f"snmp.trap.{2 * number}", f"snmp.trap.{2 * number + 1}"
    inform = {"address": "127.0.0.1", "type": "inform", "community": "public"}
    fill(page, {**{f"{there}.{name}": value for name, value in {**inform, "port": f"{daemon.port}"}.items()},
                **{f"{gone}.{name}": value for name, value in {**inform, "port": f"{free_port()}"}.items()}})  # fmt: skip
    row = page.locator(f'[data-recipient="{2 * number}"]')
    row.get_by_role("button").click()
    expect(page.get_by_text("Test to 127.0.0.1: The inform was acknowledged.")).to_be_visible(timeout=30_000)
    assert daemon.notices("1.3.6.1.4.1.8072.9999.9999.1628.2.0.1")
    expect(row).to_contain_text("Acknowledged")
    row = page.locator(f'[data-recipient="{2 * number + 1}"]')
    row.get_by_role("button").click()
    expect(page.get_by_text("Test to 127.0.0.1: No answer after 2 tries.")).to_be_visible(timeout=30_000)
    expect(row).to_contain_text("Not reached since")


@pytest.mark.parametrize("size", SIZES)
def test_the_mib_files_can_be_kept(show: Opener, tmp_path: Path, size: str) -> None:
    page = show("/settings/snmp", *SIZES[size])
    for name in ("UPS-MIB", "ISTARS-MIB"):
        with page.expect_download() as kept:
            page.get_by_role("link", name=name).click()
        kept.value.save_as(tmp_path / name)
        assert kept.value.suggested_filename == f"{name}.txt"
        assert (tmp_path / name).read_bytes() == (TREE / "app" / "istars" / "snmp" / "mibs" / name).read_bytes()
