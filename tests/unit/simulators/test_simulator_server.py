from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from simulators import Simulator, control
from simulators.__main__ import main
from simulators.channels import SimulatorError

TESTS = Path(__file__).parents[2]
PATIENCE_S = 10.0


def read_exactly(descriptor: int, length: int) -> bytes:
    """Read `length` bytes; fails when they do not come."""
    data = b""
    while len(data) < length:
        ready, _, _ = select.select([descriptor], [], [], PATIENCE_S)
        assert ready, f"only {data!r} came"
        piece = os.read(descriptor, length - len(data))
        assert piece, "hung up"
        data += piece
    return data


def ask(descriptor: int, request: bytes, length: int) -> bytes:
    os.write(descriptor, request)
    return read_exactly(descriptor, length)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Simulator]:
    with Simulator(
        "megatec", link=tmp_path / "dev" / "ttySIM", control=tmp_path / "sim.sock", tcp=0, baud=0
    ) as simulator:
        yield simulator


@pytest.fixture
def port(simulator: Simulator) -> Iterator[int]:
    descriptor = os.open(str(simulator.link), os.O_RDWR | os.O_NOCTTY)
    yield descriptor
    os.close(descriptor)


def test_answers_on_the_pty(port: int) -> None:
    assert ask(port, b"F\r", 22) == b"#230.0 026 192.0 50.0\r"
    assert ask(port, b"Q1\r", 47)[:1] == b"("


def test_survives_clients_that_come_and_go(simulator: Simulator) -> None:
    for _ in range(5):
        descriptor = os.open(str(simulator.link), os.O_RDWR | os.O_NOCTTY)
        assert len(ask(descriptor, b"Q1\r", 47)) == 47
        os.close(descriptor)


def test_same_bytes_on_tcp(simulator: Simulator) -> None:
    for _ in range(2):
        with socket.create_connection(("127.0.0.1", simulator.tcp_port or 0), PATIENCE_S) as connection:
            assert len(ask(connection.fileno(), b"Q1\r", 47)) == 47


def test_words_act_while_running(simulator: Simulator, port: int) -> None:
    simulator.control("mains off")
    simulator.control("advance 1")
    answer = ask(port, b"Q1\r", 47)
    assert (answer[1:6], answer[38:39]) == (b"000.0", b"1")


def test_unplug_and_replug(simulator: Simulator, port: int) -> None:
    assert simulator.link is not None
    first_device = simulator.link.readlink()
    with socket.create_connection(("127.0.0.1", simulator.tcp_port or 0), PATIENCE_S) as connection:
        ask(connection.fileno(), b"F\r", 22)
        simulator.control("unplug")
        assert not simulator.link.is_symlink()
        assert connection.recv(1) == b""
    # A hung-up terminal is readable at once and gives nothing but an end of file or an error.
    assert select.select([port], [], [], PATIENCE_S)[0]
    with pytest.raises(OSError, match="Input/output error"):
        os.write(port, b"Q1\r")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", simulator.tcp_port or 0), PATIENCE_S)
    assert simulator.control("unplug").startswith("error:")
    simulator.control("replug")
    assert simulator.link.readlink().exists()
    assert first_device.parent == simulator.link.readlink().parent
    again = os.open(str(simulator.link), os.O_RDWR | os.O_NOCTTY)
    assert len(ask(again, b"Q1\r", 47)) == 47
    os.close(again)
    with socket.create_connection(("127.0.0.1", simulator.tcp_port or 0), PATIENCE_S) as connection:
        assert len(ask(connection.fileno(), b"Q1\r", 47)) == 47


def test_replug_onto_a_taken_path_is_an_error_not_an_end(simulator: Simulator) -> None:
    assert simulator.link is not None
    simulator.control("unplug")
    simulator.link.write_text("in the way")
    assert simulator.control("replug").startswith("error:")
    simulator.link.unlink()
    assert not simulator.control("replug").startswith("error:")


def test_characters_nobody_reads_are_lost(simulator: Simulator) -> None:
    writer = os.open(str(simulator.link), os.O_WRONLY | os.O_NOCTTY)
    for _ in range(1000):
        os.write(writer, b"Q1\r")
        select.select([], [writer], [], PATIENCE_S)
    os.close(writer)
    assert not simulator.control("help").startswith("error:")


def test_time_runs_by_the_factor(tmp_path: Path) -> None:
    with Simulator("east", link=tmp_path / "tty", speed=3600.0, baud=0) as simulator:
        assert simulator.control("mains off")
        while (state := json.loads(simulator.control("status")))["mode"] != "shutdown":
            assert state["time_s"] < 3600.0
        assert state["output_v"] == 0.0
        simulator.control("speed 0")
        frozen = json.loads(simulator.control("status"))["time_s"]
        assert json.loads(simulator.control("status"))["time_s"] == frozen


