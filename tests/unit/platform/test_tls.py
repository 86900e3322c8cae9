"""The card's certificate: made, renewed, replaced by a better one, and never by a worse one."""

from __future__ import annotations

import os
import ssl
import stat
import subprocess
from pathlib import Path

import pytest
from istars.platform import certificates, clock, openssl, tls
from istars.platform.certificates import CertificateRefused
from istars.platform.openssl import OpensslFailed

pytestmark = pytest.mark.thorough

CONFIG = openssl.CONFIG


@pytest.fixture
def own(root: Path) -> bytes:
    """What a new card made."""
    assert tls.ensure("card", ["10.0.0.9"])
    return tls.server_file().read_bytes()


class Authority:
    """Signs certificates, as an owner's own authority does."""

    def __init__(self, name: str, above: Authority | None = None) -> None:
        self.name, self.above, self.key = name, above, tls.new_key()
        self.pem = (
            self.sign(self.key, name, authority=True) if above is None else above.sign(self.key, name, authority=True)
        )

    def sign(
        self, key: bytes, name: str, *, authority: bool = False, days: int = 30, usage: str = "serverAuth"
    ) -> bytes:
        """A certificate for `key`; without an authority above and for the own key, one that is signed by itself."""
        words: list[str | bytes] = [
            "req", "-x509", "-new", "-sha256", "-config", CONFIG, "-key", key, "-days", str(days), "-subj", f"/CN={name}",
            "-addext", f"basicConstraints=critical,CA:{'TRUE' if authority else 'FALSE'}",
        ]  # fmt: skip
        if not authority:
            words += ["-addext", f"extendedKeyUsage={usage}", "-addext", f"subjectAltName=DNS:{name}"]
        if key != self.key:
            words += ["-CA", self.pem, "-CAkey", self.key]
        return openssl.run(*words).encode()


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority("Works authority")


@pytest.fixture(scope="module")
def between(authority: Authority) -> Authority:
    return Authority("Plant authority", above=authority)


def test_first_start_makes_a_key_and_a_certificate_for_nobody_else_to_read(own: bytes) -> None:
    path = tls.server_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (made,) = tls.current()
    assert made.key == "EC 256"
    assert made.self_signed
    assert made.serves
    assert set(made.names) == {"card", "localhost", "127.0.0.1", "10.0.0.9"}
    assert made.ends - made.begins == tls.LIFE_DAYS * tls.DAY_S
    assert tls.is_own()


def test_second_start_changes_nothing(own: bytes) -> None:
    assert tls.ensure("card", [])
    assert tls.server_file().read_bytes() == own


def test_a_name_that_no_certificate_can_have_is_not_taken(root: Path) -> None:
    assert tls.ensure("bad/CN=evil,DNS:bank.example", ["::1", "10.0.0.9,DNS:bank.example"])
    (made,) = tls.current()
    assert not [name for name in made.names if "bank" in name]


@pytest.mark.parametrize("ahead_days", [tls.LIFE_DAYS - 10, tls.LIFE_DAYS + 10])
def test_it_is_renewed_in_time_with_the_same_key(own: bytes, monkeypatch: pytest.MonkeyPatch, ahead_days: int) -> None:
    now = clock.wall()
    monkeypatch.setattr(clock, "wall", lambda: now + ahead_days * tls.DAY_S)
    assert tls.ensure("card", [])
    renewed = tls.server_file().read_bytes()
    assert renewed != own
    assert certificates.read_key(renewed) == certificates.read_key(own)


