"""One modem with its SIM card, as the settings name them: made ready, looked at, used."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from istars.drivers.item import Line
from istars.drivers.modem import pdu
from istars.drivers.modem.modem import Modem, Refused, Times
from istars.drivers.transport import transport_for
from istars.errors import LinkError
from istars.model.readings import Value, format_value
from istars.notify import sms
from istars.notify.delivery import Undelivered
from istars.settings import Settings
from istars.store import tried_pin
from istars.store.outbox import Message

log = logging.getLogger(__name__)

READY = "ready"
STARTING = "starting"
MOST_PARTS = 4
"""Longest text: what is longer is cut."""
FATES: Mapping[int, str] = {
    0x40: "the network has failed", 0x41: "the telephone cannot take it", 0x42: "the telephone refused it",
    0x43: "the number cannot be reached", 0x46: "the telephone could not be reached in time",
    0x48: "the operator has deleted it", 0x49: "the network does not know the message",
}  # fmt: skip
"""Status of a report (TP-ST, TS 23.040 section 9.2.3.15) in words."""
TIMES = Times()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the modem showed: `state` and `values` as readings `istars.modem.*`."""

    state: str
    detail: str = ""
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def trouble(self) -> str:
        """Why no message can go out now, in words; empty where one can."""
        return "" if self.state == READY else format_value("istars.modem.state", self.state)


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message that came in. `at` is the time stamp of the message centre; `delete` forgets it."""

    sender: str
    text: str
    at: str
    delete: Callable[[], None]


class Session:
    """The modem at one port. Used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._modem: Modem | None = None
        self._identity = ""
        self._pin_given = False
        self._references: dict[int, list[int]] = {}
        self._awaited: dict[int, tuple[Message, frozenset[int]]] = {}
        self.seen = Seen(STARTING)

    def look(self) -> Seen:
        """Make the modem ready as far as that is possible, and say what it is like."""
        try:
            self.seen = self._looked(self._opened())
        except Refused as problem:
            self.seen = Seen(STARTING, str(problem))
        except LinkError as problem:
            self.close()
            state = "no-answer" if problem.reason == "no-answer" else problem.reason
            self.seen = Seen(state, problem.detail)
        return self.seen

    def close(self) -> None:
        """Leave the port."""
        if self._modem is not None:
            self._modem.close()
            self._modem = None

    def _opened(self) -> Modem:
        if self._modem is None:
            line = Line(
                baud=int(self._settings.text("sms.serial.baud")),
                bytesize=int(self._settings.text("sms.serial.bits")),
                parity=self._settings.text("sms.serial.parity"),
                stopbits=int(self._settings.text("sms.serial.stop")),
            )
            modem = Modem(transport_for(self._settings.text("sms.device"), line), TIMES)
            # It is ours before it is open, so that a failure on the way closes the port.
            self._modem = modem
            modem.open()
            self._identity = modem.identity()
        return self._modem

    def _looked(self, modem: Modem) -> Seen:
        modem.prepare()
        state, detail = modem.sim()
        if state == "pin-wanted":
            state, detail = self._unlock(modem, detail)
        values: dict[str, Value] = {"istars.modem.model": self._identity} if self._identity else {}
        if state != READY:
            return Seen(state, detail, values)
        tried_pin.accepted(modem.card() if self._settings.text("sms.pin") else "", given_now=self._pin_given)
        self._pin_given = False
        modem.prepare_messages()
        registration = modem.registration()
        values |= {"istars.modem.registration": registration, "istars.modem.operator": modem.operator()}
        signal = modem.signal()
        if signal is not None:
            values["istars.modem.signal"] = signal
        if registration in ("home", "roaming"):
            return Seen(READY, "", values)
        return Seen("denied" if registration == "denied" else "searching", "", values)

    def _unlock(self, modem: Modem, detail: str) -> tuple[str, str]:
        """Give the PIN, unless it was given before: the card counts the wrong ones."""
        pin = self._settings.text("sms.pin")
        if not pin:
            return "pin-wanted", detail
        if self._pin_given:
            return STARTING, "the PIN was given; the SIM card does not open yet"
        card = modem.card()
        if tried_pin.was_tried(pin, card):
            return "pin-refused", detail
        try:
            tried_pin.note(pin, card)
        except OSError as problem:
            return "pin-wanted", f"the PIN is not given, because that cannot be noted: {problem.strerror}"
        try:
            modem.unlock(pin)
        except Refused as problem:
            log.warning("the SIM card refuses its PIN: %s", problem)
            return "pin-refused", str(problem)
        self._pin_given = True
        state, detail = modem.sim()
        return (STARTING, detail) if state == "pin-wanted" else (state, detail)

    def incoming(self) -> list[Incoming]:
        """Messages that wait in the modem; one that cannot be read has no sender. Nothing where the modem fails."""
        modem, found = self._modem, []
        if modem is None:
            return []
        try:
            for place, raw in modem.received():
                try:
                    message = pdu.deliver(raw)
                except ValueError:
                    message = pdu.Received("", "", "")
                found.append(Incoming(message.sender, message.text, message.at, self._deleting(modem, place)))
        except (Refused, LinkError) as problem:
            log.warning("messages that came in cannot be read: %s", problem)
        return found

    def fates(self) -> list[tuple[Message, bool, str]]:
        """Messages of which the network has said meanwhile what became of them: whether they arrived, and that in words.

        Of a message that was sent before this program was started nothing is said.
        """
        if self._modem is None:
            return []
        try:
            reports = self._modem.reports()
        except LinkError as problem:
            log.warning("reports of delivery cannot be read: %s", problem)
            return []
        told = []
        for report in reports:
            message, left = self._awaited.get(report.reference, (None, frozenset[int]()))
            if message is None or not report.final or not _same(message.recipient, report.recipient):
                continue
            del self._awaited[report.reference]
            left -= {report.reference}
            for reference in left:
                self._awaited[reference] = (message, left)
            if not report.arrived:
                for reference in left:
                    del self._awaited[reference]
                why = FATES.get(report.status, f"status {report.status:#04x} of the message centre")
                told.append((message, False, f"not delivered: {why}"))
            elif not left:
                told.append((message, True, "the telephone has it"))
        return told

    def await_report(self, message: Message, references: Iterable[int]) -> None:
        """Remember that the network will say what becomes of the parts of `message`."""
        parts = frozenset(references)
        for reference in parts:
            # References count to 255: one that comes again is that of the newer message.
            self._awaited[reference] = (message, parts)

    @staticmethod
    def _deleting(modem: Modem, place: int) -> Callable[[], None]:
        def delete() -> None:
            try:
                modem.delete(place)
            except (Refused, LinkError) as problem:
                log.warning("a message that came in cannot be deleted: %s", problem)

        return delete

    @contextlib.contextmanager
    def opened(self, settings: Settings, _endpoint: str) -> Iterator[_Sender]:
        """The modem as an endpoint of the outbox. Raises Undelivered where it is not ready."""
        if self.seen.state != READY or self._modem is None:
            raise Undelivered(self.seen.trouble or "the modem is not ready")
        yield _Sender(self, self._modem, settings)

    def lost(self, problem: LinkError) -> None:
        """The modem failed while a message was sent."""
        self.close()
        self.seen = Seen(problem.reason, problem.detail)

    def sent_so_far(self, message: Message) -> list[int]:
        """References of the parts of `message` that an earlier try has sent."""
        return self._references.setdefault(message.id, [])

    def settled(self, message: Message) -> None:
        """`message` is not tried again."""
        self._references.pop(message.id, None)


