"""The data record: a month of 40 readings every ten seconds, noisy, as it lies on flash; and what writing and asking cost.

The yardstick is a table with a row for every record and a column for every reading.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from istars.model.readings import READINGS
from istars.model.records import precision
from istars.store.history import History, sealed
from istars.store.history_codec import Hour

START = 1_735_689_600
READINGS_RECORDED = 40
NOISE = {"V": 5.0, "A": 2.0, "Hz": 0.5, "%": 0.5, "W": 8.0, "VA": 8.0, "var": 8.0, "": 1.0}
"""How far a reading moves from record to record by its unit, in its last decimals; temperatures and times stand still."""

DAYS = 30
"""As many are written; a year is reckoned from them."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes on flash for a record; CPU milliseconds for sealing an hour, for a day of four readings, a month, a year by day."""

    bytes_per_record: float
    five_years_mb: float
    seal_ms: float
    day_ms: float
    rows_day_ms: float
    month_ms: float
    year_ms: float


def names() -> list[str]:
    """Forty readings of a three-phase UPS."""
    return [name for name in READINGS if precision(name) is not None and name != "ups.status"][:READINGS_RECORDED]


def noisy_hour(chance: random.Random, first: int) -> Hour:
    """Forty readings with the noise of a busy UPS."""
    hour = Hour(10, list(range(first, first + 3600, 10)))
    for index, name in enumerate(names()):
        middle, noise = 500 + 40 * index, NOISE.get(READINGS[name].unit, 0.0)
        hour.columns[name] = [round(chance.gauss(middle, noise)) for _ in hour.times]
    hour.columns["ups.status"] = [1] * 360
    return hour


def measure() -> Measured:
    """All of it."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory(prefix="istars-bench-") as folder, History(Path(folder) / "history.db") as history:
        kinds = [noisy_hour(chance, START + 3600 * number) for number in range(24)]
        begun = time.process_time()
        for hour in kinds:
            sealed(hour)
        seal_ms = (time.process_time() - begun) / len(kinds) * 1000
        for number in range(24 * DAYS):
            hour = kinds[number % 24]
            hour.times = list(range(START + 3600 * number, START + 3600 * number + 3600, 10))
            history.add([sealed(hour)], number + 1)
        size = history.size() / (DAYS * 8640)
        four = [*names()[:3], "ups.status"]
        day_ms = _fastest(lambda: history.series(four, START + 86_400, START + 2 * 86_400))
        edges = [START + 86_400 * day for day in range(DAYS + 1)]
        month_ms = _fastest(lambda: history.steps(four[:1], edges))
        rows_ms = _rows_day_ms(Path(folder) / "rows.db", kinds)
        return Measured(size, size * 8640 * 365 * 5 / 1e6, seal_ms, day_ms, rows_ms, month_ms, month_ms * 365 / DAYS)


def _rows_day_ms(path: Path, kinds: list[Hour]) -> float:
    """The same day of four readings from a row for every record."""
    db = sqlite3.connect(path)
    columns = ", ".join(f"c{index} INTEGER" for index in range(READINGS_RECORDED))
    db.execute(f"CREATE TABLE record (at INTEGER PRIMARY KEY, {columns})")
    for hour in kinds:
        db.executemany(
            f"INSERT INTO record VALUES ({','.join('?' * (READINGS_RECORDED + 1))})",
            zip(hour.times, *(hour.columns[name] for name in names()), strict=True),
        )
    db.commit()
    taken = _fastest(lambda: db.execute("SELECT at, c0, c1, c2, c3 FROM record ORDER BY at").fetchall())
    db.close()
    return taken


def _fastest(ask: object) -> float:
    """CPU milliseconds of the best of some tries: others work on this machine too."""
    taken = []
    for _ in range(7):
        begun = time.process_time()
        ask()  # type: ignore[operator]
        taken.append(time.process_time() - begun)
    return min(taken) * 1000


def lines(found: Measured) -> list[str]:
    """The figures beside their goals."""

    def verdict(value: float, goal: float) -> str:
        return "met" if value <= goal else "not met"

    return [
        f"\ndata record, {READINGS_RECORDED} readings every 10 s: {found.bytes_per_record:.1f} bytes a record, "
        f"{found.seal_ms:.1f} ms CPU for an hour",
        f"G11  five years {found.five_years_mb:.0f} MB (goal 256): {verdict(found.five_years_mb, 256)}",
        f"G12  a day of four readings {found.day_ms:.1f} ms CPU, {found.day_ms / found.rows_day_ms:.2f}x a table of rows "
        f"(goal 0.4x): {verdict(found.day_ms / found.rows_day_ms, 0.4)}; a month by day {found.month_ms:.1f} ms (goal 10): "
        f"{verdict(found.month_ms, 10)}; a year by day {found.year_ms:.0f} ms",
    ]


if __name__ == "__main__":
    import sys

    sys.stdout.write("\n".join(lines(measure())) + "\n")
