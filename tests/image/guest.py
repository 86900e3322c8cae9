"""A card in QEMU: its medium, its UPS, its pages, its power switch; `machine.py` is QEMU itself."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Self, TypeVar

from card import free_port
from machine import Machine
from pages import ASK_S
from simulators.server import Simulator

T = TypeVar("T")
BOOT_S = 100.0
"""What a start may cost until the pages answer, in CPU time of QEMU: how long it takes depends on what else the machine does."""
SLOWEST = 6.0
"""So many times longer by the clock than in CPU time: on a busy machine, or for a card that has nothing to do and waits."""
QUESTION_S = 60.0
"""So much a question of the console may cost, the start of its program included."""
PROMPT = r"/ # "
LOOK_S = 0.2
SNAPSHOT = "ready"
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
        self.path = path

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
        self.http, self.https, self.ssh = free_port(), free_port(), free_port()
        self.url = f"https://127.0.0.1:{self.https}"
        self.simulator = Simulator("megatec", tcp=0)
        self.machine = Machine(folder)

    def start(self, *more: str, once: Sequence[str] = ()) -> Self:
        """Switch it on; `more` are further arguments of QEMU, `once` those of its first start and not of a restart."""
        if self.simulator.tcp_port == 0:
            self.simulator.start()
        ports = {self.http: 80, self.https: 443, self.ssh: 22}
        forward = ",".join(f"hostfwd=tcp:127.0.0.1:{ours}-:{its}" for ours, its in ports.items())
        words = [
            word.replace("{disk}", str(self.medium)).replace("{forward}", forward) for word in self.image.arguments
        ]
        ups = f"socket,id=ups,host=127.0.0.1,port={self.simulator.tcp_port},reconnect=1"
        self.machine.on([*words, "-chardev", ups, *more], once)
        return self

    def cpu_s(self) -> float:
        """CPU time that QEMU has used since it was switched on, over all restarts, seconds."""
        return self.machine.cpu_s()

    def console(self) -> str:
        """Everything that it said, since it was first switched on."""
        return self.machine.console()

    def starts(self) -> list[str]:
        """The slots that its boot loader has started, oldest first."""
        return re.findall(r" slot ([AB]), order", self.console())

    def wait_for(self, pattern: str, patience_s: float = BOOT_S, *, after: int = 0) -> str:
        """Wait until the console says it, behind the first `after` characters."""
        return self.until(lambda: re.search(pattern, self.console()[after:]), pattern, patience_s, LOOK_S)[0]

    def typed(self, line: str, wanted: str) -> str:
        """Type a line at its console and wait for what is wanted; what it said from then on."""
        before = len(self.console())
        self.machine.type(f"{line}\n")
        self.wait_for(wanted, QUESTION_S, after=before)
        return self.console()[before:]

    def until(self, find: Callable[[], T | None], what: str, patience_s: float = BOOT_S, every_s: float = ASK_S) -> T:
        """Wait until `find` answers something true, and answer it; for so much CPU time of QEMU (see `SLOWEST`)."""
        cpu, began = self.cpu_s(), time.monotonic()
        while not (found := find()):
            assert not self.machine.ended, f"it went off ({self.machine.ended}): {self.machine.complaints()}"
            used, waited = self.cpu_s() - cpu, time.monotonic() - began
            if used > patience_s or waited > SLOWEST * patience_s:
                raise AssertionError(
                    f"it did not happen within {used:.0f} s of QEMU's CPU, {waited:.0f} s of time: {what}\n"
                    f"the console said last:\n{self.console()[-3000:]}"
                )
            time.sleep(every_s)
        return found

    def boot(self) -> Self:
        """Switch it on and wait for its pages. A start that gets stuck is tried once more, and told of."""
        self.start()
        try:
            self.wait_for_pages()
        except AssertionError as error:
            kept = shutil.copy(self.machine.log, self.image.path.with_name(f"{self.folder.name}.log"))
            retries.append(f"{str(error).splitlines()[0]} (its console: {kept})")
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

    def _page_answers(self) -> bool:
        # one that is given up goes on costing the card time: so it may take long, and the next one only follows it
        words = ["curl", "-sk", "-m", "60", "-o", "/dev/null", "-w", "%{http_code}", f"{self.url}/login"]
        return subprocess.run(words, capture_output=True, check=False).stdout == b"200"

    def save(self, kept: Path) -> None:
        """Keep the running card as it is now, with its memory, in the file that `resume` wants. It goes off."""
        said = self.machine.monitor(f"savevm {SNAPSHOT}")
        assert "Error" not in said, said
        self.power_off()
        self.medium.rename(kept)

    def resume(self, kept: Path) -> Self:
        """Go on from what `save` kept, maybe as another card."""
        shutil.copy(kept, self.medium)
        return self.start(once=("-loadvm", SNAPSHOT))

    def power_off(self) -> None:
        """Cut its power: QEMU ends at once, also in the middle of a restart."""
        self.machine.kill()

    def leave(self) -> None:
        """End QEMU in order, which puts everything that the card has written into the file; the card itself sees a power cut."""
        self.machine.leave()

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
