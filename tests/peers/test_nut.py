"""Network UPS Tools reads the simulated UPS on its pty, the card reads it too: both must see the same.

NUT's drivers were written by others against real UPS units; they are the witness that our simulator speaks Megatec, and our
driver reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from card import Card, free_port, until
from simulators import Simulator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

DRIVERS = Path("/lib/nut")

SAME = {
    "input.voltage": 0.01,
    "input.voltage.nominal": 0.01,
    "input.frequency": 0.01,
    "input.frequency.nominal": 0.01,
    "output.voltage": 0.01,
    "battery.voltage": 0.01,
    "battery.voltage.nominal": 0.01,
    "ups.load": 0.01,
    "ups.temperature": 0.01,
}
"""NUT's variables that must equal our readings of the same name, with the tolerance of the rounding in which NUT shows them.

Not `battery.charge`: where the UPS tells none, NUT takes it from the voltage alone, and the card counts it down and up.
"""


class Nut:
    """One NUT driver on a device, and NUT's server; runs as whoever runs the test."""

    def __init__(self, folder: Path, driver: str, device: Path, *options: str) -> None:
        self.port = free_port()
        self.environment = {**os.environ, "NUT_CONFPATH": str(folder), "NUT_STATEPATH": str(folder)}
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        lines = [f"driver = {driver}", f"port = {device}", "pollinterval = 1", *options]
        (folder / "ups.conf").write_text("maxretry = 3\n[sim]\n" + "".join(f"  {line}\n" for line in lines))
        (folder / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {self.port}\n")
        (folder / "upsd.users").write_text("[admin]\n  password = secret\n  instcmds = ALL\n  actions = SET\n")
        for name in ("upsd.conf", "upsd.users", "ups.conf"):
            (folder / name).chmod(0o600)
        self.log = (folder / "nut.log").open("wb")
        self.processes = [
            subprocess.Popen(words, env=self.environment, stdout=self.log, stderr=self.log)
            for words in (
                [str(DRIVERS / driver), "-a", "sim", "-u", user, "-D"],
                [str(DRIVERS / "upsd"), "-u", user, "-D"],
            )
        ]

    def variables(self) -> dict[str, str]:
        """What `upsc` shows; empty while it shows nothing."""
        result = subprocess.run(
            ["upsc", f"sim@127.0.0.1:{self.port}"], env=self.environment, capture_output=True, text=True, check=False
        )
        pairs = (line.partition(": ") for line in result.stdout.splitlines())
        return {name: value for name, _, value in pairs} if result.returncode == 0 else {}

    def ready(self) -> bool:
        """Whether the server has everything from the driver: its variables and its commands arrive one after another."""
        listed = subprocess.run(
            ["upscmd", "-l", f"sim@127.0.0.1:{self.port}"],
            env=self.environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return {"ups.status", "ups.beeper.status", "battery.voltage"} <= self.variables().keys() and all(
            name in listed.stdout for name in ("beeper.toggle", "test.battery.start.quick", "shutdown.return")
        )

    def command(self, *words: str) -> None:
        """`upscmd`, which waits until the driver has carried it out."""
        result = subprocess.run(
            ["upscmd", "-w", "-u", "admin", "-p", "secret", f"sim@127.0.0.1:{self.port}", *words],
            env=self.environment, capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout + result.stderr

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self.log.close()


@contextlib.contextmanager
def nut_and_card(
    folder: Path, kind: str, driver: str, *options: str, **card_settings: str
) -> Iterator[tuple[Simulator, Nut, Card]]:
    """NUT on the simulator's pty, the card on its TCP port."""
    with Simulator(kind, link=folder / "ups", tcp=0) as simulator:
        simulator.control("wander off")
        card = Card(UPS=f"tcp:127.0.0.1:{simulator.tcp_port}", UPS_PROTOCOL="megatec")
        for name, value in card_settings.items():
            assert card.python("settings", "set", name.replace("_", "."), value).returncode == 0
        nut = Nut(folder, driver, folder / "ups", *options)
        try:
            with card:
                until(nut.ready, "NUT knows the UPS")
                yield simulator, nut, card
        finally:
            nut.close()


def differences(nut: Nut, card: Card, token: str, without: set[str]) -> dict[str, tuple[str, object]]:
    """Variables of NUT that differ from the card's API."""
    ours = {row["name"]: row["value"] for row in card.get("/api/v1/readings", token)["readings"] if not row["stale"]}
    found: dict[str, tuple[str, object]] = {}
    theirs = nut.variables()
    for name, tolerance in SAME.items():
        if name in theirs and name not in without:
            value = ours.get(name)
            if not isinstance(value, int | float) or abs(float(theirs[name]) - value) > tolerance:
                found[name] = (theirs[name], value)
    for token_word in ("OL", "OB", "LB"):
        if (token_word in theirs.get("ups.status", "").split()) != (token_word in str(ours.get("ups.status")).split()):
            found["ups.status"] = (theirs.get("ups.status", ""), ours.get("ups.status"))
    return found


def agree(nut: Nut, card: Card, token: str, without: set[str], when: str) -> None:
    """Wait until NUT and the card show the same, at one moment between two polls of both."""
    found: dict[str, tuple[str, object]] = {}

    def same() -> bool:
        nonlocal found
        found = differences(nut, card, token, without)
        return not found

    try:
        until(same, when)
    except AssertionError as error:
        raise AssertionError(f"{when}, NUT and the card differ: {found}") from error


def truth(simulator: Simulator) -> dict[str, object]:
    state: dict[str, object] = json.loads(simulator.control("status"))
    return state


CASES = {
    "nutdrv_qx-interactive": ("megatec-interactive", "nutdrv_qx", ["protocol = megatec", "pollfreq = 1"], {}, set()),
    "blazer_ser-interactive": ("megatec-interactive", "blazer_ser", [], {}, set()),
    # NUT guesses the blocks of an online unit, and with them its voltage; the card multiplies by the owner's cells.
    "nutdrv_qx-online": (
        "megatec", "nutdrv_qx", ["protocol = megatec", "pollfreq = 1"], {"ups_battery_cells": "96"},
        {"battery.voltage"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_nut_and_the_card_show_the_same_through_an_outage(case: str, tmp_path: Path) -> None:
    kind, driver, options, settings, without = CASES[case]
    with nut_and_card(tmp_path, kind, driver, *options, **settings) as (simulator, nut, card):
        token = card.token()
        agree(nut, card, token, without, "on mains")
        shared = set(nut.variables()) & set(SAME)
        assert {"input.voltage", "output.voltage", "ups.load", "battery.voltage", "ups.temperature"} <= shared
        assert card.values()["battery.voltage"] == pytest.approx(truth(simulator)["battery_v"], abs=0.5)
        simulator.control("load 70")
        simulator.control("mains off")
        until(lambda: "OB" in nut.variables().get("ups.status", ""), "NUT sees the outage")
        agree(nut, card, token, without, "on battery")
        simulator.control("battery low")
        until(lambda: "LB" in nut.variables().get("ups.status", ""), "NUT sees the low battery")
        agree(nut, card, token, without, "at low battery")
        simulator.control("mains on")
        simulator.control("battery 100")
        until(lambda: nut.variables().get("ups.status", "").split()[:1] == ["OL"], "NUT sees mains")
        agree(nut, card, token, without, "after the outage")


def test_commands_of_nut_act_on_the_simulator_and_the_card_sees_it(tmp_path: Path) -> None:
    with nut_and_card(tmp_path, "megatec-interactive", "nutdrv_qx", "protocol = megatec", "pollfreq = 1") as (
        simulator,
        nut,
        card,
    ):
        beeper = card.values()["ups.beeper.status"]
        nut.command("beeper.toggle")
        until(lambda: card.values()["ups.beeper.status"] != beeper, "the buzzer")
        nut.command("test.battery.start.quick")
        until(lambda: "TEST" in str(card.values()["ups.status"]), "the test")
        until(lambda: card.alarms() == {"TEST_RUNNING"}, "its alarm")
        nut.command("test.battery.stop")
        until(lambda: "TEST" not in str(card.values()["ups.status"]), "the end of the test")
        nut.command("shutdown.return")
        until(lambda: "SHUTDOWN_PENDING" in card.alarms(), "the countdown")
        nut.command("shutdown.stop")
        until(lambda: card.alarms() == set(), "it is cancelled")
        assert truth(simulator)["shutdown_in_s"] is None


def test_commands_of_the_card_act_and_nut_sees_it(tmp_path: Path) -> None:
    with nut_and_card(tmp_path, "megatec-interactive", "nutdrv_qx", "protocol = megatec", "pollfreq = 1") as (
        simulator,
        nut,
        card,
    ):
        beeper = nut.variables()["ups.beeper.status"]
        assert card.python("command", "beeper.toggle").stdout.startswith("done: ")
        until(lambda: nut.variables().get("ups.beeper.status", beeper) != beeper, "NUT sees the buzzer")
        assert card.python("command", "test.battery.start.quick").returncode == 0
        until(lambda: "CAL" in nut.variables().get("ups.status", ""), "NUT sees the test")
        assert card.python("command", "test.battery.stop").returncode == 0
        result = card.python("command", "shutdown.return", "delay_s=3600")
        assert result.returncode == 1
        assert "delay_s" in result.stdout
        assert card.python("command", "shutdown.return", "delay_s=12").returncode == 0
        assert float(str(truth(simulator)["shutdown_in_s"])) <= 12
        simulator.control("mains off")
        simulator.control("speed 20")
        until(lambda: truth(simulator)["output_v"] == 0, "the load loses power")
        until(lambda: "OUTPUT_OFF" in card.alarms(), "the card sees it")
        simulator.control("mains on")
        until(lambda: truth(simulator)["output_v"] != 0, "the load has power again")
        until(lambda: "OUTPUT_OFF" not in card.alarms(), "the card sees that too")
        codes = [code for _, code in card.events()]
        assert codes.count("COMMAND_DONE") == 4
        assert codes.count("COMMAND_FAILED") == 1
