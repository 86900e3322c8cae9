"""The updater: what is brought is checked, installed, tried and kept, or given up, over restarts and interruptions.

Signatures and bundles are real, checked by the real rauc; slots, restart and pages are stand-ins that a machine for tests lacks.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from firmware_samples import COMPATIBLE, Maker, packed, spoiled
from istars.errors import IStarsError
from istars.platform import clock, pages, paths, rauc, restart
from istars.platform.rauc import RaucFailed, Slot
from istars.store import firmware
from istars.store.archive import Event
from istars.store.firmware import Busy
from istars.store.live import LiveTable
from istars.store.package import PackageRefused
from istars.workers.base import FAMILY
from istars.workers.updater import Updater

pytestmark = [pytest.mark.peer, pytest.mark.thorough]

OTHERS = [worker for worker in FAMILY if worker != "updater"]


class Installing:
    """An installation that goes on as the test says."""

    failure = ""
    progress, text = 40, "Copying image to rootfs.1"
    ended = False
    stopped = False

    def __init__(self, path: Path) -> None:
        assert path.exists()
        Installing.last = self

    last: Installing

    def look(self) -> bool:
        return self.ended

    def stop(self) -> None:
        self.stopped = True


class Machine:
    """The machine around the updater: which slot runs, what rauc was told, whether it was restarted."""

    def __init__(self, live: LiveTable, clock: FakeClock) -> None:
        self.live, self.clock = live, clock
        self.slot, self.marked, self.restarts, self.sign_in = "A", 0, 0, 200
        self.boots = 0
        self.pids = dict.fromkeys(OTHERS, 100)
        self.updater: Updater | None = None

    def boot(self, slot: str, version: str = "0.1.0") -> Updater:
        """The machine starts, from this slot."""
        if self.updater is not None:
            self.updater.live.close()
        self.boots += 1
        self.slot = slot
        (paths.run_dir() / "firmware-confirmed").unlink(missing_ok=True)
        paths.os_release().write_text(f'NAME=iStars\nVERSION_ID="{version}"\n', encoding="utf-8")
        paths.kernel_line().parent.mkdir(exist_ok=True)
        paths.kernel_line().write_text(f"quiet rauc.slot={slot}\n" if slot else "quiet\n", encoding="ascii")
        return self.start()

    def start(self) -> Updater:
        """The worker starts."""
        self.updater = Updater()
        self.updater.begin()
        return self.updater

    def run(self, seconds: float = 0.0, *, alive: bool = True) -> None:
        """Time goes by, in steps as the workers give signs of life."""
        assert self.updater is not None
        while True:
            if alive:
                for worker in OTHERS:
                    self.beat(worker)
            for _ in range(3):
                self.updater.turn()
            if seconds <= 0:
                return
            self.clock.forward(min(5.0, seconds))
            seconds -= 5.0

    def beat(self, worker: str) -> None:
        with self.live.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO heartbeat VALUES (?, ?, ?, 'x')", (worker, self.pids[worker], clock.boottime())
            )

    def finish_check(self) -> firmware.Status:
        """Until what was brought is checked."""
        assert self.updater is not None
        self.updater.turn()
        while self.updater.check is not None:
            self.updater.turn()
        return firmware.status()

    def order(self, name: str, **arguments: object) -> str:
        """An order and what came of it."""
        assert self.updater is not None
        number = self.live.submit(
            "updater", f"istars.firmware.{name}", arguments, asked_by="admin", address="10.0.0.7", lifetime_s=5
        )
        self.updater.turn()
        found = self.live.command(number)
        return f"{found.state}: {found.result}"

    def events(self) -> list[Event]:
        return self.live.pending_events()


@pytest.fixture
def box(root: Path, maker: Maker, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine with two slots that trusts `maker`."""
    (root / "etc" / "istars").mkdir(parents=True)
    (root / "etc" / "rauc").mkdir()
    shutil.copy(maker.keyring, paths.rauc_keyring())
    paths.board_file().write_text(
        json.dumps({"board": "test", "compatible": COMPATIBLE, "min_version": "0.0.5", "trial": {"healthy_s": 60}})
    )
    live = LiveTable(paths.live_db())
    made = Machine(live, fake_clock)

    def mark() -> None:
        made.marked += 1

    def restart_machine() -> None:
        made.restarts += 1

    def slots() -> list[Slot]:
        return [Slot(name, name == made.slot, True, name == made.slot, "", "") for name in "AB"]

    monkeypatch.setattr(clock, "boot_id", lambda: f"boot-{made.boots}")
    monkeypatch.setattr(rauc, "mark_good", mark)
    monkeypatch.setattr(rauc, "slots", slots)
    monkeypatch.setattr(rauc, "Installation", Installing)
    monkeypatch.setattr(restart, "now", restart_machine)
    monkeypatch.setattr(pages, "sign_in_status", lambda: made.sign_in)
    yield made
    if made.updater is not None:
        made.updater.live.close()
    live.close()


