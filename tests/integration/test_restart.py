"""Restarting the card as its owner does: the supervisor really ends the workers and pages and starts them again."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest
from card import Card, alive, until
from other_values import written_down

pytestmark = pytest.mark.timeout(120)

WORKERS = ("upslink", "core", "web", "updater")


def give(card: Card, name: str, permission: str) -> tuple[int, dict[str, str]]:
    """A command through the API; status and answer."""
    request = urllib.request.Request(
        f"{card.url}/api/v1/commands/{name}",
        method="POST",
        headers={"Authorization": f"Bearer {card.token(permission)}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_the_programs_of_the_card_restart_and_the_ups_does_not() -> None:
    with Card() as card:
        before = card.programs()
        assert set(WORKERS) <= set(before)
        card.sim("mains off")
        until(lambda: card.alarms() == {"ON_BATTERY"}, "the alarm")

        assert give(card, "istars.restart", "write")[0] == 403
        assert card.programs() == before

        result = card.python("command", "istars.restart")
        assert (result.returncode, result.stdout) == (0, "done: the card restarts in a moment\n")
        until(lambda: not any(alive(before[name]) for name in WORKERS), "the programs end")
        until(lambda: set(WORKERS) <= set(card.programs()) and card.answers(), "they run again")
        after = card.programs()
        assert not {after[name] for name in WORKERS} & {before[name] for name in WORKERS}
        for name in ("simulators", "supervisor.supervisord"):
            assert after[name] == before[name]
        until(lambda: card.values().get("ups.status"), "readings")
        assert "OB" in str(card.values()["ups.status"])  # the simulated UPS went on without mains
        until(lambda: card.alarms() == {"ON_BATTERY"}, "the alarm is known again")
        events = card.events()
        assert events.count(("event", "CARD_RESTARTS")) == 1
        assert events.count(("event", "COMMAND_DONE")) == 1
        assert events.count(("raise", "ON_BATTERY")) == 1


def test_the_clock_of_a_developers_machine_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with Card() as card:
        until(lambda: card.values().get("istars.clock.state"), "the state of the clock")
        assert card.values()["istars.clock.state"] == "foreign"
        status, answer = give(card, "istars.clock.adjust", "write")
        assert (status, answer["error"]) == (409, "refused")
        assert answer["message"] == "The clock belongs to the operating system of this machine, not to the card."
        result = card.python("command", "istars.clock.set", "time=2026-11-21 14:05:00")
        assert result.returncode == 1
        assert result.stdout == "failed: the clock belongs to the operating system of this machine, not to the card\n"
        until(lambda: card.events().count(("event", "COMMAND_FAILED")) == 2, "both are in the record")
        monkeypatch.setenv("ISTARS_ROOT", str(card.root))
        noted = [(entry.address, entry.subject) for entry in written_down() if entry.action == "command"]
        assert noted == [("console", "istars.clock.set"), ("127.0.0.1", "istars.clock.adjust")]
