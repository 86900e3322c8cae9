"""Connections to servers of others: straight or through a proxy, encrypted with a certificate that was checked."""

from __future__ import annotations

import hashlib
import smtplib
import socket
import ssl
from dataclasses import dataclass

from istars.notify.delivery import Undelivered


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS5 proxy (RFC 1928); names are resolved by the proxy."""

    host: str
    port: int
    account: str = ""
    password: str = ""


def tcp(host: str, port: int, timeout_s: float, proxy: Proxy | None = None) -> socket.socket:
    """A TCP connection. Raises OSError."""
    link = (
        socket.create_connection((host, port), timeout_s) if proxy is None else _through(proxy, host, port, timeout_s)
    )
    # The last piece of a mail would wait for the acknowledgement of the one before it (Nagle), 40 ms each time.
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def _through(proxy: Proxy, host: str, port: int, timeout_s: float) -> socket.socket:
    import socks

    link: socket.socket = socks.create_connection(
        (host, port),
        timeout_s,
        proxy_type=socks.SOCKS5,
        proxy_addr=proxy.host,
        proxy_port=proxy.port,
        proxy_username=proxy.account or None,
        proxy_password=proxy.password or None,
        proxy_rdns=True,
    )
    return link


def tls_context(fingerprint: str) -> ssl.SSLContext:
    """TLS 1.2 or newer. With a fingerprint that alone decides, otherwise the authorities that this machine knows."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if fingerprint:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def encrypt(link: socket.socket, host: str, context: ssl.SSLContext, fingerprint: str) -> ssl.SSLSocket:
    """Begin TLS on `link`. Raises Undelivered for a certificate that does not fit, OSError otherwise."""
    try:
        safe = context.wrap_socket(link, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Undelivered(f"the certificate of {host} is not accepted: {error.verify_message}") from error
    if fingerprint:
        shown = hashlib.sha256(safe.getpeercert(binary_form=True) or b"").hexdigest()
        if shown != fingerprint.replace(":", "").lower():
            safe.close()
            raise Undelivered(f"the certificate of {host} is another one; its fingerprint is {shown}")
    return safe


def reason(error: Exception) -> str:
    """A failure as one line for people, in the server's own words where it said any."""
    if isinstance(error, Undelivered):
        return error.reason
    if isinstance(error, smtplib.SMTPResponseException):
        said = error.smtp_error
        words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        return f"{error.smtp_code} {' '.join(words.split())}"[:300]
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, socket.gaierror):
        return "the name of the server is not known"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())[:300] or type(error).__name__