def bring(path: Path) -> None:
    with path.open("rb") as file:
        firmware.receive(file, by="admin", address="10.0.0.7")


def good(box: Machine) -> Machine:
    """Firmware that runs and was found good."""
    box.boot("A")
    box.run(60)
    assert firmware.status().confirmed
    return box


def ready(box: Machine, maker: Maker, version: str = "0.2.0") -> Machine:
    bring(maker.package(version))
    assert box.finish_check().state == "ready", firmware.status().reason
    return box


def written(box: Machine, maker: Maker) -> None:
    """Firmware is in the other slot, and the card about to restart."""
    ready(good(box), maker)
    assert box.order("install", version="0.2.0", downgrade=0).startswith("done")
    Installing.last.ended = True
    box.run()
    assert firmware.status().state == "restart"


# The trial.


def test_firmware_that_runs_well_for_a_minute_is_marked_as_good(box: Machine) -> None:
    box.boot("A")
    box.run(55)
    assert (box.marked, firmware.status().confirmed) == (0, False)
    box.run(10)
    assert (box.marked, firmware.status().confirmed) == (1, True)
    box.run(600)
    assert (box.marked, box.restarts) == (1, 0)


def test_a_restart_of_the_worker_does_not_begin_the_trial_anew(box: Machine) -> None:
    good(box)
    box.start()
    assert box.updater is not None
    assert box.updater.trial is None


@pytest.mark.parametrize("silent", OTHERS)
def test_without_a_sign_of_life_the_card_restarts(box: Machine, silent: str) -> None:
    box.boot("A")
    box.pids.pop(silent)
    others = [worker for worker in OTHERS if worker != silent]
    for _ in range(61):
        for worker in others:
            box.beat(worker)
        box.run(alive=False)
        box.clock.forward(5)
    assert (box.marked, box.restarts) == (0, 1)


def test_a_worker_that_starts_again_and_again_is_not_running_well(box: Machine) -> None:
    box.boot("A")
    for number in range(30):
        box.pids["core"] = 200 + number
        box.run(5)
    assert box.marked == 0
    assert box.updater is not None
    assert box.updater.trial is not None
    assert "core had to be started again" in box.updater.trial.reason
    box.run(70)
    assert box.marked == 1


@pytest.mark.parametrize("status", [0, 500, 502])
def test_without_the_sign_in_page_the_card_restarts(box: Machine, status: int) -> None:
    box.boot("A")
    box.sign_in = status
    box.run(310)
    assert (box.marked, box.restarts) == (0, 1)


