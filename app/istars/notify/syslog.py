"""Syslog: RFC 5424 messages over UDP (RFC 5426), TCP with octet counting (RFC 6587) and TLS (RFC 5425)."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Iterator

from istars.model.alarms import describe_event
from istars.notify import connect
from istars.notify.delivery import Undelivered
from istars.platform import clock
from istars.settings import Settings
from istars.store.outbox import Message

TIME_LIMIT_S = 10.0
FACILITY = 16
"""local0."""
SEVERITIES = {"critical": 2, "warning": 4, "information": 6}
UDP_LIMIT = 2_048
"""What every receiver should take (RFC 5426, 3.2)."""
ENTERPRISE = 32473
"""Private enterprise number for examples and documentation (RFC 5612), until the card has one of its own."""


def _name(text: str, limit: int) -> str:
    """A header field: printable ASCII without spaces, or NILVALUE."""
    return "".join(letter for letter in text if "!" <= letter <= "~")[:limit] or "-"


def _value(text: object) -> str:
    """A PARAM-VALUE (RFC 5424, 6.3.3)."""
    return str(text).replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def line(message: Message, settings: Settings) -> bytes:
    """The message as RFC 5424 has it."""
    severity = 6 if message.kind == "clear" else SEVERITIES.get(message.severity, 6)
    text = "Test message" if message.kind == "test" else describe_event(message.code, message.kind, message.args)
    parameters = {
        "card": settings.text("system.name"),
        "kind": message.kind,
        "severity": message.severity,
        **({"alarm": message.alarm} if message.alarm else {}),
        **({"count": message.body.get("count")} if message.kind == "summary" else {}),
        "id": message.message_id,
    }
    told = " ".join(f'{name}="{_value(value)}"' for name, value in parameters.items())
    moment = clock.local(message.at).isoformat(timespec="milliseconds")
    head = (
        f"<{FACILITY * 8 + severity}>1 {moment} {_name(socket.gethostname(), 255)} istars - {_name(message.code, 32)}"
    )
    # The mark says that the text is UTF-8 (6.4).
    return f"{head} [ups@{ENTERPRISE} {told}] \ufeff{' '.join(text.split())}".encode()


class Server:
    """A syslog server that is connected."""

    def __init__(self, settings: Settings, link: socket.socket, *, datagrams: bool) -> None:
        self._settings = settings
        self._link = link
        self._datagrams = datagrams

    def send(self, message: Message) -> str:
        """See `delivery.Way`. Syslog has no answer: what is sent is only known to have left."""
        content = line(message, self._settings)
        try:
            if self._datagrams:
                self._link.send(content[:UDP_LIMIT])
                return "sent; UDP has no answer"
            self._notice_the_end()
            self._link.sendall(b"%d %b" % (len(content), content))
        except OSError as error:
            raise Undelivered(connect.reason(error)) from error
        return "sent"

    def _notice_the_end(self) -> None:
        """Servers never speak: what can be read is the end of the connection, which sendall would notice one message late."""
        self._link.settimeout(0)
        try:
            ended = self._link.recv(1) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            ended = False
        finally:
            self._link.settimeout(TIME_LIMIT_S)
        if ended:
            raise ConnectionResetError(errno.ECONNRESET, "the server has closed the connection")


@contextlib.contextmanager
def open_server(settings: Settings, endpoint: str) -> Iterator[Server]:
    """Connect. Raises Undelivered."""
    host, port = settings.text(f"{endpoint}.host"), settings.whole(f"{endpoint}.port")
    transport, fingerprint = settings.text(f"{endpoint}.transport"), settings.text(f"{endpoint}.fingerprint")
    try:
        if transport == "udp":
            family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
            link = socket.socket(family, kind)
            link.connect(address)
        else:
            link = connect.tcp(host, port, TIME_LIMIT_S)
            if transport == "tls":
                link = connect.encrypt(link, host, connect.tls_context(fingerprint), fingerprint)
    except OSError as error:
        raise Undelivered(connect.reason(error)) from error
    try:
        yield Server(settings, link, datagrams=transport == "udp")
    finally:
        link.close()
