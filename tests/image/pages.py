"""The pages and the API of a card in QEMU, as a program of its owner uses them: https, and a cookie."""

from __future__ import annotations

import http.cookiejar
import io
import json
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from card import until

FIRST_PASSWORD = "admin"
PASSWORD = "correct horse battery"
PATIENCE_S = 300.0
"""For each piece of an answer: long, because a machine with other work to do may hold up QEMU for a minute."""
ASK_S = 1.0
"""Between two questions to the card: each one costs it time that it needs for what it is doing."""


class Owner:
    """Somebody who signs in as admin; or a program with a `key` for the API, which costs the card less."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url, self._key = url, key
        # the certificate is the card's own, and nobody has checked it yet
        trust = ssl._create_unverified_context()
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust), cookies)
        self._token = ""

    def ask(self, path: str, body: bytes | None = None, method: str = "", kind: str = "") -> tuple[int, bytes]:
        """Status and body of an answer."""
        headers: dict[str, str] = {"X-CSRFToken": self._token, "Referer": self.url + "/"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        if kind:
            headers["Content-Type"] = kind
        if body is not None:
            headers["Content-Length"] = str(len(body))
        # a file, so that the limit of time holds for each piece that is sent and not for all of them
        source = io.BytesIO(body) if body is not None else None
        request = urllib.request.Request(self.url + path, source, headers, method=method or None)
        try:
            with self._opener.open(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()

    def page(self, path: str) -> str:
        """A page; its token is kept for the next form."""
        status, body = self.ask(path)
        text = body.decode()
        assert status == 200, f"{path}: {status} {text[:500]}"
        found = re.search(r'name="csrf_token" value="([^"]+)"', text)
        self._token = found[1] if found else self._token
        return text

    def form(self, path: str, **fields: str) -> tuple[int, str]:
        """Send a form of the page that was looked at last."""
        body = urllib.parse.urlencode({"csrf_token": self._token, **fields}).encode()
        status, text = self.ask(path, body, kind="application/x-www-form-urlencoded")
        return status, text.decode()

    def sign_in(self, password: str = PASSWORD) -> None:
        """Sign in; on a new card with the first password, and choose one."""
        self.page("/login")
        status, text = self.form("/login", user="admin", pw=password)
        if "not right" in text:
            self.page("/login")
            status, text = self.form("/login", user="admin", pw=FIRST_PASSWORD)
            assert 'name="p1"' in text, text[:2000]
            found = re.search(r'name="csrf_token" value="([^"]+)"', text)
            assert found is not None
            self._token = found[1]
            status, text = self.form("/password", p1=password, p2=password)
        assert status == 200, text[:2000]
        self.page("/assistant/firmware")

    def make_key(self) -> str:
        """A key for the API that may do everything and never ends."""
        self.page("/settings/tokens/add")
        status, text = self.form("/settings/tokens/add", name="tests", permission="administrator", expires="never")
        found = re.search(r'id="token">([^<]+)<', text)
        assert status == 200, text[:2000]
        assert found is not None, text[:2000]
        return found[1]

    def json(self, path: str, value: Any = None, method: str = "") -> Any:
        """What the API answers."""
        body = None if value is None else json.dumps(value).encode()
        status, text = self.ask(path, body, method, "application/json" if body else "")
        assert status == 200, f"{path}: {status} {text[:500]!r}"
        return json.loads(text)

    def firmware(self) -> Any:
        """`GET /api/v1/firmware`."""
        return self.json("/api/v1/firmware")

    def bring(self, package: bytes) -> tuple[int, Any]:
        """Send a package; status and what was said."""
        status, text = self.ask("/api/v1/firmware/package", package, "PUT", "application/octet-stream")
        return status, json.loads(text)

    def bring_good(self, package: Path) -> None:
        """Send a package and wait until it can be installed."""
        status, said = self.bring(package.read_bytes())
        assert status == 200, said
        found = until(self.settled, "the package is checked", PATIENCE_S, ASK_S)
        assert found["state"] == "ready", found

    def settled(self) -> Any:
        """The state, once nothing is under way; None before."""
        now = self.firmware()
        return now if now["state"] not in ("receiving", "checking", "installing", "idle") else None


def kept_as_good(owner: Owner) -> bool:
    """Whether the firmware that runs has been found good; False also while nobody answers."""
    try:
        return bool(owner.firmware()["confirmed"])
    except (OSError, AssertionError):
        return False
