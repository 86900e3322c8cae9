"""iStars: the open network card for uninterruptible power supplies."""

from __future__ import annotations

__version__ = "0.1.0"
