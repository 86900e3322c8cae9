"""The update of the firmware by page and API: who may bring a file, what happens to it, and what the page says in each state."""

import dataclasses
import io
import threading

import pytest
from firmware_samples import members, packed
from istars.platform import paths
from istars.store import firmware
from istars.store.firmware import Available, Ended, Package, SlotState, Status, Update
from istars.store.live import LiveTable
from istars.store.package import PACKAGE_LIMIT

pytestmark = pytest.mark.thorough

GOOD = packed(*members(b"bundle" * 100))
PACKAGE = Package(
    "0.2.0", "Mends the clock", "- faster\n", 31_000_000, ("istars-nv",), "", "admin", "10.0.0.7", 1e9, "CN=iStars"
)
UPDATE = Update("0.2.0", "B", "0.1.0", "A", "admin", 1e9, "boot")
SLOTS = (SlotState("A", True, True, True, "0.1.0"), SlotState("B", False, True, False, "0.0.9"))
BASE = Status(version="0.1.0", compatible="istars-nv", slot="A", confirmed=True, rauc=True, slots=SLOTS)


@pytest.fixture(autouse=True)
def updater(card, live):
    """What the updater has said."""
    firmware.make_dirs()
    firmware.publish(BASE)
    return live


def tell(**changes):
    firmware.publish(dataclasses.replace(BASE, **changes))


def text(response):
    return response.get_data(as_text=True)


def brought():
    return sorted(path.name for path in firmware.incoming().iterdir() if path.name != "lock")


class Recorder(io.BytesIO):
    """A body of which is known whether anybody has looked at it."""

    seen = False

    def read(self, *size):
        self.seen = True
        return super().read(*size)

    def readinto(self, buffer):
        self.seen = True
        return super().readinto(buffer)


def put(client, body=GOOD, **headers):
    stream = Recorder(body)
    answer = client.put(
        "/api/v1/firmware/package",
        input_stream=stream,
        content_length=len(body),
        content_type="application/octet-stream",
        headers=headers,
    )
    return answer, stream


def token(accounts, permission):
    return {"Authorization": f"Bearer {accounts.create_token(f't-{permission}', permission)}"}


# who may bring something


def test_nothing_of_the_body_is_read_before_it_is_known_who_sends_it(app, accounts, admin, reader):
    stranger = app.test_client()
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        (token(accounts, "read"), 403),
        (token(accounts, "write"), 403),
    ):
        answer, stream = put(stranger, **headers)
        assert (answer.status_code, stream.seen) == (status, False)
    for browser, sent, status in ((reader, reader.token, 403), (admin, "", 400), (admin, "wrong", 400)):
        body = Recorder(GOOD)
        answer = browser.request(
            "PUT",
            "/api/v1/firmware/package",
            input_stream=body,
            content_length=len(GOOD),
            headers={"X-CSRFToken": sent},
        )
        assert (answer.status_code, body.seen) == (status, False)
    assert not firmware.incoming().exists() or brought() == []


def test_another_site_cannot_have_a_file_sent(admin):
    stream = Recorder(GOOD)
    headers = {"X-CSRFToken": admin.token, "Sec-Fetch-Site": "cross-site"}
    answer = admin.request(
        "PUT", "/api/v1/firmware/package", input_stream=stream, content_length=len(GOOD), headers=headers
    )
    assert (answer.status_code, stream.seen) == (400, False)


def test_a_token_of_an_administrator_brings_a_file(app, accounts):
    answer, stream = put(app.test_client(), **token(accounts, "administrator"))
    assert (answer.status_code, stream.seen) == (200, True)
    assert answer.get_json()["version"] == "0.2.0"
    assert brought() == ["package.json", "package.raucb"]
    assert (firmware.incoming() / "package.raucb").read_bytes() == b"bundle" * 100


def test_a_browser_brings_a_file_and_it_is_written_down(app, admin):
    answer = admin.request("PUT", "/api/v1/firmware/package", data=GOOD, headers={"X-CSRFToken": admin.token})
    assert answer.status_code == 200
    taken = firmware.take()
    assert (taken.by, taken.address, taken.version) == ("admin", "10.0.0.7", "0.2.0")
    noted = [(entry.who, entry.action, entry.subject) for entry in app.extensions["istars.audit"].every(None, "")]
    assert ("admin", "firmware brought", "0.2.0") in noted


