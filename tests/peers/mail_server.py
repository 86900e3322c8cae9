"""A real SMTP server (aiosmtpd) with TLS, accounts and moods, and the certificates for it."""

from __future__ import annotations

import email
import gc
import socket
import ssl
import subprocess
import warnings
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword


def certificate(folder: Path, name: str, host: str) -> tuple[Path, Path, str]:
    """A self-signed certificate for `host`: the certificate, its key, its SHA-256 fingerprint."""
    made, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
            "-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}", "-out", str(made), "-keyout", str(key),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    shown = subprocess.run(
        ["openssl", "x509", "-in", str(made), "-noout", "-fingerprint", "-sha256"],
        check=True,
        capture_output=True,
        text=True,
    )
    return made, key, shown.stdout.strip().partition("=")[2]


@dataclass
class Postmaster:
    """What the server has received, and what it says to whom."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    signed_in: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Envelope) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        mail = email.message_from_bytes(content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return f"250 2.0.0 queued as {len(self.mails)}"

    def authenticate(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"ups", b"secret \xc3\xa4")
        if good:
            self.signed_in.append(data.login.decode())
        return AuthResult(success=good, handled=False)


class MailServer(Controller):
    """The server on a port of the loopback that the system chooses. Use as a context manager."""

    protocol = SMTP

    def __init__(
        self, postmaster: Postmaster, tls: tuple[Path, Path] | None = None, *, at_once: bool = False, port: int = 0
    ) -> None:
        self.postmaster = postmaster
        context = None
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
        self._starttls = None if at_once else context
        super().__init__(
            postmaster,
            hostname="127.0.0.1",
            port=port,
            ssl_context=context if at_once else None,
            server_hostname="localhost",
        )

    def factory(self) -> SMTP:
        return self.protocol(
            self.handler,
            hostname="localhost",
            tls_context=self._starttls,
            require_starttls=self._starttls is not None,
            authenticator=self.postmaster.authenticate,
            # aiosmtpd does not count TLS from the first byte
            auth_require_tls=self._starttls is not None,
            data_size_limit=1_000_000,
        )

    def __enter__(self) -> MailServer:
        self._start_on_a_free_port()
        return self

    def _start_on_a_free_port(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        # aiosmtpd stops its loop before the last connections are gone.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
