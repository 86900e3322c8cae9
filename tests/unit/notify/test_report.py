"""What a daily report says of days that are not like others, and what its pictures look like."""

from __future__ import annotations

import io
import time
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from istars.notify import chart, mail
from istars.notify.chart import Chart, Line
from istars.notify.report import Outages, Report, outages
from istars.platform import paths
from istars.settings.store import load, save
from istars.store.archive import Archive, Event
from istars.store.history import History, Series, sealed
from istars.store.history_codec import Hour
from istars.store.outbox import Message
from PIL import Image

FIRST = 1_763_600_400
"""2025-11-20T01:00Z, a full hour."""
LAST = FIRST + 86_400


def composed(**body: object) -> EmailMessage:
    save({"system.name": "UPS-A", "mail.server": "localhost"})
    message = Message(
        1, "mail", "ann@example.net", "report-1", 0, "report", "DAILY_REPORT", "information", None, LAST,
        {"first": FIRST, "last": LAST, **body}, "0011aa", "boot", 0.0, "", "sending", 1, "", None,
    )  # fmt: skip
    return mail.compose(message, load())


def text(made: EmailMessage) -> str:
    body = made.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def records(**columns: list[int]) -> None:
    """The first hour of the day, a record every ten seconds (`_` for `.`)."""
    hour = Hour(10, list(range(FIRST, FIRST + 3_600, 10)))
    hour.columns = {name.replace("_", "."): list(values) for name, values in columns.items()}
    with History(paths.history_db()) as history:
        history.add([sealed(hour)], 1)


def test_of_a_day_on_which_the_card_was_off_it_says_so(root: Path) -> None:
    History(paths.history_db()).close()
    Archive(paths.archive_db()).close()
    made = composed()
    said = text(made)
    assert made["Subject"] == "[UPS-A] Daily report, 2025-11-21: no power failure"
    assert "Nothing was recorded in this time" in said
    assert "No data from the UPS" in said
    assert "Lowest and highest" not in said
    assert [part.get_content_type() for part in made.walk() if part.get_content_maintype() == "image"] == []


def test_records_that_cannot_be_read_are_said_and_the_rest_is_told(root: Path) -> None:
    records(ups_load=[20] * 360)
    paths.archive_db().write_bytes(b"x" * 4096)
    said = text(composed())
    assert "A part of the records could not be read." in said
    assert "Load: 20 % (01:00:00)" in said


def test_energy_of_a_ups_that_tells_only_its_load_is_estimated_from_the_rated_power(root: Path) -> None:
    records(ups_load=[20] * 360)
    Archive(paths.archive_db()).close()
    said = text(composed(rated_w=3_000))
    assert "about 0.60 kWh" in said
    assert "Recorded for 1 h 0 min of 24 h 0 min" in said
    assert "The energy is that of the time that was recorded." in said
    assert "enter the rated power" in text(composed())


def test_the_state_names_what_is_estimated_and_the_alarms_that_are_present(root: Path) -> None:
    History(paths.history_db()).close()
    Archive(paths.archive_db()).close()
    state = {"ups.status": "OB DISCHRG", "battery.charge": 41, "battery.runtime": 1_234}
    said = text(composed(state=state, estimated=["battery.runtime"], alarms=[["ON_BATTERY", {}]]))
    assert "Time on battery: 20 min 34 s (estimated)" in " ".join(said.split())
    assert "On battery, Discharging" in said
    assert "Present alarms: Mains failed, UPS on battery" in " ".join(said.split())


def test_words_of_people_are_only_words_in_the_page(root: Path) -> None:
    History(paths.history_db()).close()
    with Archive(paths.archive_db()) as archive:
        archive.append(
            [Event(0, "k", FIRST + 5, "CARD_STARTED", "event", "information", {"version": "<img src=x>"})], []
        )
    save({"system.location": "<script>"})
    body = composed().get_body(("html",))
    assert body is not None
    page = str(body.get_content())
    assert "<img src=x>" not in page
    assert "<script" not in page
    assert "http" not in page


def event(key: str, kind: str, at: float, lasted: float | None = None) -> Event:
    return Event(0, key + kind, at, "ON_BATTERY", kind, "warning", {}, key, lasted)


