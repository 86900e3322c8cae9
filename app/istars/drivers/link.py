"""What the engine needs of a link: items read, commands given, whatever the family of the protocol."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol, runtime_checkable

from istars.drivers.item import Item, Writable
from istars.errors import BadAnswer, LinkError

SEEN_LIMIT = 256
"""Bytes of the wire that are kept to show what the device said last."""

TEXT_SHOWN, BYTES_SHOWN = 64, 32
"""Characters, or hexadecimal bytes, of the wire that fit into a sentence."""


class NotUnderstood(BadAnswer):
    """The device works, but it does not know this question."""


class Answer(Enum):
    """What a device said to a command."""

    SILENCE = "silence"
    ACCEPTED = "accepted"


@dataclass(slots=True)
class Harvest:
    """What one round of questions brought: raw bytes by item name, which items were asked for at all (a silent device is not
    asked to the end), and the first failure where not all came.
    """

    raw: dict[str, bytes] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    failure: LinkError | None = None

    def failed(self, failure: LinkError) -> None:
        """Remember the first failure; a question that the device does not know counts least."""
        if self.failure is None or isinstance(self.failure, NotUnderstood):
            self.failure = failure

    @property
    def complete(self) -> bool:
        """Whether everything came that this device has."""
        return self.failure is None or isinstance(self.failure, NotUnderstood)


class Link(Protocol):
    """One device over one transport, speaking one family of protocols."""

    last_seen: bytes

    @property
    def absent(self) -> Collection[str]:
        """Names of items that this device said it does not have."""

    def reset(self) -> None:
        """A new connection: forget what was learned about the device."""

    def read(self, items: Sequence[Item], tries: int) -> Harvest:
        """Ask for `items`, each question up to `tries` times while answers are missing or damaged.

        Raises PortError when the port is gone; any other failure is in the harvest.
        """

    def give(self, payload: bytes) -> Answer:
        """Send a command.

        Raises CommandRefused when the device refuses it, LinkError when its answer is missing or damaged.
        """


@runtime_checkable
class Telling(Protocol):
    """A link to something that tells itself which commands and variables its UPS has."""

    def offered(self) -> Collection[str]:
        """Names of commands. Raises LinkError."""

    def writable(self) -> tuple[Writable, ...]:
        """Variables that can be written, with what they take. Raises LinkError."""


def shown(data: bytes) -> str:
    """Bytes of the wire for a message: text as text, all else as hexadecimal."""
    printable = data.rstrip(b"\r\n")
    if 0 < len(printable) <= TEXT_SHOWN and all(32 <= byte < 127 for byte in printable):
        return repr(printable.decode("ascii"))
    return data[:BYTES_SHOWN].hex(" ") + (" ..." if len(data) > BYTES_SHOWN else "")
