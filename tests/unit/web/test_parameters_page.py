"""The link, the search, register maps and the battery on their pages and by API; a stand-in carries the commands out."""

import html
import io
import re
import threading
from contextlib import contextmanager

import pytest
from istars.model.readings import NO_VALUE
from istars.platform import paths
from istars.settings import load
from istars.settings.store import save
from istars.store import battery, detection, maps
from istars.store.live import LiveTable
from istars.store.wake import Bell
from istars.web import ups_orders
from other_values import written_down
from web_browser import PASSWORD

PAGE = "/device/parameters"
LINK = {
    "istars.link.state": "lost",
    "istars.link.reason": "bad-answer",
    "istars.link.detail": "/dev/ups answered 'Q1' with f8 00 80 0d",
    "istars.link.seen": "f8 00 80 0d",
    "istars.link.protocol": "megatec",
    "istars.link.device": "/dev/ups",
    "istars.link.protocols": '{"megatec": "Megatec / Q1", "kstar": "Kstar"}',
}
ANSWER = {"baud": 9600, "parity": "E", "sent": "0d 51 31 0d", "came": "28 3c 0d 80", "text": "..."}
FOUND = {
    "device": "/dev/ttyS3",
    "percent": 100,
    "doing": "9600 baud",
    "found": {"protocol": "kstar", "title": "Kstar <b>", "baud": 9600, "parity": "E"},
    "answers": [ANSWER],
}
SET = ("ups.device", "ups.protocol", "ups.serial.baud", "ups.serial.parity", "ups.serial.bytesize")


@contextmanager
def worker(state, result):
    """Ends every command for the link like this; gives what it got."""
    got, stop = [], threading.Event()
    bell = Bell("upslink")

    def serve():
        with LiveTable(paths.live_db()) as table:
            while not stop.is_set():
                while (command := table.claim("upslink")) is not None:
                    got.append((command.name, command.arguments, command.asked_by))
                    if state != "running":
                        table.finish(command.id, state, result)
                bell.wait(0.05)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        stop.set()
        thread.join()
        bell.close()


def told(response):
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.get_data(as_text=True))))


def test_a_wrong_setting_shows_what_was_on_the_wire(admin, live):
    live.publish("upslink.link", LINK, lifetime_s=30)
    page = told(admin.get(PAGE))
    assert "What the UPS answers is not this protocol. /dev/ups answered 'Q1' with f8 00 80 0d." in page
    assert "Last bytes on the wire f8 00 80 0d As text ···<CR> Something answers, but not in this protocol." in page


@pytest.mark.parametrize(
    ("reason", "seen", "hint"),
    [
        ("no-answer", "", "Nothing came back. Is the UPS switched on"),
        ("bad-answer", "48 65 6c 6c 6f 0d", "The device answers in text, so the line is right"),
        ("no-answer", "80 80", "A wrong baud rate or parity turns answers into such bytes."),
        ("port-missing", "", "The port does not exist."),
    ],
)
def test_what_was_seen_says_what_to_look_at(admin, live, reason, seen, hint):
    live.publish("upslink.link", {**LINK, "istars.link.reason": reason, "istars.link.seen": seen}, lifetime_s=30)
    assert hint in told(admin.get(PAGE))


def test_a_search_is_begun_and_only_begun(admin, live):
    admin.get(PAGE)
    with worker("running", "") as got:
        answer = admin.post(f"{PAGE}/detect", {"device": "/dev/ttyS3"})
    assert (answer.status_code, answer.location) == (303, f"{PAGE}#search")
    assert got == [("istars.link.detect", {"device": "/dev/ttyS3", "apply": 0}, "admin")]
    assert written_down()[0].subject == "istars.link.detect"


