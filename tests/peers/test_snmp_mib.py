"""The MIB file that ships: clean under libsmi's checker and pysmi's compiler, and of one mind with what is served."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from card import TREE
from istars.snmp import modules, ownmib
from istars.snmp.oids import ALARM_CONDITIONS, ISTARS, NOTIFICATIONS
from istars.snmp.state import NUMBERS
from pysmi.codegen import JsonCodeGen
from pysmi.compiler import MibCompiler
from pysmi.parser import SmiV2Parser
from pysmi.reader import FileReader
from pysmi.writer import CallbackWriter

pytestmark = pytest.mark.peer

FILE = TREE / "app" / "istars" / "snmp" / "mibs" / "ISTARS-MIB"
BASE = TREE / "tests" / "fixtures" / "mibs"


def smi(*words: str) -> subprocess.CompletedProcess[str]:
    """One of libsmi's programs on the file."""
    environment = {**os.environ, "SMIPATH": str(BASE)}
    return subprocess.run([*words, str(FILE)], env=environment, capture_output=True, text=True, check=False)


OBJECTS = ownmib.OBJECTS | modules.OBJECTS


def dotted(oid: tuple[int, ...]) -> str:
    return ".".join(map(str, oid))


def test_the_checker_has_nothing_to_say() -> None:
    result = smi("smilint", "-s", "-l6")
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def test_the_checker_sees_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "ISTARS-MIB"
    broken.write_text(FILE.read_text(encoding="ascii").replace("MAX-ACCESS  read-only", "MAX-ACCESS  read-write", 1))
    broken.write_text(broken.read_text(encoding="ascii").replace("::= { istarsCard 2 }", "::= { istarsCard 1 }"))
    result = subprocess.run(
        ["smilint", "-s", "-l6", str(broken)], env={**os.environ, "SMIPATH": str(BASE)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert result.stdout + result.stderr


def test_the_compiler_of_pysnmp_takes_it() -> None:
    written: dict[str, str] = {}
    compiler = MibCompiler(SmiV2Parser(), JsonCodeGen(), CallbackWriter(lambda name, text, _: written.update({name: text})))
    compiler.add_sources(FileReader(str(BASE)), FileReader(str(FILE.parent)))
    assert set(compiler.compile("ISTARS-MIB", rebuild=True).values()) == {"compiled"}
    objects = {each["oid"]: each for each in json.loads(written["ISTARS-MIB"]).values() if "oid" in each}
    for oid in OBJECTS:
        assert objects[dotted(oid)]["maxaccess"] == "read-only"


def test_everything_served_stands_in_the_file_and_the_other_way_round() -> None:
    dump = smi("smidump", "-f", "identifiers").stdout
    nodes = dict(re.findall(r"^ISTARS-MIB\s+(\S+)\s+\S*\s*([\d.]+)\s*$", dump, re.MULTILINE))
    numbers = set(nodes.values())
    assert dotted(ISTARS) in numbers, dump[:500]
    assert {dotted(oid) for oid in OBJECTS} <= numbers
    assert {dotted((*ALARM_CONDITIONS, number)) for number in NUMBERS.values()} <= numbers
    assert dotted((*NOTIFICATIONS, 1)) in numbers
    hidden = re.compile(r"(Table|Entry|(Reading|Worker)Name|Index)$")
    shown = re.compile(r"istars(Card|Link|Reading|Alarm|Worker|Sensor|Battery|Peer)[A-Z]")
    columns = {number for name, number in nodes.items() if shown.match(name) and not hidden.search(name)}
    assert columns == {dotted(oid) for oid in OBJECTS}
