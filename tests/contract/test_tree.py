"""Rules of the tree that no type checker knows."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app" / "istars"

LAYERS = ("model", "settings", "store", "drivers rules notify", "workers")
READERS = {"web", "snmp", "nut"}
SERVED = {"snmp"}
"""Readers that a worker runs; the pages have a server of their own."""
LEAVES = {"errors", "platform", "__init__"}


def modules() -> list[Path]:
    return sorted(APP.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """First part below `istars` of everything that a file imports from us."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "istars":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("istars.")}
    return found - {"__version__"}


def layer_of(part: str) -> int | None:
    return next((index for index, names in enumerate(LAYERS) if part in names.split()), None)


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(APP)))
def test_imports_go_down_only(path: Path) -> None:
    part = path.relative_to(APP).parts[0].removesuffix(".py")
    uses = imported(path)
    mine = layer_of(part)
    if part == "model":
        assert uses <= {"model", "errors"}
    elif mine is not None:
        for used in uses - LEAVES - {part} - (SERVED if part == "workers" else set()):
            other = layer_of(used)
            assert other is not None, f"{path.name} imports {used}"
            # The rules use the words of the store (changes, alarms, events) and the store those of the model.
            assert other < mine, f"{path.name} ({part}) imports {used}, which is not below it"
    elif part in READERS:
        assert "drivers" not in uses
        assert "workers" not in uses
    elif part in LEAVES:
        assert uses <= LEAVES


def test_only_platform_runs_other_programs_and_only_web_knows_flask() -> None:
    for path in modules():
        part = path.relative_to(APP).parts[0]
        names = {
            alias.name.split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.Import)
            for alias in node.names
        } | {
            (node.module or "").split(".")[0]
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        assert part == "platform" or "subprocess" not in names, path
        assert part == "web" or not names & {"flask", "flask_login", "flask_wtf", "wtforms", "gunicorn"}, path


def test_workers_do_not_load_flask_nor_the_command_line() -> None:
    code = (
        "import sys; from istars.__main__ import WORKERS, _maker; [_maker(name) for name in WORKERS];"
        "print(sorted({'flask', 'jinja2', 'argparse', 'asyncio', 'email', 'ssl', 'http', 'pysnmp', 'pyasn1'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_files_stay_readable() -> None:
    assert {path.name: lines for path in modules() if (lines := len(path.read_text("utf-8").splitlines())) > 400} == {}
