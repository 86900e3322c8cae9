"""Net-SNMP's trap daemon receives what the card tells: every trap of RFC 1628, by every version, as trap and as inform."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from card import Card, free_port, until
from netsnmp import MANAGERS, V2C, WRITE, TrapDaemon, configure, run, user, v3

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]

UPS = "1.3.6.1.2.1.33"
ON_BATTERY, TEST_COMPLETED, ADDED, REMOVED = (f"{UPS}.2.{number}" for number in (1, 2, 3, 4))
COLD_START, WARM_START = "1.3.6.1.6.3.1.1.5.1", "1.3.6.1.6.3.1.1.5.2"
TEST = "1.3.6.1.4.1.8072.9999.9999.1628.2.0.1"
BOOTS = "1.3.6.1.6.3.10.2.1.2.0"


def alarm(number: int) -> str:
    """A well-known alarm as the daemon writes it."""
    return f"OID: .{UPS}.1.6.3.{number}"


def recipients(*ports: int, interval: int = 5, retries: int = 3) -> dict[str, str]:
    """One of each kind that can be told at the first port; at each further port an inform by v2c."""
    kinds = [("v1", "trap"), ("v2c", "trap"), ("v2c", "inform"), ("v3", "trap"), ("v3", "inform")]
    values = {"snmp.inform.interval": str(interval), "snmp.inform.retries": str(retries)}
    places = [(ports[0], *kind) for kind in kinds] + [(port, "v2c", "inform") for port in ports[1:]]
    for number, (port, version, kind) in enumerate(places, start=1):
        key = f"snmp.trap.{number}"
        values |= {
            f"{key}.address": "127.0.0.1",
            f"{key}.port": f"{port}",
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
        # patience for a machine that is slow: nobody may give up an inform that the daemon has not answered yet
        options = recipients(daemon.port, interval=10, retries=10)
        configure(card, {**MANAGERS, **user(1, "alice", "sha256", "aes", "read"), **options, "snmp.engine": engine})
        with card:

            def told(trap: str, what: str, *values: str) -> list[dict[str, str]]:
                """By v2c and v3, as trap and as inform."""
                bound = {f"value{index}": value for index, value in enumerate(values)}
                return until(lambda: found if len(found := daemon.notices(trap, **bound)) >= 4 else [], what)

            told(COLD_START, "coldStart")
            until(lambda: "Cold Start Trap (0)" in daemon.said(), "coldStart by v1")
            for number in range(1, 6):
                result = card.python("command", "istars.trap.test", f"recipient={number}")
                wanted = "acknowledged" if number in (3, 5) else "trap was sent"
                assert wanted in result.stdout, result.stdout + result.stderr
            told(TEST, "the tests")
            status, said = run("snmpset", *WRITE, f"{UPS}.1.7.2.0 i 1 {UPS}.1.7.1.0 o {UPS}.1.7.7.4",
                               port=card.environment["SNMP_PORT"])  # fmt: skip
            assert status == 0, said
            names = set(told(TEST_COMPLETED, "upsTrapTestCompleted", f"OID: .{UPS}.1.7.7.4")[0])
            assert {f".{UPS}.1.7.{number}.0" for number in (1, 2, 4, 5, 6)} <= names
            status, said = run("snmpget", *V2C, f"{UPS}.1.7.3.0", port=card.environment["SNMP_PORT"])
            assert "No Such Instance" in said, "Q1 has no word for the result of a test"
            card.sim("mains off")
            names = set(told(ON_BATTERY, "upsTrapOnBattery")[0])
            assert {f".{UPS}.1.2.2.0", f".{UPS}.1.9.7.0"} <= names, "Q1 does not tell the time that is left"
            until(lambda: "Enterprise Specific Trap (1)" in daemon.said(), "upsTrapOnBattery by v1")
            card.sim("battery low")
            added = told(ADDED, "upsAlarmLowBattery", alarm(3))[0]
            number = next(value for name, value in added.items() if name.startswith(f".{UPS}.1.6.2.1.1."))
            assert number == f"INTEGER: {next(name for name in added if UPS + '.1.6.2.1.2.' in name).split('.')[-1]}"
            card.sim("battery 100")
            card.sim("mains on")
            told(REMOVED, "the removal of upsAlarmLowBattery", alarm(3))
            told(REMOVED, "the removal of upsAlarmOnBattery", alarm(2))
            assert not daemon.notices(ADDED, descr=alarm(2)), "its insertion has a trap of its own"
            assert "TRAP_FAILED" not in {code for _, code in card.events()}
            assert {f"istars.snmp.trap.{number}.state" for number in range(1, 6)} <= set(card.values())


def boots(card: Card) -> int:
    """How often the engine has started, as a user of SNMPv3 is told."""
    status, said = run("snmpget", *v3("alice", "sha256", "aes"), BOOTS, port=card.environment["SNMP_PORT"])
    assert status == 0, said
    return int(said.split()[-1])


def answers(card: Card) -> bool:
    """Whether a user of SNMPv3 is answered."""
    return (
        run("snmpget", *v3("alice", "sha256", "aes"), BOOTS, port=card.environment["SNMP_PORT"], patience_s=1)[0] == 0
    )


def test_a_killed_agent_comes_back_and_loses_no_inform_and_what_is_lost_is_recorded(tmp_path: Path) -> None:
    late = free_port()
    for name in ("present", "late"):
        (tmp_path / name).mkdir()
    with TrapDaemon(tmp_path / "present") as present:
        until(present.ready, "snmptrapd listens")
        card = Card()
        configure(
            card,
            {
                **MANAGERS,
                **user(1, "alice", "sha256", "aes", "read"),
                **recipients(present.port, late, interval=2, retries=10),
            },
        )
        with card:
            until(lambda: answers(card), "the agent answers")
            before, pid = boots(card), card.programs()["snmpd"]
            card.sim("mains off")
            card.sim("battery low")
            until(lambda: present.notices(ADDED, descr=alarm(3)), "those who listen are told")
            os.kill(pid, signal.SIGKILL)
            until(lambda: card.programs().get("snmpd", pid) != pid and answers(card), "the agent is back")
            assert boots(card) == before + 1, "times of an earlier run are not believed any more"
            until(lambda: present.notices(WARM_START), "and says so")
            with TrapDaemon(tmp_path / "late", port=late) as daemon:
                until(
                    lambda: daemon.notices(ADDED, descr=alarm(3)),
                    "what was on its way arrives at who was not there before",
                )
                until(lambda: daemon.notices(WARM_START), "and what came afterwards")
                state = "istars.snmp.trap.6.state"
                until(lambda: card.values().get(state) == "acknowledged", "the last one is acknowledged")
            assert ("event", "TRAP_FAILED") not in card.events()
            # now that nobody listens there any more
            configure(card, {"snmp.inform.interval": "1", "snmp.inform.retries": "2"})
            result = card.python("command", "istars.trap.test", "recipient=6")
            assert "no answer after 3 tries" in result.stdout + result.stderr
            until(lambda: card.values().get(state) == "failing", "its state says so")
            card.sim("battery 100")
            card.sim("mains on")
            until(lambda: ("event", "TRAP_FAILED") in card.events(), "an inform that was lost is an event")
