"""Every frame of the collection, through the driver, against the values that stand beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from istars.drivers import ber
from istars.drivers.blocks import plan
from istars.drivers.engine import Driver, Options, Poll, protocols
from istars.drivers.framing import read_pdu, rtu
from istars.drivers.item import Family, Item, Oid, Protocol, Registers, Sample, Timing, When
from istars.drivers.modbuslink import ModbusLink
from istars.drivers.nutlink import NutLink
from istars.drivers.profile import parse_profile
from istars.drivers.snmplink import MIB, raw_value
from istars.drivers.textlink import TextLink
from istars.drivers.ups.modbus import protocol_of
from istars.errors import CommandRefused
from istars.model.readings import Value
from unit.drivers.loop import LoopTransport, ModbusPeer, hurried

FRAMES = Path(__file__).parents[2] / "fixtures" / "frames"
RACKPOWER = Path(__file__).with_name("rackpower-1cc.json")
MEGATEC, EAST = protocols()["megatec"], protocols()["east-ea900"]
STATUS = b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r"
BLANK_RATINGS = b"#   .        .     . \r"


def rows(file: str) -> list[Any]:
    return [
        pytest.param(row, id=row["id"])
        for line in (FRAMES / file).read_text("utf-8").splitlines()
        if (row := json.loads(line))
    ]


def both(row: Mapping[str, Any]) -> tuple[bytes, bytes | None]:
    """Request and reply as bytes."""
    if row["encoding"] == "hex":
        return bytes.fromhex(row["request"]), bytes.fromhex(row["reply"]) if row["reply"] else None
    return row["request"].encode("latin-1"), row["reply"].encode("latin-1")


def megatec_poll(request: bytes, reply: bytes, cells: int = 0) -> Poll:
    answers = {b"Q1\r": STATUS, b"F\r": BLANK_RATINGS, request: reply}
    driver = Driver(hurried(MEGATEC), LoopTransport(lambda sent: answers.get(sent, b"")), Options(cells=cells))
    return driver.poll()


# What stands beside a Megatec frame, and the reading that must carry it.
READINGS = {
    "input_v": "input.voltage",
    "fault_v": "input.voltage.fault",
    "output_v": "output.voltage",
    "load_pct": "ups.load",
    "input_hz": "input.frequency",
    "temp_c": "ups.temperature",
    "rated_v": "input.voltage.nominal",
    "rated_a": "input.current.nominal",
    "battery_v_nominal": "battery.voltage.nominal",
    "rated_hz": "input.frequency.nominal",
    "company": "device.mfr",
    "model": "device.model",
    "version": "ups.firmware",
    "serial": "device.serial",
}
TYPES = {"standby/line-interactive": "offline / line interactive", "online": "online"}


def check_reading(poll: Poll, name: str, value: Any) -> None:
    assert poll.values.get(READINGS[name], "") == value


def check_token(token: str) -> Callable[[Poll, Any], None]:
    def check(poll: Poll, value: Any) -> None:
        assert (token in str(poll.values["ups.status"]).split()) is value

    return check


def check_alarm(code: str) -> Callable[[Poll, Any], None]:
    def check(poll: Poll, value: Any) -> None:
        assert (code in str(poll.values["ups.alarm"]).split()) is value

    return check


def check_battery(poll: Poll, value: float) -> None:
    assert value in (poll.values.get("battery.voltage"), poll.values.get("istars.battery.voltage.cell"))


def check_battery_is(poll: Poll, text: str) -> None:
    per_cell = "istars.battery.voltage.cell" in poll.values
    assert per_cell is text.startswith("volts per cell")
    if per_cell:
        assert "with 96 cells = 216.0 V" in text
        assert poll.values["battery.voltage"] == 216.0


def check_regulating(poll: Poll, value: bool) -> None:
    assert bool({"BYPASS", "TRIM", "BOOST"} & set(str(poll.values["ups.status"]).split())) is value


CHECKS: dict[str, Callable[[Poll, Any], None]] = {
    "mains_fail": check_token("OB"),
    "low_battery": check_token("LB"),
    "test": check_token("TEST"),
    "bypass_or_avr": check_regulating,
    "ups_failed": check_alarm("UPS_FAULT"),
    "shutdown_active": check_alarm("SHUTDOWN_PENDING"),
    "battery_raw": check_battery,
    "battery_is": check_battery_is,
    "beeper_on": lambda poll, value: check_equal(poll, "ups.beeper.status", "enabled" if value else "disabled"),
    "type": lambda poll, value: check_equal(poll, "ups.type", TYPES[value]),
    "nut_status": lambda poll, value: check_equal(poll, "ups.status", value),
    # Bits one by one are checked above and in test_megatec.py; here they decide the whole status.
    "bits": lambda poll, value: check_token("OB" if value[0] == "1" else "OL")(poll, True),
}
REMARKS = {"note", "device", "runtime_raw"}


def check_equal(poll: Poll, name: str, value: Value) -> None:
    assert poll.values[name] == value


@pytest.mark.parametrize("row", [row for row in rows("megatec.jsonl") if "-cmd-" not in row.id])
def test_megatec_answer(row: dict[str, Any]) -> None:
    request, reply = both(row)
    assert reply is not None
    poll = megatec_poll(request, reply, cells=96)
    assert poll.complete
    assert set(row["decoded"]) <= READINGS.keys() | CHECKS.keys() | REMARKS
    for name, value in row["decoded"].items():
        if name in READINGS:
            check_reading(poll, name, value)
        elif name in CHECKS:
            CHECKS[name](poll, value)


def test_the_star_and_the_blank_ratings() -> None:
    star = megatec_poll(b"Q1\r", b"*003.0 000.0 230.0 026 00.0 25.0 29.0 10001000\r")
    assert (star.values["input.voltage"], star.values["ups.status"]) == (3.0, "OB")
    blank = megatec_poll(b"F\r", b"#   .        .     . \r")
    assert not [name for name in blank.values if name.endswith("nominal")]


def test_what_a_newer_chip_packs_into_its_identity() -> None:
    row = next(row.values[0] for row in rows("megatec.jsonl") if row.id == "megatec-i-016")
    link = TextLink(LoopTransport(lambda _sent: row["reply"].encode()), MEGATEC.line, MEGATEC.timing, MEGATEC.items)
    chip = [item for item in MEGATEC.items if item.name == ".chip.runtime"]
    seen = {item.name: item.decode(link.read(chip, 1).raw[item.name]) or 0 for item in chip}
    assert seen == {".chip.runtime": row["decoded"]["runtime_raw"]}


# The command of ours that must make the bytes of the frame.
MEGATEC_COMMANDS = {
    "TL": ("test.battery.start.deep", {}),
    "T10": ("test.battery.start", {"duration_s": 600}),
    "CT": ("test.battery.stop", {}),
    "Q": ("beeper.toggle", {}),
    "S.5R0003": ("shutdown.reboot", {"delay_s": 30, "return_s": 180}),
    "S02": ("shutdown.return", {"delay_s": 120}),
    "C": ("shutdown.stop", {}),
    "S00R0000": ("load.off", {}),
}


@pytest.mark.parametrize("row", [row for row in rows("megatec.jsonl") if "-cmd-" in row.id])
def test_megatec_command(row: dict[str, Any]) -> None:
    request, reply = both(row)
    transport = LoopTransport(lambda sent: STATUS if sent == b"Q1\r" else reply or b"")
    if reply:
        link = TextLink(transport, MEGATEC.line, MEGATEC.timing, MEGATEC.items)
        with pytest.raises(CommandRefused, match="does not know"):
            link.give(request.removesuffix(b"\r"))
        return
    name, arguments = MEGATEC_COMMANDS[request.decode().removesuffix("\r")]
    Driver(hurried(MEGATEC), transport, Options()).execute(name, arguments)
    assert request in transport.sent


def field(protocol: Protocol, table: int, register: int) -> Item:
    """The item that begins at `register`."""
    return next(
        item
        for item in protocol.items
        if isinstance(item.at, Registers) and (item.at.table, item.at.address) == (table, register)
    )


# What stands beside an EAST frame, and how it relates to the unit of the reading.
EAST_FIELDS = {
    "input_v": ("input.voltage:1", 1),
    "input_hz": ("input.frequency:1", 1),
    "output_v": ("output.voltage:1", 1),
    "output_hz": ("output.frequency:1", 1),
    "output_va": ("ups.power:1", 1),
    "output_w": ("ups.realpower:1", 1),
    "load_pct": ("ups.load:1", 1),
    "battery_v": ("battery.voltage", 1),
    "battery_a": ("battery.current", 1),
    "runtime_min": ("battery.runtime", 60),
    "charge_pct": ("battery.charge", 1),
    "inverter_c": ("istars.inverter.temperature", 1),
    "run_days": ("istars.ups.rundays", 1),
}
EAST_COMMANDS = {
    "clear fault": "istars.fault.clear",
    "mute buzzer": "beeper.mute",
    "un-mute buzzer": "beeper.enable",
    "transfer to bypass": "bypass.start",
    "transfer to inverter": "bypass.stop",
    "battery maintenance test": "test.battery.start.deep",
    "stop battery test": "test.battery.stop",
}
QUICK = Timing(answer_s=0.01, effect_s=0)


def check_register(request: bytes, reply: bytes, decoded: dict[str, Any]) -> None:
    item = field(EAST, request[1], decoded.pop("reg"))
    transport = LoopTransport(lambda sent: reply if sent == request else b"")
    link = ModbusLink(transport, EAST.line, QUICK, EAST.blocks, 1)
    value = item.decode(link.read([item], 1).raw[item.name])
    (name, shown), *more = decoded.items()
    assert not more
    expected, factor = EAST_FIELDS[name]
    assert (item.name, value) == (expected, pytest.approx(shown * factor))


def check_read_request(protocol: Protocol, request: bytes) -> None:
    """A frame without a reply is one that the driver sends by itself."""
    blocks = [
        block
        for when in When
        for block in plan([item for item in protocol.items if item.when is when], protocol.blocks)
    ]
    assert request in [rtu(1, read_pdu(block.table, block.address, block.count)) for block in blocks]


def check_write(protocol: Protocol, name: str, request: bytes, reply: bytes) -> None:
    transport = LoopTransport(lambda sent: reply if sent == request else b"")
    link = ModbusLink(transport, protocol.line, QUICK, protocol.blocks, 1)
    command = next(command for command in protocol.commands if command.name == name)
    link.give(command.order({}).payload)
    assert transport.sent == [request]


def check_exception(request: bytes, reply: bytes) -> None:
    """The refusal of a whole block: its registers are then read in parts."""
    device = ModbusPeer({(4, 12): 2299, (4, 71): 4})
    driver = Driver(hurried(EAST), LoopTransport(lambda sent: reply if sent == request else device(sent)), Options())
    poll = driver.poll()
    assert (poll.values["input.voltage"], poll.values["istars.ups.mode"], poll.complete) == (229.9, "line", True)


RACKPOWER_COMMANDS = {
    "manual bypass": "bypass.start",
    "transfer to inverter": "bypass.stop",
    "battery test": "test.battery.start.quick",
    "battery maintenance": "test.battery.start.deep",
    "stop test": "test.battery.stop",
}


@pytest.mark.parametrize("row", rows("modbus.jsonl"))
def test_modbus_frame(row: dict[str, Any]) -> None:
    request, reply = both(row)
    decoded = dict(row["decoded"])
    if row["group"] == "modbus-exc":
        assert decoded["exception"] == 2
        check_exception(request, reply or b"")
    elif row["group"] == "east-modbus-cmd":
        check_write(EAST, EAST_COMMANDS[decoded["meaning"]], request, reply or b"")
    elif row["group"] == "invt-family":
        # RackPower's variant of the INVT map, as a user would add it.
        rackpower = protocol_of(parse_profile(RACKPOWER.read_text("utf-8"), RACKPOWER.stem))
        if request[1] == 4:
            check_read_request(rackpower, request)
        else:
            check_write(rackpower, RACKPOWER_COMMANDS[decoded["meaning"]], request, request)
    elif reply is None:
        check_read_request(EAST, request)
    else:
        check_register(request, reply, decoded)


def check_network_sample(protocol: Protocol, sample: Sample) -> None:
    """A message of a protocol that is spoken through the network only."""
    if protocol.family is Family.NUT:
        transport = LoopTransport(lambda sent: sample.reply if sent == sample.request else b"")
        link = NutLink(transport, QUICK, "meg", Options())  # type: ignore[arg-type]
        raw = link.read(protocol.items, 1).raw
    else:
        places = {f"{MIB}.{item.at.object}": item.name for item in protocol.items if isinstance(item.at, Oid)}
        raw = {places[name]: raw_value(value) for name, value in ber.parse(sample.reply).bindings}
    decoded = {item.name: item.decode(raw[item.name]) for item in protocol.items if item.name in raw}
    assert {name: value for name, value in decoded.items() if value is not None} == sample.fields


@pytest.mark.parametrize("protocol", protocols().values(), ids=protocols())
def test_samples_of_the_tables(protocol: Protocol) -> None:
    """The samples beside each table decode to the fields that they claim, and only to those."""
    assert protocol.samples
    for sample in protocol.samples:
        assert sample.origin
        transport = LoopTransport(lambda sent, sample=sample: sample.reply if sent == sample.request else b"")
        if protocol.family not in (Family.TEXT, Family.MODBUS):
            check_network_sample(protocol, sample)
            continue
        if sample.request[-1:] == b"\r":
            query = sample.request.removesuffix(b"\r")
            items = [item for item in protocol.items if getattr(item.at, "query", None) and item.at.query.send == query]
            link: TextLink | ModbusLink = TextLink(transport, protocol.line, QUICK, protocol.items)
        else:
            register = int.from_bytes(sample.request[2:4], "big")
            items = [field(protocol, sample.request[1], register)]
            link = ModbusLink(transport, protocol.line, QUICK, protocol.blocks, 1)
        raw = link.read(items, 1).raw
        decoded = {item.name: item.decode(raw[item.name]) for item in items if item.name in raw}
        assert {name: value for name, value in decoded.items() if value is not None} == sample.fields
