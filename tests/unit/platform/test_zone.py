"""Time zones: which there are, their offsets, and that a process lives in the one that was chosen."""

from __future__ import annotations

import pytest
from istars.platform import clock, zone

WINTER, SUMMER = 1_768_478_400.0, 1_784_116_800.0
"""15 January and 15 July 2026, 12:00 UTC."""


def test_every_zone_that_is_offered_is_known() -> None:
    names = zone.names()
    assert {"UTC", "Europe/Berlin", "Asia/Shanghai", "America/Argentina/Buenos_Aires", "Etc/GMT+8"} <= set(names)
    assert len(names) > 400
    assert all(zone.known(name) for name in names)


@pytest.mark.parametrize(
    "name", ["", "Europe", "Europe/Atlantis", "../../etc/passwd", "/etc/localtime", "Factory", "a\0b"]
)
def test_what_is_no_zone(name: str) -> None:
    assert not zone.known(name)


def test_offsets() -> None:
    assert zone.offset("UTC", WINTER) == "GMT+00:00"
    assert (zone.offset("Europe/Berlin", WINTER), zone.offset("Europe/Berlin", SUMMER)) == ("GMT+01:00", "GMT+02:00")
    assert zone.offset("America/St_Johns", WINTER) == "GMT-03:30"
    assert zone.offset("Asia/Kathmandu", WINTER) == "GMT+05:45"
    assert dict(zone.offsets(SUMMER))["Asia/Shanghai"] == "GMT+08:00"


def test_a_process_lives_in_the_zone_that_was_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert zone.use("Asia/Shanghai")
    assert not zone.use("Asia/Shanghai")
    assert clock.iso(WINTER) == "2026-01-15T20:00:00+08:00"
    assert zone.use("Europe/Berlin")
    assert clock.iso(SUMMER) == "2026-07-15T14:00:00+02:00"
    assert zone.use("UTC")
    assert clock.iso(SUMMER) == "2026-07-15T12:00:00+00:00"
