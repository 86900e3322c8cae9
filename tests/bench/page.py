"""From a change of the mains to the page that shows it, through the whole card."""

from __future__ import annotations

import http.cookiejar
import random
import re
import threading
import urllib.parse
import urllib.request
from dataclasses import dataclass, field

from card import Card
from istars.platform import clock
from istars.store.live import LiveTable
from simulators import control

from bench.latency import page

TURNS = 12


@dataclass
class Shown:
    """How late the page was, for each turn of the mains."""

    interval_s: float
    ready_s: float
    after_mains_s: list[float] = field(default_factory=list)
    after_poll_ms: list[float] = field(default_factory=list)


def cookie_of(card: Card) -> str:
    """Sign in as a browser does: admin, who must choose a password first. Answers the cookie header."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def post(path: str, html: str, **fields: str) -> str:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)
        assert token is not None, html
        body = urllib.parse.urlencode({"csrf_token": token[1], **fields}).encode()
        with opener.open(urllib.request.Request(card.url + path, body)) as response:
            return str(response.read().decode())

    with opener.open(f"{card.url}/login") as response:
        html = response.read().decode()
    html = post("/login", html, user="admin", pw="admin")
    post("/password", html, p1=card.password, p2=card.password)
    return "; ".join(f"{each.name}={each.value}" for each in jar)


def page_latency() -> Shown:
    """Turn the mains off and on at random moments; note when a page that asks like ours shows it."""
    chance = random.Random(7)
    started = clock.boottime()
    with Card() as card:
        ready = clock.boottime() - started
        found = Shown(float(card.python("settings", "get", "ups.poll.interval").stdout), ready)
        looks = page(card.url, cookie_of(card))
        for turn in range(TURNS):
            wanted = "battery" if turn % 2 == 0 else "online"
            turned: list[float] = []

            def turn_mains(word: str, moments: list[float]) -> None:
                control.send(card.root / "run" / "istars" / "sim.sock", f"mains {word}")
                moments.append(clock.boottime())

            word = "off" if wanted == "battery" else "on"
            timer = threading.Timer(1 + chance.random(), turn_mains, (word, turned))
            timer.start()
            while True:
                at, values = next(looks)
                if turned and values["state"] == wanted:
                    break
            timer.join()
            found.after_mains_s.append(at - turned[0])
            with LiveTable(card.root / "run" / "istars" / "live.db") as live:
                found.after_poll_ms.append((at - live.readings()["ups.status"].changed_at) * 1e3)
    return found
