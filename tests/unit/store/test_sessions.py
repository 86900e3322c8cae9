"""Sessions as somebody sees them who may end them."""

import sqlite3

import pytest
from istars.platform import clock
from istars.store.sessions import HALF_S, LONGEST_S, Sessions


@pytest.fixture
def times(monkeypatch):
    class Times:
        boot = 1000.0

    made = Times()
    monkeypatch.setattr(clock, "boottime", lambda: made.boot)
    return made


@pytest.fixture
def sessions(tmp_path, times):
    made = Sessions(tmp_path / "sessions.db")
    yield made
    made.close()


def test_present_ones_last_used_first(sessions, times):
    first = sessions.start("admin", 1, "10.0.0.7")
    times.boot += 10
    second = sessions.start("eve", 2, "10.0.0.8")
    assert [(each.user, each.address) for each in sessions.present(900)] == [("eve", "10.0.0.8"), ("admin", "10.0.0.7")]
    times.boot += 10
    sessions.note_use(first)
    assert [each.handle for each in sessions.present(900)] == [sessions.handle_of(first), sessions.handle_of(second)]
    times.boot += 895
    assert [each.user for each in sessions.present(900)] == ["admin"]
    times.boot += LONGEST_S
    assert sessions.present(float("inf")) == []


def test_handle_ends_one_and_opens_none(sessions):
    first, second = (sessions.start("admin", 1, "10.0.0.7") for _ in range(2))
    handle = sessions.handle_of(first)
    assert sessions.find(handle, 900) is None
    assert sessions.close_one(handle).user == "admin"
    assert sessions.find(first, 900).ended == "closed"
    assert sessions.find(second, 900).ended == ""
    for other in (handle, "", "%", "x" * 16, "\0"):
        assert sessions.close_one(other) is None


def test_half_a_session_is_short_and_in_no_list(sessions, times):
    secret = sessions.start("admin", 1, "10.0.0.7", half=True)
    assert sessions.find(secret, 900).half
    assert sessions.present(900) == []
    times.boot += HALF_S
    assert sessions.find(secret, 900).ended == "old"


def test_table_of_an_older_version_is_begun_anew(tmp_path):
    path = tmp_path / "sessions.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE session (id BLOB PRIMARY KEY, user TEXT, generation INTEGER, ended TEXT)")
    connection.close()
    sessions = Sessions(path)
    secret = sessions.start("admin", 1, "10.0.0.7")
    assert sessions.find(secret, 900).user == "admin"
    sessions.close()
