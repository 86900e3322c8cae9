"""How the last search for the UPS's protocol went: written by the worker that searches, read by page and command line.

One JSON object in memory: device, percent, doing, found (protocol, title, baud, parity; or null), answers (baud, parity, sent and
came as hexadecimal, text), and `ended`: what came of it in one sentence, empty while it runs.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
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


def settle() -> None:
    """Say of a search that nobody carries on any more that it was interrupted."""
    left = read()
    if left and not left.get("ended"):
        with contextlib.suppress(OSError):
            write(left, "the search was interrupted")


def as_settings(state: Mapping[str, Any]) -> dict[str, str | int]:
    """Options that make what was found the setting; empty where nothing was."""
    found = state.get("found")
    if not found:
        return {}
    changes: dict[str, str | int] = {"ups.device": state["device"], "ups.protocol": found["protocol"]}
    if not state["device"].startswith("/"):
        return changes
    # A search tries eight data bits and one stop bit, which is what the protocols have.
    line = {"ups.serial.baud": found["baud"], "ups.serial.parity": found["parity"]}
    return {**changes, **line, "ups.serial.bytesize": "auto", "ups.serial.stopbits": "auto"}
