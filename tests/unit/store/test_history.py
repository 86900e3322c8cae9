"""The data record: what was recorded comes back, gaps are gaps, figures are those of a plain reckoning."""

from __future__ import annotations

import random
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.errors import StoreError
from istars.model.readings import STATUS_TOKENS
from istars.model.records import MISSING, STATUS_BITS, precision, scaled, status_text
from istars.platform import paths
from istars.store import history_codec, history_tail
from istars.store.history import History, sealed
from istars.store.history_codec import Hour
from istars.store.history_tail import EXTREME, EXTREMES, LAYOUT, RECORD, Tail

NINE = 1_763_629_200
"""An hour that is full, 2025-11-20T09:00Z."""
NAMES = ["input.voltage", "ups.realpower"]

columns = st.lists(
    st.one_of(
        st.none(),
        st.integers(-(2**31) + 1, 2**31 - 1),
        st.sampled_from([0, 127, 128, -128, -129, 32_767, 32_768, 2**31 - 1]),
    ),
    min_size=1,
    max_size=40,
)


@given(columns, columns, st.integers(1, 99))
def test_an_hour_comes_back_as_it_was(one: list[int | None], other: list[int | None], interval: int) -> None:
    count = min(len(one), len(other))
    hour = Hour(
        interval, [NINE + interval * index for index in range(count)], {"a": one[:count], "b": other[:count], "c": []}
    )
    hour.columns["c"] = [None] * count
    data = history_codec.encode(hour, ["a", "b", "c"])
    times, found = history_codec.decode(data, NINE, count, ["a", "b", "c"], ["b", "a", "c"])
    assert times == hour.times
    assert {name: found.get(name, [None] * count) for name in "abc"} == hour.columns


def test_a_damaged_hour_is_noticed_wherever_it_is_damaged() -> None:
    chance = random.Random(7)
    hour = Hour(10, [NINE + 10 * index for index in range(360)])
    hour.columns["a"] = [chance.randrange(2300, 2320) for _ in range(360)]
    data = history_codec.encode(hour, ["a"])
    for at in range(0, len(data), 7):
        broken = bytes([*data[:at], data[at] ^ 0x10, *data[at + 1 :]])
        try:
            found = history_codec.decode(broken, NINE, 360, ["a"], ["a"])
        except StoreError:
            continue
        # bits behind the last block of a deflated stream mean nothing
        assert found == (hour.times, hour.columns)


def test_every_status_that_a_ups_can_have_is_recorded() -> None:
    assert set(STATUS_BITS) == set(STATUS_TOKENS)
    assert status_text(scaled("ups.status", "OB LB DISCHRG") or 0) == "OB LB DISCHRG"


def test_what_is_measured_is_recorded_and_what_is_set_is_not() -> None:
    assert {name: precision(name) for name in ("input.voltage", "battery.charge", "ambient.temperature")} == {
        "input.voltage": 1,
        "battery.charge": 0,
        "ambient.temperature": 1,
    }
    unrecorded = ("input.voltage.nominal", "ups.firmware", "istars.modem.signal", "output.phases", "no.such.reading")
    assert [precision(name) for name in unrecorded] == [None] * 5
    assert scaled("input.voltage", 229.96) == 2300
    assert scaled("input.voltage", float("nan")) is None


@pytest.fixture
def history(root: Path) -> Iterator[History]:
    with History(paths.history_db()) as made:
        yield made


def hour(first: int, volts: list[float | None], watts: list[float | None] | None = None, interval: int = 10) -> Hour:
    made = Hour(interval, [first + interval * index for index in range(len(volts))])
    made.columns["input.voltage"] = [None if value is None else round(value * 10) for value in volts]
    made.columns["ups.realpower"] = [None if value is None else round(value) for value in watts or [400.0] * len(volts)]
    return made


def test_a_series_joins_hours_and_the_present_one_and_knows_its_gaps(history: History) -> None:
    history.add([sealed(hour(NINE, [230.0, 231.5, None])), sealed(hour(NINE + 3600, [229.0]))], 1)
    tail = Tail(paths.history_tail())
    tail.reset(2)
    row = array("i", [2285, MISSING])
    tail.append((LAYOUT, history_tail.layout(NAMES, 10, more=False)), (RECORD, history_tail.record(NINE + 3610, row)))
    tail.close()
    found = history.series(["input.voltage", "ups.load"], NINE, NINE + 7200)
    assert found.times == [NINE, NINE + 10, NINE + 20, NINE + 3600, NINE + 3610]
    assert found.columns["input.voltage"] == [230.0, 231.5, None, 229.0, 228.5]
    assert found.columns["ups.load"] == [None] * 5
    assert found.gaps == [3]
    assert history.series(["input.voltage"], NINE + 10, NINE + 20).times == [NINE + 10]
    assert history.names(NINE, NINE + 7200) == NAMES


