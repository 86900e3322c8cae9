r"""The device side of plain Megatec ("Q1"): ASCII at 2400 8N1, commands and answers end with CR.

In: one command with its CR; out: the answer, or nothing for a command that is obeyed (this dialect never says yes),
or the command itself when it is unknown. Facts: Megatec protocol text, NUT's notes on `nutdrv_qx`.

              1         2         3         4
    01234567890123456789012345678901234567890123456
    (MMM.M NNN.N PPP.P QQQ RR.R S.SS TT.T 76543210\r    Q1: input, transfer, output V; load %; Hz; battery; C; bits
    #MMM.M QQQ SS.SS RR.R\r                             F: rated V, A, battery V, Hz
    #---company----- --model--- -version--\r            I

Bits: 7 utility fails, 6 battery low, 5 bypass or regulator active, 4 UPS failed (or its last battery test did),
3 line-interactive, 2 test running, 1 shutdown pending, 0 beeper on.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from .physics import Ups

BAUD: Final = 2400
# A real EAST-built unit answers F and I like this (networkupstools issue 307).
BLANK: Final = {"F": b"#   .        .     . \r", "I": b"#                           V2.8      \r"}
LONGEST_COMMAND: Final = 32
SHUTDOWN: Final = re.compile(r"S(\.[2-9]|0[0-9]|10)(?:R([0-9]{4}))?")
TIMED_TEST: Final = re.compile(r"T([0-9]{2})")


class Megatec:
    """A Megatec unit in front of `ups`. `blank` names the queries (F, I) it answers without content."""

    baud: Final = BAUD
    silence_s: Final = 0.0
    thinking_s: Final = 0.03
    # What is said to a command that was obeyed, and to one that is unknown (None: it comes back as it was sent).
    accepted = b""
    refused: bytes | None = None

    def __init__(self, ups: Ups) -> None:
        self.ups = ups
        self.blank: set[str] = set()
        self.changes: list[bytes] = []
        self._queries: dict[str, Callable[[], bytes]] = {
            "Q1": self._status,
            "D": self._status,
            "F": self._ratings,
            "I": self._identity,
        }
        self._commands: dict[str, Callable[[], object]] = {
            "T": lambda: ups.start_test("quick"),
            "TL": lambda: ups.start_test("deep"),
            "CT": ups.stop_test,
            "Q": self._toggle_beeper,
            "C": ups.cancel,
        }

    def split(self, buffer: bytes, quiet: bool) -> tuple[list[bytes], bytes]:
        """Cut what came in at its CRs: commands, and the rest to keep. Silence means nothing here."""
        *commands, rest = buffer.split(b"\r")
        return [command + b"\r" for command in commands], rest[-LONGEST_COMMAND:]

    def respond(self, request: bytes) -> bytes:
        """Answer one command; b"" when there is nothing to say."""
        text = request.decode("latin-1").strip("\r\n\0")
        if not text:
            return b""
        if text in self._queries:
            return BLANK[text] if text in self.blank else self._queries[text]()
        done = self._obey(text)
        if done is None:
            return request_back(text) if self.refused is None else self.refused
        self.changes.append(text.encode("latin-1"))
        return self.accepted if done or self.refused is None else self.refused

    def _obey(self, text: str) -> bool | None:
        """Carry out a command; whether the unit could, None for one that it does not know."""
        if text in self._commands:
            return self._commands[text]() is not False
        return True if self._timed_test(text) or self._shut_down(text) else None

    def _timed_test(self, text: str) -> bool:
        match = TIMED_TEST.fullmatch(text)
        if match is None or match[1] == "00":
            return False
        self.ups.start_test("timed", 60.0 * int(match[1]))
        return True

    def _shut_down(self, text: str) -> bool:
        """`S<n>`: back with the mains; `S<n>R<m>`: back m minutes later; `R0000`: stay off. n is minutes, `.n` tenths."""
        match = SHUTDOWN.fullmatch(text)
        if match is None:
            return False
        return_s = 0.0 if match[2] is None else 60.0 * int(match[2])
        stays_off = match[2] == "0000"
        self.ups.shut_down(60.0 * float(match[1]), None if stays_off else return_s)
        return True

    def _toggle_beeper(self) -> None:
        self.ups.beeper = not self.ups.beeper

    def _status(self) -> bytes:
        ups = self.ups
        fields = (
            f"{_held(ups.input_v, 999.9):05.1f}",
            f"{_held(ups.read_transfer_v(), 999.9):05.1f}",
            f"{_held(ups.output_v, 999.9):05.1f}",
            f"{_held(ups.shown_load_percent, 999):03.0f}",
            f"{_held(ups.input_hz, 99.9):04.1f}",
            self._battery_voltage(),
            f"{_held(ups.temperature_c, 99.9):04.1f}",
            self._bits(),
        )
        return ("(" + " ".join(fields) + "\r").encode("ascii")

    def _battery_voltage(self) -> str:
        """Online units give volts per cell `S.SS`, the others those of the whole pack `SS.S`."""
        battery = self.ups.battery
        if self.ups.design.topology == "online":
            return f"{_held(battery.voltage_v / battery.design.cells, 9.99):04.2f}"
        return f"{_held(battery.voltage_v, 99.9):04.1f}"

    def _bits(self) -> str:
        ups = self.ups
        bits = (
            ups.utility_fail,
            ups.battery.low,
            ups.source == "bypass" or (ups.source == "line" and ups.avr != "none"),
            ups.mode == "fault" or ups.test_result == "failed",
            ups.design.topology == "interactive",
            ups.test is not None,
            ups.pending is not None,
            ups.beeper,
        )
        return "".join("1" if bit else "0" for bit in bits)

    def _ratings(self) -> bytes:
        design = self.ups.design
        pack_v = 2.0 * design.battery.cells
        pack = f"{pack_v:05.2f}" if pack_v < 100.0 else f"{pack_v:05.1f}"
        amperes = design.rated_va / design.nominal_v
        return f"#{design.nominal_v:05.1f} {amperes:03.0f} {pack} {design.nominal_hz:04.1f}\r".encode("ascii")

    def _identity(self) -> bytes:
        design = self.ups.design
        return f"#{design.maker:<15.15} {design.model:<10.10} {design.firmware:<10.10}\r".encode("ascii")


def request_back(text: str) -> bytes:
    """The echo of a command that is unknown."""
    return text.encode("latin-1") + b"\r"


def _held(value: float, highest: float) -> float:
    """Keep a value inside the columns it has."""
    return min(max(value, 0.0), highest)
