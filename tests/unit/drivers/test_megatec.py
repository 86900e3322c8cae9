from __future__ import annotations

from typing import Any

import pytest
from istars.drivers.engine import Driver, Options, Poll, protocols
from istars.drivers.item import Protocol
from istars.errors import BadAnswer, CommandRefused
from istars.model.commands import COMMANDS
from unit.drivers.loop import LoopTransport, hurried

MEGATEC: Protocol = protocols()["megatec"]
RATINGS = b"#220.0 000 024.0 50.0\r"


def frame(bits: str = "00001000", **changes: str) -> bytes:
    fields = {"input": "226.0", "output": "226.0", "load": "014", "battery": "27.5", "temperature": "30.0"} | changes
    return "({input} 195.0 {output} {load} 49.0 {battery} {temperature} {bits}\r".format(bits=bits, **fields).encode()


def poll(status: bytes, ratings: bytes = b"", cells: int = 0) -> Poll:
    answers = {b"Q1\r": status, b"F\r": ratings}
    return Driver(hurried(MEGATEC), LoopTransport(lambda sent: answers.get(sent, b"")), Options(cells=cells)).poll()


@pytest.mark.parametrize(
    ("bits", "changes", "status", "alarm"),
    [
        ("00001000", {}, "OL", ""),
        ("10001000", {}, "OB", ""),
        ("11001000", {}, "OB LB", ""),
        ("00011000", {}, "OL ALARM", "UPS_FAULT"),
        ("00001100", {}, "OL TEST", ""),
        ("00001010", {}, "OL ALARM", "SHUTDOWN_PENDING"),
        ("10011010", {}, "OB ALARM", "SHUTDOWN_PENDING UPS_FAULT"),
        ("00100000", {"output": "250.0"}, "OL BYPASS", ""),
        ("00101000", {"input": "226.0", "output": "090.0"}, "OL", ""),
        ("00101000", {"input": "250.0", "output": "230.0"}, "OL TRIM", ""),
        ("00101000", {"input": "230.0", "output": "230.0"}, "OL BYPASS", ""),
        ("00101000", {"input": "190.0", "output": "230.0"}, "OL BOOST", ""),
        ("00101000", {"input": "003.0", "output": "230.0"}, "OL", ""),
        ("00101000", {"input": "000.0", "output": "230.0"}, "OL", ""),
        ("00001000", {"load": "101"}, "OL OVER", ""),
        ("00001000", {"load": "100"}, "OL", ""),
        ("00001000", {"output": "022.9"}, "OL OFF", ""),
        ("00001000", {"output": "023.0"}, "OL", ""),
        ("@0001000", {}, None, ""),
    ],
)
def test_status(bits: str, changes: dict[str, str], status: str | None, alarm: str) -> None:
    values = poll(frame(bits, **changes)).values
    assert (values.get("ups.status"), values["ups.alarm"]) == (status, alarm)


def test_off_follows_the_rated_voltage() -> None:
    low = frame(input="110.0", output="011.5")
    assert poll(low, b"#110.0 000 024.0 60.0\r").values["ups.status"] == "OL"
    assert poll(low).values["ups.status"] == "OL OFF"


def test_type_and_beeper() -> None:
    values = poll(frame("00000001")).values
    assert (values["ups.type"], values["ups.beeper.status"]) == ("online", "enabled")
    values = poll(frame("00001000")).values
    assert (values["ups.type"], values["ups.beeper.status"]) == ("offline / line interactive", "disabled")


def test_pack_volts_and_charge_from_the_ratings() -> None:
    got = poll(frame(battery="23.4"), RATINGS)
    assert got.values["battery.voltage"] == 23.4
    assert got.values["battery.charge"] == 50.0
    assert got.estimated == {"battery.charge"}
    assert got.values["output.voltage.nominal"] == got.values["input.voltage.nominal"] == 220.0


@pytest.mark.parametrize(("volts", "charge"), [("20.8", 0.0), ("15.0", 0.0), ("26.0", 100.0), ("27.5", 100.0)])
def test_charge_stays_within_its_scale(volts: str, charge: float) -> None:
    assert poll(frame(battery=volts), RATINGS).values["battery.charge"] == charge


def test_no_charge_without_a_rated_voltage() -> None:
    got = poll(frame())
    assert got.values["battery.voltage"] == 27.5
    assert "battery.charge" not in got.values
    assert got.estimated == frozenset()
    assert poll(frame(), cells=12).values["battery.charge"] == 100.0