# what is refused


def test_a_bad_file_is_refused_with_its_reason_and_nothing_is_kept(app, accounts):
    for body, words in (
        (packed(("../iStars.raucb", b"x")), "where manifest.json belongs"),
        (GOOD[:-20], "cut off"),
        (b"no package", "not a package"),
        (b"", "empty"),
    ):
        answer, _ = put(
            app.test_client(), body, Authorization=f"Bearer {accounts.create_token(words, 'administrator')}"
        )
        assert answer.status_code == 422
        assert words in answer.get_json()["message"]
    assert brought() == []


def test_more_than_the_limit_is_refused_unread(app, accounts):
    headers = token(accounts, "administrator")
    stream = Recorder(b"")
    answer = app.test_client().put(
        "/api/v1/firmware/package",
        input_stream=stream,
        headers=headers,
        environ_overrides={"CONTENT_LENGTH": str(PACKAGE_LIMIT + 1)},
    )
    assert (answer.status_code, stream.seen) == (413, False)
    assert f"{PACKAGE_LIMIT // 1024} kB" in answer.get_json()["message"]


def test_the_limit_of_other_routes_stays(admin):
    answer = admin.request("PUT", "/api/v1/settings", data=b"x" * 70_000, headers={"X-CSRFToken": admin.token})
    assert (answer.status_code, "64 kB" in answer.get_json()["message"]) == (413, True)


@pytest.mark.parametrize("state", sorted(firmware.BUSY))
def test_while_something_is_under_way_another_file_is_refused(app, accounts, admin, state):
    tell(state=state)
    answer, _ = put(app.test_client(), **token(accounts, "administrator"))
    assert (answer.status_code, answer.get_json()["message"]) == (409, firmware.WHY_BUSY[state])
    assert form(admin).status_code == 409


def test_a_second_upload_is_refused_while_the_first_comes_in(app, accounts):
    headers = token(accounts, "administrator")
    second = []

    class Slow(io.BytesIO):
        def readinto(self, buffer):
            if not second:
                second.append(put(app.test_client(), **headers)[0].status_code)
                asked = app.test_client().get("/api/v1/firmware", headers=headers).get_json()["state"]
                second.append(asked)
            return super().readinto(buffer)

    answer = app.test_client().put(
        "/api/v1/firmware/package", input_stream=Slow(GOOD), content_length=len(GOOD), headers=headers
    )
    assert (answer.status_code, second) == (200, [409, "receiving"])


