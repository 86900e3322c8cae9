"""The operating system: the clock, restarts, open doors. The only worker that changes it; it runs as root on the card."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from istars.errors import IStarsError
from istars.model.commands import COMMANDS
from istars.model.readings import Value
from istars.platform import clock, files, machine, paths, restart, timekeeping
from istars.platform.doors import Doors, DoorsFailed
from istars.platform.programs import ProgramFailed
from istars.platform.ssh import PORT, CommandLine, SshFailed
from istars.platform.timekeeping import ClockRefused
from istars.rules.timetable import Restarts
from istars.settings.groups import FIELDS
from istars.settings.groups.ssh import KEYS
from istars.store import wake
from istars.store.live_commands import LiveCommand
from istars.store.telling import tell
from istars.workers.base import HEARTBEAT_S, Lasting, Worker

log = logging.getLogger(__name__)

ADJUST, SET, RESTART = "istars.clock.adjust", "istars.clock.set", "istars.restart"
ENABLED = "ssh.enabled"
LOOK_S = 15.0
DOORS_LOOK_S = 2.0
"""A certificate that is replaced, and an agent that opens, are noticed so soon."""
ADJUST_S = 12.0
ADJUST_LOOK_S = 0.5
REMEMBER_S = 3600.0
CLOCK_STEP_S = 2.0
NOTICEABLE_S = 0.001
GRACE_S = 1.5
"""Between a restart's being answered and its beginning: the page that ordered it gets its answer."""
LATEST_S = 6.0
"""After that a restart begins even if the core has not put its event on flash."""


@dataclass(slots=True)
class Adjustment:
    """A clock that is being compared: the command, when it began, and how far the clocks were apart then."""

    command: LiveCommand
    began: float
    offset: float


@dataclass(slots=True)
class Leaving:
    """A restart that was answered: when it began, and who ordered it."""

    began: float
    by: str


