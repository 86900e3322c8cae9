"""What programs get of the data record: a day as JSON and as a file, gaps and all, and errors that name the field."""

import csv
import io

import pytest
from istars.platform import paths
from istars.store.history import History, sealed
from istars.store.history_codec import Hour

NINE = 1_763_629_200
"""2025-11-20T09:00Z."""


@pytest.fixture
def recorded(card):
    """Three records, a gap, one more; the load is known in two of them."""
    hour = Hour(10, [NINE, NINE + 10, NINE + 20, NINE + 600])
    hour.columns = {
        "input.voltage": [2300, 0, 2310, 2295],
        "ups.load": [20, None, None, 21],
        "ups.status": [1, 66, 1, 1],
        "ups.realpower": [3600, 3600, 3600, 3600],
    }
    with History(paths.history_db()) as history:
        history.add([sealed(hour)], 1)


@pytest.mark.usefixtures("recorded")
def test_a_day_has_its_records_gaps_and_figures(bearer):
    answer = bearer("GET", "/api/v1/history?name=input.voltage&name=ups.load&name=ups.status&day=2025-11-20").json
    assert answer["times"] == [NINE, NINE + 10, NINE + 20, NINE + 600]
    assert answer["values"] == {
        "input.voltage": [230.0, 0.0, 231.0, 229.5],
        "ups.load": [20.0, None, None, 21.0],
        "ups.status": ["OL", "OB DISCHRG", "OL", "OL"],
    }
    assert answer["gaps"] == [3]
    assert answer["figures"]["input.voltage"] == {
        "low": 0.0,
        "low_time": "2025-11-20T09:00:10+00:00",
        "high": 231.0,
        "high_time": "2025-11-20T09:00:20+00:00",
        "mean": 172.625,
        "covered_s": 40,
    }
    assert "ups.status" not in answer["figures"]
    assert answer["energy_kwh"] == 0.04


@pytest.mark.usefixtures("recorded")
def test_the_same_day_as_a_file(bearer):
    answer = bearer("GET", "/api/v1/history?name=input.voltage&name=ups.load&day=2025-11-20&format=csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="data-2025-11-20.csv"'
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[:3] == [
        ["time", "input.voltage", "ups.load"],
        ["2025-11-20T09:00:00+00:00", "230.0", "20"],
        ["2025-11-20T09:00:10+00:00", "0.0", ""],
    ]


@pytest.mark.parametrize("day", ["", "&day=0001-01-01", "&day=9999-12-31"])
def test_a_day_without_records_is_empty(bearer, day):
    History(paths.history_db()).close()
    answer = bearer("GET", f"/api/v1/history?name=ups.load{day}").json
    assert (answer["times"], answer["values"], answer["figures"], answer["energy_kwh"]) == (
        [],
        {"ups.load": []},
        {},
        None,
    )


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("", "name"),
        ("&".join(f"name=output.L{n % 3 + 1}.power&name=x{n}" for n in range(9)), "name"),
        ("name=device.model", "name"),
        ("name=ups.load&day=yesterday", "day"),
        ("name=ups.load&day=2025-02-30", "day"),
        ("name=ups.load&format=xml", "format"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_field(bearer, query, field):
    answer = bearer("GET", f"/api/v1/history?{query}")
    assert (answer.status_code, answer.json["field"]) == (400, field)
