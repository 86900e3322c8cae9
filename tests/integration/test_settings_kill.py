"""Settings are saved by several programs at once and by programs that are killed: always the old or the new, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from card import until
from istars.platform import paths
from istars.settings import csvfile, load

SAVES = 200
PAIRED = """
import sys
from istars.settings.store import change
number = int(sys.argv[1])
while True:
    number += 1
    change({"system.name": f"name {number}", "system.location": f"name {number}", "limit.charge.low": str(number % 90 + 2)})
    print(number, flush=True)
"""
"""Saves three options that belong together, again and again, and says so after each."""
COUNTING = """
import sys
from istars.settings.store import change
from istars.settings import load
for number in range(1, int(sys.argv[2]) + 1):
    change({sys.argv[1]: str(number)})
    assert load(environment={}).whole(sys.argv[1]) == number
"""


def python(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )


def test_kill_9_during_200_saves_leaves_the_old_or_the_new(root: Path) -> None:
    seed = random.randrange(1_000_000)
    chance = random.Random(seed)
    last = kills = 0
    while last < SAVES:
        saver = python(PAIRED, str(last))
        assert saver.stdout is not None
        said = ""
        for _ in range(chance.randrange(1, 25)):
            said = saver.stdout.readline()
        # somewhere within the next saves, not only right after one
        for _ in range(chance.randrange(20_000)):
            pass
        saver.send_signal(signal.SIGKILL)
        said = (saver.stdout.read().splitlines() or [said])[-1]
        with saver:
            pass
        kills += 1
        now = load(environment={})
        assert now.problems == (), f"seed {seed}"
        number = int(now.text("system.name").removeprefix("name "))
        # what was reported is on flash; the save under way at that moment is there whole or not at all
        assert number in (int(said), int(said) + 1), f"seed {seed}"
        assert now["system.location"] == now["system.name"], f"seed {seed}"
        assert now.whole("limit.charge.low") == number % 90 + 2, f"seed {seed}"
        assert csvfile.parse_bytes(paths.settings_file().with_name("system_config.csv.good").read_bytes()).errors == []
        last = number
    assert kills > 5
    left = [path.name for path in paths.data_dir().iterdir() if path.name.endswith(".new")]
    assert len(left) <= 1, f"each save removes what the killed one before it left: {left}"


def test_two_writers_never_lose_what_the_other_has_saved(root: Path) -> None:
    keys = ("ups.address", "ups.battery.cells", "session.idle")
    writers = [python(COUNTING, key, "60") for key in keys]
    for writer in writers:
        with writer:
            assert writer.wait(50) == 0
    assert [load(environment={}).whole(key) for key in keys] == [60, 60, 60]


def waits_for_a_lock(pid: int) -> bool:
    """Whether the kernel lists a process among those that wait."""
    lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    return any("->" in line and str(pid) in line.split() for line in lines)


def test_the_lock_of_a_killed_writer_is_free(root: Path) -> None:
    with (
        python(
            "import signal; from istars.platform import files, paths\n"
            "with files.locked(paths.data_dir() / '.system_config.csv.lock'):\n"
            "    print('held', flush=True); signal.pause()",
        ) as holder,
        python("from istars.settings.store import change; input(); change({'system.name': 'UPS-A'})") as waiting,
    ):
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert waiting.stdin is not None
        waiting.stdin.write("go\n")
        waiting.stdin.close()
        until(lambda: waits_for_a_lock(waiting.pid), "the second writer waits")
        holder.kill()
        assert waiting.wait(20) == 0
    assert load()["system.name"] == "UPS-A"
