"""Our engine against a Modbus RTU server that we did not write: pymodbus on the far end of a pair of ptys."""

from __future__ import annotations

import asyncio
import os
import select
import threading
import tty
from collections.abc import Iterator
from dataclasses import replace

import pytest
from istars.drivers.engine import Driver, Options, protocols
from istars.drivers.item import Timing
from istars.drivers.transport import SerialTransport
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice

pytestmark = pytest.mark.peer

EAST = replace(protocols()["east-ea900"], timing=Timing(answer_s=3, effect_s=0))
INPUTS = {0: 2290, 6: 500, 12: 2299, 18: 500, 24: 2300, 30: 500, 36: 12, 39: 11, 45: 423, 49: 2170, 51: 0xFFF4}
INPUTS |= {53: 0xFED6, 54: 38, 55: 1000, 59: 12, 70: 2 | 2 << 2 | 3 << 4 | 2 << 9, 71: 4}
HOLDING = {5: 16, 15: 6000} | {76 + n: int.from_bytes(b"EA900123456789"[2 * n : 2 * n + 2], "big") for n in range(7)}


class Cable:
    """Two ptys joined by a thread that copies bytes both ways."""

    def __init__(self) -> None:
        self._masters, self._slaves = [], []
        for _ in range(2):
            master, slave = os.openpty()
            tty.setraw(slave)
            self._masters.append(master)
            self._slaves.append(slave)
        self.ends = [os.ttyname(slave) for slave in self._slaves]
        self._stop, self._stopping = os.pipe()
        self._thread = threading.Thread(target=self._copy)
        self._thread.start()

    def _copy(self) -> None:
        one, other = self._masters
        while True:
            ready, _, _ = select.select([one, other, self._stop], [], [])
            if self._stop in ready:
                return
            for source, target in ((one, other), (other, one)):
                if source in ready:
                    os.write(target, os.read(source, 4096))

    def close(self) -> None:
        os.write(self._stopping, b"x")
        self._thread.join()
        for fd in (*self._masters, *self._slaves, self._stop, self._stopping):
            os.close(fd)


def block(words: dict[int, int], count: int) -> list[SimData]:
    return [SimData(0, values=[words.get(number, 0) for number in range(count)], datatype=DataType.REGISTERS)]


class Server:
    """pymodbus in a thread with an event loop of its own; `inputs` is how many input registers there are."""

    def __init__(self, port: str, inputs: int) -> None:
        coils = [SimData(0, values=[False], datatype=DataType.BITS)]
        self._device = SimDevice(1, simdata=(coils, coils, block(HOLDING, 0x8010), block(INPUTS, inputs)))
        self.written: list[tuple[int, list[int]]] = []
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(port)))
        self._thread.start()
        assert self._ready.wait(10)

    async def _serve(self, port: str) -> None:
        server = ModbusSerialServer(self._device, framer=FramerType.RTU, port=port, baudrate=9600, trace_pdu=self._note)
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        await server.serve_forever(background=True)
        self._ready.set()
        await self._end.wait()
        await server.shutdown()

    def _note(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        if not sending and pdu.function_code == 6:
            self.written.append((pdu.address, pdu.registers))
        return pdu

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)


@pytest.fixture
def server_and_driver(request: pytest.FixtureRequest) -> Iterator[tuple[Server, Driver]]:
    cable = Cable()
    server = Server(cable.ends[0], request.param)
    driver = Driver(EAST, SerialTransport(cable.ends[1], EAST.line), Options())
    yield server, driver
    driver.close()
    server.close()
    cable.close()


@pytest.mark.parametrize("server_and_driver", [72], indirect=True)
def test_our_engine_reads_and_commands_a_pymodbus_server(server_and_driver: tuple[Server, Driver]) -> None:
    server, driver = server_and_driver
    poll = driver.poll()
    assert poll.complete
    expected = {
        "input.voltage": 229.9,
        "output.voltage": 230.0,
        "ups.power": 1200,
        "ups.load": 42.3,
        "battery.voltage": 217.0,
        "battery.current": -1.2,
        "battery.runtime": 2280,
        "istars.ups.mode": "line",
        "ups.status": "OL",
        "ups.power.nominal": 6000,
        "device.serial": "EA900123456789",
    }
    assert {name: poll.values.get(name) for name in expected} == expected
    assert driver.execute("beeper.mute", {}).endswith("accepted.")
    assert server.written == [(0x8002, [1])]


@pytest.mark.parametrize("server_and_driver", [60], indirect=True)
def test_a_server_that_has_fewer_registers(server_and_driver: tuple[Server, Driver]) -> None:
    """What pymodbus refuses as an illegal address is read in parts."""
    _, driver = server_and_driver
    poll = driver.poll()
    assert (poll.values["input.voltage"], poll.values["istars.ups.rundays"]) == (229.9, 12)
    assert "istars.ups.mode" not in poll.values
