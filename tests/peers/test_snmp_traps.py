"""Net-SNMP's trap daemon receives what the card tells: every trap of RFC 1628, by every version, as trap and as inform."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from card import Card, until
from netsnmp import MANAGERS, V2C, WRITE, TrapDaemon, configure, run, user

pytestmark = [pytest.mark.peer, pytest.mark.timeout(180)]

UPS = "1.3.6.1.2.1.33"
TRAP = f".1.3.6.1.6.3.1.1.4.1.0 = OID: .{UPS}.2"


def recipients(port: int) -> dict[str, str]:
    """One of each kind that can be told."""
    kinds = [("v1", "trap"), ("v2c", "trap"), ("v2c", "inform"), ("v3", "trap"), ("v3", "inform")]
    values = {"snmp.inform.interval": "3", "snmp.inform.retries": "2"}
    for number, (version, kind) in enumerate(kinds, start=1):
        key = f"snmp.trap.{number}"
        values |= {
            f"{key}.address": "127.0.0.1",
            f"{key}.port": str(port),
            f"{key}.version": version,
            f"{key}.type": kind,
        }
        values |= {f"{key}.user": "alice"} if version == "v3" else {f"{key}.community": "public"}
    return values


def test_every_trap_arrives_by_every_version_and_informs_are_acknowledged(tmp_path: Path) -> None:
    engine = "80001f8805" + os.urandom(8).hex()
    with TrapDaemon(tmp_path, engine) as daemon:
        until(daemon.ready, "snmptrapd listens")
        card = Card()
        configure(
            card,
            {**MANAGERS, **user(1, "alice", "sha256", "aes", "read"), **recipients(daemon.port), "snmp.engine": engine},
        )
        with card:
            until(lambda: daemon.said().count("= OID: .1.3.6.1.6.3.1.1.5.1") >= 4, "coldStart by v2c and v3")
            assert "Cold Start Trap (0)" in daemon.said()
            for number in range(1, 6):
                result = card.python("command", "istars.trap.test", f"recipient={number}")
                wanted = "acknowledged" if number in (3, 5) else "trap was sent"
                assert wanted in result.stdout, result.stdout + result.stderr
            card.sim("mains off")
            until(lambda: daemon.said().count(f"{TRAP}.1\t") >= 4, "upsTrapOnBattery by v2c and v3")
            until(lambda: "Enterprise Specific Trap (1)" in daemon.said(), "upsTrapOnBattery by v1")
            assert f".{UPS}.1.2.2.0 = INTEGER: " in daemon.said()
            card.sim("mains on")
            until(lambda: daemon.said().count(f"{TRAP}.4\t") >= 4, "the removal of upsAlarmOnBattery")
            assert f".{UPS}.1.6.2.1.2.1 = OID: .{UPS}.1.6.3.2" in daemon.said()
            card.sim("load 130")
            until(lambda: daemon.said().count(f"{TRAP}.3\t") >= 4, "upsTrapAlarmEntryAdded")
            assert f"OID: .{UPS}.1.6.3.8" in daemon.said()
            card.sim("load 30")
            status, said = run("snmpset", *WRITE, f"{UPS}.1.7.2.0 i 1 {UPS}.1.7.1.0 o {UPS}.1.7.7.4",
                               port=card.environment["SNMP_PORT"])  # fmt: skip
            assert status == 0, said
            until(lambda: daemon.said().count(f"{TRAP}.2\t") >= 4, "upsTrapTestCompleted")
            assert f".{UPS}.1.7.1.0 = OID: .{UPS}.1.7.7.4" in daemon.said()
            status, said = run("snmpget", *V2C, f"{UPS}.1.7.3.0", port=card.environment["SNMP_PORT"])
            assert "No Such Instance" in said, "Q1 has no word for the result of a test"
            assert "TRAP_FAILED" not in {code for _, code in card.events()}


def test_an_inform_that_nobody_answers_is_repeated_and_then_recorded(tmp_path: Path) -> None:
    card = Card()
    configure(card, recipients(9))
    with card:
        until(lambda: ("event", "TRAP_FAILED") in card.events(), "the failure is an event")
        result = card.python("command", "istars.trap.test", "recipient=3")
        assert "no answer after 3 tries" in result.stdout + result.stderr
