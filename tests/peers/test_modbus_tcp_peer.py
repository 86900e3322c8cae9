"""Modbus TCP against programs that we did not write: pymodbus as the device, and pymodbus' client beside our engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from card import free_port
from istars.drivers.engine import Driver, Options, open_driver
from pymodbus.client import ModbusTcpClient
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = pytest.mark.peer

HOLDING = {
    11000: 2301,
    11003: 500,
    11008: 2300,
    11014: 500,
    11021: 423,
    11024: 2,
    11027: 311,
    12000: 2170,
    12002: 3,
    12003: 87,
}
HOLDING |= {12005: 979, 19009: 60, 41180: 8}


class Server:
    """pymodbus in a thread with an event loop of its own."""

    def __init__(self) -> None:
        bits = [SimData(0, values=[False], datatype=DataType.BITS)]
        words = [HOLDING.get(number, 0) for number in range(41_300)]
        registers = [SimData(0, values=words, datatype=DataType.REGISTERS)]
        inputs = [SimData(0, values=[0], datatype=DataType.REGISTERS)]
        self._device = SimDevice(1, simdata=(bits, bits, registers, inputs))
        self.port = free_port()
        self.written: list[tuple[int, list[int]]] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._ready.wait(20)

    async def _serve(self) -> None:
        server = ModbusTcpServer(self._device, address=("127.0.0.1", self.port), trace_pdu=self._note)
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await server.serve_forever(background=True)
        self._ready.set()
        await self._end.wait()
        await server.shutdown()

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not sending and pdu.function_code in (6, 16):
            self.written.append((pdu.address, pdu.registers))
        return pdu

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture
def driver(server: Server) -> Iterator[Driver]:
    made = open_driver("huawei-ups2000", f"modbus:127.0.0.1:{server.port}", Options())
    yield made
    made.close()


def test_our_engine_reads_and_commands_a_pymodbus_device(server: Server, driver: Driver) -> None:
    poll = driver.poll()
    assert poll.complete
    expected = {
        "input.voltage": 230.1, "output.voltage": 230.0, "ups.load": 42.3, "battery.voltage": 217.0, "battery.charge": 87,
        "battery.runtime": 979, "istars.ups.mode": "line", "istars.battery.state": "float", "ups.power.nominal": 6000,
        "ups.status": "OL ALARM", "ups.alarm": "OVER_TEMPERATURE",
    }  # fmt: skip
    assert {name: poll.values.get(name) for name in expected} == expected
    driver.execute("beeper.disable", {})
    assert server.written == [(11046, [1])]
    assert driver.poll().values["ups.beeper.status"] == "disabled"


def test_pymodbus_client_sees_the_same(server: Server, driver: Driver) -> None:
    values = driver.poll().values
    with ModbusTcpClient("127.0.0.1", port=server.port) as client:
        volts = client.read_holding_registers(11000, count=1, device_id=1).registers[0]
        load = client.read_holding_registers(11021, count=1, device_id=1).registers[0]
    assert (volts / 10, load / 10) == (values["input.voltage"], values["ups.load"])
