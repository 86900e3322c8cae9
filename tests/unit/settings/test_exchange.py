"""Files that come and go: the same bytes, all formats, every error by line, all or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from istars.platform import files, paths
from istars.settings import csvfile, exchange, groups, load, store
from istars.settings.field import Setting
from settings_samples import OTHERS, good_texts

FIXTURES = Path(__file__).parents[2] / "fixtures" / "settings"
HEAD = "key,value,explanation\r\nformat,2,\r\n"
PROPERTY = settings(
    deadline=None, max_examples=150, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=["of today", "with every kind"])
def declared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of today, or with some of the kinds that none of them has."""
    if request.param == "with every kind":
        monkeypatch.setattr(groups, "GROUPS", (*groups.GROUPS, OTHERS))
        fields = {field.key: field for group in groups.GROUPS for field in group.fields}
        monkeypatch.setattr(groups, "FIELDS", MappingProxyType(fields))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without waiting for a medium."""
    monkeypatch.setattr(files.os, "fsync", lambda _descriptor: None)


@pytest.fixture
def file(fast: None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "system_config.csv"


def some_values(data: st.DataObject) -> dict[str, Setting]:
    """Settings that are valid together."""
    values: dict[str, Setting] = {key: field.default for key, field in groups.FIELDS.items()}
    for key in data.draw(st.sets(st.sampled_from(sorted(groups.FIELDS)), max_size=30)):
        taken = groups.FIELDS[key].parse(data.draw(good_texts(groups.FIELDS[key]), label=key))
        if not store.broken_rules({**values, key: taken}, [key]):
            values[key] = taken
    return values


@pytest.mark.thorough
@PROPERTY
@given(data=st.data())
def test_valid_settings_come_back_as_the_same_bytes(data: st.DataObject, declared: None, file: Path) -> None:
    values = some_values(data)
    exported = csvfile.dump(values).encode()
    file.unlink(missing_ok=True)
    found = exchange.take(exported, file)
    assert found.errors == ()
    assert load(file, environment={}) == values
    assert csvfile.dump(load(file, environment={})).encode() == exported
    assert exchange.look(exported, file).changes == ()


@pytest.mark.thorough
@PROPERTY
@given(data=st.data())
def test_a_mutated_file_imports_validly_or_changes_nothing(data: st.DataObject, declared: None, file: Path) -> None:
    store.change({"system.name": "as it was", "ups.battery.cells": "96"}, file)
    before = file.read_bytes()
    content = bytearray(csvfile.dump(some_values(data)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content)))
        cut = data.draw(st.sampled_from((0, 0, 1, 2, 30, len(content))))
        content[at : at + cut] = data.draw(
            st.one_of(st.binary(max_size=3), st.sampled_from((b"\r\n", b",", b'"', b"\0")))
        )
    found = exchange.take(bytes(content), file)
    after = load(file, environment={})
    assert after.problems == ()
    if found.errors:
        assert file.read_bytes() == before
        assert found.changes == ()
    else:
        assert {key: after[key] for key in found.values} == found.values
        for key, value in after.items():
            assert groups.FIELDS[key].parse(groups.FIELDS[key].format(value)) == value


@pytest.mark.thorough
def test_a_file_cut_off_anywhere_changes_nothing(file: Path) -> None:
    store.change({"system.name": "as it was"}, file)
    before = file.read_bytes()
    whole = csvfile.dump({**load(file), "system.name": "another"}).encode()
    last = whole.index(b"\r\nend,") + len(b"\r\nend")
    # everywhere near both ends, and at one place in each line between them
    places = {
        *range(300),
        *(whole.index(line) + len(line) // 2 for line in whole.splitlines()),
        *range(last - 300, last),
    }
    for length in sorted(place for place in places if 0 <= place < last):
        assert exchange.take(whole[:length], file).errors, whole[:length]
        assert file.read_bytes() == before
    for length in range(last + 2, whole.index(b",options")):
        assert "options were in this file" in exchange.take(whole[:length], file).errors[0]
    assert exchange.look(whole[: whole.index(b",options")], file).errors == ()


@pytest.mark.parametrize("version", [1, 2])
def test_every_format_there_ever_was_can_be_read(version: int, file: Path) -> None:
    found = exchange.take((FIXTURES / f"v{version}" / "system_config.csv").read_bytes(), file)
    assert (found.errors, found.unknown) == ((), ())
    settings_now = load(file, environment={})
    assert settings_now["system.name"] == 'UPS-A, "Core" room'
    assert settings_now["system.location"] == "=Hall 3 Größe"
    assert settings_now["ups.device"] == "tcp:192.0.2.7:4001"
    assert settings_now.number("ups.poll.interval") == 2.5
    assert settings_now.number("limit.ambient.cold") == -5
    assert settings_now["system.zone"] == ("UTC" if version == 1 else "Asia/Shanghai")


def test_there_is_a_fixture_for_every_format() -> None:
    assert {path.name for path in FIXTURES.iterdir()} == {f"v{version}" for version in csvfile.FORMATS}
    newest = (FIXTURES / f"v{csvfile.FORMAT}" / "system_config.csv").read_bytes()
    assert csvfile.dump(csvfile.parse_bytes(newest).values).encode() == newest


def test_a_key_of_old_still_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "RENAMES", {"system.label": "system.name"})
    assert exchange.take((HEAD + "system.label,UPS-A,\r\nend,1,\r\n").encode(), file).errors == ()
    assert load(file)["system.name"] == "UPS-A"
    both = exchange.look((HEAD + "system.label,A,\r\nsystem.name,B,\r\nend,2,\r\n").encode(), file)
    assert both.errors == ("line 4: system.name stands here a second time, first in line 3",)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "line 1: must be key,value,explanation"),
        (b"\0" * 100, "line 1: must be key,value,explanation"),
        ("key,value\nformat,2\nend\n".encode("utf-16"), "the file is UTF-16 text; save it as CSV in UTF-8"),
        (HEAD.encode() + b"system.name,Gr\xf6\xdfe,\r\nend,1,\r\n", "line 3: is not UTF-8 text; save the file as CSV in UTF-8"),
        (b"key,value\nformat,3\nend\n", "line 2: format '3' is not known to this firmware: the file was made by a newer one"),
        (b"key,value\nformat,\xc2\xb2\nend\n", "line 2: format '\u00b2' is not known to this firmware"),
        (b"key,value\nsystem.name,a\nend\n", "the format line is missing: the file is cut off or was not made by iStars"),
        ((HEAD + "format,2,\r\nend\r\n").encode(), "line 3: format stands here a second time"),
        ((HEAD + "end,0,\r\nsystem.name,a,\r\n").encode(), "line 4: stands behind the end line"),
        ((HEAD + "end\r\nend\r\n").encode(), "line 4: end stands here a second time"),
        (
            (HEAD + "ups.address,1\r\nups.address,1\r\nend\r\n").encode(),
            "line 4: ups.address stands here a second time, first in line 3",
        ),
        ((HEAD + "ups.address,500,\r\nend\r\n").encode(), "line 3: ups.address: must be between 1 and 247, not 500"),
        (
            (HEAD + 'system.name,"two\r\nlines",\r\nend\r\n').encode(),
            "line 4: system.name: must be one line of text; character 4 is the control character U+000D",
        ),
        (
            (HEAD + "limit.load.high,100,\r\nend\r\n").encode(),
            "line 3: limit.load.high: must be less than “Overload”, which is 100",
        ),
        (b"x" * (csvfile.SIZE_LIMIT + 1), "the file is larger than 2 MiB"),
        ((HEAD + "system.name," + "x" * 140_000 + ",\r\nend\r\n").encode(), "line 3: field larger than field limit (131072)"),
    ],
    ids=range(16),
)  # fmt: skip
def test_each_error_names_its_line_and_nothing_is_changed(file: Path, content: bytes, error: str) -> None:
    store.change({"system.name": "as it was"}, file)
    before = file.read_bytes()
    assert exchange.look(content, file).errors == (error,)
    assert exchange.take(content, file).errors == (error,)
    assert file.read_bytes() == before


def test_ten_thousand_lines(file: Path) -> None:
    wrong = HEAD + "ups.address,0\r\n" + "ups.address,1\r\n" * 9_999 + "end\r\n"
    errors = exchange.look(wrong.encode(), file).errors
    assert len(errors) == csvfile.ERROR_LIMIT + 1
    assert errors[0].startswith("line 3: ups.address: must be between")
    assert errors[-1] == "and 9900 more"
    foreign = HEAD + "".join(f"x.{number},1\r\n" for number in range(10_000)) + "end\r\n"
    found = exchange.take(foreign.encode(), file)
    assert (found.errors, len(found.unknown), found.changes) == ((), 10_000, ())


def test_a_look_tells_the_difference_and_changes_nothing(root: Path) -> None:
    store.change({"system.name": "UPS-A", "ups.battery.cells": "96"})
    before = paths.settings_file().read_bytes()
    content = (HEAD + "system.name,UPS-B,\r\nups.battery.cells,96,\r\nfrom.the.future,1,\r\nend,3,\r\n").encode()
    found = exchange.look(content)
    assert found.changes == (store.Change("system.name", "UPS-A", "UPS-B"),)
    assert found.unknown == ("from.the.future",)
    assert paths.settings_file().read_bytes() == before
    assert exchange.take(content).changes == found.changes
    assert load()["system.name"] == "UPS-B"
    assert load().whole("ups.battery.cells") == 96


@pytest.mark.parametrize("text", ["=cmd|'/C calc'!A0", "+1", "-1", "@a", "'=a", "''a", "'", "\uff1da", "a=b"])
def test_no_text_is_a_formula_in_the_file(file: Path, text: str) -> None:
    store.change({"system.location": text}, file)
    content = file.read_bytes().decode()
    cell = (
        next(line for line in content.splitlines() if line.startswith("system.location")).split(",", 1)[1].lstrip('"')
    )
    assert cell[0] not in "=+-@\uff1d"
    assert load(file)["system.location"] == text
    assert csvfile.dump(load(file)) == content


def test_a_negative_number_stays_a_number(file: Path) -> None:
    store.change({"limit.ambient.cold": "-5"}, file)
    assert "limit.ambient.cold,-5," in file.read_text(encoding="utf-8")


def test_excel_may_have_had_its_hands_on_it(file: Path) -> None:
    content = "\ufeffKey,Value,Explanation\nformat,2,of this file\nsystem.name,A,\n,,\nend,1,\n"
    assert exchange.take(content.encode(), file).errors == ()
    assert load(file)["system.name"] == "A"


def test_secrets_stay_here(declared: None, file: Path) -> None:
    key = "other.secret" if "other.secret" in groups.FIELDS else "radius.secret"
    assert store.change({key: "hush"}, file) == (store.Change(key, "", "changed"),)
    exported = csvfile.dump(load(file), secrets=False)
    assert "hush" not in exported
    assert exchange.take(exported.encode(), file).changes == ()
    assert load(file)[key] == "hush"
    assert store.change({key: ""}, file) == (store.Change(key, "stored", ""),)
