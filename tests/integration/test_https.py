"""https as a stranger on the network sees it: strong encryption only, from the card's own certificate to one that is brought."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator

import pytest
from card import Card, until
from client_hello import accepted

pytestmark = pytest.mark.timeout(120)
TLS_1_3 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}


class SecuredCard(Card):
    """A card, and what one needs to speak https with it."""

    @property
    def https_port(self) -> int:
        return int(self.environment["HTTPS_PORT"])

    def served(self) -> str:
        """The certificate that a new connection gets, in PEM form."""
        return ssl.get_server_certificate(("127.0.0.1", self.https_port), timeout=10)

    def trusting(self) -> ssl.SSLContext:
        """Trusts the certificate that is served now, and nothing else; checks the name too."""
        return ssl.create_default_context(cadata=self.served())

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.https_port, context=self.trusting(), timeout=10)

    def sign_in(self) -> http.client.HTTPSConnection:
        """A connection whose requests carry the cookie of an administrator."""
        connection = self.connect()
        page = self.ask(connection, "GET", "/login")
        self.ask(connection, "POST", "/login", {"user": "admin", "pw": "admin"}, page)
        page = self.ask(connection, "GET", "/password")
        self.ask(connection, "POST", "/password", {"p1": self.password, "p2": self.password}, page)
        assert self.status == 303
        return connection

    cookie = ""
    status = 0

    def ask(
        self,
        connection: http.client.HTTPSConnection,
        method: str,
        path: str,
        form: dict[str, str] | None = None,
        page: str = "",
    ) -> str:
        """One request with the cookie; with `page`, the token of the form that stands there."""
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        body = "&".join(
            f"{key}={value.replace(' ', '+')}"
            for key, value in {**(form or {}), "csrf_token": token[1] if token else ""}.items()
        )
        headers = {"Cookie": self.cookie, "Content-Type": "application/x-www-form-urlencoded"}
        connection.request(method, path, body if form is not None else None, headers)
        answer = connection.getresponse()
        given = answer.headers.get("Set-Cookie")
        if given:
            assert "Secure" in given
            self.cookie = given.partition(";")[0]
        self.status = answer.status
        return answer.read().decode()


@pytest.fixture(scope="module")
def card() -> Iterator[SecuredCard]:
    with SecuredCard(ISTARS_WEB_HTTP="redirect") as made:
        yield made


def handshake(card: SecuredCard, *words: str) -> str:
    """What `openssl s_client` says; it ends with the first line of the answer."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{card.https_port}", "-brief", *words],
        input="", capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_pages_are_served_with_the_cards_own_certificate(card: SecuredCard) -> None:
    connection = card.connect()
    connection.request("GET", "/login")
    answer = connection.getresponse()
    assert answer.status == 200
    assert b"Encrypted, https" in answer.read()
    connection.request("GET", "/static/" + card_static(card))
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:8]) == (200, b"/* iStar"), "files too go through the encryption"
    connection.close()


def card_static(card: SecuredCard) -> str:
    connection = card.connect()
    connection.request("GET", "/login")
    found = re.search(r"/static/(\w+/ui\.css)", connection.getresponse().read().decode())
    connection.close()
    assert found is not None
    return found[1]


@pytest.mark.parametrize("version", ["tls1_2", "tls1_3"])
def test_present_protocols_work(card: SecuredCard, version: str) -> None:
    assert f"Protocol version: TLSv1.{version[-1]}" in handshake(card, f"-{version}")


@pytest.mark.parametrize("words", [("-tls1",), ("-tls1_1",)])
def test_old_protocols_do_not(card: SecuredCard, words: tuple[str, ...]) -> None:
    assert "CONNECTION ESTABLISHED" not in handshake(card, *words, "-cipher", "ALL:@SECLEVEL=0")


