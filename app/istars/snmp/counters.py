"""What the agent counts of itself (RFC 3418, snmp group; RFC 3414, usmStats)."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Counters:
    """Messages since the agent started."""

    received: int = 0
    bad_versions: int = 0
    bad_communities: int = 0
    bad_uses: int = 0
    unreadable: int = 0
    dropped: int = 0
    usm: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, 7), 0))
    """By their numbers below usmStats."""
