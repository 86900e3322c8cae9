"""Sends steering words to a running simulator: `python -m simulators.control SOCKETPATH words...`.

Prints the answer. Ends with 1 when no simulator runs at that path or the words were refused, with 2 on wrong use.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Final

from .steering import ERROR

ANSWER_TIMEOUT_S: Final = 10.0


def send(path: Path | str, words: str) -> str:
    """Return the simulator's answer to `words`; raises OSError when none runs there or it does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.connect(str(path))
        connection.sendall(words.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionError("the simulator hung up")
            answer += piece
    return answer.decode().rstrip("\n")


def main(arguments: list[str]) -> int:
    """Command line; returns the exit code."""
    if len(arguments) < 2:
        sys.stderr.write("use: python -m simulators.control SOCKETPATH words... (try: help)\n")
        return 2
    path, words = arguments[0], " ".join(arguments[1:])
    try:
        answer = send(path, words)
    except OSError as error:
        reason = error.strerror or str(error)
        sys.stderr.write(f"no simulator answers at {path}: {reason}\n")
        return 1
    refused = answer.startswith(ERROR)
    (sys.stderr if refused else sys.stdout).write(answer + "\n")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
