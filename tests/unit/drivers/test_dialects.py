"""Every text protocol, and every map whose device is simulated from itself, through a whole story on its simulator."""

from __future__ import annotations

import pytest
from istars.drivers.engine import Driver, Options
from istars.drivers.ups import TEXT_PROTOCOLS, protocol_named
from istars.errors import CommandRefused
from simulators.designs import MAP_KINDS, design_of
from simulators.physics import Ups
from simulators.server import device_for
from unit.drivers.loop import LoopTransport, hurried


class Bench:
    """One simulated UPS and the card's driver on it, in simulated time."""

    def __init__(self, name: str, phases: int = 1) -> None:
        self.ups = Ups(design_of(name, phases))
        self.ups.wander = 0.0
        self.device = device_for(self.ups)
        options = Options(cells=self.ups.battery.design.cells)
        self.driver = Driver(hurried(protocol_named(name)), LoopTransport(self._answer), options)

    def _answer(self, sent: bytes) -> bytes:
        requests, _ = self.device.split(sent, quiet=True)
        return b"".join(self.device.respond(request) for request in requests)

    def values(self, seconds: float = 0) -> dict[str, object]:
        self.ups.step(seconds)
        return dict(self.driver.poll().values)

    def status(self, seconds: float = 0) -> set[str]:
        return set(str(self.values(seconds)["ups.status"]).split()) - {"CHRG", "DISCHRG"}

    def alarms(self) -> set[str]:
        return set(str(self.values()["ups.alarm"]).split())

    @property
    def has(self) -> set[str]:
        return set(self.driver.commands())


@pytest.fixture(params=[*TEXT_PROTOCOLS, *MAP_KINDS, "voltronic-3"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench("voltronic", 3) if request.param == "voltronic-3" else Bench(request.param)


def output_volts(values: dict[str, object]) -> object:
    return values.get("output.voltage", values.get("output.L1-N.voltage"))


def test_readings_on_mains_are_the_truth(bench: Bench) -> None:
    values, ups = bench.values(), bench.ups
    three = ups.design.phases == 3
    assert values.get("input.L1-N.voltage" if three else "input.voltage") == pytest.approx(ups.input_v, abs=0.06)
    assert values.get("output.L3-N.voltage" if three else "output.voltage") == pytest.approx(
        ups.phase_output_v(2 * three), abs=0.06
    )
    # Of three phases the highest counts, where the unit does not tell a common load.
    assert values["ups.load"] in (
        pytest.approx(ups.load_percent, abs=0.6),
        pytest.approx(ups.load_percent * 1.1, abs=0.6),
    )
    assert values.get("ups.temperature", ups.temperature_c) == pytest.approx(ups.temperature_c, abs=0.06)
    assert values.get("battery.voltage", ups.battery.voltage_v) == pytest.approx(ups.battery.voltage_v, abs=0.6)
    assert {"ups.temperature", "battery.voltage"} <= values.keys() or bench.driver.protocol.name == "kstar"
    assert set(str(values["ups.status"]).split()) == {"OL"}
    assert values["ups.alarm"] == ""
    if three:
        assert (values["input.phases"], values["output.phases"]) == (3, 3)
        assert "output.voltage" not in values


def test_an_outage_until_the_battery_is_empty_and_the_return(bench: Bench) -> None:
    bench.ups.set_mains(0)
    assert bench.status(1) == {"OB"}
    bench.ups.set_charge(19)
    # The one map without a state for it.
    assert bench.status(1) == ({"OB"} if bench.driver.protocol.name == "kstar" else {"OB", "LB"})
    bench.ups.set_charge(0.1)
    bench.ups.step(600)
    assert output_volts(bench.values()) == 0
    assert "OFF" in bench.status()
    bench.ups.set_mains(230)
    assert output_volts(bench.values(60)) == pytest.approx(230, abs=0.06)
    bench.ups.step(86_400)
    assert bench.status() == {"OL"}


def test_overload_and_heat(bench: Bench) -> None:
    bench.ups.set_overload(110)
    assert "OVER" in bench.status(1)
    bench.ups.set_overload(None)
    bench.ups.set_temperature(65)
    assert bench.values(1).get("ups.temperature", 65) == 65
    if bench.driver.protocol.name in ("voltronic", "megatec-3ph", "huawei-ups2000"):
        assert "OVER_TEMPERATURE" in bench.alarms()


def test_bypass(bench: Bench) -> None:
    if bench.ups.design.topology != "online":
        bench.ups.set_mains(190)
        assert bench.status(1) == {"OL", "BOOST"}
        bench.ups.set_mains(260)
        assert bench.status(1) == {"OL", "TRIM"}
        return
    assert bench.ups.go_to_bypass(True)
    assert "BYPASS" in bench.status(1) or bench.driver.protocol.name == "kstar"
    bench.ups.go_to_bypass(False)
    assert bench.status(1) == {"OL"}


def test_a_battery_test_that_passes_and_one_that_fails(bench: Bench) -> None:
    if "test.battery.start.quick" not in bench.has:
        with pytest.raises(CommandRefused, match="has no command"):
            bench.driver.execute("test.battery.start.quick", {})
        return
    assert "sent, but" not in bench.driver.execute("test.battery.start.quick", {})
    assert "TEST" in bench.status(1)
    assert bench.status(30) == {"OL"}
    bench.ups.set_weak(True)
    bench.driver.execute("test.battery.start.quick", {})
    assert "TEST" not in bench.status(30)
    if bench.driver.protocol.name == "huawei-ups2000":
        assert "BATTERY_REPLACE" in bench.alarms()
    elif bench.driver.protocol.name == "voltronic":
        assert bench.values()["ups.test.result"] == "failed"
        assert "TEST_FAILED" in bench.alarms()
    else:
        assert "UPS_FAULT" in bench.alarms()


def test_a_switch_off_that_is_cancelled_and_one_that_happens(bench: Bench) -> None:
    if "shutdown.return" not in bench.has:
        return
    bench.driver.execute("shutdown.return", {"delay_s": 30})
    assert "SHUTDOWN_PENDING" in bench.alarms()
    bench.driver.execute("shutdown.stop", {})
    assert bench.alarms() == set()
    bench.driver.execute("shutdown.reboot", {"delay_s": 30, "return_s": 180})
    bench.ups.step(31)
    assert output_volts(bench.values()) == 0
    bench.ups.step(200)
    assert output_volts(bench.values()) == pytest.approx(230, abs=0.06)


ARGUMENTS = {
    "test.battery.start": {"duration_s": 60},
    "shutdown.return": {"delay_s": 60},
    "shutdown.stayoff": {"delay_s": 60},
    "shutdown.reboot": {"delay_s": 60, "return_s": 180},
}


@pytest.mark.parametrize("name", [*TEXT_PROTOCOLS, *MAP_KINDS])
def test_every_command_is_understood_and_its_effect_shows(name: str) -> None:
    for command in protocol_named(name).commands:
        bench = Bench(name)
        for before in {"test.battery.stop": "test.battery.start.quick", "load.on": "load.off"}.get(
            command.name, ""
        ).split():
            bench.driver.execute(before, {})
            bench.ups.step(11)
        if command.name == "shutdown.stop":
            bench.driver.execute("shutdown.return", {"delay_s": 60})
        if command.name == "test.battery.stop":
            bench.ups.start_test("deep")
        result = bench.driver.execute(command.name, ARGUMENTS.get(command.name, {}))
        assert "sent, but" not in result, (command.name, result)
