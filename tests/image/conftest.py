"""One image, one card that has been started and signed in to, and firmware for it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import guest
import pytest
from guest import Guest, Image
from packages import Factory
from pages import Owner

TREE = Path(__file__).parents[2]
LONGEST_TEST_S = 1800


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these start machines."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(LONGEST_TEST_S))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Starts that were tried twice are part of the result."""
    for line in guest.retries:
        terminalreporter.write_line(f"WARNING: started twice: {line}", yellow=True)


@pytest.fixture(scope="session")
def image() -> Image:
    """What `IMAGE` names, or the test bed."""
    missing = guest.qemu_missing()
    assert not missing, f"programs are missing: {', '.join(missing)}; make setup installs them"
    named = os.environ.get("IMAGE")
    if not named:
        made = subprocess.run(
            [sys.executable, "-m", "testbed"],
            cwd=TREE,
            env={**os.environ, "PYTHONPATH": str(TREE / "scripts")},
            check=False,
        )
        assert made.returncode == 0, "make testbed failed"
    return Image(Path(named or TREE / "build" / "testbed" / "image.json"))


@pytest.fixture(scope="session")
def factory(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Factory:
    """Makes firmware for the image."""
    return Factory(image, tmp_path_factory.mktemp("firmware"))


@pytest.fixture(scope="session")
def on_flash() -> Iterator[Path]:
    """Where cards keep their files: in memory, where a flush costs nothing."""
    with tempfile.TemporaryDirectory(prefix="istars-cards-", dir="/dev/shm") as folder:
        yield Path(folder)


@pytest.fixture
def new_guest(image: Image, on_flash: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Guest]]:
    """A new card from the factory, switched off."""
    made: list[Guest] = []

    def make() -> Guest:
        folder = on_flash / f"{request.node.name[:40]}-{len(made)}"
        folder.mkdir()
        made.append(Guest(image, folder, image.medium(folder / "medium.qcow2")))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def first_start(image: Image, on_flash: Path) -> Iterator[tuple[Guest, Path]]:
    """A card after its first start, signed in to and found good; switched off, with its memory kept (`Guest.resume`)."""
    folder = on_flash / "first"
    folder.mkdir()
    card = Guest(image, folder, image.medium(folder / "medium.qcow2"))
    card.boot()
    owner = Owner(card.url)
    owner.sign_in()
    guest.until(lambda: owner.firmware()["confirmed"], "the firmware is found good", guest.BOOT_S)
    kept = card.save()
    yield card, kept
    card.close()
