"""What is there several times: environment modules, batteries on the CAN bus, peer cards. Numbered from 1, as they are set up.

`ambient.N.` is how RFC 9271 and Network UPS Tools name the sensors of a module; batteries and peers are names of our own.
"""

from __future__ import annotations

from collections.abc import Iterator

from istars.model.declare import Reading, number, state, text, volts

SENSORS, PACKS, PEERS = 8, 16, 8
"""So many of each can be told apart."""
SENSOR, PACK, PEER = "ambient", "istars.battery", "istars.peer"
"""What their names begin with, before the number."""


def _sensor(count: int) -> Iterator[Reading]:
    key, what = f"{SENSOR}.{count}", f"room sensor {count}"
    yield text(f"{key}.name", f"Name of {what}")
    yield number(f"{key}.temperature", f"Temperature, {what}", "°C", 1, -40, 100)
    yield number(f"{key}.humidity", f"Humidity, {what}", "%", 1, 0, 100)


def _pack(count: int) -> Iterator[Reading]:
    key, what = f"{PACK}.{count}", f"battery {count}"
    yield text(f"{key}.name", f"Name of {what}")
    yield text(f"{key}.mfr", f"Maker of {what}")
    yield number(f"{key}.charge", f"Charge, {what}", "%", 0, 0, 100)
    yield number(f"{key}.health", f"Health, {what}", "%", 0, 0, 100)
    yield volts(f"{key}.voltage", f"Voltage, {what}", precision=2)
    yield number(f"{key}.current", f"Current, {what}", "A", 1, -5000, 5000)
    yield number(f"{key}.temperature", f"Temperature, {what}", "°C", 1, -60, 150)
    yield volts(f"{key}.charge.voltage.limit", f"Highest charging voltage, {what}", precision=1)
    yield number(f"{key}.charge.current.limit", f"Highest charging current, {what}", "A", 1, 0, 5000)
    yield number(f"{key}.discharge.current.limit", f"Highest discharging current, {what}", "A", 1, 0, 5000)
    yield text(f"{key}.alarm", f"What {what} complains of")


def _peer(count: int) -> Iterator[Reading]:
    key, what = f"{PEER}.{count}", f"peer {count}"
    yield text(f"{key}.name", f"Name of {what}")
    yield text(f"{key}.address", f"Address of {what}")
    yield state(f"{key}.state", f"Connection to {what}", {"ok": "Connected", "lost": "Lost"})
    yield text(f"{key}.status", f"Status of the UPS of {what}")
    yield number(f"{key}.charge", f"Battery charge of {what}", "%", 0, 0, 100)
    yield number(f"{key}.runtime", f"Time on battery of {what}", "s", 0, 0, 1_000_000)
    yield number(f"{key}.load", f"Load of {what}", "%", 0, 0, 999)


MODULES: tuple[tuple[Reading, ...], ...] = (
    tuple(each for count in range(1, SENSORS + 1) for each in _sensor(count)),
    tuple(each for count in range(1, PACKS + 1) for each in _pack(count)),
    tuple(each for count in range(1, PEERS + 1) for each in _peer(count)),
)
"""In the order in which a page lists them."""
