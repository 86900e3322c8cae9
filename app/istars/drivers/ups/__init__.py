"""Protocols of UPSs: a module with a `PROTOCOL`, or a register map under profiles/, whose file name is that of the protocol."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from istars.drivers.item import Protocol
from istars.errors import LinkError

PROFILES = Path(__file__).with_name("profiles")


@cache
def protocol_names() -> tuple[str, ...]:
    """Names of all protocols of this package."""
    return ("megatec", *sorted(path.stem for path in PROFILES.glob("*.json")))


def protocol_titles() -> dict[str, str]:
    """Title of each protocol by name, without loading what else it declares."""
    from istars.drivers.ups.megatec import PROTOCOL

    titles = {PROTOCOL.name: PROTOCOL.title}
    for path in sorted(PROFILES.glob("*.json")):
        titles[path.stem] = str(json.loads(path.read_text(encoding="utf-8")).get("title") or path.stem)
    return titles


@cache
def protocol_named(name: str) -> Protocol:
    """The declaration of protocol `name`; only what is used is loaded.

    Raises LinkError for a name that there is not.
    """
    if name == "megatec":
        from istars.drivers.ups.megatec import PROTOCOL

        return PROTOCOL
    if name not in protocol_names():
        raise LinkError("unknown-protocol", f"there is no protocol {name!r}")
    from istars.drivers.ups.modbus import load_protocol

    return load_protocol(PROFILES / f"{name}.json")
