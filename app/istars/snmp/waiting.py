"""What waits to be sent, as a text that outlives the worker: a notice is lost by no death of the process, at most sent twice.

It stands in memory (the live table), not on flash: after a start of the whole card the notice coldStart tells managers to look
at everything anew.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Any

from istars.snmp.notify import Notice, Notifier, Sending

log = logging.getLogger(__name__)


def written(cursor: int, sendings: Iterable[Sending]) -> str:
    """The last event that was told, and what is still on its way."""
    return json.dumps({"told": cursor, "waiting": [_row(each) for each in sendings if not each.trial]})


def _row(sending: Sending) -> dict[str, Any]:
    to, notice = sending.recipient, sending.notice
    return {
        "to": [to.number, to.address, to.port],
        "oid": notice.oid,
        "bindings": [[name, value.hex()] for name, value in notice.bindings],
        "words": [notice.event, notice.words, notice.subject],
        "number": sending.number,
        "tries": sending.tries,
    }


def read(text: str) -> tuple[int, list[dict[str, Any]]] | None:
    """The other way round; None for a text that was not written so."""
    try:
        said = json.loads(text)
        return int(said["told"]), list(said["waiting"])
    except (ValueError, KeyError, TypeError):
        log.error("what waited to be sent by SNMP cannot be read")
        return None


def resume(notifier: Notifier, rows: Iterable[dict[str, Any]]) -> None:
    """Go on with these, as far as their recipients are still the same."""
    present = {(each.number, each.address, each.port): each for each in notifier.recipients}
    for row in rows:
        try:
            recipient = present.get(tuple(row["to"]))
            bindings = tuple((tuple(name), bytes.fromhex(value)) for name, value in row["bindings"])
            notice = Notice(tuple(row["oid"]), bindings, *map(str, row["words"]))
            number, tries = int(row["number"]), int(row["tries"])
        except (ValueError, KeyError, TypeError):
            log.error("a notice that waited to be sent by SNMP cannot be read")
            continue
        if recipient is not None:
            notifier.resume(recipient, notice, number, tries)
