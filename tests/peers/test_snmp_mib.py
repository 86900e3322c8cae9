"""The MIB files that ship: clean under libsmi's checker and pysmi's compiler, of one mind with RFC 1628 and what is served."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from card import TREE
from istars.snmp import modules, ownmib, upsmib
from istars.snmp.mibfiles import MIB_FILES
from istars.snmp.oids import ALARM_CONDITIONS, ISTARS, NOTIFICATIONS
from istars.snmp.state import NUMBERS
from pysmi.codegen import JsonCodeGen
from pysmi.compiler import MibCompiler
from pysmi.parser import SmiV2Parser
from pysmi.reader import FileReader
from pysmi.writer import CallbackWriter

pytestmark = pytest.mark.peer

BASE = TREE / "tests" / "fixtures" / "mibs"
FOLDER = TREE / "app" / "istars" / "snmp" / "mibs"
OURS = ownmib.OBJECTS | modules.OBJECTS
REMARKS = {
    "ISTARS-MIB": set(),
    "UPS-MIB": {"group-membership", "notification-not-reversible", "notification-object-access"},
}
"""What the checker says of each. RFC 1628 numbers its traps and binds upsAlarmId as it does; its groups are left out."""
WIRE = {"DisplayString": "OCTETS", "Integer32": "INTEGER", "INTEGER": "INTEGER", "NonNegativeInteger": "INTEGER",
        "PositiveInteger": "INTEGER", "TestAndIncr": "INTEGER", "TimeInterval": "INTEGER", "Counter32": "COUNTER",
        "Gauge32": "GAUGE", "TimeStamp": "TICKS", "AutonomousType": "OID", "OBJECT IDENTIFIER": "OID"}  # fmt: skip
"""Type of the file to its word in rfc1628.csv."""


def smi(*words: str) -> subprocess.CompletedProcess[str]:
    """One of libsmi's programs."""
    environment = {**os.environ, "SMIPATH": str(BASE)}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


def remarks(path: Path) -> set[str]:
    """Kinds of what the checker has to say at its strictest."""
    result = smi("smilint", "-s", "-m", "-l6", str(path))
    lines = (result.stdout + result.stderr).splitlines()
    return {found[1] if (found := re.search(r"\{([a-z0-9-]+)\}", line)) else line for line in lines}


def compiled(name: str) -> dict[str, dict[str, Any]]:
    """What pysmi makes of a module, by the names in it."""
    written: dict[str, str] = {}
    compiler = MibCompiler(
        SmiV2Parser(), JsonCodeGen(), CallbackWriter(lambda name, text, _: written.update({name: text}))
    )
    compiler.add_sources(FileReader(str(BASE)), FileReader(str(FOLDER)))
    assert set(compiler.compile(name, rebuild=True).values()) == {"compiled"}
    return {name: each for name, each in json.loads(written[name]).items() if "oid" in each}


def dotted(oid: tuple[int, ...]) -> str:
    return ".".join(map(str, oid))


def test_every_file_is_offered() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(MIB_FILES) == set(REMARKS)


@pytest.mark.parametrize("name", REMARKS)
def test_the_checker_has_nothing_to_say_but_what_lies_in_rfc_1628(name: str) -> None:
    assert remarks(FOLDER / name) == REMARKS[name]


def test_the_checker_sees_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "ISTARS-MIB"
    text = (FOLDER / "ISTARS-MIB").read_text(encoding="ascii")
    broken.write_text(text.replace("::= { istarsCard 2 }", "::= { istarsCard 1 }"))
    assert "oid-registered" in remarks(broken)


def test_the_ups_mib_is_that_of_rfc_1628_object_by_object() -> None:
    found = compiled("UPS-MIB")
    rows = list(csv.DictReader((BASE / "rfc1628.csv").read_text(encoding="ascii").splitlines()))
    for row in rows:
        each = found[row["name"]]
        assert each["oid"] == row["oid"]
        if row["kind"] == "object":
            assert (each["maxaccess"], WIRE[each["syntax"]["type"]]) == (row["access"], row["syntax"]), row["name"]
        else:
            assert each["class"] == {"alarm": "objectidentity", "trap": "notificationtype"}[row["kind"]]
    readable = {each["oid"] for each in found.values() if each.get("maxaccess", "") in ("read-only", "read-write")}
    assert (
        readable == {row["oid"] for row in rows if row["kind"] == "object"} == {dotted(oid) for oid in upsmib.OBJECTS}
    )


def test_everything_served_stands_in_our_own_file_and_the_other_way_round() -> None:
    found = compiled("ISTARS-MIB")
    numbers = {each["oid"] for each in found.values()}
    assert dotted(ISTARS) in numbers
    assert {each["oid"] for each in found.values() if each.get("maxaccess") == "read-only"} == {
        dotted(oid) for oid in OURS
    }
    assert {dotted((*ALARM_CONDITIONS, number)) for number in NUMBERS.values()} <= numbers
    assert dotted((*NOTIFICATIONS, 1)) in numbers
