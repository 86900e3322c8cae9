"""What the UPS link does besides polling: find out what the UPS speaks, and try a register map that the owner brought."""

from __future__ import annotations

import logging
from collections.abc import Generator, Mapping

from istars.drivers.detect import Detection, as_json, detect, outcome
from istars.drivers.engine import Driver, Options, transport_of
from istars.drivers.profile import parse_profile
from istars.drivers.ups import NETWORK_PROTOCOLS, PROFILES, TEXT_PROTOCOLS
from istars.drivers.ups.modbus import protocol_of
from istars.errors import CommandRefused, LinkError, SettingsError
from istars.model.readings import READINGS, format_value
from istars.settings import Settings
from istars.settings import store as settings_store
from istars.settings.groups import FIELDS
from istars.settings.store import SettingsRejected
from istars.store import detection, maps

log = logging.getLogger(__name__)

ENOUGH = 0.75
"""Part of a map's registers that the device must have for the map to be kept."""

SHOWN = 6

STOPPED = "the search was stopped"


def search(device: str, address: int, first: tuple[int, str] | None) -> Generator[Detection]:
    """Look for the UPS, telling everybody how far it is; who closes this before the end has stopped it. Raises PortError."""
    state, ended = Detection(device), STOPPED
    try:
        detection.write(as_json(state))
        for state in detect(device, address, first):
            detection.write(as_json(state))
            yield state
        ended = outcome(state)
    except LinkError as problem:
        ended = problem.detail
        raise
    finally:
        detection.write(as_json(state), ended)


def port_of(arguments: Mapping[str, object], settings: Settings) -> str:
    """The port that a search is to look at. Raises CommandRefused for what is no port."""
    device = str(arguments.get("device") or settings.text("ups.device"))
    try:
        return str(FIELDS["ups.device"].parse(device))
    except SettingsError as problem:
        raise CommandRefused(f"the port {problem.reason}") from None


def remember(state: Detection) -> None:
    """Make what was found the setting."""
    if state.found is None:
        return
    changes = detection.as_settings(as_json(state))
    try:
        settings_store.change({key: str(value) for key, value in changes.items()})
    except (OSError, SettingsError, SettingsRejected) as problem:
        log.warning("what was found cannot be remembered: %s", problem)


def try_map(name: str, device: str, options: Options) -> str:
    """Try the offered map `name` on the device and keep it if the device answers by it; what it answered, in words.

    Raises ProfileError with every mistake of the map, CommandRefused where the device does not have its registers, LinkError,
    StoreError.
    """
    if name in TEXT_PROTOCOLS or name in NETWORK_PROTOCOLS or (PROFILES / f"{name}.json").exists():
        raise CommandRefused(f"{name} is the name of a protocol of the card; choose another")
    protocol = protocol_of(parse_profile(maps.offered(name), name))
    driver = Driver(protocol, transport_of(protocol, device, options), options)
    try:
        poll = driver.poll()
    finally:
        driver.close()
    there = len({item.name for item in protocol.items} - set(driver.absent))
    if there < ENOUGH * len(protocol.items):
        raise CommandRefused(f"the device has only {there} of the {len(protocol.items)} registers of this map")
    maps.keep(name)
    values = [
        f"{READINGS[key].label} {format_value(key, value)} {READINGS[key].unit}".rstrip()
        for key, value in poll.values.items()
    ]
    return f"The map {name} is kept; {there} of {len(protocol.items)} registers answer: {', '.join(values[:SHOWN])}."
