"""No pinned package is one that a list of known vulnerabilities names.

The list is the package `safety-db`: it needs no network and ends in July 2021, so it tells of old versions only. `make audit`
asks the service of PyPI, which knows today's.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.metadata import distribution, distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TREE = Path(__file__).parents[2]
REQUIREMENTS = ("app/requirements.txt", "tests/requirements.txt")
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.+!]+)")


@cache
def advisories() -> dict[str, list[dict[str, str]]]:
    """Canonical name of a package to its advisories. The package cannot be imported: it seeks its data in the working folder."""
    file = Path(str(distribution("safety-db").locate_file("safety_db/insecure_full.json")))
    return {canonicalize_name(name): said for name, said in json.loads(file.read_bytes()).items() if name != "$meta"}


def pinned(text: str) -> dict[str, str]:
    """Name and version of every line of a file of requirements; each must be pinned to one version."""
    lines = [line for raw in text.splitlines() if (line := raw.partition("#")[0].strip())]
    pins = [PIN.fullmatch(line) for line in lines]
    assert all(pins), f"not pinned to one version: {[line for line, pin in zip(lines, pins, strict=True) if not pin]}"
    return {pin[1]: pin[2] for pin in pins if pin}


def vulnerable(versions: dict[str, str]) -> list[str]:
    """One sentence for every advisory that holds for one of these versions."""
    return [
        f"{name} {version}: {said['cve'] or said['id']} ({said['v']})"
        for name, version in versions.items()
        for said in advisories().get(canonicalize_name(name), [])
        if any(SpecifierSet(spec).contains(version, prereleases=True) for spec in said["specs"])
    ]


@pytest.mark.parametrize("file", REQUIREMENTS)
def test_every_package_is_pinned_and_none_is_known_to_be_vulnerable(file: str) -> None:
    versions = pinned((TREE / file).read_text(encoding="utf-8"))
    assert len(versions) > 10
    assert vulnerable(versions) == []


def test_neither_is_one_that_comes_along_with_them() -> None:
    assert vulnerable({each.metadata["Name"]: each.version for each in distributions()}) == []


def test_a_package_that_is_known_to_be_vulnerable_is_found() -> None:
    old = pinned("Jinja2==2.10  # sandbox escape\nPyYAML==5.3\nflask==0.12.2\nwerkzeug==0.11.5\nwtforms==3.2.1\n")
    assert {found.partition(":")[0] for found in vulnerable(old)} == {
        "Jinja2 2.10",
        "PyYAML 5.3",
        "flask 0.12.2",
        "werkzeug 0.11.5",
    }
    assert "flask 0.12.2: CVE-2018-1000656 (<0.12.3)" in vulnerable(old)


@pytest.mark.parametrize(
    "line", ["flask", "flask>=3", "flask==3.*", "flask @ https://example.net/flask.whl", "-r other.txt"]
)
def test_a_package_that_is_not_pinned_is_refused(line: str) -> None:
    with pytest.raises(AssertionError, match="not pinned to one version"):
        pinned(line)
