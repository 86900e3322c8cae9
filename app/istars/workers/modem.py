"""The GSM modem: keeps it ready, sends the short messages of the outbox, answers STATUS.

The modem may take a minute for one message; it is spoken with in a thread, so that this worker goes on giving signs of life.
"""

from __future__ import annotations

import logging
import threading

from istars.errors import StoreError
from istars.model.readings import Value
from istars.notify import sms
from istars.notify.recipients import Recipient, recipients
from istars.platform import clock, paths
from istars.settings import Settings
from istars.settings.groups import FIELDS
from istars.store import tried_pin, wake
from istars.store.archive import Event
from istars.store.live import LiveTable
from istars.store.outbox import Draft, Outbox
from istars.workers.base import Lasting, Worker
from istars.workers.modem_session import READY, Incoming, Seen, Session
from istars.workers.notifier import SMS, delivery, language_for

log = logging.getLogger(__name__)

READY_LOOK_S, UNREADY_LOOK_S = 15.0, 3.0
LIFETIME_S = 180.0
STOP_S = 4.0
TROUBLE = "istars.sms.trouble"


class ModemWorker(Worker):
    """Owns the readings `istars.modem.*` and `istars.sms.trouble`, and the endpoint `sms` of the outbox."""

    name = "modem"

    def begin(self) -> None:
        """Wait for the first look."""
        self._session: Session | None = None
        self._concerned: dict[str, object] = {}
        self._thread: threading.Thread | None = None
        self._outbox: Outbox | None = None
        self._trouble = Lasting(log, "the modem is ready")
        self._undelivered = ""
        self._look_at = 0.0
        self._defect: Exception | None = None
        self._take_settings()

    def _options(self) -> dict[str, object]:
        return {key: value for key, value in self.settings.current.items() if FIELDS[key].applies == self.name}

    def _take_settings(self) -> None:
        self._recipients = tuple(each for each in recipients(self.settings.current) if each.endpoint == SMS)
        options = self._options()
        if options == self._concerned:
            return
        self._concerned = options
        if not self.settings.current.text("sms.pin"):
            tried_pin.forget()
        if self._session is not None:
            self._session.close()
        self._session = Session(self.settings.current) if self.settings.current.text("sms.device") else None
        self._look_at = 0.0
        self._undelivered = ""
        mine = [reading.name for reading in self.live.readings().values() if reading.source == self.name]
        if mine:
            self.live.withdraw(mine)

    def turn(self) -> float:
        """Look at the modem if it is time or a message is due."""
        if self._thread is not None and self._thread.is_alive():
            return float("inf")
        if self._defect is not None:
            raise self._defect
        if self.settings.changed():
            self._take_settings()
        if self._session is None:
            return float("inf")
        now = clock.boottime()
        due = min(self._look_at, self._next_due())
        if due <= now:
            work = (self._session, self.settings.current, self._recipients)
            self._thread = threading.Thread(target=self._round, args=work, name="gsm", daemon=True)
            self._thread.start()
            return float("inf")
        return due

    def end(self) -> None:
        """Let a message that is being sent get out: the network cannot tell that it comes a second time."""
        if self._thread is not None:
            self._thread.join(STOP_S)
        if self._session is not None and not (self._thread and self._thread.is_alive()):
            self._session.close()
        if self._outbox is not None:
            self._outbox.close()

    def _next_due(self) -> float:
        """When the next message is due (boottime). The notifier says in its own words what is wrong with the outbox."""
        try:
            if self._outbox is None:
                self._outbox = Outbox(paths.outbox_db())
                self._outbox.revive(SMS)
            self._outbox.verify()
            return self._outbox.next_due().get(SMS, float("inf"))
        except StoreError:
            if self._outbox is not None:
                self._outbox.close()
            self._outbox = None
            return float("inf")

    def _round(self, session: Session, settings: Settings, told: tuple[Recipient, ...]) -> None:
        """Look at the modem, read what came in, send what is due. Runs in a thread, with connections of its own."""
        was_ready = session.seen.state == READY
        try:
            with Outbox(paths.outbox_db()) as outbox, LiveTable(paths.live_db()) as live:
                seen = session.look()
                self._publish(live, seen)
                if seen.state == READY:
                    if not was_ready:
                        outbox.hurry(SMS)
                    for message, arrived, words in session.fates():
                        at = clock.local(clock.wall()).strftime("%H:%M:%S")
                        outbox.learn(message, arrived=arrived, result=f"{words}, {at}")
                    if settings["sms.status"]:
                        self._answer(session.incoming(), outbox, live, settings, told)
                if outbox.next_due().get(SMS, float("inf")) <= clock.boottime():
                    self._undelivered = delivery(outbox, live, settings, told, {SMS: session.opened}).run(SMS)
                elif not outbox.waiting(SMS):
                    self._undelivered = ""
                live.publish(self.name, {TROUBLE: session.seen.trouble or self._undelivered}, lifetime_s=LIFETIME_S)
        except StoreError as error:
            log.error("short messages: %s", error)
        except Exception as defect:  # it ends this worker, as one outside of a thread does
            self._defect = defect
        finally:
            self._look_at = clock.boottime() + (READY_LOOK_S if session.seen.state == READY else UNREADY_LOOK_S)
            wake.nudge(self.name)

    def _publish(self, live: LiveTable, seen: Seen) -> None:
        if seen.trouble:
            self._trouble.begins(f"the modem is not ready: {seen.trouble}")
        else:
            self._trouble.ends()
        values: dict[str, Value] = {"istars.modem.state": seen.state, "istars.modem.detail": seen.detail, **seen.values}
        live.publish(self.name, values, lifetime_s=LIFETIME_S)
        gone = [
            name
            for name, reading in live.readings().items()
            if reading.source == self.name and name not in values and name != TROUBLE
        ]
        if gone:
            live.withdraw(gone)

    @staticmethod
    def _answer(
        incoming: list[Incoming], outbox: Outbox, live: LiveTable, settings: Settings, told: tuple[Recipient, ...]
    ) -> None:
        """Answer those who may ask, once a minute each; forget all the others."""
        listed = {recipient.address for recipient in told}
        now = clock.boottime()
        for message in incoming:
            if message.sender in listed and message.text.strip().upper() == sms.STATUS:
                fresh = {name: found.value for name, found in live.readings().items() if not found.stale(now)}
                code = language_for(told, SMS, message.sender)
                body = {"text": sms.state(fresh, live.alarms(), settings, code)}
                # The message centre's minute: a question that could not be deleted is not answered again.
                key = f"status-{message.at[:10]}"
                event = Event(0, key, clock.wall(), sms.STATUS, sms.ANSWER, "information", {})
                outbox.add(Draft(SMS, message.sender, event, body=body))
            else:
                log.warning("an SMS from %r is deleted unread", message.sender)
            message.delete()
