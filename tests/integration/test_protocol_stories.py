"""One story for every protocol, asserted through the API: the card finds out what each simulated UPS speaks and follows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from card import Card, free_port, until
from istars.drivers.ups import protocol_named
from simulators import Simulator
from simulators.designs import DESIGNS, NETWORK_DESIGNS

pytestmark = pytest.mark.timeout(120)

PORT = free_port()
PROTOCOL_OF = {"megatec-interactive": "megatec", "east": "east-ea900", "invt": "invt-hr11"}
NO_LOW, NO_BYPASS = ("kstar", "east"), ("kstar",)
"""Maps that have no state for a low battery, or for the bypass."""


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    made = Card(UPS=f"tcp:127.0.0.1:{PORT}", UPS_PROTOCOL="automatic")
    assert made.python("settings", "set", "ups.poll.interval", "0.5").returncode == 0
    with Simulator("megatec", tcp=PORT, baud=0):
        made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def token(card: Card) -> str:
    return card.token()


TESTING = {"TEST", "CAL"}
"""A NUT server says CAL of any test."""


class Story:
    """One simulated UPS and what the API says of it."""

    def __init__(self, simulator: Simulator, card: Card, token: str) -> None:
        self.simulator, self.card, self._token = simulator, card, token

    def readings(self) -> dict[str, Any]:
        rows = self.card.get("/api/v1/readings", self._token)["readings"]
        return {row["name"]: row["value"] for row in rows if not row["stale"]}

    def measured(self) -> dict[str, Any]:
        """Readings that are no estimates: those of the card follow real time, which is not the simulator's here."""
        rows = self.card.get("/api/v1/readings", self._token)["readings"]
        return {row["name"]: row["value"] for row in rows if not row["stale"] and not row["estimated"]}

    def status(self) -> set[str]:
        return set(str(self.readings().get("ups.status", "")).split()) - {"CHRG", "DISCHRG", "ALARM"}

    def alarms(self) -> set[str]:
        return {row["code"] for row in self.card.get("/api/v1/alarms", self._token)["alarms"]}

    def becomes(self, *tokens: str) -> None:
        """Wait until the status is this."""
        until(lambda: self.status() == set(tokens), f"{' '.join(tokens)}, not {self.readings().get('ups.status')}")

    def truth(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.simulator.control("status"))
        return state

    def output(self) -> float:
        values = self.readings()
        return float(values.get("output.voltage", values.get("output.L1-N.voltage", -1)))

    def command(self, name: str, *arguments: str) -> None:
        result = self.card.python("command", name, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        assert "sent, but" not in result.stdout

    def outage(self) -> None:
        self.simulator.control("mains off")
        self.becomes("OB")
        until(lambda: "ON_BATTERY" in self.alarms(), "the alarm")
        self.simulator.control("battery low")
        if self.simulator.ups.design.kind not in NO_LOW:
            self.becomes("OB", "LB")
            until(lambda: "BATTERY_LOW" in self.alarms(), "its alarm")
        self.simulator.control("battery 0.1")
        self.simulator.control("advance 900")
        until(lambda: self.output() == 0, "the load has lost power")
        self.simulator.control("mains on")
        self.simulator.control("advance 60")
        until(lambda: self.output() > 200, "the load has power again")
        self.simulator.control("advance 86400")
        self.becomes("OL")
        until(lambda: self.measured().get("battery.charge", 100) > 99, "the battery is charged")

    def troubles(self) -> None:
        self.simulator.control("overload 120")
        until(lambda: "OVER" in self.status(), "the overload")
        self.simulator.control("overload off")
        self.simulator.control("temperature 66")
        until(
            lambda: self.readings().get("ups.temperature", self.readings().get("battery.temperature", 66)) == 66,
            "the heat",
        )
        self.simulator.control("temperature auto")
        if self.truth()["kind"] not in NO_BYPASS and self.simulator.ups.design.topology == "online":
            self.simulator.control("bypass on")
            until(lambda: "BYPASS" in self.status(), "the bypass")
            until(lambda: "ON_BYPASS" in self.alarms(), "its alarm")
            self.simulator.control("bypass off")
        self.simulator.control("advance 60")
        self.becomes("OL")

    def tests(self, offered: set[str]) -> None:
        if "test.battery.start.quick" not in offered:
            return
        self.command("test.battery.start.quick")
        until(lambda: self.status() & TESTING, "the test")
        self.simulator.control("advance 30")
        self.becomes("OL")
        assert self.truth()["test_result"] == "passed"
        self.simulator.control("battery weak")
        self.command("test.battery.start.quick")
        self.simulator.control("advance 30")
        until(lambda: self.truth()["test_result"] == "failed", "the test fails")
        until(lambda: not self.status() & TESTING, "it is over")
        self.simulator.control("battery good")

    def shutdown(self, offered: set[str]) -> None:
        if "shutdown.return" not in offered:
            return
        self.command("shutdown.return", "delay_s=60")
        until(lambda: "SHUTDOWN_PENDING" in self.alarms(), "the countdown")
        self.command("shutdown.stop")
        until(lambda: "SHUTDOWN_PENDING" not in self.alarms(), "it is cancelled")
        self.command("shutdown.return", "delay_s=60")
        self.simulator.control("mains off")
        self.simulator.control("advance 65")
        until(lambda: self.output() == 0, "the load is off")
        self.simulator.control("mains on")
        self.simulator.control("advance 60")
        until(lambda: self.output() > 200, "the load is on again")


PORTS = {"rfc1628": "snmp:127.0.0.1:{}", "nut": "nut:sim@127.0.0.1:{}"}


@pytest.mark.parametrize("kind", NETWORK_DESIGNS)
def test_a_whole_story_of_a_ups_behind_the_network(kind: str) -> None:
    with Simulator(kind, tcp=0) as simulator:
        simulator.control("wander off")
        card = Card(UPS=PORTS[kind].format(simulator.tcp_port), UPS_PROTOCOL=kind)
        for key, value in (("ups.poll.interval", "0.5"), ("ups.nut.user", "one"), ("ups.nut.password", "two")):
            assert card.python("settings", "set", key, value).returncode == 0
        with card:
            story = Story(simulator, card, card.token())
            story.becomes("OL")
            offered = {command.name for command in protocol_named(kind).commands}
            story.outage()
            story.troubles()
            story.tests(offered)
            story.shutdown(offered)


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_whole_story_through_the_api(kind: str, card: Card, token: str) -> None:
    with Simulator(kind, tcp=PORT, baud=0) as simulator:
        simulator.control("wander off")
        assert (
            card.python("settings", "set", "ups.battery.cells", str(simulator.ups.battery.design.cells)).returncode == 0
        )
        story = Story(simulator, card, token)
        name = PROTOCOL_OF.get(kind, kind)
        story.becomes("OL")
        offered = {command.name for command in protocol_named(name).commands}
        assert story.readings()["ups.status"].split()[0] == "OL"
        story.outage()
        story.troubles()
        story.tests(offered)
        story.shutdown(offered)
    until(lambda: "ups.status" not in story.readings(), "the UPS is gone")
