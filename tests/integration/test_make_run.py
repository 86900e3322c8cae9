"""`make run`: starts the whole card, says when it is ready, stops everything it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from card import TREE, Card, alive, children, until
from istars.workers.base import PROCESSES

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def card() -> Iterator[Card]:
    made = Card()
    yield made
    made.close()


def test_it_says_when_it_is_ready_and_leaves_nothing_behind(card: Card) -> None:
    card.start()
    assert card.process is not None
    below = children(card.process.pid)
    assert {
        "supervisor.supervisord",
        "simulators",
        "workers",
        *(process.partition("+")[0] for process in PROCESSES),
    } == set(card.programs())
    card.stop(signal.SIGTERM)
    assert [pid for pid in below if alive(pid)] == []
    assert not (card.root / "dev" / "ups").exists()


def test_control_c_at_the_terminal_stops_everything(card: Card) -> None:
    card.start()
    assert card.process is not None
    below = children(card.process.pid)
    # The terminal sends it to make and to the script alike.
    os.killpg(card.process.pid, signal.SIGINT)
    card.process.wait(20)
    until(lambda: not [pid for pid in below if alive(pid)], "all processes end")


def test_two_instances_run_side_by_side_and_each_is_steered_alone(card: Card) -> None:
    with card, Card(UPS="sim:east") as other:
        words = ["make", "--no-print-directory", "sim", "CMD=mains off"]
        steered = subprocess.run(words, cwd=TREE, env=card.environment, capture_output=True, text=True, check=False)
        assert (steered.returncode, steered.stderr) == (0, "")
        until(lambda: card.alarms() == {"ON_BATTERY"}, "the alarm of the first card")
        assert other.alarms() == set()
        assert other.values()["istars.link.protocol"] == "east-ea900"
        refused = subprocess.run(
            [*words[:-1], "CMD=mains up"], cwd=TREE, env=card.environment, capture_output=True, check=False
        )
        assert refused.returncode != 0
        assert b"mains" in refused.stderr


def test_the_command_line_tells_what_the_card_knows(card: Card) -> None:
    with card:
        card.sim("mains off")
        until(lambda: ("raise", "ON_BATTERY") in card.events(), "the event")
        assert {alarm["code"] for alarm in card.json("alarms")} == card.alarms() == {"ON_BATTERY"}
        assert [(event["kind"], event["code"]) for event in card.json("events")] == card.events()
        said = {row["name"]: row["value"] for row in card.json("readings") if not row["stale"]}
        assert said.keys() <= card.values().keys()
        assert "OB" in str(said["ups.status"])


def test_a_second_start_in_one_root_is_refused_with_the_way_out(card: Card) -> None:
    card.start()
    second = Card(ISTARS_ROOT=str(card.root))
    second.launch()
    assert second.process is not None
    assert second.process.wait(20) != 0
    assert "an instance is running in" in second.said()
    assert "ISTARS_ROOT=" in second.said()
    second.close()
    assert card.values()["ups.status"]


def test_a_port_in_use_is_one_clear_line(card: Card) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", card.port))
        other.listen()
        card.launch()
        assert card.process is not None
        assert card.process.wait(20) != 0
    assert f"port {card.port} cannot be used (Address already in use); choose another with HTTP_PORT=" in card.said()


def test_an_unknown_simulator_is_refused_with_the_list(card: Card) -> None:
    card.environment["UPS"] = "sim:nuclear"
    card.launch()
    assert card.process is not None
    assert card.process.wait(20) != 0
    assert "there is no simulator 'nuclear'; there are: sim:megatec" in card.said()


@pytest.mark.parametrize(
    ("ups", "protocol", "reason", "words"),
    [
        ("/dev/ttyNONE7", "megatec", "port-missing", "/dev/ttyNONE7"),
        ("tcp:127.0.0.1:1", "megatec", "refused", "127.0.0.1:1"),
        ("sim:megatec", "klingon", "unknown-protocol", "klingon"),
        ("sim:megatec", "east-ea900", "", "no data from the UPS"),
    ],
)
def test_a_wrong_link_is_one_clear_line_and_the_pages_work(
    card: Card, ups: str, protocol: str, reason: str, words: str
) -> None:
    card.environment.update(UPS=ups, UPS_PROTOCOL=protocol)
    card.launch()

    def told() -> list[str]:
        return [line for line in card.said().splitlines() if "no data from the UPS" in line]

    until(lambda: words in "".join(told()) or not card.running(), "the line")
    lines = told()
    assert len(lines) == 1
    assert words in lines[0]
    assert "Traceback" not in card.said()
    until(card.answers, "the pages answer")
    token = card.token()
    readings = until(
        lambda: {row["name"]: row for row in card.get("/api/v1/readings", token)["readings"]}, "the API answers"
    )
    assert readings["istars.link.state"]["value"] == "lost"
    assert not reason or readings["istars.link.reason"]["value"] == reason


def test_a_ups_behind_a_serial_server_is_monitored(card: Card, tmp_path: Path) -> None:
    from simulators import Simulator

    with Simulator("megatec", link=str(tmp_path / "ups"), tcp=0) as server:
        card.environment.update(UPS=f"tcp:127.0.0.1:{server.tcp_port}", UPS_PROTOCOL="megatec")
        card.start()
        assert card.values()["ups.status"] == "OL"
        server.control("mains off")
        until(lambda: card.values().get("ups.status", "").startswith("OB"), "on battery")
