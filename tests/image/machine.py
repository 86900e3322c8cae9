"""QEMU as a machine with a power switch. A guest that restarts gets a new process of QEMU, on the same medium.

Some guests that restarted inside a process of QEMU 7.2 hung for minutes while their kernel was unpacked; those that started in a
new one came through, 39 of 39. So QEMU runs with `-no-reboot`: it ends where the guest restarts, by itself, by its watchdog or
in a panic, and says so on its QMP line. It ends in order: what the guest has written is on the medium, as after a card's restart.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""QEMU ends when the thread that started it does: with the tests, however they end."""
RESTARTS = ("guest-reset", "host-qmp-system-reset")
"""QMP's words for them: by the guest, its watchdog or a panic, or by the monitor. `guest-shutdown` is a card that switches itself
off: nothing starts it again."""
TICKS = os.sysconf("SC_CLK_TCK")
PROMPT_S = 1.0
"""So long after its last sign a line without an end is taken for a prompt."""


def restart_words(line: socket.socket) -> list[str]:
    """Arguments by which QEMU ends at a restart and tells it on `line`, which it inherits."""
    return ["-no-reboot", "-chardev", f"socket,id=events,fd={line.fileno()}", "-mon", "chardev=events,mode=control"]


def ask_for_events(line: socket.socket) -> None:
    """QEMU says nothing on its QMP line before this."""
    line.sendall(b'{"execute": "qmp_capabilities"}\n')


def why_it_ended(line: socket.socket) -> str:
    """What QEMU, which has ended, told on its QMP line, in QMP's words (`RESTARTS` and others); nothing where it was killed."""
    said = b""
    with contextlib.suppress(ConnectionError):
        while piece := line.recv(65536):
            said += piece
    reason = ""
    for each in said.splitlines():
        with contextlib.suppress(ValueError):
            message = json.loads(each)
            if message.get("event") == "SHUTDOWN":
                reason = str(message["data"]["reason"])
    return reason


class Machine:
    """One machine, off at first. `folder` gets its console over all starts (`console.log`) and QEMU's complaints (`qemu.log`)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "console.log"
        self.ended = ""
        """Why it went off although nobody switched it off; empty while it runs."""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._keyboard: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._wanted = False
        self._spent_s = 0.0

    def on(self, words: Sequence[str], once: Sequence[str] = ()) -> None:
        """Switch it on. `words` are arguments of QEMU at each start, `once` further ones of the first."""
        assert self._thread is None, "it is on already"
        self.ended, self._wanted, self._spent_s = "", True, 0.0
        self._thread = threading.Thread(target=self._live, args=(words, once), daemon=True)
        self._thread.start()

    def kill(self) -> None:
        """Cut its power: QEMU ends at once."""
        self._off(signal.SIGKILL)

    def leave(self) -> None:
        """End QEMU in order: everything that the guest has written is in the file; the guest itself sees a power cut."""
        self._off(signal.SIGTERM)

    def cpu_s(self) -> float:
        """CPU time that QEMU has used since it was switched on, over all starts, seconds."""
        with self._lock:
            return self._spent_s + (0.0 if self._process is None else _used_s(self._process.pid))

    def console(self) -> str:
        """Everything that the guest said, since the machine was first switched on."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def complaints(self) -> str:
        """What QEMU itself said."""
        log = self.folder / "qemu.log"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def type(self, text: str) -> None:
        """Type at the console of the guest."""
        with self._lock:
            assert self._keyboard is not None, "it is off"
            self._keyboard.sendall(text.encode())

    def monitor(self, line: str) -> str:
        """What QEMU's monitor answers to a line."""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(60)
            talk.connect(str(self.folder / "monitor"))
            _until_prompt(talk)
            talk.sendall(line.encode() + b"\n")
            return _until_prompt(talk)

    def _off(self, number: signal.Signals) -> None:
        with self._lock:
            self._wanted = False
            if self._process is not None:
                # not by its own method, which may take the status that `_run` waits for
                os.kill(self._process.pid, number)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _live(self, words: Sequence[str], once: Sequence[str]) -> None:
        """Start after start, until it is switched off or ends for another reason."""
        began, why, first = time.monotonic(), RESTARTS[0], True
        with self.log.open("a", encoding="utf-8") as log:
            while why in RESTARTS:
                log.write("-- on\n" if first else f"{time.monotonic() - began:8.2f} -- restart\n")
                log.flush()
                try:
                    why = self._run([*words, *(once if first else ())], log, began)
                except OSError as error:
                    why = f"QEMU could not be started: {error}"
                first = False
        self.ended = why

    def _run(self, words: Sequence[str], log: TextIO, began: float) -> str:
        """One process of QEMU, from its start to its end; answers why it ended."""
        console, its_console = socket.socketpair()
        events, its_events = socket.socketpair()
        with console, events:
            with its_console, its_events, (self.folder / "qemu.log").open("ab") as said, self._lock:
                if not self._wanted:
                    return "switched off"
                (self.folder / "monitor").unlink(missing_ok=True)
                self._process = subprocess.Popen(
                    [*DIES_WITH_US, "qemu-system-arm", "-display", "none", "-serial", "chardev:console", *words,
                     "-chardev", f"socket,id=console,fd={its_console.fileno()}", *restart_words(its_events),
                     "-monitor", f"unix:{self.folder / 'monitor'},server=on,wait=off"],
                    stdout=subprocess.DEVNULL, stderr=said, pass_fds=(its_console.fileno(), its_events.fileno()),
                )  # fmt: skip
                process, self._keyboard = self._process, console
            with contextlib.suppress(ConnectionError):
                ask_for_events(events)
            _follow(console, log, began)
            status = self._end_of(process)
            return why_it_ended(events) or f"QEMU ended with status {status}"

    def _end_of(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for it, count what it has used, and answer its status."""
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._spent_s += _used_s(process.pid)
            self._process = self._keyboard = None
            return process.wait()


def _used_s(pid: int) -> float:
    """CPU time of a process that nobody has waited for yet, seconds."""
    words = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICKS


def _follow(console: socket.socket, log: TextIO, began: float) -> None:
    """Write down what the console says until it ends, each line with the seconds since the machine was switched on."""

    def note(line: bytes) -> None:
        log.write(f"{time.monotonic() - began:8.2f} {line.decode('utf-8', 'replace')}\n")

    rest, more = b"", True
    console.settimeout(PROMPT_S)
    with contextlib.suppress(ConnectionError):
        while more:
            try:
                piece = console.recv(65536)
            except TimeoutError:
                # a prompt has no end of line, and may be the last that is said for long
                lines, rest = ([rest] if rest else []), b""
            else:
                more = bool(piece)
                *lines, rest = (rest + piece).replace(b"\r", b"").split(b"\n")
            for line in lines:
                note(line)
            log.flush()
    if rest:
        note(rest)
        log.flush()


def _until_prompt(talk: socket.socket) -> str:
    said = b""
    while not said.endswith(b"(qemu) "):
        piece = talk.recv(4096)
        if not piece:
            break
        said += piece
    return said.decode("utf-8", "replace")
