"""The pages of SNMP beside their options: how the agent does, what is not safe, tests of recipients, MIB files."""

import html
import re
import threading
from contextlib import contextmanager

import pytest
from istars.platform import paths
from istars.settings.store import change
from istars.snmp.mibfiles import MIB_FILES
from istars.store.live import LiveTable
from istars.store.wake import Bell
from istars.web import orders
from other_values import written_down

PAGE, TRAPS = "/settings/snmp", "/settings/snmp/traps"
RECIPIENT = {"snmp.trap.2.address": "192.0.2.7", "snmp.trap.2.type": "inform"}


@contextmanager
def agent(state, result):
    """Ends every command for the agent like this; gives what it got."""
    got, stop = [], threading.Event()
    bell = Bell("snmpd")

    def serve():
        with LiveTable(paths.live_db()) as table:
            while not stop.is_set():
                while (command := table.claim("snmpd")) is not None:
                    got.append((command.name, command.arguments, command.asked_by))
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


def text_of(response):
    """What the page says, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", response.get_data(as_text=True))).split())


def test_after_a_factory_start_nobody_may_ask_and_the_page_says_how(admin, live):
    live.publish("snmpd", {"istars.snmp.state": "closed", "istars.snmp.engine": "80001f8805aa"}, lifetime_s=30)
    page = admin.get(PAGE)
    said = text_of(page)
    assert "Nobody may ask" in said
    assert "80001f8805aa" in said
    assert "How to open it safely" in said
    assert "<details open>" in page.get_data(as_text=True)
    assert "data-doubt" not in page.get_data(as_text=True)


def test_who_may_ask_stands_there_without_any_secret(admin, live):
    change({
        "snmp.manager.1.addresses": "192.0.2.0/24", "snmp.manager.1.community": "a long community",
        "snmp.manager.1.permission": "read",
        "snmp.user.3.name": "alice", "snmp.user.3.permission": "write", "snmp.user.3.auth.passphrase": "signing words",
        "snmp.user.3.priv.passphrase": "hiding words",
    })  # fmt: skip
    live.publish(
        "snmpd", {"istars.snmp.state": "failed", "istars.snmp.detail": "UDP port 161 is in use."}, lifetime_s=30
    )
    said = text_of(admin.get(PAGE))
    assert "Manager 1, v1 and v2c, from 192.0.2.0/24 read" in said
    assert "User alice, v3, SHA-256, AES-128 read and write" in said
    assert "UDP port 161 is in use." in said
    assert "The port cannot be used" in said
    for secret in ("a long community", "signing words", "hiding words"):
        assert secret not in said


@pytest.mark.parametrize(
    ("values", "doubt"),
    [
        ({"snmp.manager.1.community": "Public"}, "The community of manager 1 is one that everybody tries first."),
        ({"snmp.manager.1.community": "x7Jk2"}, "The community of manager 1 has fewer than 8 characters."),
        ({"snmp.manager.1.addresses": "*.*.*.*"}, "Manager 1 may ask from any address."),
        (
            {"snmp.manager.1.addresses": "10.0.0.1, ::/0", "snmp.manager.1.permission": "write"},
            "Manager 1 may ask from any address and may switch the load off.",
        ),
        ({"snmp.user.1.name": "bob", "snmp.user.1.permission": "read", "snmp.user.1.auth": "none"}, "User bob signs nothing"),
        ({"snmp.user.1.name": "bob", "snmp.user.1.permission": "read", "snmp.user.1.auth": "md5"}, "User bob uses MD5"),
        (
            {"snmp.user.1.name": "bob", "snmp.user.1.permission": "write", "snmp.user.1.priv": "none"},
            "What user bob writes can be read on the network.",
        ),
    ],
)  # fmt: skip
def test_what_lets_in_too_many_is_said(admin, values, doubt):
    good = {
        "snmp.manager.1.addresses": "192.0.2.7",
        "snmp.manager.1.community": "a long community",
        "snmp.manager.1.permission": "read",
    }
    change({**good, **values})
    page = admin.get(PAGE)
    assert doubt in text_of(page)
    assert page.get_data(as_text=True).count("data-doubt") == 1
    change(good | {"snmp.user.1.permission": "none"})
    assert "data-doubt" not in admin.get(PAGE).get_data(as_text=True)


def test_each_recipient_says_how_it_stands(admin, live):
    assert "No recipient is saved yet." in text_of(admin.get(TRAPS))
    change({**RECIPIENT, "snmp.trap.4.address": "192.0.2.9", "snmp.trap.4.version": "v1"})
    states = {"istars.snmp.state": "closed", "istars.snmp.trap.2.state": "failing",
              "istars.snmp.trap.2.detail": "UPS on battery: no answer after 4 tries; 2 were lost"}  # fmt: skip
    live.publish("snmpd", states, lifetime_s=30)
    said = text_of(admin.get(TRAPS))
    assert re.search(r"192\.0\.2\.7 SNMP v2c inform, port 162 Not reached since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", said)
    assert "UPS on battery: no answer after 4 tries; 2 were lost" in said
    assert "192.0.2.9 SNMP v1 trap, port 162 Left out: see what SNMP cannot do." in said


@pytest.mark.parametrize(
    ("state", "result"), [("done", "the inform was acknowledged"), ("failed", "no answer after 3 tries")]
)
def test_a_test_shows_what_came_of_it(admin, live, state, result):
    change(RECIPIENT)
    with agent(state, result) as got:
        response = admin.post(f"{TRAPS}/test", {"recipient": "2"})
    assert response.status_code == 303
    assert got == [("istars.trap.test", {"recipient": 2}, "admin")]
    page = admin.get(TRAPS)
    assert f"Test to 192.0.2.7: {result[0].upper()}{result[1:]}." in text_of(page)
    assert f"banner {'info' if state == 'done' else 'crit'}" in page.get_data(as_text=True)
    assert written_down()[0].subject == "istars.trap.test recipient=2"


@pytest.mark.parametrize("recipient", ["1", "0", "9", "x", ""])
def test_a_recipient_that_is_not_saved_is_not_tested(admin, live, recipient):
    change(RECIPIENT)
    admin.post(f"{TRAPS}/test", {"recipient": recipient})
    assert "There is no such recipient any more." in text_of(admin.get(TRAPS))
    assert live.claim("snmpd") is None


def test_without_the_agent_a_test_says_so(admin, live, monkeypatch):
    monkeypatch.setattr(orders, "WAIT_S", 0.05)
    change(RECIPIENT)
    admin.post(f"{TRAPS}/test", {"recipient": "2"})
    assert "Test to 192.0.2.7: Not carried out in time." in text_of(admin.get(TRAPS))


def test_who_may_only_read_neither_tests_nor_sees_the_options(reader, live):
    change(RECIPIENT)
    assert reader.get(PAGE).status_code == 403
    assert reader.post(f"{TRAPS}/test", {"recipient": "2"}).status_code == 403
    assert live.claim("snmpd") is None


@pytest.mark.parametrize("name", MIB_FILES)
def test_mib_files_are_handed_out(admin, reader, bearer, name):
    for response in (
        admin.get(f"{PAGE}/mibs/{name}"),
        reader.get(f"{PAGE}/mibs/{name}"),
        bearer("GET", f"/api/v1/snmp/mibs/{name}"),
    ):
        assert response.status_code == 200
        assert response.get_data() == MIB_FILES[name].path.read_bytes()
        assert response.get_data().startswith(name.encode() + b" DEFINITIONS ::= BEGIN")
        assert response.headers["Content-Disposition"] == f'attachment; filename="{name}.txt"'
    assert f"{PAGE}/mibs/{name}" in admin.get(PAGE).get_data(as_text=True)
    assert name in {each["name"] for each in bearer("GET", "/api/v1/snmp/mibs").json["mibs"]}


@pytest.mark.parametrize("name", ["IF-MIB", "..%2Fagent.py", "%2e%2e"])
def test_no_other_file_is_handed_out(admin, bearer, name):
    assert admin.get(f"{PAGE}/mibs/{name}").status_code == 404
    assert bearer("GET", f"/api/v1/snmp/mibs/{name}").status_code == 404


def test_a_program_tests_a_recipient_by_command(bearer, live):
    with agent("failed", "no answer after 3 tries"):
        answer = bearer("POST", "/api/v1/commands/istars.trap.test", "write", json={"arguments": {"recipient": 2}})
    assert (answer.status_code, answer.json["message"]) == (409, "No answer after 3 tries.")
    assert bearer("POST", "/api/v1/commands/istars.trap.test", json={"arguments": {"recipient": 2}}).status_code == 403
