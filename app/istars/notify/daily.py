"""When a daily report is due, and to whom it goes.

A report is about the day up to its delivery time: who reads it at 07:30 wants to know of this night. It is due once by the moment
that it belongs to, which is noted in the same write as the messages: whether the card restarts at that moment, was off, or has
its clock set, no report is lost or sent twice. (`schedule`, which the restarts go by, forgets what it has missed.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from istars.model.alarms import Severity
from istars.platform import clock
from istars.settings import Settings
from istars.settings.groups.alerts import REPORTS
from istars.store.archive import Event
from istars.store.live import LiveReading
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Draft

NOTE = "report"
"""Where the outbox keeps what was done: `{"time": "07:30", "last": epoch of the last moment that was dealt with}`."""
KIND = "report"
CODE = "DAILY_REPORT"
DAY_S = 86_400.0
STATE = (
    "ups.status", "battery.charge", "battery.runtime", "battery.voltage", "battery.temperature", "istars.battery.state",
    "ups.test.result", "ups.load", "ups.temperature", "ambient.temperature", "ambient.humidity",
)  # fmt: skip
"""Readings of the moment of delivery that the report tells."""


@dataclass(frozen=True, slots=True)
class Reader:
    """One who gets the report."""

    address: str
    language: str


def readers(settings: Settings) -> dict[int, Reader]:
    """Who gets the report, by number; nobody while no server is set."""
    if not settings.text("mail.server"):
        return {}
    stems = {number: f"mail.report.{number}" for number in range(1, REPORTS + 1)}
    return {
        number: Reader(settings.text(f"{stem}.address"), settings.text(f"{stem}.language"))
        for number, stem in stems.items()
        if settings.text(f"{stem}.address")
    }


def latest(time: str, now: float) -> float:
    """The last moment (epoch) at or before `now` at which it was `time` on the card's clock.

    Where the clock is set for summer a time that does not exist is the hour after, one that is twice is the first.
    """
    day = clock.local(now).date()
    moment = _moment(day.isoformat(), time)
    return moment if moment <= now else _moment((day - timedelta(days=1)).isoformat(), time)


def _moment(day: str, time: str) -> float:
    return datetime.fromisoformat(f"{day}T{time}").timestamp()


def day_before(moment: float) -> float:
    """The same time of the day before: 23 or 25 hours earlier where the clock was set for summer or winter."""
    local = clock.local(moment).replace(tzinfo=None)
    return (local - timedelta(days=1)).timestamp()


def due(noted: str, time: str, now: float) -> tuple[float | None, str]:
    """The moment whose report is due at `now`, if one is, and what is to be noted.

    With a time that is new nothing is told of the past, nor after a clock that was days ahead was set right.
    """
    said = json.loads(noted) if noted else {}
    moment = latest(time, now)
    note = json.dumps({"time": time, "last": moment})
    if said.get("time") != time or said["last"] > now + DAY_S:
        return None, note
    return (moment, note) if moment > said["last"] else (None, noted)


def drafts(
    moment: float,
    to: Iterable[Reader],
    settings: Settings,
    readings: Mapping[str, LiveReading],
    alarms: list[LiveAlarm],
    boottime: float,
    command: int | None = None,
) -> list[Draft]:
    """The messages of one moment, with what is true at this one: the rest is read from the records when they are sent.

    `command` is the number of the command that asks for it, if one does.
    """
    current = {name: item.value for name, item in readings.items() if not item.stale(boottime)}
    rated = settings.whole("ups.nominal.power") or current.get("ups.realpower.nominal", 0)
    # by the clock on the wall: a moment that comes again when it is set back is the same report
    key = f"report-{clock.local(moment).strftime('%Y-%m-%dT%H:%M')}"
    if command is not None:
        key = f"report-{clock.boot_id()}-{command}"
    event = Event(0, key, moment, CODE, KIND, Severity.INFORMATION.value, {})
    asked = {} if command is None else {"command": command}
    body = {
        **asked,
        "first": day_before(moment),
        "last": moment,
        "rated_w": rated,
        "state": {name: current[name] for name in STATE if name in current},
        "estimated": [name for name in STATE if name in current and readings[name].estimated],
        "alarms": [[alarm.code, alarm.args] for alarm in alarms],
    }
    return [Draft("mail", reader.address, event, body={**body, "language": reader.language}) for reader in to]
