"""Databases of every version that cards have had: today's firmware opens them and finds what is in them.

A change that an older firmware could not live with gets a new name for its file, and a folder here.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from istars.platform import paths
from istars.store.accounts import Accounts
from istars.store.archive import Archive, Event
from istars.store.audit import AuditRecord, Entry

FIXTURES = Path(__file__).parents[2] / "fixtures" / "databases"
VERSIONS = sorted(path.name for path in FIXTURES.iterdir())
PASSWORD = "three small green boats"


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, root: Path) -> str:
    """A card with the databases of a version, as they lay on flash."""
    for script in sorted((FIXTURES / request.param).glob("*.sql")):
        connection = sqlite3.connect(paths.data_dir() / f"{script.stem}.db")
        connection.executescript(script.read_text(encoding="utf-8"))
        connection.close()
    return str(request.param)


def test_events_and_alarms_are_still_there_and_new_ones_follow(old: str) -> None:
    with Archive(paths.archive_db()) as archive:
        archive.check()
        assert [(event.code, event.kind, event.duration_s) for event in archive.events()] == [
            ("ON_BATTERY", "raise", None),
            ("ON_BATTERY", "clear", 60.0),
        ]
        assert [alarm["code"] for alarm in archive.active_alarms()] == ["BATTERY_LOW"]
        archive.append([Event(0, "k3", 1.7e9, "CARD_STARTED", "event", "information", {})], [])
        assert archive.events()[-1].id == 3


def test_users_still_sign_in_and_tokens_still_open(old: str) -> None:
    accounts = Accounts(paths.accounts_db(), scrypt_cost=256)
    assert accounts.verify("admin", PASSWORD) is not None
    assert accounts.verify("eve", "another") is None
    assert [(token.name, token.permission.value) for token in accounts.list_tokens()] == [("grafana", "read")]
    accounts.add_user("new", PASSWORD, "write")
    accounts.close()


def test_the_audit_record_goes_on(old: str) -> None:
    record = AuditRecord()
    record.note(Entry(1.8e9, "admin", "10.0.0.7", "firmware install", "0.2.0"))
    assert [entry.subject for entry in record.every(None, "")] == ["0.2.0", "system.name"]
