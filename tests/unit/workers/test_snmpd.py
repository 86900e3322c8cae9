"""The worker around the agent: when its port is open, that it keeps its other duties, what it tells."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import free_port
from istars.settings.store import change
from istars.store.wake import Bell
from istars.workers.snmpd import Snmpd
from netsnmp import MANAGERS

GET = bytes.fromhex("302902010104067075626c6963a01c02041e0a6a3c020100020100300e300c06082b060102010105000500")
NAME = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x05\x00"


@pytest.fixture
def start(root: Path) -> Iterator[Callable[[], Snmpd]]:
    started: list[Snmpd] = []

    def made() -> Snmpd:
        worker = Snmpd()
        started.append(worker)
        worker.begin()
        worker.turn()
        return worker

    yield made
    for worker in started:
        worker.end()
        worker.live.close()


def state(worker: Snmpd) -> object:
    """How the agent says that it stands."""
    return worker.live.readings()["istars.snmp.state"].value


def listen(worker: Snmpd, seconds: float) -> None:
    """Answer what comes in for a while."""
    bell = Bell("snmpd")
    try:
        worker.wait(bell, seconds)
    finally:
        bell.close()


def test_the_port_is_closed_until_somebody_may_ask(start: Callable[[], Snmpd]) -> None:
    port = free_port()
    change({"snmp.port": str(port)})
    worker = start()
    assert state(worker) == "closed"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", port))
    change(MANAGERS)
    worker.turn()
    assert state(worker) == "open"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.settimeout(10)
        asker.sendto(GET, ("127.0.0.1", port))
        listen(worker, 0)
        assert NAME in asker.recv(2000)
    change({f"snmp.manager.{number}.permission": "none" for number in (1, 2)})
    worker.turn()
    assert state(worker) == "closed"


def test_a_port_in_use_is_said_and_opened_when_it_is_free(
    start: Callable[[], Snmpd], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 0))
        port = other.getsockname()[1]
        change({**MANAGERS, "snmp.port": str(port)})
        worker = start()
        assert state(worker) == "failed"
        assert f"UDP port {port} cannot be used" in str(worker.live.readings()["istars.snmp.detail"].value)
    worker._retry_at = 0.0
    worker.turn()
    assert state(worker) == "open"
    assert worker.live.readings()["istars.snmp.detail"].value == ""


def test_a_stream_of_requests_does_not_keep_it_from_its_other_duties(start: Callable[[], Snmpd]) -> None:
    port = free_port()
    change({**MANAGERS, "snmp.port": str(port)})
    worker = start()
    over = threading.Event()

    def flood() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            while not over.is_set():
                asker.sendto(GET, ("127.0.0.1", port))

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        listen(worker, 0.05)  # without an end of its own this would never return
    finally:
        over.set()
        sender.join()
    assert worker.counters.received > 0


def test_another_engine_id_is_another_engine(start: Callable[[], Snmpd]) -> None:
    worker = start()
    boots = worker.engine.boots
    change({"snmp.engine": "80001f880512345678"})
    worker.turn()
    assert (worker.engine.id.hex(), worker.engine.boots) == ("80001f880512345678", boots + 1)
    assert worker.live.readings()["istars.snmp.engine"].value == "80001f880512345678"


def test_a_test_of_a_recipient_that_is_not_there_says_so(start: Callable[[], Snmpd]) -> None:
    worker = start()
    number = worker.live.submit("snmpd", "istars.trap.test", {"recipient": 3}, asked_by="a", address="b", lifetime_s=5)
    worker.turn()
    command = worker.live.command(number)
    assert (command.state, command.result) == ("failed", "recipient 3 has no address, or its user is not known")


def test_it_says_how_it_stands_with_each_recipient(start: Callable[[], Snmpd]) -> None:
    values = {"snmp.trap.2.address": "127.0.0.1", "snmp.trap.2.port": str(free_port()), "snmp.trap.2.events": "card"}
    change({**values, "snmp.trap.5.address": "127.0.0.1", "snmp.trap.5.type": "inform", "snmp.inform.retries": "0"})
    worker = start()

    def said() -> dict[str, object]:
        readings = worker.live.readings()
        return {name: each.value for name, each in readings.items() if name.startswith("istars.snmp.trap.")}

    assert said()["istars.snmp.trap.2.state"] == "sent"
    assert said()["istars.snmp.trap.2.detail"] == "coldStart"
    assert said()["istars.snmp.trap.5.state"] == "untold"
    for sending in worker.notifier.sendings:
        sending.due = 0.0
    worker.turn()
    assert said()["istars.snmp.trap.5.state"] == "failing"
    assert said()["istars.snmp.trap.5.detail"] == "coldStart: no answer after 1 try"
    event = worker.live.pending_events()[-1]
    assert (event.code, event.args["notice"], event.args["reason"]) == (
        "TRAP_FAILED",
        "coldStart",
        "no answer after 1 try",
    )
    again = start()
    assert said()["istars.snmp.trap.5.state"] == "failing", "a restart of the worker does not forget it"
    change({"snmp.trap.5.address": ""})
    again.turn()
    assert "istars.snmp.trap.5.state" not in said()
