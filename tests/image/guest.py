"""A card in QEMU: its medium, its console with times, its pages, its power switch."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from card import free_port, until
from simulators.server import Simulator

BOOT_S = 240.0
"""How long a start may take until the pages answer, on a machine that is busy with other things."""
SNAPSHOT = "ready"
STUCK_S = 150.0
"""So long a kernel may be silent after the boot loader has started it. Debian's U-Boot in QEMU gets stuck there once in about 40
starts. A card has a watchdog then, which the boot loader has begun; here the machine is reset, and the result tells of it."""
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
    """The bytes of a part of a medium that nobody uses at the moment."""
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
        self._began = self._heard = 0.0

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
                ["qemu-system-arm", *words, "-display", "none", "-serial", "chardev:console",
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
        return self

    def _follow(self, connection: socket.socket) -> None:
        """Write down what the console says, each line with the seconds since the start."""
        with connection, self._log.open("a", encoding="utf-8") as log:
            rest = b""
            log.write("-- power on\n")
            while piece := self._received(connection):
                *lines, rest = (rest + piece).replace(b"\r", b"").split(b"\n")
                self._heard = time.monotonic()
                for line in lines:
                    log.write(f"{time.monotonic() - self._began:7.2f} {line.decode('utf-8', 'replace')}\n")
                log.flush()

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
        self._until(lambda: self._runs() and re.search(pattern, self.console()[after:]), pattern, patience_s)
        found = re.search(pattern, self.console()[after:])
        assert found is not None
        return found[0]

    def _until(self, condition: Any, what: str, patience_s: float) -> Any:
        try:
            return until(condition, what, patience_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\nthe console said last:\n{self.console()[-3000:]}") from None

    def boot(self) -> Self:
        """Switch it on and wait for its pages. A start that gets stuck is tried once more, and told of."""
        self.start()
        try:
            self.wait_for_pages()
        except AssertionError as error:
            last = self.console().splitlines()[-1:]
            retries.append(f"{self.folder.name}: no pages within {BOOT_S:g} s, the last line was {last}")
            self.power_off()
            self.start()
            try:
                self.wait_for_pages()
            except AssertionError:
                raise error from None
        return self

    def wait_for_pages(self, patience_s: float = BOOT_S) -> None:
        """Wait until the sign-in page answers through TLS."""
        self._until(lambda: self._page_answers(), "the sign-in page answers", patience_s)

    def _runs(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"QEMU ended: {(self.folder / 'qemu.log').read_text(encoding='utf-8')}"
        if time.monotonic() - self._heard > STUCK_S and self.console().rstrip().endswith("Starting kernel ..."):
            self._heard = time.monotonic()
            retries.append(f"{self.folder.name}: the kernel said nothing for {STUCK_S:g} s, the machine was reset")
            self.monitor("system_reset")
        return True

    def _page_answers(self) -> bool:
        words = ["curl", "-sk", "-m", "4", "-o", "/dev/null", "-w", "%{http_code}", f"{self.url}/login"]
        return self._runs() and subprocess.run(words, capture_output=True, check=False).stdout == b"200"

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

    def save(self) -> Path:
        """Keep the running card as it is now, with its memory, in the file that `resume` wants. It goes off."""
        self.monitor(f"savevm {SNAPSHOT}")
        self.power_off()
        kept = self.medium.with_name(f"kept-{time.monotonic_ns()}.qcow2")
        self.medium.rename(kept)
        return kept

    def resume(self, kept: Path) -> Self:
        """Go on from what `save` kept."""
        shutil.copy(kept, self.medium)
        self.start("-loadvm", SNAPSHOT)
        self.wait_for_pages(30)
        return self

    def power_off(self) -> None:
        """Cut its power: QEMU ends at once."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self) -> None:
        """Cut its power, and end what stood around it."""
        self.power_off()
        self.simulator.stop()


def qemu_missing(words: Sequence[str] = ("qemu-system-arm", "qemu-img", "curl", "unsquashfs")) -> list[str]:
    """Programs that these tests need and that are not there."""
    return [word for word in words if shutil.which(word) is None]
