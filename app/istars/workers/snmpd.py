"""The SNMP agent at work: answers managers, tells recipients, keeps its settings current."""

from __future__ import annotations

import contextlib
import logging
import select
import socket

from istars.model.alarms import ALARMS
from istars.platform import clock
from istars.settings.groups import FIELDS
from istars.settings.groups.snmp import LISTED
from istars.snmp import engine, notify
from istars.snmp.access import Access, Recipient, access
from istars.snmp.agent import Agent
from istars.snmp.counters import Counters
from istars.snmp.notify import Notice, Notifier, Standing
from istars.snmp.picture import Picture
from istars.snmp.state import UpsState
from istars.snmp.usm import MESSAGE_SIZE
from istars.snmp.watch import Watch
from istars.snmp.writes import Writer
from istars.store.archive import Event
from istars.store.live import LiveTable
from istars.store.live_commands import LiveCommand
from istars.store.wake import Bell
from istars.workers.base import HEARTBEAT_S, Lasting, Worker

log = logging.getLogger(__name__)

NAME = "snmpd"
SETTLE_S = 0.05
"""How often it is looked whether a command that somebody waits for has ended."""
BATCH = 64
"""Messages that are answered before anything else is looked at again."""
RETRY_S = 5.0
REFUSED_S = 5.0
LIFETIME_S = 4 * HEARTBEAT_S
TEST = "istars.trap.test"
TEST_PATIENCE_S = 12.0
"""How long the answer to an inform is waited for in a test: less than the pages wait for what comes of a command."""
TRAP = "istars.snmp.trap"


