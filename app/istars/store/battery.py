"""What was learned of the battery and the results of its tests: one small file on flash, written only when there is news."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from istars.platform import files, paths

TESTS_KEPT = 50


def read() -> dict[str, Any]:
    """`learned` (full_s, discharges, `at` in epoch seconds) and `tests`, oldest first; what is missing or damaged is empty."""
    try:
        found = json.loads(paths.battery_file().read_bytes())
    except (OSError, ValueError):
        found = {}
    found = found if isinstance(found, dict) else {}
    learned, tests = found.get("learned"), found.get("tests")
    return {
        "learned": learned if isinstance(learned, dict) else {},
        "tests": tests if isinstance(tests, list) else [],
    }


def keep_learned(learned: Mapping[str, object]) -> None:
    """Put what was learned in place of what was. Raises OSError."""
    _write({**read(), "learned": dict(learned)})


def keep_test(record: Mapping[str, object]) -> None:
    """Add the record of a test; the oldest give way. Raises OSError."""
    found = read()
    _write({**found, "tests": [*found["tests"], dict(record)][-TESTS_KEPT:]})


def forget() -> None:
    """A new battery: nothing is known of it. Its tests are those of the old one and go too. Raises OSError."""
    paths.battery_file().unlink(missing_ok=True)


def _write(content: Mapping[str, object]) -> None:
    files.replace(paths.battery_file(), json.dumps(content).encode())
