"""Engine ID and boots: kept before use, never the same twice, never silently wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.platform import files
from istars.settings import load
from istars.settings.store import change
from istars.snmp import engine
from istars.snmp.access import access


def test_every_start_counts_before_it_is_told(root: Path) -> None:
    first, second = engine.start(), engine.start()
    assert first.id == second.id
    assert (first.boots, second.boots) == (1, 2)
    assert b'"boots": 2' in engine.file().read_bytes()


def test_a_damaged_file_makes_a_new_engine(root: Path) -> None:
    first = engine.start()
    engine.file().write_bytes(b'{"id": ')
    second = engine.start()
    assert second.id != first.id, "boots may begin anew only with a new identity"
    assert second.boots == 1


def test_an_engine_id_may_be_chosen(root: Path) -> None:
    own = engine.start()
    chosen = engine.start("80001f880512345678")
    assert chosen.id.hex() == "80001f880512345678"
    assert chosen.boots == own.boots + 1
    assert engine.start().id == own.id


def test_users_are_not_served_while_boots_cannot_be_kept(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change({"snmp.user.1.name": "a", "snmp.user.1.permission": "read", "snmp.user.1.auth.passphrase": "long enough",
            "snmp.user.1.priv.passphrase": "long enough"})  # fmt: skip

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "replace", full)
    started = engine.start()
    found = access(load(), started)
    assert not started.durable
    assert not found.open
    assert found.problems == ["The SNMPv3 user a is not served: flash cannot be written."]


def test_the_largest_number_of_boots_stays(root: Path) -> None:
    engine.file().write_text('{"id": "80001f880512345678", "boots": 2147483647}')
    assert engine.start().boots == engine.LARGEST_BOOTS


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"priv.passphrase": ""}, "a passphrase is missing"),
        ({"auth": "none"}, "privacy needs authentication"),
        ({"priv": "des"}, "DES is not allowed"),
    ],
)
def test_a_user_who_would_not_be_safe_is_left_out_and_it_is_said(
    root: Path, values: dict[str, str], problem: str
) -> None:
    good = {"name": "a", "permission": "read", "auth.passphrase": "long enough", "priv.passphrase": "long enough"}
    change({f"snmp.user.1.{key}": value for key, value in {**good, **values}.items()})
    found = access(load(), engine.start())
    assert not found.users
    assert found.problems == [f"The SNMPv3 user a is not served: {problem}."]
