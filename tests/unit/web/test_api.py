"""What programs get: shapes, units, ages, cursors, errors that name the field, and tokens that open no more than they should."""

import threading

import pytest
from istars import __version__
from istars.errors import StoreError
from istars.platform import clock, paths
from istars.store.archive import Archive, Event
from istars.store.live_alarms import LiveAlarm, Step
from istars.web import api


@pytest.fixture
def ups(live):
    """A UPS on battery that was read just now."""
    live.publish(
        "upslink",
        {
            "input.voltage": 0.0,
            "ups.load": 38,
            "ups.status": "OB DISCHRG",
            "battery.charge": 87.5,
            "istars.link.state": "ok",
        },
        lifetime_s=10,
        estimated=("battery.charge",),
    )
    return live


@pytest.fixture
def alarm(live):
    """A present alarm."""
    made = LiveAlarm("a1", "ON_BATTERY", "warning", clock.wall() - 5, clock.boottime() - 5, clock.boot_id())
    live.apply(Step(raised=[made]))
    return made


@pytest.fixture
def record(card):
    """Seven events on flash."""
    archive = Archive(paths.archive_db())
    archive.append(
        [
            Event(
                0,
                f"k{number}",
                1_800_000_000.0 + number,
                "LOAD_HIGH",
                "raise",
                "warning",
                {"limit": 80, "value": 90},
                f"a{number}",
            )
            for number in range(7)
        ],
        [],
    )
    archive.close()


class Core:
    """Takes the core worker's commands and answers as told."""

    def __init__(self, live, state="done", result="acknowledged"):
        self.live, self.state, self.result = live, state, result
        self.seen = None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def _work(self):
        while not self.over.wait(0.005):
            command = self.live.claim("core")
            if command:
                self.seen = command
                self.live.finish(command.id, self.state, self.result)
                return


# health


def test_health_is_for_everybody_and_says_nothing_of_the_ups(app, ups, alarm):
    began = int(clock.boottime())
    response = app.test_client().get("/api/health")
    assert response.status_code == 200
    assert response.json.keys() == {"status", "boot", "version", "uptime_s"}
    assert (response.json["status"], response.json["boot"], response.json["version"]) == (
        "ok",
        clock.boot_id(),
        __version__,
    )
    assert began <= response.json["uptime_s"] <= clock.boottime()


# readings


def test_readings(ups, bearer):
    response = bearer("GET", "/api/v1/readings")
    assert response.status_code == 200
    found = {item["name"]: item for item in response.json["readings"]}
    assert found.keys() == {"input.voltage", "ups.load", "ups.status", "battery.charge", "istars.link.state"}
    charge = found["battery.charge"]
    age = charge.pop("age_s")
    assert 0 <= age <= round(clock.boottime() - ups.readings()["battery.charge"].at, 1)
    assert charge == {
        "name": "battery.charge", "value": 87.5, "unit": "%", "label": "Battery charge", "stale": False, "estimated": True,
        "source": "upslink",
    }  # fmt: skip
    assert found["ups.status"]["value"] == "OB DISCHRG"
    assert found["input.voltage"]["unit"] == "V"


def test_readings_go_stale_and_old(ups, bearer, boottime):
    boottime.pass_s(11)
    found = bearer("GET", "/api/v1/readings").json["readings"]
    assert all(item["stale"] for item in found)
    assert all(11 <= item["age_s"] < 16 for item in found)


def test_readings_by_name(ups, bearer):
    found = bearer("GET", "/api/v1/readings?name=ups.load&name=ups.status&name=output.voltage").json["readings"]
    assert {item["name"] for item in found} == {"ups.load", "ups.status"}
    response = bearer("GET", "/api/v1/readings?name=ups.load&name=ups.lode")
    assert (response.status_code, response.json["error"], response.json["field"]) == (400, "unknown-name", "name")
    assert "ups.lode" in response.json["message"]


def test_nothing_has_changed(ups, admin, boottime):
    first = admin.get("/api/v1/readings")
    tag = first.headers["ETag"]
    assert tag.startswith('W/"')

    def ask(path="/api/v1/readings"):
        return admin.get(path, headers={"If-None-Match": tag})

    again = ask()
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", tag)
    assert ask("/api/v1/readings?name=ups.load").status_code == 200
    ups.publish("upslink", {"ups.load": 38}, lifetime_s=10)
    assert ask().status_code == 304
    ups.publish("upslink", {"ups.load": 39}, lifetime_s=10)
    assert ask().status_code == 200


def test_becoming_stale_is_a_change(ups, admin, boottime):
    tag = admin.get("/api/v1/readings").headers["ETag"]
    boottime.pass_s(11)
    assert admin.get("/api/v1/readings", headers={"If-None-Match": tag}).status_code == 200


