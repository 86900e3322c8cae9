"""Finds out what is at the other end of a port: protocol x speed x parity, the most likely first.

In: a device name. Out: after every question how far it is, at the end what was found, and all that was seen on the wire.

Only questions are sent: a bare CR, queries of status and identity, and reads of Modbus registers. Nothing here can change the
state of a UPS. Each line setting is first tried with one text question and one Modbus question; whatever answers intelligibly
there, even by an echo or a refusal, is then asked who it is. Where nothing did, all is
tried again more patiently, with every question for the likeliest settings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from istars.drivers.framing import read_pdu, rtu, rtu_frame, text_lines
from istars.drivers.identify import best_map, matching_text
from istars.drivers.item import Line, Query, Table
from istars.drivers.link import shown
from istars.drivers.transport import Transport, transport_for
from istars.drivers.ups.megatec import Q1

RATES = (2400, 9600, 19200, 4800, 1200)
PARITIES = ("N", "E", "O")

FIRST_S, PATIENT_S = 0.3, 1.2
"""How long a device may think before its answer begins: in the first round, and in the second."""

LIKELY = 3
"""Settings of the line with which the second round asks all questions, whether or not there was an answer to the first."""

PAUSE_S = 0.06
"""An answer that has begun is over after such a silence and the time of three characters."""

LONGEST = 256
TEXT_SHARE = 0.9
"""Part of a line that must be printable to count as that of a text device."""

Opener = Callable[[str, Line], Transport]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and all that came back, as bytes, with the settings of the line."""

    baud: int
    parity: str
    sent: bytes
    came: bytes

    def __str__(self) -> str:
        said = f"answered {shown(self.came)}" if self.came else "was silent"
        return f"{self.baud} baud, parity {self.parity}: {shown(self.sent)} {said}"


@dataclass(frozen=True, slots=True)
class Found:
    """What answered: protocol and line settings."""

    protocol: str
    title: str
    baud: int
    parity: str


