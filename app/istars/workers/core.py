"""The rules at work: readings become alarms and events, and these go to flash at once."""

from __future__ import annotations

import dataclasses
import logging

from istars import __version__
from istars.errors import StoreError
from istars.model.alarms import ALARMS
from istars.model.commands import COMMANDS
from istars.model.readings import format_value
from istars.platform import clock
from istars.rules.conditions import Arguments
from istars.rules.engine import Moment, Rules
from istars.store import wake
from istars.store.archive import Event
from istars.store.database import StoreDamaged
from istars.store.live import LiveReading
from istars.store.live_alarms import LiveAlarm, Step
from istars.store.live_commands import LiveCommand
from istars.workers.base import FAMILY, HEARTBEAT_S, Worker
from istars.workers.historian import Historian
from istars.workers.recorder import Recorder

log = logging.getLogger(__name__)

LOOK_S = 1.0
HANGS_AFTER_S = 20.0
CLOCK_STEP_S = 2.0
WATCHED = tuple(worker for worker in FAMILY if worker != "core")
TOLD = ("snmpd",)
"""Workers that tell others of events."""
ACKNOWLEDGE = "istars.alarm.acknowledge"
CLEAR_RECORDS = "istars.records.clear"


def now() -> Moment:
    """The present on both clocks."""
    return Moment(clock.boottime(), clock.wall(), clock.boot_id())


