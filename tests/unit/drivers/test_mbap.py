"""Modbus TCP: our link and maps over a server that we did not write is in tests/peers; here the frames and the transport."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from istars.drivers.engine import Driver, Options, open_driver
from istars.drivers.framing import rtu
from istars.drivers.item import Line
from istars.drivers.mbap import ModbusTcpTransport, mbap_frame
from istars.drivers.transport import transport_for
from istars.errors import PortError
from simulators.designs import design_of
from simulators.modbus import framed
from simulators.physics import Ups
from simulators.server import device_for


class Server:
    """A simulated UPS behind Modbus TCP; answers come with a stale one before them where `stale` is set."""

    def __init__(self, kind: str) -> None:
        self.ups = Ups(design_of(kind))
        self.device = device_for(self.ups)
        self.stale = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        with connection:
            while header := connection.recv(6):
                number, length = header[:2], int.from_bytes(header[4:6], "big")
                reply = self.device.respond(framed(connection.recv(length)))[:-2]
                old = (int.from_bytes(number, "big") - 1 & 0xFFFF).to_bytes(2, "big")
                for transaction in (old, number) if self.stale else (number,):
                    connection.sendall(transaction + b"\0\0" + len(reply).to_bytes(2, "big") + reply)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server("kstar")
    yield made
    made.close()


@pytest.fixture
def driver(server: Server) -> Iterator[Driver]:
    made = open_driver("kstar", f"modbus:127.0.0.1:{server.port}", Options())
    yield made
    made.close()


def test_a_map_is_read_over_modbus_tcp(server: Server, driver: Driver) -> None:
    server.ups.wander = 0.0
    values = driver.poll().values
    assert (values["input.voltage"], values["output.voltage"], values["ups.status"]) == (230.0, 230.0, "OL")
    server.ups.set_mains(0)
    server.ups.step(1)
    assert driver.poll().values["ups.status"] == "OB"


def test_an_answer_to_an_earlier_request_is_passed_over(server: Server, driver: Driver) -> None:
    driver.poll()
    server.stale = True
    assert driver.poll().complete


def test_frames_are_cut_out_of_what_came() -> None:
    good = bytes.fromhex("00 07 00 00 00 05 01 04 02 08 FB")
    assert mbap_frame(good, 7) == (len(good), rtu(1, bytes.fromhex("04 02 08 FB")))
    assert mbap_frame(good[:-1], 7) == (0, None)
    assert mbap_frame(good, 8) == (len(good), None)
    assert mbap_frame(b"\x01" + good, 7)[1] is None or mbap_frame(b"\x01" + good, 7)[0] == len(good) + 1
    assert mbap_frame(b"", 7) == (0, None)


def test_names_of_ports() -> None:
    assert isinstance(transport_for("modbus:192.0.2.7:502", Line()), ModbusTcpTransport)
    with pytest.raises(PortError, match=r"modbus:192.0.2.7 is not of the form modbus:HOST:PORT"):
        transport_for("modbus:192.0.2.7", Line())
