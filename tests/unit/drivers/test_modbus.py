"""The two register maps that come with the card, on a device with made-up registers."""

from __future__ import annotations

from typing import Any

import pytest
from istars.drivers.engine import Driver, Options, Poll, protocols
from istars.drivers.framing import rtu
from istars.errors import BadAnswer, CommandRefused, NoAnswer
from istars.model.commands import COMMANDS
from istars.model.readings import READINGS
from unit.drivers.loop import LoopTransport, ModbusPeer, hurried

EAST, INVT = protocols()["east-ea900"], protocols()["invt-hr11"]

# A single-phase unit on mains: 2 on, 2 normal, 3 float, 1 bypass ready, 2 load on inverter.
STATUS = 2 | 2 << 2 | 3 << 4 | 1 << 7 | 2 << 9
ONE_PHASE = {
    0: 2290, 3: 0, 6: 500, 9: 0, 12: 2299, 15: 52, 18: 500, 21: 99, 24: 2300, 27: 52, 30: 500, 33: 91,
    36: 12, 39: 11, 42: 5, 45: 423, 49: 2170, 51: 0xFFF4, 53: 0xFED6, 54: 38, 55: 995, 56: 51, 57: 352, 58: 341, 59: 12,
    67: 0x5632, 68: 0x2E30, 69: 0x0000, 70: STATUS, 71: 4,
}  # fmt: skip
SERIAL = {76 + n: int.from_bytes(b"EA900123456789"[2 * n : 2 * n + 2], "big") for n in range(7)}
HOLDING = {5: 16, 7: 225, 8: 235, 15: 6000, 26: 90, 27: 3, **SERIAL}


def east(changes: dict[int, int] | None = None) -> ModbusPeer:
    inputs = {(4, number): word for number, word in (ONE_PHASE | (changes or {})).items()}
    return ModbusPeer(inputs | {(3, number): word for number, word in HOLDING.items()})


def poll(device: ModbusPeer, protocol: Any = EAST) -> Poll:
    return Driver(hurried(protocol), LoopTransport(device), Options()).poll()


def test_every_reading_of_a_single_phase_unit() -> None:
    got = poll(east())
    assert got.complete
    assert got.estimated == frozenset()
    assert got.values == {
        "device.mfr": "EAST",
        "device.model": "EA900 G4",
        "device.serial": "EA900123456789",
        "ups.type": "online",
        "ups.firmware": "V2.0",
        "input.phases": 1,
        "output.phases": 1,
        "input.bypass.voltage": 229.0,
        "input.bypass.current": 0.0,
        "input.bypass.frequency": 50.0,
        "istars.input.bypass.powerfactor": 0.0,
        "input.voltage": 229.9,
        "input.current": 5.2,
        "input.frequency": 50.0,
        "istars.input.powerfactor": 0.99,
        "output.voltage": 230.0,
        "output.current": 5.2,
        "output.frequency": 50.0,
        "istars.output.powerfactor": 0.91,
        "ups.power": 1200,
        "ups.realpower": 1100,
        "istars.ups.reactivepower": 500,
        "ups.load": 42.3,
        "battery.voltage": 217.0,
        "battery.current": -1.2,
        "battery.runtime": 2280,
        "battery.charge": 99.5,
        "istars.inverter.current": 5.1,
        "istars.rectifier.temperature": 35.2,
        "istars.inverter.temperature": 34.1,
        "istars.ups.rundays": 12,
        "istars.ups.runweeks": 3,
        "istars.rectifier.state": "on",
        "istars.inverter.state": "on",
        "istars.battery.state": "float",
        "istars.bypass.state": "normal",
        "istars.load.source": "inverter",
        "istars.ups.mode": "line",
        "istars.battery.blocks": 16,
        "istars.battery.float.voltage.cell": 2.25,
        "istars.battery.boost.voltage.cell": 2.35,
        "istars.battery.maintenance.days": 90,
        "ups.power.nominal": 6000,
        "ups.status": "OL CHRG",
        "ups.alarm": "",
    }


def test_every_reading_is_declared() -> None:
    for device in (east(), east(THREE_PHASES)):
        assert poll(device).values.keys() <= READINGS.keys()


def test_a_sensor_that_is_not_there() -> None:
    assert "battery.temperature" not in poll(east()).values
    assert poll(east({53: 251})).values["battery.temperature"] == 25.1


