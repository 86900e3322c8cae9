"""The clock and the restart on the page of the system, and the same by API; a stand-in carries the commands out."""

import html
import re
import threading
from contextlib import contextmanager

import pytest
from istars.platform import paths
from istars.store.live import LiveTable
from istars.store.wake import Bell
from istars.web import orders
from other_values import written_down

PAGE = "/settings/system"
STATE = {
    "istars.clock.state": "synchronised",
    "istars.clock.server": "<time>.example.net",
    "istars.clock.offset": -12.3,
    "istars.clock.updated": "2026-11-21T14:05:00+08:00",
    "istars.clock.reachable": 3,
    "istars.restart.next": "2026-11-22 03:00",
}


@contextmanager
def worker(state, result):
    """Ends every command for the worker of the operating system like this; gives what it got."""
    got, stop = [], threading.Event()
    bell = Bell("system")

    def serve():
        with LiveTable(paths.live_db()) as table:
            while not stop.is_set():
                while (command := table.claim("system")) is not None:
                    got.append((command.name, command.arguments, command.asked_by, command.address))
                    table.finish(command.id, state, result)
                bell.wait(0.1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        stop.set()
        thread.join()
        bell.close()


def told(response):
    return html.unescape(response.get_data(as_text=True))


def test_the_page_shows_how_the_clock_does_and_the_next_restart(admin, live):
    live.publish("system", STATE, lifetime_s=30)
    page = admin.get(PAGE).get_data(as_text=True)
    rows = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", rows.pop("Time"))
    assert rows == {
        "Clock of the card": "Synchronised",
        "Time server": "&lt;time&gt;.example.net",
        "Clock behind the time servers": "\N{MINUS SIGN}12.3 ms",
        "Clock last compared": "2026-11-21 14:05:00+08:00",
        "Time servers that answer": "3",
    }
    assert '<span class="num">2026-11-22 03:00</span>' in page


def test_a_worker_that_is_silent_is_not_shown_as_a_good_clock(admin, live):
    live.publish("system", STATE, lifetime_s=-1)
    page = told(admin.get(PAGE))
    assert "The worker that keeps the clock does not answer." in page
    assert "Synchronised" not in page


def test_a_clock_that_is_not_the_cards_says_so(admin, live):
    live.publish("system", {"istars.clock.state": "foreign"}, lifetime_s=30)
    assert "The clock belongs to the operating system of this machine, not to the card." in told(admin.get(PAGE))


def test_adjusting_shows_the_result_and_is_written_down(admin, live):
    with worker("done", "the clock was 5.250 s behind time.example.net and was set") as got:
        response = admin.post(f"{PAGE}/adjust", {})
    assert (response.status_code, response.headers["Location"]) == (303, PAGE)
    assert got == [("istars.clock.adjust", {}, "admin", "10.0.0.7")]
    assert "The clock was 5.250 s behind time.example.net and was set." in told(admin.get(PAGE))
    entry = written_down()[0]
    assert (entry.who, entry.action, entry.subject) == ("admin", "command", "istars.clock.adjust")
    assert entry.new == "done: the clock was 5.250 s behind time.example.net and was set"


def test_adjusting_that_fails_says_why(admin, live):
    with worker("failed", "no time server answers: 192.0.2.1"):
        admin.post(f"{PAGE}/adjust", {})
    assert "Adjust the clock now: No time server answers: 192.0.2.1." in told(admin.get(PAGE))


def test_a_command_that_nobody_takes_dies(admin, live, monkeypatch):
    monkeypatch.setattr(orders, "WAIT_S", 0.05)
    admin.post(f"{PAGE}/adjust", {})
    assert "Adjust the clock now: " in told(admin.get(PAGE))
    assert [row.state for row in live.unrecorded()] == ["expired"]
    assert written_down()[0].new == "expired: not carried out in time"


def test_a_time_is_set_by_hand(admin, live):
    with worker("done", "the clock was set to 2026-11-21T14:05:00+00:00") as got:
        response = admin.post(f"{PAGE}/clock", {"time": "2026-11-21 14:05:00"})
    assert response.status_code == 303
    assert got[0][:2] == ("istars.clock.set", {"time": "2026-11-21 14:05:00"})


@pytest.mark.parametrize(("typed", "reason"), [("soon", "'soon' is not a time"), ("x" * 300, "at most 200 characters")])
def test_a_time_that_is_refused_is_told_at_its_field(admin, live, typed, reason):
    with worker("failed", "'soon' is not a time"):
        response = admin.post(f"{PAGE}/clock", {"time": typed})
    page = told(response)
    assert response.status_code == 422
    assert re.search(rf'<p class="err" id="by-hand-e" role="alert">.*{reason}', page)
    assert f'value="{typed[:40]}" aria-describedby="by-hand-e by-hand-h" aria-invalid="true"' in page


def test_a_restart_asks_first_and_says_what_happens_to_the_load(admin, live):
    page = told(admin.get(f"{PAGE}/restart"))
    assert "The UPS goes on supplying its load: it is not touched." in page
    assert live.unrecorded() == []
    with worker("done", "the card restarts in a moment") as got:
        response = admin.post(f"{PAGE}/restart", {})
    assert (response.status_code, got[0][0]) == (303, "istars.restart")
    assert "The card restarts in a moment." in told(admin.get(PAGE))


@pytest.mark.parametrize("path", ["adjust", "clock", "restart"])
def test_readers_order_nothing(admin, reader, live, path):
    assert reader.post(f"{PAGE}/{path}", {}).status_code == 403
    assert live.claim("system") is None


def test_who_may_write_adjusts_but_neither_sets_the_clock_nor_restarts(admin, accounts, browser, live):
    accounts.add_user("walt", "a long password of his", "write")
    walt = browser(address="10.0.0.9")
    walt.sign_in("walt", "a long password of his")
    page = told(walt.get(PAGE))
    assert "Adjust now" in page
    assert "Set the clock" not in page
    assert "Restart now" not in page
    assert walt.get(f"{PAGE}/restart").status_code == 403
    for path in ("clock", "restart"):
        assert walt.post(f"{PAGE}/{path}", {"time": "2026-11-21 14:05:00"}).status_code == 403
    assert live.claim("system") is None
    with worker("done", "the clock agrees"):
        assert walt.post(f"{PAGE}/adjust", {}).status_code == 303


@pytest.mark.parametrize(
    ("state", "status", "answer"),
    [
        ("done", 200, {"state": "done", "message": "as it is"}),
        ("failed", 409, {"error": "refused", "message": "As it is."}),
    ],
)
def test_a_program_gives_a_command_and_gets_its_result(bearer, live, state, status, answer):
    with worker(state, "as it is") as got:
        response = bearer("POST", "/api/v1/commands/istars.clock.adjust", "write")
    assert (response.status_code, response.json) == (status, answer)
    assert got[0][0] == "istars.clock.adjust"


@pytest.mark.parametrize(
    ("name", "permission", "body", "status"),
    [
        ("istars.clock.adjust", "read", None, 403),
        ("istars.clock.set", "write", {"arguments": {"time": "2026-11-21 14:05"}}, 403),
        ("istars.restart", "write", None, 403),
        ("load.off", "administrator", None, 404),
        ("istars.records.clear", "administrator", None, 404),
        ("x" * 200, "administrator", None, 404),
        ("istars.clock.adjust", "write", [], 400),
        ("istars.clock.adjust", "write", {"argument": {}}, 400),
        ("istars.clock.adjust", "write", {"arguments": []}, 400),
        ("istars.clock.adjust", "write", {"arguments": {"x": 1}}, 400),
        ("istars.clock.set", "administrator", {"arguments": {"time": 5}}, 400),
    ],
)
def test_what_a_program_may_not_or_cannot_mean_is_refused(bearer, live, name, permission, body, status):
    more = {} if body is None else {"json": body}
    response = bearer("POST", f"/api/v1/commands/{name}", permission, **more)
    assert (response.status_code, set(response.json) >= {"error", "message"}) == (status, True)
    assert live.claim("system") is None


def test_a_program_is_told_when_nobody_takes_its_command(bearer, live, monkeypatch):
    monkeypatch.setattr(orders, "WAIT_S", 0.05)
    assert bearer("POST", "/api/v1/commands/istars.clock.adjust", "write").status_code == 503
