"""Webhooks: one POST of JSON for each event, signed where a key is set, in the form that the receiver understands."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
from collections.abc import Callable, Iterator, Mapping
from urllib.parse import urlsplit

from istars import __version__
from istars.model.alarms import describe_event
from istars.model.readings import NO_VALUE
from istars.notify import connect, texts
from istars.notify.delivery import Undelivered
from istars.platform import clock
from istars.settings import Settings
from istars.store.outbox import Message

TIME_LIMIT_S = 15.0
COLOURS = {"critical": 0xC62828, "warning": 0xE08600, "information": 0x2E7D32}
PRIORITIES = {"critical": 5, "warning": 4, "information": 3}
TRY_AGAIN = frozenset({408, 425, 429})


def _json(message: Message, said: texts.Words) -> dict[str, object]:
    """Everything that is known, in the words of the API."""
    return {
        "id": message.message_id,
        "card": said.card,
        "time": clock.iso(message.at),
        "code": message.code,
        "kind": message.kind,
        "severity": message.severity,
        "alarm": message.alarm,
        "repeat": message.repeat,
        "text": describe_event(message.code, message.kind, message.args),
        "subject": said.subject,
        "arguments": message.args,
        "readings": message.body.get("context") or {},
    }


def _chat(_message: Message, said: texts.Words) -> dict[str, object]:
    # Slack takes these three characters as the beginning of something else (and Mattermost as it does).
    text = said.subject.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}


def _teams(message: Message, said: texts.Words) -> dict[str, object]:
    facts = [{"title": label, "value": value} for label, value in said.facts]
    colour = {"critical": "attention", "warning": "warning"}.get(message.severity, "good")
    card = {
        "type": "AdaptiveCard",
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": said.subject, "weight": "bolder", "wrap": True, "color": colour},
            {"type": "FactSet", "facts": facts},
        ],
    }
    return {
        "type": "message",
        "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}],
    }


def _discord(message: Message, said: texts.Words) -> dict[str, object]:
    embed = {
        "title": said.subject[:256],
        "color": COLOURS.get(message.severity, COLOURS["information"]),
        "fields": [
            {"name": label, "value": value[:1024] or NO_VALUE, "inline": True} for label, value in said.facts[:25]
        ],
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _ntfy(message: Message, said: texts.Words) -> dict[str, object]:
    # The topic is the last part of the address; ntfy takes JSON at the root only (see `_target`).
    return {
        "title": said.card,
        "message": said.headline,
        "priority": PRIORITIES.get(message.severity, 3),
        "tags": [message.code.lower()],
    }


FORMS: Mapping[str, Callable[[Message, texts.Words], dict[str, object]]] = {
    "json": _json,
    "slack": _chat,
    "teams": _teams,
    "discord": _discord,
    "ntfy": _ntfy,
}


class Hook:
    """A receiver that is connected."""

    def __init__(self, settings: Settings, endpoint: str, link: http.client.HTTPConnection) -> None:
        self._settings = settings
        self._link = link
        self._form = settings.text(f"{endpoint}.form")
        self._secret = settings.text(f"{endpoint}.secret").encode()

    def send(self, message: Message) -> str:
        """See `delivery.Way`."""
        body = FORMS[self._form](message, texts.words(message, self._settings))
        where = urlsplit(message.recipient)
        path = where.path or "/"
        if self._form == "ntfy":
            path, _, topic = path.rstrip("/").rpartition("/")
            path, body = path or "/", {"topic": topic, **body}
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"iStars/{__version__}",
            "X-IStars-Id": message.message_id,
        }
        if self._secret:
            headers["X-IStars-Signature"] = "sha256=" + hmac.new(self._secret, content, hashlib.sha256).hexdigest()
        target = f"{path}?{where.query}" if where.query else path
        try:
            self._link.request("POST", target, content, headers)
            answer = self._link.getresponse()
            said = answer.read(2_000)
        except (OSError, http.client.HTTPException) as error:
            raise Undelivered(connect.reason(error)) from error
        line = f"{answer.status} {answer.reason} {' '.join(said.decode('utf-8', 'replace').split())}".strip()[:300]
        if 200 <= answer.status < 300:
            return line
        # A redirect is not followed: it could lead the card's words to anywhere.
        raise Undelivered(line, whole=False, final=answer.status < 500 and answer.status not in TRY_AGAIN)


@contextlib.contextmanager
def open_hook(settings: Settings, endpoint: str) -> Iterator[Hook]:
    """A receiver, connected when the first message is sent. Raises Undelivered."""
    try:
        where = urlsplit(settings.text(f"{endpoint}.url"))
        host, port = where.hostname or "", where.port
    except ValueError as error:
        raise Undelivered(f"the address is none: {error}") from error
    if where.scheme == "https":
        link: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, port, timeout=TIME_LIMIT_S, context=connect.tls_context("")
        )
    else:
        link = http.client.HTTPConnection(host, port, timeout=TIME_LIMIT_S)
    try:
        yield Hook(settings, endpoint, link)
    finally:
        link.close()
