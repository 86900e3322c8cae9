"""The MIB files that the card hands out, for management systems to show names instead of numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from istars.snmp.oids import ISTARS, UPS_MIB


@dataclass(frozen=True, slots=True)
class MibFile:
    """One file: its module, what it is about, the number that it hangs on."""

    name: str
    title: str
    oid: str

    @property
    def path(self) -> Path:
        """Where it stands."""
        return Path(__file__).with_name("mibs") / self.name

    @property
    def content(self) -> bytes:
        """Its text, ASCII."""
        return self.path.read_bytes()


MIB_FILES: Mapping[str, MibFile] = MappingProxyType(
    {
        each.name: each
        for each in (
            MibFile("UPS-MIB", "The UPS, as RFC 1628 has it", ".".join(map(str, UPS_MIB))),
            MibFile(
                "ISTARS-MIB",
                "The card: all readings, alarms in words, sensors, batteries, peers",
                ".".join(map(str, ISTARS)),
            ),
        )
    }
)
"""Name of a module to its file."""
