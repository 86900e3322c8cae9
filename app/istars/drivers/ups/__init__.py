"""Protocols of UPSs: a table in a module of this package, or a register map, whose file name is that of the protocol.

Maps come with the card (`profiles/`) or from its owner (`istars.platform.paths.maps_dir`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from istars.drivers.item import Protocol
from istars.errors import LinkError
from istars.platform import paths

PROFILES = Path(__file__).with_name("profiles")


class Listed(NamedTuple):
    """Where a protocol is declared, and its title: who offers a choice need not load the tables."""

    module: str
    title: str


TEXT_PROTOCOLS: Mapping[str, Listed] = MappingProxyType(
    {
        "megatec": Listed("megatec", "Megatec / Q1"),
        "q1": Listed("dialects", "Q1, status only"),
        "mustek": Listed("dialects", "Mustek (QS)"),
        "zinto": Listed("dialects", "Zinto (Q1, FW?)"),
        "mecer": Listed("dialects", "Mecer / Voltronic P98"),
        "megatec-old": Listed("dialects", "Megatec before 1996 (D)"),
        "voltronic-qs": Listed("voltronic_qs", "Voltronic QS"),
        "voltronic": Listed("voltronic", "Voltronic P series (QPI, QGS)"),
        "q6": Listed("threephase", "Q6, three phases"),
        "q2": Listed("threephase", "Q2, three phases"),
        "megatec-3ph": Listed("megatec_3ph", "Megatec, three phases (G1, G2, G3)"),
    }
)
"""Protocols declared in modules of this package; each has its declaration in PROTOCOLS or PROTOCOL."""


NETWORK_PROTOCOLS: Mapping[str, Listed] = MappingProxyType(
    {
        "rfc1628": Listed("rfc1628", "Another network card (SNMP, RFC 1628)"),
        "nut": Listed("nut", "Server of Network UPS Tools"),
    }
)
"""Protocols of devices that are reached through the network only."""


def _maps() -> dict[str, Path]:
    """Register maps by name; a map of the owner never hides one of the card."""
    own = {path.stem: path for path in sorted(paths.maps_dir().glob("*.json"))}
    return {**own, **{path.stem: path for path in sorted(PROFILES.glob("*.json"))}}


def protocol_names() -> tuple[str, ...]:
    """Names of all protocols: those of the card, then the owner's maps."""
    declared = (*TEXT_PROTOCOLS, *NETWORK_PROTOCOLS)
    return (*declared, *sorted(name for name in _maps() if name not in declared))


def protocol_titles() -> dict[str, str]:
    """Title of each protocol by name, without loading what else it declares."""
    titles = {name: listed.title for name, listed in {**TEXT_PROTOCOLS, **NETWORK_PROTOCOLS}.items()}
    for name, path in _maps().items():
        titles.setdefault(name, _title(path))
    return titles


def _title(path: Path) -> str:
    """Title of a map; one of the owner that went bad is shown as such."""
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("title") or path.stem)
    except (OSError, ValueError, AttributeError):
        return f"{path.stem} (damaged)"


def protocol_named(name: str) -> Protocol:
    """The declaration of protocol `name`; only what is used is loaded.

    Raises LinkError for a name that there is not, ProfileError for a map with mistakes.
    """
    listed = TEXT_PROTOCOLS.get(name) or NETWORK_PROTOCOLS.get(name)
    if listed:
        protocols: dict[str, Protocol] = import_module(f"istars.drivers.ups.{listed.module}").PROTOCOLS
        return protocols[name]
    path = _maps().get(name)
    if path is None:
        raise LinkError("unknown-protocol", f"there is no protocol {name!r}")
    return _map(path, path.stat().st_mtime_ns)


@cache
def _map(path: Path, _version: int) -> Protocol:
    from istars.drivers.ups.modbus import load_protocol

    return load_protocol(path)
