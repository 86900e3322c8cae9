"""A program of ours or of others that runs beside a worker, which looks at it now and then instead of waiting for it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence

from istars.platform import accounts, paths

PR_SET_PDEATHSIG = 1
KEPT = 16_384
_libc = ctypes.CDLL(None)


def _prepare(account: str) -> None:
    """In the child: become an account of the card, and end with whoever has started us."""
    if account and paths.is_card():
        accounts.become(account)
    # after the change of account, which makes the kernel forget it
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Child:
    """`said` is the end of everything it printed. It dies with whoever has started it. Raises OSError where it cannot start."""

    def __init__(self, line: Sequence[str], *, account: str = "") -> None:
        self.said = ""
        self._rest = ""
        self._process = subprocess.Popen(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "LC_ALL": "C"},
            preexec_fn=lambda: _prepare(account),
        )
        assert self._process.stdout is not None  # noqa: S101 - asked for above
        self._out = self._process.stdout
        os.set_blocking(self._out.fileno(), False)

    def look(self) -> tuple[list[str], int | None]:
        """The lines it has printed since the last look, and its exit status; None while it runs. Not after it has ended."""
        status = self._process.poll()
        text = ""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self._out.fileno(), 4096):
                text += chunk.decode("utf-8", "replace")
        self.said = (self.said + text)[-KEPT:]
        *lines, self._rest = (self._rest + text).split("\n")
        if status is not None:
            self._out.close()
            lines.append(self._rest)
        return lines, status

    def stop(self) -> None:
        """End it at once."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._out.close()
