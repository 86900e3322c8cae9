"""The running simulator: one loop that serves the protocol on a pty and on TCP, and obeys steering words.

It sleeps until something arrives or an answer is due; the physics is brought up to date whenever somebody asks, so an
idle simulator costs nothing. Tests use it in their own process:

    with Simulator("megatec", link=path, speed=60) as simulator:
        simulator.control("mains off")
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, Self

from .channels import (
    READ_SIZE,
    PtyChannel,
    SimulatorError,
    SocketChannel,
    bind_udp,
    listen_tcp,
    listen_unix,
    receive_some,
    send_some,
)
from .declared import Dialect, VoltronicP
from .declaredmap import DeclaredMap
from .designs import DIALECT_KINDS, MAP_KINDS, MEGATEC_KINDS, NETWORK_DESIGNS, design_of
from .device import Device
from .line import Line, Setting
from .megatec import Megatec
from .modbus import ModbusSlave
from .network import NutServer, OtherCard
from .physics import Ups
from .registers import EastRegisters, InvtRegisters
from .steering import Steering
from .wire import WireFaults

LONGEST_WORDS: Final = 4096
CONTROL_TIMEOUT_S: Final = 10.0

Channel = PtyChannel | SocketChannel


def device_for(ups: Ups, address: int = 1) -> Device:
    """Return the protocol side that belongs to the kind of `ups`."""
    if ups.design.kind in NETWORK_DESIGNS:
        return OtherCard(ups) if ups.design.kind == "rfc1628" else NutServer(ups)
    if ups.design.kind in DIALECT_KINDS:
        return VoltronicP(ups) if ups.design.kind == "voltronic" else Dialect(ups)
    if ups.design.kind in MEGATEC_KINDS:
        return Megatec(ups)
    if ups.design.kind in MAP_KINDS:
        return ModbusSlave(DeclaredMap(ups, ups.design.kind), address)
    registers = EastRegisters(ups) if ups.design.kind == "east" else InvtRegisters(ups)
    return ModbusSlave(registers, address)


class Simulator:
    """A UPS of `kind` (designs.DESIGNS) with its wire; it runs once.

    link: path of the pty, tcp: port on 127.0.0.1 (0: any, see `tcp_port`; UDP for SNMP), control: path of the steering
    socket; each may be None. baud: None for the protocol's own speed, 0 for no waiting; parity: N, E or O. A client whose
    port is set up otherwise says so by `client`: a pty cannot tell its parity, and its speed is looked at only if `strict`.
    speed: simulated seconds per second.
    Raises ValueError for an unknown kind, SimulatorError from `start` and `run` when a path or port cannot be had.
    """

    def __init__(
        self,
        kind: str,
        *,
        link: Path | str | None = None,
        tcp: int | None = None,
        control: Path | str | None = None,
        speed: float = 1.0,
        baud: int | None = None,
        parity: str = "N",
        paced: bool = False,
        phases: int = 1,
        address: int = 1,
        seed: int = 1,
        strict: bool = False,
    ) -> None:
        self.ups = Ups(design_of(kind, phases), seed)
        self.device = device_for(self.ups, address)
        self.wire = WireFaults(seed)
        self.steering = Steering(self.ups, self.device, self.wire, self)
        self.speed = speed
        self.plugged = False
        self.tcp_port = tcp
        self.link = None if link is None else Path(link)
        self._control_path = None if control is None else Path(control)
        self._baud = self.device.baud if baud is None else baud
        self._parity = parity
        self.client: Setting | None = None
        self._paced = paced
        self._strict = strict
        self._channels: set[Channel] = set()
        self._tcp_listener: socket.socket | None = None
        self._control_listener: socket.socket | None = None
        self._controllers: dict[socket.socket, bytes] = {}
        self._asked: SimpleQueue[tuple[str, Future[str]]] = SimpleQueue()
        self._waker: socket.socket | None = None
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._reckoned_at = time.monotonic()

    # ---- life

    def start(self) -> None:
        """Open everything and serve in a thread of its own."""
        self._open()
        self._thread = threading.Thread(target=self._serve, name=f"simulator-{self.ups.design.kind}", daemon=True)
        self._thread.start()

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Open everything, call `ready`, and serve here until `stop`."""
        self._open()
        ready()
        self._serve()

    def stop(self) -> None:
        """End serving; safe from any thread and from a signal handler. Waits for the thread of `start`."""
        self._stopping = True
        self._wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def control(self, words: str) -> str:
        """Carry out steering words, e.g. "mains off"; returns the answer, which begins with "error:" if refused."""
        if self._thread is None or not self._thread.is_alive():
            raise RuntimeError("the simulator is not running")
        answer: Future[str] = Future()
        self._asked.put((words, answer))
        self._wake()
        return answer.result(CONTROL_TIMEOUT_S)

    # ---- what steering asks of its host

    def unplug(self) -> None:
        """Let the device vanish: pty and link gone, TCP connections cut, nobody listening."""
        for channel in list(self._channels):
            self._drop(channel)
        if self._tcp_listener is not None:
            self._selector.unregister(self._tcp_listener)
            self._tcp_listener.close()
            self._tcp_listener = None
        self.plugged = False

    def replug(self) -> None:
        """Let the device come back under the same link and port."""
        try:
            if self.link is not None:
                self._add(PtyChannel(self.link, self._new_line()))
            if self.tcp_port is not None and isinstance(self.device, OtherCard):
                self._tcp_listener = bind_udp(self.tcp_port)
                self.tcp_port = self._tcp_listener.getsockname()[1]
                self._selector.register(self._tcp_listener, selectors.EVENT_READ, self._answer_datagram)
            elif self.tcp_port is not None:
                self._tcp_listener = listen_tcp(self.tcp_port)
                self.tcp_port = self._tcp_listener.getsockname()[1]
                self._selector.register(self._tcp_listener, selectors.EVENT_READ, self._accept_tcp)
        except SimulatorError:
            self.unplug()
            raise
        self.plugged = True

    # ---- the loop

    def _open(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._waker, self._wake_end = socket.socketpair()
        self._selector.register(self._wake_end, selectors.EVENT_READ, self._woken)
        self._waker.setblocking(False)
        self._wake_end.setblocking(False)
        self._reckoned_at = time.monotonic()
        try:
            if self._control_path is not None:
                self._control_listener = listen_unix(self._control_path)
                self._selector.register(self._control_listener, selectors.EVENT_READ, self._accept_control)
            self.replug()
        except BaseException:
            self._close()
            raise

    def _serve(self) -> None:
        try:
            while not self._stopping:
                for key, _ in self._selector.select(self._wait_s()):
                    # A handler before may have closed this one.
                    if key.fd in self._selector.get_map():
                        key.data()
                for channel in list(self._channels):
                    self._pump(channel)
        finally:
            self._close()

    def _wait_s(self) -> float | None:
        """Seconds until an answer or a silence is due; None for ever."""
        deadlines = [at for channel in self._channels if (at := channel.line.deadline) is not None]
        return max(min(deadlines) - time.monotonic(), 0.0) if deadlines else None

    def _close(self) -> None:
        self.unplug()
        for connection in list(self._controllers):
            self._forget(connection)
        if self._control_listener is not None and self._control_path is not None:
            self._control_listener.close()
            self._control_path.unlink(missing_ok=True)
        self._selector.close()
        self._wake_end.close()
        if self._waker is not None:
            self._waker.close()

    def _wake(self) -> None:
        if self._waker is not None:
            # Full: it wakes anyway. Closed: there is nobody to wake.
            with contextlib.suppress(OSError):
                self._waker.send(b"!")

    def _woken(self) -> None:
        receive_some(self._wake_end)
        while True:
            try:
                words, answer = self._asked.get_nowait()
            except Empty:
                return
            answer.set_result(self._obey(words))

    def _obey(self, words: str) -> str:
        self._advance()
        return self.steering.obey(words)

    def _advance(self) -> None:
        """Bring the physics up to now."""
        now = time.monotonic()
        self.ups.step((now - self._reckoned_at) * self.speed)
        self._reckoned_at = now

    # ---- the wire

    def _new_line(self) -> Line:
        return Line(
            self.device, self.wire, self._baud, self._paced, self._advance, self._parity, self._setting_of_client
        )

    def _setting_of_client(self) -> Setting | None:
        """How the other end is set up, as far as it is known."""
        if self.client is not None or not self._strict:
            return self.client
        speeds = [channel.client_baud for channel in self._channels if isinstance(channel, PtyChannel)]
        return Setting(speeds[0], self._parity) if speeds else None

    def _add(self, channel: Channel) -> None:
        self._channels.add(channel)
        self._selector.register(channel, selectors.EVENT_READ, lambda: self._read(channel))

    def _drop(self, channel: Channel) -> None:
        self._channels.discard(channel)
        self._selector.unregister(channel)
        channel.close()

    def _read(self, channel: Channel) -> None:
        data = channel.receive()
        if data is None:
            self._drop(channel)
        elif data:
            channel.line.receive(data, time.monotonic())

    def _pump(self, channel: Channel) -> None:
        data = channel.line.due(time.monotonic())
        if data and not channel.send(data):
            self._drop(channel)

    def _accept_tcp(self) -> None:
        if self._tcp_listener is not None:
            connection, _ = self._tcp_listener.accept()
            self._add(SocketChannel(connection, self._new_line()))

    def _answer_datagram(self) -> None:
        if self._tcp_listener is None:
            return
        with contextlib.suppress(BlockingIOError):
            request, sender = self._tcp_listener.recvfrom(READ_SIZE)
            if self.wire.mute:
                return
            self._advance()
            if answer := self.device.respond(request):
                self._tcp_listener.sendto(answer, sender)

    # ---- steering socket

    def _accept_control(self) -> None:
        if self._control_listener is not None:
            connection, _ = self._control_listener.accept()
            connection.setblocking(False)
            self._controllers[connection] = b""
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._read_control(connection))

    def _read_control(self, connection: socket.socket) -> None:
        data = receive_some(connection)
        if data is None or len(self._controllers[connection]) > LONGEST_WORDS:
            self._forget(connection)
            return
        *lines, self._controllers[connection] = (self._controllers[connection] + data).split(b"\n")
        for line in lines:
            answer = self._obey(line.decode("utf-8", "replace"))
            if not send_some(connection, answer.encode() + b"\n"):
                self._forget(connection)
                return

    def _forget(self, connection: socket.socket) -> None:
        del self._controllers[connection]
        self._selector.unregister(connection)
        connection.close()
