"""A GSM modem on a pty, for tests: SIM card with PIN, network, short messages in PDU mode. `gammu` and `smsd` take it for one.

with GsmModem(link) as modem:
    modem.registration = 2          # searching
    modem.arrive("+8613912345678", "STATUS")
    modem.hold = True               # the next message is answered when release() is called
"""

from __future__ import annotations

import os
import re
import selectors
import threading
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from .channels import READ_SIZE, PtyChannel

OK: Final = "OK"
CTRL_Z, ESCAPE = b"\x1a", b"\x1b"
FIXED: Final = {
    "": "", "Z": "", "&F": "", "I": "Simulated GSM modem", "+CGMI": "SIMCOM_Ltd", "+CGMM": "SIMCOM_SIM800C",
    "+CGMR": "Revision:1418B05SIM800C24", "+CGSN": "861234567890123", "+CFUN?": "+CFUN: 1", "+CSCS?": '+CSCS: "GSM"',
    "+CSCS=?": '+CSCS: ("IRA","GSM","UCS2")', "+CSMS?": "+CSMS: 1,1,1,1", "+CSMS=?": "+CSMS: (0-1)", "+CMGF=?": "+CMGF: (0,1)",
    "+CPMS=?": '+CPMS: ("SM"),("SM"),("SM")', "+CNMI=?": "+CNMI: (0-3),(0-3),(0,2,3),(0-2),(0,1)",
    "+CSCA?": '+CSCA: "+8613800100500",145',
}  # fmt: skip
TAKEN: Final = ("+CMEE=", "+CSCS=", "+CSMS=", "+CNMI=", "+CREG=", "+CFUN=", "+CSCA=", "+CMMS=", "+COPS=")
"""Settings that it takes and that change nothing here."""


def swapped(digits: str) -> str:
    """Half octets in the order of the wire."""
    even = digits + "F" * (len(digits) % 2)
    return "".join(even[place : place + 2][::-1] for place in range(0, len(even), 2))


