"""The card's own key and certificate, and the encryption it serves with.

`tls/server.pem` holds key and chain in one file, so that replacing it is one step: both fit, before and after a power cut. At
the first start the card makes a key (ECDSA P-256) and signs it itself; such a certificate is renewed before it ends, one that
somebody brought is never touched. `tls/request.pem` holds the key of a signing request until its certificate arrives.

`ssl` is imported in the process that serves alone.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
from collections.abc import Iterable
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from istars.platform import certificates, clock, files, openssl, paths
from istars.platform.certificates import Certificate, CertificateRefused
from istars.platform.openssl import OpensslFailed

if TYPE_CHECKING:
    import ssl

log = logging.getLogger(__name__)

MARK = b"# Made by this card. Do not edit: use the page Assistant, Certificate.\n"
DAY_S = 86_400
LIFE_DAYS = 820
"""Apple's browsers refuse certificates that live for more than 825 days, and leave no way around it."""
RENEW_DAYS = 30
CLOCK_IS_SET = 1_735_689_600.0
"""2025-01-01: a clock before that has never been set."""
LOOK_EVERY_S = 3_600.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of TLS 1.3 are all good."""
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
WORDS = re.compile(r"[^\x00-\x1f/\\+=,;<>#\"$\x7f]{1,60}")


def folder() -> Path:
    """On flash; nobody else may look into it."""
    return paths.data_dir() / "tls"


def server_file() -> Path:
    """Key and chain. In memory where flash could not be written when they were made."""
    kept, fallback = folder() / "server.pem", paths.run_dir() / "server.pem"
    return kept if kept.exists() or not fallback.exists() else fallback


def request_file() -> Path:
    """Key and text of a signing request whose certificate has not arrived."""
    return folder() / "request.pem"


def _write(path: Path, content: bytes) -> None:
    """Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    files.replace(path, content, 0o600)


def new_key() -> bytes:
    """A private key, ECDSA P-256. Raises OpensslFailed."""
    return openssl.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256").encode()


