"""`make qemu`: the card's image in QEMU for a person, with a simulated UPS on its serial port and the pages on this machine.

    HTTPS_PORT, HTTP_PORT   where the pages are (8443, 8080)
    UPS                     sim:megatec and its like, as for `make run`
    IMAGE                   image.json of another image than the test bed
    FRESH=1                 a new card; otherwise what it has stored is still there

The console is this terminal (Ctrl-A X ends it). `make sim ISTARS_ROOT=build/qemu CMD="mains off"` steers the UPS.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE / "tests"), str(TREE / "tests" / "image")]

from machine import RESTARTS, ask_for_events, restart_words, why_it_ended  # noqa: E402 - the tree must be on the path first
from simulators.server import Simulator  # noqa: E402


def once(words: list[str]) -> tuple[int, str]:
    """From a start of the card to its restart, or until somebody ends it; QEMU's status and why it ended."""
    events, its_events = socket.socketpair()
    with events:
        with its_events:
            ask_for_events(events)
            more = restart_words(its_events)
            status = subprocess.run([*words, *more], check=False, pass_fds=(its_events.fileno(),)).returncode
        return status, why_it_ended(events)


def main() -> int:
    """Run until somebody ends QEMU; a restart of the card goes on in a new process (tests/image/machine.py says why)."""
    said = json.loads(Path(os.environ.get("IMAGE") or TREE / "build/testbed/image.json").read_text(encoding="utf-8"))
    folder = TREE / "build" / "qemu"
    control = folder / "run" / "istars" / "sim.sock"
    control.parent.mkdir(parents=True, exist_ok=True)
    medium = folder / f"{Path(said['disk']).parent.name}.qcow2"
    if os.environ.get("FRESH") == "1" or not medium.exists():
        for old in folder.glob("*.qcow2"):
            old.unlink()
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", said["disk"], medium], check=True)
    http, https = os.environ.get("HTTP_PORT") or "8080", os.environ.get("HTTPS_PORT") or "8443"
    forward = f"hostfwd=tcp:127.0.0.1:{http}-:80,hostfwd=tcp:127.0.0.1:{https}-:443"
    words = [word.replace("{disk}", str(medium)).replace("{forward}", forward) for word in said["arguments"]]
    kind = (os.environ.get("UPS") or "sim:megatec").removeprefix("sim:")
    with Simulator(kind, tcp=0, control=control) as simulator:
        print(f"pages: https://127.0.0.1:{https} in half a minute; user admin, password admin; Ctrl-A X ends it")
        chardev = f"socket,id=ups,host=127.0.0.1,port={simulator.tcp_port},reconnect=1"
        while True:
            status, why = once(["qemu-system-arm", *words, "-nographic", "-serial", "mon:stdio", "-chardev", chardev])
            if why not in RESTARTS:
                return status


if __name__ == "__main__":
    sys.exit(main())
