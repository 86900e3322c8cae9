"""Telling people, in a browser on a desk and on a phone: servers and a modem are set up, tried, and found in the records."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from card import Card, until
from istars.notify.recipients import codes_of
from peers.mail_server import MailServer, Postmaster
from playwright.sync_api import Browser, Page, expect
from simulators.gsm import GsmModem
from watching import Opener, sign_in_first_time

ANN, BEN = "ann@example.net", "ben@example.net"
NUMBER = "+8613912345678"
NOBODY = "550 5.1.1 there is no Ben here"


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card of its own, about noon in its time zone."""
    made = Card()
    west = datetime.now(UTC).hour - 12
    assert made.python("settings", "set", "system.zone", f"Etc/GMT{west:+}" if west else "UTC").returncode == 0
    with made:
        yield made


@pytest.fixture(scope="module")
def cookies(chromium: Browser, card: Card) -> Any:
    """Of an administrator."""
    return sign_in_first_time(chromium, card)


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=["desktop", "phone"])
def size(request: pytest.FixtureRequest) -> dict[str, int]:
    return dict(zip(("width", "height"), request.param, strict=True))


@pytest.fixture(scope="module")
def post() -> Iterator[tuple[Postmaster, MailServer]]:
    """A server that knows Ann and not Ben."""
    postmaster = Postmaster(refuse={BEN: NOBODY})
    with MailServer(postmaster) as server:
        yield postmaster, server


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GsmModem]:
    with GsmModem(tmp_path_factory.mktemp("gsm") / "modem") as made:
        yield made


def fill(page: Page, **options: str) -> None:
    """Type options, named with _ for a dot; what is folded is unfolded as a person does."""
    for name, value in options.items():
        field = page.locator(f'[name="{name.replace("_", ".")}"]')
        if not field.is_visible():
            page.locator("details", has=field).locator("summary").click()
        if field.evaluate("node => node.tagName") == "SELECT":
            field.select_option(value)
        else:
            field.fill(value)


def save(page: Page) -> None:
    button = page.get_by_role("button", name="Save", exact=True)
    if button.is_enabled():  # the other size has saved the same
        button.click()
        expect(page.locator(".banner", has_text="saved")).to_be_visible()


def attempt(page: Page, address: str) -> str:
    """Send a test and answer what the page says."""
    page.locator("form.row", has_text=address).get_by_role("button", name="Send a test").click()
    banner = page.locator(".banner", has_text=f"Test to {address}")
    expect(banner).to_be_visible(timeout=30_000)
    return banner.inner_text()


def fits(page: Page) -> None:
    assert page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0


def export(page: Page, watched: str) -> list[dict[str, str]]:
    """The day's file, newest first."""
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert download.value.suggested_filename.startswith(watched)
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_mail_is_set_up_tried_and_recorded(
    show: Opener, size: dict[str, int], post: tuple[Postmaster, MailServer], axe_check: Callable[[Page], None]
) -> None:
    postmaster, server = post
    page = show("/device/mail", **size)
    fill(page, mail_server="localhost", mail_port=str(server.port), mail_security="none", mail_sender="ups@example.net")
    fill(page, mail_to_1_address=ANN, mail_to_2_address=BEN, mail_to_2_events="none")
    save(page)
    before = len(postmaster.mails)
    assert f"250 2.0.0 queued as {before + 1}" in attempt(page, ANN)
    assert postmaster.mails[-1]["To"] == ANN
    assert NOBODY in attempt(page, BEN)
    fits(page)
    axe_check(page)
    page.get_by_role("link", name="What was sent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("E-mail record")
    newest = page.get_by_role("region", name="Messages").get_by_role("listitem")
    expect(newest.nth(0)).to_contain_text(f"Not sent to {BEN}")
    expect(newest.nth(0)).to_contain_text(NOBODY)
    expect(newest.nth(1)).to_contain_text(f"Sent to {ANN}")
    expect(newest.nth(1)).to_contain_text(f"250 2.0.0 queued as {before + 1}")
    fits(page)
    axe_check(page)
    rows = export(page, "mail-")
    assert [(row["recipient"], row["state"]) for row in rows[:2]] == [(BEN, "failed"), (ANN, "sent")]
    assert rows[0]["result"] == NOBODY
    page.get_by_role("link", name=re.compile("^Day before")).click()
    expect(page.get_by_text("Nothing was sent on this day.")).to_be_visible()


def test_a_server_that_is_not_there_is_said_in_words(show: Opener, card: Card) -> None:
    page = show("/device/mail")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        fill(page, mail_server="127.0.0.1", mail_port=str(closed.getsockname()[1]), mail_to_1_address=ANN)
        save(page)
        assert "The connection was refused." in attempt(page, ANN)
    # the page goes on saying it after the test
    until(lambda: card.values().get("istars.mail.trouble"), "the card knows")
    page.goto(page.url)
    expect(page.locator("main .banner", has_text="did not go out")).to_contain_text("The connection was refused.")


def test_events_are_chosen_in_a_table(
    show: Opener, size: dict[str, int], card: Card, axe_check: Callable[[Page], None]
) -> None:
    page = show("/device/mail", **size)
    fill(page, mail_to_1_address=ANN, mail_to_2_address=BEN, mail_to_1_events="warnings", mail_to_2_events="none")
    save(page)
    page.get_by_role("link", name="Events for each recipient").click()
    page.get_by_label(re.compile(BEN)).first.select_option("Power and battery")
    expect(page.get_by_label(f"Battery low, to {BEN}", exact=True)).to_be_checked()
    expect(page.get_by_label(f"Settings changed, to {BEN}", exact=True)).not_to_be_checked()
    expect(page.locator("[data-n]")).to_have_text("1 unsaved")
    page.get_by_label(f"Settings changed, to {ANN}", exact=True).check()
    expect(page.locator('[name="mail.to.1.events"]')).to_have_value("chosen")
    expect(page.locator("[data-n]")).to_have_text("2 unsaved")
    fits(page)
    axe_check(page)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".banner", has_text="2 recipients changed.")).to_be_visible()
    expect(page.locator("[data-n]")).to_have_text("No changes")
    expect(page.get_by_label(f"Settings changed, to {ANN}", exact=True)).to_be_checked()
    codes = card.python("settings", "get", "mail.to.1.codes").stdout.strip()
    assert set(codes.split(", ")) == codes_of("warnings") | {"CONFIG_CHANGED"}
    assert card.python("settings", "get", "mail.to.2.events").stdout.strip() == "power"


