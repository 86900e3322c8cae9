from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import serial
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from istars.drivers.engine import Driver, Options, open_driver, protocols
from istars.drivers.item import Line
from istars.drivers.transport import SerialTransport, TcpTransport, open_error, transport_for
from istars.errors import BadAnswer, LinkError, NoAnswer, PortError
from unit.drivers.loop import PtyDevice, hurried

TEXT = Line(baud=2400, rts=False, terminator=b"\r")
BINARY = Line(baud=9600)
STATUS = b"(226.0 195.0 226.0 014 49.0 27.5 30.0 00001000\r"
PATIENCE_S = 5.0
"""Longest wait for what is sure to come; only a failing test waits so long."""


def soon() -> float:
    return time.monotonic() + PATIENCE_S


def now() -> float:
    return time.monotonic()


def picked_up(transport: SerialTransport, least: int, length: int) -> bytes:
    """`length` bytes that are no whole answer of `least`; the kernel brings them to the terminal in its own time."""
    heard, end = b"", soon()
    while len(heard) < length and now() < end:
        assert transport.read(least, now() + 0.02) == b""
        heard += transport.rest()
    return heard


@pytest.fixture
def device() -> Iterator[PtyDevice]:
    with PtyDevice() as made:
        yield made


@pytest.fixture
def text(device: PtyDevice) -> Iterator[SerialTransport]:
    transport = SerialTransport(device.path, TEXT)
    transport.open()
    yield transport
    transport.close()