def test_new_live_table_is_seen(ups, admin, tmp_path):
    """The core worker had to begin a new table: readers do not go on with the old one."""
    from istars.store.database import set_aside
    from istars.store.live import LiveTable

    tag = admin.get("/api/v1/readings").headers["ETag"]
    ups.close()
    set_aside(paths.live_db())
    new = LiveTable(paths.live_db())
    new.publish("upslink", {"ups.load": 40}, lifetime_s=10)
    new.close()
    response = admin.get("/api/v1/readings", headers={"If-None-Match": tag})
    assert (response.status_code, [item["value"] for item in response.json["readings"]]) == (200, [40])


# alarms and events


def test_alarms(alarm, bearer):
    (found,) = bearer("GET", "/api/v1/alarms").json["alarms"]
    lasted = found.pop("lasted_s")
    assert 5 <= lasted <= round(clock.boottime() - alarm.since_boot, 1)
    assert found == {
        "key": "a1", "code": "ON_BATTERY", "severity": "warning", "text": "Mains failed, UPS on battery", "detail": "",
        "args": {}, "since": clock.iso(alarm.since_wall), "acknowledged_by": None, "acknowledged": None, "note": "",
    }  # fmt: skip


def test_events_are_read_on_from_where_one_stopped(record, bearer):
    seen, since = [], 0
    while True:
        answer = bearer("GET", f"/api/v1/events?since={since}&limit=3").json
        if not answer["events"]:
            break
        seen += [event["id"] for event in answer["events"]]
        assert answer["next"] == seen[-1]
        since = answer["next"]
    assert seen == sorted(seen)
    assert len(seen) == 7
    assert answer == {"events": [], "next": seen[-1]}


def test_event(record, bearer):
    event = bearer("GET", "/api/v1/events?limit=1").json["events"][0]
    assert event == {
        "id": 1, "time": clock.iso(1_800_000_000), "code": "LOAD_HIGH", "kind": "raise", "severity": "warning",
        "text": "Load above 80 %: 90 %", "args": {"limit": 80, "value": 90}, "alarm": "a0", "duration_s": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=-1", "since"), ("since=x", "since"), ("since=", "since"), ("since=1.5", "since"), ("since=9" * 40, "since"),
        ("since=9223372036854775808", "since"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=%D9%A3", "limit"),
        ("since=1&limit=+3", "limit"), ("since=1%00", "since"),
    ],
)  # fmt: skip
def test_bad_parameters_are_named(record, bearer, query, field):
    response = bearer("GET", f"/api/v1/events?{query}")
    assert (response.status_code, response.json["error"], response.json["field"]) == (400, "bad-parameter", field)
    assert response.json["message"].startswith(f"{field} is a whole number from")


def test_largest_numbers_are_fine(record, bearer):
    answer = bearer("GET", "/api/v1/events?since=9223372036854775807&limit=1000").json
    assert answer == {"events": [], "next": 9223372036854775807}


def test_record_that_cannot_be_read(record, admin, app):
    admin.get("/api/v1/events")
    paths.archive_db().unlink()
    response = admin.get("/api/v1/events")
    assert (response.status_code, response.json["error"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


# acknowledging


def test_acknowledge(alarm, live, bearer):
    with Core(live) as core:
        response = bearer("POST", "/api/v1/alarms/a1/acknowledge", "write", json={"note": " On my way "})
    assert (response.status_code, response.json) == (200, {"state": "done", "message": "acknowledged"})
    assert (core.seen.name, core.seen.arguments) == ("istars.alarm.acknowledge", {"alarm": "a1", "note": "On my way"})
    assert core.seen.asked_by.startswith("token t")
    assert core.seen.address == "127.0.0.1"


def test_acknowledge_with_the_cookie_of_a_browser(alarm, live, admin):
    with Core(live) as core:
        response = admin.request("POST", "/api/v1/alarms/a1/acknowledge", headers={"X-CSRFToken": admin.token})
    assert response.status_code == 200
    assert (core.seen.asked_by, core.seen.address, core.seen.arguments["note"]) == ("admin", "10.0.0.7", "")


def test_refused_by_the_core(alarm, live, bearer):
    with Core(live, "failed", "it is acknowledged already"):
        response = bearer("POST", "/api/v1/alarms/a1/acknowledge", "write")
    assert (response.status_code, response.json) == (409, {"error": "refused", "message": "it is acknowledged already"})


def test_core_that_does_not_answer(alarm, live, bearer, monkeypatch):
    """The command dies with the request: nothing happens late."""
    monkeypatch.setattr(api, "WAIT_S", 0.05)
    response = bearer("POST", "/api/v1/alarms/a1/acknowledge", "write")
    assert (response.status_code, response.json["error"]) == (503, "no-answer")
    assert "Nothing was changed." in response.json["message"]
    assert live.claim("core") is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"note": 1}', "note"),
        ('{"note": null}', "note"),
        ('{"note": "' + "x" * 201 + '"}', "note"),
        ('{"note": "a\\nb"}', "note"),
        ('{"noet": "x"}', "noet"),
        ("[]", None),
        ('"x"', None),
        ("{", None),
        ("note=x", None),
        ("\xff", None),
    ],
)
def test_bad_bodies_are_named(alarm, bearer, live, body, field):
    response = bearer("POST", "/api/v1/alarms/a1/acknowledge", "write", data=body.encode("latin-1"))
    assert (response.status_code, response.json["error"], response.json.get("field")) == (400, "bad-body", field)
    assert live.claim("core") is None


