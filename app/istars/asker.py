"""Who uses the command line and from where, and the notes of that in the audit record."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterable

from istars.platform import clock
from istars.settings import Change
from istars.store.audit import AuditRecord, Entry, plain

CONSOLE = "console"


def who() -> str:
    """The name under which somebody has signed in."""
    return getpass.getuser()


def whence() -> str:
    """The address from which somebody has come over SSH, else the console."""
    words = os.environ.get("SSH_CONNECTION", "").split()
    return plain(words[0]) if words else CONSOLE


def note(action: str, subject: str, new: str = "") -> None:
    """Write down what was done."""
    AuditRecord().note(Entry(clock.wall(), who(), whence(), action, plain(subject), new=plain(new)))


def note_changes(action: str, changes: Iterable[Change]) -> None:
    """Write down which options were changed."""
    at, name, place = clock.wall(), who(), whence()
    AuditRecord().note(*(Entry(at, name, place, action, each.key, each.old, each.new) for each in changes))
