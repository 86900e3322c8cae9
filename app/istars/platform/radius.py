"""Asking RADIUS servers whether a password is right (RFC 2865, PAP).

Question and answer carry a Message-Authenticator (RFC 3579): without one, somebody on the way could make an accept of a reject
(CVE-2024-3596). The packets are pyrad's; what is waited for, and why an answer does not count, is ours to tell.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from istars.errors import IStarsError
from istars.platform import clock

USER_NAME, USER_PASSWORD, SERVICE_TYPE, FILTER_ID, REPLY_MESSAGE, SESSION_TIMEOUT = 1, 2, 6, 11, 18, 27
CALLING_STATION_ID, NAS_IDENTIFIER, NAS_PORT_TYPE = 31, 32, 61
LOGIN, VIRTUAL = (1).to_bytes(4, "big"), (5).to_bytes(4, "big")
ACCEPT, REJECT, CHALLENGE = 2, 3, 11
PASSWORD_BYTES, ATTRIBUTE_BYTES, PACKET_BYTES = 128, 253, 4_096

SILENT = "does not answer; servers are also silent to a card or a shared secret that they do not know"
CLOSED = "nothing answers at this port"
UNSIGNED = "its answer has no Message-Authenticator, so that it could be forged"
FOREIGN = "its answer was not made with the shared secret"


class NoAnswer(IStarsError):
    """No server has given an answer that counts; the message says why, server by server."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What `server` said. `accepted` is False for a reject, and for a challenge, which asks for more than a password.

    `filters` are the texts of Filter-Id, `service` is the number of Service-Type, `lasts_s` Session-Timeout; None is not said.
    """

    server: str
    accepted: bool
    challenged: bool = False
    filters: tuple[str, ...] = ()
    service: int | None = None
    lasts_s: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Servers:
    """Who is asked and how: each of `hosts` in turn, `tries` times, `timeout_s` for an answer."""

    hosts: Sequence[str]
    port: int
    secret: str
    timeout_s: float = 3.0
    tries: int = 2


def ask(servers: Servers, name: str, password: str, *, address: str, card: str) -> Answer:
    """Ask about `name` and `password` of somebody at `address`; the first server that answers counts. `card` names this card.

    Raises NoAnswer. Takes as long as the product of hosts, tries and time-out at most, and the look-up of their names.
    """
    typed = password.encode("utf-8", "replace")
    if not servers.secret:
        raise NoAnswer("no shared secret is set")
    if len(typed) > PASSWORD_BYTES or "\0" in password:
        raise NoAnswer(f"a password has at most {PASSWORD_BYTES} bytes here, and no null byte")
    attributes = {
        USER_NAME: name.encode("utf-8", "replace"),
        SERVICE_TYPE: LOGIN,
        NAS_IDENTIFIER: card.encode("utf-8", "replace"),
        NAS_PORT_TYPE: VIRTUAL,
        CALLING_STATION_ID: address.encode("utf-8", "replace"),
    }
    reasons = []
    for host in servers.hosts:
        try:
            return _ask_one(host, servers, {key: text[:ATTRIBUTE_BYTES] for key, text in attributes.items()}, typed)
        except NoAnswer as error:
            reasons.append(f"{host}: {error}")
        except OSError as error:
            reasons.append(
                f"{host}: {CLOSED if isinstance(error, ConnectionRefusedError) else error.strerror or error}"
            )
    raise NoAnswer("; ".join(reasons) or "no server is set")


def _ask_one(host: str, servers: Servers, attributes: Mapping[int, bytes], password: bytes) -> Answer:
    """As `ask`, of one server; raises OSError too."""
    from pyrad import packet  # few cards need it

    request: Any = packet.AuthPacket(secret=servers.secret.encode("utf-8"), message_authenticator=True)
    request[USER_PASSWORD] = [request.PwCrypt(password)]
    for key, text in attributes.items():
        if text:
            request[key] = [text]
    question, reason = request.RequestPacket(), SILENT
    family, _, _, _, where = socket.getaddrinfo(host, servers.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, socket.SOCK_DGRAM) as line:
        # connected: answers of others do not come through, and a closed port is told at once
        line.connect(where)
        for _ in range(servers.tries):
            line.send(question)
            end = clock.boottime() + servers.timeout_s
            while (left_s := end - clock.boottime()) > 0:
                line.settimeout(left_s)
                try:
                    came = line.recv(PACKET_BYTES)
                    answer = request.CreateReply(packet=came)
                except TimeoutError:
                    break
                except packet.PacketError:
                    continue
                if request.VerifyReply(answer, came, enforce_ma=True):
                    return _read(host, answer)
                reason = UNSIGNED if request.VerifyReply(answer, came) else FOREIGN
    raise NoAnswer(reason)


def _read(host: str, answer: Any) -> Answer:
    """The answer of a packet that was verified."""
    if answer.code not in (ACCEPT, REJECT, CHALLENGE):
        raise NoAnswer(f"its answer has the code {answer.code}, which is none to this question")
    return Answer(
        host,
        answer.code == ACCEPT,
        answer.code == CHALLENGE,
        tuple(_text(raw) for raw in answer.get(FILTER_ID, [])),
        _number(answer.get(SERVICE_TYPE, [])),
        _number(answer.get(SESSION_TIMEOUT, [])),
        " ".join(_text(raw) for raw in answer.get(REPLY_MESSAGE, [])),
    )


def _text(raw: bytes) -> str:
    """A text of the server without what a log or a page would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in raw.decode("utf-8", "replace")).strip()


def _number(values: Sequence[bytes]) -> int | None:
    return int.from_bytes(values[0], "big") if values and len(values[0]) == 4 else None
