"""The vocabulary of readings."""

from __future__ import annotations

import pytest
from istars.errors import UnknownName
from istars.model.readings import READINGS, STATUS_TOKENS, Kind, format_value, reading


def test_every_name_is_of_rfc_9271_form() -> None:
    for name in READINGS:
        assert name == name.replace(" ", ""), name
        assert name.split(".")[0] in {"ups", "input", "output", "outlet", "battery", "device", "ambient", "istars"}, (
            name
        )


def test_every_number_has_limits_of_the_plausible_and_a_label() -> None:
    for each in READINGS.values():
        assert each.label, each.name
        if each.kind is Kind.NUMBER:
            assert each.low is not None, each.name
            assert each.high is not None, each.name
            assert each.low < each.high, each.name


def test_rfc_1628_counterparts_are_unique_within_one_and_three_phase_units() -> None:
    single = [r.rfc1628.object for r in READINGS.values() if r.rfc1628 and ".L" not in r.name]
    three = [r.rfc1628.object for r in READINGS.values() if r.rfc1628 and ".L" in r.name]
    assert len(single) == len(set(single))
    assert len(three) == len(set(three))


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("input.voltage", 230.44, "230.4"),
        ("battery.current", -1.25, "\u22121.2"),
        ("battery.current", -0.04, "0.0"),
        ("ups.load", 38.0, "38"),
        ("ups.status", "OL CHRG", "On mains, Charging"),
        ("ups.type", "online", "Online"),
        ("device.model", "EA900", "EA900"),
        ("device.model", "", "\u2013"),
        ("input.voltage", None, "\u2013"),
    ],
)
def test_a_value_is_shown_with_fixed_decimals_and_in_words(name: str, value: float | str | None, shown: str) -> None:
    assert format_value(name, value) == shown


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("input.voltage", 230.0, True),
        ("input.voltage", -1.0, False),
        ("input.voltage", float("nan"), False),
        ("input.voltage", "230", False),
        ("ups.temperature", 151, False),
        ("ups.status", "OL", True),
        ("ups.status", 1, False),
    ],
)
def test_implausible_values_are_known(name: str, value: float | str, expected: bool) -> None:
    assert reading(name).plausible(value) is expected


def test_an_unknown_name_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="no reading is called 'input.volts'"):
        reading("input.volts")


def test_mains_comes_first_in_the_status() -> None:
    assert list(STATUS_TOKENS)[:3] == ["OL", "OB", "LB"]
