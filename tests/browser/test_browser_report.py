"""The daily report from the options to the mail, as somebody sets it up in a browser."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from email.message import EmailMessage

import pytest
from card import Card, until
from peers.mail_server import MailServer, Postmaster
from PIL import Image
from playwright.sync_api import Page, expect
from watching import Opener, Watch

PAGE = "/device/mail"
ANN = "ann@example.net"
KEYS = ("mail.server", "mail.port", "mail.security", "mail.sender", "mail.report.2.address", "mail.report.time")


@pytest.fixture
def postmaster(card: Card) -> Iterator[tuple[Postmaster, int]]:
    """A server; afterwards the card knows none."""
    received = Postmaster()
    with MailServer(received) as server:
        yield received, server.port
    for key in KEYS:
        card.python(
            "settings",
            "set",
            key,
            {"mail.port": "587", "mail.security": "starttls", "mail.report.time": "07:30"}.get(key, ""),
        )


def fill(page: Page, **values: str) -> None:
    for key, value in values.items():
        control = page.locator(f"[name='{key.replace('_', '.')}']")
        if control.evaluate("e => e.tagName") == "SELECT":
            control.select_option(value)
        else:
            control.fill(value)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_report_is_set_up_and_sent_at_once(
    show: Opener,
    watch: Watch,
    card: Card,
    postmaster: tuple[Postmaster, int],
    axe_check: Callable[[Page], None],
    width: int,
) -> None:
    watch.expected = re.compile("422")
    received, port = postmaster
    until(lambda: (card.root / "data" / "istars" / "history.tail").exists(), "the card records")
    page = show(PAGE, width=width, height=844)
    fill(page, mail_server="127.0.0.1", mail_port=str(port), mail_security="none", mail_sender="ups@example.net")
    fill(page, mail_report_2_address=ANN, mail_report_time="25:00")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#mail-report-time-error")).to_contain_text("is not allowed here")
    fill(page, mail_report_time="06:45")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("[name='mail.report.time']")).to_have_value("06:45")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe_check(page)
    page.get_by_role("button", name="Send the daily report now").click()
    expect(page.get_by_text("250 2.0.0 queued as 1")).to_be_visible()
    mail: EmailMessage = received.mails[0]
    assert received.recipients == [ANN]
    pictures = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert pictures
    for part in pictures:
        with Image.open(io.BytesIO(part.get_payload(decode=True))) as picture:
            picture.load()
    page.goto(f"{card.url}/records/messages/mail")
    expect(page.get_by_text("Daily report, ").first).to_be_visible()