class System(Worker):
    """Keeps the clock, restarts the card. Owns the readings of the source `system` and the commands for it."""

    name = "system"

    def begin(self) -> None:
        """Settle what an earlier run left behind, hand the settings to those who need them."""
        self._offset = clock.wall() - clock.boottime()
        self._adjustment: Adjustment | None = None
        self._leaving: Leaving | None = None
        self._next_look = 0.0
        self._next_remember = clock.boottime() + REMEMBER_S
        self._said = {name for name, each in self.live.readings().items() if each.source == self.name}
        self._trouble = Lasting(log, "chronyd takes its servers")
        self._doors = Doors()
        self._doors_trouble = Lasting(log, "the doors of the card are as the settings want them")
        self._ssh = CommandLine()
        self._ssh_trouble = Lasting(log, "the command line is as the settings want it")
        self._ssh_says: dict[str, Value] = {}
        for command in self.live.abandon(self.name):
            log.warning("the command %s of %s was interrupted", command.name, command.asked_by)
        self._concerned = self._options()
        self._configure()

    def _options(self) -> dict[str, object]:
        """The settings that this worker acts on."""
        current = self.settings.current
        return {key: current[key] for key in FIELDS if FIELDS[key].applies == self.name or key == "system.zone"}

    def _configure(self) -> None:
        """Make the timetable anew, and give chronyd its servers."""
        self._restarts = Restarts(self.settings.current)
        self._next_look = 0.0
        try:
            timekeeping.use_servers(self._servers(), int(self.settings.current.text("time.ntp.interval")))
            self._trouble.ends()
        except (OSError, ProgramFailed) as error:
            self._trouble.begins(f"chronyd does not get its servers: {error}")

    def _servers(self) -> tuple[str, ...]:
        return self.settings.current.items_of("time.ntp.servers")

    def turn(self) -> float:
        """Carry out what was ordered and what is due, say how the clock does."""
        changed = self.settings.changed()
        self._keep_zone()
        if changed and self._options() != self._concerned:
            self._concerned = self._options()
            self._configure()
        self._notice_step()
        self._keep_ssh()
        self._keep_doors()
        while self._adjustment is None and (command := self.live.claim(self.name)) is not None:
            self._carry_out(command)
        self._go_on_adjusting()
        self._follow_timetable()
        self._leave()
        now = clock.boottime()
        if now >= self._next_look:
            self._say()
            self._next_look = now + LOOK_S
        if now >= self._next_remember:
            self._remember()
        return self._due(now)

    def _keep_doors(self) -> None:
        """Firewall and proxy follow the settings and the certificate."""
        current = self.settings.current
        agent = self.live.readings().get("istars.snmp.state") if machine.ours() else None
        ports = {
            "udp": (current.whole("snmp.port"),) if agent is not None and agent.value == "open" else (),
            "tcp": (PORT,) if self._ssh_says.get("istars.ssh.state") == "open" else (),
        }
        try:
            self._doors.look(plain_http=current.text("web.http") == "serve", open_ports=ports)
            self._doors_trouble.ends()
        except DoorsFailed as error:
            self._doors_trouble.begins(str(error))

    def _keep_ssh(self) -> None:
        """The command line follows the settings."""
        says: dict[str, Value] = {"istars.ssh.state": "foreign"}
        if machine.ours():
            current = self.settings.current
            saved = tuple(key for number in range(1, KEYS + 1) if (key := current.text(f"ssh.key.{number}")))
            wanted = saved if current[ENABLED] else ()
            try:
                self._ssh.look(wanted)
                self._ssh_trouble.ends()
                state = "open" if wanted else "keyless" if current[ENABLED] else "closed"
                says = {"istars.ssh.state": state, "istars.ssh.fingerprint": self._ssh.fingerprint}
            except SshFailed as error:
                self._ssh_trouble.begins(str(error))
                says = {"istars.ssh.state": "failed", "istars.ssh.detail": str(error)}
        if says != self._ssh_says:
            self._ssh_says, self._next_look = says, 0.0

    def _due(self, now: float) -> float:
        if self._adjustment or self._leaving:
            return now + ADJUST_LOOK_S
        if machine.ours():
            return min(self._next_look, now + DOORS_LOOK_S)
        moment = self._restarts.next
        planned = moment.timestamp() - self._offset if moment else self._next_look
        return min(self._next_look, max(planned, now))

    def end(self) -> None:
        """The time at which the card stops is the earliest at which it starts again."""
        self._remember()

    def _remember(self) -> None:
        self._next_remember = clock.boottime() + REMEMBER_S
        if machine.ours():
            try:
                timekeeping.remember()
            except OSError as error:
                log.error("the time cannot be kept on flash: %s", error)

    def _notice_step(self) -> None:
        """The clock was set: what it jumped over is neither due nor made up."""
        offset = clock.wall() - clock.boottime()
        step, self._offset = offset - self._offset, offset
        if abs(step) >= CLOCK_STEP_S:
            self._restarts = Restarts(self.settings.current)
            self._next_look = 0.0

    def _carry_out(self, command: LiveCommand) -> None:
        """Begin an adjustment, or do what is done at once; every command ends with what came of it."""
        try:
            if command.name == ADJUST:
                self._begin_adjusting(command)
                return
            if command.name == SET:
                result = self._set(str(command.arguments.get("time", "")))
            elif command.name == RESTART:
                self._restart(f"by {command.asked_by}", command.asked_by)
                result = "the card restarts in a moment"
            else:
                raise ClockRefused(f"{command.name} is not a command of this worker")
        except IStarsError as error:
            self._finish(command, "failed", str(error))
        else:
            self._finish(command, "done", result)

    def _finish(self, command: LiveCommand, state: str, result: str) -> None:
        self.live.finish(command.id, state, result)
        log.info("%s of %s from %s: %s, %s", command.name, command.asked_by, command.address, state, result)
        self._next_look = 0.0
        wake.nudge("core")

    def _set(self, text: str) -> str:
        """Set the clock to `text`, local time such as 2026-11-21 14:05:00; only where no time server is followed."""
        try:
            moment = datetime.fromisoformat(text.strip()).astimezone()
        except (ValueError, OverflowError):
            raise ClockRefused(f"{text[:40]!r} is not a time such as 2026-11-21 14:05:00") from None
        if timekeeping.runs() and any(server.selected for server in timekeeping.servers()):
            raise ClockRefused("the clock follows the time servers; remove them from the settings first")
        timekeeping.set_by_hand(moment.timestamp())
        self._notice_step()
        return f"the clock was set to {clock.iso(moment.timestamp())}"

    def _begin_adjusting(self, command: LiveCommand) -> None:
        """Have the servers measured; raises ClockRefused where that cannot be."""
        if not timekeeping.runs():
            raise ClockRefused("the time service does not run" if machine.ours() else timekeeping.FOREIGN)
        if not self._servers():
            raise ClockRefused("no time server is set")
        timekeeping.measure()
        self._adjustment = Adjustment(command, clock.boottime(), self._offset)

    def _go_on_adjusting(self) -> None:
        """Set the clock as soon as a server was measured since the command came; give up after a while."""
        if self._adjustment is None:
            return
        command, waited = self._adjustment.command, clock.boottime() - self._adjustment.began
        try:
            found = timekeeping.servers()
            if any(each.selected and each.measured_s is not None and each.measured_s <= waited for each in found):
                result = self._step(self._adjustment)
            elif waited < ADJUST_S:
                return
            elif any(each.reachable for each in found):
                raise ClockRefused("the time servers answer, but none of them can be trusted yet; try again later")
            else:
                raise ClockRefused(f"no time server answers: {', '.join(self._servers())}")
        except IStarsError as error:
            self._finish(command, "failed", str(error))
        else:
            self._finish(command, "done", result)
        self._adjustment = None

    def _step(self, adjustment: Adjustment) -> str:
        """Set the clock; answers how far it was wrong when the command came. chronyd may have put it right meanwhile."""
        tracking = timekeeping.tracking()
        behind = tracking.behind_s + self._offset - adjustment.offset
        if abs(behind) < NOTICEABLE_S:
            return f"the clock agrees with {tracking.server} within a millisecond"
        told = f"the clock was {abs(behind):.3f} s {'behind' if behind > 0 else 'ahead of'} {tracking.server}"
        if abs(tracking.behind_s) >= NOTICEABLE_S:
            try:
                timekeeping.step()
            except ProgramFailed as error:
                raise ClockRefused(f"{told} and could not be set: {error}") from error
            self._notice_step()
        return f"{told} and was set"

    def _follow_timetable(self) -> None:
        moment = self._restarts.due(clock.wall())
        if not moment:
            return
        done = paths.data_dir() / "restart.done"
        try:
            if done.exists() and done.read_text(encoding="ascii") == moment:
                return  # the clock was set back over it
            files.replace(done, moment.encode("ascii"))
        except (OSError, ValueError) as error:
            log.error("the scheduled restart is left out, it cannot be written down: %s", error)
            return
        self._restart("by the timetable", "the timetable")

    def _restart(self, reason: str, by: str) -> None:
        if self._leaving is None:
            log.warning("the card restarts %s", reason)
            tell(self.live, "CARD_RESTARTS", reason=reason)
            self._leaving = Leaving(clock.boottime(), by)

    def _leave(self) -> None:
        """Restart when what was answered and told has been written down."""
        if self._leaving is None:
            return
        waited = clock.boottime() - self._leaving.began
        written = not self.live.unrecorded() and not self.live.pending_events()
        if waited < GRACE_S or (not written and waited < LATEST_S):
            return
        by, self._leaving = self._leaving.by, None
        self._remember()
        try:
            restart.now()
        except ProgramFailed as error:
            log.error("the card does not restart: %s", error)
            tell(self.live, "COMMAND_FAILED", command=COMMANDS[RESTART].label, by=by, result=str(error))

    def _say(self) -> None:
        """Publish how the clock does and when the card restarts; what is not known now is taken away."""
        values = {**self._clock(), **self._ssh_says, "istars.restart.next": ""}
        if moment := self._restarts.next:
            values["istars.restart.next"] = moment.isoformat(" ", "minutes")
        if gone := self._said - set(values):
            self.live.withdraw(gone)
        self._said = set(values)
        self.live.publish(self.name, values, lifetime_s=LOOK_S + 2 * HEARTBEAT_S)

    def _clock(self) -> dict[str, Value]:
        if not timekeeping.runs():
            return {"istars.clock.state": "stopped" if machine.ours() else "foreign"}
        if not self._servers():
            return {"istars.clock.state": "manual"}
        try:
            found, tracking = timekeeping.servers(), timekeeping.tracking()
        except IStarsError as error:
            return {"istars.clock.state": "stopped", "istars.clock.detail": str(error)}
        values: dict[str, Value] = {"istars.clock.reachable": sum(server.reachable for server in found)}
        if tracking.updated is not None:
            values |= {
                "istars.clock.server": tracking.server,
                "istars.clock.offset": round(tracking.behind_s * 1000, 1) + 0.0,
                "istars.clock.updated": clock.iso(tracking.updated),
            }
        if any(server.selected for server in found):
            return {**values, "istars.clock.state": "synchronised"}
        detail = f"no answer from {', '.join(self._servers())}"
        return {**values, "istars.clock.state": "searching", "istars.clock.detail": detail}
