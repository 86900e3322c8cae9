"""Whether the card's own pages answer, asked as a browser would: over the socket that gunicorn serves."""

from __future__ import annotations

import os
import socket

PATIENCE_S = 10.0
"""The first page of a start may take seconds on a small processor, and one that is given up goes on costing it time."""
ANSWER_LIMIT = 4096


def sign_in_status() -> int:
    """Status of the sign-in page; 0 where nothing answers. Where to ask stands in the variables of `web/gunicorn_conf.py`."""
    bind = os.environ.get("ISTARS_HTTP_BIND") or "127.0.0.1"
    # behind the card's proxy the pages believe it that the way was encrypted; elsewhere they pass this line over
    asked = b"GET /login HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    try:
        with _connected(bind) as connection:
            connection.sendall(asked)
            answer = b""
            while b"\r\n" not in answer and len(answer) < ANSWER_LIMIT and (piece := connection.recv(ANSWER_LIMIT)):
                answer += piece
    except OSError:
        return 0
    words = answer.split(b"\r\n", 1)[0].split()
    return int(words[1]) if len(words) > 1 and words[1].isdigit() else 0


def _connected(bind: str) -> socket.socket:
    if bind.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(PATIENCE_S)
        try:
            made.connect(bind.removeprefix("unix:"))
        except OSError:
            made.close()
            raise
        return made
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind, bind)  # noqa: S104 - no socket is bound
    return socket.create_connection((host, int(os.environ.get("HTTP_PORT") or "8080")), PATIENCE_S)