def test_what_cannot_be_marked_as_good_is_not_good(box: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RaucFailed("no boot loader")

    monkeypatch.setattr(rauc, "mark_good", refuse)
    box.boot("A")
    box.run(310)
    assert box.restarts == 1


def test_a_machine_without_slots_is_never_on_trial(box: Machine, maker: Maker) -> None:
    box.boot("")
    box.run(400, alive=False)
    assert (box.marked, box.restarts) == (0, 0)
    ready(box, maker)
    assert box.order("install", version="0.2.0") == "failed: This machine has no slots to install firmware in."


# The check.


def test_what_is_brought_is_checked_and_ready(box: Machine, maker: Maker) -> None:
    found = ready(good(box), maker).finish_check()
    assert found.package is not None
    assert (found.package.version, found.package.by, found.package.downgrade) == ("0.2.0", "admin", False)
    assert "iStars development signer" in found.package.signer


def refusal(box: Machine, path: Path) -> str:
    box.clock.forward(1)
    bring(path)
    found = box.finish_check()
    assert found.state == "failed"
    assert not firmware.bundle().exists()
    assert found.history[0].reason == found.reason
    assert ("FIRMWARE_FAILED", found.reason) in [(event.code, event.args.get("reason")) for event in box.events()]
    return found.reason


def test_what_does_not_fit_is_refused_with_its_reason(box: Machine, maker: Maker, stranger: Maker) -> None:
    good(box)
    assert "signature verification failed" in refusal(box, stranger.package(name="strange.tar.gz"))
    other = maker.package(compatible="other-board", name="other.tar.gz")
    assert refusal(box, other) == "It is for other-board; this card is istars-nv."
    flipped = maker.package(bundle=spoiled(maker.bundle()), name="spoiled.tar.gz")
    assert "not what was signed" in refusal(box, flipped)
    assert refusal(box, maker.package("0.0.4")) == "It is 0.0.4; this card does not go back behind 0.0.5."
    between = maker.package("0.9.0", min_version="0.5.0", name="between.tar.gz")
    assert refusal(box, between) == "It replaces 0.5.0 and newer; 0.1.0 runs. Install a version in between first."
    assert box.order("install", version="").startswith("failed")


def test_a_label_that_lies_about_the_bundle_is_not_believed(box: Machine, maker: Maker) -> None:
    """The manifest of the package is not signed: what counts is that of the bundle."""
    good(box)
    lie = maker.package("0.8.0", bundle=maker.bundle("0.0.9"), name="lie.tar.gz")
    bring(lie)
    found = box.finish_check()
    assert found.package is not None
    assert (found.package.version, found.package.downgrade) == ("0.0.9", True)


def test_what_cannot_be_unpacked_leaves_nothing_behind(box: Machine, tmp_path: Path) -> None:
    good(box)
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(packed(("../manifest.json", b"{}")))
    with pytest.raises(PackageRefused):
        bring(bad)
    assert sorted(path.name for path in firmware.incoming().iterdir()) == ["lock"]
    assert box.finish_check().state == "idle"


def test_a_second_one_who_brings_something_is_refused_meanwhile(box: Machine, maker: Maker) -> None:
    good(box)
    path = maker.package()

    class Meddling:
        def __init__(self) -> None:
            self.file = path.open("rb")

        def read(self, size: int, /) -> bytes:
            assert firmware.status().state == "receiving"
            with pytest.raises(Busy):
                bring(path)
            return self.file.read(size)

    source = Meddling()
    firmware.receive(source, by="x", address="y")
    source.file.close()
    assert box.finish_check().state == "ready"


def test_what_is_no_plain_file_is_not_taken(box: Machine, root: Path, maker: Maker) -> None:
    """Whoever has taken over the pages gets no file of root's read."""
    good(box)
    bring(maker.package())
    secret = root / "secret"
    secret.write_text("x")
    (firmware.incoming() / "package.raucb").unlink()
    (firmware.incoming() / "package.raucb").symlink_to(secret)
    assert box.finish_check().state == "idle"
    bring(maker.package())
    told = firmware.incoming() / "package.json"
    told.rename(root / "told.json")
    told.symlink_to(root / "told.json")
    assert box.finish_check().state == "idle"


# The installation.


def test_new_firmware_is_written_started_tried_and_kept(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    assert box.order("install", version="0.2.0", downgrade=0) == "done: 0.2.0 is being written to slot B"
    found = firmware.status()
    assert (found.state, found.progress, found.text) == ("installing", 40, "Copying image to rootfs.1")
    with pytest.raises(Busy, match="is being installed"):
        bring(maker.package())
    Installing.last.ended = True
    box.run()
    assert (firmware.status().state, box.restarts) == ("restart", 0)
    assert not firmware.bundle().exists()
    box.run(10)
    assert box.restarts == 1

    box.boot("B", "0.2.0")
    assert (firmware.status().state, firmware.status().version) == ("trial", "0.2.0")
    with pytest.raises(Busy, match="on trial"):
        bring(maker.package())
    box.run(65)
    found = firmware.status()
    assert (found.state, found.confirmed, found.slot) == ("good", True, "B")
    assert (found.history[0].result, found.history[0].from_version, found.history[0].version) == (
        "installed",
        "0.1.0",
        "0.2.0",
    )
    assert ("FIRMWARE_UPDATED", {"version": "0.2.0"}) in [(event.code, event.args) for event in box.events()]


def test_firmware_that_does_not_run_well_is_left_and_the_reason_told(box: Machine, maker: Maker) -> None:
    written(box, maker)
    for _try in range(3):
        box.restarts = 0
        box.boot("B", "0.2.0")
        box.sign_in = 500
        box.run(310)
        assert box.restarts == 1
    box.sign_in = 200
    box.boot("A")
    found = firmware.status()
    assert (found.state, found.reason) == ("rolled-back", "the sign-in page answered with status 500")
    assert found.update is not None
    assert found.update.version == "0.2.0"
    assert found.history[0].result == "rolled-back"
    told = {"version": "0.2.0", "reason": "the sign-in page answered with status 500"}
    assert ("FIRMWARE_ROLLED_BACK", told) in [(event.code, event.args) for event in box.events()]
    box.run(65)
    assert firmware.status().state == "rolled-back"
    bring(maker.package("0.3.0"))
    assert box.finish_check().state == "ready"


def test_what_was_wrong_is_known_too_when_a_hang_ends_the_trial(box: Machine, maker: Maker) -> None:
    written(box, maker)
    box.boot("B", "0.2.0")
    box.sign_in = 500
    box.run(30)
    # the machine hangs here, and no later try comes so far
    box.boot("B", "0.2.0")
    box.sign_in = 200
    box.boot("A")
    assert (firmware.status().state, firmware.status().reason) == (
        "rolled-back",
        "the sign-in page answered with status 500",
    )


def test_firmware_that_is_found_good_quickly_costs_flash_no_reason(box: Machine, maker: Maker) -> None:
    written(box, maker)
    box.boot("B", "0.2.0")
    box.run(30)
    assert firmware.load_state().reason == ""


def test_firmware_that_never_started_is_told_of_too(box: Machine, maker: Maker) -> None:
    written(box, maker)
    box.boot("A")
    assert (firmware.status().state, firmware.status().reason) == (
        "rolled-back",
        "it did not come so far as to say what was wrong",
    )


def test_a_power_cut_while_it_is_written_changes_nothing(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    box.order("install", version="0.2.0")
    box.boot("A")
    found = box.finish_check()
    assert (found.state, found.history[0].result) == ("ready", "interrupted")
    assert "interrupted; nothing has changed" in found.reason
    box.run(65)
    assert box.order("install", version="0.2.0").startswith("done")


def test_a_power_cut_right_after_it_was_written_starts_the_trial(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    box.order("install", version="0.2.0")
    box.boot("B", "0.2.0")
    assert firmware.status().state == "trial"


def test_a_power_cut_while_it_waits_or_is_checked_costs_only_the_check(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    box.boot("A")
    assert firmware.status().state == "checking"
    assert box.finish_check().state == "ready"


def test_an_installation_that_fails_is_told_with_its_reason(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    box.order("install", version="0.2.0")
    Installing.last.failure = "No space left on device"
    Installing.last.ended = True
    box.run()
    found = firmware.status()
    assert (found.state, found.reason, box.restarts) == ("failed", "No space left on device", 0)
    assert found.history[0].reason == "No space left on device"


def test_firmware_on_trial_does_not_overwrite_the_way_back(box: Machine, maker: Maker) -> None:
    box.boot("A")
    ready(box, maker)
    assert "has not yet shown that it is good" in box.order("install", version="0.2.0")


def test_the_way_back_needs_a_word_of_its_own(box: Machine, maker: Maker) -> None:
    ready(good(box), maker, "0.0.9")
    package = firmware.status().package
    assert package is not None
    assert package.downgrade
    assert box.order("install", version="0.0.9", downgrade=0) == (
        "failed: 0.0.9 is older than 0.1.0; confirm that you want to go back."
    )
    assert box.order("install", version="0.0.9", downgrade=1).startswith("done")


def test_what_is_installed_is_what_was_looked_at(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    assert box.order("install", version="0.3.0") == "failed: The update file is 0.2.0 by now. Look again."


def test_a_worker_that_is_told_to_stop_stops_the_installation(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    box.order("install", version="0.2.0")
    assert box.updater is not None
    box.updater.end()
    assert Installing.last.stopped


def test_what_was_brought_can_be_removed(box: Machine, maker: Maker) -> None:
    ready(good(box), maker)
    assert box.order("discard") == "done: the update file is gone"
    assert (firmware.status().state, firmware.bundle().exists()) == ("idle", False)


def test_orders_of_another_kind_are_refused(box: Machine) -> None:
    good(box)
    assert box.order("dance").startswith("failed")


def test_a_restart_that_fails_is_tried_again(box: Machine, maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    written(box, maker)
    tries: list[int] = []

    def refuse() -> None:
        tries.append(1)
        raise IStarsError("no")

    monkeypatch.setattr(restart, "now", refuse)
    box.run(130)
    assert len(tries) >= 2


@pytest.mark.parametrize("content", ["", "[]", "{", '{"state": 5, "package": [], "update": {"x": 1}}', '{"new": true}'])
def test_a_state_that_a_power_cut_or_newer_firmware_left_is_survived(box: Machine, content: str) -> None:
    firmware.make_dirs()
    (paths.update_dir() / "state.json").write_text(content)
    (paths.update_dir() / "history.jsonl").write_text(
        content + '\n{"at": 1, "result": "installed", "version": "9", "more": 1}\n'
    )
    good(box)
    assert firmware.status().history[0].version == "9"


def test_slots_that_could_not_be_read_are_asked_for_again(box: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent() -> list[Slot]:
        raise RaucFailed("its service does not run yet")

    answering = rauc.slots
    monkeypatch.setattr(rauc, "slots", silent)
    good(box)
    assert firmware.status().slots == ()
    monkeypatch.setattr(rauc, "slots", answering)
    box.run(65)
    assert [(slot.name, slot.version) for slot in firmware.status().slots] == [("A", "0.1.0"), ("B", "")]


def test_pages_are_woken_by_what_changes(box: Machine, maker: Maker) -> None:
    good(box)
    before = box.live.sequence()
    ready(box, maker)
    assert box.live.sequence() > before
