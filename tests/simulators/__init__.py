"""Simulated UPS for tests and for `make run`: physics, the device's side of the wire, and faults on command.

The physics, Megatec and the first Modbus maps share no code with the card's software: they are independent witnesses of its
drivers. The dialects are rendered from the card's own declarations (`declared.py`); their witness is Network UPS Tools.
`Simulator` runs one in this process; `python -m simulators` runs one of its own; `simulators.control` steers it.
"""

from .server import Simulator

__all__ = ["Simulator"]
