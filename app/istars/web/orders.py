"""Commands for the card and its UPS, given by people and programs: to the worker they are for, and into the audit record."""

from __future__ import annotations

from collections.abc import Mapping

from istars.model.commands import COMMANDS, Command
from istars.store.live_commands import LiveCommand
from istars.web import session
from istars.web.audit import note
from istars.web.store import store

OWN = {name: declared for name, declared in COMMANDS.items() if declared.target in ("system", "snmpd")}
"""The commands that concern the card and not the UPS: of the worker of the operating system, and of the SNMP agent."""
WAIT_S = 15.0
"""Longer than the longest of them, the comparison with time servers."""


def give(declared: Command, arguments: Mapping[str, object]) -> LiveCommand:
    """Give the command and answer what has come of it; one that nobody takes in time dies.

    Raises CommandRefused for arguments that it does not take, StoreError.
    """
    checked = declared.check(arguments)
    asker = session.asker().name
    command = store().order(
        declared.target, declared.name, checked, asked_by=asker, address=session.address(), wait_s=WAIT_S
    )
    told = " ".join((declared.name, *(f"{name}={value}" for name, value in checked.items() if value != "")))
    note("command", told, new=outcome(command))
    return command


def outcome(command: LiveCommand) -> str:
    """What came of a command, in words."""
    if command.ended:
        return f"{command.state}: {command.result}"
    return "no answer yet; it may still be carried out" if command.state == "running" else "nobody carries it out"
