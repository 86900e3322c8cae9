"""Searching for the UPS and trying maps, by the worker that has the port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from istars.drivers.ups import PROFILES, protocol_named, protocol_names, protocol_titles
from istars.errors import LinkError, StoreError
from istars.model.readings import Value
from istars.platform import paths
from istars.settings import load
from istars.settings.store import save
from istars.store import battery, detection, maps
from istars.store.live import LiveTable
from istars.workers.upslink import UpsLink
from simulators import Simulator

WORKED = Path(__file__).parents[1] / "fixtures" / "maps" / "unknown-ups.json"


@pytest.fixture
def link(root: Path) -> Iterator[UpsLink]:
    worker = UpsLink()
    worker.begin()
    yield worker
    worker.end()
    worker.live.close()


def given(link: UpsLink, name: str, arguments: dict[str, object]) -> tuple[str, str]:
    """State and result of a command."""
    with LiveTable(paths.live_db()) as live:
        number = live.submit("upslink", name, arguments, asked_by="test", address="console", lifetime_s=10)
        link.turn()
        done = live.command(number)
    return done.state, done.result


def values(link: UpsLink) -> dict[str, Value]:
    with LiveTable(paths.live_db()) as live:
        return {name: row.value for name, row in live.readings().items()}


def test_what_is_found_becomes_the_setting_and_is_read_at_once(link: UpsLink, root: Path) -> None:
    with Simulator("voltronic-qs", link=root / "ups", baud=0) as simulator:
        save({"ups.device": str(root / "ups"), "ups.protocol": "east-ea900"})
        state, result = given(link, "istars.link.detect", {"device": ""})
        assert (state, result) == ("done", f"Voltronic QS on {root / 'ups'} at 2400 baud, parity N")
        settings = load()
        assert (settings["ups.protocol"], settings["ups.serial.baud"], settings["ups.serial.parity"]) == (
            "voltronic-qs",
            2400,
            "N",
        )
        link.turn()
        assert values(link)["istars.link.protocol"] == "voltronic-qs"
        assert values(link)["ups.status"] == "OL"
        assert simulator.device.changes == []
    seen = detection.read()
    assert (seen["percent"], seen["found"]["protocol"], seen["ended"]) == (100, "voltronic-qs", result)
    assert {"sent", "came", "text", "baud", "parity"} <= seen["answers"][0].keys()


def test_automatic_finds_out_and_reads(link: UpsLink, root: Path) -> None:
    with Simulator("voltronic", tcp=0, baud=0) as simulator:
        save({"ups.device": f"tcp:127.0.0.1:{simulator.tcp_port}", "ups.protocol": "automatic"})
        link.turn()
        assert values(link)["ups.status"] == "OL"
        assert values(link)["istars.ups.mode"] == "line"


def test_a_port_that_is_not_there_is_told(link: UpsLink, root: Path) -> None:
    state, result = given(link, "istars.link.detect", {"device": str(root / "none")})
    assert (state, result) == ("failed", f"there is no port {root / 'none'}")
    assert detection.read()["ended"] == result
    assert load()["ups.device"] == "/dev/ups"


def test_a_map_that_the_device_answers_by_is_kept_listed_used_and_removed(link: UpsLink, root: Path) -> None:
    with Simulator("east", tcp=0, baud=0) as simulator:
        save({"ups.device": f"tcp:127.0.0.1:{simulator.tcp_port}"})
        maps.offer("my-ups", WORKED.read_bytes())
        state, result = given(link, "istars.map.keep", {"name": "my-ups"})
        assert state == "done", result
        assert "6 of 6 registers answer" in result
        assert "Mains voltage 2" in result
        assert maps.stored() == {"my-ups": "Worked example: an unknown UPS"}
        assert maps.content("my-ups") == WORKED.read_text("utf-8")
        assert "my-ups" in protocol_names()
        save({"ups.protocol": "my-ups"})
        link.turn()
        assert values(link)["ups.status"] == "OL"
        assert json.loads(str(values(link)["istars.link.protocols"]))["my-ups"] == "Worked example: an unknown UPS"
    maps.remove("my-ups")
    assert maps.stored() == {}
    with pytest.raises(LinkError, match="no protocol 'my-ups'"):
        protocol_named("my-ups")
    with pytest.raises(StoreError, match="no map"):
        maps.remove("my-ups")


def test_a_map_that_the_device_does_not_answer_by_is_not_kept(link: UpsLink, root: Path) -> None:
    with Simulator("invt", tcp=0, baud=0) as simulator:
        save({"ups.device": f"tcp:127.0.0.1:{simulator.tcp_port}"})
        other = (
            WORKED.read_text("utf-8")
            .replace('"register": 7', '"register": 3007')
            .replace('"register": 5', '"register": 3005')
        )
        maps.offer("my-ups", other.encode())
        state, result = given(link, "istars.map.keep", {"name": "my-ups"})
        assert state == "failed"
        assert result
    assert maps.stored() == {}


def test_every_mistake_of_a_map_is_told_with_its_line(link: UpsLink) -> None:
    maps.offer("my-ups", WORKED.read_bytes().replace(b'"input.voltage"', b'"input.volts"', 1))
    state, result = given(link, "istars.map.keep", {"name": "my-ups"})
    assert state == "failed"
    assert "line 11, items[0] (input.volts): 'input.volts' is not the name of a reading" in result
    maps.offer("my-ups", b"{")
    assert "no valid JSON" in given(link, "istars.map.keep", {"name": "my-ups"})[1]


def test_a_map_cannot_take_the_name_of_a_protocol_of_the_card(link: UpsLink) -> None:
    for name in ("megatec", "nut", "kstar"):
        maps.offer(name, WORKED.read_bytes())
        assert "choose another" in given(link, "istars.map.keep", {"name": name})[1]
    assert set(protocol_titles()) == set(protocol_names())


@pytest.mark.parametrize("name", ["", "../x", "A", "a" * 41, "-a", "a.b"])
def test_names_of_maps_are_no_paths(root: Path, name: str) -> None:
    for act in (maps.content, maps.remove, maps.keep, maps.drop, maps.offered):
        with pytest.raises(StoreError, match="may hold small letters"):
            act(name)


def test_a_map_that_went_bad_on_flash_is_shown_as_such(root: Path) -> None:
    paths.maps_dir().mkdir()
    (paths.maps_dir() / "bad.json").write_text("{")
    assert maps.stored() == {"bad": "bad (damaged)"}
    assert protocol_titles()["bad"] == "bad (damaged)"
    assert all(path.stem in protocol_titles() for path in PROFILES.glob("*.json"))


def test_what_was_learned_of_the_battery_is_kept(root: Path) -> None:
    battery.keep_learned({"full_s": 470.0, "discharges": 2})
    for at in range(battery.TESTS_KEPT + 2):
        battery.keep_test({"at": at, "result": "passed"})
    found = battery.read()
    assert found["learned"] == {"full_s": 470.0, "discharges": 2}
    assert [test["at"] for test in found["tests"]] == list(range(2, battery.TESTS_KEPT + 2))
    battery.forget()
    assert battery.read() == {"learned": {}, "tests": []}
