"""Tells people: events become messages on flash, messages go out, each endpoint in a thread of its own.

A server that stalls holds up nobody else's messages. The threads live only while there is something to send.
"""

from __future__ import annotations

import json
import logging
import queue
import secrets
import threading
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from istars.errors import StoreError
from istars.model.alarms import ALARMS
from istars.notify import daily, routing, waking
from istars.notify.delivery import Delivery, Opener
from istars.notify.language import ENGLISH
from istars.notify.recipients import Recipient, recipients
from istars.platform import clock, paths
from istars.settings import Settings
from istars.store import wake
from istars.store.archive import Archive, Event
from istars.store.database import StoreDamaged, StoreFull, set_aside
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.store.outbox import Draft, Message, Outbox
from istars.workers.base import Lasting, Worker

log = logging.getLogger(__name__)

LOOK_S = 1.0
BATCH = 200
FULL_PAUSE_S = 5.0
TROUBLE_LIFETIME_S = 180.0
TROUBLE_RENEWAL_S = 60.0
TEST = "istars.notify.test"
WAKE_NOW = "istars.wake.now"
REPORT_NOW = "istars.report.now"
WAKE = "wake"
WOKEN = "woken"
"""What came of waking, by computer: a note in the outbox, as WAKE is of what is still to be done."""
CHANNELS = ("mail", "webhook", "syslog")
MODEM = "modem"
SMS = "sms"
"""The endpoint that is emptied by the worker `modem`."""
TROUBLE = "istars.{channel}.trouble"


@cache
def openers() -> Mapping[str, Opener]:
    """How each channel is opened. Loaded when the first message goes out: most cards say nothing for weeks."""
    from istars.notify import mail, syslog, webhook

    return {"mail": mail.open_session, "webhook": webhook.open_hook, "syslog": syslog.open_server}


