"""One image, firmware for it, and cards that several tests begin with; each is made once, for all processes of a run."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import guest
import pytest
from guest import Guest, Image
from packages import Factory
from stories import Stories
from xdist.scheduler import LoadScopeScheduling

TREE = Path(__file__).parents[2]
MEMORY = Path("/dev/shm")
LONGEST_TEST_S = 1800
ORDER = ("update", "board", "refusals", "shell", "start", "cuts")
"""Long stories first: what is short fills the gaps at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of these start machines; see `ORDER`."""
    mine = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in mine:
        item.add_marker(pytest.mark.timeout(LONGEST_TEST_S))
    places = [place for place, item in enumerate(items) if item in mine]
    for place, item in zip(places, sorted(mine, key=_turn), strict=True):
        items[place] = item


def _turn(item: pytest.Item) -> int:
    return ORDER.index(item.path.stem.removeprefix("test_image_"))


class PerCard(LoadScopeScheduling):  # type: ignore[misc]
    """Tests of one file share a card and stay in one process, but for the power cuts, each of which has its own."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if "test_image_cuts" in nodeid else nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> PerCard:
    """The places of the tests, where several processes run them."""
    return PerCard(config, log)


@pytest.fixture(autouse=True)
def told(record_property: Callable[[str, object], None]) -> Iterator[None]:
    """Starts that were tried twice are part of the result."""
    yield
    for line in guest.retries:
        record_property("WARNING: started twice", line)
    guest.retries.clear()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests have to say beside their result."""
    reports = [
        each for found in terminalreporter.stats.values() for each in found if getattr(each, "when", "") == "teardown"
    ]
    for report in reports:
        for name, text in report.user_properties:
            terminalreporter.write_line(f"{name}: {text}", yellow=name.startswith("WARNING"))


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
def shared(testrun_uid: str) -> Iterator[Path]:
    """Where the processes of a run keep what they share, in memory, where a flush costs nothing; the last one removes it."""
    folder = MEMORY / f"istars-cards-{testrun_uid[:8]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        # those of runs that were killed, too
        for other in MEMORY.glob("istars-cards-*"):
            if other != folder:
                _remove_unused(other)
        yield folder
    _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    with suppress(OSError), (folder / "users").open() as users:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def factory(image: Image, shared: Path) -> Factory:
    """Makes firmware for the image."""
    folder = shared / "firmware"
    folder.mkdir(exist_ok=True)
    return Factory(image, folder)


@pytest.fixture(scope="session")
def stories(image: Image, factory: Factory, shared: Path) -> Stories:
    """Cards in the middle of their lives, switched off with their memory kept."""
    return Stories(image, factory, shared)


@pytest.fixture
def new_card(image: Image, shared: Path, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A new card from the factory, or to go on from a story; switched off."""
    with guest.card_in(image, shared, request.node.name) as card:
        yield card


@pytest.fixture(scope="module")
def first_card(image: Image, shared: Path, stories: Stories, request: pytest.FixtureRequest) -> Iterator[Guest]:
    """A card after its first start, which the tests of a file share."""
    kept = stories.first()
    with guest.card_in(image, shared, Path(request.node.name).stem) as card:
        card.resume(kept)
        card.wait_for_pages()
        yield card
