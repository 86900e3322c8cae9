"""The parameters of the UPS in a browser: wrong settings, finding out what it speaks, register maps, the battery."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from card import Card, until
from playwright.sync_api import Browser, BrowserContext, Page, expect
from simulators import Simulator
from watching import Opener, Watch, sign_in_first_time

PAGE = "/device/parameters"
MAP = Path(__file__).parents[1] / "fixtures" / "maps" / "unknown-ups.json"
SIZES = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}


class Bench:
    """A card whose UPS is changed under it."""

    def __init__(self, folder: Path) -> None:
        self.link = folder / "ups"
        self.simulator: Simulator | None = None
        self.plug("megatec")
        self.card = Card(UPS=str(self.link)).start()

    def plug(self, kind: str, **options: Any) -> Simulator:
        """Put another UPS at the port; one that hears nothing at a wrong speed."""
        self.unplug()
        self.simulator = Simulator(kind, link=self.link, strict=True, **options)
        self.simulator.start()
        return self.simulator

    def unplug(self) -> None:
        if self.simulator is not None:
            self.simulator.stop()
            self.simulator = None

    def set(self, **settings: str) -> None:
        for key, value in settings.items():
            done = self.card.python("settings", "set", key.replace("_", "."), value)
            assert done.returncode == 0, done.stderr

    def settings(self) -> dict[str, Any]:
        export = self.card.python("settings", "export").stdout
        return {line.split(",")[0]: line.split(",")[1] for line in export.splitlines() if line.startswith("ups.")}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    made = Bench(tmp_path_factory.mktemp("bench"))
    yield made
    made.card.close()
    made.unplug()


@pytest.fixture(scope="module")
def card(bench: Bench) -> Card:
    return bench.card


@pytest.fixture(scope="module")
def cookies(chromium: Browser, card: Card) -> Any:
    return sign_in_first_time(chromium, card)


@pytest.fixture
def show(card: Card, chromium: Browser, cookies: Any, watch: Watch) -> Iterator[Opener]:
    contexts: list[BrowserContext] = []

    def opened(path: str = PAGE, *, size: str = "desktop", scheme: str = "light", **options: Any) -> Page:
        given = {"storage_state": cookies, "viewport": SIZES[size], "color_scheme": scheme, **options}
        contexts.append(watch.context(chromium, **given))
        page = contexts[-1].new_page()
        page.goto(card.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()


def narrow(page: Page) -> bool:
    """Whether the page needs no scrolling to the side."""
    return bool(page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("size", SIZES)
def test_wrong_settings_show_the_wire_and_the_search_mends_them(
    bench: Bench, show: Opener, axe_check: Callable[[Page], None], size: str
) -> None:
    bench.set(ups_protocol="megatec", ups_serial_baud="2400", ups_serial_parity="auto")
    # what an earlier search has found stays on the page until another one begins
    (bench.card.root / "run" / "istars" / "detection.json").unlink(missing_ok=True)
    simulator = bench.plug("voltronic-qs", baud=9600)
    page = show(size=size)
    link = page.locator("#upslink")
    # at another speed the device hears noise, and is silent
    expect(link).to_contain_text("Nothing came back. Is the UPS switched on?", timeout=20_000)
    # a question that it does not know it sends back: that is shown as it came, not only as “failed”
    bench.set(ups_serial_baud="9600")
    expect(link.locator("code")).to_have_text(["51 31 0d", "Q1<CR>"], timeout=20_000)
    expect(link).to_contain_text("Not connected")
    expect(link).to_contain_text("does not know 'Q1'")
    expect(link).to_contain_text("the protocol is probably another one")
    assert narrow(page)
    axe_check(page)
    bench.set(ups_serial_baud="2400")

    page.get_by_role("button", name="Detect").click()
    search = page.locator("#search")
    expect(search).to_contain_text("Voltronic QS answers on", timeout=60_000)
    expect(search).to_contain_text("at 9600 baud, no parity")
    search.get_by_text("What answered").click()
    expect(search.locator("table")).to_contain_text("M<CR>")
    assert bench.settings()["ups.protocol"] == "megatec", "nothing is set before it is asked for"
    assert narrow(page)
    axe_check(page)

    search.get_by_role("button", name="Use this").click()
    expect(page.get_by_role("alert").filter(has_text="saved")).to_be_visible()
    expect(link).to_contain_text("Connected", timeout=20_000)
    expect(link).to_contain_text("Voltronic QS on")
    expect(search).to_contain_text("That is what is set.")
    assert (bench.settings()["ups.protocol"], bench.settings()["ups.serial.baud"]) == ("voltronic-qs", "9600")
    expect(page.locator('[name="ups.protocol"]')).to_have_value("voltronic-qs")
    assert simulator.device.changes == []


def test_a_search_goes_on_whoever_looks_until_it_is_stopped(bench: Bench, show: Opener, watch: Watch) -> None:
    watch.expected = re.compile("status of 409")
    assert bench.plug("megatec").control("mute") == "the UPS answers no more"
    page = show()
    page.get_by_role("button", name="Detect").click()
    search = page.locator("#search")
    expect(search).to_contain_text("Finding out what answers")
    expect(search.locator(".meter")).to_be_visible()
    page.goto(bench.card.url)
    page.goto(bench.card.url + PAGE)
    expect(search).to_contain_text("Finding out what answers")
    expect(search.locator("[data-v='search.progress']")).to_have_text(re.compile(r"^[1-9]\d* %$"), timeout=20_000)
    # a second search does not begin beside the first
    page.get_by_role("button", name="Detect").click()
    expect(page.locator("#refused")).to_contain_text("finding out already")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert").filter(has_text="stopped")).to_be_visible()
    expect(search).to_contain_text("The search was stopped.")
    page.get_by_label("Port to look at").fill("/dev/none")
    page.get_by_role("button", name="Detect").click()
    expect(search.or_(page.locator("#refused")).first).to_contain_text("/dev/none")


@pytest.mark.parametrize("size", SIZES)
def test_a_register_map_is_checked_tried_kept_fetched_and_removed(
    bench: Bench, show: Opener, watch: Watch, axe_check: Callable[[Page], None], size: str, tmp_path: Path
) -> None:
    watch.expected = re.compile("status of 4(09|22)")
    bench.set(ups_protocol="east-ea900", ups_serial_baud="0", ups_serial_parity="auto")
    bench.plug("east")
    page = show(size=size)
    expect(page.locator("#upslink")).to_contain_text("Connected", timeout=20_000)
    bad = tmp_path / "My UPS.json"
    bad.write_bytes(MAP.read_bytes().replace(b'"input.voltage"', b'"input.volts"', 1))

    def bring(file: Path) -> None:
        page.get_by_label("Register map (JSON)").set_input_files(file)
        page.get_by_role("button", name="Try it and keep it").click()

    bring(bad)
    expect(page.locator("#refused")).to_contain_text("The map has mistakes.")
    expect(page.locator("#refused")).to_contain_text(
        "line 11, items[0] (input.volts): 'input.volts' is not the name of a reading"
    )
    expect(page.get_by_label("Name of the protocol")).to_have_value("my-ups")
    axe_check(page)
    page.get_by_label("Name of the protocol").fill("")
    absent = tmp_path / "absent.json"
    other = json.loads(MAP.read_text("utf-8"))
    for item in other["items"]:
        item["register"] += 3000
    absent.write_text(json.dumps(other))
    bring(absent)
    expect(page.locator("#refused")).to_contain_text("The map is not kept: ", timeout=30_000)
    page.get_by_label("Name of the protocol").fill("")
    bring(MAP)
    expect(page.get_by_role("alert").filter(has_text="6 of 6 registers answer")).to_be_visible(timeout=30_000)
    maps = page.locator("#maps")
    expect(maps).to_contain_text("Worked example: an unknown UPS")
    with page.expect_download() as fetched:
        maps.get_by_role("link", name="Download").click()
    assert Path(fetched.value.path()).read_bytes() == MAP.read_bytes()
    assert fetched.value.suggested_filename == "unknown-ups.json"
    assert narrow(page)

    # what was brought can be chosen, and then not be removed
    until(lambda: page.reload() and page.locator("option[value=unknown-ups]").count(), "it can be chosen")
    page.locator('[name="ups.protocol"]').select_option("unknown-ups")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#upslink")).to_contain_text("Worked example: an unknown UPS on", timeout=20_000)
    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Remove unknown-ups").click()
    expect(page.locator("#refused")).to_contain_text("is in use. Choose another protocol first.")
    page.locator('[name="ups.protocol"]').select_option("east-ea900")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("summary", has_text="Remove").click()
    page.get_by_role("button", name="Remove unknown-ups").click()
    expect(page.get_by_role("alert").filter(has_text="The map unknown-ups is removed.")).to_be_visible()
    expect(maps).to_contain_text("No map has been kept yet.")


def test_the_format_of_maps_is_told_on_the_card(show: Opener, axe_check: Callable[[Page], None]) -> None:
    page = show(size="phone")
    page.get_by_role("link", name="The format of register maps").click()
    expect(page.locator("pre")).to_contain_text("Worked example, for a UPS of which there is a list of registers")
    assert narrow(page)
    axe_check(page)


@pytest.mark.parametrize("size", SIZES)
def test_a_battery_test_is_kept_and_shown(
    bench: Bench, show: Opener, axe_check: Callable[[Page], None], size: str
) -> None:
    bench.set(ups_protocol="megatec", ups_serial_baud="0", ups_serial_parity="auto", ups_battery_cells="12")
    bench.set(ups_battery_replaced="2020-02-29", ups_battery_life="5")
    simulator = bench.plug("megatec-interactive")
    page = show("/device/battery", size=size)
    expect(page.locator("#bank")).to_contain_text("estimated", timeout=20_000)
    expect(page.locator("#bank")).to_contain_text("2025-02-28")
    until(lambda: "BATTERY_REPLACE" in bench.card.alarms(), "the battery is too old")
    before = page.locator("#tests tbody tr").count()
    assert bench.card.python("command", "test.battery.start.quick").returncode == 0
    until(lambda: simulator.ups.test is not None, "the test runs")
    simulator.control("advance 15")
    until(lambda: simulator.ups.test is None, "the test has ended")
    # at rest again, or on battery for another reason: that ends the watch of the test at once
    until(lambda: "TEST" not in str(bench.card.values().get("ups.status", "TEST")), "the card sees that it ended")
    simulator.control("mains off")
    expect(page.locator("#tests tbody tr")).to_have_count(before + 1, timeout=30_000)
    expect(page.locator("#tests tbody tr").first).to_contain_text(re.compile(r"\d+\.\d V"))
    simulator.control("mains on")
    assert narrow(page)
    axe_check(page)
    bench.set(ups_battery_replaced="2026-01-01")
    until(lambda: "BATTERY_REPLACE" not in bench.card.alarms(), "a new battery")
