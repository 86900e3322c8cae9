"""Net-SNMP's tools ask the whole card: every group, every version, every pair of authentication and privacy."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from card import Card, until
from netsnmp import AUTHS, MANAGERS, PRIVS, V2C, WRITE, configure, rows, run, user, v3

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]

UPS = "1.3.6.1.2.1.33"
NAME = "1.3.6.1.2.1.1.5.0"
GROUPS = ("1.3.6.1.2.1.1", "1.3.6.1.2.1.2", "1.3.6.1.2.1.11", f"{UPS}.1", "1.3.6.1.4.1.8072.9999.9999.1628",
          "1.3.6.1.6.3.10.2.1", "1.3.6.1.6.3.15.1.1")  # fmt: skip
MOVING = re.compile(r"Timeticks|Counter32|\.8072\.9999\.9999\.1628\.1\.(2\.1\.7|4\.1\.2|1\.)|\.6\.3\.10\.2\.1\.3\.")


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card that runs, with managers, a user, and a load that stands still."""
    found = Card()
    configure(found, {**MANAGERS, **user(1, "alice", "sha256", "aes"), **user(2, "bob", "none", "none", "read")})
    with found:
        found.sim("wander off")
        yield found


def ask(card: Card, program: str, *words: str) -> str:
    """What a tool says; it must succeed."""
    status, said = run(program, *words, port=card.environment["SNMP_PORT"])
    assert status == 0, said
    return said


def standing(said: str) -> dict[str, str]:
    """Rows but those that move by themselves."""
    return {name: value for name, value in rows(said).items() if not MOVING.search(f".{name} {value}")}


@pytest.mark.parametrize("group", GROUPS)
def test_every_way_to_walk_shows_the_same(card: Card, group: str) -> None:
    secure = v3("alice", "sha256", "aes")

    def ways() -> list[dict[str, str]]:
        return [
            standing(ask(card, program, *words, group))
            for program, words in (
                ("snmpwalk", ("-v1", "-c", "public")), ("snmpwalk", V2C), ("snmpbulkwalk", (*V2C, "-Cr25")),
                ("snmpwalk", secure), ("snmpbulkwalk", (*secure, "-Cr25")), ("snmpbulkwalk", v3("bob", "none", "none")),
            )
        ]  # fmt: skip

    found: list[dict[str, str]] = []

    def same() -> bool:
        found[:] = ways()
        return all(each == found[0] for each in found)

    until(same, f"all ways agree about {group}")
    assert len(rows(ask(card, "snmpbulkwalk", *V2C, group))) >= 4


def test_a_walk_of_everything_is_in_order_and_ends(card: Card) -> None:
    said = ask(card, "snmpwalk", "-v2c", "-c", "public", "1.3.6.1")
    names = [tuple(map(int, name.split("."))) for name in rows(said)]
    assert names == sorted(names)
    assert "No more variables left in this MIB View" in said
    assert "End of MIB" in run("snmpwalk", "-v1", "-c", "public", "1.3.6.1", port=card.environment["SNMP_PORT"])[1]


@pytest.mark.parametrize("auth", AUTHS)
def test_every_pair_of_authentication_and_privacy_is_spoken(card: Card, auth: str) -> None:
    pairs = ["none", *PRIVS]
    for number, priv in enumerate(pairs, start=1):
        configure(card, {**user(number, f"{auth}-{priv}", auth, priv), "snmp.des": "on"})
    until(lambda: "not served" not in card.said().rsplit("WARNING", 1)[-1], "the users are served")
    for priv in pairs:
        who = v3(f"{auth}-{priv}", auth, priv)
        until(lambda who=who: run("snmpget", *who, NAME, port=card.environment["SNMP_PORT"])[0] == 0, f"{auth} {priv}")
        assert "STRING" in ask(card, "snmpbulkwalk", *who, "1.3.6.1.2.1.1")
    assert "UPS-X" in ask(card, "snmpset", *v3(f"{auth}-aes", auth, "aes"), f"{NAME} s UPS-X")


