"""The audit record: every entry once and in order, whatever flash does."""

from __future__ import annotations

import os
import sqlite3
from datetime import date
from pathlib import Path

import pytest
from istars.platform import clock
from istars.store import audit
from istars.store.audit import AuditFile, AuditRecord, Entry


def entry(
    subject: str, at: float | None = None, who: str = "ann", action: str = "settings changed", **more: str
) -> Entry:
    return Entry(clock.wall() if at is None else at, who, "10.0.0.7", action, subject, **more)  # type: ignore[arg-type]


@pytest.fixture
def record(root: Path) -> AuditRecord:
    return AuditRecord()


def subjects(record: AuditRecord, day: date | None = None, text: str = "") -> list[str]:
    return [each.subject for each in record.every(day, text)]


def test_entries_come_back_newest_first(record: AuditRecord) -> None:
    record.note(entry("a", old="1", new="2"))
    record.note(entry("b"), entry("c"))
    found, problem = record.page(day=None, text="", before=None, limit=10)
    assert [each.subject for each in found] == ["c", "b", "a"]
    assert (found[2].old, found[2].new, found[2].who, found[2].address, problem) == ("1", "2", "ann", "10.0.0.7", "")
    older, _ = record.page(day=None, text="", before=found[1].id, limit=10)
    assert [each.subject for each in older] == ["a"]


def test_nobody_else_reads_it_and_nothing_is_left_open(record: AuditRecord) -> None:
    record.note(entry("a"))
    assert audit.file().stat().st_mode & 0o007 == 0
    assert not audit.file().with_name("audit.db-wal").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_root_makes_belongs_to_those_who_serve(record: AuditRecord) -> None:
    os.chown(audit.file().parent, 4711, 4712)
    record.note(entry("a"))
    status = audit.file().stat()
    assert (status.st_uid, status.st_gid) == (4711, 4712)


def test_text_and_day_are_looked_for(record: AuditRecord) -> None:
    yesterday = clock.wall() - 90_000
    record.note(entry("ups.protocol", at=yesterday), entry("Größe 5%_", who="Bob"))
    assert subjects(record, text="PROTOCOL") == ["ups.protocol"]
    assert subjects(record, text="bob") == ["Größe 5%_"]
    assert subjects(record, text="Größe") == ["Größe 5%_"]
    assert subjects(record, text="%") == ["Größe 5%_"]
    assert subjects(record, text="' OR 1=1 --") == []
    assert subjects(record, day=clock.local(yesterday).date()) == ["ups.protocol"]


def test_a_long_record_is_read_to_its_end(record: AuditRecord) -> None:
    record.note(*(entry(str(number)) for number in range(1_203)))
    assert subjects(record) == [str(number) for number in range(1_202, -1, -1)]


def test_it_does_not_grow_without_end(record: AuditRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(AuditFile, "rows_kept", 20)
    for start in range(0, 50, 10):
        record.note(*(entry(str(number)) for number in range(start, start + 10)))
    assert subjects(record) == [str(number) for number in range(49, 29, -1)]


def test_guessing_passwords_pushes_nothing_else_out(record: AuditRecord, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "REFUSALS_KEPT", 5)
    record.note(entry("important"))
    for number in range(12):
        record.note(entry(f"try {number}", action=audit.REFUSED))
    assert subjects(record) == [f"try {number}" for number in range(11, 6, -1)] + ["important"]


def test_entries_wait_in_memory_while_flash_is_full(
    record: AuditRecord, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    record.note(entry("before"))
    connect = sqlite3.connect

    def full(where: str, **more: object) -> sqlite3.Connection:
        if "/data/" in where:
            raise sqlite3.OperationalError("database or disk is full")
        return connect(where, **more)  # type: ignore[call-overload,no-any-return]

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", full)
        record.note(entry("one"))
        record.note(entry("two"), entry("three"))
        assert len([each for each in caplog.records if "stays in memory" in each.message]) == 1
        found, problem = record.page(day=None, text="", before=None, limit=10)
        assert [each.subject for each in found] == ["three", "two", "one"]
        assert problem
    assert subjects(record) == ["three", "two", "one", "before"]
    AuditRecord().note(entry("four"))  # the web worker was restarted meanwhile
    assert subjects(record) == ["four", "three", "two", "one", "before"]
    assert not audit.waiting_file().exists()


def test_nothing_fails_where_nothing_can_be_written(
    record: AuditRecord, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(sqlite3, "connect", broken)
    record.note(entry("lost"))
    assert "lost" in caplog.text


def test_a_damaged_record_is_kept_beside_a_new_one(record: AuditRecord) -> None:
    record.note(entry("old"))
    audit.file().write_bytes(b"not a database " * 100)
    _, problem = record.page(day=None, text="", before=None, limit=10)
    assert problem
    record.note(entry("new"))
    assert subjects(record) == ["new"]
    assert list(audit.file().parent.glob("audit.db.damaged-*"))


@pytest.mark.parametrize(("text", "clean"), [("a\nb\x1b[0m\0", "a b [0m "), ("x" * 400, "x" * 299 + "…"), ("ok", "ok")])
def test_texts_are_one_harmless_line(text: str, clean: str) -> None:
    assert audit.plain(text) == clean
