"""Which of the protocols a device speaks that is known to speak text, or Modbus, on a line whose settings are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from istars.drivers.item import Family, Item, Line, Protocol, Query, Registers, When
from istars.drivers.modbuslink import ModbusLink
from istars.drivers.registers import Choice
from istars.drivers.transport import Transport
from istars.drivers.ups import TEXT_PROTOCOLS, protocol_named, protocol_names
from istars.errors import IStarsError
from istars.model.readings import READINGS, Value

TEXT_ORDER = (
    "voltronic", "q6", "q2", "megatec-3ph", "voltronic-qs", "mecer", "zinto", "megatec", "mustek", "megatec-old", "q1",
)  # fmt: skip
"""The one that asks more precedes its relative that asks less."""

ENOUGH = 0.75
"""Part of the registers looked at that must make sense for a map to be that of the device."""

LOOKS = 8
ANSWER_S = 0.5
HERTZ = (44.0, 66.0)


def matching_text(answers: Callable[[Query], bool]) -> Protocol | None:
    """The first text protocol all of whose signature is answered."""
    for name in TEXT_ORDER:
        protocol = protocol_named(name)
        if protocol.signature and all(answers(query) for query in protocol.signature):
            return protocol
    return None


def best_map(transport: Transport, line: Line, address: int) -> Protocol | None:
    """The Modbus map whose registers make most sense in what this device answers; None where none does."""
    best, best_score = None, ENOUGH
    for protocol in _maps():
        score = _score(protocol, transport, line, address)
        if score > best_score or (best is None and score == best_score):
            best, best_score = protocol, score
        if score == 1:
            break
    return best


def _maps() -> Iterable[Protocol]:
    for name in protocol_names():
        if name in TEXT_PROTOCOLS:
            continue
        try:
            protocol = protocol_named(name)
        except IStarsError:
            # A map of the owner that went bad must not keep the others from being found.
            continue
        if protocol.family is Family.MODBUS:
            yield protocol


def telling(protocol: Protocol) -> list[Item]:
    """Items of a map that tell most about whether it fits: states, frequencies, and the ends of each table."""
    items = [item for item in protocol.items if item.when is When.EACH_POLL and isinstance(item.at, Registers)]
    places = sorted(items, key=lambda item: (item.at.table, item.at.address) if isinstance(item.at, Registers) else ())
    states = [item for item in items if isinstance(item.decode, Choice)]
    frequencies = [item for item in items if "frequency" in item.name and item.name.partition(":")[2] in ("", "1")]
    chosen = (*frequencies[:2], *states[:4], *places[:1], *places[-1:], *places)
    return list({item.name: item for item in chosen}.values())[:LOOKS]


def _score(protocol: Protocol, transport: Transport, line: Line, address: int) -> float:
    """Part of the telling items that the device has and whose values can be true."""
    timing = replace(protocol.timing, answer_s=ANSWER_S, gap_s=min(protocol.timing.gap_s, 0.05))
    link = ModbusLink(transport, line, timing, protocol.blocks, address)
    items = telling(protocol)
    good = 0
    for asked, item in enumerate(items, start=1):
        raw = link.read([item], tries=1).raw.get(item.name)
        good += raw is not None and _sensible(item, item.decode(raw))
        # What has failed twice in the first looks is not this map.
        if asked - good >= 2 + asked // 4:
            return 0.0
    return good / len(items)


def _sensible(item: Item, value: Value | None) -> bool:
    """Whether a decoded value can be that of the item."""
    if value is None:
        return False
    declared = READINGS.get(item.name.partition(":")[0])
    if declared is not None and not declared.plausible(value):
        return False
    if "frequency" in item.name and not isinstance(value, str):
        return value == 0 or HERTZ[0] <= value <= HERTZ[1]
    return True
