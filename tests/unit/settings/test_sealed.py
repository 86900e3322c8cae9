"""Secrets in a file: only the passphrase opens them, and whatever was changed opens nothing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from istars.platform import openssl
from istars.settings import csvfile, exchange, groups, load, sealed, store
from settings_samples import OTHERS as KINDS

PHRASE = "five tall yellow ladders"
VALUES = {"a.secret": "hush ä変\"'", "b.secret": " x "}


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cost of the real one is for those who guess; one test bears it."""
    if "format" not in request.node.name:
        monkeypatch.setattr(sealed, "COST", 16)


@pytest.fixture
def file(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(groups, "GROUPS", (*groups.GROUPS, KINDS))
    monkeypatch.setattr(groups, "FIELDS", {field.key: field for group in groups.GROUPS for field in group.fields})
    return root / "system_config.csv"


def test_what_was_sealed_comes_back() -> None:
    for values in (VALUES, {}, {"x": "y" * 200}):
        text = sealed.seal(values, PHRASE)
        assert text.isascii()
        assert sealed.unseal(text, PHRASE) == values
    assert sealed.seal(VALUES, PHRASE) != sealed.seal(VALUES, PHRASE)


def test_the_same_letters_of_another_keyboard_open_it() -> None:
    assert sealed.unseal(sealed.seal(VALUES, "Größe unserer Räume"), "Gro\u0308ße unserer Ra\u0308ume") == VALUES


def test_the_format_is_the_one_that_is_described(tmp_path: Path) -> None:
    raw = base64.b64decode(sealed.seal(VALUES, PHRASE).removeprefix("v1."))
    key = hashlib.scrypt(PHRASE.encode(), salt=raw[:16], n=32768, r=8, p=1, maxmem=2**26, dklen=64)
    line = ["openssl", "enc", "-d", "-aes-256-cbc", "-pbkdf2", "-iter", "1", "-md", "sha256", "-pass", "stdin", "-in"]
    cipher = tmp_path / "cipher"
    cipher.write_bytes(raw[16:-32])
    plain = subprocess.run([*line, cipher], input=key[:32].hex().encode(), capture_output=True, check=True).stdout
    assert json.loads(plain) == VALUES
    assert raw[-32:] == hmac.digest(key[32:], b"istars secrets v1" + raw[:-32], "sha256")


def test_what_was_changed_opens_nothing() -> None:
    text = sealed.seal(VALUES, PHRASE)
    raw = base64.b64decode(text[3:])
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(sealed.SealError, match="the passphrase is wrong, or the encrypted secrets were changed"):
            sealed.unseal("v1." + base64.b64encode(changed).decode(), PHRASE)
    for length in range(len(text)):
        with pytest.raises(sealed.SealError):
            sealed.unseal(text[:length], PHRASE)
    for other in ("", "v1.", "v1.*", "v2." + text[3:], text + "A", "=" + text):
        with pytest.raises(sealed.SealError):
            sealed.unseal(other, PHRASE)
    with pytest.raises(sealed.SealError):
        sealed.unseal(text, PHRASE + " ")


@pytest.mark.parametrize("phrase", ["", "elevenchars", "x" * 1_025])
def test_a_passphrase_too_short_or_too_long(phrase: str) -> None:
    with pytest.raises(sealed.SealError, match="12 to 1024 characters"):
        sealed.seal(VALUES, phrase)


def test_no_secret_stands_on_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[list[str]] = []
    usual = subprocess.run

    def seen(line: list[str], **more: object) -> object:
        lines.append(line)
        return usual(line, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", seen)
    sealed.unseal(sealed.seal(VALUES, PHRASE), PHRASE)
    assert len(lines) == 2
    for line in lines:
        for word in line:
            assert word in (*sealed.ENC, openssl.PROGRAM, "-d", "-salt", "-kfile", "-in") or word.startswith(
                "/proc/self/fd/"
            )


def test_a_file_with_secrets_comes_back_as_the_same_settings(file: Path) -> None:
    store.change({"other.secret": "hush", "system.name": "UPS-A"}, file)
    exported = exchange.export(load(file), PHRASE)
    assert "hush" not in exported
    assert csvfile.parse(exported).errors == []
    store.change({"other.secret": "", "system.name": "other"}, file)
    found = exchange.take(exported.encode(), file, passphrase=PHRASE)
    assert [(change.key, change.new) for change in found.changes] == [
        ("system.name", "UPS-A"),
        ("other.secret", "changed"),
    ]
    assert load(file)["other.secret"] == "hush"


def test_nothing_of_a_file_is_taken_where_its_secrets_do_not_open(file: Path) -> None:
    store.change({"other.secret": "hush", "system.name": "UPS-A"}, file)
    exported = exchange.export(load(file), PHRASE)
    store.change({"other.secret": "mine", "system.name": "other"}, file)
    before = file.read_bytes()
    line = next(number for number, row in enumerate(exported.splitlines(), 1) if row.startswith("secrets,"))
    wrong = f"line {line}: the passphrase is wrong, or the encrypted secrets were changed"
    assert exchange.take(exported.encode(), file, passphrase="another passphrase").errors == (wrong,)
    cell = csvfile.parse(exported).sealed
    mutated = exported.replace(cell, cell[:40] + ("A" if cell[40] != "A" else "B") + cell[41:])
    assert exchange.take(mutated.encode(), file, passphrase=PHRASE).errors == (wrong,)
    newer = exported.replace("v1.", "v9.")
    assert "does not know" in exchange.take(newer.encode(), file, passphrase=PHRASE).errors[0]
    assert file.read_bytes() == before


@pytest.mark.thorough
@settings(deadline=None, max_examples=40, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_file_with_secrets_imports_validly_or_changes_nothing(data: st.DataObject, file: Path) -> None:
    # every example begins with the same card
    for kept in (file, store.good_copy(file)):
        kept.unlink(missing_ok=True)
    store.change({"other.secret": "hush", "system.name": "UPS-A"}, file)
    content = bytearray(exchange.export(load(file), PHRASE).encode())
    store.change({"other.secret": "mine", "system.name": "as it was"}, file)
    before = file.read_bytes()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.sampled_from((0, 1, 2, 30, len(content))))
        content[at : at + cut] = data.draw(st.one_of(st.binary(max_size=3), st.sampled_from((b"\r\n", b",", b"A"))))
    found = exchange.take(bytes(content), file, passphrase=PHRASE)
    after = load(file, environment={})
    assert after.problems == ()
    assert after["other.secret"] in ("hush", "mine"), "what was changed inside is never taken for a secret"
    if found.errors:
        assert file.read_bytes() == before
        assert found.changes == ()


def test_without_a_passphrase_the_secrets_are_passed_over(file: Path) -> None:
    store.change({"other.secret": "hush", "system.name": "UPS-A"}, file)
    exported = exchange.export(load(file), PHRASE).encode()
    store.change({"other.secret": "mine", "system.name": "other"}, file)
    found = exchange.take(exported, file)
    assert (found.errors, found.sealed, found.unknown) == ((), True, ())
    assert (load(file)["other.secret"], load(file)["system.name"]) == ("mine", "UPS-A")


def test_what_is_sealed_is_judged_as_everything_else(file: Path) -> None:
    def takes(values: dict[str, str]) -> exchange.Import:
        text = csvfile.dump({}, sealed=sealed.seal(values, PHRASE))
        return exchange.look(text.encode(), file, passphrase=PHRASE)

    assert takes({"other.secret": "x" * 41}).errors == (
        "line 3: other.secret: must have at most 40 characters, not 41",
    )
    assert takes({"other.secret": "a\0b"}).errors[0].startswith("line 3: other.secret: must be one line")
    assert takes({"from.the.future": "x", "system.name": "x"}).unknown == ("from.the.future", "system.name")
    assert takes({"other.secret": "fine"}).values == {"other.secret": "fine"}


def test_a_second_line_of_secrets_is_an_error(file: Path) -> None:
    seal = sealed.seal({}, PHRASE)
    text = f"key,value\nformat,2\nsecrets,{seal}\nsecrets,{seal}\nend,2\n"
    assert exchange.look(text.encode(), file).errors == ("line 4: secrets stands here a second time, first in line 3",)


def test_no_option_has_the_name_of_a_line_that_means_something_else() -> None:
    assert not {"format", "end", csvfile.SEALED} & set(groups.FIELDS)