def test_the_figures_are_those_of_a_plain_reckoning_for_whole_and_for_cut_hours(history: History) -> None:
    chance = random.Random(3)
    volts = [round(230 + chance.gauss(0, 3), 1) for _ in range(3 * 360)]
    watts = [float(chance.randrange(300, 900)) for _ in range(3 * 360)]
    parts = [hour(NINE + 3600 * h, volts[360 * h : 360 * h + 360], watts[360 * h : 360 * h + 360]) for h in range(3)]
    history.add([sealed(part) for part in parts], 1)
    for first, last in ((0, 1080), (90, 900), (400, 500)):
        begin, end = NINE + 10 * first, NINE + 10 * last
        found = history.figures(NAMES, begin, end)
        mine = volts[first:last]
        assert (found["input.voltage"].low, found["input.voltage"].high) == (min(mine), max(mine))
        assert found["input.voltage"].low_at == begin + 10 * mine.index(min(mine))
        assert found["input.voltage"].high_at == begin + 10 * mine.index(max(mine))
        assert found["input.voltage"].mean == pytest.approx(sum(mine) / len(mine), rel=1e-6)
        energy = history.energy(begin, end)
        assert energy is not None
        assert energy.kwh == pytest.approx(sum(watts[first:last]) * 10 / 3.6e6, rel=1e-6)
        assert energy.covered_s == 10 * (last - first)


def test_no_energy_is_made_up_for_a_gap(history: History) -> None:
    part = hour(NINE, [230.0] * 10, [3600.0] * 10)
    late = hour(NINE + 1800, [230.0] * 10, [3600.0] * 10)
    part.times += late.times
    for name, column in late.columns.items():
        part.columns[name] += column
    part.columns["ups.realpower"][3] = None
    history.add([sealed(part)], 1)
    energy = history.energy(NINE, NINE + 3600)
    assert energy is not None
    assert (round(energy.kwh, 6), energy.covered_s) == (0.19, 190)


def test_a_dip_between_two_records_is_the_minimum_of_the_day(history: History) -> None:
    part = hour(NINE, [230.0] * 360)
    part.lows["input.voltage"] = (1873, NINE + 1234)
    history.add([sealed(part)], 1)
    whole = history.figures(["input.voltage"], NINE, NINE + 3600)["input.voltage"]
    assert (whole.low, whole.low_at) == (187.3, NINE + 1234)
    cut = history.figures(["input.voltage"], NINE + 1200, NINE + 1300)["input.voltage"]
    assert (cut.low, cut.low_at, cut.mean) == (187.3, NINE + 1234, 230.0)
    assert history.figures(["input.voltage"], NINE, NINE + 1200)["input.voltage"].low == 230.0


def test_where_the_clock_was_set_back_the_later_records_stand(history: History) -> None:
    history.add([sealed(hour(NINE, [220.0] * 360)), sealed(hour(NINE + 3600, [221.0] * 360))], 1)
    history.add([sealed(hour(NINE + 1800, [230.0] * 180)), sealed(hour(NINE + 3600, [231.0] * 100))], 2)
    found = history.series(["input.voltage"], NINE, NINE + 7200)
    assert found.times == sorted(set(found.times))
    told = dict(zip(found.times, found.columns["input.voltage"], strict=True))
    assert [told[NINE + offset] for offset in (1790, 1800, 3590, 3600, 4590, 4600)] == [
        220.0, 230.0, 230.0, 231.0, 231.0, 221.0,
    ]  # fmt: skip
    assert history.figures(["input.voltage"], NINE + 1800, NINE + 3600)["input.voltage"].low == 230.0
    energy = history.energy(NINE, NINE + 7200)
    assert energy is not None
    assert energy.covered_s == 7200


def test_steps_are_the_days_of_a_month_at_once(history: History) -> None:
    history.add([sealed(hour(NINE + 3600 * h, [200.0 + h] * 360)) for h in range(6)], 1)
    days = history.steps(["input.voltage"], [NINE, NINE + 7200, NINE + 14_400, NINE + 86_400])
    assert [(day["input.voltage"].low, day["input.voltage"].high) for day in days] == [
        (200.0, 201.0), (202.0, 203.0), (204.0, 205.0),
    ]  # fmt: skip


def test_a_damaged_hour_is_a_gap_and_its_summary_still_counts(history: History) -> None:
    history.add([sealed(hour(NINE + 3600 * h, [230.0 + h] * 360)) for h in range(3)], 1)
    with history.transaction() as db:
        db.execute("UPDATE detail SET data = ? WHERE id = 2", (b"\x00" * 40,))
    found = history.series(["input.voltage"], NINE, NINE + 10_800)
    assert (len(found.times), found.gaps) == (720, [360])
    assert history.figures(["input.voltage"], NINE, NINE + 10_800)["input.voltage"].mean == pytest.approx(231.0)