def _alternatives(names: Iterable[str]) -> str:
    """Host names and addresses as the extension has them."""
    good = dict.fromkeys(name for name in names if NAME.fullmatch(name) or _is_address(name))
    return ",".join(f"{'IP' if _is_address(name) else 'DNS'}:{name}" for name in good)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def self_signed(name: str, addresses: Iterable[str], key: bytes | None = None) -> bytes:
    """Contents of `server.pem` with a certificate for a host name and addresses. Raises OpensslFailed."""
    name = name if NAME.fullmatch(name) and not _is_address(name) else "istars"
    key = key or new_key()
    # A card without a battery for its clock begins in 1970: what it signs then has to be good when the clock is right.
    days = LIFE_DAYS if clock.wall() >= CLOCK_IS_SET else int((4_102_444_800 - clock.wall()) // DAY_S)
    certificate = openssl.run(
        "req", "-x509", "-new", "-sha256", "-config", openssl.CONFIG, "-key", key, "-days", str(days),
        "-subj", f"/O=iStars/CN={name}",
        "-addext", f"subjectAltName={_alternatives([name, 'localhost', '127.0.0.1', *addresses])}",
        "-addext", "basicConstraints=critical,CA:FALSE", "-addext", "keyUsage=critical,digitalSignature",
        "-addext", "extendedKeyUsage=serverAuth",
    )  # fmt: skip
    return MARK + key + certificate.encode()


def make_new(name: str, addresses: Iterable[str]) -> None:
    """Serve with a new key that the card signs itself. Raises OpensslFailed, OSError."""
    _write(folder() / "server.pem", self_signed(name, addresses))


def ensure(name: str, addresses: Iterable[str]) -> bool:
    """See to it that there is something to serve with, and renew what the card made itself. Never raises."""
    try:
        content = server_file().read_bytes()
    except OSError:
        content = b""
    usable = bool(content) and context_problem(server_file()) == ""
    if usable and not (content.startswith(MARK) and _is_due(content)):
        return True
    if content and not usable:
        log.error("%s cannot be used (%s); a new certificate is made", server_file(), context_problem(server_file()))
    try:
        made = self_signed(name, addresses, certificates.read_key(content) if usable else None)
    except (OpensslFailed, CertificateRefused) as error:
        log.error("no certificate can be made, https is not served: %s", error)
        return usable
    return _keep(made) or usable


def _is_due(content: bytes) -> bool:
    """Whether a certificate of ours ends soon, or was made while the clock stood in 1970."""
    if clock.wall() < CLOCK_IS_SET:
        return False
    try:
        left = certificates.describe(content).ends - clock.wall()
    except (OpensslFailed, ValueError):
        return True
    return not RENEW_DAYS * DAY_S <= left <= (LIFE_DAYS + RENEW_DAYS) * DAY_S


def _keep(content: bytes) -> bool:
    """Put key and certificate on flash, else in memory until the card stops."""
    for path in (folder() / "server.pem", paths.run_dir() / "server.pem"):
        try:
            _write(path, content)
            return True
        except OSError as error:
            log.error("%s cannot be written: %s", path, error.strerror)
    return False


def current() -> list[Certificate]:
    """The chain that is served, the card's own certificate first. Raises OpensslFailed, CertificateRefused, OSError."""
    return [certificates.describe(pem) for pem in certificates.read_chain(server_file().read_bytes())]


def is_own() -> bool:
    """Whether the card signed the certificate itself."""
    try:
        return server_file().read_bytes().startswith(MARK)
    except OSError:
        return False


def make_request(name: str, names: Iterable[str], organisation: str = "", country: str = "") -> str:
    """A signing request (PEM) for a new key, which is kept until its certificate arrives.

    Raises CertificateRefused for words that cannot stand in one, OpensslFailed, OSError.
    """
    if not NAME.fullmatch(name):
        raise CertificateRefused("The host name may have letters, digits, dots and hyphens, at most 63 characters.")
    for other in names:
        if not NAME.fullmatch(other) and not _is_address(other):
            raise CertificateRefused(f"“{other}” is neither a host name nor an address.")
    subject = f"/CN={name}"
    if organisation:
        if not WORDS.fullmatch(organisation):
            raise CertificateRefused(
                'The organisation may have at most 60 characters and none of / \\ + = , ; < > # " $'
            )
        subject = f"/O={organisation}{subject}"
    if country:
        if not re.fullmatch(r"[A-Z]{2}", country):
            raise CertificateRefused("The country is written as two capital letters, such as DE.")
        subject = f"/C={country}{subject}"
    key = new_key()
    text = openssl.run(
        "req", "-new", "-sha256", "-utf8", "-config", openssl.CONFIG, "-key", key, "-subj", subject,
        "-addext", f"subjectAltName={_alternatives([name, *names])}",
    )  # fmt: skip
    _write(request_file(), key + text.encode())
    return text


def pending_request() -> str:
    """The signing request that waits for its certificate; empty if none does."""
    try:
        found = certificates.blocks(request_file().read_bytes(), "CERTIFICATE REQUEST")
    except OSError:
        return ""
    return found[0].decode() if found else ""


def install(chain_file: bytes, key_file: bytes = b"") -> list[Certificate]:
    """Serve with a chain that somebody brought, and its key; without one, the key of the request or the present one.

    Answers what the chain says. Raises CertificateRefused with the reason, OpensslFailed or OSError; the old one then stays.
    """
    chain = certificates.read_chain(chain_file)
    key = certificates.read_key(key_file) or certificates.read_key(chain_file)
    if key_file.strip() and key is None:
        raise CertificateRefused("The second file holds no private key in PEM form.")
    described = certificates.check_chain(chain)
    key = _fitting(chain[0], key)
    content = key + b"".join(chain)
    problem = _problem_of(content)
    if problem:
        raise CertificateRefused(f"The card cannot serve with this certificate: {problem}.")
    requested = _waiting_key()
    _write(folder() / "server.pem", content)
    if key == requested:
        request_file().unlink(missing_ok=True)
    return described


def _fitting(certificate: bytes, given: bytes | None) -> bytes:
    """The key that belongs to a certificate: the one given, else one that the card has."""
    wanted = openssl.run("x509", "-in", certificate, "-noout", "-pubkey").strip()
    if given is not None:
        if certificates.public_key(given).strip() != wanted:
            raise CertificateRefused("The private key does not belong to this certificate (the first one in the file).")
        return given
    for key in (_waiting_key(), _present_key()):
        if key is not None and certificates.public_key(key).strip() == wanted:
            return key
    raise CertificateRefused(
        "The certificate (the first one in the file) was not made for a key of this card. Add its private key, "
        "or have the card's own request signed."
    )


def _waiting_key() -> bytes | None:
    return _key_in(request_file())


def _present_key() -> bytes | None:
    return _key_in(server_file())


def _key_in(path: Path) -> bytes | None:
    try:
        return certificates.read_key(path.read_bytes())
    except (OSError, CertificateRefused):
        return None


def _problem_of(content: bytes) -> str:
    """Why the encryption library does not take key and chain; empty if it does."""
    descriptor, name = tempfile.mkstemp(dir=paths.run_dir(), suffix=".pem")
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
        return context_problem(Path(name))
    finally:
        Path(name).unlink()


def context_problem(path: Path) -> str:
    """Why a file cannot be served with; empty if it can."""
    try:
        make_context(path)
    except (OSError, ValueError) as error:
        return str(getattr(error, "reason", None) or error).replace("_", " ").lower()
    return ""


def make_context(path: Path) -> ssl.SSLContext:
    """Encryption with key and chain in `path`: TLS 1.2 and 1.3, forward secrecy, AEAD only. Raises OSError (of ssl too)."""
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(path, password=_no_passphrase)
    return context


def _no_passphrase() -> str:
    """Without this the library would ask at the terminal."""
    return ""


class Encryption:
    """What new connections are encrypted with; follows the file when it is replaced, so that nothing has to start again."""

    def __init__(self, name: str, addresses: Iterable[str]) -> None:
        self._name = name
        self._addresses = tuple(addresses)
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._seen: tuple[str, int, int] | None = None
        self._look_at = clock.boottime() + LOOK_EVERY_S

    def context(self) -> ssl.SSLContext:
        """The present one; the last good one while the file is not. Raises OSError where there never was one."""
        with self._lock:
            if clock.boottime() >= self._look_at:
                self._look_at = clock.boottime() + LOOK_EVERY_S
                ensure(self._name, self._addresses)
            path = server_file()
            try:
                status = path.stat()
                seen = str(path), status.st_ino, status.st_mtime_ns
                if self._context is None or seen != self._seen:
                    self._seen = seen
                    self._context = make_context(path)
            except OSError as error:
                if self._context is None:
                    raise
                log.error("%s cannot be used, the certificate before it goes on serving: %s", path, error)
            return self._context