class Snmpd(Worker):
    """One agent on one port, for IPv4 and IPv6. Without anybody who may ask, the port is closed."""

    name = NAME

    def begin(self) -> None:
        """Take up what an earlier run left, count one more start of the engine."""
        self.counters = Counters()
        self._engine_id = self.settings.current.text("snmp.engine")
        self.engine = engine.start(self._engine_id)
        self.state = UpsState(self.engine.started)
        self.picture = Picture(self.live, self.settings.current, self.engine, self.counters, self.state)
        self.writer = Writer(self.picture)
        self.writer.settings_changed = self._look_at_settings
        self.agent = Agent(self.engine, self.picture, self.writer, self.counters)
        self.agent.refused = self._refused
        self.notifier = Notifier(self.agent)
        self.notifier.failed = self._failed
        self._sockets: dict[int, socket.socket] = {}
        self._port = 0
        self._retry_at = 0.0
        self._renewal = 0.0
        self._told_of: dict[int, Standing] = {}
        self._refused_at = 0.0
        self._trouble = Lasting(log, "the SNMP port is open")
        self._doubts = Lasting(log, "all SNMPv3 users and trap recipients are served")
        for command in self.live.abandon(self.name):
            log.warning("the command %s of %s was interrupted", command.name, command.asked_by)
        self._access = Access()
        standing = _standing(self.live)
        self._apply()
        self.notifier.standing = {
            each.number: standing.get(each.number, Standing()) for each in self._access.recipients
        }
        self.watch = Watch(self.picture, self.notifier)

    def end(self) -> None:
        """Leave the port."""
        self._close()
        self.notifier.close()
        self.watch.close()

    def turn(self) -> float:
        """Settings, commands, events, what waits for an answer; messages are answered while waiting."""
        self._look_at_settings()
        now = clock.boottime()
        if self._access.open and not self._sockets and now >= self._retry_at:
            self._open()
        self._carry_out()
        self.watch.look()
        if self.writer.waiting:
            self.writer.settle()
        waiting = self.notifier.turn(now)
        self.watch.keep()
        self._publish(now)
        due = [now + HEARTBEAT_S]
        if self._access.open and not self._sockets:
            due.append(self._retry_at)
        if self.writer.waiting:
            due.append(now + SETTLE_S)
        due += [at for at in (waiting, self.watch.next_look) if at is not None]
        return min(due)

    def wait(self, bell: Bell, timeout_s: float) -> None:
        """Answer messages until nudged, or until `timeout_s` is over."""
        poll = select.poll()
        for descriptor in (bell.fileno(), *self._sockets):
            poll.register(descriptor, select.POLLIN)
        answers = {sock.fileno(): sock for sock in self.notifier.sockets}
        for descriptor in answers:
            poll.register(descriptor, select.POLLIN)
        end = clock.boottime() + max(0.0, timeout_s)
        while True:
            left = max(0.0, end - clock.boottime())
            found = poll.poll(left * 1000)
            for descriptor, _ in found:
                if descriptor in self._sockets:
                    self._serve(self._sockets[descriptor])
                elif descriptor in answers:
                    self.notifier.receive(answers[descriptor])
                    return
            # a stream of requests must not keep this worker from its other duties, nor from its sign of life
            busy = self.writer.waiting or self.notifier.sendings
            if not found or busy or bell.fileno() in dict(found) or clock.boottime() >= end:
                bell.drain()
                return

    def _serve(self, sock: socket.socket) -> None:
        """Answer what has come in, some at a time."""
        receive, send = sock.recvfrom, sock.sendto
        answer = self.agent.receive
        for _ in range(BATCH):
            try:
                data, place = receive(MESSAGE_SIZE)
            except OSError:  # nothing more, or the news that an earlier answer found nobody
                return

            def reply(octets: bytes, place: tuple[str, int] = place) -> None:
                with contextlib.suppress(OSError):
                    send(octets, place)

            answer(data, place[0], reply)

    def _look_at_settings(self) -> None:
        if self.settings.changed():
            self._apply()

    def _options(self) -> dict[str, object]:
        return {key: value for key, value in self.settings.current.items() if FIELDS[key].applies == NAME}

    def _apply(self) -> None:
        """Take the settings into use; the port is opened anew only where it is another one."""
        settings = self.settings.current
        self.picture.settings = settings
        self.picture.forget()
        if settings.text("snmp.engine") != self._engine_id:
            # Everybody's keys and times belong to the old identity: it is a new engine, with one more start.
            self._engine_id = settings.text("snmp.engine")
            fresh = engine.start(self._engine_id)
            self.engine.id, self.engine.boots, self.engine.durable = fresh.id, fresh.boots, fresh.durable
        options = self._options()
        if options == getattr(self, "_known", None):
            return
        self._known = options
        self._access = access(settings, self.engine)
        self.agent.use(self._access)
        self.notifier.use(self._access.recipients)
        self._told_of = {}
        absent = set(range(1, LISTED + 1)) - {each.number for each in self._access.recipients}
        self.live.withdraw([f"{TRAP}.{number}.{part}" for number in absent for part in ("state", "detail")])
        self.notifier.retries = settings.whole("snmp.inform.retries")
        self.notifier.interval = settings.number("snmp.inform.interval")
        if self._access.problems:
            self._doubts.begins(" ".join(self._access.problems))
        else:
            self._doubts.ends()
        if not self._access.open or settings.whole("snmp.port") != self._port:
            self._close()
        self._renewal = self._retry_at = 0.0

    def _open(self) -> None:
        """One socket for IPv4 and one for IPv6, where the machine has it."""
        self._port = self.settings.current.whole("snmp.port")
        try:
            self._bind(socket.AF_INET, "0.0.0.0")  # noqa: S104 - who may ask is decided per message
            if socket.has_ipv6:
                with contextlib.suppress(OSError):
                    self._bind(socket.AF_INET6, "::")
        except OSError as error:
            self._trouble.begins(f"UDP port {self._port} cannot be used: {error.strerror}")
            self._close()
            self._retry_at = clock.boottime() + RETRY_S
            return
        self._trouble.ends()
        self._renewal = 0.0

    def _bind(self, family: int, address: str) -> None:
        sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((address, self._port))
        except OSError:
            sock.close()
            raise
        self._sockets[sock.fileno()] = sock

    def _close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()

    def _publish(self, now: float) -> None:
        """Tell the pages how the agent stands, and how it stands with each recipient."""
        standing = {
            each.number: self.notifier.standing.get(each.number, Standing()) for each in self._access.recipients
        }
        if now < self._renewal and standing == self._told_of:
            return
        self._told_of = standing
        self._renewal = now + HEARTBEAT_S
        state = "open" if self._sockets else "failed" if self._access.open else "closed"
        values = {
            "istars.snmp.state": state,
            "istars.snmp.detail": " ".join(filter(None, (self._trouble.said, *self._access.problems))),
            "istars.snmp.engine": self.engine.id.hex(),
        }
        for number, each in standing.items():
            values[f"{TRAP}.{number}.state"], values[f"{TRAP}.{number}.detail"] = each.state, each.detail
        self.live.publish(NAME, values, lifetime_s=LIFETIME_S)

    def _refused(self, host: str) -> None:
        """Somebody is not known: said to the recipients, at most every few seconds."""
        now = clock.boottime()
        if self.settings.current["snmp.trap.authentication"] is True and now >= self._refused_at:
            self._refused_at = now + REFUSED_S
            log.warning("a request from %s was refused: wrong community or passphrase", host)
            self.notifier.tell(notify.refused())
            self.notifier.turn(now)

    def _failed(self, recipient: Recipient, notice: Notice, reason: str) -> None:
        """A notice did not arrive: an event, which itself is told to nobody by SNMP."""
        code = "TRAP_FAILED"
        args: dict[str, object] = {"address": recipient.address, "notice": notice.words, "reason": reason}
        key = f"trap:{recipient.number}:{clock.boottime():.3f}"
        self.live.tell(Event(0, key, clock.wall(), code, "event", ALARMS[code].severity.value, args))

    def _carry_out(self) -> None:
        """Begin the tests of recipients that were asked for."""
        while (command := self.live.claim(self.name)) is not None:
            if command.name != TEST:
                self.live.finish(command.id, "failed", f"{command.name} is not a command of this worker")
                continue
            self._test(command)

    def _test(self, command: LiveCommand) -> None:
        number = int(command.arguments.get("recipient", 0))
        recipient = next((each for each in self._access.recipients if each.number == number), None)
        if recipient is None:
            self.live.finish(command.id, "failed", f"recipient {number} has no address, or its user is not known")
            return

        def told(reason: str) -> None:
            done = (
                "the inform was acknowledged" if recipient.inform else "the trap was sent; nobody says whether it came"
            )
            self.live.finish(command.id, "failed" if reason else "done", reason or done)

        self.notifier.try_out(recipient, notify.probe(), TEST_PATIENCE_S, told)


def _standing(live: LiveTable) -> dict[int, Standing]:
    """What an earlier run of this worker has said of the recipients."""
    said = {name: str(each.value) for name, each in live.readings().items() if name.startswith(f"{TRAP}.")}
    return {
        number: Standing(said[state], said.get(f"{TRAP}.{number}.detail", ""))
        for number in range(1, LISTED + 1)
        if (state := f"{TRAP}.{number}.state") in said
    }
