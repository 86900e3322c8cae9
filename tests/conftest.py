"""What all tests share: an instance of the card in a folder of its own."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from firmware_samples import Maker
from hypothesis import settings
from istars.platform import paths

MEMORY = Path("/dev/shm")
"""Flushing to the medium, which the card does at every change, costs nothing in memory."""

# How long an example takes says something about the machine, not about the code.
settings.register_profile("istars", deadline=None)
settings.load_profile("istars")


@pytest.fixture(autouse=True)
def greenwich(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test begins in one time zone, whatever this machine's is and whatever the test before it chose."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Prefix of an empty instance. Short, because paths of unix sockets may not be long."""
    folder = Path(tempfile.mkdtemp(prefix="istars-", dir=MEMORY if MEMORY.is_dir() else None))
    monkeypatch.setenv("ISTARS_ROOT", str(folder))
    for variable in ("UPS", "UPS_PROTOCOL"):
        monkeypatch.delenv(variable, raising=False)
    paths.make_dirs()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def fake_clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """Clocks that stand still until the test moves them."""
    fake = FakeClock()
    monkeypatch.setattr("istars.platform.clock.boottime", fake.boottime)
    monkeypatch.setattr("istars.platform.clock.wall", fake.wall)
    return fake


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Who signs firmware for the cards of the tests."""
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """Somebody else who signs firmware, whom no card of the tests trusts."""
    return Maker(tmp_path_factory.mktemp("stranger"))
