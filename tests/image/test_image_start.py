"""From power-on to the first look at the UPS."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
from guest import Guest, Image
from pages import PATIENCE_S
from stories import Stories, signed_in

RAM_MB = 96
SQUASHFS_MB = 64
"""Of the test bed, whose packages of Debian are larger; Buildroot's own limit of 24 MB is checked where it is built."""


def test_the_first_slot_is_started_and_found_good(first_card: Guest) -> None:
    owner = signed_in(first_card)
    now = owner.firmware()
    assert (now["slot"], now["confirmed"], now["version"]) == ("A", True, first_card.image.version)


def test_readings_of_the_ups_arrive_through_the_serial_port(first_card: Guest) -> None:
    owner = signed_in(first_card)

    def charged() -> bool:
        rows = {row["name"]: row for row in owner.json("/api/v1/readings")["readings"]}
        return "input.voltage" in rows and not rows["input.voltage"]["stale"]

    first_card.until(charged, "a reading of the UPS")
    first_card.simulator.control("mains off")
    first_card.until(
        lambda: "ON_BATTERY" in {alarm["code"] for alarm in owner.json("/api/v1/alarms")["alarms"]},
        "the card sees that mains failed",
    )
    first_card.simulator.control("mains on")


def test_the_clock_is_kept_by_the_time_service(first_card: Guest) -> None:
    owner = signed_in(first_card)

    def state() -> str:
        rows = {row["name"]: row["value"] for row in owner.json("/api/v1/readings")["readings"]}
        return str(rows.get("istars.clock.state", ""))

    assert first_card.until(state, "a word about the clock") in ("manual", "searching", "synchronised")


def test_without_encryption_the_card_only_shows_the_way(first_card: Guest) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    opener = urllib.request.build_opener(Stay)
    for body, status in ((None, 307), (b"user=admin&pw=admin", 403)):
        with pytest.raises(urllib.error.HTTPError) as refused:
            opener.open(f"http://127.0.0.1:{first_card.http}/login", body, timeout=PATIENCE_S)
        with refused.value as answer:
            assert answer.code == status
            assert status != 307 or answer.headers["Location"].startswith("https://")


def test_memory_in_use_after_the_start_is_within_the_budget(
    stories: Stories, record_property: Callable[[str, object], None]
) -> None:
    found = stories.in_use_mb()
    record_property("memory", f"{found:.1f} MB in use after the start")
    assert found <= RAM_MB


def test_the_root_file_system_is_not_larger_than_it_was(image: Image) -> None:
    assert image.rootfs.stat().st_size <= SQUASHFS_MB * 2**20