def test_volts_per_cell_are_multiplied_by_the_users_number_of_cells_only() -> None:
    got = poll(frame("00000000", battery="2.25"), cells=96)
    assert (got.values["istars.battery.voltage.cell"], got.values["battery.voltage"]) == (2.25, 216.0)
    assert got.values["battery.charge"] == 100.0
    got = poll(frame("00000000", battery="1.95"), b"#220.0 010 192.0 50.0\r")
    assert got.values["istars.battery.voltage.cell"] == 1.95
    assert not {"battery.voltage", "battery.charge"} & got.values.keys()


def test_a_battery_of_more_than_100_volts() -> None:
    assert poll(frame(battery="216.5")).values["battery.voltage"] == 216.5


def test_fields_that_the_ups_does_not_know_are_left_out() -> None:
    got = poll(frame("00001000", temperature="@@@@", load="---", battery="@@@@"))
    assert got.complete
    assert not {"ups.temperature", "ups.load", "battery.voltage", "battery.charge"} & got.values.keys()
    assert got.values["ups.status"] == "OL"


def test_the_line_has_what_the_cable_needs() -> None:
    line = MEGATEC.line
    assert (line.baud, line.dtr, line.rts, line.terminator) == (2400, True, False, b"\r")


class Unit:
    """A UPS that obeys: its status follows the commands that reach it. Built-in defects: a command in `ignored` does nothing,
    one in `echoed` comes back, one in `refused` is answered by NAK.
    """

    def __init__(self) -> None:
        self.bits = list("00001001")
        self.output = "226.0"
        self.ignored: set[bytes] = set()
        self.echoed: set[bytes] = set()
        self.answers: dict[bytes, bytes] = {}
        self.commands: list[bytes] = []

    def __call__(self, sent: bytes) -> bytes:
        if sent == b"Q1\r":
            return frame("".join(self.bits), output=self.output)
        self.commands.append(sent.removesuffix(b"\r"))
        if sent in self.answers:
            return self.answers[sent]
        if sent in self.echoed:
            return sent
        if sent not in self.ignored:
            self._obey(sent)
        return b""

    def _obey(self, sent: bytes) -> None:
        match sent[:1]:
            case b"T":
                self.bits[5] = "1"
            case b"Q":
                self.bits[7] = "1" if self.bits[7] == "0" else "0"
            case b"S" if sent.startswith(b"S00"):
                self.output = "000.0"
            case b"S":
                self.bits[6] = "1"
            case b"C" if sent.startswith(b"CT"):
                self.bits[5] = "0"
            case b"C":
                self.bits[6], self.output = "0", "226.0"


def driver(unit: Unit) -> Driver:
    return Driver(hurried(MEGATEC), LoopTransport(unit), Options())


@pytest.mark.parametrize(
    ("name", "arguments", "sent", "says"),
    [
        ("test.battery.start.quick", {}, b"T", "10 s: the UPS reports a test running"),
        ("test.battery.start", {"duration_s": 60}, b"T01", "1 min"),
        ("test.battery.start", {"duration_s": 61}, b"T02", "2 min"),
        ("test.battery.start", {"duration_s": 5940}, b"T99", "99 min"),
        ("test.battery.start", {}, b"T10", "10 min"),
        ("test.battery.start.deep", {}, b"TL", "until low"),
        ("test.battery.stop", {}, b"CT", "no test running"),
        ("beeper.toggle", {}, b"Q", "the other state"),
        ("beeper.disable", {}, b"Q", "beeper off"),
        ("shutdown.return", {"delay_s": 12}, b"S.2", "in 12 s"),
        ("shutdown.return", {"delay_s": 13}, b"S.3", "in 18 s"),
        ("shutdown.return", {"delay_s": 54}, b"S.9", "in 54 s"),
        ("shutdown.return", {"delay_s": 55}, b"S01", "in 60 s"),
        ("shutdown.return", {"delay_s": 61}, b"S02", "in 120 s"),
        ("shutdown.return", {"delay_s": 600}, b"S10", "in 600 s"),
        ("shutdown.return", {}, b"S.5", "a shutdown pending"),
        ("shutdown.stayoff", {"delay_s": 60}, b"S01R0000", "to stay off"),
        ("shutdown.reboot", {"delay_s": 30, "return_s": 180}, b"S.5R0003", "3 min later"),
        ("shutdown.reboot", {"delay_s": 30, "return_s": 181}, b"S.5R0004", "4 min later"),
        ("shutdown.reboot", {"delay_s": 600, "return_s": 599_940}, b"S10R9999", "9999 min later"),
        ("shutdown.stop", {}, b"C", "no shutdown pending"),
        ("load.off", {}, b"S00R0000", "no voltage"),
        ("load.on", {}, b"C", "has voltage"),
    ],
)
def test_commands_and_what_the_ups_shows(name: str, arguments: dict[str, Any], sent: bytes, says: str) -> None:
    unit = Unit()
    result = driver(unit).execute(name, arguments)
    assert unit.commands == [sent]
    assert says in result
    assert "sent, but" not in result


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("shutdown.return", {"delay_s": 11}, "delay_s must be between 12 and 600 s"),
        ("shutdown.return", {"delay_s": 601}, "delay_s must be between 12 and 600 s"),
        ("shutdown.stayoff", {"delay_s": 0}, "delay_s must be between 12 and 600 s"),
        ("shutdown.reboot", {"delay_s": 30, "return_s": 179}, "return_s must be between 180 and 599940 s"),
        ("test.battery.start", {"duration_s": 59}, "duration_s must be between 60 and 5940 s"),
        ("test.battery.start", {"duration_s": 6000}, "duration_s"),
        ("test.battery.start", {"minutes": 5}, "minutes"),
        ("test.battery.start", {"duration_s": "soon"}, "whole number"),
        ("load.off", {"delay_s": 5}, "delay_s"),
        ("bypass.start", {}, "Megatec / Q1 has no command bypass.start"),
        ("format.disk", {}, "no command format.disk"),
    ],
)
def test_what_the_protocol_cannot_say_is_refused_before_anything_is_sent(
    name: str, arguments: dict[str, Any], reason: str
) -> None:
    unit = Unit()
    with pytest.raises(CommandRefused, match=reason):
        driver(unit).execute(name, arguments)
    assert unit.commands == []