def test_outages_count_with_the_part_that_lies_within_the_day() -> None:
    found = [
        event("a", "clear", FIRST + 100, 400.0),
        event("b", "raise", FIRST + 1_000),
        event("b", "clear", FIRST + 1_060, 60.0),
        Event(0, "x", FIRST + 2_000, "LOAD_HIGH", "raise", "warning", {}, "x"),
        event("c", "raise", LAST - 50),
        event("c", "clear", LAST + 200, 250.0),
        event("d", "raise", LAST + 300),
    ]
    assert outages(found, FIRST, LAST) == Outages(3, 210.0, 100.0)
    assert outages([event("e", "raise", LAST - 7)], FIRST, LAST) == Outages(1, 7.0, 7.0)
    assert outages([], FIRST, LAST) == Outages()


def test_the_time_on_battery_ends_where_the_records_end() -> None:
    report = Report(FIRST, LAST)
    report.series = Series([FIRST, FIRST + 10, FIRST + 20, FIRST + 9_000], {"ups.status": [1.0, 2.0, 2.0, 1.0]}, [3])
    assert report.on_battery() == [(FIRST + 10, FIRST + 20)]
    assert report.unrecorded() == [(FIRST + 20, FIRST + 9_000), (FIRST + 9_000, LAST)]


def pixels(made: Chart) -> Image.Image:
    with Image.open(io.BytesIO(chart.png(made))) as picture:
        return picture.convert("RGB")


def blue(made: Chart) -> set[tuple[int, int]]:
    """Where the first curve is on the picture."""
    picture = pixels(made)
    data = picture.tobytes()
    found = (at for at in range(0, len(data), 3) if data[at : at + 3] == bytes((31, 111, 178)))
    return {(at // 3 % picture.width, at // 3 // picture.width) for at in found}


def test_a_short_dip_is_seen_although_many_records_share_a_column() -> None:
    times = list(range(FIRST, LAST, 10))
    calm: list[float | None] = [230.0] * len(times)
    dip = [*calm[:5_000], 210.0, *calm[5_001:]]
    lowest = [max(y for _, y in blue(Chart(FIRST, LAST, [Line(times, each)], least_span=40.0))) for each in (calm, dip)]
    assert lowest[1] - lowest[0] > 40


def test_a_gap_is_not_bridged() -> None:
    line = Line([FIRST, FIRST + 20_000, FIRST + 60_000, LAST - 10], [1.0, 1.0, 1.0, 1.0], [2])
    columns = {x for x, _ in blue(Chart(FIRST, LAST, [line]))}
    left, width = 46 * 2, 460 * 2
    assert {left + width * 10_000 // 86_400, left + width * 70_000 // 86_400} <= columns
    assert left + width * 40_000 // 86_400 not in columns


@pytest.mark.parametrize(
    ("values", "more", "marks"),
    [
        ([228.0, 236.0], {"least_span": 20.0}, [220.0, 225.0, 230.0, 235.0, 240.0, 245.0]),
        ([3.0], {"floor": 0.0, "least_span": 10.0}, [0.0, 2.0, 4.0, 6.0, 8.0]),
        ([41.0, 99.0], {"floor": 0.0, "ceiling": 100.0}, [0.0, 50.0, 100.0]),
        ([-12.0, -3.0], {}, [-15.0, -10.0, -5.0, 0.0]),
        ([], {}, [0.0, 0.5, 1.0]),
    ],
)
def test_scales_have_round_numbers(values: list[float], more: dict[str, float], marks: list[float]) -> None:
    made = chart.scale(Chart(FIRST, LAST, [Line([FIRST] * len(values), values)], **more))  # type: ignore[arg-type]
    assert made == pytest.approx(marks)


def test_the_axis_of_time_is_that_of_the_wall_when_summer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    first, last = (datetime.fromisoformat(f"2026-10-{day}T07:30").timestamp() for day in (24, 25))
    labels = list(chart.hours(first, last))
    assert [label for _, label in labels] == ["09:00", "12:00", "15:00", "18:00", "21:00", "00:00", "03:00", "06:00"]
    assert labels[6][0] - labels[5][0] == 4 * 3_600
