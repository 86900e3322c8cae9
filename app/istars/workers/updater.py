r"""Firmware: checks what was brought, writes it to the slot that does not run, restarts into it, keeps it or lets go of it.

The only worker that runs `rauc`, as root on the card. It takes the bundle from the folder where pages and command line put it
(`store/firmware.py`); what it does with it stands in a file, so that leaving the page, a restart and a power cut change nothing.

    idle -> checking -> ready -> installing -> restart -> (the card restarts) -> trial -> good
                    \-> failed   \-> failed                                       \-> rolled-back
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Iterator

from istars.errors import IStarsError, StoreError
from istars.model.alarms import ALARMS
from istars.model.versions import goes_back
from istars.platform import board, clock, pages, paths, rauc, restart, verity
from istars.store import firmware, wake
from istars.store.archive import Event
from istars.store.firmware import Ended, Package, State, Status, Update
from istars.store.live_commands import LiveCommand
from istars.workers.base import FAMILY, HEARTBEAT_S, Worker
from istars.workers.channel import Channel
from istars.workers.trial import NOT_YET, Trial

log = logging.getLogger(__name__)

LOOK_S = HEARTBEAT_S
BUSY_LOOK_S = 0.5
CHECK_SLICE_S = 0.25
RESTART_AFTER_S = 5.0
RESTART_RETRY_S = 60.0
SLOTS_RETRY_S = 60.0
REASON_KEPT_S = 10.0
"""What is wrong with firmware on trial is put on flash at most so often."""


class NotNow(IStarsError):
    """An order that cannot be followed in this state."""


class Updater(Worker):
    """See the head of this file."""

    name = firmware.UPDATER

    def begin(self) -> None:
        """Find out what runs, and what became of the update before the restart."""
        firmware.make_dirs()
        self.board = board.load()
        self.version = board.firmware_version()
        self.slot = rauc.booted()
        self.rauc = rauc.installed()
        self.state = firmware.load_state()
        self.slots: tuple[firmware.SlotState, ...] = ()
        self.installation: rauc.Installation | None = None
        self.check: Iterator[float] | None = None
        self.progress, self.text = 0, ""
        self.restart_at: float | None = None
        self.channel = Channel(lambda found: self._tell("FIRMWARE_OFFERED", {"version": found.version}))
        self._published: Status | None = None
        self._confirmed_file = paths.run_dir() / "firmware-confirmed"
        self.trial: Trial | None = None
        self._reason_due = clock.boottime() + REASON_KEPT_S
        if self.slot and not self._confirmed_file.exists():
            others = [worker for worker in FAMILY if worker != self.name]
            self.trial = Trial(
                others, began=clock.boottime(), healthy_s=self.board.healthy_s, deadline_s=self.board.deadline_s
            )
        self.live.abandon(self.name)
        self._look_at_slots()
        self._recover()

    def end(self) -> None:
        """An installation that runs does not outlive this worker; it is seen at the next start."""
        if self.installation is not None:
            self.installation.stop()
        self.channel.stop()

    def turn(self) -> float:
        """Do what is due."""
        self.settings.changed()
        while (command := self.live.claim(self.name)) is not None:
            self._obey(command)
        self._take_in()
        self._judge()
        self._go_on_checking()
        self._go_on_installing()
        if self.slot and not self.slots and self.installation is None and clock.boottime() >= self._slots_due:
            self._look_at_slots()
        self._restart_when_due()
        self.channel.look(self.settings.current, busy=self.state.state in firmware.BUSY)
        self._publish()
        now = clock.boottime()
        if self.check is not None:
            return now
        busy = self.installation is not None or self.restart_at is not None or self.channel.working
        return now + (BUSY_LOOK_S if busy else LOOK_S)

    def _look_at_slots(self) -> None:
        """Ask rauc for the slots; it waits while something is installed, so never then."""
        if not self.slot:
            return
        self._slots_due = clock.boottime() + SLOTS_RETRY_S
        try:
            found = rauc.slots()
        except IStarsError as error:
            log.error("the slots cannot be read: %s", error)
            return
        # nobody writes down the version of what was flashed in the factory; that of the slot that runs is known
        told = {each.name: self.version for each in found if each.booted}
        self.slots = tuple(
            firmware.SlotState(
                each.name, each.booted, each.good, each.next, told.get(each.name, each.version), each.installed
            )
            for each in found
        )

    def _recover(self) -> None:
        """What the state of before means now that the card, or only this worker, has started again."""
        state, update = self.state.state, self.state.update
        arrived = update is not None and self.slot and self.slot == update.slot
        if update is not None and state in (firmware.RESTART, firmware.TRIAL, firmware.INSTALLING):
            if arrived:
                self._enter(firmware.TRIAL, self.state.reason, update=update)
            elif state == firmware.INSTALLING:
                self._ended("interrupted", "the card was restarted while it was written")
                self._recheck("The installation was interrupted; nothing has changed.")
            elif state == firmware.RESTART and update.boot == clock.boot_id():
                self.restart_at = clock.boottime() + RESTART_AFTER_S
            else:
                self._rolled_back(update)
        elif state in (firmware.CHECKING, firmware.READY):
            self._recheck("")

    def _recheck(self, remark: str) -> None:
        """Check the bundle that is still there; without one there is nothing to do."""
        if self.state.package is not None and firmware.bundle().exists():
            self._begin_check(self.state.package, remark)
        else:
            self._enter(firmware.FAILED if remark else firmware.IDLE, remark)

    def _rolled_back(self, update: Update) -> None:
        told = self.state.reason if self.state.state == firmware.TRIAL else ""
        reason = told or "it did not come so far as to say what was wrong"
        log.error("rolled back from %s: %s", update.version, reason)
        self._ended("rolled-back", reason)
        self._tell("FIRMWARE_ROLLED_BACK", {"version": update.version, "reason": reason})
        self._enter(firmware.ROLLED_BACK, reason, update=update)

    def _enter(
        self, state: str, reason: str = "", *, package: Package | None = None, update: Update | None = None
    ) -> None:
        """Take up `state`, on flash."""
        changed = State(state, reason, package, update)
        self.progress, self.text = 0, ""
        if changed != self.state:
            self.state = changed
            try:
                firmware.save_state(changed)
            except OSError as error:
                log.error("the state of the update cannot be written: %s", error)
        self._publish()

    def _ended(self, result: str, reason: str = "") -> None:
        """Write down what became of the update, or of the package that did not become one."""
        update, package = self.state.update, self.state.package
        name, by = (update.version, update.by) if update else (package.version, package.by) if package else ("", "")
        try:
            firmware.note(
                Ended(clock.wall(), result, name, update.from_version if update else self.version, reason, by)
            )
        except OSError as error:
            log.error("the history of updates cannot be written: %s", error)

    def _tell(self, code: str, args: dict[str, object]) -> None:
        key = f"{code}-{clock.boot_id()[:8]}-{clock.boottime():.6f}"
        try:
            self.live.tell(Event(0, key, clock.wall(), code, "event", ALARMS[code].severity, args))
            wake.nudge("core")
        except StoreError as error:
            log.error("the event %s could not be recorded: %s", code, error)

    def _publish(self) -> None:
        """Tell everybody what changed: the file first, then what wakes the pages."""
        state = self.state
        reason = self.trial.reason if self.trial is not None and state.state == firmware.TRIAL else state.reason
        status = Status(
            state=state.state, reason=reason, progress=self.progress, text=self.text, version=self.version,
            board=self.board.name, compatible=self.board.compatible, slot=self.slot,
            confirmed=bool(self.slot) and self.trial is None, rauc=self.rauc, package=state.package, update=state.update,
            slots=self.slots, history=self._published.history if self._published else firmware.history(),
            offered=self.channel.offered, asked_at=self.channel.asked_at, online_problem=self.channel.problem,
            online=self.channel.text,
        )  # fmt: skip
        if self._published is None or self._published.state != status.state:
            status = dataclasses.replace(status, history=firmware.history())
        if status != self._published:
            try:
                firmware.publish(status)
            except OSError as error:
                log.error("the state of the update cannot be told: %s", error)
            self._published = status
            self.live.touch()

    # What was brought.

    def _take_in(self) -> None:
        """Take what was brought, unless something is under way that it would disturb."""
        if self.state.state in firmware.BUSY:
            return
        try:
            package = firmware.take()
        except OSError as error:
            log.error("the update file cannot be taken: %s", error)
            return
        if package is not None:
            self._begin_check(package)

    def _begin_check(self, package: Package, remark: str = "") -> None:
        self._enter(firmware.CHECKING, remark, package=package)
        self.check = self._checking(package, remark)

    def _checking(self, package: Package, remark: str) -> Iterator[float]:
        """Check signature, board, version and every byte; yields what share is done. Raises IStarsError, OSError."""
        found = rauc.info(firmware.bundle())
        if self.board.compatible and found.compatible != self.board.compatible:
            raise NotNow(f"It is for {found.compatible}; this card is {self.board.compatible}.")
        downgrade = goes_back(found.version, self.version, oldest=package.min_version, floor=self.board.min_version)
        yield from verity.check(
            firmware.bundle(), root_hash=found.root_hash, salt=found.salt, tree_size=found.tree_size
        )
        checked = dataclasses.replace(
            package, version=found.version, compatible=(found.compatible,), signer=found.signer, downgrade=downgrade
        )
        self._enter(firmware.READY, remark, package=checked)

    def _go_on_checking(self) -> None:
        """Check for a moment; a failure ends it with its reason."""
        until = clock.boottime() + CHECK_SLICE_S
        try:
            while self.check is not None and clock.boottime() < until:
                share = next(self.check, None)
                if share is None:
                    self.check = None
                    return
                self.progress = int(share * 100)
        except (IStarsError, OSError) as error:
            self.check = None
            self._refuse(error)

    def _refuse(self, error: Exception) -> None:
        """What was brought cannot be used."""
        reason = f"{error.strerror}" if isinstance(error, OSError) else str(error)
        log.warning("the update file is refused: %s", reason)
        self._ended("failed", reason)
        self._forget()
        self._tell("FIRMWARE_FAILED", {"reason": reason})
        self._enter(firmware.FAILED, reason, package=self.state.package)

    def _forget(self) -> None:
        try:
            firmware.drop()
        except OSError as error:
            log.error("the update file cannot be removed: %s", error)

    # Orders.

    def _obey(self, command: LiveCommand) -> None:
        try:
            match command.name:
                case "istars.firmware.install":
                    result = self._install(command)
                case "istars.firmware.discard":
                    result = self._discard()
                case "istars.firmware.look":
                    result = self.channel.begin(fetch=False)
                case "istars.firmware.download":
                    result = self._download()
                case _:
                    raise NotNow(f"{command.name} is not a command of this worker")
        except IStarsError as error:
            self.live.finish(command.id, "failed", str(error))
            return
        # first: whoever waits for the answer looks at the state next
        self._publish()
        self.live.finish(command.id, "done", result)

    def _download(self) -> str:
        if self.state.state in firmware.BUSY:
            raise NotNow(firmware.WHY_BUSY[self.state.state])
        return self.channel.begin(fetch=True)

    def _discard(self) -> str:
        if self.state.state in firmware.BUSY:
            raise NotNow(firmware.WHY_BUSY[self.state.state])
        self._forget()
        self._enter(firmware.IDLE)
        return "the update file is gone"

    def _install(self, command: LiveCommand) -> str:
        """Begin to write what is ready. Raises NotNow, RaucFailed."""
        package = self.state.package
        if self.state.state != firmware.READY or package is None:
            raise NotNow(firmware.WHY_BUSY.get(self.state.state, "There is no update file that was checked."))
        if command.arguments.get("version") not in ("", None, package.version):
            raise NotNow(f"The update file is {package.version} by now. Look again.")
        if not self.slot:
            raise NotNow("This machine has no slots to install firmware in.")
        if self.trial is not None:
            raise NotNow(
                "The firmware that runs has not yet shown that it is good; without it there would be no way back."
            )
        if package.downgrade and command.arguments.get("downgrade") != 1:
            raise NotNow(f"{package.version} is older than {self.version}; confirm that you want to go back.")
        target = "B" if self.slot == "A" else "A"
        update = Update(
            package.version, target, self.version, self.slot, command.asked_by, clock.wall(), clock.boot_id()
        )
        self.installation = rauc.Installation(firmware.bundle())
        self._enter(firmware.INSTALLING, package=package, update=update)
        return f"{package.version} is being written to slot {target}"

    def _go_on_installing(self) -> None:
        if self.installation is None:
            return
        ended = self.installation.look()
        self.progress, self.text = self.installation.progress, self.installation.text
        if not ended:
            return
        failure, self.installation = self.installation.failure, None
        self._look_at_slots()
        if failure:
            log.error("the installation failed: %s", failure)
            self._ended("failed", failure)
            self._tell("FIRMWARE_FAILED", {"reason": failure})
            self._forget()
            self._enter(firmware.FAILED, failure, package=self.state.package)
            return
        self._enter(firmware.RESTART, update=self.state.update)
        self._forget()
        self.restart_at = clock.boottime() + RESTART_AFTER_S

    # The restart, and what comes after it.

    def _restart_when_due(self) -> None:
        if self.restart_at is None or clock.boottime() < self.restart_at:
            return
        try:
            restart.now()
        except IStarsError as error:
            log.error("%s", error)
        # a machine that shuts down ends this worker before that
        self.restart_at = clock.boottime() + RESTART_RETRY_S

    def _judge(self) -> None:
        """The firmware that runs is kept once it has run well for a while; if it does not, the card restarts."""
        if self.trial is None:
            return
        now = clock.boottime()
        well = self.trial.look(now, self.live.heartbeats(), pages.sign_in_status)
        reason = self.trial.reason
        if well:
            try:
                rauc.mark_good()
            except IStarsError as error:
                reason = f"it could not be marked as good: {error}"
            else:
                self._keep()
                return
        over = now >= self.trial.due and self.restart_at is None
        # whatever ends it, a hang or a power cut too: the firmware of before can say what was wrong
        if self.state.state == firmware.TRIAL and reason != NOT_YET and (over or now >= self._reason_due):
            self._enter(firmware.TRIAL, reason, update=self.state.update)
            self._reason_due = now + REASON_KEPT_S
        if over:
            log.error("the firmware does not run well (%s); the card restarts", reason)
            self.restart_at = now

    def _keep(self) -> None:
        """The firmware that runs is good."""
        self.trial, self.restart_at = None, None
        with contextlib.suppress(OSError):
            self._confirmed_file.touch()
        log.info("firmware %s in slot %s is good", self.version, self.slot)
        self._look_at_slots()
        if self.state.state == firmware.TRIAL:
            self._ended("installed")
            self._tell("FIRMWARE_UPDATED", {"version": self.version})
            self._enter(firmware.GOOD, update=self.state.update)
