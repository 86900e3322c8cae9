"""The API keeps what its own description says: thousands of requests made from it, with each permission, on a running card."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from card import Card, until
from istars.store.accounts import Accounts

pytestmark = pytest.mark.timeout(420)
PERMISSIONS = ("read", "write", "administrator")
NOT_HERE = ("PUT /api/v1/ups/maps/{name}", "DELETE /api/v1/ups/maps/{name}", "POST /api/v1/ups/detection/apply")
METHODS = {"get", "post", "put", "patch", "delete"}
# A zone must exist, limits must stand in order: no schema can say it, so what fits the schema may be refused with a reason.
CONFIG = """
[[operations]]
include-path = "/api/v1/alarms/{{key}}/acknowledge"
parameters = {{ "path.key" = "{alarm}" }}

# One that a developer's machine refuses: the others would restart the card that answers.
[[operations]]
include-path = "/api/v1/commands/{{name}}"
parameters = {{ "path.name" = "istars.clock.adjust" }}
checks.positive_data_acceptance.expected-statuses = ["400", "401", "403", "409"]

# What the UPS lets be set depends on the UPS; its values are words.
[[operations]]
include-path = "/api/v1/variables/{{name}}"
parameters = {{ "path.name" = "ups.start.auto" }}
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "503"]

# There is no package to install here, and no channel to ask: both are said.
[[operations]]
include-path-regex = "^/api/v1/firmware/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "409", "422", "503"]

# Covering grows with the number of options and takes minutes; unit tests send every option what is right and what is wrong.
[[operations]]
include-path = "/api/v1/settings"
phases.coverage.enabled = false

# Each that is taken asks the UPS, which takes seconds.
[[operations]]
include-path = "/api/v1/ups/detection"
phases.coverage.enabled = false
generation.max-examples = 4
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "503"]

[[operations]]
include-path = "/api/v1/ups/maps/{{name}}"
phases.coverage.enabled = false
generation.max-examples = 4
parameters = {{ "path.name" = "hall" }}
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "503"]

# Only one search at a time; nothing may be found; a map of chance is not that of the device.
[[operations]]
include-path-regex = "^/api/v1/ups/"
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "422", "503"]

[[operations]]
include-method = ["POST", "PUT", "PATCH"]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403"]
"""


@dataclass(frozen=True)
class Described:
    """A card on battery, its description as a file, and a token for each permission."""

    card: Card
    document: dict[str, Any]
    tokens: dict[str, str]

    def operations(self, *permissions: str) -> set[str]:
        """Operations open to somebody with these permissions, and those that are open to everybody."""
        words = [f"Needs the permission “{permission}”." for permission in permissions]
        return {
            f"{method.upper()} {path}"
            for path, item in self.document["paths"].items()
            for method, said in item.items()
            if method in METHODS and (said.get("security") == [] or said.get("description") in words)
        }


@pytest.fixture(scope="module")
def described() -> Iterator[Described]:
    # a UPS with a setting that can be written, on a line that costs no time
    card = Card(UPS="sim:voltronic", SIM_OPTIONS="--baud 0")
    # scheduled restarts are switched on too: none may fall into the test
    far = f"{(datetime.now(UTC).hour + 12) % 24:02}:00"
    assert card.python("settings", "set", "restart.time", far).returncode == 0
    with card:
        accounts = Accounts(card.root / "data" / "istars" / "accounts.db")
        tokens = {permission: accounts.create_token(permission, permission) for permission in PERMISSIONS}
        accounts.close()
        card.sim("mains off")
        alarm = until(lambda: card.get("/api/v1/alarms", tokens["read"])["alarms"], "an alarm to acknowledge")[0]
        (card.root / "schemathesis.toml").write_text(CONFIG.format(alarm=alarm["key"]), encoding="utf-8")
        document = card.get("/api/v1/openapi.json", tokens["read"])
        document["components"]["schemas"]["SomeSettings"]["properties"]["restart.time"]["examples"] = [far]
        (card.root / "document.json").write_text(json.dumps(document), encoding="utf-8")
        yield Described(card, document, tokens)


def try_all(described: Described, *words: str) -> tuple[str, dict[str, Any]]:
    """Ask everything that the description allows and forbids; answers what was said, and the report."""
    kept = described.card.root / "data" / "istars" / "maps"
    kept.mkdir(exist_ok=True)
    (kept / "hall.json").write_text('{"title": "Hall"}', encoding="utf-8")
    report = described.card.root / "report.json"
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [
            Path(sys.executable).with_name("schemathesis"), "run", "document.json", "--url", described.card.url,
            "--phases", "examples,coverage,fuzzing", "--checks", "all", "--max-examples", "25",
            "--generation-deterministic", "--continue-on-failure", "--no-color", "--report-json-path", report, *words,
        ],
        cwd=described.card.root, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert report.exists(), said
    return said, json.loads(report.read_bytes())


@pytest.mark.parametrize("allowed", [PERMISSIONS[:count] for count in range(len(PERMISSIONS) + 1)])
def test_every_answer_is_one_that_the_description_knows(described: Described, allowed: tuple[str, ...]) -> None:
    header = ("--header", f"Authorization: Bearer {described.tokens[allowed[-1]]}") if allowed else ()
    said, report = try_all(described, *header)
    assert (report["failures"], report["errors"], report["exit_code"]) == ([], [], 0), said
    every = sum(len(METHODS & set(item)) for item in described.document["paths"].values())
    assert report["operations"]["tested"] == every, said
    # done, not only turned away in good form
    done = {
        name for name, phases in report["valid_rates"].items() if any(counts["accepted"] for counts in phases.values())
    }
    # a developer's machine has no slots for firmware, and its UPS is none of the maps; order decides the rest
    needed = {
        name for name in described.operations(*allowed) if not name.startswith(NOT_HERE) and "/firmware/" not in name
    }
    assert needed <= done, said
    if not allowed:
        assert done == described.operations()
    assert "Traceback" not in described.card.said()


def test_an_answer_that_is_not_described_is_found(described: Described) -> None:
    wrong = json.loads(json.dumps(described.document))
    wrong["paths"]["/api/health"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["properties"] |= {
        "uptime_s": {"type": "string"}
    }
    file = described.card.root / "document.json"
    right = file.read_bytes()
    file.write_text(json.dumps(wrong), encoding="utf-8")
    try:
        said, report = try_all(described, "--include-path", "/api/health")
    finally:
        file.write_bytes(right)
    assert [failure["operations"] for failure in report["failures"]] == [["GET /api/health"]], said