def test_every_command_is_one_of_the_model() -> None:
    names = driver(Unit()).commands()
    assert set(names) <= COMMANDS.keys()
    assert len(names) == len(set(names)) == 13
    for command in MEGATEC.commands:
        assert set(command.limits) <= {argument.name for argument in COMMANDS[command.name].arguments}


def test_the_beeper_is_toggled_only_where_it_must_be() -> None:
    unit = Unit()
    assert "Nothing to do" in driver(unit).execute("beeper.enable", {})
    assert unit.commands == []
    unit.bits[7] = "@"
    for name in ("beeper.enable", "beeper.disable"):
        with pytest.raises(CommandRefused, match="does not tell"):
            driver(unit).execute(name, {})
    assert unit.commands == []


def test_a_command_that_is_echoed_was_not_understood() -> None:
    unit = Unit()
    unit.echoed = {b"TL\r"}
    with pytest.raises(CommandRefused, match="does not know the command 'TL'"):
        driver(unit).execute("test.battery.start.deep", {})


def test_acknowledged_and_refused() -> None:
    unit = Unit()
    unit.answers = {b"T\r": b"(NAK\r"}
    with pytest.raises(CommandRefused, match="refuses the command 'T'"):
        driver(unit).execute("test.battery.start.quick", {})
    unit.answers = {b"T\r": b"(ACK\r"}
    assert "the UPS does not show it" in driver(unit).execute("test.battery.start.quick", {})


def test_a_line_that_echoes_everything_refuses_nothing() -> None:
    unit = Unit()
    echoing = Driver(hurried(MEGATEC), LoopTransport(lambda sent: sent + unit(sent)), Options())
    assert echoing.poll().values["ups.status"] == "OL"
    assert "a test running" in echoing.execute("test.battery.start.quick", {})


def test_an_effect_that_does_not_show() -> None:
    unit = Unit()
    unit.ignored = {b"T\r"}
    assert driver(unit).execute("test.battery.start.quick", {}).endswith("sent, but the UPS does not show it.")


def test_a_ups_that_falls_silent_after_a_command() -> None:
    unit = Unit()
    alive = [True]

    def peer(sent: bytes) -> bytes:
        answer = unit(sent) if alive[0] else b""
        alive[0] = alive[0] and sent == b"Q1\r"
        return answer

    silent = Driver(hurried(MEGATEC), LoopTransport(peer), Options())
    assert "sent, but not confirmed: no answer" in silent.execute("load.off", {})


def test_no_command_goes_to_a_ups_that_does_not_answer() -> None:
    transport = LoopTransport(lambda _sent: b"x\r")
    with pytest.raises(BadAnswer):
        Driver(hurried(MEGATEC), transport, Options()).execute("load.off", {})
    assert set(transport.sent) == {b"Q1\r"}
