"""A card in QEMU: its medium, its console with times, its pages, its power switch."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from card import free_port
from simulators.server import Simulator

T = TypeVar("T")
BOOT_S = 100.0
"""What a start may cost until the pages answer, in CPU time of QEMU: how long it takes depends on what else the machine does."""
SLOWEST = 6.0
"""So many times longer by the clock than in CPU time: on a busy machine, or for a card that has nothing to do and waits."""
LOOK_S = 0.2
SNAPSHOT = "ready"
STUCK_CPU_S, STUCK_S = 15.0, 75.0
"""So long a kernel may be silent after the boot loader has started it: of QEMU's CPU, or by the clock. Before random addresses
were off (scripts/testbed/boot.cmd) it seemed to be stuck there once in about 40 starts. A card has a watchdog by then, begun by
its boot loader; here the machine is reset, and the result tells of it."""
DIES_WITH_US = ("setpriv", "--pdeathsig", "KILL")
"""QEMU ends when the tests do, however they do."""
TICKS = os.sysconf("SC_CLK_TCK")
retries: list[str] = []
"""Starts that had to be tried twice; the result of the tests names them."""


class Image:
    """What an `image.json` says (README.md of this folder)."""

    def __init__(self, path: Path) -> None:
        said = json.loads(path.read_text(encoding="utf-8"))
        self.disk, self.rootfs, self.boot = (Path(said[name]) for name in ("disk", "rootfs", "boot"))
        self.keys = Path(said["keys"])
        self.compatible: str = said["compatible"]
        self.version: str = said["version"]
        self.arguments: list[str] = said["arguments"]
        self.board: dict[str, str] = said.get("board") or {}

    def partitions(self) -> dict[str, tuple[int, int]]:
        """Label to first byte and number of bytes."""
        table = json.loads(subprocess.run(["sfdisk", "-J", self.disk], capture_output=True, check=True).stdout)
        entries = table["partitiontable"]["partitions"]
        return {entry["name"]: (entry["start"] * 512, entry["size"] * 512) for entry in entries}

    def medium(self, path: Path) -> Path:
        """A medium of a new card: writes go to `path`, the image stays as it is."""
        words = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", self.disk, path]
        subprocess.run(words, check=True)
        return path


def written(medium: Path, start: int, size: int) -> bool:
    """Whether a card has ever written to this part of its medium."""
    words = ["qemu-img", "map", "--output=json", medium]
    found = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    return any(
        part["depth"] == 0 and part["start"] < start + size and part["start"] + part["length"] > start for part in found
    )


def content(medium: Path, start: int, size: int) -> bytes:
    """The bytes of a part of a medium, qcow2 or raw, that nobody uses at the moment."""
    if medium.suffix != ".qcow2":
        with medium.open("rb") as file:
            file.seek(start)
            return file.read(size)
    out = medium.with_suffix(".part")
    words = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", f"if={medium}", f"of={out}",
             f"skip={start // 2**20}", f"count={-(-(start + size) // 2**20)}"]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    found = out.read_bytes()
    out.unlink()
    return found[:size]


class Guest:
    """One card. `folder` is for its files; `medium` is kept when it ends."""

    def __init__(self, image: Image, folder: Path, medium: Path) -> None:
        self.image, self.folder, self.medium = image, folder, medium
        self.http, self.https = free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.https}"
        self.simulator = Simulator("megatec", tcp=0)
        self.process: subprocess.Popen[bytes] | None = None
        self._log = folder / "console.log"
        self._began = self._heard = self._heard_cpu = 0.0

    def start(self, *more: str) -> Self:
        """Switch it on; `more` are further arguments of QEMU."""
        if self.simulator.tcp_port == 0:
            self.simulator.start()
        monitor, serial = self.folder / "monitor", self.folder / "serial"
        for path in (monitor, serial):
            path.unlink(missing_ok=True)
        forward = f"hostfwd=tcp:127.0.0.1:{self.http}-:80,hostfwd=tcp:127.0.0.1:{self.https}-:443"
        words = [
            word.replace("{disk}", str(self.medium)).replace("{forward}", forward) for word in self.image.arguments
        ]
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(serial))
        listener.listen(1)
        self._began = self._heard = time.monotonic()
        with (self.folder / "qemu.log").open("ab") as said:
            self.process = subprocess.Popen(
                [*DIES_WITH_US, "qemu-system-arm", *words, "-display", "none", "-serial", "chardev:console",
                 "-chardev", f"socket,id=console,path={serial}",
                 "-chardev", f"socket,id=ups,host=127.0.0.1,port={self.simulator.tcp_port},reconnect=1",
                 "-monitor", f"unix:{monitor},server=on,wait=off", *more],
                stdout=subprocess.DEVNULL, stderr=said,
            )  # fmt: skip
        listener.settimeout(20)
        connection, _ = listener.accept()
        connection.settimeout(None)
        listener.close()
        threading.Thread(target=self._follow, args=(connection,), daemon=True).start()
        self._heard_cpu = 0.0
        return self

    def cpu_s(self) -> float:
        """CPU time that QEMU has used since this start, seconds."""
        assert self.process is not None
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        words = stat.rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / TICKS

    def _follow(self, connection: socket.socket) -> None:
        """Write down what the console says, each line with the seconds since the start."""
        with connection, self._log.open("a", encoding="utf-8") as log:
            rest = b""
            log.write("-- on\n")
            while piece := self._received(connection):
                *lines, rest = (rest + piece).replace(b"\r", b"").split(b"\n")
                self._heard, self._heard_cpu = time.monotonic(), self._cpu_or(self._heard_cpu)
                for line in lines:
                    log.write(f"{time.monotonic() - self._began:7.2f} {line.decode('utf-8', 'replace')}\n")
                log.flush()

    def _cpu_or(self, before: float) -> float:
        try:
            return self.cpu_s()
        except (AssertionError, OSError):
            return before

    @staticmethod
    def _received(connection: socket.socket) -> bytes:
        try:
            return connection.recv(65536)
        except OSError:
            return b""

    def console(self) -> str:
        """Everything that it said, since it was first switched on."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    def starts(self) -> list[str]:
        """The slots that its boot loader has started, oldest first."""
        return re.findall(r" slot ([AB]), order", self.console())

    def wait_for(self, pattern: str, patience_s: float = BOOT_S, *, after: int = 0) -> str:
        """Wait until the console says it, behind the first `after` characters."""
        return self.until(lambda: re.search(pattern, self.console()[after:]), pattern, patience_s)[0]

    def until(self, find: Callable[[], T | None], what: str, patience_s: float = BOOT_S) -> T:
        """Wait until `find` answers something true, and answer it; for so much CPU time of QEMU (see `SLOWEST`)."""
        cpu, began = self.cpu_s(), time.monotonic()
        while not (found := find()):
            self._look_after()
            used, waited = self.cpu_s() - cpu, time.monotonic() - began
            if used > patience_s or waited > SLOWEST * patience_s:
                raise AssertionError(
                    f"it did not happen within {used:.0f} s of QEMU's CPU, {waited:.0f} s of time: {what}\n"
                    f"the console said last:\n{self.console()[-3000:]}"
                )
            time.sleep(LOOK_S)
        return found

    def boot(self) -> Self:
        """Switch it on and wait for its pages. A start that gets stuck is tried once more, and told of."""
        self.start()
        try:
            self.wait_for_pages()
        except AssertionError as error:
            last = self.console().splitlines()[-1:]
            retries.append(f"{self.folder.name}: no pages within {BOOT_S:g} s of CPU, the last line was {last}")
            self.power_off()
            self.start()
            try:
                self.wait_for_pages()
            except AssertionError:
                raise error from None
        return self

    def wait_for_pages(self, patience_s: float = BOOT_S) -> None:
        """Wait until the sign-in page answers through TLS."""
        self.until(self._page_answers, "the sign-in page answers", patience_s)

    def _look_after(self) -> None:
        """Fail where QEMU has ended; start a kernel anew that is stuck."""
        assert self.process is not None
        assert self.process.poll() is None, f"QEMU ended: {(self.folder / 'qemu.log').read_text(encoding='utf-8')}"
        silent, used = time.monotonic() - self._heard, self.cpu_s() - self._heard_cpu
        if silent < STUCK_S and used < STUCK_CPU_S:
            return
        if self.console().rstrip().endswith("Starting kernel ..."):
            self._heard, self._heard_cpu = time.monotonic(), self.cpu_s()
            retries.append(
                f"{self.folder.name}: the kernel said nothing for {silent:.0f} s ({used:.0f} s of CPU); reset"
            )
            self.monitor("system_reset")

    def _page_answers(self) -> bool:
        # one that is given up goes on costing the card time: so it may take long, and the next one only follows it
        words = ["curl", "-sk", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", f"{self.url}/login"]
        return subprocess.run(words, capture_output=True, check=False).stdout == b"200"

    def monitor(self, *lines: str) -> str:
        """What QEMU's monitor answers."""
        said = b""
        with socket.socket(socket.AF_UNIX) as talk:
            talk.settimeout(60)
            talk.connect(str(self.folder / "monitor"))
            for line in ("", *lines):
                if line:
                    talk.sendall(line.encode() + b"\n")
                while not said.endswith(b"(qemu) "):
                    piece = talk.recv(4096)
                    if not piece:
                        return said.decode("utf-8", "replace")
                    said += piece
                answer, said = said, b""
        return answer.decode("utf-8", "replace")

    def save(self, kept: Path) -> None:
        """Keep the running card as it is now, with its memory, in the file that `resume` wants. It goes off."""
        self.monitor(f"savevm {SNAPSHOT}")
        self.power_off()
        self.medium.rename(kept)

    def resume(self, kept: Path) -> Self:
        """Go on from what `save` kept, maybe as another card."""
        shutil.copy(kept, self.medium)
        return self.start("-loadvm", SNAPSHOT)

    def power_off(self) -> None:
        """Cut its power: QEMU ends at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def leave(self) -> None:
        """End QEMU in order, which puts everything that the card has written into the file; the card itself sees a power cut."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(60)
        self.process = None

    def close(self) -> None:
        """Cut its power, and end what stood around it."""
        self.power_off()
        self.simulator.stop()


@contextlib.contextmanager
def card_in(image: Image, folder: Path, name: str) -> Iterator[Guest]:
    """A card with files of its own in `folder`, new from the factory and switched off; it and its files are gone at the end."""
    own = Path(tempfile.mkdtemp(prefix=f"{re.sub('[^a-z0-9]+', '-', name.lower())[:30]}-", dir=folder))
    card = Guest(image, own, image.medium(own / "medium.qcow2"))
    try:
        yield card
    finally:
        card.close()
        shutil.rmtree(own)


def qemu_missing(words: Sequence[str] = ("qemu-system-arm", "qemu-img", "curl", "unsquashfs", "setpriv")) -> list[str]:
    """Programs that these tests need and that are not there."""
    return [word for word in words if shutil.which(word) is None]
