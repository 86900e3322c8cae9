"""How late others see a reading: another process (goal G14), and a browser that asks as the pages do."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

from istars.platform import clock, paths
from istars.store import wake
from istars.store.live import LiveTable

from bench.processes import own_wakeups

SAMPLES = 200


def percentile(values: list[float], part: float) -> float:
    """The value below which `part` of all lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _reader(root: str, out: Connection) -> None:
    os.environ["ISTARS_ROOT"] = root
    bell = wake.Bell("bench")
    seen: list[float] = []
    with LiveTable(paths.live_db()) as live:
        out.send("ready")
        last = 0.0
        while len(seen) < SAMPLES:
            bell.wait(5)
            at = float(live.readings()["input.voltage.fault"].value)
            if at != last:
                last = at
                seen.append((clock.boottime() - at) * 1e3)
        before = own_wakeups()
        bell.wait(5)
        out.send((seen, own_wakeups() - before))
    bell.close()


def to_another_process(root: Path) -> tuple[float, float, float]:
    """Publish to another process that sleeps: median and 95th percentile in ms, and its wake-ups in five idle seconds.

    60 readings a publication, 20 a second, as in the figures that the goal comes from.
    """
    os.environ["ISTARS_ROOT"] = str(root)
    paths.make_dirs()
    from istars.model.readings import READINGS, Kind

    names = [name for name, each in READINGS.items() if each.kind is Kind.NUMBER and name != "input.voltage.fault"][:59]
    with LiveTable(paths.live_db()) as live:
        live.publish("bench", {"input.voltage.fault": 0.0}, lifetime_s=60)
        mine, theirs = multiprocessing.get_context("spawn").Pipe()
        reader = multiprocessing.get_context("spawn").Process(target=_reader, args=(str(root), theirs))
        reader.start()
        mine.recv()
        for number in range(SAMPLES):
            time.sleep(0.05)
            values = {name: float((number + index) % 50) for index, name in enumerate(names)}
            live.publish("bench", {**values, "input.voltage.fault": clock.boottime()}, lifetime_s=60)
            wake.nudge("bench")
        seen, wakeups = mine.recv()
        reader.join()
    return percentile(seen, 0.5), percentile(seen, 0.95), wakeups


def page(url: str, cookie: str) -> Iterator[tuple[float, dict[str, str]]]:
    """What a page shows, and when: asks like `ui.js`, when the card says that it is worth it."""
    etag = ""
    values: dict[str, str] = {}
    while True:
        request = urllib.request.Request(f"{url}/live?page=overview", headers={"Cookie": cookie, "If-None-Match": etag})
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                answer = json.load(response)
                etag, pause = response.headers["ETag"], int(response.headers["X-Next-Ms"])
                values = {**answer["v"], "state": answer["state"]}
        except urllib.error.HTTPError as error:
            if error.code != 304:
                raise
            pause = int(error.headers["X-Next-Ms"])
        yield clock.boottime(), values
        time.sleep(pause / 1000)
