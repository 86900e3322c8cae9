"""Workers of one family: each restarted alone, all stopped together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from istars.platform import clock, paths
from istars.store.live import Heartbeat, LiveTable

pytestmark = pytest.mark.thorough

PATIENCE_S = 20.0


@pytest.fixture
def family(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m istars workers upslink core` on an empty instance whose port does not exist."""
    environment = {**os.environ, "UPS": str(root / "dev" / "none"), "UPS_PROTOCOL": "megatec"}
    log = (root / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "istars", "workers", "upslink", "core"], env=environment, stderr=log
    )
    yield process
    process.kill()
    process.wait()
    log.close()


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, at most PATIENCE_S."""
    end = clock.boottime() + PATIENCE_S
    while not condition():
        assert clock.boottime() < end, "it did not happen"
        os.sched_yield()


def beats() -> dict[str, Heartbeat]:
    with LiveTable(paths.live_db()) as live:
        return live.heartbeats()


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_worker_that_is_killed_comes_back_alone(family: subprocess.Popen[bytes], root: Path) -> None:
    until(lambda: set(beats()) >= {"upslink", "core"})
    before = beats()
    os.kill(before["core"].pid, signal.SIGKILL)
    until(lambda: beats()["core"].pid != before["core"].pid)
    assert beats()["upslink"].pid == before["upslink"].pid
    assert family.poll() is None
    assert b"core ended (signal 9); it starts again" in (root / "log").read_bytes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_nothing_is_left(family: subprocess.Popen[bytes], number: signal.Signals) -> None:
    until(lambda: set(beats()) >= {"upslink", "core"})
    family.send_signal(number)
    assert family.wait(PATIENCE_S) == 0
    assert all(gone(beat.pid) for beat in beats().values())


def test_workers_do_not_outlive_a_killed_parent(family: subprocess.Popen[bytes]) -> None:
    until(lambda: set(beats()) >= {"upslink", "core"})
    family.kill()
    family.wait()
    until(lambda: all(gone(beat.pid) for beat in beats().values()))


def test_a_missing_port_is_one_clear_line_however_often_it_is_tried(
    family: subprocess.Popen[bytes], root: Path
) -> None:
    def links() -> list[float]:
        with LiveTable(paths.live_db()) as live:
            return [r.at for r in live.readings().values() if r.name == "istars.link.state" and r.value == "lost"]

    until(lambda: bool(links()))
    first = links()[0]
    until(lambda: links()[0] > first + 2)
    lines = [line for line in (root / "log").read_text().splitlines() if "no data from the UPS" in line]
    assert len(lines) == 1
    assert "megatec on" in lines[0]
    assert "dev/none" in lines[0]


@contextlib.contextmanager
def started_by(code: str, root: Path, modules: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of these lines, with `modules` to import from and its log in `root`."""
    paths_of = f"{modules}:{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parents[3] / 'app'}"
    with (root / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths_of}, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.fixture
def pair(root: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`updater` with `system` in one process, which fails whenever the file `fail` is there."""
    (tmp_path / "failing.py").write_text(
        "from pathlib import Path\n"
        "from istars.workers.base import Worker\n"
        "class Failing(Worker):\n"
        "    name = 'system'\n"
        "    def turn(self):\n"
        f"        if Path({str(tmp_path / 'fail')!r}).exists(): raise SystemExit('failing on purpose')\n"
        "        return 0.0\n"
        "    def end(self):\n"
        f"        Path({str(tmp_path / 'ended')!r}).touch()\n"
    )
    code = (
        "from istars import __main__ as card; card.WORKERS['system'] = 'failing:Failing'; "
        "card.start_workers(['updater+system'])"
    )
    with started_by(code, root, tmp_path) as process:
        yield process


def test_of_two_in_one_process_the_second_is_made_anew_alone(
    pair: subprocess.Popen[bytes], root: Path, tmp_path: Path
) -> None:
    until(lambda: set(beats()) == {"updater", "system"})
    before = beats()
    assert before["updater"].pid == pair.pid
    assert before["system"].pid != pair.pid
    (tmp_path / "fail").touch()
    until(lambda: b"system ends after an unknown failure; it starts again" in (root / "log").read_bytes())
    (tmp_path / "fail").unlink()
    # another number: the trial of new firmware sees that it had to be started again
    until(lambda: beats()["system"].pid != before["system"].pid)
    assert b"failing on purpose" in (root / "log").read_bytes()
    assert (pair.poll(), beats()["updater"].pid) == (None, pair.pid)


def test_two_in_one_process_both_end_in_order_when_told(pair: subprocess.Popen[bytes], tmp_path: Path) -> None:
    until(lambda: set(beats()) == {"updater", "system"})
    pair.terminate()
    assert pair.wait(PATIENCE_S) == 0
    assert (tmp_path / "ended").exists()


def test_a_worker_that_cannot_be_loaded_fails_alone(root: Path, tmp_path: Path) -> None:
    """As in firmware with a fault: the others, the updater among them, must run."""
    (tmp_path / "broken.py").write_text("raise SystemExit('broken on purpose')\n")
    code = (
        "from istars import __main__ as card; card.WORKERS['core'] = 'broken:Core'; "
        "card.start_workers(['updater', 'core'])"
    )
    with started_by(code, root, tmp_path) as process:
        until(lambda: "updater" in beats())
        until(lambda: "core cannot be loaded: SystemExit: broken on purpose" in (root / "log").read_text())
        assert "core" not in beats()
        assert process.poll() is None
