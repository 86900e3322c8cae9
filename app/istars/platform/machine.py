"""Whose machine this is: on the card this program may change the operating system, on a developer's machine never."""

from __future__ import annotations

import os


def ours() -> bool:
    """Whether the whole machine is the card: no prefix before its paths (`ISTARS_ROOT` is empty), and we are root."""
    return not os.environ.get("ISTARS_ROOT") and os.geteuid() == 0
