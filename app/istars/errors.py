"""Every failure the card knows, as one small tree.

A known failure is logged once when it begins, shown to the user and survived. Anything else is a defect: the worker
logs the traceback, exits, and the supervisor starts it clean.
"""

from __future__ import annotations


class IStarsError(Exception):
    """Root of the failures the card knows how to survive."""


class LinkError(IStarsError):
    """The link to a device does not work.

    `reason` is a code that a page can translate (`no-answer`, `bad-answer`, `port-missing`, `permission`,
    `port-busy`, `unknown-protocol`, `refused`); `detail` is one plain sentence for the log and the page.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class PortError(LinkError):
    """The port itself cannot be used: missing, busy, not permitted, or it disappeared while in use."""


class NoAnswer(LinkError):
    """The port works, but the device said nothing within the time allowed."""

    def __init__(self, detail: str) -> None:
        super().__init__("no-answer", detail)


class BadAnswer(LinkError):
    """The device said something that is not an answer of this protocol."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad-answer", detail)


class CommandRefused(IStarsError):
    """A command was not carried out: out of the protocol's limits, not offered, or refused by the device."""


class SettingsError(IStarsError):
    """A setting has no acceptable value; `key` names it and the message gives the reason."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"{key}: {reason}")
        self.key = key
        self.reason = reason


class StoreError(IStarsError):
    """A database of the card cannot be read or written."""


class UnknownName(IStarsError, KeyError):
    """A reading, alarm or command that the model does not declare."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""
