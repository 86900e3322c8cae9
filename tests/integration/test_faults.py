"""Faults of the card itself: a full disk, damaged files, a clock that is set. Each is told; the rest goes on; nothing is lost."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import Card, until
from istars.platform import paths
from istars.store.archive import Archive
from istars.store.live import LiveTable

pytestmark = pytest.mark.timeout(120)


def publish(status: str) -> None:
    """What the UPS link does when the UPS says something."""
    with LiveTable(paths.live_db()) as live:
        live.publish("upslink", {"ups.status": status}, lifetime_s=600)
        live.heartbeat("upslink", "test")


def alarms() -> set[str]:
    with LiveTable(paths.live_db()) as live:
        return {alarm.code for alarm in live.alarms()}


def told() -> list[tuple[str, str]]:
    with Archive(paths.archive_db(), readonly=True) as archive:
        return [(event.kind, event.code) for event in archive.events()]


Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Starts `python -m istars core` alone; every one is stopped."""
    started = []

    def begin(**environment: str) -> subprocess.Popen[bytes]:
        with (root / "log").open("ab") as out:
            core = subprocess.Popen(
                [sys.executable, "-m", "istars", "core"], stderr=out, env={**os.environ, **environment}
            )
        started.append(core)
        return core

    yield begin
    for core in started:
        core.terminate()
        core.wait(20)


@pytest.fixture
def small_disk(root: Path) -> Iterator[Path]:
    """The data folder on a file system of its own with room for little."""
    folder = paths.data_dir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")  # the same code runs in CI, which is root
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_alarm_and_events_wait_for_room_over_a_kill(
    small_disk: Path, start: Start, root: Path
) -> None:
    publish("OL")
    core = start()
    until(lambda: paths.archive_db().exists() and ("event", "CARD_STARTED") in told(), "the first event")
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while True:
            out.write(b"x" * 1024)
    publish("OB")
    until(lambda: alarms() == {"ON_BATTERY", "STORAGE_FULL"}, "both alarms")
    publish("OL")
    until(lambda: alarms() == {"STORAGE_FULL"}, "mains is back, the disk is still full")
    core.kill()
    core.wait()
    start()
    publish("OB")
    until(lambda: "ON_BATTERY" in alarms(), "the second outage")
    assert told() == [("event", "CARD_STARTED")]
    filler.unlink()
    until(lambda: ("raise", "STORAGE_FULL") in told(), "events on flash")
    outages = [kind for kind, code in told() if code == "ON_BATTERY"]
    assert outages == ["raise", "clear", "raise"]
    until(lambda: "STORAGE_FULL" not in alarms(), "the alarm clears")
    lines = [line for line in (root / "log").read_text().splitlines() if "events stay in memory" in line]
    assert 1 <= len(lines) <= 2  # one for each of the two processes


def test_a_destroyed_record_is_kept_beside_a_new_one_and_present_alarms_stay(start: Start, root: Path) -> None:
    publish("OB")
    core = start()
    until(lambda: paths.archive_db().exists() and ("raise", "ON_BATTERY") in told(), "the first events")
    core.kill()
    core.wait()
    for part in ("archive.db-wal", "archive.db"):
        (paths.data_dir() / part).write_bytes(os.urandom(16_384))
    start()
    until(lambda: alarms() == {"ON_BATTERY", "RECORDS_DAMAGED"}, "both alarms")
    publish("OL")
    until(lambda: told() == [("raise", "RECORDS_DAMAGED"), ("clear", "ON_BATTERY")], "both events on flash")
    assert list(paths.data_dir().glob("archive.db.damaged-*"))
    lines = [line for line in (root / "log").read_text().splitlines() if "is damaged; it was kept as" in line]
    assert len(lines) == 1


@pytest.mark.parametrize("step", ["+1h", "-1h"])
def test_a_clock_that_is_set_while_on_battery_disturbs_no_duration(start: Start, root: Path, step: str) -> None:
    faketime = shutil.which("faketime")
    assert faketime is not None
    library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    setting = root / "clock"
    setting.write_text("+0")
    start(
        LD_PRELOAD=str(library), FAKETIME_TIMESTAMP_FILE=str(setting), FAKETIME_DONT_FAKE_MONOTONIC="1",
        FAKETIME_CACHE_DURATION="0", FAKETIME_NO_CACHE="1",
    )  # fmt: skip
    publish("OL")
    until(lambda: paths.archive_db().exists() and told(), "the first event")
    began = time.monotonic()
    publish("OB")
    until(lambda: alarms() == {"ON_BATTERY"}, "the alarm")
    setting.write_text(step)
    until(lambda: ("event", "CLOCK_CHANGED") in told(), "the change is told")
    assert alarms() == {"ON_BATTERY"}
    publish("OL")
    until(lambda: alarms() == set(), "the alarm clears")
    until(lambda: ("clear", "ON_BATTERY") in told(), "its event")
    with Archive(paths.archive_db(), readonly=True) as archive:
        events = archive.events()
    clear = next(event for event in events if event.kind == "clear")
    assert clear.duration_s is not None
    assert 0 <= clear.duration_s <= time.monotonic() - began
    change = next(event for event in events if event.code == "CLOCK_CHANGED")
    assert abs(int(str(change.args["seconds"])) - (3_600 if step == "+1h" else -3_600)) <= 1


def test_a_device_without_permission_is_named(root: Path) -> None:
    master, slave = os.openpty()
    device = Path(os.ttyname(slave))
    device.chmod(0)
    # Root may use every file: the link runs without that capability, as it does on the card.
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    environment = {**os.environ, "UPS": str(device), "UPS_PROTOCOL": "megatec"}
    log = root / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*drop, sys.executable, "-m", "istars", "upslink"], stderr=out, env=environment)
    until(lambda: b"no data from the UPS" in log.read_bytes() or process.poll() is not None, "the line")
    process.terminate()
    process.wait(20)
    os.close(master)
    os.close(slave)
    said = log.read_text()
    assert "Traceback" not in said
    assert "permission" in said.lower() or "may not" in said
    assert str(device) in said


def test_pages_stay_up_while_the_ups_is_unplugged_and_data_return_with_it() -> None:
    with Card() as card:
        token = card.token()
        card.sim("unplug")
        stale = until(
            lambda: [row for row in card.get("/api/v1/readings?name=ups.status", token)["readings"] if row["stale"]],
            "the status is stale",
        )
        assert stale[0]["age_s"] >= 3
        until(lambda: "COMM_LOST" in card.alarms(), "the alarm")
        card.sim("replug")
        until(lambda: card.values().get("ups.status") == "OL", "data are back")
        until(lambda: card.alarms() == set(), "the alarm clears")
        edges = [("raise", "COMM_LOST"), ("clear", "COMM_LOST")]
        until(lambda: [each for each in card.events() if "COMM_LOST" in each] == edges, "both edges are on flash")
