"""Who is told what: the recipients that the settings name, and their wishes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from istars.model.alarms import ALARMS, Severity
from istars.notify.language import ENGLISH
from istars.settings import Settings
from istars.settings.groups import FIELDS, alerts, sms
from istars.store.archive import Event

POWER = frozenset(
    code for code, alarm in ALARMS.items() if alarm.rfc1628 is not None and code not in ("COMM_LOST", "TEST_RUNNING")
)
"""What RFC 1628 counts among the states of a UPS's power (upsWellKnownAlarms)."""

CHOSEN = "chosen"
PRESETS: Mapping[str, Callable[[str, str], bool]] = {
    "none": lambda _code, _severity: False,
    "all": lambda _code, _severity: True,
    "warnings": lambda _code, severity: severity in (Severity.WARNING, Severity.CRITICAL),
    "critical": lambda _code, severity: severity == Severity.CRITICAL,
    "power": lambda code, _severity: code in POWER,
}
"""Whether who chose this is told of an event with this code and severity."""
ADDRESS = {
    "mail": "mail.to.{n}.address",
    "sms": "sms.to.{n}.number",
    "webhook": "webhook.{n}.url",
    "syslog": "syslog.{n}.host",
}
"""Channel to the options that say where its recipients are."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient at one endpoint. `quiet` is a span of the day in minutes after midnight, of the card's zone."""

    endpoint: str
    address: str
    events: str
    codes: frozenset[str] = frozenset()
    delay_s: float = 0.0
    repeat_s: float = 0.0
    quiet: tuple[int, int] | None = None
    language: str = ENGLISH

    def wants(self, event: Event) -> bool:
        """Whether this recipient is told of `event`."""
        if self.events == CHOSEN:
            return event.code in self.codes
        preset = PRESETS.get(self.events)
        return preset is not None and preset(event.code, event.severity)

    def quiet_left_s(self, moment: datetime) -> float:
        """Seconds from `moment` (of the card's zone) to the end of the quiet hours; 0 outside of them."""
        if self.quiet is None:
            return 0.0
        first, last = self.quiet
        minute = moment.hour * 60 + moment.minute
        inside = first <= minute < last if first < last else minute >= first or minute < last
        if not inside:
            return 0.0
        end = moment.replace(hour=last // 60, minute=last % 60, second=0, microsecond=0)
        if end <= moment:
            end += timedelta(days=1)
        # by the epoch: a night in which the clock changes is longer or shorter
        return end.replace(tzinfo=None).astimezone().timestamp() - moment.timestamp()


def _minutes(text: str) -> tuple[int, int] | None:
    """`22:00-07:00` as minutes after midnight; None for an empty text."""
    if not text:
        return None
    first, last = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
    return first, last


def _recipient(settings: Settings, endpoint: str, address: str, stem: str) -> Recipient:
    return Recipient(
        endpoint,
        address,
        settings.text(f"{stem}.events"),
        frozenset(settings.items_of(f"{stem}.codes")),
        settings.number(f"{stem}.delay"),
        settings.number(f"{stem}.repeat") * 60,
        _minutes(settings.text(f"{stem}.quiet")),
        settings.text(f"{stem}.language") if f"{stem}.language" in FIELDS else ENGLISH,
    )


def codes_of(events: str, chosen: Collection[str] = ()) -> frozenset[str]:
    """The events of a preset by the severity of the catalogue, or those of the own choice `chosen`."""
    if events == CHOSEN:
        return frozenset(chosen)
    return frozenset(code for code, alarm in ALARMS.items() if PRESETS[events](code, alarm.severity))


def shown(endpoint: str, address: str) -> str:
    """A recipient as logs, records and pages name it: who knows the whole address of a webhook may write to its chat."""
    if not endpoint.startswith("webhook"):
        return address
    host = address.partition("://")[2].partition("/")[0].rpartition("@")[2]
    return f"{host}, {endpoint.replace('.', ' ')}"


def saved(settings: Settings, channel: str) -> list[tuple[str, str]]:
    """Stem of the options and address of each recipient that a channel has, whether or not the channel is in use."""
    numbered = map(ADDRESS[channel].format_map, ({"n": number} for number in itertools.count(1)))
    keys = itertools.takewhile(lambda key: key in FIELDS, numbered)
    return [(key.rpartition(".")[0], settings.text(key)) for key in keys if settings.text(key)]


def recipients(settings: Settings) -> list[Recipient]:
    """All recipients that the settings name, in their order."""
    found = []
    if settings.text("mail.server"):
        for number in range(1, alerts.MAIL_RECIPIENTS + 1):
            address = settings.text(f"mail.to.{number}.address")
            if address:
                found.append(_recipient(settings, "mail", address, f"mail.to.{number}"))
    if settings.text("sms.device"):
        for number in range(1, sms.RECIPIENTS + 1):
            address = settings.text(f"sms.to.{number}.number")
            if address:
                found.append(_recipient(settings, "sms", address, f"sms.to.{number}"))
    for channel, key, count in (("webhook", "url", alerts.WEBHOOKS), ("syslog", "host", alerts.SYSLOGS)):
        for number in range(1, count + 1):
            stem = f"{channel}.{number}"
            if settings.text(f"{stem}.{key}"):
                found.append(_recipient(settings, stem, settings.text(f"{stem}.{key}"), stem))
    return found
