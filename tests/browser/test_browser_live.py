"""What happens to the UPS shows in the browser: soon, without reloading, and never an old number as if it were new."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from card import Card, children, until
from playwright.sync_api import Page, Route, expect
from watching import Opener, Watch

POLL_S = 1.0
SOON_MS = 5_000
"""For what the page shows by itself, browsers of a busy machine included."""


def seconds(shown: str) -> int:
    """`1 min 12 s` in seconds."""
    found = re.search(r"(?:(\d+) min )?(\d+) s", shown)
    assert found, shown
    return int(found[1] or 0) * 60 + int(found[2])


@contextmanager
def web_stopped(card: Card) -> Iterator[None]:
    """The web server hangs, as when the card's network is cut."""
    parent = card.programs()["web"]
    pids = [parent, *children(parent)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def note_when_shown(page: Page, **wanted: str) -> None:
    """Let the page note the moment at which an element (by id) first holds a text; it also marks the page as not reloaded."""
    page.evaluate(
        """wanted => {
            window.shown = {};
            const look = () => {
                for (const [id, text] of Object.entries(wanted))
                    if (!shown[id] && document.getElementById(id)?.textContent.includes(text)) shown[id] = Date.now() / 1000;
            };
            new MutationObserver(look).observe(document.body, { subtree: true, childList: true, characterData: true });
        }""",
        wanted,
    )


def test_a_mains_failure_shows_within_a_poll_and_a_second_without_reloading(card: Card, show: Opener) -> None:
    page = show()
    expect(page.locator("h1")).to_have_text("Running on mains")
    expect(page.locator("#badge")).to_contain_text("0 alarms")
    note_when_shown(page, head="On battery", badge="1 warning", events="Mains failed, UPS on battery")
    card.sim("mains off")
    failed = time.time()
    expect(page.locator("h1")).to_contain_text("On battery", timeout=10_000)
    expect(page.locator("#badge")).to_contain_text("1 warning")
    expect(page.locator("#events li").first).to_contain_text("Mains failed, UPS on battery")
    shown = page.evaluate("() => window.shown")
    assert max(shown["head"], shown["badge"]) - failed <= POLL_S + 1
    expect(page.locator("#mark")).to_have_text("1")
    expect(page.locator("#flow")).to_have_attribute("data-state", "battery")
    expect(page.locator("#flow svg.wide .bat")).to_have_class(re.compile(r"\bon rev\b"))
    expect(page.locator("#flow svg.wide .n-mains")).to_have_class(re.compile(r"\bbad\b"))
    expect(page.locator("#say")).to_have_text("On battery. 1 warning.")
    expect(page.locator("#d-bat")).to_be_visible()


def test_mains_back_clears_it_and_both_are_events_with_the_right_duration(card: Card, show: Opener) -> None:
    page = show()
    began = time.monotonic()
    card.sim("mains off")
    # the headline counts up by itself
    expect(page.locator("h1 time")).to_have_text(re.compile(r"^[3-9] s$"), timeout=10_000)
    card.sim("mains on")
    lasted = time.monotonic() - began
    expect(page.locator("h1")).to_have_text("Running on mains", timeout=10_000)
    expect(page.locator("#badge")).to_contain_text("0 alarms")
    newest = page.locator("#events li").first
    expect(newest).to_contain_text("Cleared")
    expect(newest).to_contain_text("Mains restored after")
    page.get_by_role("link", name="All event records").click()
    lines = page.locator("#events li")
    expect(lines.nth(0)).to_contain_text("Mains restored after")
    expect(lines.nth(1)).to_contain_text("Mains failed, UPS on battery")
    assert abs(seconds(lines.nth(0).inner_text().split("after")[1]) - lasted) <= 2 * POLL_S + 1


def test_values_tick_in_place(card: Card, show: Opener) -> None:
    page = show()
    load = page.locator("#tiles [data-v='ups.load']")
    expect(load).not_to_have_text("67")
    card.sim("load 67")
    expect(load).to_have_text("67", timeout=10_000)
    expect(page.locator("#tiles [data-m='ups.load']")).to_have_attribute("width", "67%")
    card.sim("load 30")


def test_the_list_of_alarms_is_live_and_keeps_what_is_typed(card: Card, show: Opener) -> None:
    page = show("/alarms")
    expect(page.get_by_role("heading", name="Nothing needs you")).to_be_visible()
    card.sim("mains off")
    first = page.locator("article", has_text="Mains failed, UPS on battery")
    expect(first).to_be_visible(timeout=SOON_MS)
    expect(first.locator("strong time")).to_have_text(re.compile(r"^[2-9] s$"), timeout=10_000)
    first.get_by_label("Note").fill("I look after it")
    card.sim("overload 130")
    expect(page.locator("article")).to_have_count(2, timeout=15_000)
    # the worse one comes first, the other one is still being typed into
    expect(page.locator("article").first).to_contain_text("Output overloaded")
    expect(first.get_by_label("Note")).to_have_value("I look after it")
    expect(first.get_by_label("Note")).to_be_focused()
    first.get_by_role("button", name="Acknowledge as admin").click()
    expect(first).to_contain_text("Acknowledged by admin")
    expect(first).to_contain_text("“I look after it”")
    expect(first.get_by_label("Note")).to_have_count(0)
    expect(page.locator("h1")).to_have_text("2 current alarms, 1 not acknowledged")


def test_two_browsers_see_each_other_acknowledge(card: Card, show: Opener) -> None:
    card.sim("mains off")
    until(card.alarms, "the alarm")
    one, other = show("/alarms"), show("/alarms", width=390, height=844)
    one.get_by_role("button", name="Acknowledge as admin").click()
    expect(other.locator("article footer")).to_contain_text("Acknowledged by admin", timeout=SOON_MS)


def test_the_record_of_today_is_live(card: Card, show: Opener) -> None:
    page = show("/records/events")
    page.get_by_label("Day, as year-month-day").fill("2026-0")
    card.sim("mains off")
    expect(page.locator("#events li").first).to_contain_text("Mains failed, UPS on battery", timeout=SOON_MS)
    expect(page.get_by_label("Day, as year-month-day")).to_have_value("2026-0")


def test_an_unplugged_ups_looks_stale_and_comes_back(card: Card, show: Opener) -> None:
    page = show()
    expect(page.locator("#tiles .dim")).to_have_count(0)
    card.sim("unplug")
    expect(page.locator("h1")).to_have_text(re.compile(r"No data from the UPS since \d\d:\d\d:\d\d"), timeout=15_000)
    expect(page.locator("#link")).to_contain_text("No UPS data")
    tiles = page.locator("#tiles > div")
    expect(page.locator("#tiles > .dim")).to_have_count(tiles.count())
    expect(tiles.first).to_contain_text(re.compile(r"last known .*no data since \d\d:\d\d:\d\d"))
    expect(page.locator("#flow")).to_have_attribute("data-state", "offline")
    expect(page.locator("#flow .seg.on")).to_have_count(0)
    expect(page.locator("#flow svg.wide .node.dim")).to_have_count(page.locator("#flow svg.wide .node").count())
    # the card itself still answers: that is another link
    expect(page.locator("#lost")).to_be_hidden()
    page.get_by_role("link", name="Current alarm", exact=True).click()
    expect(page.locator("#nolink")).to_contain_text("No data from the UPS since")
    card.sim("replug")
    expect(page.locator("#nolink")).to_be_hidden(timeout=20_000)
    expect(page.locator("#link")).to_contain_text("UPS connected")


def test_a_card_that_does_not_answer_is_said_and_comes_back_by_itself(card: Card, show: Opener) -> None:
    card.sim("mains off")
    page = show("/alarms")
    button = page.get_by_role("button", name="Acknowledge as admin")
    expect(button).to_be_enabled(timeout=10_000)
    with web_stopped(card):
        lost = page.locator("#lost")
        expect(lost).to_be_visible(timeout=9_000)
        expect(lost).to_contain_text(re.compile(r"The card does not answer since \d\d:\d\d:\d\d\."))
        expect(page.locator("html")).to_have_attribute("data-stale", "")
        expect(button).to_be_disabled()
    expect(page.locator("#lost")).to_be_hidden(timeout=9_000)
    expect(page.locator("html")).not_to_have_attribute("data-stale", "")
    expect(button).to_be_enabled()


def test_a_card_that_was_restarted_loads_the_page_anew(card: Card, show: Opener) -> None:
    page = show()
    page.evaluate("() => { document.body.dataset.kept = 'yes' }")
    answered: list[str] = []

    def of_another_boot(route: Route) -> None:
        answer = route.fetch()
        answered.append(answer.headers["x-boot"])
        route.fulfill(response=answer, headers={**answer.headers, "x-boot": "another"})

    page.route("**/live?*", of_another_boot, times=1)
    expect(page.locator("body")).not_to_have_attribute("data-kept", "yes", timeout=10_000)
    expect(page.locator("h1")).to_have_text("Running on mains")
    assert len(answered) == 1


def test_a_killed_web_worker_is_not_noticed_for_long(card: Card, show: Opener, watch: Watch) -> None:
    watch.expected = re.compile("Failed to load resource")
    page = show()
    expect(page.locator("#clock b")).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    os.kill(card.programs()["web"], signal.SIGKILL)
    asked = watch.polls()
    until(lambda: answered_again(page, watch, asked), "the page asks again and is answered")
    card.sim("mains off")
    expect(page.locator("h1")).to_contain_text("On battery", timeout=10_000)


def answered_again(page: Page, watch: Watch, asked: int) -> bool:
    """Whether the page went on asking and is not grey. Lets the browser work meanwhile."""
    page.wait_for_load_state()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    return watch.polls() > asked + 1 and page.locator("html[data-stale]").count() == 0


def hide(page: Page, hidden: bool) -> None:
    """Let the page believe that its tab is in the background."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        hidden,
    )


def test_a_hidden_tab_asks_nothing_and_is_grey_until_answered(card: Card, show: Opener, watch: Watch) -> None:
    page = show()
    page.clock.install()
    page.reload()
    expect(page.locator("h1")).to_have_text("Running on mains")
    hide(page, True)
    before = watch.polls()
    page.clock.run_for(60_000)
    assert watch.polls() == before
    expect(page.locator("#lost")).to_be_hidden()
    with page.expect_request(lambda request: "/live?" in request.url):
        hide(page, False)
    expect(page.locator("html")).not_to_have_attribute("data-stale", "")


def test_a_session_that_is_over_leads_to_the_login_and_back(card: Card, show: Opener, watch: Watch) -> None:
    watch.expected = re.compile("401")
    page = show("/alarms")
    page.context.clear_cookies()
    expect(page).to_have_url(re.compile(r"/login\?next=%2Falarms$"), timeout=10_000)
    page.fill("[name=user]", "admin")
    page.fill("[name=pw]", card.password)
    page.click("button.main")
    expect(page).to_have_url(f"{card.url}/alarms")


@pytest.mark.parametrize(
    ("ups", "drawing"), [("sim:megatec-interactive", ".n-avr"), ("sim:east", ".n-rec"), ("sim:invt", ".n-byp")]
)
def test_other_kinds_of_ups_have_their_own_drawing(
    ups: str, drawing: str, watch_for: Callable[[Card], Page], axe_check: Callable[[Page], None]
) -> None:
    with Card(UPS=ups) as other:
        page = watch_for(other)
        expect(page.locator("h1")).to_have_text("Running on mains")
        expect(page.locator(f"#flow svg.wide {drawing}")).to_be_visible()
        other.sim("mains off")
        expect(page.locator("h1")).to_contain_text("On battery", timeout=10_000)
        expect(page.locator("#flow svg.wide .bat")).to_have_class(re.compile(r"\bon rev\b"))
        axe_check(page)
