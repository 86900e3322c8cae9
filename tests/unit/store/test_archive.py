"""Events on flash."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from istars.errors import StoreError
from istars.platform import clock, paths
from istars.store.archive import Archive, Event
from istars.store.database import StoreDamaged, StoreFull, set_aside


def event(key: str, at: float = 0.0, severity: str = "warning", kind: str = "raise") -> Event:
    return Event(0, key, at or clock.wall(), "ON_BATTERY", kind, severity, {"value": key}, "k")


@pytest.fixture
def archive(root: Path) -> Iterator[Archive]:
    with Archive(paths.archive_db()) as opened:
        yield opened


def test_events_keep_their_order_and_contents(archive: Archive) -> None:
    archive.append([event("a", 200.0), event("b", 100.0)], [])
    with Archive(paths.archive_db(), readonly=True) as reader:
        seen = reader.events()
    assert [(e.id, e.key, e.at, e.args) for e in seen] == [
        (1, "a", 200.0, {"value": "a"}),
        (2, "b", 100.0, {"value": "b"}),
    ]


def test_writing_an_event_twice_changes_nothing(archive: Archive) -> None:
    archive.append([event("a")], [])
    archive.append([event("a"), event("b")], [])
    assert [e.key for e in archive.events()] == ["a", "b"]


def test_alarms_that_are_present_are_remembered_as_a_whole(archive: Archive) -> None:
    archive.append([], [("k1", {"code": "EPO"}), ("k2", {"code": "FAN_FAIL"})])
    archive.append([], [("k2", {"code": "FAN_FAIL"})])
    assert archive.active_alarms() == [{"code": "FAN_FAIL"}]


def test_events_can_be_chosen(archive: Archive) -> None:
    archive.append([event(f"e{n}", severity="critical" if n % 2 else "warning") for n in range(10)], [])
    assert [e.id for e in archive.events(since=7)] == [8, 9, 10]
    assert [e.id for e in archive.events(newest_first=True, limit=2)] == [10, 9]
    assert [e.id for e in archive.events(severity={"critical"}, before=5)] == [2, 4]
    assert archive.events(kind={"clear"}) == []


def test_a_day_is_that_of_the_cards_zone(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    try:
        late = datetime(2026, 11, 19, 16, 30, tzinfo=UTC).timestamp()
        archive.append([event("a", late)], [])
        assert [e.key for e in archive.events(day=datetime(2026, 11, 20, tzinfo=UTC).date())] == ["a"]
        assert archive.events(day=datetime(2026, 11, 19, tzinfo=UTC).date()) == []
    finally:
        monkeypatch.undo()
        time.tzset()


def _open_as_soon_as_it_is_there(path: str, found: Connection) -> None:
    archive = Path(path)
    while not archive.exists():
        pass
    try:
        with Archive(archive, readonly=True) as reader:
            found.send(len(reader.events()))
    except StoreError as error:
        found.send(str(error))


def test_who_sees_the_file_sees_its_tables(root: Path) -> None:
    context = multiprocessing.get_context("fork")
    mine, theirs = context.Pipe()
    readers = [
        context.Process(target=_open_as_soon_as_it_is_there, args=(str(paths.archive_db()), theirs)) for _ in range(3)
    ]
    for reader in readers:
        reader.start()
    Archive(paths.archive_db()).close()
    assert [mine.recv() for _ in readers] == [0, 0, 0]
    for reader in readers:
        reader.join()
    assert [each.name for each in paths.data_dir().iterdir() if each.suffix == ".new"] == []


def test_a_damaged_file_is_recognised_and_kept(root: Path) -> None:
    path = paths.archive_db()
    with Archive(path) as archive:
        archive.append([event("a")], [])
    content = bytearray(path.read_bytes())
    content[0:100] = b"x" * 100
    path.write_bytes(bytes(content))
    with pytest.raises(StoreDamaged, match="archive.db"):
        Archive(path)
    kept = set_aside(path)
    assert kept.read_bytes()[:3] == b"xxx"
    with Archive(path) as archive:
        assert archive.events() == []


def test_a_folder_that_does_not_exist_is_one_clear_error(root: Path) -> None:
    with pytest.raises(StoreFull, match="no-such-folder"):
        Archive(root / "no-such-folder" / "archive.db")