class Notifier(Worker):
    """Routes events to recipients and sees to it that they are told."""

    name = "notifier"

    def begin(self) -> None:
        """Take up where an earlier run has left off; a new outbox does not tell of the past."""
        self.live.abandon(self.name)
        self.outbox = _open_outbox()
        revived = self.outbox.revive(but=SMS)
        if revived:
            log.info("%d messages were being sent when this program ended; they are sent again", revived)
        self._archive: Archive | None = None
        self._full = Lasting(log, "messages go to flash again")
        self._retry_at = 0.0
        self._threads: dict[str, threading.Thread] = {}
        self._woken: queue.SimpleQueue[tuple[waking.Job, waking.Job | None, Event | None]] = queue.SimpleQueue()
        self._troubles: dict[str, str] = {}
        self._said: dict[str, str] = {}
        self._renewal = 0.0
        self._take_settings()

    def _take_settings(self) -> None:
        self.recipients = recipients(self.settings.current)
        self.readers = daily.readers(self.settings.current)
        endpoints = [recipient.endpoint for recipient in self.recipients] + ["mail"] * bool(self.readers)
        self.endpoints = list(dict.fromkeys(endpoints))

    def turn(self) -> float:
        """Look at what happened, send what is due."""
        if self.settings.changed():
            self._take_settings()
            for endpoint in self.endpoints:
                self.outbox.hurry(endpoint)
            self.outbox.abandon(self.endpoints)
        now = clock.boottime()
        if now >= self._retry_at:
            try:
                self._take_commands()
                self._route()
                self._report()
                self._full.ends()
            except StoreFull as error:
                self._full.begins(f"messages cannot be put on flash: {error}")
                self._retry_at = now + FULL_PAUSE_S
        due = min(self._start_deliveries(now), self._continue_waking(now))
        self._publish(now)
        return min(due, now + LOOK_S)

    def end(self) -> None:
        """What is being sent may take longer than anybody waits; it is sent again by the next run."""
        for thread in self._threads.values():
            thread.join(0.2)
        self.outbox.close()
        if self._archive is not None:
            self._archive.close()

    def _events(self) -> list[Event]:
        """Events that were not yet looked at, oldest first, at most BATCH."""
        if self._archive is None:
            if not paths.archive_db().exists():
                return []
            self._archive = Archive(paths.archive_db(), readonly=True)
        try:
            self._archive.verify()
            newest = self._archive.events(newest_first=True, limit=1)
            last = newest[0].id if newest else 0
            cursor = self.outbox.cursor()
            if cursor is None:
                self.outbox.accept([], last)
                return []
            # A record that was begun anew counts from 1 again.
            since = cursor if last >= cursor or not newest else 0
            return self._archive.events(since=since, limit=BATCH)
        except StoreError:
            self._archive.close()
            self._archive = None
            return []

    def _route(self) -> None:
        """Make messages of the events that are new."""
        while events := self._events():
            context = self._context() if self.recipients else {}
            made = routing.drafts(events, self.recipients, context, clock.wall())
            mains_back = any(event.code == "ON_BATTERY" and event.kind == "clear" for event in events)
            notes = {WAKE: waking.begun(self.settings.current)} if mains_back else None
            self.outbox.accept(made, events[-1].id, notes)

    def _report(self) -> None:
        """Write the daily report when its time has come, or has gone by while the card was off; once."""
        noted, cursor = self.outbox.noted(daily.NOTE), self.outbox.cursor()
        if cursor is None or not (self.readers or noted):
            return
        moment, note = None, ""
        if self.readers:
            moment, note = daily.due(noted, self.settings.current.text("mail.report.time"), clock.wall())
        if note != noted:
            made = self._reports(moment, self.readers.values()) if moment is not None else []
            self.outbox.accept(made, cursor, {daily.NOTE: note})

    def _reports(self, moment: float, to: Iterable[daily.Reader], command: int | None = None) -> list[Draft]:
        """Reports about the day up to `moment`, with the state of now."""
        readings, alarms, now = self.live.readings(), self.live.alarms(), clock.boottime()
        return daily.drafts(moment, to, self.settings.current, readings, alarms, now, command)

    def _report_now(self, command: LiveCommand) -> None:
        """A report that somebody asks for. Its result is that of the command."""
        reader = self.readers.get(int(command.arguments.get("recipient", 0)))
        if reader is None:
            self.live.finish(command.id, "failed", "there is no such recipient: save the settings first")
            return
        for draft in self._reports(clock.wall(), [reader], command.id):
            self.outbox.add(draft)

    def _context(self) -> dict[str, object]:
        """Readings of this moment that go with a message."""
        from istars.notify.texts import CONTEXT

        now = clock.boottime()
        found = self.live.readings()
        return {name: found[name].value for name in CONTEXT if name in found and not found[name].stale(now)}

    def _take_commands(self) -> None:
        """A test message is a message like any other, but for its own one try."""
        while (command := self.live.claim(self.name)) is not None:
            if command.name == WAKE_NOW:
                self.live.finish(command.id, *self._wake_now(int(command.arguments.get("computer", 0))))
                continue
            if command.name == REPORT_NOW:
                self._report_now(command)
                continue
            endpoint, address = str(command.arguments.get("endpoint", "")), str(command.arguments.get("address", ""))
            if command.name != TEST or endpoint.partition(".")[0] not in (*CHANNELS, SMS) or not address:
                self.live.finish(command.id, "failed", "there is nothing to test: save the settings first")
                continue
            event = Event(0, f"test-{clock.boot_id()}-{command.id}", clock.wall(), "TEST", "test", "information", {})
            body = {"command": command.id, "language": language_for(self.recipients, endpoint, address)}
            self.outbox.add(Draft(endpoint, address, event, body=body))

    def _wake_now(self, number: int) -> tuple[str, str]:
        """Begin to wake one computer, whatever mains does."""
        computer = waking.computers(self.settings.current).get(number)
        if computer is None:
            return "failed", f"there is no computer {number}: save its MAC address first"
        jobs = [job for job in waking.kept(self.outbox.noted(WAKE)) if job.number != number]
        self.outbox.note(WAKE, waking.written([*jobs, waking.Job(number, by_hand=True)]))
        return "done", f"{computer.name} is sent to; below the button stands what comes of it"

    def _continue_waking(self, now: float) -> float:
        """Go on with what is to be woken, once mains is back for good; answers when to look again (boottime)."""
        jobs = waking.kept(self.outbox.noted(WAKE))
        while not self._woken.empty():
            before, after, told = self._woken.get()
            # One that was asked for anew meanwhile begins anew.
            jobs = [job for job in jobs if job != before] + ([after] if after is not None and before in jobs else [])
            self.outbox.note(WAKE, waking.written(jobs))
            if told is not None:
                results = {**waking.results(self.outbox.noted(WOKEN)), before.number: (told.code, told.args, told.at)}
                self.outbox.note(WOKEN, json.dumps(results))
        thread = self._threads.get(WAKE)
        if not jobs or (thread is not None and thread.is_alive()):
            return float("inf")
        calm = waking.may_begin(self.settings.current, self._context())
        due = [job for job in jobs if job.is_due(now) and (calm or job.by_hand)]
        if due:
            thread = threading.Thread(target=self._wake, args=(self.settings.current, due), name=WAKE, daemon=True)
            self._threads[WAKE] = thread
            thread.start()
        return min((job.due for job in jobs if not job.is_due(now)), default=float("inf"))

    def _wake(self, settings: Settings, due: list[waking.Job]) -> None:
        """Take jobs one step further. Runs in a thread: an answer may take a second."""
        with LiveTable(paths.live_db()) as live:
            told: list[Event] = []

            def tell(code: str, facts: dict[str, object]) -> None:
                severity = ALARMS[code].severity.value
                event = Event(0, f"wake-{secrets.token_hex(8)}", clock.wall(), code, "event", severity, facts)
                live.tell(event)
                told.append(event)

            for job in due:
                after = waking.step(job, settings, tell)
                self._woken.put((job, after, told.pop() if told else None))
        wake.nudge("core")
        wake.nudge(self.name)

    def _start_deliveries(self, now: float) -> float:
        """Send what is due, each endpoint in its thread; answers when the next message is due (boottime)."""
        later = float("inf")
        for endpoint, due in self.outbox.next_due().items():
            thread = self._threads.get(endpoint)
            if thread is not None and thread.is_alive():
                continue
            if due > now:
                later = min(later, due)
                continue
            if endpoint == SMS:
                wake.nudge(MODEM)
                continue
            thread = threading.Thread(
                target=self._deliver,
                args=(endpoint, self.settings.current, tuple(self.recipients)),
                name=endpoint,
                daemon=True,
            )
            self._threads[endpoint] = thread
            thread.start()
        return later

    def _deliver(self, endpoint: str, settings: Settings, told: tuple[Recipient, ...]) -> None:
        """Empty one endpoint. Runs in a thread, with connections of its own."""
        try:
            with Outbox(paths.outbox_db()) as outbox, LiveTable(paths.live_db()) as live:
                self._troubles[endpoint] = delivery(outbox, live, settings, told, openers()).run(endpoint)
        except StoreError as error:
            log.error("messages to %s: %s", endpoint, error)
        finally:
            wake.nudge(self.name)

    def _publish(self, now: float) -> None:
        """Say which channels do not work: the rules make an alarm of it."""
        said = {
            TROUBLE.format(channel=channel): next(
                (
                    reason
                    for endpoint, reason in self._troubles.items()
                    if reason and endpoint in self.endpoints and endpoint.partition(".")[0] == channel
                ),
                "",
            )
            for channel in CHANNELS
        }
        if said != self._said or now >= self._renewal:
            self.live.publish(self.name, said, lifetime_s=TROUBLE_LIFETIME_S)
            self._said, self._renewal = said, now + TROUBLE_RENEWAL_S


def language_for(told: Sequence[Recipient], endpoint: str, address: str) -> str:
    """The language of the recipient with this address."""
    return next((each.language for each in told if (each.endpoint, each.address) == (endpoint, address)), ENGLISH)


def delivery(
    outbox: Outbox, live: LiveTable, settings: Settings, told: Sequence[Recipient], ways: Mapping[str, Opener]
) -> Delivery:
    """What empties an endpoint: it knows what is still true, what follows, and who waits for the result of a test."""

    def ended(message: Message, state: str, result: str) -> None:
        command = message.body.get("command")
        if isinstance(command, int):
            live.finish(command, "done" if state == "sent" else "failed", result)

    return Delivery(
        outbox,
        settings,
        ways,
        still_true=lambda message: routing.still_true(message, live.alarms()),
        following=lambda message: routing.following(message, told, clock.wall()),
        ended=ended,
    )


def _open_outbox() -> Outbox:
    """The outbox; a damaged one is kept beside a new one."""
    try:
        outbox = Outbox(paths.outbox_db())
        try:
            outbox.check()
        except StoreDamaged:
            outbox.close()
            raise
    except StoreDamaged:
        set_aside(paths.outbox_db())
        outbox = Outbox(paths.outbox_db())
    return outbox