def test_a_full_flash_is_said_and_leaves_nothing(app, accounts, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    headers = token(accounts, "administrator")
    monkeypatch.setattr("istars.store.firmware.os.fsync", full)
    answer, _ = put(app.test_client(), **headers)
    assert answer.status_code == 503
    assert "No space left" in answer.get_json()["message"]
    assert brought() == []


# the form, for browsers without script


def form(who, content=GOOD, csrf=None, **more):
    page = text(who.get("/assistant/firmware"))
    assert 'enctype="multipart/form-data"' in page or csrf is not None
    data = {"file": (io.BytesIO(content), "iStars.tar.gz")} if content is not None else {}
    return who.request(
        "POST",
        "/assistant/firmware/upload",
        query_string={"csrf_token": who.token if csrf is None else csrf},
        data=data,
        content_type="multipart/form-data",
        **more,
    )


def test_a_form_brings_a_file_too(admin):
    big = packed(*members(bytes(range(256)) * 2_000))
    answer = form(admin, big)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/assistant/firmware")
    assert (firmware.incoming() / "package.raucb").read_bytes() == bytes(range(256)) * 2_000


def test_a_form_without_its_token_or_without_a_file_is_refused(admin, reader):
    assert form(admin, csrf="").status_code == 400
    assert form(reader, csrf="x").status_code == 403
    answer = form(admin, None)
    assert answer.status_code == 422
    assert "The file is empty" in text(answer)
    answer = form(admin, b"")
    assert answer.status_code == 422
    answer = admin.request(
        "POST",
        "/assistant/firmware/upload",
        query_string={"csrf_token": admin.token},
        data=b"x",
        content_type="text/plain",
    )
    assert "Choose the file" in text(answer)
    assert brought() == []


@pytest.mark.parametrize(
    "body", [b"", b"--x", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc']
)
def test_a_form_that_breaks_off_is_refused(admin, body):
    answer = admin.request(
        "POST",
        "/assistant/firmware/upload",
        query_string={"csrf_token": admin.token},
        data=body,
        content_type="multipart/form-data; boundary=x",
    )
    assert answer.status_code == 422


# orders


@pytest.fixture
def answering(live, monkeypatch):
    """An updater that answers every order; a list of them."""
    monkeypatch.setattr("istars.web.orders.WAIT_S", 30.0)
    orders, stop = [], threading.Event()

    def work():
        with LiveTable(paths.live_db()) as table:
            while not stop.is_set():
                command = table.claim("updater")
                if command is None:
                    stop.wait(0.01)
                    continue
                orders.append((command.name, command.arguments, command.asked_by))
                refused = command.arguments.get("version") == "9.9.9"
                table.finish(command.id, "failed" if refused else "done", "look again" if refused else "as you wish")

    thread = threading.Thread(target=work)
    thread.start()
    yield orders
    stop.set()
    thread.join()


def test_the_page_starts_the_upgrade(app, admin, answering):
    tell(state="ready", package=PACKAGE)
    assert "Start upgrade" in text(admin.get("/assistant/firmware"))
    answer = admin.post("/assistant/firmware/install", {"version": "0.2.0"})
    assert answer.status_code == 303
    assert answering == [("istars.firmware.install", {"version": "0.2.0", "downgrade": 0}, "admin")]
    refused = admin.post("/assistant/firmware/install", {"version": "9.9.9", "downgrade": "yes"})
    assert (refused.status_code, "Look again" in text(refused)) == (409, True)
    assert answering[1][1]["downgrade"] == 1
    noted = [(entry.action, entry.subject) for entry in app.extensions["istars.audit"].every(None, "")]
    assert ("firmware install", "0.2.0") in noted
    assert ("firmware install", "9.9.9") not in noted


@pytest.mark.parametrize("order", ["discard", "look", "download"])
def test_the_other_orders_of_the_page(admin, answering, order):
    assert admin.post("/assistant/firmware/order", {"order": order}).status_code == 303
    assert answering[0][0] == f"istars.firmware.{order}"
    assert "As you wish." in text(admin.get("/assistant/firmware"))


def test_an_order_that_is_none_is_refused(admin):
    assert admin.post("/assistant/firmware/order", {"order": "install"}).status_code == 422


def test_without_an_updater_it_is_said_that_nothing_happens(admin, monkeypatch):
    monkeypatch.setattr("istars.web.firmware_orders.WAIT_S", 0.05)
    answer = admin.post("/assistant/firmware/order", {"order": "look"})
    assert (answer.status_code, "does not answer" in text(answer)) == (503, True)


def test_the_api_gives_the_same_orders(bearer, answering):
    for method, path, name in (
        ("DELETE", "package", "discard"),
        ("POST", "install", "install"),
        ("POST", "check", "look"),
        ("POST", "download", "download"),
    ):
        answer = bearer(method, f"/api/v1/firmware/{path}", "administrator")
        assert answer.get_json() == {"state": "done", "message": "as you wish"}
        assert answering[-1][0] == f"istars.firmware.{name}"
        assert bearer(method, f"/api/v1/firmware/{path}", "write").status_code == 403
    answer = bearer("POST", "/api/v1/firmware/install", "administrator", json={"version": "9.9.9", "downgrade": True})
    assert (answer.status_code, answer.get_json()["message"]) == (409, "look again")


@pytest.mark.parametrize(
    "body", [b"[]", b"{", b'{"other": 1}', b'{"version": 1}', b'{"downgrade": "yes"}', b'{"downgrade": 1}']
)
def test_an_order_of_another_shape_is_refused(bearer, body):
    assert bearer("POST", "/api/v1/firmware/install", "administrator", data=body).status_code == 400


def test_everybody_reads_the_state_by_the_api(bearer):
    tell(state="installing", progress=40, package=PACKAGE, update=UPDATE)
    said = bearer("GET", "/api/v1/firmware").get_json()
    assert (said["state"], said["progress"], said["update"]["slot"]) == ("installing", 40, "B")
    assert [slot["name"] for slot in said["slots"]] == ["A", "B"]


# the page


def test_readers_see_what_runs_and_no_forms(reader):
    tell(state="ready", package=PACKAGE)
    page = text(reader.get("/assistant/firmware"))
    assert "0.2.0" in page
    assert "keeps powering its load throughout" in page
    assert "<form" not in page.split('id="main"')[1]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "No update under way"),
        ({"state": "checking", "package": dataclasses.replace(PACKAGE, signer="")}, "not yet checked"),
        ({"state": "ready", "package": PACKAGE}, "CN=iStars"),
        ({"state": "ready", "package": dataclasses.replace(PACKAGE, downgrade=True)}, "is older than 0.1.0"),
        ({"state": "installing", "package": PACKAGE, "update": UPDATE}, "the card starts from slot A as before"),
        ({"state": "restart", "update": UPDATE}, "This page comes back by itself"),
        ({"state": "trial", "update": UPDATE}, "goes back to 0.1.0 by itself"),
        ({"state": "good", "update": UPDATE}, "0.1.0 stays in slot A as the way back"),
        (
            {"state": "rolled-back", "reason": "core is silent", "update": UPDATE},
            "Rolled back from 0.2.0</strong> because core",
        ),
        ({"state": "failed", "reason": "<b>wrong</b> signature"}, "&lt;b&gt;wrong&lt;/b&gt; signature."),
        ({"confirmed": False}, "whether it runs well is not yet known"),
        ({"slot": "", "slots": ()}, "has no slots for firmware"),
        ({"offered": Available("0.3.0", 1, "Much better")}, "0.3.0 is offered"),
        ({"online": "The update is being downloaded, 40 %"}, "downloaded, 40 %"),
        ({"online_problem": "no route"}, "could not be asked: no route"),
        ({"asked_at": 1e9}, "nothing newer"),
        ({"state": "of a newer firmware"}, "of a newer firmware"),
    ],
)
def test_the_page_says_what_happens(admin, changes, words):
    tell(**changes)
    assert words in text(admin.get("/assistant/firmware"))
    part = text(admin.get("/live/part?page=assistant&part=firmware"))
    assert words in part