@dataclass(slots=True)
class Detection:
    """How far a detection is. `answers` are the exchanges in which something came back, newest last; `found` ends it."""

    device: str
    done: int = 0
    total: int = 1
    doing: str = ""
    found: Found | None = None
    answers: list[Exchange] = field(default_factory=list)

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        return 100 if self.found else min(99, 100 * self.done // self.total)


def lines_for(device: str, first: tuple[int, str] | None = None) -> list[Line]:
    """Line settings in the order in which they are tried; the one that worked last comes first. A network has none."""
    if not device.startswith("/"):
        return [Line()]
    settings = [(baud, parity) for parity in PARITIES for baud in RATES]
    if first in settings:
        settings.remove(first)
        settings.insert(0, first)
    return [Line(baud=baud, parity=parity, dtr=True, rts=False) for baud, parity in settings]


def detect(
    device: str, address: int = 1, first: tuple[int, str] | None = None, opener: Opener = transport_for
) -> Iterator[Detection]:
    """Look for a device; the state of the search after every question, the last of them with what was found, if anything.

    Raises PortError when the port cannot be used.
    """
    state = Detection(device)
    lines = lines_for(device, first)
    state.total = 4 * len(lines)
    for wait_s in (FIRST_S, PATIENT_S):
        for place, line in enumerate(lines):
            prober = Prober(opener(device, line), line, state, wait_s)
            try:
                yield from _try(prober, state, address, everything=wait_s == PATIENT_S and place < LIKELY)
            finally:
                prober.close()
            if state.found:
                return


def _try(prober: Prober, state: Detection, address: int, everything: bool) -> Iterator[Detection]:
    """Text, then Modbus, with one setting of the line."""
    line = prober.line
    state.doing = f"{line.baud} baud, parity {line.parity}" if state.device.startswith("/") else state.device
    name = None
    if prober.hears_text() or everything:
        yield state
        name = matching_text(prober.answers)
        if prober.belated:
            name = matching_text(prober.answers)
    state.done += 1
    yield state
    if name is None and prober.hears_modbus(address):
        yield state
        name = best_map(prober.transport, line, address)
    state.done += 1
    if name is not None:
        state.found = Found(name.name, name.title, line.baud, line.parity)
    yield state


class Prober:
    """Asks questions with one setting of the line, and keeps what came back."""

    def __init__(self, transport: Transport, line: Line, state: Detection, wait_s: float) -> None:
        self.transport, self.line = transport, line
        self._state, self._wait_s = state, wait_s
        self._byte_s = (10 + (line.parity != "N")) / line.baud
        self._text: dict[bytes, bytes] = {}
        self._silent: dict[bytes, Query] = {}
        self.belated = False
        transport.open()

    def close(self) -> None:
        """Give the port back."""
        self.transport.close()

    def hears_text(self) -> bool:
        """Whether a device that speaks lines of text is there: it answers Q1, echoes it or refuses it."""
        # The CR ends whatever an earlier question in another protocol or at another speed has left behind in the device.
        came = self._exchange(b"\r" + Q1.send + b"\r", lambda data: bool(self._lines(data, Q1)))
        self._text[Q1.send] = came
        return _is_text(came)

    def answers(self, query: Query) -> bool:
        """Whether `query` is answered in its shape; each question is sent once."""
        if query.send not in self._text:
            # An echo or a refusal ends the wait as well as an answer.
            came = self._exchange(query.send + b"\r", lambda data: any(not self._late(line) for line in _ended(data)))
            own = [line for line in _ended(came) if not self._late(line)]
            for line in _ended(came):
                self._settle(line)
            self._text[query.send] = b"".join(line + b"\r" for line in own)
            if not own:
                self._silent[query.send] = query
        return bool(self._lines(self._text[query.send], query))

    def _late(self, line: bytes) -> bool:
        """Whether `line` belongs to an earlier question, whose answer did not come in time: its echo, or what it asks for."""
        return any(line == send or query.answer.fullmatch(line) for send, query in self._silent.items())

    def _settle(self, line: bytes) -> None:
        """Put a late answer where it belongs."""
        for send, query in list(self._silent.items()):
            if line == send or query.answer.fullmatch(line):
                self._text[send] = line + b"\r"
                del self._silent[send]
                self.belated = True

    @staticmethod
    def _lines(data: bytes, query: Query) -> list[bytes]:
        return [line for line in text_lines(data)[0] if query.answer.fullmatch(line)]

    def hears_modbus(self, address: int) -> bool:
        """Whether a Modbus device with this address answers: a register, or an exception."""
        request = rtu(address, read_pdu(Table.INPUT, 0, 1))

        def whole(data: bytes) -> bool:
            used, frame = rtu_frame(data, request)
            # A line that echoes repeats the request before the answer.
            return frame is not None and (frame != request or whole(data[used:]))

        return whole(self._exchange(request, whole))

    def _exchange(self, request: bytes, complete: Callable[[bytes], bool]) -> bytes:
        """Send and take what comes until it is complete, or is over."""
        self.transport.discard()
        self.transport.write(request)
        until = time.monotonic() + len(request) * self._byte_s + self._wait_s
        came = b""
        while len(came) < LONGEST and not complete(came):
            chunk = self.transport.read(1, until)
            if not chunk:
                break
            came += chunk
            # A late answer to an earlier question says nothing about when that to this one comes.
            if not (came.endswith(b"\r") and all(self._late(line) for line in _ended(came))):
                until = time.monotonic() + PAUSE_S + 3 * self._byte_s
        if came:
            self._state.answers.append(Exchange(self.line.baud, self.line.parity, request, came))
        return came


def _ended(data: bytes) -> list[bytes]:
    """The whole lines in `data`, without their ends."""
    return data.split(b"\r")[:-1]


def _is_text(came: bytes) -> bool:
    """Whether the last line of what came is one that a text device says; an echo of what was left behind may precede it."""
    lines = [line for line in text_lines(came)[0] if len(line) > 1]
    return bool(lines) and sum(32 <= byte < 127 for byte in lines[-1]) >= TEXT_SHARE * len(lines[-1])


def outcome(state: Detection) -> str:
    """What a detection brought, in one sentence."""
    if state.found:
        found = state.found
        how = f" at {found.baud} baud, parity {found.parity}" if state.device.startswith("/") else ""
        return f"{found.title} on {state.device}{how}"
    if state.answers:
        return f"nothing that is known answers on {state.device}; the last thing seen: {state.answers[-1]}"
    return f"nothing answers on {state.device}"


def as_json(state: Detection) -> dict[str, object]:
    """The detection for who shows it: bytes as hexadecimal text, and as the words in which a message shows them."""
    found = state.found
    return {
        "device": state.device,
        "percent": state.percent,
        "doing": state.doing,
        "found": None
        if found is None
        else {"protocol": found.protocol, "title": found.title, "baud": found.baud, "parity": found.parity},
        "answers": [
            {
                "baud": one.baud,
                "parity": one.parity,
                "sent": one.sent.hex(" "),
                "came": one.came.hex(" "),
                "text": str(one),
            }
            for one in state.answers[-50:]
        ],
    }
