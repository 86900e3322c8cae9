"""Network UPS Tools watches the card by SNMP through a whole outage and sees what our API says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from card import Card, free_port, until
from netsnmp import AUTH_WORD, MANAGERS, PRIV_WORD, configure, user

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]

DRIVERS = Path("/lib/nut")
WAYS = {
    "v2c": ("community = public", "snmp_version = v2c"),
    "v3": ("snmp_version = v3", "secLevel = authPriv", "secName = alice", f"authPassword = {AUTH_WORD}",
           f"privPassword = {PRIV_WORD}", "authProtocol = SHA", "privProtocol = AES"),
}  # fmt: skip
SAME = {"battery.charge": 1.0, "input.voltage": 1.0, "output.voltage": 1.0, "battery.voltage": 0.11, "ups.load": 1.0,
        "battery.runtime": 60.0}  # fmt: skip
"""NUT's variables that must equal our readings, with the tolerance of the MIB's units."""


class Watcher:
    """NUT's driver `snmp-ups` on the card, and NUT's server."""

    def __init__(self, folder: Path, card: Card, options: tuple[str, ...]) -> None:
        self.port = free_port()
        self.environment = {
            **os.environ, "NUT_CONFPATH": str(folder), "NUT_STATEPATH": str(folder), "SNMPCONFPATH": str(folder),
            "SNMP_PERSISTENT_DIR": str(folder),
        }  # fmt: skip
        who = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        lines = [
            f"port = 127.0.0.1:{card.environment['SNMP_PORT']}",
            "mibs = ietf",
            "pollinterval = 1",
            "pollfreq = 1",
            *options,
        ]
        (folder / "ups.conf").write_text(
            "maxretry = 3\n[card]\n  driver = snmp-ups\n"
            + "".join(f'  {line.partition(" = ")[0]} = "{line.partition(" = ")[2]}"\n' for line in lines)
        )
        (folder / "upsd.conf").write_text(f"LISTEN 127.0.0.1 {self.port}\n")
        (folder / "upsd.users").write_text("")
        for name in ("ups.conf", "upsd.conf", "upsd.users"):
            (folder / name).chmod(0o600)
        self.log = (folder / "nut.log").open("wb")
        self.processes = [
            subprocess.Popen(words, env=self.environment, stdout=self.log, stderr=self.log)
            for words in (
                [str(DRIVERS / "snmp-ups"), "-a", "card", "-u", who, "-D"],
                [str(DRIVERS / "upsd"), "-u", who, "-D"],
            )
        ]

    def variables(self) -> dict[str, str]:
        """What `upsc` shows; empty while it shows nothing or only what is old."""
        result = subprocess.run(
            ["upsc", f"card@127.0.0.1:{self.port}"], env=self.environment, capture_output=True, text=True, check=False
        )
        pairs = (line.partition(": ") for line in result.stdout.splitlines())
        return {name: value for name, _, value in pairs} if result.returncode == 0 else {}

    def status(self) -> set[str]:
        """The words of ups.status."""
        return set(self.variables().get("ups.status", "").split())

    def close(self) -> None:
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self.log.close()


@pytest.fixture(params=WAYS)
def watched(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Card, Watcher]]:
    card = Card()
    configure(card, {**MANAGERS, **user(1, "alice", "sha", "aes", "read"), "ups.battery.cells": "96"})
    with card:
        card.sim("wander off")
        watcher = Watcher(tmp_path, card, WAYS[request.param])
        try:
            yield card, watcher
        finally:
            watcher.close()


def agree(card: Card, watcher: Watcher, token: str, words: set[str], when: str) -> None:
    """Wait until NUT says `words` of the status, and both say the same of everything."""
    found: dict[str, object] = {}

    def same() -> bool:
        theirs = watcher.variables()
        ours = {
            row["name"]: row["value"] for row in card.get("/api/v1/readings", token)["readings"] if not row["stale"]
        }
        said = set(theirs.get("ups.status", "").split()) & {"OL", "OB", "LB"}
        mine = set(str(ours.get("ups.status")).split()) & {"OL", "OB", "LB"}
        found.clear()
        if said != mine or not words <= said:
            found["ups.status"] = (said, mine)
        for name, tolerance in SAME.items():
            if name in theirs and abs(float(theirs[name]) - float(ours[name])) > tolerance:
                found[name] = (theirs[name], ours[name])
        return bool(theirs) and not found

    try:
        until(same, when)
    except AssertionError as error:
        raise AssertionError(f"{when}, NUT and the card differ: {found}") from error


def test_nut_sees_an_outage_as_our_api_does(watched: tuple[Card, Watcher]) -> None:
    card, watcher = watched
    token = card.token()
    agree(card, watcher, token, {"OL"}, "on mains")
    assert {
        "input.voltage",
        "output.voltage",
        "battery.charge",
        "battery.voltage",
        "ups.load",
        "ups.mfr",
        "ups.model",
    } <= set(watcher.variables())
    card.sim("mains off")
    agree(card, watcher, token, {"OB"}, "on battery")
    charge = float(watcher.variables()["battery.charge"])
    card.sim("speed 30")
    until(lambda: float(watcher.variables().get("battery.charge", charge)) < charge, "the data stay fresh meanwhile")
    card.sim("speed 1")
    card.sim("battery low")
    agree(card, watcher, token, {"OB", "LB"}, "battery low")
    card.sim("mains on")
    card.sim("battery 90")
    agree(card, watcher, token, {"OL"}, "back")
    assert "LB" not in watcher.status()
    card.sim("unplug")
    until(lambda: not watcher.variables(), "NUT says that the data are stale", patience_s=60)