def test_modbus_over_the_pty(tmp_path: Path) -> None:
    with Simulator("east", link=tmp_path / "tty") as simulator:
        descriptor = os.open(str(simulator.link), os.O_RDWR | os.O_NOCTTY)
        assert ask(descriptor, bytes.fromhex("010400180001B1CD"), 7) == bytes.fromhex("01040208FCBEB1")
        os.close(descriptor)


def test_control_client(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "sim.sock")
    assert control.send(path, "mains 210") == "mains is 210 V"
    assert control.main([path, "load", "60"]) == 0
    assert capsys.readouterr().out == "load is 60 %\n"
    assert control.main([path, "nonsense"]) == 1
    assert "error: unknown word 'nonsense'" in capsys.readouterr().err
    assert control.main([str(tmp_path / "none.sock"), "help"]) == 1
    assert "no simulator answers" in capsys.readouterr().err
    assert control.main([path]) == 2
    assert simulator.ups.load_percent == 60.0


def test_many_words_on_one_connection(simulator: Simulator, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(tmp_path / "sim.sock"))
        connection.sendall(b"load 50\nload 51\nload")
        connection.sendall(b" 52\n")
        with connection.makefile() as answers:
            assert [answers.readline() for _ in range(3)] == [f"load is {load} %\n" for load in (50, 51, 52)]


def test_leaves_nothing_behind(tmp_path: Path) -> None:
    descriptors = open_descriptors()
    with Simulator("invt", link=tmp_path / "tty", control=tmp_path / "sock", tcp=0) as simulator:
        assert (tmp_path / "sock").is_socket()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RuntimeError, match="not running"):
        simulator.control("help")
    del simulator
    gc.collect()
    assert open_descriptors() == descriptors


def _occupy_link(folder: Path) -> None:
    (folder / "tty").write_text("a file")


def _occupy_socket(folder: Path) -> None:
    (folder / "sock").write_text("a file")


@pytest.mark.parametrize("occupy", [_occupy_link, _occupy_socket])
def test_paths_that_are_taken(tmp_path: Path, occupy: Callable[[Path], None]) -> None:
    occupy(tmp_path)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SimulatorError, match="exists and is not"):
        Simulator("megatec", link=tmp_path / "tty", control=tmp_path / "sock").start()
    assert sorted(tmp_path.iterdir()) == before


def test_second_simulator_at_the_same_socket(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(SimulatorError, match="runs at"):
        Simulator("megatec", link=tmp_path / "other", control=tmp_path / "sim.sock").start()
    assert simulator.control("load 1") == "load is 1 %"


def test_leftovers_of_a_dead_simulator_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "tty").symlink_to("/dev/pts/gone")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "sock"))
    with Simulator("megatec", link=tmp_path / "tty", control=tmp_path / "sock") as simulator:
        assert simulator.link is not None
        assert simulator.link.readlink().exists()
        assert control.send(tmp_path / "sock", "load 5") == "load is 5 %"


@pytest.mark.parametrize("arguments", [["--speed", "-1"], ["--phases", "3"], ["--address", "0"]])
def test_command_line_refuses(tmp_path: Path, arguments: list[str]) -> None:
    assert main(["megatec", "--link", str(tmp_path / "l"), "--control", str(tmp_path / "c"), *arguments]) == 2
    assert list(tmp_path.iterdir()) == []


def test_command_line_reports_a_taken_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _occupy_link(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "signal", lambda *_: None)
        assert main(["megatec", "--link", str(tmp_path / "tty"), "--control", str(tmp_path / "c")]) == 1
    assert "exists and is not a link" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_command_line_runs_until_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    arguments = ["-m", "simulators", "megatec", "--link", str(tmp_path / "tty"), "--control", str(tmp_path / "sock")]
    readable, writable = os.pipe()
    process = os.posix_spawn(
        sys.executable,
        [sys.executable, *arguments],
        {**os.environ, "PYTHONPATH": f"{TESTS.parent / 'app'}:{TESTS}"},
        file_actions=[(os.POSIX_SPAWN_DUP2, writable, 1)],
    )
    os.close(writable)
    try:
        with os.fdopen(readable) as output:
            assert output.readline().startswith("simulated megatec UPS at ")
        assert json.loads(control.send(tmp_path / "sock", "status"))["mode"] == "line"
    finally:
        os.kill(process, number)
        _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert list(tmp_path.iterdir()) == []