def test_the_page_tells_of_earlier_updates(admin):
    tell(
        history=(
            Ended(1e9, "rolled-back", "0.2.0", "0.1.0", "it fell over", "admin"),
            Ended(1e9, "installed", "0.1.0", "0.0.9"),
        )
    )
    page = text(admin.get("/assistant/firmware"))
    assert "0.1.0 to 0.2.0, by admin: it fell over" in page
    assert "0.0.9 to 0.1.0" in page


def test_the_page_follows_the_state_and_the_progress(admin, live):
    tell(state="installing", progress=10, text="Writing", package=PACKAGE, update=UPDATE)
    path = "/live?page=assistant&part=firmware"
    first = admin.get(path).get_json()
    assert first["v"]["firmware.progress"] == "10 %"
    tell(state="installing", progress=20, text="Writing", package=PACKAGE, update=UPDATE)
    live.touch()
    second = admin.get(path).get_json()
    assert second["v"]["firmware.progress"] == "20 %"
    assert second["s"]["firmware"] == first["s"]["firmware"], "what only counts on is not drawn anew"
    tell(state="restart", update=UPDATE)
    live.touch()
    assert admin.get(path).get_json()["s"]["firmware"] != first["s"]["firmware"]


def test_other_pages_of_the_assistant_do_not_follow_the_firmware(admin):
    assert "firmware" not in admin.get("/live?page=assistant&part=").get_json()["s"]


def test_without_an_updater_the_page_says_so(admin):
    paths.firmware_status().unlink()
    assert "The program that updates the firmware does not run" in text(admin.get("/assistant/firmware"))
