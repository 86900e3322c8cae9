"""Net-SNMP's tools ask the whole card: every group, every version, every pair of authentication and privacy.

All of them share one card; a test that changes its settings puts them back.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest
from card import Card, until
from netsnmp import AUTHS, MANAGERS, PRIVS, V2C, WRITE, configure, rows, run, user, v3
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto.api import v2c

pytestmark = [pytest.mark.peer, pytest.mark.timeout(240)]

UPS = "1.3.6.1.2.1.33"
SYSTEM = "1.3.6.1.2.1.1"
NAME = f"{SYSTEM}.5.0"
OURS = "1.3.6.1.4.1.8072.9999.9999.1628"
STATS = "1.3.6.1.6.3.15.1.1"
GROUPS = (SYSTEM, "1.3.6.1.2.1.2", "1.3.6.1.2.1.11", f"{UPS}.1", OURS, "1.3.6.1.6.3.10.2.1", STATS)
MOVING = re.compile(r"Timeticks|Counter32|\.8072\.9999\.9999\.1628\.1\.(2\.1\.7|4\.1\.2|1\.)|\.6\.3\.10\.2\.1\.3\.")
SECURE = v3("alice", "sha256", "aes")
READING = {"v1": ("-v1", "-c", "public"), "v2c": V2C, "v3": SECURE}
WRITING = {"v1": ("-v1", "-c", "private"), "v2c": WRITE, "v3": SECURE}
PEOPLE = {
    **user(1, "alice", "sha256", "aes"),
    **user(2, "bob", "none", "none", "read"),
    **user(3, "carol", "sha", "none", "read"),
}
AT_ONCE = 100
"""Names in one snmpget; it takes 128."""


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """A card that runs, with managers, users, and a load that stands still."""
    found = Card()
    configure(found, {**MANAGERS, **PEOPLE})
    with found:
        found.sim("wander off")
        yield found


def ask(card: Card, program: str, *words: str, mib: str = "") -> str:
    """What a tool says; it must succeed."""
    status, said = run(program, *words, port=card.environment["SNMP_PORT"], mib=mib)
    assert status == 0, said
    return said


def refused(card: Card, program: str, *words: str, patience_s: float = 10) -> str:
    """What a tool says that must not succeed."""
    status, said = run(program, *words, port=card.environment["SNMP_PORT"], patience_s=patience_s)
    assert status != 0, said
    return said


def standing(said: str) -> dict[str, str]:
    """Rows but those that move by themselves."""
    return {name: value for name, value in rows(said).items() if not MOVING.search(f".{name} {value}")}


def counted(card: Card) -> dict[int, int]:
    """How often users of SNMPv3 were refused, by the number below usmStats."""
    return {
        int(name.split(".")[-2]): int(value.split()[-1])
        for name, value in rows(ask(card, "snmpwalk", *V2C, STATS)).items()
    }


@pytest.mark.parametrize("group", GROUPS)
def test_every_way_to_read_shows_the_same(card: Card, group: str) -> None:
    def ways() -> list[dict[str, str]]:
        found = [
            standing(ask(card, program, *words, group))
            for program, words in (
                ("snmpwalk", READING["v1"]), ("snmpwalk", V2C), ("snmpbulkwalk", (*V2C, "-Cr25")),
                ("snmpwalk", SECURE), ("snmpbulkwalk", (*SECURE, "-Cr25")), ("snmpbulkwalk", v3("bob", "none", "none")),
            )
        ]  # fmt: skip
        names = list(found[0])
        for words in READING.values():
            parts = (names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE))
            found.append(standing("\n".join(run("snmpget", *words, " ".join(part), port=card.environment["SNMP_PORT"])[1]
                                            for part in parts)))  # fmt: skip
        return found

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
    people = {
        key: value
        for number, priv in enumerate(pairs, start=2)
        for key, value in user(number, f"{auth}-{priv}", auth, priv).items()
    }
    configure(card, {**people, "snmp.des": "on"})
    last = v3(f"{auth}-{pairs[-1]}", auth, pairs[-1])
    until(
        lambda: run("snmpget", *last, NAME, port=card.environment["SNMP_PORT"], patience_s=1)[0] == 0, "they are served"
    )
    for priv in pairs:
        assert "STRING" in ask(card, "snmpbulkwalk", *v3(f"{auth}-{priv}", auth, priv), SYSTEM)
    assert "UPS-X" in ask(card, "snmpset", *v3(f"{auth}-aes", auth, "aes"), f"{NAME} s UPS-X")


def test_who_is_not_known_is_told_as_the_rfcs_say(card: Card) -> None:
    configure(card, PEOPLE)
    port = card.environment["SNMP_PORT"]
    until(lambda: run("snmpget", *v3("carol", "sha", "none"), NAME, port=port)[0] == 0, "carol is served")
    before = counted(card)

    def told(*words: str) -> str:
        return refused(card, "snmpget", *words, NAME)

    assert "Unknown user name" in told(*v3("nobody", "sha256", "aes"))
    wrong = (*SECURE, "-A", "other words than those")
    assert "Authentication failure (incorrect password, community or key)" in told(*wrong)
    assert "Authentication failure" in told(*v3("alice", "sha", "aes")), "a digest of another length"
    assert "Unsupported security level" in told(*v3("carol", "sha", "aes"))
    assert "Unsupported security level" in told(*v3("alice", "none", "none")), "less than was agreed"
    assert "Bad context" in told("-n", "elsewhere", *SECURE)
    assert "authorizationError" in refused(card, "snmpset", *v3("carol", "sha", "none"), f"{NAME} s x")
    after = counted(card)
    assert all(after[number] > before[number] for number in (1, 3, 4, 5))
    # with a time of its own the tool is told that it is not in the window, and corrects itself by what the report says
    engine = re.search(r"Hex-STRING: ([0-9A-F ]+)", ask(card, "snmpget", "-Ox", *SECURE, "1.3.6.1.6.3.10.2.1.1.0"))
    assert engine is not None
    assert "STRING" in ask(card, "snmpget", "-e", "0x" + engine[1].replace(" ", ""), "-Z", "1,99999", *SECURE, NAME)
    assert counted(card)[2] > after[2]


def test_who_is_not_on_the_list_gets_no_answer(card: Card) -> None:
    configure(card, {"snmp.manager.1.addresses": "192.0.2.0/24"})
    port = card.environment["SNMP_PORT"]
    until(lambda: run("snmpget", *V2C, NAME, port=port, patience_s=0.5)[0] != 0, "the list is in force")
    assert "Timeout" in refused(card, "snmpget", *V2C, NAME, patience_s=1)
    assert "Timeout" in refused(card, "snmpget", "-v2c", "-c", "wrong", NAME, patience_s=1)
    assert "STRING" in ask(card, "snmpget", *WRITE, NAME)
    configure(card, {"snmp.manager.1.addresses": "127.0.0.1"})
    until(lambda: run("snmpget", *V2C, NAME, port=port, patience_s=0.5)[0] == 0, "the list is in force again")


def table(card: Card, words: tuple[str, ...], name: str) -> dict[str, dict[str, str]]:
    """A table by its index, as snmptable draws it."""
    said = ask(card, "snmptable", *words, "-Ci", "-Cf", ";", name, mib=name.partition("::")[0])
    lines = [line.split(";") for line in said.splitlines() if line.count(";") > 1]
    return {line[0].strip("'\""): dict(zip(lines[0], line, strict=True)) for line in lines[1:]}


@pytest.mark.parametrize("version", READING)
def test_a_table_is_a_table(card: Card, version: str) -> None:
    words = READING[version]
    voltage = table(card, words, "ISTARS-MIB::istarsReadingTable")["input.voltage"]
    assert voltage["istarsReadingState"].startswith(("1", "current"))
    said = float(card.values()["input.voltage"])
    assert float(voltage["istarsReadingValue"]) == pytest.approx(said)
    assert table(card, words, "UPS-MIB::upsInputTable")["1"]["upsInputVoltage"].split()[0] == str(round(said))
    load = table(card, words, "UPS-MIB::upsOutputTable")["1"]["upsOutputPercentLoad"]
    assert load == f"{round(float(card.values()['ups.load']))} percent"
    assert {"snmpd", "upslink", "core"} <= set(table(card, words, "ISTARS-MIB::istarsWorkerTable"))


def test_tables_that_are_empty_are_empty_until_there_is_something(card: Card) -> None:
    for name in ("UPS-MIB::upsBypassTable", "ISTARS-MIB::istarsSensorTable", "ISTARS-MIB::istarsBatteryTable",
                 "ISTARS-MIB::istarsPeerTable"):  # fmt: skip
        assert (
            "No entries"
            in run("snmptable", *V2C, name, port=card.environment["SNMP_PORT"], mib=name.partition("::")[0])[1]
        )
    card.sim("mains off")
    until(lambda: "ON_BATTERY" in card.alarms(), "there is an alarm")
    found = until(lambda: table(card, V2C, "UPS-MIB::upsAlarmTable"), "it has a row")
    number = next(number for number, row in found.items() if row["upsAlarmDescr"].endswith("upsAlarmOnBattery"))
    assert table(card, V2C, "ISTARS-MIB::istarsAlarmTable")[number]["istarsAlarmCode"].strip('"') == "ON_BATTERY"
    card.sim("mains on")
    until(lambda: "ON_BATTERY" not in card.alarms(), "it is over")


def test_what_does_not_fit_is_too_big(card: Card) -> None:
    """Asked by pysnmp: snmpget takes 128 names at most, whose values always fit."""
    name = f"{OURS}.1.2.1.3." + ".".join(str(octet) for octet in b"istars.link.protocols")
    longest = len(rows(ask(card, "snmpget", *V2C, name))[name])

    def get(count: int) -> tuple[str, int]:
        asked, whole = v2c.GetRequestPDU(), v2c.Message()
        v2c.apiPDU.set_defaults(asked)
        v2c.apiPDU.set_varbinds(asked, [(name, v2c.Null(""))] * count)
        v2c.apiMessage.set_defaults(whole)
        v2c.apiMessage.set_community(whole, "public")
        v2c.apiMessage.set_pdu(whole, asked)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            sock.sendto(encoder.encode(whole), ("127.0.0.1", int(card.environment["SNMP_PORT"])))
            answer = v2c.apiMessage.get_pdu(decoder.decode(sock.recv(65_535), asn1Spec=v2c.Message())[0])
        return v2c.apiPDU.get_error_status(answer).prettyPrint(), len(v2c.apiPDU.get_varbinds(answer))

    assert get(40_000 // longest) == ("noError", 40_000 // longest)
    assert get(70_000 // longest) == ("tooBig", 0)


@pytest.mark.parametrize("version", WRITING)
def test_every_kind_of_object_that_may_be_written_is(card: Card, version: str) -> None:
    words = WRITING[version]
    for name in (f"{SYSTEM}.4.0", NAME, f"{SYSTEM}.6.0", f"{UPS}.1.1.5.0", f"{UPS}.1.1.6.0"):
        assert f'"by-{version}"' in ask(card, "snmpset", *words, f"{name} s by-{version}")
        assert f'"by-{version}"' in ask(card, "snmpget", *words, name)
    for name, number in ((f"{UPS}.1.9.7.0", 7), (f"{UPS}.1.8.1.0", 1), (f"{UPS}.1.8.5.0", 2), (f"{UPS}.1.8.5.0", 1)):
        assert f"INTEGER: {number}" in ask(card, "snmpset", *words, f"{name} i {number}")
        assert f"INTEGER: {number}" in ask(card, "snmpget", *words, name)


def test_a_write_is_a_command_with_its_result(card: Card) -> None:
    assert "INTEGER: 600" in ask(card, "snmpset", *WRITE, f"{UPS}.1.8.2.0 i 600")
    until(lambda: "SHUTDOWN_PENDING" in card.alarms(), "the UPS counts down")
    assert "commitFailed" in refused(card, "snmpset", *WRITE, f"{UPS}.1.8.2.0 i 3"), (
        "this UPS cannot do it in 3 seconds"
    )
    ask(card, "snmpset", *WRITE, f"{UPS}.1.8.2.0 i -1")
    until(lambda: "SHUTDOWN_PENDING" not in card.alarms(), "the countdown is over")
    for words, error, old in (
        (f"{UPS}.1.8.2.0 s soon", "wrongType", "badValue"), (f"{UPS}.1.8.4.0 i 301", "wrongValue", "badValue"),
        (f"{UPS}.1.2.5.0 i 1", "notWritable", "noSuchName"), (f"{UPS}.1.9.5.0 i 1", "notWritable", "noSuchName"),
        (f"{UPS}.1.9.3.0 i 110", "inconsistentValue", "badValue"), (f"{UPS}.1.8.1.0 i 2", "wrongValue", "badValue"),
        (f"{UPS}.1.7.1.0 o {UPS}.1.7.7.4", "inconsistentValue", "badValue"),
        (f"{UPS}.1.7.2.0 i 0 {UPS}.1.7.1.0 o {UPS}.1.7.7.4", "inconsistentValue", "badValue"),
        (f"{UPS}.1.1.5.0 s {'x' * 64}", "wrongLength", "badValue"),
    ):  # fmt: skip
        assert error in refused(card, "snmpset", *WRITE, words)
        assert error in refused(card, "snmpset", *SECURE, words)
        assert old in refused(card, "snmpset", *WRITING["v1"], words)
    assert "noAccess" in refused(card, "snmpset", *V2C, f"{NAME} s x")
