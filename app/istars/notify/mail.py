"""E-mail: SMTP with STARTTLS or TLS (RFC 5321, RFC 3207, RFC 8314), through a SOCKS5 proxy where one is set."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import socket
import ssl
from collections.abc import Iterator
from email import policy
from email.message import EmailMessage
from email.utils import format_datetime

from istars.errors import StoreError
from istars.notify import connect, daily, texts
from istars.notify.delivery import Undelivered
from istars.platform import clock, paths
from istars.settings import Settings
from istars.store import table_file
from istars.store.archive import Archive
from istars.store.outbox import Message

TIME_LIMIT_S = 30.0
ATTACHED_S = 86_400.0
ATTACHED_EVENTS = 500


class _Connected(smtplib.SMTP):
    """An SMTP session over a connection that `connect.py` has made."""

    def __init__(self, settings: Settings, context: ssl.SSLContext) -> None:
        self._settings = settings
        self._context = context
        super().__init__(settings.text("mail.server"), settings.whole("mail.port"), _own_name(settings), TIME_LIMIT_S)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        proxy = None
        if self._settings.text("mail.proxy"):
            proxy = connect.Proxy(
                self._settings.text("mail.proxy"),
                self._settings.whole("mail.proxy.port"),
                self._settings.text("mail.proxy.account"),
                self._settings.text("mail.proxy.password"),
            )
        link = connect.tcp(host, port, timeout, proxy)
        if self._settings.text("mail.security") == "tls":
            link = connect.encrypt(link, host, self._context, self._settings.text("mail.fingerprint"))
        return link


def _own_name(settings: Settings) -> str:
    """What this card calls itself: a name without characters that servers refuse."""
    host = "".join(
        letter for letter in socket.gethostname() if letter.isascii() and (letter.isalnum() or letter in ".-")
    )
    return host or "istars"


class Session:
    """An open session with the server."""

    def __init__(self, settings: Settings, server: smtplib.SMTP) -> None:
        self._settings = settings
        self._server = server

    def send(self, message: Message) -> str:
        """See `delivery.Way`."""
        mail = compose(message, self._settings)
        try:
            code, answer = self._server.mail(mail["From"].addresses[0].addr_spec, ["BODY=8BITMIME"])
            if code == 250:
                code, answer = self._server.rcpt(message.recipient)
            if code not in (250, 251):
                self._server.rset()
                raise Undelivered(_said(code, answer), whole=False, final=500 <= code < 600)
            code, answer = self._server.data(mail.as_bytes(policy=policy.SMTP))
        except smtplib.SMTPException as error:
            raise Undelivered(connect.reason(error)) from error
        except OSError as error:
            raise Undelivered(connect.reason(error)) from error
        if code != 250:
            raise Undelivered(_said(code, answer), whole=False, final=500 <= code < 600)
        return _said(code, answer)


def _said(code: int, answer: bytes) -> str:
    """The server's answer as one line."""
    words = " ".join(answer.decode("utf-8", "replace").split())
    return f"{code} {words}"[:300]


@contextlib.contextmanager
def open_session(settings: Settings, _endpoint: str) -> Iterator[Session]:
    """Connect, encrypt and sign in. Raises Undelivered with the server's own words."""
    context = connect.tls_context(settings.text("mail.fingerprint"))
    try:
        server = _Connected(settings, context)
    except (OSError, smtplib.SMTPException) as error:
        raise Undelivered(connect.reason(error)) from error
    try:
        try:
            _introduce(settings, server, context)
        except (OSError, smtplib.SMTPException) as error:
            raise Undelivered(connect.reason(error)) from error
        yield Session(settings, server)
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.quit()
    finally:
        server.close()


def _introduce(settings: Settings, server: smtplib.SMTP, context: ssl.SSLContext) -> None:
    """EHLO, STARTTLS, AUTH: never a password over a line that others can read."""
    server.ehlo_or_helo_if_needed()
    encrypted = settings.text("mail.security") == "tls"
    if settings.text("mail.security") == "starttls":
        code, answer = server.docmd("STARTTLS")
        if code != 220:
            raise Undelivered(f"the server does not offer STARTTLS ({_said(code, answer)})")
        link = server.sock
        if link is None:
            raise Undelivered("the server has closed the connection")
        server.sock = connect.encrypt(link, settings.text("mail.server"), context, settings.text("mail.fingerprint"))
        # What the server said before encryption counts no more (RFC 3207, 4.2).
        server.file = None
        server.helo_resp = server.ehlo_resp = None
        server.esmtp_features = {}
        server.does_esmtp = False
        server.ehlo_or_helo_if_needed()
        encrypted = True
    account = settings.text("mail.account")
    if account:
        if not encrypted:
            raise Undelivered(
                "the password is not sent without encryption: choose STARTTLS or TLS, or leave the account empty"
            )
        _sign_in(server, account, settings.text("mail.password"))


def _sign_in(server: smtplib.SMTP, account: str, password: str) -> None:
    """PLAIN (RFC 4616), or LOGIN where the server knows no other. smtplib's own takes ASCII alone."""
    offered = server.esmtp_features.get("auth", "").upper().split()
    if "PLAIN" in offered:
        code, answer = server.docmd("AUTH", "PLAIN " + _base64(f"\0{account}\0{password}"))
    elif "LOGIN" in offered:
        code, answer = server.docmd("AUTH", "LOGIN " + _base64(account))
        if code == 334:
            code, answer = server.docmd(_base64(password))
    else:
        raise Undelivered(f"the server offers no way to sign in that this card knows ({' '.join(offered) or 'none'})")
    if code not in (235, 503):  # 503: signed in already
        raise Undelivered(_said(code, answer))


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")


def compose(message: Message, settings: Settings) -> EmailMessage:
    """The mail: text and HTML, and the events of the last day as a file; or the daily report."""
    sender = settings.text("mail.sender") or settings.text("mail.account")
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = sender if "@" in sender else f"istars@{_own_name(settings)}"
    mail["To"] = message.recipient
    mail["Date"] = format_datetime(clock.local(message.at))
    mail["Message-ID"] = f"<{message.message_id}@{_own_name(settings)}>"
    mail["Auto-Submitted"] = "auto-generated"
    if message.severity == "critical":
        mail["Importance"] = "high"
    if message.kind == daily.KIND:
        # loaded when the first report is sent: it brings what draws its curves
        from istars.notify import report_mail

        report_mail.fill(mail, message, settings)
        return mail
    said = texts.words(message, settings)
    mail["Subject"] = said.subject
    mail.set_content(texts.plain(said))
    mail.add_alternative(texts.page(said), subtype="html")
    if message.kind != "test":
        with contextlib.suppress(StoreError):
            mail.add_attachment(_events_file(message).encode(), maintype="text", subtype="csv", filename="events.csv")
    return mail


def _events_file(message: Message) -> str:
    """The events of the day before the message, oldest first, in the form of the event record's export."""
    with Archive(paths.archive_db(), readonly=True) as archive:
        events = archive.events(from_wall=message.at - ATTACHED_S, limit=ATTACHED_EVENTS, newest_first=True)
    return "".join(table_file.events(reversed(events)))
