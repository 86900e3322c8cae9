"""Nudges."""

from __future__ import annotations

from pathlib import Path

from istars.store import wake


def test_a_nudge_ends_the_wait_and_several_count_as_one(root: Path) -> None:
    bell = wake.Bell("core")
    wake.nudge("core")
    wake.nudge("core")
    assert bell.wait(10)
    assert not bell.wait(0)
    bell.close()


def test_nudging_nobody_is_harmless(root: Path) -> None:
    wake.nudge("nobody")
    bell = wake.Bell("core")
    assert not bell.wait(0)
    bell.close()


def test_a_full_queue_does_not_block_the_sender(root: Path) -> None:
    bell = wake.Bell("core")
    for _ in range(10_000):
        wake.nudge("core")
    assert bell.wait(0)
    bell.close()


def test_a_worker_that_starts_again_takes_over_its_name(root: Path) -> None:
    wake.Bell("core").close()
    bell = wake.Bell("core")
    wake.nudge("core")
    assert bell.wait(1)
    bell.close()
