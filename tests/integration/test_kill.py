"""`kill -9` of any worker at any time: nothing wrong is shown as fresh, no event is lost or doubled, all is back in 5 s."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from card import Card, children

KILLS = 50
BACK_WITHIN_S = 5.0
LIFETIME_S = 3.0
IN_FLIGHT_S = 0.5
"""An answer that the UPS began before its mains changed may arrive this much later (47 characters at 2400 baud, and a poll)."""


def victims(card: Card) -> dict[str, list[int]]:
    """Processes that may be killed, by what they are: each worker, their parent, the pages' master and worker."""
    assert card.process is not None
    found: dict[str, list[int]] = {}
    for pid in children(card.process.pid):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
            words = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            if name.startswith("istars:"):
                found.setdefault(name, []).append(pid)
            elif "workers" in words:
                found.setdefault("workers", []).append(pid)
    return found


@dataclass
class Story:
    """What is really true of the mains, since when, and what was seen that contradicts it."""

    card: Card
    token: str
    mains: bool = True
    since: float = 0.0
    wrong: list[str] = field(default_factory=list)
    turns: list[float] = field(default_factory=list)

    def turn(self) -> None:
        """Change the mains."""
        self.mains = not self.mains
        self.card.sim("mains on" if self.mains else "mains off")
        self.since = time.monotonic()
        self.turns.append(self.since)

    def seen(self) -> bool:
        """Look once through the API; True if it shows the truth, fresh, and the alarms agree."""
        try:
            readings = {row["name"]: row for row in self.card.get("/api/v1/readings", self.token)["readings"]}
            alarms = {row["code"] for row in self.card.get("/api/v1/alarms", self.token)["alarms"]}
        except OSError:
            return False
        status: dict[str, Any] | None = readings.get("ups.status")
        if status is None or status["stale"]:
            return False
        if status["age_s"] > LIFETIME_S + 0.2:
            self.wrong.append(f"{status['age_s']} s old and shown as fresh")
        true = ("OL" in status["value"].split()) == self.mains
        read_at = time.monotonic() - status["age_s"]
        if not true and read_at > self.since + IN_FLIGHT_S:
            self.wrong.append(f"read {read_at - self.since:.2f} s after the mains changed and still {status['value']}")
        return true and alarms == (set() if self.mains else {"ON_BATTERY"})


@pytest.mark.timeout(480)
def test_fifty_kills_at_random_lose_nothing() -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    with Card() as card:
        story = Story(card, card.token())
        killed: list[str] = []
        slowest = 0.0
        while len(killed) < KILLS:
            before = chance.random() < 0.5
            if before:
                story.turn()
            time.sleep(chance.random() * 0.4)
            kind, pids = chance.choice(sorted(victims(card).items()))
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                killed.append(kind)
            at = time.monotonic()
            if not before:
                time.sleep(chance.random() * 0.4)
                story.turn()
                at = max(at, story.since)
            while not story.seen():
                assert time.monotonic() - at < BACK_WITHIN_S, (
                    f"seed {seed}: not back after killing {kind}: {card.said()}"
                )
                time.sleep(0.03)
            slowest = max(slowest, time.monotonic() - at)
        events = card.json("events", "--limit", "100000")
        assert set(killed) >= {"istars:upslink", "istars:core", "istars:web", "workers"}
        assert story.wrong == [], f"seed {seed}"
    outage = [(event["kind"], event["code"]) for event in events if event["code"] == "ON_BATTERY"]
    expected = [("raise" if number % 2 == 0 else "clear", "ON_BATTERY") for number in range(len(story.turns))]
    assert outage == expected, f"seed {seed}"
    assert {event["code"] for event in events} == {"CARD_STARTED", "ON_BATTERY"}, f"seed {seed}"
    assert [event["code"] for event in events].count("CARD_STARTED") == 1
    for index, event in enumerate(event for event in events if event["kind"] == "clear"):
        lasted = story.turns[2 * index + 1] - story.turns[2 * index]
        assert event["duration_s"] == pytest.approx(lasted, abs=BACK_WITHIN_S), f"seed {seed}"
    print(f"{KILLS} kills (seed {seed}), {len(story.turns)} changes of mains, slowest recovery {slowest:.2f} s")