def test_who_is_not_known_is_told_as_the_rfcs_say(card: Card) -> None:
    configure(card, {**user(1, "alice", "sha256", "aes"), **user(2, "carol", "sha", "none", "read")})
    port = card.environment["SNMP_PORT"]
    until(lambda: run("snmpget", *v3("carol", "sha", "none"), NAME, port=port)[0] == 0, "carol is served")

    def told(*words: str) -> str:
        status, said = run("snmpget", *words, NAME, port=port, patience_s=3)
        assert status != 0
        return said

    assert "Unknown user name" in told(*v3("nobody", "sha256", "aes"))
    assert "Authentication failure" in told(*v3("alice", "sha", "aes"))
    assert "Unsupported security level" in told(*v3("carol", "sha", "aes"))
    assert "Unsupported security level" in told(*v3("alice", "none", "none")), "less than was agreed"
    assert "Bad context" in told("-n", "elsewhere", *v3("alice", "sha256", "aes"))
    _, said = run("snmpset", *v3("carol", "sha", "none"), f"{NAME} s x", port=port)
    assert "authorizationError" in said
    counted = rows(ask(card, "snmpwalk", *V2C, "1.3.6.1.6.3.15.1.1"))
    assert all(int(counted[f"1.3.6.1.6.3.15.1.1.{number}.0"].split()[-1]) for number in (1, 3, 4, 5))


def test_who_is_not_on_the_list_gets_no_answer(card: Card) -> None:
    configure(card, {"snmp.manager.1.addresses": "192.0.2.0/24"})
    port = card.environment["SNMP_PORT"]
    until(lambda: run("snmpget", *V2C, NAME, port=port, patience_s=0.5)[0] != 0, "the list is in force")
    status, said = run("snmpget", *V2C, NAME, port=port, patience_s=1)
    assert (status, "Timeout" in said) == (1, True)
    assert "Timeout" in run("snmpget", "-v2c", "-c", "wrong", NAME, port=port, patience_s=1)[1]
    assert run("snmpget", *WRITE, NAME, port=port)[0] == 0
    configure(card, {"snmp.manager.1.addresses": "127.0.0.1"})
    until(lambda: run("snmpget", *V2C, NAME, port=port, patience_s=0.5)[0] == 0, "the list is in force again")


def test_a_table_is_a_table(card: Card) -> None:
    words = (*V2C, "-Ci", "-Cf", ";", "ISTARS-MIB::istarsReadingTable")
    status, said = run("snmptable", *words, port=card.environment["SNMP_PORT"], mib="ISTARS-MIB")
    assert status == 0, said
    lines = [line.split(";") for line in said.splitlines() if line.count(";") > 4]
    head, table = lines[0], {line[0]: dict(zip(lines[0], line, strict=True)) for line in lines[1:]}
    assert {"istarsReadingLabel", "istarsReadingValue", "istarsReadingState"} <= set(head)
    voltage = next(row for name, row in table.items() if name.strip("'\"") == "input.voltage")
    assert voltage["istarsReadingState"].startswith(("1", "current"))
    assert float(voltage["istarsReadingValue"]) == pytest.approx(float(card.values()["input.voltage"]))


def test_a_write_is_a_command_with_its_result(card: Card) -> None:
    port = card.environment["SNMP_PORT"]
    assert "INTEGER: 600" in ask(card, "snmpset", *WRITE, f"{UPS}.1.8.2.0 i 600")
    until(lambda: "SHUTDOWN_PENDING" in card.alarms(), "the UPS counts down")
    _, said = run("snmpset", *WRITE, f"{UPS}.1.8.2.0 i 3", port=port)
    assert "commitFailed" in said, "this UPS cannot do it in 3 seconds"
    ask(card, "snmpset", *WRITE, f"{UPS}.1.8.2.0 i -1")
    until(lambda: "SHUTDOWN_PENDING" not in card.alarms(), "the countdown is over")
    for words, error in (
        (f"{UPS}.1.8.2.0 s soon", "wrongType"), (f"{UPS}.1.8.4.0 i 301", "wrongValue"),
        (f"{UPS}.1.2.5.0 i 1", "notWritable"), (f"{UPS}.1.7.1.0 o {UPS}.1.7.7.4", "inconsistentValue"),
    ):  # fmt: skip
        assert error in run("snmpset", *WRITE, words, port=port)[1]
    assert "noAccess" in run("snmpset", *V2C, f"{NAME} s x", port=port)[1]
