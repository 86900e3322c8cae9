"""A worker goes on as its account and cannot come back."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys

import pytest

NOBODY = "nobody"
IMPORT = "import os; from istars.platform.accounts import become; "
LOOK = IMPORT + "print(become({name!r}), os.geteuid(), os.getgid(), os.getgroups())"
BACK = IMPORT + "become({name!r}); os.setuid(0)"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def run(program: str, name: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", program.format(name=name)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@needs_root
def test_root_becomes_the_account_with_its_groups() -> None:
    entry = pwd.getpwnam(NOBODY)
    groups = sorted(os.getgrouplist(NOBODY, entry.pw_gid))
    assert run(LOOK, NOBODY).stdout == f"True {entry.pw_uid} {entry.pw_gid} {groups}\n"


@needs_root
def test_there_is_no_way_back() -> None:
    done = run(BACK, NOBODY)
    assert done.returncode != 0
    assert "PermissionError" in done.stderr


def test_where_there_is_no_such_account_nothing_changes() -> None:
    assert run(LOOK, "istars-nobody").stdout.startswith(f"False {os.geteuid()} ")
