"""How the last search for the UPS's protocol went: written by the worker that searches, read by page and command line.

One JSON object in memory: device, percent, doing, found (protocol, title, baud, parity; or null), answers (baud, parity, sent and
came as hexadecimal, text), and `ended`: what came of it in one sentence, empty while it runs.
"""

from __future__ import annotations

import json
from typing import Any

from istars.platform import files, paths


def write(state: dict[str, object], ended: str = "") -> None:
    """Show `state` to who looks. Raises OSError."""
    files.replace(paths.detection_file(), json.dumps({**state, "ended": ended}).encode())


def read() -> dict[str, Any]:
    """The last search; empty where there was none since the card started."""
    try:
        found = json.loads(paths.detection_file().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
