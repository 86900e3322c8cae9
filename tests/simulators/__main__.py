"""Command line of the simulators: `python -m simulators megatec --link build/run/dev/ttySIM --control build/run/sim.sock`.

Prints one line when it is ready, runs until SIGTERM or SIGINT, then removes its link and its socket.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from .channels import SimulatorError
from .designs import DESIGNS, MODBUS_KINDS, NETWORK_DESIGNS
from .server import Simulator


def parser() -> argparse.ArgumentParser:
    """Return the command line's description."""
    result = argparse.ArgumentParser(prog="python -m simulators", description="A simulated UPS on a pty.")
    result.add_argument("kind", choices=[*DESIGNS, *NETWORK_DESIGNS], help="which UPS")
    result.add_argument("--link", type=Path, help="where to link the pty; without it there is none")
    result.add_argument(
        "--tcp", type=int, metavar="PORT", help="serve the same bytes on 127.0.0.1:PORT too (SNMP: UDP)"
    )
    result.add_argument(
        "--control", type=Path, required=True, metavar="SOCKETPATH", help="unix socket for steering words"
    )
    result.add_argument("--speed", type=float, default=1.0, metavar="N", help="simulated seconds per second (1)")
    result.add_argument("--baud", type=int, metavar="N", help="line speed; 0 answers at once (2400 or 9600)")
    result.add_argument("--parity", choices=("N", "E", "O"), default="N", help="parity of the line (N)")
    result.add_argument("--strict", action="store_true", help="a client at another speed gets, and sends, noise")
    result.add_argument("--paced", action="store_true", help="send answers character by character")
    result.add_argument("--phases", type=int, choices=(1, 3), default=1, help=f"3 for {', '.join(MODBUS_KINDS)} (1)")
    result.add_argument("--address", type=int, default=1, metavar="N", help="Modbus address (1)")
    result.add_argument("--seed", type=int, default=1, metavar="N", help="seed of mains wander and line noise (1)")
    return result


def main(arguments: list[str]) -> int:
    """Run one simulator; returns the exit code: 0 after a signal, 1 when it cannot be set up, 2 on wrong use."""
    options = parser().parse_args(arguments)
    if options.link is None and options.tcp is None:
        sys.stderr.write("a simulator needs --link or --tcp\n")
        return 2
    if options.speed < 0.0 or (options.baud or 0) < 0 or not 1 <= options.address <= 247:
        sys.stderr.write("speed and baud must not be negative, an address is 1 to 247\n")
        return 2
    try:
        simulator = Simulator(**vars(options))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2

    def ready() -> None:
        sys.stdout.write(
            f"simulated {options.kind} UPS at {options.link or f'127.0.0.1:{simulator.tcp_port}'}, steered at {options.control}\n"
        )
        sys.stdout.flush()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: simulator.stop())
    try:
        simulator.run(ready)
    except SimulatorError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