def test_a_search_that_runs_is_shown_and_no_second_one_begins(admin, live):
    live.publish("upslink.link", {**LINK, "istars.link.detect.progress": 34}, lifetime_s=30)
    detection.write({**FOUND, "found": None, "percent": 34})
    page = told(admin.get(PAGE))
    assert "Finding out what answers on /dev/ttyS3" in page
    assert "34 % 9600 baud" in page
    assert "9600 E <CR>Q1<CR> 28 3c 0d 80 (<<CR>·" in page
    assert "The card is finding out already." in told(admin.post(f"{PAGE}/detect", {"device": ""}))
    # a worker that died in the middle does not search for ever
    live.publish("upslink.link", {"istars.link.detect.progress": 34}, lifetime_s=-1)
    assert "Finding out what answers" not in told(admin.get(PAGE))


def test_what_was_found_is_set_only_on_request(admin, live):
    detection.write(FOUND, "Kstar on /dev/ttyS3 at 9600 baud, parity E")
    save({"ups.serial.bytesize": "7"})
    page = told(admin.get(PAGE))
    assert "Kstar <b> answers on /dev/ttyS3 at 9600 baud, even parity." in page
    assert load()["ups.protocol"] == "megatec"
    assert admin.post(f"{PAGE}/detect/apply").status_code == 303
    settings = load()
    assert [settings[key] for key in SET] == ["/dev/ttyS3", "kstar", 9600, "E", "auto"]
    assert {entry.subject for entry in written_down()} >= set(SET)
    assert "That is what is set." in told(admin.get(PAGE))


def test_nothing_found_cannot_be_set(admin, live):
    detection.write({**FOUND, "found": None}, "nothing answers on /dev/ttyS3")
    assert "Nothing answers on /dev/ttyS3." in told(admin.get(PAGE))
    assert admin.post(f"{PAGE}/detect/apply").status_code == 409


@pytest.fixture
def writer(browser, accounts):
    """A browser in which somebody is signed in who may write, but not administrate."""
    accounts.add_user("otto", PASSWORD, "write")
    made = browser(address="10.0.0.9")
    made.sign_in("otto")
    made.get(PAGE)
    return made


def brought(browser, content=b"{}", file="My UPS (2).json", name=""):
    return browser.post(
        f"{PAGE}/maps", {"file": (io.BytesIO(content), file), "name": name}, content_type="multipart/form-data"
    )


def test_a_map_is_offered_under_the_name_of_its_file_and_its_mistakes_are_told(admin, live):
    admin.get(PAGE)
    mistakes = "my-ups-2.json: line 3, items[0]: register is missing\nmy-ups-2.json: line 9: 'x' is not known here"
    with worker("failed", mistakes) as got:
        answer = brought(admin)
    assert answer.status_code == 422
    assert got == [("istars.map.keep", {"name": "my-ups-2"}, "admin")]
    page = answer.get_data(as_text=True)
    assert "<li>line 3, items[0]: register is missing</li><li>line 9: &#39;x&#39; is not known here</li>" in page
    assert not list(paths.offered_dir().iterdir())


def test_a_map_that_is_kept_says_what_the_device_answered(admin, live):
    admin.get(PAGE)
    with worker("done", "The map hall is kept; 6 of 6 registers answer: Mains voltage 230 V."):
        assert brought(admin, name="hall").status_code == 303
    assert "6 of 6 registers answer" in told(admin.get(PAGE))


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [(b"", "x", "Choose the file"), (b"{}", "../x", "small letters"), (b" " * (maps.SIZE_LIMIT + 1), "x", "larger")],
)
def test_what_is_no_map_is_refused_before_anybody_tries_it(admin, live, content, name, said):
    admin.get(PAGE)
    answer = brought(admin, content, name=name)
    assert (answer.status_code, said in told(answer)) == (422, True)


def keep(name="hall"):
    maps.offer(name, b'{"title": "Hall"}')
    maps.keep(name)