@pytest.mark.parametrize(
    "cipher", ["AES128-SHA", "AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA256", "NULL", "aNULL", "RC4"]
)
def test_weak_ciphers_do_not(card: SecuredCard, cipher: str) -> None:
    assert "CONNECTION ESTABLISHED" not in handshake(card, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")


@pytest.mark.parametrize(
    ("version", "suites"),
    [
        # ECDHE with ECDSA, and AES-128-GCM, AES-256-GCM or ChaCha20-Poly1305
        (0x0303, {0xC02B, 0xC02C, 0xCCA9}),
        (0x0302, set()),
        (0x0301, set()),
        (0x0300, set()),
    ],
)
def test_of_all_numbers_for_suites_only_the_strong_are_accepted(
    card: SecuredCard, version: int, suites: set[int]
) -> None:
    assert accepted(card.https_port, version) == {(version, suite) for suite in suites}


def test_a_scanner_finds_nothing_weak(card: SecuredCard) -> None:
    done = subprocess.run(
        ["sslscan", "--no-colour", "--show-certificate", f"127.0.0.1:{card.https_port}"],
        capture_output=True, text=True, timeout=90, check=True,
    )  # fmt: skip
    report = done.stdout
    for version in ("SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"):
        assert re.search(rf"^{re.escape(version)} +disabled$", report, re.MULTILINE), report
    ciphers = re.findall(r"^(?:Preferred|Accepted) +(\S+) +(\d+) bits +(\S+)", report, re.MULTILINE)
    assert {version for version, _, _ in ciphers} == {"TLSv1.2", "TLSv1.3"}
    for version, bits, name in ciphers:
        assert int(bits) >= 128
        assert (
            name in TLS_1_3 if version == "TLSv1.3" else re.match(r"ECDHE-ECDSA-(AES|CHACHA20)\S*(GCM|POLY1305)", name)
        ), name
    groups = re.findall(r"^TLSv1\.[23] +(\d+) bits", report, re.MULTILINE)
    assert groups
    assert all(int(bits) >= 112 for bits in groups), report
    assert "Compression enabled" not in report
    assert "vulnerable to heartbleed" not in report.replace("not vulnerable to heartbleed", "")


def test_http_leads_to_https_and_takes_nothing_in_the_clear(card: SecuredCard) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", card.port, timeout=10)
    connection.request("GET", "/alarms")
    answer = connection.getresponse()
    answer.read()
    assert (answer.status, answer.headers["Location"]) == (307, f"https://127.0.0.1:{card.https_port}/alarms")
    connection.request("POST", "/login", "user=admin&pw=admin", {"Content-Type": "application/x-www-form-urlencoded"})
    assert connection.getresponse().status == 403
    connection.close()


def test_a_new_certificate_serves_at_once_and_sessions_stay(card: SecuredCard) -> None:
    connection = card.sign_in()
    page = card.ask(connection, "GET", "/assistant/certificate")
    before, web = card.served(), card.programs()["web"]
    card.ask(connection, "POST", "/assistant/certificate/new", {"sure": "yes"}, page)
    assert card.status == 303
    after = card.served()
    assert after != before
    card.ask(connection, "GET", "/assistant/about")
    assert card.status == 200, "the connection from before goes on"
    connection.close()
    again = card.connect()
    assert "About this card" in card.ask(again, "GET", "/assistant/about"), "and so does the session"
    again.close()
    assert card.programs()["web"] == web, "nothing was restarted"


def test_clients_that_stop_in_the_middle_hold_nobody_up(card: SecuredCard) -> None:
    stalled = [socket.create_connection(("127.0.0.1", card.https_port)) for _ in range(20)]
    for connection in stalled:
        connection.sendall(b"\x16\x03\x01")
    rude = socket.create_connection(("127.0.0.1", card.https_port))
    rude.sendall(b"GET / HTTP/1.1\r\nHost: card\r\n\r\n")
    rude.close()
    until(lambda: card.served(), "https is served")
    connection = http.client.HTTPConnection("127.0.0.1", card.port, timeout=30)
    connection.request("GET", "/api/health")
    assert connection.getresponse().status == 200
    connection.close()
    for each in stalled:
        with pytest.raises(BlockingIOError):  # the card still waits for each of them
            each.recv(1, socket.MSG_DONTWAIT)
        each.close()
    assert "Traceback" not in card.said()


def test_a_certificate_that_was_kept_is_served_after_a_restart(card: SecuredCard) -> None:
    before = card.served()
    card.stop()
    card.log.unlink()
    card.start()
    assert card.served() == before


def test_a_port_in_use_is_one_clear_line() -> None:
    made = SecuredCard()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        made.environment["HTTPS_PORT"] = str(other.getsockname()[1])
        made.launch()
        assert made.process is not None
        assert made.process.wait(20) != 0
        assert (
            f"port {made.https_port} cannot be used (Address already in use); choose another with HTTPS_PORT="
            in made.said()
        )
    made.close()


def test_on_a_developers_machine_http_is_served_and_https_363_above() -> None:
    made = SecuredCard()
    del made.environment["HTTPS_PORT"]
    made.environment["HTTP_PORT"] = str(made.port)
    with made:
        connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=10)
        connection.request("GET", "/login")
        assert connection.getresponse().status == 200
        connection.close()
        made.environment["HTTPS_PORT"] = str(made.port + 363)
        assert made.served().startswith("-----BEGIN CERTIFICATE")
