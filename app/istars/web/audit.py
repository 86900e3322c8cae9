"""Writing down who changed what: `note()` is called by whatever changes something for a person.

    note("settings changed", "system.name", "UPS", "UPS-A")
    note("settings changed", "mail.password", new=SECRET)

Who, from where and when are those of the request. Where `audit.syslog.host` is set, each entry goes there too (RFC 5424).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from typing import Any, Final

from flask import current_app, has_request_context

from istars.errors import IStarsError, StoreError
from istars.platform import clock, sysinfo
from istars.settings.field import SWITCH
from istars.store.audit import AuditRecord, Entry, plain
from istars.web import session
from istars.web.store import settings

log = logging.getLogger(__name__)


class _Secret:
    """A value that stands in no record."""

    def __str__(self) -> str:
        return "changed"


SECRET: Final = _Secret()
"""In place of a password, key or token."""

SYSLOG_PORT = 514
LOOK_UP_EVERY_S = 300.0
AUTHPRIV_NOTICE = 10 * 8 + 5
"""Priority of RFC 5424: facility "security/authorization (private)", severity "notice"."""


def note(action: str, subject: str, old: object = None, new: object = None, *, who: str = "") -> None:
    """Write down that somebody did `action` to `subject`, and its value before and after. Never raises a known failure.

    `who` is needed only where the request does not tell it.
    """
    note_all(action, [(subject, old, new)], who=who)


def note_all(action: str, changes: Iterable[tuple[str, object, object]], *, who: str = "") -> None:
    """As `note` for several subjects (subject, old, new), in one write."""
    at, person = clock.wall(), plain(who or _who())
    address = session.address() if has_request_context() else "local"
    entries = [
        Entry(at, person, address, plain(action), plain(subject), _words(old), _words(new))
        for subject, old, new in changes
    ]
    if entries:
        record().note(*entries)
        _tell_syslog(entries)


def record() -> AuditRecord:
    """The audit record of the running app."""
    made: AuditRecord = current_app.extensions.setdefault("istars.audit", AuditRecord())
    return made


def _who() -> str:
    if not has_request_context():
        return "the card"
    try:
        person = session.person()
    except StoreError:
        return "unknown"
    return person.name if person is not None else "nobody signed in"


def _words(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return next(word for word, meant in SWITCH.items() if meant is value)
    return plain(str(value))


def syslog_line(entry: Entry, host: str) -> bytes:
    """The entry as RFC 5424 has it. The values stand in the text, quoted, so that none can look like another field."""
    parts = [f"who={entry.who!r} from={entry.address!r} action={entry.action!r} subject={entry.subject!r}"]
    parts += [f"{name}={value!r}" for name, value in (("old", entry.old), ("new", entry.new)) if value]
    return f"<{AUTHPRIV_NOTICE}>1 {clock.iso(entry.at)} {host} istars - audit - {' '.join(parts)}".encode()


class _Syslog:
    """Where the syslog server is. Its name is looked up now and then only: where name servers are silent that takes seconds."""

    def __init__(self) -> None:
        self._target = ""
        self._where: tuple[Any, ...] | None = None
        self._until = float("-inf")

    def where(self, target: str) -> tuple[Any, ...] | None:
        """What `socket.getaddrinfo` found; None while it could not be found a moment ago. Raises OSError."""
        if target != self._target or clock.boottime() >= self._until:
            self._target, self._where, self._until = target, None, clock.boottime() + LOOK_UP_EVERY_S
            self._where = socket.getaddrinfo(target, SYSLOG_PORT, type=socket.SOCK_DGRAM)[0]
        return self._where


def _tell_syslog(entries: Iterable[Entry]) -> None:
    """A datagram each, without waiting: the record on the card is the one that counts."""
    try:
        target = settings().text("audit.syslog.host")
        if not target:
            return
        server: _Syslog = current_app.extensions.setdefault("istars.syslog", _Syslog())
        where = server.where(target)
        if where is None:
            return
        with socket.socket(where[0], where[1]) as out:
            out.setblocking(False)
            for entry in entries:
                out.sendto(syslog_line(entry, sysinfo.host_name()), where[4])
    except (OSError, IStarsError) as error:
        log.warning("the audit entry could not be sent to the syslog server: %s", error)
