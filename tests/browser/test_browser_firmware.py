"""The firmware page in a browser: an owner brings an update file, with script and without, and sees what comes of it."""

from __future__ import annotations

import dataclasses
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import Card, until
from firmware_samples import Maker, spoiled
from istars.store import firmware
from istars.store.firmware import Ended, Package, SlotState, Status, Update
from playwright.sync_api import Page, expect
from watching import Opener, Watch

PATH = "/assistant/firmware"
PACKAGE = Package(
    "0.2.0", "Mends the clock after a power cut.", "- clock\n- pages\n", 31_000_000, ("istars-nv",), "", "admin", "10.0.0.7",
    1e9, "CN=iStars release signer 2026,O=iStars", True,
)  # fmt: skip
UPDATE = Update("0.2.0", "B", "0.1.0", "A", "admin", 1e9, "boot")
SLOTS = (SlotState("A", True, True, True, "0.1.0"), SlotState("B", False, True, False, "0.0.9"))
HISTORY = (Ended(1e9, "rolled-back", "0.2.0", "0.1.0", "no sign of life from core, upslink", "admin"),)
BASE = Status(
    version="0.1.0", compatible="istars-nv", slot="A", confirmed=True, rauc=True, slots=SLOTS, history=HISTORY
)
STATES = {
    "idle": BASE,
    "ready": dataclasses.replace(BASE, state="ready", package=PACKAGE),
    "installing": dataclasses.replace(
        BASE, state="installing", progress=40, text="Copying image to rootfs.1", package=PACKAGE, update=UPDATE
    ),
    "rolled-back": dataclasses.replace(BASE, state="rolled-back", reason="no sign of life from core", update=UPDATE),
}


@pytest.fixture
def trusting(card: Card, maker: Maker) -> Iterator[Card]:
    """The card trusts a signer, and nothing is under way."""
    keys = card.root / "etc" / "rauc"
    keys.mkdir(parents=True, exist_ok=True)
    shutil.copy(maker.keyring, keys / "keyring.pem")
    yield card
    until(lambda: card.json("firmware", "status")["state"] != "checking", "the check has ended")
    assert card.python("firmware", "discard").returncode == 0


@pytest.fixture
def told(card: Card, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """The page shows a state that this machine cannot be in."""
    monkeypatch.setenv("ISTARS_ROOT", str(card.root))
    file = card.root / "run" / "istars" / "firmware.json"
    before = file.read_bytes()
    yield lambda state: firmware.publish(STATES[state])
    file.write_bytes(before)


def send(page: Page, path: Path) -> None:
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Upload").click()


def test_an_owner_uploads_sees_the_check_and_removes_the_file(trusting: Card, show: Opener, maker: Maker) -> None:
    page = show(PATH)
    expect(page.get_by_text("keeps powering its load throughout")).to_be_visible()
    send(page, maker.package("0.2.0"))
    expect(page.locator("#sent")).to_have_text("The file has arrived.")
    state = page.locator("#firmware")
    expect(state).to_contain_text("Ready to install")
    expect(state).to_contain_text("iStars development signer")
    expect(state).to_contain_text("no slots for firmware")
    page.get_by_text("What is new").click()
    expect(page.locator("pre")).to_have_text("iStars 0.2.0\n")
    page.get_by_role("button", name="Remove the update file").click()
    expect(page.get_by_role("alert").filter(has_text="The update file is gone.")).to_be_visible()
    expect(state).to_contain_text("No update under way")


def test_a_refused_file_is_told_with_its_reason(
    trusting: Card, show: Opener, watch: Watch, maker: Maker, tmp_path: Path
) -> None:
    watch.expected = re.compile("422")
    page = show(PATH)
    wrong = tmp_path / "holiday.jpg"
    wrong.write_bytes(b"\xff\xd8" * 1_000_000)
    send(page, wrong)
    expect(page.locator("#sent")).to_have_text("The file is not a package (iStars.tar.gz).")
    send(page, maker.package(bundle=spoiled(maker.bundle()), name="spoiled.tar.gz"))
    expect(page.locator("#firmware")).to_contain_text(
        "The update was refused. its contents are not what was signed", ignore_case=True
    )
    expect(page.locator("#past li").first).to_contain_text("Not installed")


def test_it_works_without_script(trusting: Card, show: Opener, watch: Watch, maker: Maker, tmp_path: Path) -> None:
    watch.expected = re.compile("422")
    page = show(PATH, java_script_enabled=False)
    send(page, maker.package("0.2.0"))
    until(lambda: trusting.json("firmware", "status")["state"] == "ready", "the check")
    page.goto(trusting.url + PATH)
    expect(page.locator("#firmware")).to_contain_text("Ready to install")
    wrong = tmp_path / "x.tar.gz"
    wrong.write_bytes(b"nothing")
    send(page, wrong)
    expect(page.get_by_role("alert").filter(has_text="not a package")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
@pytest.mark.parametrize("state", sorted(STATES))
def test_no_state_of_the_page_scrolls_sideways(
    card: Card, show: Opener, told: Callable[[str], None], state: str, width: int
) -> None:
    told(state)
    page = show(PATH, width=width, height=844)
    expect(page.locator("#firmware")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("state", sorted(STATES))
def test_axe_finds_nothing_serious_in_any_state(
    card: Card, show: Opener, told: Callable[[str], None], axe_check: Callable[[Page], None], state: str, scheme: str
) -> None:
    told(state)
    axe_check(show(PATH, width=390, height=844, scheme=scheme))


def test_the_way_back_asks_for_a_mark(card: Card, show: Opener, told: Callable[[str], None]) -> None:
    told("ready")
    page = show(PATH)
    page.get_by_role("button", name="Start upgrade").click()
    expect(page.get_by_label("I want to go back")).to_be_focused()
    assert page.url.endswith(PATH)