class GsmModem:
    """The modem. Attributes may be changed at any time; `sent` holds what the network took, as PDU texts."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.pin = ""
        self.unlocked = False
        self.tries_left = 3
        self.pins_given: list[str] = []
        self.sim = True
        self.card = "89860012345678901234"
        self.registration = 1
        self.lte = False
        self.operator = "CHINA MOBILE"
        self.signal = 21
        self.mute = False
        self.hold = False
        self.refusals: deque[int] = deque()
        """Errors (+CMS) that the next messages meet; 0 takes one, a negative number is an error of the modem (+CME)."""
        self.reporting = False
        """Whether reports of delivery are passed on (AT+CNMI=...,1,...)."""
        self.reports = True
        """Whether this modem can do that."""
        self.sent: list[str] = []
        self.waiting: dict[int, str] = {}
        self.asked: list[str] = []
        self._echo = True
        self._text_mode = True
        self._prompt = 0
        self._buffer = b""
        self._held = b""
        self._reference = 0
        self._channel: PtyChannel | None = None
        self._woken, self._wake = os.pipe()
        self._jobs: deque[tuple[str, threading.Event]] = deque()
        self._thread = threading.Thread(target=self._serve, name="gsm-modem", daemon=True)
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self._channel = PtyChannel(self.link, None)  # type: ignore[arg-type] - it has no line of a UPS
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._do("stop")
        self._thread.join()
        os.close(self._wake)
        os.close(self._woken)

    # ---- what tests do to it

    def release(self) -> None:
        """Send the answer that was held back."""
        self._do("release")

    def unplug(self) -> None:
        """The port disappears."""
        self._do("unplug")

    def replug(self) -> None:
        """It is there again, the modem switched on anew."""
        self._do("replug")

    def restart(self) -> None:
        """It loses power for a moment: echo, text mode and a locked SIM card again."""
        self._echo, self._text_mode, self.unlocked, self._prompt, self._buffer = True, True, False, 0, b""

    def arrive(self, sender: str, text: str, stamp: str = "26112114290000") -> None:
        """A message comes in, in UCS-2."""
        digits = sender.lstrip("+")
        data = text.encode("utf-16-be")
        kind = "91" if sender.startswith("+") else "81"
        pdu = f"0004{len(digits):02X}{kind}{swapped(digits)}0008{swapped(stamp)}{len(data):02X}{data.hex().upper()}"
        self.arrive_pdu(pdu)

    def arrive_pdu(self, pdu: str) -> None:
        """A message comes in as it stands."""
        self.waiting[max(self.waiting, default=0) + 1] = pdu

    def report(self, reference: int, status: int) -> None:
        """The network says what became of the message with this reference (its place in `sent`, counted from 1)."""
        self._do(f"report {reference} {status}")

    def wait_held(self, patience_s: float = 30.0) -> None:
        """Wait until the answer to a message is held back."""
        with self._changed:
            assert self._changed.wait_for(lambda: bool(self._held), patience_s), "no message came"

    # ---- the loop

    def _do(self, job: str) -> None:
        done = threading.Event()
        self._jobs.append((job, done))
        os.write(self._wake, b"!")
        assert done.wait(10)

    def _serve(self) -> None:
        while True:
            with selectors.DefaultSelector() as selector:
                selector.register(self._woken, selectors.EVENT_READ)
                if self._channel is not None:
                    selector.register(self._channel, selectors.EVENT_READ)
                ready = [key.fd for key, _ in selector.select()]
            if self._woken in ready:
                os.read(self._woken, READ_SIZE)
                while self._jobs:
                    job, done = self._jobs.popleft()
                    self._carry_out(job)
                    done.set()
                    if job == "stop":
                        return
            elif self._channel is not None:
                self._take(self._channel.receive() or b"")

    def _carry_out(self, job: str) -> None:
        if job in ("stop", "unplug") and self._channel is not None:
            self._channel.close()
            self._channel = None
        elif job == "replug":
            self.restart()
            self._channel = PtyChannel(self.link, None)  # type: ignore[arg-type]
        elif job.startswith("report "):
            self._report(*map(int, job.split()[1:]))
        elif job == "release":
            self._send(self._held)
            self.hold, self._held = False, b""

    def _send(self, data: bytes) -> None:
        if self._channel is not None and not self.mute:
            self._channel.send(data)

    def _take(self, data: bytes) -> None:
        self._buffer += data
        while self._buffer:
            if self._prompt:
                end = min((place for place in map(self._buffer.find, (CTRL_Z, ESCAPE)) if place >= 0), default=-1)
                if end < 0:
                    return
                typed, mark, self._buffer = self._buffer[:end], self._buffer[end : end + 1], self._buffer[end + 1 :]
                length, self._prompt = self._prompt, 0
                self._finish_message(typed.decode("ascii"), length) if mark == CTRL_Z else self._say(OK)
            else:
                end = self._buffer.find(b"\r")
                if end < 0:
                    return
                line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
                if self._echo and line:
                    self._send(line + b"\r")
                self._command(line.strip(b"\n\x1b\x1a \0").decode("ascii", "replace"))

    def _say(self, *lines: str) -> None:
        self._send("".join(f"\r\n{line}\r\n" for line in lines if line).encode("ascii"))

    def _report(self, reference: int, status: int) -> None:
        octets = bytes.fromhex(self.sent[reference - 1])
        submit = octets[1 + octets[0] :]
        if not self.reporting or not submit[0] & 0x20:
            return
        address = submit[2 : 4 + (submit[2] + 1) // 2]
        stamp = swapped("26112114290000")
        pdu = f"0006{reference:02X}{address.hex().upper()}{stamp}{stamp}{status:02X}"
        self._say(f"+CDS: {len(pdu) // 2 - 1}\r\n{pdu}")

    # ---- commands

    def _command(self, line: str) -> None:
        if line[:2].upper() != "AT":
            return
        self.asked.append(line)
        self._say(*self._answer(line[2:]))

    def _answer(self, word: str) -> list[str]:
        if word in ("E0", "E1"):
            self._echo = word == "E1"
            return [OK]
        if word in FIXED:
            return [FIXED[word], OK]
        if word.startswith("+CNMI=") and word.split(",")[3:4] == ["1"]:
            self.reporting = self.reports
            return [OK if self.reports else "+CMS ERROR: 303"]
        if word.startswith(TAKEN):
            return [OK]
        if word == "+CPIN?":
            return self._sim_state()
        if word.startswith("+CPIN="):
            return self._unlock(word[6:].strip('"'))
        if word == "+CCID":
            return [f"+CCID: {self.card}", OK] if self.sim and self.card else ["ERROR"]
        if word == "+CSQ":
            return [f"+CSQ: {self.signal},0", OK]
        if self._sim_state()[0] != "+CPIN: READY":
            return ["+CME ERROR: 11" if self.sim else "+CME ERROR: 10"]
        return self._with_sim(word)

    def _sim_state(self) -> list[str]:
        if not self.sim:
            return ["+CME ERROR: 10"]
        if not self.tries_left:
            return ["+CPIN: SIM PUK", OK]
        return ["+CPIN: READY" if self.unlocked or not self.pin else "+CPIN: SIM PIN", OK]

    def _unlock(self, given: str) -> list[str]:
        self.pins_given.append(given)
        self.unlocked = self.tries_left > 0 and given == self.pin
        self.tries_left = 3 if self.unlocked else max(0, self.tries_left - 1)
        return [OK if self.unlocked else "+CME ERROR: 16"]

    def _with_sim(self, word: str) -> list[str]:
        registered = self.registration in (1, 5)
        if word == "+CIMI":
            return ["460001234567890", OK]
        if word == "+CREG?":
            return [f"+CREG: 0,{0 if self.lte else self.registration}", OK]
        if word == "+CEREG?":
            return [f"+CEREG: 0,{self.registration}", OK] if self.lte else ["ERROR"]
        if word == "+COPS?":
            return [f'+COPS: 0,0,"{self.operator}"' if registered else "+COPS: 0", OK]
        if word.startswith("+CMGF="):
            self._text_mode = word != "+CMGF=0"
            return [OK]
        if word.startswith("+CPMS"):
            used = f"{len(self.waiting)},20"
            places = [f'"SM",{used}'] * 3 if word.endswith("?") else [used] * 3
            return [f"+CPMS: {','.join(places)}", OK]
        return self._messages(word)

    def _messages(self, word: str) -> list[str]:
        if found := re.fullmatch(r"\+CMGS=(\d+)", word):
            if self._text_mode:
                return ["+CMS ERROR: 304"]
            self._prompt = int(found[1])
            self._send(b"\r\n> ")
            return []
        if self._text_mode and word.startswith(("+CMGL=", "+CMGR=")):
            return ["+CMS ERROR: 302"]
        if word == "+CMGL=4":
            listed = [f"+CMGL: {place},0,,{len(pdu) // 2 - 1}\r\n{pdu}" for place, pdu in sorted(self.waiting.items())]
            return [*listed, OK]
        if found := re.fullmatch(r"\+CMGR=(\d+)", word):
            pdu = self.waiting.get(int(found[1]))
            return [f"+CMGR: 0,,{len(pdu) // 2 - 1}\r\n{pdu}", OK] if pdu else ["+CMS ERROR: 321"]
        if found := re.fullmatch(r"\+CMGD=(\d+)(,0)?", word):
            return [OK] if self.waiting.pop(int(found[1]), None) is not None else ["+CMS ERROR: 321"]
        return ["ERROR"]

    def _finish_message(self, typed: str, length: int) -> None:
        pdu = typed.strip()
        octets = bytes.fromhex(pdu)
        if len(octets) - 1 - octets[0] != length or octets[1 + octets[0]] & 3 != 1:
            self._say("+CMS ERROR: 304")
            return
        if self.registration not in (1, 5):
            self._say("+CMS ERROR: 331")
            return
        error = self.refusals.popleft() if self.refusals else 0
        if error:
            self._say(f"+CMS ERROR: {error}" if error > 0 else f"+CME ERROR: {-error}")
            return
        self.sent.append(pdu)
        self._reference = self._reference % 255 + 1
        answer = f"\r\n+CMGS: {self._reference}\r\n\r\nOK\r\n".encode("ascii")
        if self.hold:
            with self._changed:
                self._held = answer
                self._changed.notify_all()
        else:
            self._send(answer)
