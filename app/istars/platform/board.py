"""What this card is: its board and the version of its firmware, as the image that was built for it says.

`/etc/istars/board.json` is an object; all members may be missing, as on a developer's machine:

    board, compatible      name of the board, and which firmware fits it
    min_version            oldest firmware that this card may go back to
    trial                  {"healthy_s": 60, "deadline_s": 300}: how long new firmware must run well before it is kept, and how
                           long it has for that; seconds
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import Any

from istars import __version__
from istars.platform import paths

log = logging.getLogger(__name__)

HEALTHY_S = 60.0
DEADLINE_S = 300.0
SIZE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Board:
    """See the head of this file."""

    name: str = ""
    compatible: str = ""
    min_version: str = ""
    healthy_s: float = HEALTHY_S
    deadline_s: float = DEADLINE_S


def load() -> Board:
    """The board of this instance; an empty one where nothing is said about it."""
    try:
        with paths.board_file().open("rb") as file:
            said = json.loads(file.read(SIZE_LIMIT))
    except FileNotFoundError:
        return Board()
    except (OSError, ValueError) as error:
        log.error("%s cannot be read: %s", paths.board_file(), error)
        return Board()
    if not isinstance(said, dict):
        log.error("%s is not an object", paths.board_file())
        return Board()
    trial = said.get("trial")
    trial = trial if isinstance(trial, dict) else {}
    return Board(
        str(said.get("board", "")),
        str(said.get("compatible", "")),
        str(said.get("min_version", "")),
        _seconds(trial, "healthy_s", HEALTHY_S),
        _seconds(trial, "deadline_s", DEADLINE_S),
    )


def _seconds(trial: dict[str, Any], name: str, usual: float) -> float:
    value = trial.get(name, usual)
    return float(value) if isinstance(value, int | float) and value > 0 else usual


def firmware_version() -> str:
    """Version of the firmware that runs: that of the image, or of this program where there is no image."""
    try:
        lines = paths.os_release().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return __version__
    found = dict(line.split("=", 1) for line in lines if "=" in line)
    return found.get("VERSION_ID", "").strip("\"'") or __version__
