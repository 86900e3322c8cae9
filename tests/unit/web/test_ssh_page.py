"""The page of the command line: who may open it, and what it says of the card's key."""

import html
import re

from istars import settings

PAGE = "/settings/ssh"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D ann@laptop"
OPEN = {"istars.ssh.state": "open", "istars.ssh.fingerprint": "SHA256:V0ZjRNqeYsHjXrLtWHTWYbYwXcsM"}


def told(response):
    return html.unescape(response.get_data(as_text=True))


def test_an_open_command_line_shows_how_to_sign_in(admin, live):
    live.publish("system", OPEN, lifetime_s=30)
    page = told(admin.get(PAGE))
    assert OPEN["istars.ssh.fingerprint"] in page
    assert re.search(r"<code>ssh admin@[\w.]+ istars readings --json<", page)


def test_a_closed_one_does_not_and_silence_is_told(admin, live):
    live.publish("system", {"istars.ssh.state": "closed", "istars.ssh.fingerprint": ""}, lifetime_s=30)
    page = told(admin.get(PAGE))
    assert "<dd" in page
    assert "ssh admin@" not in page
    live.publish("system", OPEN, lifetime_s=-1)
    assert "The worker that opens the command line does not answer." in told(admin.get(PAGE))


def test_a_key_is_saved_and_a_bad_one_is_told_at_its_field(admin, live):
    saved = admin.post(PAGE, {"ssh.enabled": "on", "ssh.key.1": f"{KEY}  "})
    assert saved.status_code == 303
    assert settings.load().text("ssh.key.1") == KEY
    refused = admin.post(
        PAGE, {"ssh.enabled": "on", "ssh.key.1": KEY, "ssh.key.2": "-----BEGIN OPENSSH PRIVATE KEY-----"}
    )
    assert refused.status_code == 422
    assert "Is a private key: take the line of the file that ends in .pub" in told(refused)


def test_it_is_the_page_of_administrators(reader, accounts, browser, live):
    assert reader.get(PAGE).status_code == 403
    assert reader.post(PAGE, {"ssh.enabled": "on"}).status_code == 403
    assert settings.load()["ssh.enabled"] is False