THREE_PHASES = {
    1: 2291, 2: 2292, 7: 500, 8: 500, 13: 2301, 14: 2302, 16: 61, 17: 62, 19: 501, 20: 500, 25: 2310, 26: 2320, 28: 61,
    29: 62, 31: 500, 32: 500, 37: 20, 38: 30, 40: 19, 41: 29, 43: 6, 44: 7, 46: 500, 47: 600,
}  # fmt: skip


def test_three_phases() -> None:
    values = poll(east(THREE_PHASES)).values
    assert (values["input.phases"], values["output.phases"]) == (3, 3)
    assert [values[f"input.L{n}-N.voltage"] for n in (1, 2, 3)] == [229.9, 230.1, 230.2]
    assert [values[f"input.bypass.L{n}-N.voltage"] for n in (1, 2, 3)] == [229.0, 229.1, 229.2]
    assert [values[f"output.L{n}.power"] for n in (1, 2, 3)] == [1200, 2000, 3000]
    assert [values[f"output.L{n}.power.percent"] for n in (1, 2, 3)] == [42.3, 50.0, 60.0]
    assert (values["ups.power"], values["ups.realpower"], values["istars.ups.reactivepower"]) == (6200, 5900, 1800)
    assert (values["ups.load"], values["input.frequency"], values["output.frequency"]) == (60.0, 50.1, 50.0)
    assert not {"input.voltage", "output.voltage", "input.current", "output.current"} & values.keys()


def test_the_number_of_phases_is_decided_when_there_is_voltage() -> None:
    dead = dict.fromkeys((0, 1, 2, 12, 13, 14), 0)
    device = east(THREE_PHASES | dead)
    driver = Driver(hurried(EAST), LoopTransport(device), Options())
    # Mains is off, the output shows three phases: the input is taken to have as many.
    assert driver.poll().values["input.phases"] == 3
    device.words |= {(4, 12): 2300}
    # Mains is on, on one phase only: that decides.
    assert driver.poll().values["input.phases"] == 1
    device.words |= {(4, 13): 2300, (4, 14): 2300}
    values = driver.poll().values
    assert (values["input.phases"], values["input.voltage"], values["output.phases"]) == (1, 230.0, 3)


def test_a_phase_that_fails_later_does_not_make_it_single_phase() -> None:
    device = east(THREE_PHASES)
    driver = Driver(hurried(EAST), LoopTransport(device), Options())
    driver.poll()
    device.words |= {(4, 13): 0, (4, 14): 0}
    values = driver.poll().values
    assert (values["input.phases"], values["input.L2-N.voltage"]) == (3, 0.0)


BATTERY = 3 | 2 << 2 | 4 << 4 | 2 << 9


@pytest.mark.parametrize(
    ("changes", "status", "alarm"),
    [
        ({55: 1000}, "OL", ""),
        ({70: 2 | 2 << 2 | 2 << 4}, "OL CHRG", ""),
        ({71: 5, 70: BATTERY, 12: 0}, "OB DISCHRG", ""),
        ({71: 6, 70: BATTERY}, "OL DISCHRG TEST", ""),
        ({71: 11}, "OL CHRG TEST", ""),
        ({71: 3}, "OL CHRG BYPASS", ""),
        ({71: 9}, "OL CHRG ECO", ""),
        ({71: 8}, "OL CHRG CONVERTER", ""),
        ({71: 2, 24: 0}, "OL CHRG OFF", ""),
        ({71: 2, 24: 0, 12: 0}, "OB CHRG OFF", ""),
        ({71: 1}, "OL CHRG", ""),
        ({71: 0}, "OL CHRG ALARM", "UPS_FAULT"),
        ({71: 7, 24: 0}, "OL CHRG OFF ALARM", "UPS_FAULT"),
        ({71: 10}, "OL CHRG ALARM", "SHUTDOWN_PENDING"),
        ({70: 2 | 2 << 2}, "OL ALARM", "BATTERY_OPEN"),
        ({45: 1001}, "OL CHRG OVER", ""),
        ({45: 1000}, "OL CHRG", ""),
        ({71: 12, 55: 1000}, None, ""),
    ],
)
def test_status_of_east(changes: dict[int, int], status: str | None, alarm: str) -> None:
    values = poll(east(changes)).values
    assert (values.get("ups.status"), values["ups.alarm"]) == (status, alarm)