def test_maps_are_fetched_and_removed_but_not_the_one_in_use(admin, live):
    keep()
    assert "Hall" in told(admin.get(PAGE))
    fetched = admin.get(f"{PAGE}/maps/hall.json")
    assert (fetched.data, fetched.headers["Content-Disposition"]) == (
        b'{"title": "Hall"}',
        'attachment; filename="hall.json"',
    )
    assert admin.get(f"{PAGE}/maps/none.json").status_code == 404
    save({"ups.protocol": "hall"})
    assert admin.post(f"{PAGE}/maps/hall/remove").status_code == 409
    save({"ups.protocol": "megatec"})
    assert admin.post(f"{PAGE}/maps/hall/remove").status_code == 303
    assert maps.stored() == {}
    assert admin.post(f"{PAGE}/maps/hall/remove").status_code == 404


def test_only_administrators_bring_and_remove_maps(writer, live):
    keep()
    page = told(writer.get(PAGE))
    assert "Only an administrator may bring or remove a map." in page
    assert "Remove hall" not in page
    assert brought(writer).status_code == 403
    assert writer.post(f"{PAGE}/maps/hall/remove").status_code == 403
    assert writer.get(f"{PAGE}/maps/hall.json").status_code == 200


def test_the_battery_page_shows_tests_and_what_discharges_taught(admin, live):
    live.publish(
        "upslink", {"battery.charge": 87.0, "battery.runtime": 1234}, lifetime_s=30, estimated=["battery.runtime"]
    )
    battery.keep_learned({"full_s": 470.0, "discharges": 2, "at": 1_780_000_000.0})
    record = {
        "at": 1_780_000_000.0,
        "before_v": 27.4,
        "load": 42.0,
        "lowest_v": 24.06,
        "lasted_s": 10.2,
        "result": "passed",
    }
    battery.keep_test({**record, "after_v": 26.8})
    battery.keep_test({**record, "after_v": None, "result": ""})
    save({"ups.battery.replaced": "2024-02-29", "ups.battery.life": "5"})
    page = told(admin.get("/device/battery"))
    assert "Battery charge 87 % Time on battery 20 min estimated" in page
    assert "A full battery lasts about 7 minutes at full load." in page
    assert "Learned from 2 discharges" in page
    assert "Replacement due 2029-02-28" in page
    rows = re.findall(r"(Not told|Passed) 10 s 42 % 27\.4 V 24\.1 V (26.8 V|\S) ", page)
    assert rows == [("Not told", NO_VALUE), ("Passed", "26.8 V")]


def test_the_api_says_and_does_the_same(bearer, live):
    def call(method, path, **more):
        return bearer(method, path, "administrator", **more)

    assert call("GET", "/api/v1/ups/detection").json == {**ups_orders.NOTHING, "running": False}
    detection.write(FOUND, "found")
    assert call("GET", "/api/v1/ups/detection").json["found"]["protocol"] == "kstar"
    assert call("DELETE", "/api/v1/ups/detection").json["message"] == "Nothing is being searched for."
    assert call("POST", "/api/v1/ups/detection/apply").json["changed"][:2] == ["ups.device", "ups.protocol"]
    assert call("POST", "/api/v1/ups/detection", json={"port": "x"}).status_code == 400
    with worker("failed", "the port is not allowed here"):
        refused = call("POST", "/api/v1/ups/detection", json={"device": "nowhere"})
    assert (refused.status_code, refused.json["message"]) == (409, "The port is not allowed here.")
    with worker("failed", "hall.json: line 1: schema must be 1"):
        wrong = call("PUT", "/api/v1/ups/maps/hall", data=b"{}")
    assert (wrong.status_code, wrong.json["lines"]) == (422, ["line 1: schema must be 1"])
    keep()
    assert call("GET", "/api/v1/ups/maps").json == {"maps": [{"name": "hall", "title": "Hall"}]}
    assert call("GET", "/api/v1/ups/maps/hall").json == {"title": "Hall"}
    assert call("DELETE", "/api/v1/ups/maps/hall").status_code == 200
    assert call("GET", "/api/v1/ups/maps/hall").status_code == 404
    assert call("GET", "/api/v1/ups/battery").json == {"learned": {}, "tests": []}