class CountingPoll:
    """A poll object that counts how often it wakes up with something to read."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.wakeups = 0

    def poll(self, timeout_ms: int) -> Any:
        found = self._real.poll(timeout_ms)
        self.wakeups += bool(found)
        return found


def test_a_line_that_comes_byte_by_byte_costs_one_wakeup(device: PtyDevice, text: SerialTransport) -> None:
    text._poll = counter = CountingPoll(text._poll)  # type: ignore[assignment]

    def dribble() -> None:
        for byte in STATUS:
            device.say(bytes((byte,)))

    sender = threading.Thread(target=dribble)
    sender.start()
    assert text.read(1, soon()) == STATUS
    sender.join()
    assert counter.wakeups == 1


def test_the_kernel_wakes_nobody_before_the_line_ends(device: PtyDevice, text: SerialTransport) -> None:
    waiting = select.poll()
    waiting.register(text._fd, select.POLLIN)
    device.say(STATUS[:-1])
    assert not waiting.poll(50)
    device.say(b"\r")
    assert waiting.poll(PATIENCE_S * 1000)


def test_two_lines_are_two_reads(device: PtyDevice, text: SerialTransport) -> None:
    device.say(b"#one\r(two\r")
    assert [text.read(1, soon()), text.read(1, soon())] == [b"#one\r", b"(two\r"]


def test_no_byte_is_special_on_a_text_line(device: PtyDevice, text: SerialTransport) -> None:
    every = bytes(byte for byte in range(256) if byte not in b"\r\n") + b"\r"
    device.say(every)
    assert text.read(1, soon()) == every


def test_nothing_is_echoed_to_the_device(text: SerialTransport, device: PtyDevice) -> None:
    device.say(STATUS)
    assert text.read(1, soon()) == STATUS
    assert not select.select([device.master], [], [], 0)[0]


def test_an_unterminated_answer_is_picked_up_and_lines_go_on_afterwards(
    device: PtyDevice, text: SerialTransport
) -> None:
    device.say(b"(226.0 195")
    assert picked_up(text, 1, 10) == b"(226.0 195"
    device.say(STATUS)
    assert text.read(1, soon()) == STATUS


def test_discard_forgets_what_came_late(device: PtyDevice, text: SerialTransport) -> None:
    device.say(b"#late\r")
    assert select.select([text._fd], [], [], PATIENCE_S)[0]
    text.discard()
    device.say(STATUS)
    assert text.read(1, soon()) == STATUS


def test_binary_waits_for_the_bytes_expected(device: PtyDevice) -> None:
    transport = SerialTransport(device.path, BINARY)
    transport.open()
    transport._poll = counter = CountingPoll(transport._poll)  # type: ignore[assignment]
    every = bytes(range(256))[:250]
    device.say(every[:100])
    assert picked_up(transport, 250, 100) == every[:100]
    device.say(every[:5])
    device.say(every[5:])
    assert transport.read(250, soon()) == every
    assert counter.wakeups == 1
    transport.close()


def test_a_device_that_disappears(device: PtyDevice, text: SerialTransport) -> None:
    device.unplug()
    with pytest.raises(PortError, match="disappeared") as caught:
        text.read(1, soon())
    assert caught.value.reason == "port-missing"
    assert not text.is_open
    text.close()
    text.close()
    for act in (lambda: text.write(b"x"), text.discard, text.rest, lambda: text.read(1, soon())):
        with pytest.raises(PortError, match="not open"):
            act()
    with pytest.raises(PortError) as caught:
        text.open()
    assert caught.value.reason == "port-missing"


def test_a_device_that_disappears_before_writing(device: PtyDevice, text: SerialTransport) -> None:
    device.unplug()
    with pytest.raises(PortError, match="disappeared"):
        text.write(b"Q1\r")


def test_open_is_idempotent_and_open_again_after_close(device: PtyDevice, text: SerialTransport) -> None:
    text.open()
    text.close()
    assert not text.is_open
    text.open()
    device.say(STATUS)
    assert text.read(1, soon()) == STATUS


def test_a_port_in_use(device: PtyDevice, text: SerialTransport) -> None:
    with pytest.raises(PortError, match="in use by another program") as caught:
        SerialTransport(device.path, TEXT).open()
    assert caught.value.reason == "port-busy"


def test_a_port_that_is_missing_or_none(tmp_path: Path) -> None:
    for path in (tmp_path / "ttyUSB7", tmp_path):
        with pytest.raises(PortError, match=str(path)) as caught:
            SerialTransport(str(path), TEXT).open()
        assert caught.value.reason == "port-missing"
    plain = tmp_path / "file"
    plain.write_text("")
    with pytest.raises(PortError, match="cannot be used as a serial port"):
        SerialTransport(str(plain), TEXT).open()


def test_a_port_without_permission(device: PtyDevice) -> None:
    Path(device.path).chmod(0)
    was = os.geteuid()
    try:
        if was == 0:
            os.seteuid(65534)
        with pytest.raises(PortError, match="no permission to use .*: it belongs to group") as caught:
            SerialTransport(device.path, TEXT).open()
    finally:
        os.seteuid(was)
    assert caught.value.reason == "permission"


def test_every_errno_gives_a_reason() -> None:
    reasons = {
        number: open_error("/dev/ttyS9", serial.SerialException(number, "x")).reason
        for number in (2, 6, 13, 16, 11, 22)
    }
    assert reasons == {
        2: "port-missing",
        6: "port-missing",
        13: "permission",
        16: "port-busy",
        11: "port-busy",
        22: "port-missing",
    }


def test_impossible_settings_of_the_line(device: PtyDevice) -> None:
    with pytest.raises(PortError, match="cannot be used as a serial port"):
        SerialTransport(device.path, Line(baud=-1)).open()


def test_names_of_devices() -> None:
    assert isinstance(transport_for("/dev/ttyS0", TEXT), SerialTransport)
    assert transport_for("tcp:[::1]:4001", TEXT).where == "tcp:::1:4001"
    for name in ("", "ttyS0", "tcp:", "tcp:host", "tcp:host:0", "tcp:host:70000", "tcp::4001", "sim:megatec"):
        with pytest.raises(PortError):
            transport_for(name, TEXT)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as made:
        made.settimeout(PATIENCE_S)
        yield made


@pytest.fixture
def pair(listener: socket.socket) -> Iterator[tuple[TcpTransport, socket.socket]]:
    transport = TcpTransport("127.0.0.1", listener.getsockname()[1])
    transport.open()
    far, _ = listener.accept()
    with far:
        yield transport, far
    transport.close()


def test_tcp_reads_writes_and_forgets(pair: tuple[TcpTransport, socket.socket]) -> None:
    transport, far = pair
    transport.write(b"Q1\r")
    assert far.recv(10) == b"Q1\r"
    far.sendall(b"#late\r")
    assert select.select([transport._fd], [], [], PATIENCE_S)[0]
    transport.discard()
    far.sendall(STATUS)
    assert transport.read(1, soon()) == STATUS
    assert transport.read(1, now()) == b""


def test_tcp_waits_for_the_bytes_expected(pair: tuple[TcpTransport, socket.socket]) -> None:
    transport, far = pair
    far.sendall(b"\x01\x04")
    assert transport.read(5, now() + 0.02) == b""
    assert transport.rest() == b"\x01\x04"


def test_tcp_keeps_watch_on_a_silent_peer(pair: tuple[TcpTransport, socket.socket]) -> None:
    link = pair[0]._socket
    assert link is not None
    assert link.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_tcp_closed_by_the_peer(pair: tuple[TcpTransport, socket.socket]) -> None:
    transport, far = pair
    far.close()
    with pytest.raises(PortError, match="closed the connection") as caught:
        transport.read(1, soon())
    assert caught.value.reason == "port-missing"
    assert not transport.is_open
    transport.close()


def test_tcp_refused_and_unknown() -> None:
    # bound by a socket that does not listen, so that no other program gets it meanwhile
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        with pytest.raises(PortError, match="refuses") as caught:
            TcpTransport(*deaf.getsockname()).open()
    assert caught.value.reason == "refused"
    with pytest.raises(PortError, match="cannot be reached") as caught:
        TcpTransport("no-such-host.invalid", 1).open()
    assert caught.value.reason == "port-missing"


def test_tcp_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, **__: object) -> socket.socket:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", hang)
    with pytest.raises(PortError, match="does not answer within 5 s") as caught:
        TcpTransport("10.255.255.1", 4001).open()
    assert caught.value.reason == "no-answer"


def test_a_whole_poll_through_a_pty() -> None:
    answers = {b"Q1\r": STATUS, b"F\r": b"#220.0 000 024.0 50.0\r", b"I\r": b"I\r"}
    with PtyDevice(answers.__getitem__) as device:
        driver = Driver(
            hurried(protocols()["megatec"], answer_s=PATIENCE_S / 10), SerialTransport(device.path, TEXT), Options()
        )
        driver.open()
        poll = driver.poll()
        assert (poll.values["input.voltage"], poll.values["battery.voltage.nominal"]) == (226.0, 24.0)
        counter = driver._transport._poll = CountingPoll(driver._transport._poll)  # type: ignore[attr-defined]
        driver.poll()
        assert counter.wakeups == 1
        device.unplug()
        with pytest.raises(PortError):
            driver.poll()
        driver.close()


def test_what_was_seen_when_nothing_fits() -> None:
    with PtyDevice(lambda _request: b"hello") as device:
        driver = Driver(hurried(protocols()["megatec"]), SerialTransport(device.path, TEXT), Options())
        with pytest.raises(BadAnswer, match="hello"):
            driver.poll()
        assert driver.last_seen == b"hello"
        driver.close()
    with PtyDevice() as device:
        driver = Driver(hurried(protocols()["megatec"]), SerialTransport(device.path, TEXT), Options())
        with pytest.raises(NoAnswer):
            driver.poll()
        assert driver.last_seen == b""
        driver.close()


def test_open_driver_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(LinkError, match="megatec") as caught:
        open_driver("megatek", "/dev/ttyS0", Options())
    assert caught.value.reason == "unknown-protocol"
    with pytest.raises(PortError) as missing:
        open_driver("megatec", str(tmp_path / "none"), Options())
    assert missing.value.reason == "port-missing"


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=80))
@example(noise=STATUS)
def test_noise_on_a_real_terminal_costs_nothing_that_follows(
    device: PtyDevice, text: SerialTransport, noise: bytes
) -> None:
    sent = noise + STATUS
    device.say(sent)
    heard = b""
    # Counted, not looked for: the noise may be a whole answer itself, and what is left unread would be the next example's.
    while len(heard) < len(sent):
        piece = text.read(1, soon())
        assert piece
        heard += piece
    assert heard == sent
