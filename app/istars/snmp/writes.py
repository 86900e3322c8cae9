"""SET: checked as a whole, then commands to the UPS and settings of the card, with the answer when it is known what came of it.

All or nothing (RFC 3416, 4.2.5): every binding is judged before anything is done. Settings change at once; a command is a row of
the live table like everybody's, and the response waits until the UPS has done it or it is clear that it will not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from istars.errors import SettingsError
from istars.platform import clock
from istars.settings.groups import FIELDS
from istars.settings.store import change
from istars.snmp import ber, pdu
from istars.snmp.ber import BadEncoding, Oid, header
from istars.snmp.oids import SYSTEM, UPS, WELL_KNOWN_TESTS
from istars.snmp.pdu import (
    COMMIT_FAILED,
    INCONSISTENT_VALUE,
    NOT_WRITABLE,
    V1,
    WRONG_LENGTH,
    WRONG_TYPE,
    WRONG_VALUE,
    Request,
)
from istars.snmp.picture import Picture
from istars.snmp.state import ABORT, DEEP, GENERAL, QUICK
from istars.store import wake
from istars.store.audit import AuditRecord, Entry
from istars.store.live_commands import LiveCommand

log = logging.getLogger(__name__)

TARGET = "upslink"
PATIENCE_S = 6.0
"""How long a command may take; a manager has usually asked again by then, which is not done twice."""
WAITING_KEPT = 32
REBOOT_DELAY_S = 12
"""A reboot asks for no delay, but 12 s is the shortest that UPS protocols can say."""
TESTS = {ABORT: "test.battery.stop", GENERAL: "test.battery.start", QUICK: "test.battery.start.quick",
         DEEP: "test.battery.start.deep"}  # fmt: skip
BEEPERS = {1: "beeper.disable", 2: "beeper.enable", 3: "beeper.mute"}
TEST_ID, SPIN_LOCK = (*UPS, 7, 1, 0), (*UPS, 7, 2, 0)
SHUTDOWN_TYPE, SHUTDOWN, STARTUP, REBOOT, RESTART = ((*UPS, 8, number, 0) for number in range(1, 6))
LOW_BATTERY, BEEPER = (*UPS, 9, 7, 0), (*UPS, 9, 8, 0)
TEXTS: Mapping[Oid, tuple[str, int]] = {
    (*UPS, 1, 5, 0): ("system.name", 63),
    (*UPS, 1, 6, 0): ("snmp.attached", 63),
    (*SYSTEM, 4, 0): ("system.administrator", 255),
    (*SYSTEM, 5, 0): ("system.name", 255),
    (*SYSTEM, 6, 0): ("system.location", 255),
}
"""Texts that may be written: the option that holds them, and the greatest length of the MIB."""
VARIABLES: Mapping[Oid, tuple[str, int]] = {
    (*UPS, 9, 1, 0): ("input.voltage.nominal", 1),
    (*UPS, 9, 2, 0): ("input.frequency.nominal", 10),
    (*UPS, 9, 3, 0): ("output.voltage.nominal", 1),
    (*UPS, 9, 4, 0): ("output.frequency.nominal", 10),
    (*UPS, 9, 9, 0): ("input.transfer.low", 1),
    (*UPS, 9, 10, 0): ("input.transfer.high", 1),
}
"""Settings of the UPS itself: its variable, and how many of the MIB's units are one of the variable's."""
SET_VARIABLE = "istars.variable.set"
RANGES: Mapping[Oid, tuple[int, int]] = {
    SHUTDOWN_TYPE: (1, 1),
    SHUTDOWN: (-1, 2**31 - 1),
    STARTUP: (-1, 2**31 - 1),
    REBOOT: (-1, 300),
    RESTART: (1, 2),
    LOW_BATTERY: (0, 2**31 - 1),
    BEEPER: (1, 3),
    SPIN_LOCK: (0, 2**31 - 1),
    **dict.fromkeys(VARIABLES, (0, 2**31 - 1)),
}
"""Numbers that may be written, with what the MIB allows; of the types of shutdown, what any UPS here can do."""
DIGITS = (SHUTDOWN, STARTUP, REBOOT)
"""Where a string of digits stands for the number: Network UPS Tools writes its timers so."""


class Refused(Exception):
    """A binding cannot be set; `index` counts from 1."""

    def __init__(self, status: int, index: int) -> None:
        super().__init__(status, index)
        self.status, self.index = status, index


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: in words for the audit record, from where, and in which version."""

    who: str
    host: str
    version: int


