"""A GSM modem by its AT commands (3GPP TS 27.007, and TS 27.005 for short messages, in PDU mode).

A command ends with CR; what comes back are lines, the last of which says how it went. Between them the modem may say things
nobody has asked for: a line counts only if it begins as the answer to the question does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass

from istars.drivers.link import shown
from istars.drivers.modem.pdu import Pdu, Report, status_report
from istars.drivers.transport import Transport
from istars.errors import BadAnswer, CommandRefused, NoAnswer

HELLO_TRIES = 3
"""The first AT may be lost: a modem measures the baud rate by it, or wakes up."""
ABORT, END = b"\x1b", b"\x1a"
LONGEST_LINE = 4096

CME, CMS = "CME", "CMS"
"""Errors of the modem and its SIM card, and errors of messages: the same numbers mean other things."""
INCORRECT_PASSWORD, NO_SIM, PIN_WANTED, PUK_WANTED, SIM_BUSY = 16, 10, 11, 12, 14

SIM_STATES: Mapping[str, str] = {"READY": "ready", "SIM PIN": "pin-wanted", "SIM PUK": "puk-wanted"}
SIM_ERRORS: Mapping[int, str] = {
    NO_SIM: "no-sim", PIN_WANTED: "pin-wanted", PUK_WANTED: "puk-wanted", SIM_BUSY: "starting",
}  # fmt: skip
REGISTRATIONS: Mapping[int, str] = {
    0: "none", 1: "home", 2: "searching", 3: "denied", 4: "unknown", 5: "roaming", 6: "home", 7: "roaming",
}  # fmt: skip
"""Of 27.007 section 7.2; 6 and 7 are registered for short messages only."""

CAUSES: Mapping[int, str] = {
    1: "the number does not exist",
    8: "the operator bars messages",
    10: "the SIM card may not send messages",
    17: "the network has failed",
    21: "the network rejects the message; there may be no credit",
    22: "the network is congested",
    27: "the telephone cannot be reached",
    28: "the number is not known",
    29: "the subscriber may not receive messages now",
    30: "the number is not known",
    38: "the network is out of order",
    41: "the network has failed for the moment",
    42: "the network is congested",
    47: "the network has no room",
    50: "the SIM card's contract has no messages",
    69: "the network has no messages",
    302: "the modem does not allow it now",
    304: "the modem does not accept the message",
    305: "the modem does not accept the text",
    310: "there is no SIM card",
    311: "the SIM card wants its PIN",
    313: "the SIM card has failed",
    314: "the SIM card is busy",
    316: "the SIM card wants its PUK",
    321: "there is no message of this number",
    322: "the memory for messages is full",
    330: "the number of the message centre is not known",
    331: "there is no network",
    332: "the network does not answer in time",
    500: "the modem does not say why",
}
"""Errors of +CMS ERROR in words: below 128 the network's (TS 24.011 annex E), from 300 the modem's (27.005 section 3.2.5)."""

RECIPIENT_CAUSES = frozenset({1, 27, 28, 29, 30, 304, 305})
"""Those that say something about one message or its recipient, and nothing about the next one."""
FINAL_CAUSES = frozenset({1, 28, 30, 304, 305})
"""Those that another try does not change."""

_FINAL = re.compile(rb"(OK|ERROR|\+(CM[ES]) ERROR: *(.*)|NO CARRIER|COMMAND NOT SUPPORT)")


@dataclass(frozen=True, slots=True)
class Times:
    """Longest waits in seconds: for the answer to AT, to any other command, for the network to take a message.

    `quiet_s` is how long a modem must be silent to have nothing more to say.
    """

    hello_s: float = 1.0
    answer_s: float = 10.0
    send_s: float = 60.0
    quiet_s: float = 0.3


class Refused(CommandRefused):
    """The modem answered a command with an error. `code` is its number, None where it gave none."""

    def __init__(self, command: str, said: str, family: str = "", code: int | None = None) -> None:
        self.code = code
        self._message_code = code if family == CMS and code is not None else -1
        cause = CAUSES.get(self._message_code)
        super().__init__(f"{cause} ({said})" if cause else f"the modem refuses {command}: {said}")

    @property
    def of_recipient(self) -> bool:
        """Whether other messages may get through."""
        return self._message_code in RECIPIENT_CAUSES

    @property
    def final(self) -> bool:
        """Whether another try is of no use."""
        return self._message_code in FINAL_CAUSES


class Modem:
    """One modem over one transport. Every method raises LinkError where it does not answer, Refused where it refuses."""

    def __init__(self, transport: Transport, times: Times | None = None) -> None:
        self._transport = transport
        self._times = times or Times()
        self._reports: list[Report] = []
        self._report_follows = False

    def open(self) -> None:
        """Open the port and find a modem there."""
        self._transport.open()
        # A program that was killed while it typed a message has left the modem at its prompt.
        self._transport.write(ABORT + b"\r")
        for attempt in range(1, HELLO_TRIES + 1):
            try:
                self._ask("AT", timeout_s=self._times.hello_s)
            except (NoAnswer, BadAnswer, Refused) as problem:
                if attempt < HELLO_TRIES:
                    continue
                if isinstance(problem, Refused):
                    raise BadAnswer(f"{self._transport.where}: {problem}") from problem
                raise
            break
        # What was answered may have been the end of the message that was called back: each OK would be one too early then.
        while self._transport.read(1, time.monotonic() + self._times.quiet_s):
            pass

    def close(self) -> None:
        """Give the port back."""
        self._transport.close()

    def prepare(self) -> None:
        """Set what a modem forgets when it is switched off: no echo, errors by number."""
        self._ask("ATE0")
        self._optional("AT+CMEE=1")

    def prepare_messages(self) -> None:
        """The same for messages, which some modems take only with an open SIM card.

        They stand as PDU, those that come in are kept, and reports of delivery are said at once.
        """
        self._ask("AT+CMGF=0")
        # Reports need no acknowledgement then (27.005 section 3.4.4); a modem that lacks them is still told to keep the rest.
        self._optional("AT+CSMS=0")
        try:
            self._ask("AT+CNMI=2,1,0,1,0")
        except Refused:
            self._optional("AT+CNMI=2,1,0,0,0")

    def identity(self) -> str:
        """Maker and model."""
        return " ".join(filter(None, (self._optional("AT+CGMI"), self._optional("AT+CGMM"))))[:80]

    def sim(self) -> tuple[str, str]:
        """State of the SIM card, as `istars.modem.state` says it, and the modem's own words."""
        try:
            said = self._value("AT+CPIN?", "+CPIN:")
        except Refused as problem:
            return SIM_ERRORS.get(problem.code or -1, "sim-failed"), str(problem)
        return SIM_STATES.get(said, "sim-failed"), said

    def card(self) -> str:
        """Number of the SIM card (ICCID), which can be read without the PIN; empty where this modem does not tell it."""
        for command in ("AT+CCID", "AT+ICCID", "AT+QCCID"):
            found = re.search(r"\d{18,20}", self._optional(command))
            if found:
                return found[0]
        return ""

    def unlock(self, pin: str) -> None:
        """Give the SIM card its PIN. Three wrong ones lock it: the caller sees to it that none is given twice."""
        try:
            self._ask(f'AT+CPIN="{pin}"')
        except Refused as problem:
            # Its words hold the command, and that the PIN.
            raise Refused("the PIN", f"error {problem.code}", CME, problem.code) from None

    def registration(self) -> str:
        """How it is registered in a network, as `istars.modem.registration` says it."""
        found = self._registered("CREG")
        # In a network without 2G and 3G it is registered for data only.
        return found if found in ("home", "roaming") else self._lte() or found

    def _registered(self, name: str) -> str:
        said = re.fullmatch(r"\d, *(\d+).*", self._value(f"AT+{name}?", f"+{name}:"))
        return REGISTRATIONS.get(int(said[1]), "unknown") if said else "unknown"

    def _lte(self) -> str:
        try:
            found = self._registered("CEREG")
        except (Refused, BadAnswer):
            return ""
        return found if found in ("home", "roaming") else ""

    def operator(self) -> str:
        """Name or number of the network; empty where there is none."""
        found = re.search(r'"([^"]*)"', self._optional("AT+COPS?"))
        return found[1].strip() if found else ""

    def signal(self) -> int | None:
        """Strength of the signal in dBm; None where it is not known."""
        found = re.search(r"\+CSQ: *(\d+)", self._optional("AT+CSQ"))
        return -113 + 2 * int(found[1]) if found and int(found[1]) <= 31 else None

    def send(self, pdu: Pdu) -> int:
        """Send one message part and answer the reference that the network gave it."""
        command = f"AT+CMGS={pdu.octets}"
        self._write(command)
        buffer, until = b"", time.monotonic() + self._times.answer_s
        while not buffer.rstrip(b" ").endswith(b">"):
            chunk = self._transport.read(1, until)
            if not chunk:
                self._transport.write(ABORT)
                raise NoAnswer(f"{self._transport.where} does not ask for the message after {command}")
            buffer += chunk
            for line in buffer.split(b"\n")[:-1]:
                self._judge(line.strip(), command)
        for line in buffer.split(b"\n"):
            self._notice(line.strip())
        self._transport.write(pdu.hex.encode("ascii") + END)
        for answer in self._lines(command, self._times.send_s):
            found = re.fullmatch(r"\+CMGS: *(\d+).*", answer)
            if found:
                return int(found[1])
        raise BadAnswer(f"{self._transport.where} gives no reference for the message")

    def received(self) -> list[tuple[int, str]]:
        """Messages that wait in the modem: place and PDU."""
        found, place = [], None
        for line in self._ask("AT+CMGL=4"):
            head = re.match(r"\+CMGL: *(\d+),", line)
            if head:
                place = int(head[1])
            elif place is not None and re.fullmatch(r"[0-9A-Fa-f]+", line):
                found.append((place, line))
                place = None
        return found

    def reports(self) -> list[Report]:
        """Reports of delivery that have come since the last call."""
        self._overhear()
        found, self._reports = self._reports, []
        return found

    def delete(self, place: int) -> None:
        """Forget the message at `place`."""
        self._ask(f"AT+CMGD={place}")

    def _value(self, command: str, prefix: str) -> str:
        """What stands behind `prefix` in the answer."""
        for line in self._ask(command):
            if line.startswith(prefix):
                return line.removeprefix(prefix).strip()
        raise BadAnswer(f"{self._transport.where} does not answer {command}")

    def _optional(self, command: str) -> str:
        """First line of the answer to a command that not every modem has; empty where it has not."""
        try:
            lines = self._ask(command)
        except Refused:
            return ""
        wanted = "+" + command.removeprefix("AT+").rstrip("?") + ":"
        return next((line for line in lines if line.startswith(wanted)), lines[0] if lines else "")

    def _ask(self, command: str, timeout_s: float | None = None) -> list[str]:
        """Give a command and answer the lines that come before its OK."""
        self._write(command)
        return self._lines(command, timeout_s or self._times.answer_s)

    def _overhear(self) -> None:
        """What the modem has said unasked: reports of delivery count, all else is forgotten."""
        said = b""
        while chunk := self._transport.read(1, time.monotonic()):
            said += chunk
        for line in said[-LONGEST_LINE:].split(b"\n"):
            self._notice(line.strip(b"\r \0"))

    def _notice(self, line: bytes) -> bool:
        """Whether `line` belongs to a report of delivery: +CDS, and its PDU on the next line."""
        if line.startswith(b"+CDS:"):
            self._report_follows = True
            return True
        if not self._report_follows or not line:
            return False
        self._report_follows = False
        try:
            self._reports.append(status_report(line.decode("ascii", "replace")))
        except ValueError:
            return False
        return True

    def _write(self, command: str) -> None:
        self._overhear()
        self._transport.discard()
        self._transport.write(command.encode("ascii") + b"\r")

    def _lines(self, command: str, timeout_s: float) -> list[str]:
        buffer, until, lines = b"", time.monotonic() + timeout_s, list[str]()
        seen = b""
        while chunk := self._transport.read(1, until):
            seen = (seen + chunk)[-LONGEST_LINE:]
            *whole, buffer = (buffer + chunk)[-LONGEST_LINE:].split(b"\n")
            for raw in whole:
                line = raw.strip(b"\r \0")
                if self._notice(line):
                    continue
                if self._judge(line, command):
                    return lines
                text = line.decode("ascii", "replace")
                if text and text != command:
                    lines.append(text)
        asked, given = command.partition("=")[::2]
        # What comes back may be the echo of a PIN, which must not get into a log.
        if seen.strip() and not given and not seen.strip().startswith(command.encode("ascii")):
            raise BadAnswer(f"{self._transport.where} answered {asked} with {shown(seen.strip())}")
        raise NoAnswer(f"no answer from {self._transport.where} to {asked} within {timeout_s:g} s")

    def _judge(self, line: bytes, command: str) -> bool:
        """Whether `line` ends the answer well; raises Refused if it ends it otherwise."""
        final = _FINAL.fullmatch(line)
        if final is None:
            return False
        if line == b"OK":
            return True
        family, number = (final[2] or b"").decode("ascii"), (final[3] or b"").strip()
        # Some say it in words although numbers were asked for.
        code = int(number) if number.isdigit() else NO_SIM if b"not inserted" in number else None
        raise Refused(command.partition("=")[0], line.decode("ascii", "replace"), family, code)