class Core(Worker):
    """Turns readings into alarms and events. Owns the alarms of the live table, the event record and the data record."""

    name = "core"

    def begin(self) -> None:
        """Take up where an earlier run, or the card before its last power cut, has left off."""
        self.started = now()
        self.recorder = Recorder()
        self.historian = Historian()
        self._clock_offset = self.started.wall - self.started.at
        self._hanging: list[str] = []
        self._next_roll_call = 0.0
        self.live.take_rules()
        self.live.abandon(self.name)
        cursor = self.live.cursor()
        self.cursor = cursor or 0
        alarms = {alarm.code: alarm for alarm in self.live.alarms() if alarm.code in ALARMS}
        self.rules = Rules(alarms, self.live.pending_since(), self.live.states_at(self.cursor))
        if cursor is None:
            self._begin_after_boot()

    def _begin_after_boot(self) -> None:
        """The live table is new: what was present before the machine stopped stands on flash."""
        remembered = [restored(body) for body in self.recorder.active_alarms()]
        alarms = [alarm for alarm in remembered if alarm is not None and alarm.code in ALARMS]
        self.rules.active = {alarm.code: alarm for alarm in alarms}
        event = self.rules.plain_event("CARD_STARTED", self.started, {"version": __version__})
        self.live.apply(Step(raised=alarms, events=[event], cursor=0))

    def turn(self) -> float:
        """Look at what changed, take one step, put it on flash."""
        self.settings.changed()
        moment = now()
        self._carry_out_commands(moment)
        ended = self.live.unrecorded()
        events = self._clock_events(moment) + self._command_events(ended, moment)
        changes = self.live.changes(self.cursor)
        if changes and self.cursor and changes[0].id > self.cursor + 1:
            events.append(self.rules.plain_event("EVENTS_MISSED", moment, {"count": changes[0].id - self.cursor - 1}))
        readings = self.live.readings()
        self.historian.look(moment, readings, self.settings.current.whole("ups.record.interval"))
        fresh = {name: reading.value for name, reading in readings.items() if not reading.stale(moment.at)}
        step = self.rules.step(moment, fresh, self.settings.current, self._facts(moment, readings), changes)
        step = dataclasses.replace(
            step,
            events=[*step.events, *events],
            recorded=[command.id for command in ended],
        )
        if step:
            self.live.apply(step)
            if step.cursor is not None:
                self.cursor = step.cursor
        self._flush()
        if step.events:
            for worker in TOLD:
                wake.nudge(worker)
        return moment.at + LOOK_S

    def end(self) -> None:
        """Nothing is kept in memory that is not in the live table."""
        self._flush()
        self.recorder.close()
        self.historian.close()

    def _flush(self) -> None:
        """Events to flash; a record that turns out damaged is put aside and begun anew with what is present."""
        try:
            self.recorder.flush(self.live)
        except StoreDamaged:
            self.recorder.renew()
            self.recorder.flush(self.live)

    def _clock_events(self, moment: Moment) -> list[Event]:
        """Say it when the wall clock was set: times of events before and after do not compare."""
        offset = moment.wall - moment.at
        step, self._clock_offset = offset - self._clock_offset, offset
        if abs(step) < CLOCK_STEP_S:
            return []
        log.warning("the clock was set by %+.0f s", step)
        return [self.rules.plain_event("CLOCK_CHANGED", moment, {"seconds": f"{step:+.0f}"})]

    def _facts(self, moment: Moment, readings: dict[str, LiveReading]) -> dict[str, Arguments]:
        """What the card found out about itself."""
        facts: dict[str, Arguments] = {**self.historian.facts, **self.recorder.facts}
        problems = self.settings.current.problems
        if problems:
            facts["SETTINGS_DAMAGED"] = {"reason": problems[0]}
        status = readings.get("ups.status")
        heard = status.at if status is not None else self.started.at
        if moment.at - heard > self.settings.current.number("ups.link.timeout"):
            facts["COMM_LOST"] = {"reason": _link_reason(readings)}
        elif "COMM_LOST" in self.rules.active and (status is None or status.stale(moment.at)):
            facts["COMM_LOST"] = self.rules.active["COMM_LOST"].args
        if moment.at >= self._next_roll_call:
            self._hanging = self._roll_call(moment)
            self._next_roll_call = moment.at + (LOOK_S if self._hanging else HEARTBEAT_S)
        if self._hanging:
            facts["WORKER_FAILED"] = {"worker": ", ".join(self._hanging)}
        return facts

    def _roll_call(self, moment: Moment) -> list[str]:
        """Workers that have given no sign of life for too long."""
        beats = self.live.heartbeats()
        alive = {worker: beats[worker].at if worker in beats else self.started.at for worker in WATCHED}
        return [worker for worker, at in alive.items() if moment.at - max(at, self.started.at) > HANGS_AFTER_S]

    def _carry_out_commands(self, moment: Moment) -> None:
        """Carry out the commands that are for this worker."""
        while (command := self.live.claim(self.name)) is not None:
            state, result = self._carry_out(command, moment)
            self.live.finish(command.id, state, result)

    def _command_events(self, ended: list[LiveCommand], moment: Moment) -> list[Event]:
        """Tell of the commands that ended; an acknowledgement tells of itself."""
        events = []
        for command in ended:
            quiet = command.name in COMMANDS and COMMANDS[command.name].quiet
            if quiet or (command.name == ACKNOWLEDGE and command.state == "done"):
                continue
            args = {
                "command": COMMANDS[command.name].label if command.name in COMMANDS else command.name,
                "name": command.name,
                "by": command.asked_by,
                "address": command.address,
                "result": command.result,
            }
            code = "COMMAND_DONE" if command.state == "done" else "COMMAND_FAILED"
            events.append(self.rules.plain_event(code, moment, args))
        return events

    def _carry_out(self, command: LiveCommand, moment: Moment) -> tuple[str, str]:
        if command.name == CLEAR_RECORDS:
            return self._clear_records()
        if command.name != ACKNOWLEDGE:
            return "failed", f"{command.name} is not a command of this worker"
        key, note = str(command.arguments.get("alarm", "")), str(command.arguments.get("note", ""))[:200]
        step = self.rules.acknowledge(key, command.asked_by, note, moment)
        if step is None:
            return "failed", "this alarm is no longer present"
        self.live.apply(step)
        self.recorder.seen({alarm.code for alarm in step.updated})
        return "done", "acknowledged"

    def _clear_records(self) -> tuple[str, str]:
        try:
            self.recorder.clear()
        except StoreError as error:
            return "failed", str(error)
        problem = self.historian.clear()
        return ("failed", problem) if problem else ("done", "the records of events and readings are empty")


def _link_reason(readings: dict[str, LiveReading]) -> str:
    """Why there are no data, in words."""
    reason = readings.get("istars.link.reason")
    words = format_value("istars.link.reason", reason.value) if reason is not None and reason.value else ""
    return words or "The card's own link program does not run"


def restored(body: dict[str, object]) -> LiveAlarm | None:
    """An alarm as it stood on flash; None where a newer firmware wrote something this one does not understand."""
    names = {field.name for field in dataclasses.fields(LiveAlarm)}
    try:
        return LiveAlarm(**{name: value for name, value in body.items() if name in names})  # type: ignore[arg-type]
    except TypeError:
        log.warning("an alarm on flash is not understood: %s", sorted(body))
        return None
