"""The identity of this SNMP engine and how often it has started: on flash before any message says so (RFC 3414, 2.2)."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from istars.platform import clock, files, paths

log = logging.getLogger(__name__)

LARGEST_BOOTS = 2**31 - 1
PREFIX = bytes.fromhex("80001f8805")
"""Engine IDs of this card: enterprise 8072 with its arc for experiments (see `oids.py`), then octets of its own (RFC 3411, 5)."""


@dataclass(slots=True)
class Engine:
    """`durable` is False where the number of boots could not be written: then SNMPv3 must not be answered."""

    id: bytes
    boots: int
    durable: bool
    started: float

    @property
    def time(self) -> int:
        """Seconds since this engine started."""
        return int(clock.boottime() - self.started)

    @property
    def uptime(self) -> float:
        """The same with fractions: sysUpTime."""
        return clock.boottime() - self.started


def file() -> Path:
    """Where engine ID and boots are kept."""
    return paths.data_dir() / "snmp-engine.json"


def _kept() -> tuple[bytes, int]:
    """Engine ID and boots of the last start; a new ID where there are none, so that its boots may begin anew."""
    try:
        said = json.loads(file().read_text(encoding="ascii"))
        return bytes.fromhex(said["id"]), int(said["boots"])
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.error("%s cannot be used, this SNMP engine gets a new identity: %s", file(), error)
    return PREFIX + os.urandom(8), 0


def start(configured: str = "") -> Engine:
    """Count one more start and keep that; `configured` (hexadecimal) takes the place of the card's own engine ID."""
    own, boots = _kept()
    boots = min(boots + 1, LARGEST_BOOTS)
    durable = True
    try:
        files.replace(file(), json.dumps({"id": own.hex(), "boots": boots}).encode())
    except OSError as error:
        log.error("SNMPv3 is not answered: the number of starts cannot be kept (%s)", error.strerror)
        durable = False
    return Engine(bytes.fromhex(configured) or own, boots, durable, clock.boottime())
