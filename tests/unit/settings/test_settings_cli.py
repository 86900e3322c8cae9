"""Settings from the command line."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest
from istars import cli
from istars.platform import paths
from istars.settings import csvfile, load
from istars.settings.groups import FIELDS
from istars.settings.sealed import unseal
from istars.store.wake import Bell
from other_values import DISTINCT, OTHERS, written_down

Out = pytest.CaptureFixture[str]


def run(out: Out, *words: str) -> tuple[int, str, str]:
    status = cli.main(words)
    said = out.readouterr()
    return status, said.out, said.err


@pytest.mark.thorough
@pytest.mark.parametrize("key", DISTINCT)
def test_every_option_is_set_shown_and_exported(root: Path, capsys: Out, key: str) -> None:
    # what must stay below or above it first
    others = {other: OTHERS[other] for other in OTHERS if other.startswith("limit.") and other != key}
    if key.startswith("limit."):
        from istars.settings.store import change

        change(others)
    assert run(capsys, "settings", "set", key, OTHERS[key]) == (0, "", "")
    shown = "(stored)" if FIELDS[key].secret else OTHERS[key]
    assert run(capsys, "settings", "get", key) == (0, shown + "\n", "")
    assert f"{key}={shown}\n" in run(capsys, "settings", "list")[1]
    exported = csvfile.parse(run(capsys, "settings", "export")[1])
    assert exported.errors == []
    assert FIELDS[key].format(exported.values[key]) == ("" if FIELDS[key].secret else OTHERS[key])


def test_what_is_refused_names_the_option(root: Path, capsys: Out) -> None:
    assert run(capsys, "settings", "set", "ups.address", "500") == (
        1,
        "",
        "istars: ups.address: must be between 1 and 247, not 500\n",
    )
    assert run(capsys, "settings", "get", "no.such")[0] == 1
    assert run(capsys, "settings", "set", "no.such", "1")[2] == "istars: no.such: there is no option of this name\n"


def test_a_change_is_written_down_and_its_worker_told(root: Path, capsys: Out) -> None:
    bell = Bell("upslink")
    run(capsys, "settings", "set", "ups.address", "7")
    assert bell.wait(0)
    run(capsys, "settings", "set", "system.name", "UPS-A")
    assert not bell.wait(0)
    bell.close()
    newest = written_down()[1]
    assert (newest.address, newest.action, newest.subject, newest.old, newest.new) == (
        "console",
        "settings changed",
        "ups.address",
        "1",
        "7",
    )


def test_import_shows_first_and_takes_then(root: Path, capsys: Out, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("key,value\nformat,2\nups.address,7\nfrom.the.\x1bfuture,1\nend\n", encoding="utf-8")
    told = "from.the. future: not known to this firmware, passed over\nups.address: '1' becomes '7'\n"
    assert run(capsys, "settings", "import", str(file), "--dry-run") == (0, told, "")
    assert not paths.settings_file().exists()
    assert run(capsys, "settings", "import", str(file)) == (0, told, "")
    assert load()["ups.address"] == 7
    assert written_down()[0].action == "settings imported"


def test_import_tells_every_error_and_changes_nothing(root: Path, capsys: Out, tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("key,value\nformat,2\nups.address,0\nsession.idle,x\nend\n", encoding="utf-8")
    for words in ((str(file),), (str(file), "--dry-run")):
        status, said, errors = run(capsys, "settings", "import", *words)
        assert (status, said) == (1, "")
        assert errors.splitlines() == [
            "istars: line 3: ups.address: must be between 1 and 247, not 0",
            "istars: line 4: session.idle: 'x' is not a whole number",
            "istars: nothing was changed",
        ]
    assert not paths.settings_file().exists()
    assert "No such file" in run(capsys, "settings", "import", str(tmp_path / "none.csv"))[2]


def test_import_from_standard_input(root: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"key,value\nformat,2\nups.address,9\nend\n")))
    assert run(capsys, "settings", "import", "-")[0] == 0
    assert load()["ups.address"] == 9


def test_an_export_is_what_stands_on_flash(root: Path, capsys: Out) -> None:
    run(capsys, "settings", "set", "system.location", "=1+1")
    assert run(capsys, "settings", "export")[1].encode() == paths.settings_file().read_bytes()


PHRASE = "five tall yellow ladders"


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What somebody types at the prompts, in turn."""
    answers: list[str] = []
    monkeypatch.setattr(cli.getpass, "getpass", lambda _prompt: answers.pop(0))
    return answers


def test_secrets_leave_the_card_encrypted_or_not_at_all(
    root: Path, capsys: Out, tmp_path: Path, typed: list[str]
) -> None:
    run(capsys, "settings", "set", "radius.secret", "hush")
    assert run(capsys, "settings", "get", "radius.secret")[1] == "(stored)\n"
    assert "hush" not in run(capsys, "settings", "list")[1] + run(capsys, "settings", "export")[1]
    assert written_down()[0].new == "changed"
    typed[:] = [PHRASE, PHRASE]
    status, exported, _ = run(capsys, "settings", "export", "--with-secrets")
    assert (status, "hush" in exported, typed) == (0, False, [])
    assert written_down()[0].action == "settings saved with secrets"
    file = tmp_path / "with.csv"
    file.write_text(exported, encoding="utf-8", newline="")
    run(capsys, "settings", "set", "radius.secret", "mine")
    assert "are passed over; --with-secrets takes them" in run(capsys, "settings", "import", str(file))[1]
    assert load()["radius.secret"] == "mine"
    typed[:] = ["another one"]
    refused = run(capsys, "settings", "import", str(file), "--with-secrets")
    assert refused[0] == 1
    assert "the passphrase is wrong, or the encrypted secrets were changed" in refused[2]
    assert load()["radius.secret"] == "mine"
    typed[:] = [PHRASE]
    assert run(capsys, "settings", "import", str(file), "--with-secrets") == (
        0,
        "radius.secret: 'stored' becomes 'changed'\n",
        "",
    )
    assert load()["radius.secret"] == "hush"


def test_a_passphrase_may_come_from_a_descriptor(root: Path, capsys: Out, tmp_path: Path, typed: list[str]) -> None:
    run(capsys, "settings", "set", "radius.secret", "hush")
    for line, end in ((PHRASE, "\n"), (PHRASE, "")):
        reading, writing = os.pipe()
        os.write(writing, (line + end).encode())
        os.close(writing)
        status, exported, _ = run(capsys, "settings", "export", "--with-secrets", "--passphrase-fd", str(reading))
        os.close(reading)
        assert status == 0
        sealed = csvfile.parse(exported).sealed
        assert unseal(sealed, PHRASE) == {"radius.secret": "hush"}


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([PHRASE, "other"], "the two passphrases are not the same"),
        (["", ""], "the passphrase is empty"),
        (["short", "short"], "the passphrase needs 12 to 1024 characters"),
    ],
)
def test_a_passphrase_that_is_none(root: Path, capsys: Out, typed: list[str], answers: list[str], reason: str) -> None:
    typed[:] = answers
    assert run(capsys, "settings", "export", "--with-secrets") == (1, "", f"istars: {reason}\n")


def test_times_are_told_in_the_zone_of_the_card(root: Path, capsys: Out) -> None:
    run(capsys, "settings", "set", "system.zone", "Asia/Kathmandu")
    run(capsys, "token", "create", "--name", "a")
    (token,) = json.loads(run(capsys, "token", "list", "--json")[1])
    assert token["created"].endswith("+05:45")