def test_a_card_whose_clock_was_never_set_makes_one_that_is_good_later(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # openssl reads the real clock: only how long it is made for can be seen here
    said = []
    run = openssl.run
    monkeypatch.setattr(openssl, "run", lambda *words: said.append(words) or run(*words))
    monkeypatch.setattr(clock, "wall", lambda: 60.0)
    assert tls.ensure("card", [])
    days = next(int(words[words.index("-days") + 1]) for words in said if "-days" in words)
    assert days == 47_481  # from 1970 to 2099


def test_a_damaged_file_is_replaced(own: bytes) -> None:
    tls.server_file().write_bytes(own[:300])
    assert tls.ensure("card", [])
    assert tls.context_problem(tls.server_file()) == ""


def test_without_room_on_flash_it_is_kept_in_memory(root: Path) -> None:
    (root / "data" / "istars" / "tls").write_text("a file where the folder should be", encoding="utf-8")
    assert tls.ensure("card", [])
    assert tls.server_file() == root / "run" / "istars" / "server.pem"
    assert tls.context_problem(tls.server_file()) == ""


def test_without_openssl_https_is_not_served(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openssl, "PROGRAM", "no-such-program")
    assert not tls.ensure("card", [])
    assert not tls.server_file().exists()


def test_only_strong_encryption_is_offered(own: bytes) -> None:
    context = tls.make_context(tls.server_file())
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for cipher in context.get_ciphers():
        assert cipher["aead"], cipher["name"]
        assert cipher["protocol"] == "TLSv1.3" or cipher["name"].startswith("ECDHE-")


# bringing one's own


def test_a_chain_with_its_key_is_taken(own: bytes, authority: Authority, between: Authority) -> None:
    key = tls.new_key()
    described = tls.install(between.sign(key, "ups.example") + between.pem, key)
    assert [each.subject for each in described] == ["CN=ups.example", "CN=Plant authority"]
    assert tls.current() == described
    assert not tls.is_own()
    assert tls.ensure("card", [])
    assert tls.current() == described


def test_key_and_certificate_may_come_in_one_file(own: bytes, authority: Authority) -> None:
    key = tls.new_key()
    assert tls.install(key + authority.sign(key, "ups.example"))[0].names == ("ups.example",)


def test_a_request_is_signed_and_comes_back(own: bytes, authority: Authority) -> None:
    text = tls.make_request("ups.example", ["10.0.0.9", "ups2.example"], "Müller GmbH", "DE")
    assert tls.pending_request() == text
    said = openssl.run("req", "-in", text.encode(), "-noout", "-text", "-nameopt", "RFC2253,-esc_msb,utf8", "-verify")
    for words in ("Müller GmbH", "C=DE", "DNS:ups2.example", "IP Address:10.0.0.9"):
        assert words in said
    key = certificates.read_key(tls.request_file().read_bytes())
    assert key is not None
    assert tls.server_file().read_bytes() == own, "the request alone changes nothing"
    tls.install(authority.sign(key, "ups.example"))
    assert tls.current()[0].issuer == "CN=Works authority"
    assert tls.pending_request() == ""


@pytest.mark.parametrize(
    ("name", "names", "organisation", "country", "words"),
    [
        ("", [], "", "", "host name"),
        ("a b", [], "", "", "host name"),
        ("x/CN=y", [], "", "", "host name"),
        ("ups", ["a,b"], "", "", "neither a host name nor an address"),
        ("ups", [], "A/CN=bank", "", "organisation"),
        ("ups", [], "line\nbreak", "", "organisation"),
        ("ups", [], "", "Germany", "two capital letters"),
    ],
)
def test_words_that_cannot_stand_in_a_request(
    root: Path, name: str, names: list[str], organisation: str, country: str, words: str
) -> None:
    with pytest.raises(CertificateRefused, match=words):
        tls.make_request(name, names, organisation, country)
    assert not tls.request_file().exists()


def refused(own: bytes, chain: bytes, key: bytes = b"") -> str:
    """The reason why something is not taken; the old one is still there."""
    with pytest.raises(CertificateRefused) as caught:
        tls.install(chain, key)
    assert tls.server_file().read_bytes() == own
    assert not list(tls.server_file().parent.glob(".*"))
    return str(caught.value)


def test_every_error_names_its_reason(own: bytes, authority: Authority, between: Authority) -> None:
    key, other = tls.new_key(), tls.new_key()
    good = between.sign(key, "ups.example")
    assert "no certificate in PEM form" in refused(own, b"hello")
    assert "binary form" in refused(own, b"\x30\x82\x01\x00")
    assert "does not belong" in refused(own, good, other)
    assert "not made for a key of this card" in refused(own, good)
    assert "the order is wrong" in refused(own, good + authority.pem + between.pem, key)
    assert "is missing" in refused(own, good + authority.pem, key)
    assert "not for servers" in refused(own, between.sign(key, "ups.example", usage="clientAuth"), key)
    assert "no private key" in refused(own, good, b"what is this")
    assert "2 private keys" in refused(own, good, key + other)
    assert "damaged" in refused(own, good.replace(b"M", b"N", 3), key)
    assert "at most" in refused(own, good * 9, key)


def test_a_chain_with_a_forged_name_is_refused(own: bytes, between: Authority) -> None:
    key = tls.new_key()
    assert "was not made by" in refused(own, between.sign(key, "ups.example") + Authority("Plant authority").pem, key)


def test_a_key_with_a_passphrase_is_refused(own: bytes, authority: Authority) -> None:
    key = tls.new_key()
    locked = openssl.run("pkey", "-in", key, "-aes256", "-passout", "pass:secret").encode()
    assert "passphrase" in refused(own, authority.sign(key, "ups.example"), locked)


def test_a_weak_key_is_refused(own: bytes, authority: Authority) -> None:
    key = openssl.run("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024").encode()
    assert "too weak: RSA 1024" in refused(own, authority.sign(key, "ups.example"), key)


@pytest.mark.parametrize(("days", "words"), [(-60, "valid only from"), (60, "has expired on")])
def test_dates_are_those_of_the_cards_clock(
    own: bytes, authority: Authority, monkeypatch: pytest.MonkeyPatch, days: int, words: str
) -> None:
    key, now = tls.new_key(), clock.wall()
    chain = authority.sign(key, "ups.example")
    monkeypatch.setattr(clock, "wall", lambda: now + days * tls.DAY_S)
    assert words in refused(own, chain, key)


def test_a_full_flash_leaves_the_old_one(own: bytes, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    key = tls.new_key()
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tls.install(authority.sign(key, "ups.example"), key)
    assert tls.server_file().read_bytes() == own


# what new connections are encrypted with


def test_a_new_certificate_is_used_without_a_restart(own: bytes) -> None:
    encryption = tls.Encryption("card", [])
    first = encryption.context()
    assert encryption.context() is first
    tls.make_new("card", [])
    assert encryption.context() is not first


def test_the_last_good_one_serves_while_the_file_is_bad(own: bytes, caplog: pytest.LogCaptureFixture) -> None:
    encryption = tls.Encryption("card", [])
    first = encryption.context()
    tls.server_file().write_text("nonsense", encoding="utf-8")
    assert encryption.context() is first
    assert encryption.context() is first
    assert len([record for record in caplog.records if "goes on serving" in record.message]) == 1


def test_a_certificate_that_ends_is_renewed_while_serving(own: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    encryption = tls.Encryption("card", [])
    first = encryption.context()
    now, up = clock.wall(), clock.boottime()
    monkeypatch.setattr(clock, "wall", lambda: now + 800 * tls.DAY_S)
    monkeypatch.setattr(clock, "boottime", lambda: up + tls.LOOK_EVERY_S + 1)
    assert encryption.context() is not first


# the program


def test_failures_of_the_program_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OpensslFailed, match=r"\w"):
        openssl.run("x509", "-in", b"nonsense", "-noout")

    def late(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("openssl", 1)

    monkeypatch.setattr(subprocess, "run", late)
    with pytest.raises(OpensslFailed, match="took longer"):
        openssl.run("version")
