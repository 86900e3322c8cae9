"""Simulated UPS for tests and for `make run`: physics, the device's side of the wire, and faults on command.

They share no code with the card's software, so that they are an independent witness of its drivers.
`Simulator` runs one in this process; `python -m simulators` runs one of its own; `simulators.control` steers it.
"""

from .server import Simulator

__all__ = ["Simulator"]