def test_alarm_that_is_not_there(alarm, bearer, live):
    response = bearer("POST", "/api/v1/alarms/a2/acknowledge", "write")
    assert (response.status_code, response.json["error"], response.json["field"]) == (404, "no-such-alarm", "key")
    assert live.claim("core") is None


# who may


def test_readers_acknowledge_nothing(alarm, bearer, live):
    response = bearer("POST", "/api/v1/alarms/a1/acknowledge", "read")
    assert (response.status_code, response.json["error"]) == (403, "forbidden")
    assert live.claim("core") is None


@pytest.mark.parametrize(
    "value", ["Bearer ist_wrong", "Bearer", "Bearer ", "Basic YWRtaW46YWRtaW4=", "bearer \xff", "x" * 5000]
)
def test_wrong_tokens(ups, app, value):
    response = app.test_client().get("/api/v1/readings", headers={"Authorization": value})
    assert (response.status_code, response.json["error"]) == (401, "wrong-token")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="iStars", error="invalid_token"'


def test_no_token(app):
    response = app.test_client().get("/api/v1/readings")
    assert (response.status_code, response.json["error"]) == (401, "sign-in-required")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="iStars"'


def test_revoked_and_expired_tokens(ups, app, accounts, monkeypatch):
    revoked, short = accounts.create_token("one", "read"), accounts.create_token("two", "read", clock.wall() + 60)

    def ask(text):
        return app.test_client().get("/api/v1/readings", headers={"Authorization": f"Bearer {text}"}).status_code

    assert (ask(revoked), ask(short)) == (200, 200)
    accounts.revoke_token("one")
    later = clock.wall() + 61
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert (ask(revoked), ask(short)) == (401, 401)


def test_wrong_token_is_not_saved_by_a_cookie(ups, admin):
    """Whoever sends a token is judged by it: a script must not pass by somebody's browser."""
    assert admin.get("/api/v1/readings", headers={"Authorization": "Bearer ist_wrong"}).status_code == 401


def test_tokens_open_no_pages(bearer):
    for path in ("/", "/password", "/records/events.csv"):
        assert bearer("GET", path, "administrator").status_code == 302
    assert bearer("GET", "/live", "administrator").status_code == 401
    assert bearer("POST", "/logout", "administrator").status_code == 302


def test_token_leaves_no_cookie(ups, bearer):
    assert "Set-Cookie" not in bearer("GET", "/api/v1/readings").headers


# signs of life


def test_sign_of_life_every_five_seconds(app, live, boottime):
    store = app.extensions["istars.store"]
    store.beat()
    first = live.heartbeats()["web"].at
    boottime.pass_s(3)
    store.beat()
    assert live.heartbeats()["web"].at == first
    boottime.pass_s(3)
    store.beat()
    assert live.heartbeats()["web"].at > first


def test_damaged_accounts_are_told_to_the_rules(app, live, accounts, boottime):
    """They make the alarm of it."""
    store = app.extensions["istars.store"]
    told = []
    for spoil in ((), (paths.accounts_db(),), (paths.accounts_db(), accounts.file.copy)):
        accounts.close()
        for path in spoil:
            path.write_bytes(b"garbage" * 5000)
        store.beat()
        told.append(live.readings()["istars.accounts.state"].value)
        boottime.pass_s(6)
    assert told == ["good", "restored", "closed"]


def test_sign_of_life_that_cannot_be_written_is_said_once(app, boottime, caplog, monkeypatch):
    store = app.extensions["istars.store"]

    def fail():
        raise StoreError("no room")

    monkeypatch.setattr(store, "live", fail)
    for _ in range(3):
        store.beat()
        boottime.pass_s(6)
    assert caplog.text.count("no sign of life") == 1
