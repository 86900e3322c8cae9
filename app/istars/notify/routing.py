"""From events to messages: which recipient is told of what, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from istars.model.alarms import Severity
from istars.notify.language import ENGLISH
from istars.notify.recipients import Recipient
from istars.platform import clock
from istars.store.archive import Event
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Draft, Message

SILENT = frozenset({"MAIL_FAIL", "SMS_FAIL", "WEBHOOK_FAIL", "SYSLOG_FAIL"})
"""Not told by the channel that it is about: the message would only wait there with the others."""


def drafts(
    events: Iterable[Event], recipients: Sequence[Recipient], context: Mapping[str, object], wall: float
) -> Iterator[Draft]:
    """The messages that `events` make, in their order; `context` are readings that go with them, `wall` is the present."""
    for event in events:
        for recipient in recipients:
            if recipient.wants(event) and not _about_itself(event, recipient):
                yield _draft(event, recipient, context, wall)


def _about_itself(event: Event, recipient: Recipient) -> bool:
    return event.code in SILENT and event.code.startswith(recipient.endpoint.partition(".")[0].upper())


def _draft(event: Event, recipient: Recipient, context: Mapping[str, object], wall: float) -> Draft:
    wait, hold = (recipient.delay_s, "delay") if event.kind == "raise" and recipient.delay_s else (0.0, "")
    if event.severity != Severity.CRITICAL:
        quiet = recipient.quiet_left_s(clock.local(wall + wait))
        if quiet:
            wait, hold = wait + quiet, hold or "quiet"
    body: dict[str, object] = {"context": dict(context)} if event.kind == "raise" else {}
    if recipient.language != ENGLISH:
        body["language"] = recipient.language
    return Draft(recipient.endpoint, recipient.address, event, wait, hold, body)


def following(message: Message, recipients: Iterable[Recipient], wall: float) -> Draft | None:
    """The reminder that follows a message about an alarm, where its recipient wants one."""
    if message.kind != "raise" or message.alarm is None:
        return None
    for recipient in recipients:
        if (recipient.endpoint, recipient.address) == (message.endpoint, message.recipient) and recipient.repeat_s:
            event = Event(
                0, message.event_key, message.at, message.code, "raise", message.severity, message.args, message.alarm
            )
            wait = recipient.repeat_s
            if message.severity != Severity.CRITICAL:
                wait += recipient.quiet_left_s(clock.local(wall + wait))
            return Draft(message.endpoint, message.recipient, event, wait, "repeat", message.body, message.repeat + 1)
    return None


def still_true(message: Message, alarms: Iterable[LiveAlarm]) -> bool:
    """Whether a reminder is still to be sent: its alarm is present and nobody has acknowledged it."""
    if not message.repeat:
        return True
    return any(alarm.key == message.alarm and alarm.acknowledged_by is None for alarm in alarms)