@dataclass(slots=True)
class Work:
    """What a request comes to: options to change, at most one command, and what holds once it is done.

    `place` is the binding that the command comes from.
    """

    changes: dict[str, str] = field(default_factory=dict)
    command: str = ""
    arguments: dict[str, int | str] = field(default_factory=dict)
    place: int = 1
    after: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request whose command has been given."""

    asked: Request
    asker: Asker
    work: Work
    command: int
    answer: Callable[[bytes], None]


class Writer:
    """Carries out SETs. `settle` answers those whose command has ended."""

    def __init__(self, picture: Picture) -> None:
        self.picture, self.live, self.state = picture, picture.live, picture.state
        self.waiting: dict[tuple[str, str, bytes], Waiting] = {}
        self.settings_changed: Callable[[], None] = lambda: None
        self._audit = AuditRecord()

    def perform(self, asked: Request, asker: Asker, answer: Callable[[bytes], None]) -> None:
        """Do what is asked and answer; a request that came before and is still being worked on is not begun again."""
        key = (asker.host, asker.who, asked.id)
        if key in self.waiting:
            self.waiting[key] = Waiting(asked, asker, self.waiting[key].work, self.waiting[key].command, answer)
            return
        values = asked.varbinds
        try:
            work = self._judged(values)
            if work.changes and work.command:
                raise Refused(INCONSISTENT_VALUE, work.place)
            if work.changes:
                self._change(work, asker, len(values))
        except Refused as error:
            answer(pdu.refused(asker.version, asked, error.status, error.index))
            return
        if not work.command:
            self._done(asked, work, answer)
            return
        if len(self.waiting) >= WAITING_KEPT:
            answer(pdu.refused(asker.version, asked, pdu.GEN_ERR, work.place))
            return
        number = self.live.submit(
            TARGET, work.command, work.arguments, asked_by=asker.who, address=asker.host, lifetime_s=PATIENCE_S
        )
        wake.nudge(TARGET)
        said = ", ".join(f"{name} {value}" for name, value in work.arguments.items())
        self._note(asker, "command given", work.command, "", said)
        self.waiting[key] = Waiting(asked, asker, work, number, answer)

    def settle(self) -> None:
        """Answer what has ended."""
        for key, waiting in list(self.waiting.items()):
            command = self.live.command(waiting.command)
            if command.state == "running" and clock.boottime() < command.deadline:
                continue
            if command.state == "queued":
                continue
            del self.waiting[key]
            self._settle(waiting, command)

    def _settle(self, waiting: Waiting, command: LiveCommand) -> None:
        if command.state == "done":
            self._done(waiting.asked, waiting.work, waiting.answer)
            return
        log.info("%s of %s: %s", command.name, waiting.asker.who, command.result or "no answer in time")
        # what RFC 1628 wants for a rating or a transfer point that this UPS does not take
        status = INCONSISTENT_VALUE if command.name == SET_VARIABLE and command.state == "failed" else COMMIT_FAILED
        waiting.answer(pdu.refused(waiting.asker.version, waiting.asked, status, waiting.work.place))

    def _done(self, asked: Request, work: Work, answer: Callable[[bytes], None]) -> None:
        work.after()
        self.picture.forget()
        answer(pdu.refused(V1 + 1, asked, 0, 0))

    def _change(self, work: Work, asker: Asker, last: int) -> None:
        try:
            made = change(work.changes)
        except SettingsError:
            raise Refused(WRONG_VALUE, work.place) from None
        except OSError as error:
            log.error("settings cannot be saved: %s", error.strerror)
            raise Refused(COMMIT_FAILED, last) from None
        for each in made:
            self._note(asker, "settings changed", each.key, each.old, each.new)
        self.settings_changed()
        for worker in {each.applies for each in made if each.applies}:
            wake.nudge(worker)

    def _note(self, asker: Asker, action: str, subject: str, old: str, new: str) -> None:
        self._audit.note(Entry(clock.wall(), asker.who, asker.host, action, subject, old, new))

    def _judged(self, values: list[tuple[Oid, bytes]]) -> Work:
        """What the bindings come to together. Raises Refused for the first that cannot be."""
        numbers: dict[Oid, int] = {}
        places: dict[Oid, int] = {}
        tests: list[Oid] = []
        work = Work()
        for place, (name, value) in enumerate(values, start=1):
            places[name] = place
            if name in TEXTS:
                key, longest = TEXTS[name]
                work.changes[key] = _text(key, value, longest, place)
                work.place = place
            elif name == TEST_ID:
                tests.append(_oid(value, place))
            elif name in RANGES:
                numbers[name] = _number(name, value, place)
            else:
                raise Refused(NOT_WRITABLE, place)
        self._lock(numbers, places, tests, work)
        self._control(numbers, places, work)
        if LOW_BATTERY in numbers:
            work.changes["limit.runtime.low"] = str(min(numbers[LOW_BATTERY], 1_440))
            work.place = places[LOW_BATTERY]
        if RESTART in numbers:
            work.changes["snmp.restart"] = "on" if numbers[RESTART] == 1 else "off"
        return work

    def _lock(self, numbers: dict[Oid, int], places: dict[Oid, int], tests: list[Oid], work: Work) -> None:
        """UpsTestSpinLock (TestAndIncr of RFC 2579) and the test that it guards."""
        if SPIN_LOCK in numbers:
            if numbers[SPIN_LOCK] != self.state.spin_lock:
                raise Refused(INCONSISTENT_VALUE, places[SPIN_LOCK])
            work.after = self._turn_lock
        if not tests:
            return
        place, test = places[TEST_ID], tests[-1]
        if SPIN_LOCK not in numbers:
            raise Refused(INCONSISTENT_VALUE, place)
        number = test[-1] if test[:-1] == WELL_KNOWN_TESTS else 0
        if number not in TESTS:
            raise Refused(WRONG_VALUE, place)
        self.picture.table()
        if number != ABORT and self.state.test.running:
            raise Refused(INCONSISTENT_VALUE, place)
        self._order(work, TESTS[number], {}, place, lambda: self._tested(number))

    def _turn_lock(self) -> None:
        self.state.spin_lock = (self.state.spin_lock + 1) & 0x7FFFFFFF

    def _tested(self, number: int) -> None:
        self._turn_lock()
        if number != ABORT:
            self.state.test.asked = number
            if self.state.test.running:
                self.state.test.kind = number

    def _order(
        self, work: Work, command: str, arguments: Mapping[str, int | str], place: int, after: Callable[[], None]
    ) -> None:
        """One command a request: two would have to be undone together."""
        if work.command:
            raise Refused(INCONSISTENT_VALUE, place)
        work.command, work.arguments, work.place, work.after = command, dict(arguments), place, after

    def _control(self, numbers: dict[Oid, int], places: dict[Oid, int], work: Work) -> None:
        """The control group: one order at most."""
        off, on, reboot = numbers.get(SHUTDOWN), numbers.get(STARTUP), numbers.get(REBOOT)
        if off is not None and on is not None and 0 <= off < on:
            arguments = {"delay_s": off, "return_s": on - off}
            self._order(work, "shutdown.reboot", arguments, places[SHUTDOWN], lambda: self._counting(off, on))
            off = on = None
        if off is not None:
            self._shutdown(off, numbers, places[SHUTDOWN], work)
        if on is not None:
            # the card knows no order "switch on later" but together with a switch-off
            if on > 0:
                raise Refused(INCONSISTENT_VALUE, places[STARTUP])
            if on == 0:
                self._order(work, "load.on", {}, places[STARTUP], lambda: self._counting(None, None))
        if reboot is not None and reboot < 0:
            self._order(work, "shutdown.stop", {}, places[REBOOT], lambda: self._counting(None, None))
        elif reboot is not None:
            arguments = {"delay_s": REBOOT_DELAY_S, "return_s": reboot}
            self._order(work, "shutdown.reboot", arguments, places[REBOOT], lambda: self._rebooting(reboot))
        for name, (variable, factor) in VARIABLES.items():
            if name in numbers:
                said = {"name": variable, "value": f"{numbers[name] / factor:g}"}
                self._order(work, SET_VARIABLE, said, places[name], lambda: None)
        if BEEPER in numbers:
            self._order(work, BEEPERS[numbers[BEEPER]], {}, places[BEEPER], lambda: None)

    def _shutdown(self, off: int, numbers: dict[Oid, int], place: int, work: Work) -> None:
        again = numbers[RESTART] == 1 if RESTART in numbers else self.picture.settings["snmp.restart"] is True
        if off < 0:
            self._order(work, "shutdown.stop", {}, place, lambda: self._counting(None, None))
        elif off == 0:
            self._order(work, "load.off", {}, place, lambda: self._counting(None, None))
        else:
            name = "shutdown.return" if again else "shutdown.stayoff"
            self._order(work, name, {"delay_s": off}, place, lambda: self._counting(off, None))

    def _counting(self, off: int | None, on: int | None) -> None:
        now = clock.boottime()
        self.state.off_at = None if off is None else now + off
        self.state.on_at = None if on is None else now + on
        self.state.reboot_until = None

    def _rebooting(self, seconds: int) -> None:
        self._counting(None, None)
        self.state.reboot_until = clock.boottime() + REBOOT_DELAY_S + seconds


def _content(value: bytes, tag: int, place: int) -> bytes:
    """The content of a value of the type `tag`. Raises Refused for another type."""
    found, start, end = header(value, 0)
    if found != tag:
        raise Refused(WRONG_TYPE, place)
    return value[start:end]


def _text(key: str, value: bytes, longest: int, place: int) -> str:
    content = _content(value, ber.OCTETS, place)
    if len(content) > longest:
        raise Refused(WRONG_LENGTH, place)
    try:
        return str(FIELDS[key].parse(content.decode()))
    except (UnicodeDecodeError, SettingsError):
        raise Refused(WRONG_VALUE, place) from None


def _oid(value: bytes, place: int) -> Oid:
    return ber.read_oid(_content(value, ber.OID, place))


def _number(name: Oid, value: bytes, place: int) -> int:
    if name in DIGITS and value[0] == ber.OCTETS:
        text = _content(value, ber.OCTETS, place).decode("ascii", "replace")
        if not text.removeprefix("-").isdecimal() or not text.isascii() or len(text) > 10:
            raise Refused(WRONG_TYPE, place)
        found = int(text)
    else:
        content = _content(value, ber.INTEGER, place)
        try:
            found = ber.number(content)
        except BadEncoding:
            raise Refused(WRONG_LENGTH, place) from None
    low, high = RANGES[name]
    if not low <= found <= high:
        raise Refused(WRONG_VALUE, place)
    return found