def test_the_table_works_without_javascript(show: Opener, card: Card) -> None:
    assert card.python("settings", "set", "mail.to.1.address", ANN).returncode == 0
    assert card.python("settings", "set", "mail.to.1.events", "critical").returncode == 0
    page = show("/device/mail/events", java_script_enabled=False)
    page.get_by_label(f"Card started, to {ANN}", exact=True).check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".banner", has_text="1 recipient changed.")).to_be_visible()
    assert card.python("settings", "get", "mail.to.1.events").stdout.strip() == "chosen"
    assert "CARD_STARTED" in card.python("settings", "get", "mail.to.1.codes").stdout


def test_sms_is_set_up_tried_and_recorded(
    show: Opener, size: dict[str, int], far: GsmModem, card: Card, axe_check: Callable[[Page], None]
) -> None:
    page = show("/device/sms", **size)
    fill(page, sms_device=str(far.link), sms_to_1_number=NUMBER, sms_to_1_events="critical")
    save(page)
    until(lambda: card.values().get("istars.modem.state") == "ready", "the modem is ready")
    page.goto(page.url)
    modem = page.get_by_role("region", name="Modem now")
    for words in ("Ready", "CHINA MOBILE", "Home network", "\u221271 dBm"):
        expect(modem).to_contain_text(words)
    before = len(far.sent)
    assert f"Taken by the network, reference {before + 1}." in attempt(page, NUMBER)
    assert len(far.sent) == before + 1
    far.refusals.append(28)
    assert "The number is not known (+CMS ERROR: 28)" in attempt(page, NUMBER)
    fits(page)
    axe_check(page)
    page.get_by_role("link", name="What was sent").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("SMS record")
    newest = page.get_by_role("region", name="Messages").get_by_role("listitem")
    expect(newest.nth(0)).to_contain_text(f"Not sent to {NUMBER}")
    expect(newest.nth(1)).to_contain_text(f"taken by the network, reference {before + 1}")
    fits(page)
    rows = export(page, "sms-")
    # no spreadsheet takes the number for a sum
    assert [(row["recipient"], row["state"]) for row in rows[:2]] == [(f"'{NUMBER}", "failed"), (f"'{NUMBER}", "sent")]
    page.get_by_role("link", name=re.compile("^Day before")).click()
    expect(page.get_by_text("Nothing was sent on this day.")).to_be_visible()


def test_a_computer_is_woken_now_and_the_page_says_what_came_of_it(
    show: Opener, size: dict[str, int], axe_check: Callable[[Page], None]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        far.settimeout(30)
        page = show("/device/wake", **size)
        fill(page, wake_port=str(far.getsockname()[1]), wake_host_2_mac="02:00:5e:10:00:02")
        fill(page, wake_host_2_name="nas", wake_host_2_to="127.0.0.1")
        save(page)
        button = page.locator("form.row", has_text="nas").get_by_role("button", name="Wake")
        button.click()
        expect(page.locator(".banner", has_text="Wake on LAN: Nas is sent to")).to_be_visible()
        assert far.recv(200) == b"\xff" * 6 + bytes.fromhex("02005e100002") * 16

    def said() -> str:
        page.goto(page.url)
        return page.locator("form.row", has_text="nas").inner_text()

    until(lambda: "Computer was sent a wake-up packet: nas" in said(), "the page says what came of it")
    fits(page)
    axe_check(page)


def test_a_webhook_and_a_syslog_server_are_tried(show: Opener, size: dict[str, int]) -> None:
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(202, "Taken")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        page = show("/device/webhook", **size)
        url = f"http://127.0.0.1:{server.server_address[1]}/hook"
        fill(page, webhook_1_url=url, webhook_1_events="none")
        save(page)
        assert "202 Taken" in attempt(page, f"127.0.0.1:{server.server_address[1]}, webhook 1")
        assert [each["kind"] for each in got] == ["test"]
        fits(page)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(30)
        page = show("/device/syslog", **size)
        port = str(log.getsockname()[1])
        fill(page, syslog_1_host="127.0.0.1", syslog_1_port=port, syslog_1_events="none")
        save(page)
        assert "Sent; UDP has no answer." in attempt(page, "127.0.0.1")
        assert b" TEST " in log.recv(4096)
        fits(page)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_records_and_tables_fit_and_axe_finds_nothing_serious(
    show: Opener, card: Card, size: dict[str, int], axe_check: Callable[[Page], None], scheme: str
) -> None:
    assert card.python("settings", "set", "mail.to.1.address", ANN).returncode == 0
    page = show("/", scheme=scheme, **size)
    for channel in ("mail", "sms", "webhook", "syslog"):
        for path in (f"/device/{channel}/events", f"/records/messages/{channel}"):
            page.goto(card.url + path)
            fits(page)
            axe_check(page)
