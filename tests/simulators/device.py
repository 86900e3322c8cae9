"""What the line needs of the device side of a protocol."""

from __future__ import annotations

from typing import Protocol


class Device(Protocol):
    """A device on a serial line; `changes` are the requests so far that could change its state."""

    changes: list[bytes]

    @property
    def baud(self) -> int:
        """Its usual speed."""

    @property
    def silence_s(self) -> float:
        """Silence that ends a request; 0 where an ending character does."""

    @property
    def thinking_s(self) -> float:
        """Time between a request and its answer."""

    def split(self, buffer: bytes, quiet: bool) -> tuple[list[bytes], bytes]:
        """Cut requests out of what came in."""

    def respond(self, request: bytes) -> bytes:
        """Answer one request; b"" for silence."""