@pytest.mark.parametrize(
    ("name", "register", "value"),
    [
        ("istars.fault.clear", 0x8000, 1),
        ("istars.history.clear", 0x8001, 1),
        ("beeper.mute", 0x8002, 1),
        ("beeper.enable", 0x8002, 0),
        ("bypass.start", 0x8003, 1),
        ("bypass.stop", 0x8004, 1),
        ("test.battery.start.quick", 0x8006, 1),
        ("test.battery.start.deep", 0x8006, 2),
        ("test.battery.stop", 0x8007, 1),
    ],
)
def test_commands_of_east(name: str, register: int, value: int) -> None:
    device = east()
    driver = Driver(hurried(EAST), LoopTransport(device), Options())
    assert driver.execute(name, {}).startswith(COMMANDS[name].label)
    assert device.written == [(register, value)]


def test_what_the_ups_shows_of_a_command() -> None:
    device = east()
    driver = Driver(hurried(EAST), LoopTransport(device), Options())
    assert "does not show it" in driver.execute("bypass.start", {})
    assert "accepted" in driver.execute("beeper.mute", {})
    device.words[(4, 71)] = 3
    assert "confirms" in driver.execute("bypass.start", {})


def test_east_cannot_be_switched_off_from_afar() -> None:
    device = east()
    driver = Driver(hurried(EAST), LoopTransport(device), Options())
    assert not [name for name in driver.commands() if COMMANDS[name].interrupts_load]
    with pytest.raises(CommandRefused, match="has no command load.off"):
        driver.execute("load.off", {})
    assert "does not publish" in EAST.remark
    assert device.written == []


def test_a_write_must_be_confirmed_by_its_echo() -> None:
    def answering(reply: bytes) -> Driver:
        device = east()
        return Driver(hurried(EAST), LoopTransport(lambda sent: reply if sent[1] == 6 else device(sent)), Options())

    with pytest.raises(NoAnswer):
        answering(b"").execute("beeper.mute", {})
    with pytest.raises(BadAnswer):
        answering(rtu(1, b"\x06\x80\x02\x00\x00")).execute("beeper.mute", {})
    with pytest.raises(CommandRefused, match="illegal function"):
        answering(rtu(1, b"\x86\x01")).execute("beeper.mute", {})
    with pytest.raises(BadAnswer, match="device busy"):
        answering(rtu(1, b"\x86\x06")).execute("beeper.mute", {})


def test_on_a_line_that_echoes_a_write_is_confirmed_by_the_second_copy() -> None:
    device = east()
    deaf = [False]
    driver = Driver(
        hurried(EAST),
        LoopTransport(lambda sent: sent if sent[1] == 6 and deaf[0] else sent + device(sent)),
        Options(),
    )
    driver.poll()
    assert "accepted" in driver.execute("beeper.mute", {})
    deaf[0] = True
    with pytest.raises(NoAnswer):
        driver.execute("beeper.mute", {})


@pytest.mark.parametrize("missing", [{70}, {71}, {70, 71}, {53}, set(range(0, 72, 2))])
def test_whatever_register_is_missing_the_others_are_read(missing: set[int]) -> None:
    device = east()
    device.missing = missing
    driver = Driver(hurried(EAST), LoopTransport(device), Options(baud=921_600))
    for _ in range(2):
        values = driver.poll().values
        assert ("istars.ups.mode" in values) is (71 not in missing)
        assert ("istars.load.source" in values) is (70 not in missing)
    refused = len([first for table, first, count in device.asked if (table, count) == (4, 1) and first in missing])
    assert refused == len(missing & {item.at.address for item in EAST.items if item.at.table == 4})


INVT_ON = {
    1: 2290, 7: 4998, 13: 2299, 16: 52, 19: 4998, 22: 99, 25: 2300, 28: 52, 31: 5000, 34: 91, 37: 12, 40: 11, 43: 5,
    46: 423, 49: 251, 50: 2170, 52: 0xFFF4, 54: 0xFED6, 55: 384, 56: 1000, 78: 7,
}  # fmt: skip
INVT_STATES = {81: 1, 82: 1, 83: 1, 99: 0, 101: 0, 109: 2, 121: 1}


def invt(states: dict[int, int] | None = None, numbers: dict[int, int] | None = None) -> ModbusPeer:
    words = {(3, number): word for number, word in (INVT_ON | (numbers or {})).items()}
    return ModbusPeer(words | {(4, number): word for number, word in (INVT_STATES | (states or {})).items()})


