"""Clocks that a test moves."""

from __future__ import annotations


class FakeClock:
    """Both clocks, moved by the test."""

    def __init__(self) -> None:
        self.at = 1_000.0
        self.offset = 1_700_000_000.0

    def boottime(self) -> float:
        return self.at

    def wall(self) -> float:
        return self.at + self.offset

    def forward(self, seconds: float) -> None:
        """Time passes."""
        self.at += seconds

    def set_wall_by(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self.offset += seconds