def test_short_of_room_the_oldest_hours_are_thinned_then_summed_up_and_the_figures_stay(history: History) -> None:
    chance = random.Random(11)
    first = [round(chance.gauss(230, 4), 1) for _ in range(360)]
    for number in range(20):
        volts: list[float | None] = first if not number else [round(chance.gauss(230, 4), 1) for _ in range(360)]
        part = hour(NINE + 3600 * number, volts)
        part.columns |= {f"output.L{n}-N.voltage": [chance.randrange(2200, 2400) for _ in volts] for n in (1, 2, 3)}
        history.add([sealed(part)], number + 1)
    full = history.size()
    while history.size() > full * 0.8:
        assert history.make_room(int(full * 0.8)) > 0
    old = history.series(["input.voltage"], NINE, NINE + 3600)
    assert len(old.times) == 60
    assert old.columns["input.voltage"][0] == pytest.approx(sum(first[:6]) / 6, abs=0.051)
    assert old.gaps == []
    assert len(history.series(["input.voltage"], NINE + 19 * 3600, NINE + 20 * 3600).times) == 360
    assert history.figures(["input.voltage"], NINE, NINE + 3600)["input.voltage"].low == min(first)
    while history.make_room(full // 4):
        pass
    assert history.series(["input.voltage"], NINE, NINE + 3600).times == []
    assert history.size() <= full // 4


def test_the_tail_gives_back_what_was_added_up_to_a_torn_frame(root: Path) -> None:
    tail = Tail(paths.history_tail())
    tail.append((LAYOUT, history_tail.layout(NAMES, 10, more=False)))
    for number in range(5):
        low = EXTREME.pack(0, 0, 2100 - number, NINE + number)
        tail.append(
            (RECORD, history_tail.record(NINE + 10 * number, array("i", [2300 + number, 400]))), (EXTREMES, low)
        )
    tail.close()
    generation, found = history_tail.read(paths.history_tail())
    assert generation == 1
    assert found[0].columns["input.voltage"] == [2300, 2301, 2302, 2303, 2304]
    assert found[0].lows == {"input.voltage": (2096, NINE + 4)}
    data = paths.history_tail().read_bytes()
    end = len(data.rstrip(b"\0"))
    paths.history_tail().write_bytes(data[: end - 3] + bytes(len(data) - end + 3))
    assert history_tail.read(paths.history_tail())[1][0].columns["input.voltage"] == [2300, 2301, 2302, 2303, 2304]
    paths.history_tail().write_bytes(data[: end - 40] + bytes(len(data) - end + 40))
    assert history_tail.read(paths.history_tail())[1][0].columns["input.voltage"] == [2300, 2301, 2302, 2303]


def test_a_tail_that_begins_anew_shows_nothing_of_before(root: Path) -> None:
    tail = Tail(paths.history_tail())
    begin = (LAYOUT, history_tail.layout(NAMES, 10, more=False))
    tail.append(begin, *((RECORD, history_tail.record(NINE + n, array("i", [2300, 4]))) for n in range(100)))
    tail.reset(2)
    assert history_tail.read(paths.history_tail()) == (2, [])
    tail.append(begin, (RECORD, history_tail.record(NINE + 500, array("i", [2300, 4]))))
    tail.close()
    assert history_tail.read(paths.history_tail())[1][0].times == [NINE + 500]


@pytest.mark.parametrize("noise", [b"", b"x", b"iSH1" + b"\xff" * 50, bytes(70_000)])
def test_a_tail_that_is_none_is_begun_anew(root: Path, noise: bytes) -> None:
    paths.history_tail().write_bytes(noise)
    assert history_tail.read(paths.history_tail()) == (0, [])
    tail = Tail(paths.history_tail())
    tail.append(
        (LAYOUT, history_tail.layout(NAMES, 10, more=False)), (RECORD, history_tail.record(NINE, array("i", [1, 2])))
    )
    tail.close()
    assert history_tail.read(paths.history_tail())[1][0].times == [NINE]


OLDEST = bytes.fromhex(
    "12ebd54405c1c10d40400004c0b94322e7a11e5f518a972e94a04265f8883573163b2ab056efc8d6b90a9584d6a605aad60fe191dc8792f9232544f801"
)
"""An hour as the first firmware that recorded wrote it; every later one must read it."""


def test_what_the_first_firmware_wrote_is_still_read() -> None:
    names = ["battery.charge", "input.voltage", "ups.realpower"]
    times, found = history_codec.decode(OLDEST, NINE, 5, names, names)
    assert times == [NINE, NINE + 10, NINE + 20, NINE + 31, NINE + 600]
    assert found == {
        "battery.charge": [100, None, 99, 98, 98],
        "input.voltage": [2300, 2310, 0, 2305, 2299],
        "ups.realpower": [400, 70_000, -5, 401, 402],
    }
