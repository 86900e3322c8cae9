"""An agent in this process, with a live table that the test fills."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from asking import Harness


@pytest.fixture
def harness(root: Path) -> Iterator[Harness]:
    """An agent that serves managers `public` (read) and `private` (write) of 127.0.0.1, and no users yet."""
    found = Harness()
    yield found
    found.close()
