"""Starting whole stacks under supervisord: the card's own, with one layout or another, and the naive one."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from card import TREE, free_port
from istars.platform.supervisor import hurry
from istars.workers.base import FAMILY, PROCESSES
from simulators import Simulator

from bench.naive.worker import IMPORTS
from bench.processes import cpu_of, descendants


@dataclass
class Stack:
    """A running stack: how long it took to answer, and what that cost."""

    name: str
    url: str
    root: Path
    pids: list[int]
    first_answer_s: float
    boot_cpu_s: float
    environment: dict[str, str]

    def living(self) -> list[int]:
        """All its processes now."""
        return [self.pids[0], *descendants(self.pids[0])]


def settle(stack: Stack) -> None:
    """Have the pages used a little, and wait until what only happens after a start is over."""
    for _ in range(5):
        with urllib.request.urlopen(stack.url, timeout=5):
            pass
    time.sleep(3)


def _start(
    name: str, config: Path, root: Path, url: str, environment: dict[str, str]
) -> tuple[subprocess.Popen[bytes], Stack]:
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "supervisor.supervisord", "-n", "-c", str(config)],
        env=environment, stdout=subprocess.DEVNULL, stderr=(root / "log").open("wb"), start_new_session=True,
    )  # fmt: skip
    if name != "naive":
        hurry(root / "run" / "istars" / "supervisor.sock")
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                break
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() - started > 30:
                process.terminate()
                process.wait(20)
                raise RuntimeError(f"{name} does not answer: {(root / 'log').read_text()}") from None
            time.sleep(0.005)
    first = time.monotonic() - started
    pids = [process.pid, *descendants(process.pid)]
    return process, Stack(name, url, root, pids, first, cpu_of(pids), environment)


def laid_out(text: str, layout: str) -> str:
    """The supervisor's list of programs for a layout."""
    names = list(FAMILY if "apart" in layout else PROCESSES)
    if "grown" in layout:
        names += [f"more{number}" for number in range(len(IMPORTS) - len(FAMILY))]
    section = text[text.index("[program:card]") : text.index("; What a board")]
    module = "bench.grown" if "grown" in layout else "istars"
    shipped = f"istars workers {' '.join(PROCESSES)}"
    if "apart" not in layout:
        return text.replace(shipped, f"{module} workers {' '.join(names)}")
    apart = [section.replace("program:card", f"program:{name}").replace(shipped, f"{module} {name}") for name in names]
    return text.replace(section, "".join(apart))


@contextlib.contextmanager
def card(layout: str = "family") -> Iterator[Stack]:
    """The card with its UPS simulated in this process.

    Layout `family` is the one that ships; `apart` gives each worker an interpreter of its own; `grown` adds workers that only
    look at the live table once a second, until there are as many as in the naive stack.
    """
    root = Path(tempfile.mkdtemp(prefix="istars-bench-"))
    try:
        with Simulator("megatec", link=root / "ups") as _:
            (root / "run" / "istars").mkdir(parents=True)
            text = (TREE / "rootfs" / "etc" / "supervisord.conf").read_text(encoding="utf-8")
            text = laid_out(text, layout)
            config = root / "supervisord.conf"
            config.write_text(text, encoding="utf-8")
            port = free_port()
            environment = {
                **os.environ, "ISTARS_ROOT": str(root), "ISTARS_PYTHON": sys.executable, "ISTARS_LOG": "/dev/stderr",
                "PYTHONPATH": f"{TREE}/app:{TREE}/tests", "HTTP_PORT": str(port), "SNMP_PORT": str(free_port()),
                "UPS": str(root / "ups"), "UPS_PROTOCOL": "megatec",
            }  # fmt: skip
            process, stack = _start(layout, config, root, f"http://127.0.0.1:{port}/api/health", environment)
            try:
                yield stack
            finally:
                process.terminate()
                process.wait(20)
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def naive() -> Iterator[Stack]:
    """supervisord, gunicorn with one worker, and seven interpreters."""
    root = Path(tempfile.mkdtemp(prefix="istars-bench-"))
    port = free_port()
    database = root / "naive.db"
    programs = {job: f"{sys.executable} -m bench.naive.worker {job} {database}" for job in IMPORTS}
    programs["web"] = f"{sys.executable} -m gunicorn -b 127.0.0.1:{port} -k gthread --threads 4 bench.naive.app:app"
    config = root / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile={root}/pid\n"
        + "".join(
            f"[program:{name}]\ncommand={command}\nstdout_logfile=NONE\nstderr_logfile=NONE\n"
            for name, command in programs.items()
        ),
        encoding="utf-8",
    )  # fmt: skip
    environment = {**os.environ, "NAIVE_DB": str(database), "PYTHONPATH": f"{TREE}/tests"}
    try:
        process, stack = _start("naive", config, root, f"http://127.0.0.1:{port}/", environment)
        try:
            yield stack
        finally:
            process.terminate()
            process.wait(20)
    finally:
        shutil.rmtree(root, ignore_errors=True)
