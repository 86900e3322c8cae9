"""The UPS on the golden finger: asks it, publishes what it says, carries out commands."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

from istars.drivers import ups
from istars.drivers.detect import Detection, outcome
from istars.drivers.engine import Driver, Options, open_driver
from istars.errors import CommandRefused, IStarsError, LinkError, NoAnswer
from istars.model.readings import Value
from istars.platform import clock, paths
from istars.settings.groups import FIELDS
from istars.store import detection, wake
from istars.store.live_commands import LiveCommand
from istars.workers import controlwork, linkwork, serialwork
from istars.workers.base import Lasting, Worker
from istars.workers.batterywork import BatteryWork
from istars.workers.serialwork import SerialDesk

log = logging.getLogger(__name__)

SOURCE = "upslink"
POLLS_TO_STALE = 3
LINK_SOURCE = "upslink.link"
LINK_RENEWAL_S = 5.0
LINK_LIFETIME_S = 20.0
"""How long the state of the link itself stays current; longer than the slowest round of tries on a dead line."""
RETRY_S = 1.0
CORE = "core"
STOP = "istars.link.detect.stop"
BUSY = "the card is finding out what the UPS speaks; stop that, or try again when it is done"
SEEN_SHOWN = 64
"""Bytes of the wire that are published where a UPS is not understood."""
AUTOMATIC = "automatic"
"""Instead of a protocol: find out which it is."""


class UpsLink(Worker):
    """Polls one UPS. Owns every reading of the source `upslink` and the commands for the target `upslink`."""

    name = "upslink"

    def begin(self) -> None:
        """Settle what an earlier run left behind."""
        self._driver: Driver | None = None
        self._battery: BatteryWork | None = None
        self._trouble = Lasting(log, "the UPS answers")
        self._due = 0.0
        self._first_poll = True
        self._link_said: dict[str, Value] = {}
        self._link_renewal = 0.0
        self._found: Detection | None = None
        self._seen = b""
        detection.settle()
        self._list_protocols()
        self._able = False
        self._counted = False
        self._desk: SerialDesk | None = None
        serialwork.forget()
        self._countdown = controlwork.Countdown()
        controlwork.forget()
        self._concerned = self._options()
        for command in self.live.abandon(SOURCE):
            log.warning("the command %s of %s was interrupted", command.name, command.asked_by)

    def _list_protocols(self) -> None:
        """What a page offers: it knows no drivers."""
        titles = {AUTOMATIC: "Find out which it is", **ups.protocol_titles()}
        self._protocols = json.dumps(titles, ensure_ascii=False)
        self._maps_changed = paths.modified(paths.maps_dir())

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return self.settings.current.number("ups.poll.interval")

    def _options(self) -> dict[str, object]:
        """The settings that this worker acts on; changes of others leave the port open."""
        return {key: value for key, value in self.settings.current.items() if FIELDS[key].applies == SOURCE}

    def wait(self, bell: wake.Bell, timeout_s: float) -> None:
        """While the port is borrowed, wake up for what comes in there, too."""
        if self._desk is None:
            bell.wait(timeout_s)
        elif self._desk.wait(bell, timeout_s):
            bell.drain()

    def turn(self) -> float:
        """Carry out commands that wait, poll if it is time."""
        if self._desk is not None:
            return self._attend(self._desk)
        return self._work()

    def _attend(self, desk: SerialDesk) -> float:
        """The port is borrowed: nothing is polled until it is given back, or nobody looks any more."""
        self._carry_out()
        self.settings.changed()
        over = desk.look() if self._desk is desk else ""
        if over:
            self._give_back(over)
        if self._desk is None:
            return self._work()
        if desk.news():
            self.live.touch()
        if self._publish_link("lost", "borrowed", desk.said):
            wake.nudge(CORE)
        return desk.due()

    def _give_back(self, why: str) -> str:
        desk, self._desk = self._desk, None
        if desk is not None:
            desk.close(why)
            log.info("the port %s was given back: %s", desk.device, why)
            self.live.touch()
        self._due = 0.0
        return why

    def _work(self) -> float:
        if self.settings.changed() and self._options() != self._concerned:
            self._concerned = self._options()
            self._close()
            self._due = 0.0
        if self._carry_out():
            self._due = 0.0
        if self._desk is not None:
            return self._desk.due()
        now = clock.boottime()
        if now >= self._due:
            # The next poll keeps the rhythm; after a pause (slow device, sleep) it starts a new one.
            self._due = max(self._due + self.interval, now) if self._due else now + self.interval
            if not self._poll():
                self._due = clock.boottime() + RETRY_S
        return self._due

    def end(self) -> None:
        """Leave the port."""
        self._give_back("the card was stopped")
        self._close()

    def _close(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None
        self._battery = None
        self._first_poll = True
        self._seen = b""
        self._countdown.begin(0)
        if self._able:
            self._able = False
            controlwork.forget()

    def _opened(self) -> Driver:
        """The driver, opened if need be; raises LinkError."""
        if self._driver is None:
            settings = self.settings.current
            protocol, options = settings.text("ups.protocol"), self._driver_options()
            if protocol == AUTOMATIC:
                protocol, options = self._found_out(options)
            driver = open_driver(protocol, settings.text("ups.device"), options)
            driver.open()
            self._driver = driver
        return self._driver

    def _driver_options(self) -> Options:
        settings = self.settings.current
        return Options(
            cells=settings.whole("ups.battery.cells"),
            packs=settings.whole("ups.battery.packs"),
            address=settings.whole("ups.address"),
            baud=settings.whole("ups.serial.baud"),
            bytesize=int(_chosen(settings.text("ups.serial.bytesize")) or 0),
            parity=_chosen(settings.text("ups.serial.parity")),
            stopbits=int(_chosen(settings.text("ups.serial.stopbits")) or 0),
            snmp_version=settings.text("ups.snmp.version"),
            community=settings.text("ups.snmp.community"),
            user=settings.text("ups.nut.user"),
            password=settings.text("ups.nut.password"),
        )

    def _found_out(self, options: Options) -> tuple[str, Options]:
        """Protocol and line of the UPS, searched for once; raises NoAnswer saying what was seen where there is none."""
        device = self.settings.current.text("ups.device")
        if self._found is None or self._found.device != device:
            self._found = self._search(device)
        found = self._found.found
        if found is None:
            said, self._found = outcome(self._found), None
            raise NoAnswer(said)
        return found.protocol, replace(options, baud=found.baud, parity=found.parity, bytesize=0, stopbits=0)

    def _search(self, device: str) -> Detection:
        """Look for the UPS on `device`; raises PortError."""
        settings = self.settings.current
        baud, parity = settings.whole("ups.serial.baud"), _chosen(settings.text("ups.serial.parity")) or "N"
        state = Detection(device)
        search = linkwork.search(device, settings.whole("ups.address"), (baud, parity))
        try:
            for state in search:
                self._sign_of_life()
                self.live.publish(
                    LINK_SOURCE, {"istars.link.detect.progress": state.percent}, lifetime_s=LINK_LIFETIME_S
                )
                self.live.touch()
                if self.stopping or self._told_to_stop():
                    raise NoAnswer(linkwork.STOPPED)
        finally:
            search.close()
            self.live.touch()
        return state

    def _told_to_stop(self) -> bool:
        """Answer the commands that come in during a search: one ends it, the others can only be given afterwards."""
        stop = False
        while (command := self.live.claim(SOURCE)) is not None:
            stop |= command.name == STOP
            said = ("done", "The search is stopped.") if command.name == STOP else ("failed", BUSY)
            self.live.finish(command.id, *said)
            wake.nudge(CORE)
        return stop

    def _poll(self) -> bool:
        """Ask the UPS once and publish the answer, or why there is none."""
        try:
            driver = self._opened()
            poll = driver.poll()
        except LinkError as error:
            self._lost(error)
            return False
        if self._battery is None:
            self._battery = BatteryWork(self.settings.current)
        values, estimated = self._battery.follow(poll.values, poll.estimated, poll.at)
        values, estimated = self._countdown.follow(values, estimated)
        if self._first_poll or (self._counted and not self._countdown.ends):
            self._forget_others(values)
            self._first_poll = False
        self._counted = bool(self._countdown.ends)
        changed = self.live.publish(
            SOURCE, values, lifetime_s=POLLS_TO_STALE * self.interval, estimated=estimated, at=poll.at
        )
        changed |= self._publish_link("ok", "", "")
        self._seen = b""
        self._trouble.ends()
        if changed:
            wake.nudge(CORE)
        if not self._able:
            self._tell_abilities(driver)
        return True

    def _tell_abilities(self, driver: Driver) -> None:
        """What this UPS can do: once it has answered, and whenever a setting of it was changed."""
        self._able = True
        controlwork.tell(driver)
        self.live.touch()

    def _lost(self, error: LinkError) -> None:
        """Say why there is no answer; a port that failed is opened again at the next try."""
        settings = self.settings.current
        device, protocol = settings.text("ups.device"), settings.text("ups.protocol")
        self._trouble.begins(f"no data from the UPS ({protocol} on {device}): {error.detail}")
        # Silence after a wrong answer must not hide it: it is what tells the owner which setting is wrong.
        self._seen = (self._driver.last_seen if self._driver is not None else b"") or self._seen
        if error.reason not in ("no-answer", "bad-answer"):
            # What comes back at this port may be another device.
            self._found = None
            self._close()
        if self._publish_link("lost", error.reason, error.detail, self._seen):
            wake.nudge(CORE)

    def _publish_link(self, state: str, reason: str, detail: str, seen: bytes = b"") -> bool:
        settings = self.settings.current
        values: dict[str, Value] = {
            "istars.link.state": state,
            "istars.link.reason": reason,
            "istars.link.detail": detail,
            "istars.link.seen": seen[:SEEN_SHOWN].hex(" "),
            "istars.link.protocol": settings.text("ups.protocol"),
            "istars.link.device": settings.text("ups.device"),
            "istars.link.protocols": self._protocols,
        }
        now = clock.boottime()
        if now >= self._link_renewal and paths.modified(paths.maps_dir()) != self._maps_changed:
            self._list_protocols()
            values["istars.link.protocols"] = self._protocols
        if values == self._link_said and now < self._link_renewal:
            return False
        changed = self.live.publish(LINK_SOURCE, values, lifetime_s=LINK_LIFETIME_S)
        self._link_said, self._link_renewal = values, now + LINK_RENEWAL_S
        return changed

    def _forget_others(self, values: dict[str, Value]) -> None:
        """Remove readings that an earlier device or protocol had and this one does not."""
        left = [
            reading.name
            for reading in self.live.readings().values()
            if reading.source == SOURCE and reading.name not in values
        ]
        if left:
            self.live.withdraw(left)

    def _carry_out(self) -> bool:
        """Carry out the commands that wait; True if the UPS is to be asked after them."""
        due = False
        while (command := self.live.claim(SOURCE)) is not None:
            try:
                state, result = "done", self._done(command)
            except (IStarsError, OSError) as error:
                state, result = "failed", str(error)
            if state == "done" and not command.name.startswith("istars."):
                # whoever is told that it is done sees the readings that show it
                due = not self._poll()
                self._due = clock.boottime() + self.interval
            elif not command.name.startswith("istars.variable."):
                due = True
            self.live.finish(command.id, state, result)
            log.info("%s of %s from %s: %s, %s", command.name, command.asked_by, command.address, state, result)
            wake.nudge(CORE)
        return due

    def _done(self, command: LiveCommand) -> str:
        """Carry out one command and tell what happened; raises IStarsError or OSError."""
        if command.name.startswith("istars.serial."):
            return self._serial(command)
        if self._desk is not None:
            raise CommandRefused(f"{self._desk.said}; nothing can be sent to the UPS until it is given back")
        if command.name == "istars.link.detect":
            self._close()
            state = self._search(linkwork.port_of(command.arguments, self.settings.current))
            if state.found is None:
                raise NoAnswer(outcome(state))
            if command.arguments.get("apply", 1):
                linkwork.remember(state)
            return outcome(state)
        if command.name == STOP:
            raise CommandRefused("nothing is being searched for")
        if command.name == "istars.map.keep":
            self._close()
            device = self.settings.current.text("ups.device")
            said = linkwork.try_map(str(command.arguments["name"]), device, self._driver_options())
            self._list_protocols()
            return said
        driver = self._opened()
        if command.name == "istars.variable.read":
            self._tell_abilities(driver)
            return "Read."
        if command.name == "istars.variable.set":
            try:
                return driver.write(str(command.arguments["name"]), command.arguments["value"])
            finally:
                self._tell_abilities(driver)
        said = driver.execute(command.name, command.arguments)
        if command.name.startswith(("shutdown.", "load.")):
            self._countdown.begin(driver.counts_s)
        return said

    def _serial(self, command: LiveCommand) -> str:
        """Serial port debugging: borrow a port, send over it, record, give it back."""
        if command.name == "istars.serial.borrow":
            if self._desk is not None:
                raise CommandRefused(f"{self._desk.said}; it has to be given back first")
            self._close()
            self._desk = serialwork.borrow(command, self.settings.current, self._driver_options())
            return f"{self._desk.said}. The UPS is not watched until it is given back."
        if self._desk is None:
            raise CommandRefused("no port is borrowed: it may have been given back by itself")
        if command.name == "istars.serial.return":
            return self._give_back(f"given back by {command.asked_by}")
        if command.name == "istars.serial.record":
            return self._desk.record(bool(command.arguments["on"]))
        data = serialwork.bytes_of(str(command.arguments["bytes"]))
        return self._desk.send(data, command.asked_by, sure=command.name == "istars.serial.send")


def _chosen(choice: str) -> str:
    """A choice of the settings; empty where it is that of the protocol."""
    return "" if choice == "auto" else choice
