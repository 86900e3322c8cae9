"""Webhooks at a web server: signed bodies, answers, no redirect followed."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from istars.settings.store import save
from peers.notifying import Notifying, notifying, until

pytestmark = pytest.mark.peer


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what it gets; `answers` are given one for each request, then 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, dict(self.headers), body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.send_header("Location", f"{self.server.url}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def card(root: Path) -> Iterator[Notifying]:
    with notifying() as made:
        yield made


def test_a_body_is_signed_and_says_everything(card: Notifying, receiver: Receiver) -> None:
    save({"system.name": "UPS-A", "webhook.1.url": f"{receiver.url}/hook?a=1", "webhook.1.secret": "key ä"})
    card.begin()
    card.live.publish("upslink", {"battery.runtime": 2280, "ups.load": 41.0}, lifetime_s=60)
    card.happen("ON_BATTERY")
    until(lambda: receiver.got, "the webhook is told")
    path, headers, body = receiver.got[0]
    assert path == "/hook?a=1"
    signature = hmac.new("key ä".encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-IStars-Signature"] == f"sha256={signature}"
    told = json.loads(body)
    assert (told["code"], told["kind"], told["severity"], told["card"]) == ("ON_BATTERY", "raise", "warning", "UPS-A")
    assert told["readings"] == {"battery.runtime": 2280, "ups.load": 41.0}
    assert "key" not in body.decode()


def test_ntfy_gets_its_topic_and_chats_their_text(card: Notifying, receiver: Receiver) -> None:
    save({"webhook.1.url": f"{receiver.url}/ups-a", "webhook.1.form": "ntfy"})
    save({"webhook.2.url": f"{receiver.url}/chat", "webhook.2.form": "slack"})
    card.begin()
    card.happen("BATTERY_LOW")
    until(lambda: len(receiver.got) == 2, "both are told")
    told = {path: json.loads(body) for path, _, body in receiver.got}
    assert (told["/"]["topic"], told["/"]["priority"]) == ("ups-a", 5)
    assert told["/chat"]["text"].startswith("[UPS] Battery low since ")


def test_an_answer_decides_whether_it_is_tried_again(card: Notifying, receiver: Receiver) -> None:
    receiver.answers = [302, 410, 503]
    save({"webhook.1.url": f"{receiver.url}/hook"})
    card.begin()
    assert card.test_message("webhook.1", f"{receiver.url}/hook") == "failed: 302 Found"
    for _ in range(2):
        card.happen("CONFIG_CHANGED", "event")
    until(lambda: len(receiver.got) == 3, "all were tried")
    until(lambda: card.results("webhook")[1:] == ["failed: 410 Gone", "waiting: 503 Service Unavailable"], "one waits")
    save({"webhook.1.delay": "1"})
    until(lambda: card.results("webhook")[2] == "sent: 204 No Content", "it is tried again")
    assert {path for path, _, _ in receiver.got} == {"/hook"}