def test_every_reading_of_invt() -> None:
    got = poll(invt(), INVT)
    assert got.complete
    assert got.values == {
        "device.mfr": "INVT",
        "ups.type": "online",
        "input.phases": 1,
        "output.phases": 1,
        "input.bypass.voltage": 229.0,
        "input.bypass.current": 0.0,
        "input.bypass.frequency": 49.98,
        "istars.input.bypass.powerfactor": 0.0,
        "input.voltage": 229.9,
        "input.current": 5.2,
        "input.frequency": 49.98,
        "istars.input.powerfactor": 0.99,
        "output.voltage": 230.0,
        "output.current": 5.2,
        "output.frequency": 50.0,
        "istars.output.powerfactor": 0.91,
        "ups.power": 1200,
        "ups.realpower": 1100,
        "istars.ups.reactivepower": 500,
        "ups.load": 42.3,
        "ambient.temperature": 25.1,
        "battery.voltage": 217.0,
        "battery.current": -1.2,
        "battery.runtime": 2304,
        "battery.charge": 100.0,
        "istars.load.source": "inverter",
        "istars.battery.state": "float",
        "istars.rectifier.state": "on",
        "ups.test.result": "none",
        "ups.status": "OL",
        "ups.alarm": "",
    }


def test_small_units_of_invt_count_watts() -> None:
    values = poll(invt(numbers={78: 8, 37: 812, 40: 700, 43: 411}), INVT).values
    assert (values["ups.power"], values["ups.realpower"], values["istars.ups.reactivepower"]) == (812, 700, 411)


@pytest.mark.parametrize(
    ("states", "status", "alarm"),
    [
        ({82: 2}, "OL CHRG", ""),
        ({82: 3, 88: 1}, "OB DISCHRG", ""),
        ({82: 3}, "OB DISCHRG", ""),
        ({82: 3, 99: 3}, "OL DISCHRG TEST", ""),
        ({82: 3, 101: 3}, "OL DISCHRG TEST", ""),
        ({82: 3, 99: 3, 88: 1}, "OB DISCHRG TEST", ""),
        ({82: 3, 88: 1, 107: 1}, "OB LB DISCHRG", ""),
        ({81: 2}, "OL BYPASS", ""),
        ({84: 1}, "OL BYPASS", ""),
        ({88: 1}, "OL ALARM", "INPUT_BAD"),
        ({83: 0}, "OL ALARM", "BATTERY_OPEN"),
        ({85: 1}, "OL ALARM", "EPO"),
        ({89: 1}, "OL ALARM", "PHASE_SEQUENCE"),
        ({90: 1}, "OL ALARM", "BYPASS_BAD"),
        ({91: 1}, "OL ALARM", "BYPASS_BAD"),
        ({92: 1}, "OL ALARM", "OVERLOAD"),
        ({93: 1}, "OL ALARM", "OVERLOAD"),
        ({96: 1}, "OL ALARM", "OUTPUT_SHORT"),
        ({97: 1}, "OL ALARM", "BATTERY_DEPLETED"),
        ({99: 2}, "OL ALARM", "TEST_FAILED"),
        ({108: 1}, "OL ALARM", "BATTERY_REVERSED"),
        ({110: 1}, "OL ALARM", "NEUTRAL_LOST"),
        ({111: 1}, "OL ALARM", "FAN_FAIL"),
        ({118: 1}, "OL", ""),
        ({118: 2}, "OL ALARM", "UPS_FAULT"),
        ({122: 1}, "OL ALARM", "RECTIFIER_FAIL"),
        ({123: 1}, "OL ALARM", "INVERTER_FAIL"),
        ({124: 1}, "OL ALARM", "OVER_TEMPERATURE"),
        ({125: 1}, "OL ALARM", "FAN_FAIL"),
        ({126: 1}, "OL ALARM", "OVERLOAD"),
        ({128: 1}, "OL ALARM", "OVER_TEMPERATURE"),
        ({129: 1}, "OL ALARM", "INVERTER_FAIL"),
        ({134: 1}, "OL", ""),
        ({133: 1, 134: 1}, "OL ALARM", "RECTIFIER_FAIL"),
        ({229: 1, 237: 1}, "OL ALARM", "INVERTER_FAIL"),
    ],
)
def test_states_of_invt(states: dict[int, int], status: str, alarm: str) -> None:
    values = poll(invt(states), INVT).values
    assert (values["ups.status"], values["ups.alarm"]) == (status, alarm)


def test_invt_has_no_public_commands() -> None:
    assert Driver(INVT, LoopTransport(invt()), Options()).commands() == ()
