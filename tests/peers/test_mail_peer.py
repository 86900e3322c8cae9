"""E-mail through servers that we did not write: encrypted, refused, stalled, through a proxy."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from istars.settings.store import save
from peers.mail_server import MailServer, Postmaster, certificate
from peers.notifying import Notifying, notifying, until

pytestmark = pytest.mark.peer

ANN, BEN = "ann@example.net", "ben@example.net"


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"), "trusted", "localhost")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"), "other", "mail.example.org")


@pytest.fixture
def card(root: Path, trusted: tuple[Path, Path, str]) -> Iterator[Notifying]:
    with notifying(SSL_CERT_FILE=str(trusted[0])) as made:
        yield made


def write_to(server: MailServer, **more: str) -> None:
    """The settings of a card that knows this server."""
    save(
        {
            "system.name": "UPS-A",
            "mail.server": "localhost",
            "mail.port": str(server.port),
            "mail.sender": "ups@example.net",
            "mail.to.1.address": ANN,
            "mail.to.1.events": "all",
            **{key.replace("_", "."): value for key, value in more.items()},
        }
    )


@pytest.mark.parametrize("at_once", [False, True], ids=["starttls", "tls"])
def test_an_event_arrives_encrypted_and_signed_in(
    card: Notifying, trusted: tuple[Path, Path, str], at_once: bool
) -> None:
    postmaster = Postmaster()
    with MailServer(postmaster, trusted[:2], at_once=at_once) as server:
        security = "tls" if at_once else "starttls"
        write_to(server, mail_security=security, mail_account="ups", mail_password="secret ä")
        card.begin()
        card.happen("ON_BATTERY")
        until(lambda: postmaster.mails, "the mail arrives")
        card.happen("ON_BATTERY", "clear")
        until(lambda: len(postmaster.mails) == 2, "the second mail arrives")
    assert [mail["Subject"].split(" since")[0].split(" at")[0] for mail in postmaster.mails] == [
        "[UPS-A] On battery",
        "[UPS-A] Mains restored",
    ]
    assert postmaster.recipients == [ANN, ANN]
    assert postmaster.encrypted == [True, True]
    assert set(postmaster.signed_in) == {"ups"}
    until(
        lambda: card.results("mail") == ["sent: 250 2.0.0 queued as 1", "sent: 250 2.0.0 queued as 2"], "both are sent"
    )


def test_a_certificate_for_another_name_is_not_accepted_unless_it_is_the_one_that_is_set(
    card: Notifying, other: tuple[Path, Path, str]
) -> None:
    postmaster = Postmaster()
    with MailServer(postmaster, other[:2]) as server:
        write_to(server)
        card.begin()
        said = card.test_message("mail", ANN)
        assert said.startswith("failed: the certificate of localhost is not accepted: ")
        save({"mail.fingerprint": "00:" * 31 + "00"})
        assert card.test_message("mail", ANN).startswith("failed: the certificate of localhost is another one")
        save({"mail.fingerprint": other[2]})
        assert card.test_message("mail", ANN) == "done: 250 2.0.0 queued as 1"
    assert postmaster.encrypted == [True]


def test_a_test_message_shows_the_real_answer_of_the_server(card: Notifying, trusted: tuple[Path, Path, str]) -> None:
    postmaster = Postmaster(refuse={BEN: "550 5.1.1 there is no Ben here"})
    with MailServer(postmaster, trusted[:2]) as server:
        write_to(server, mail_account="ups", mail_password="wrong")
        card.begin()
        assert card.test_message("mail", ANN) == "failed: 535 5.7.8 Authentication credentials invalid"
        save({"mail.password": "secret ä"})
        assert card.test_message("mail", BEN) == "failed: 550 5.1.1 there is no Ben here"
        assert card.test_message("mail", ANN) == "done: 250 2.0.0 queued as 1"
    assert card.test_message("mail", ANN) == "failed: the connection was refused"
    assert len(card.messages("mail")) == 4


def test_a_password_never_goes_over_a_line_that_others_can_read(card: Notifying) -> None:
    postmaster = Postmaster()
    with MailServer(postmaster) as server:
        write_to(server, mail_security="none", mail_account="ups", mail_password="secret ä")
        card.begin()
        assert card.test_message("mail", ANN).startswith("failed: the password is not sent without encryption")
        save({"mail.security": "starttls"})
        assert card.test_message("mail", ANN).startswith("failed: the server does not offer STARTTLS")
        save({"mail.security": "none", "mail.account": ""})
        assert card.test_message("mail", ANN) == "done: 250 2.0.0 queued as 1"
    assert postmaster.encrypted == [False]


def test_one_recipient_that_is_refused_holds_up_nobody_else(card: Notifying, trusted: tuple[Path, Path, str]) -> None:
    postmaster = Postmaster(refuse={ANN: "450 4.2.0 greylisted, come back later"})
    with MailServer(postmaster, trusted[:2]) as server:
        write_to(server)
        save({"mail.to.2.address": BEN, "mail.to.2.events": "all"})
        card.begin()
        card.happen("ON_BATTERY")
        until(lambda: postmaster.recipients == [BEN], "Ben is told")
        waiting = [message for message in card.messages("mail") if message.recipient == ANN]
        assert [(message.state, message.result) for message in waiting] == [
            ("waiting", "450 4.2.0 greylisted, come back later")
        ]
        postmaster.refuse.clear()
        # The person has changed something: it is tried at once.
        save({"mail.to.1.repeat": "60"})
        until(lambda: postmaster.recipients == [BEN, ANN], "Ann is told")


def test_a_server_that_stalls_holds_up_no_other_channel(card: Notifying, trusted: tuple[Path, Path, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as log:
        log.bind(("127.0.0.1", 0))
        log.settimeout(30)
        save(
            {
                "mail.server": "localhost",
                "mail.port": str(silent.getsockname()[1]),
                "mail.to.1.address": ANN,
                "syslog.1.host": "127.0.0.1",
                "syslog.1.port": str(log.getsockname()[1]),
            }
        )
        card.begin()
        card.happen("BATTERY_LOW")
        assert b" BATTERY_LOW " in log.recv(4096)
        until(lambda: [message.state for message in card.messages("mail")] == ["sending"], "the mail is on its way")


def test_mail_goes_through_a_socks_proxy_with_an_account(card: Notifying, trusted: tuple[Path, Path, str]) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    proxy = subprocess.Popen(
        ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "card", "-P", "word"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        postmaster = Postmaster()
        with MailServer(postmaster, trusted[:2]) as server:
            # A name that only a proxy can reach: the card itself must not look it up.
            write_to(server)
            save({"mail.proxy": "127.0.0.1", "mail.proxy.port": str(port), "mail.proxy.account": "card"})
            card.begin()
            save({"mail.proxy.password": "wrong"})
            until(lambda: _listens(port), "the proxy listens")
            assert "SOCKS5 authentication failed" in card.test_message("mail", ANN)
            save({"mail.proxy.password": "word"})
            assert card.test_message("mail", ANN) == "done: 250 2.0.0 queued as 1"
        assert len(postmaster.mails) == 1
    finally:
        proxy.terminate()
        _, errors = proxy.communicate()
    assert b"connected to localhost:" in errors


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.timeout(300)
def test_nothing_is_lost_while_the_server_is_down_and_the_card_is_killed(
    card: Notifying, trusted: tuple[Path, Path, str]
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    postmaster = Postmaster()
    server = MailServer(postmaster, trusted[:2], port=port)
    write_to(server)
    save({"mail.to.2.address": BEN, "mail.to.2.events": "critical"})
    card.begin()
    sent = []
    for number in range(1_000):
        if number % 50 == 25:
            card.kill()
            card.start()
        code = "CONFIG_CHANGED" if number % 20 else "WORKER_FAILED"
        # Moments far apart, so that this is no chattering alarm.
        sent.append(card.happen(code, "event", at=1_700_000_000.0 + 3_600 * number))
    until(lambda: card.waiting("mail") == 1_050, "every message is on flash")
    planned = card.messages("mail")[::-1]
    assert [message.event_key for message in planned if message.recipient == ANN] == sent
    with server:
        save({"mail.to.1.quiet": "02:00-02:01"})
        until(lambda: not card.waiting("mail"), "all is sent", 240)
    assert {message.state for message in card.messages("mail")} == {"sent"}
    for recipient in (ANN, BEN):
        arrived = [mail["Message-ID"] for mail in postmaster.mails if mail["To"] == recipient]
        names = [message.message_id for message in planned if message.recipient == recipient]
        assert [name.partition("@")[0].removeprefix("<") for name in arrived] == names
