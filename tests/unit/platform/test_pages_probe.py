"""Whether the sign-in page answers: over a port, over a socket, and what counts as no answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from istars.platform import pages

Serve = Callable[..., list[bytes]]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Answers one question with what the test says, over a port or a socket; a list with the question."""
    threads: list[threading.Thread] = []

    def begin(answer: bytes, path: Path | None = None) -> list[bytes]:
        listening = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        listening.bind(str(path) if path else ("127.0.0.1", 0))
        listening.listen()
        monkeypatch.setenv("ISTARS_HTTP_BIND", f"unix:{path}" if path else "0.0.0.0")
        if not path:
            monkeypatch.setenv("HTTP_PORT", str(listening.getsockname()[1]))
        asked: list[bytes] = []

        def work() -> None:
            connection, _ = listening.accept()
            asked.append(connection.recv(4096))
            connection.sendall(answer)
            connection.close()
            listening.close()

        threads.append(threading.Thread(target=work))
        threads[-1].start()
        return asked

    yield begin
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200),
        (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", 502),
        (b"HTTP/1.1 200", 200),
        (b"SSH-2.0-x\r\n", 0),
        (b"", 0),
        (b"\0" * 9000, 0),
    ],
)
def test_the_status_of_the_sign_in_page(serve: Serve, answer: bytes, status: int) -> None:
    asked = serve(answer)
    assert pages.sign_in_status() == status
    assert asked[0].startswith(b"GET /login HTTP/1.1\r\n")


def test_it_asks_over_the_socket_that_the_proxy_uses_as_if_encrypted(serve: Serve, tmp_path: Path) -> None:
    asked = serve(b"HTTP/1.1 200 OK\r\n\r\n", tmp_path / "web.sock")
    assert pages.sign_in_status() == 200
    assert b"\r\nX-Forwarded-Proto: https\r\n" in asked[0]


def test_nobody_there_is_no_answer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ISTARS_HTTP_BIND", f"unix:{tmp_path}/none")
    assert pages.sign_in_status() == 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        monkeypatch.setenv("ISTARS_HTTP_BIND", "127.0.0.1")
        monkeypatch.setenv("HTTP_PORT", str(probe.getsockname()[1]))
        assert pages.sign_in_status() == 0
