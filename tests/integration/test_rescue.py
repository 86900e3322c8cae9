"""The sole administrator has lost the password: a shell on the running card lets him in again, and everybody else out."""

from __future__ import annotations

import http.cookiejar
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest
from card import Card, until

CHOSEN = "three small green boats"


class Visitor:
    """A browser that keeps cookies and sends the token of the form it saw last."""

    def __init__(self, card: Card) -> None:
        self.url = card.url
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def ask(self, path: str, **fields: str) -> tuple[str, str]:
        """The path that an answer comes from in the end, and its text."""
        if fields:
            token = re.search(r'name="csrf_token" value="([^"]+)"', self.ask(path)[1])
            assert token, path
            fields["csrf_token"] = token[1]
        data = urllib.parse.urlencode(fields).encode() if fields else None
        with self.opener.open(self.url + path, data, timeout=30) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()


@pytest.fixture
def card() -> Iterator[Card]:
    with Card() as made:
        yield made


def test_a_rescue_lets_the_owner_in_and_whoever_was_in_out(card: Card) -> None:
    before = Visitor(card)
    before.ask("/login", user="admin", pw="admin")
    assert before.ask("/password", p1=CHOSEN, p2=CHOSEN)[0] == "/"
    result = card.python("user", "rescue", "admin")
    assert result.returncode == 0, result.stderr
    assert before.ask("/alarms")[0] == "/login"
    assert "User name or password is not right." in Visitor(card).ask("/login", user="admin", pw=CHOSEN)[1]
    owner = Visitor(card)
    assert owner.ask("/login", user="admin", pw=result.stdout.strip())[0] == "/password"
    assert owner.ask("/alarms")[0] == "/password"
    assert owner.ask("/password", p1=CHOSEN + " again", p2=CHOSEN + " again")[0] == "/"
    until(lambda: ("event", "USER_RESCUED") in card.events(), "the rescue is an event on flash")