class _Sender:
    """Sends messages through a modem that is ready."""

    def __init__(self, session: Session, modem: Modem, settings: Settings) -> None:
        self._session = session
        self._modem = modem
        self._settings = settings

    def send(self, message: Message) -> str:
        """See `delivery.Way`. A part that was sent is not sent again with the next try."""
        text = shortened(sms.text(message, self._settings))
        # The same reference with each try: the telephone joins parts of different tries.
        parts = list(
            pdu.submit(
                message.recipient,
                text,
                reference=message.id & 0xFF,
                centre=self._settings.text("sms.centre"),
                report=bool(self._settings["sms.reports"]),
            )
        )
        references = self._session.sent_so_far(message)
        try:
            # A modem that has restarted since the look would take the octets for text.
            self._modem.prepare_messages()
            for part in parts[len(references) :]:
                references.append(self._modem.send(part))
        except Refused as problem:
            if problem.final:
                self._session.settled(message)
            raise Undelivered(str(problem), whole=not problem.of_recipient, final=problem.final) from problem
        except LinkError as problem:
            self._session.lost(problem)
            raise Undelivered(problem.detail) from problem
        self._session.settled(message)
        if self._settings["sms.reports"]:
            self._session.await_report(message, references)
        named = ", ".join(map(str, references))
        return (
            f"taken by the network, reference {named}"
            if len(parts) == 1
            else f"taken in {len(parts)} parts, references {named}"
        )


def _same(number: str, reported: str) -> bool:
    """Whether a report is about this recipient: networks add or leave out the country code."""
    return number.lstrip("+0")[-7:] == reported.lstrip("+0")[-7:]


def shortened(text: str) -> str:
    """`text`, cut to what MOST_PARTS hold."""
    pieces = pdu.split(text)
    return text if len(pieces) <= MOST_PARTS else "".join(pieces[:MOST_PARTS])[:-3] + "..."
