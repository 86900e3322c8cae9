"""Firmware on its way into the card: what was brought, how far it came, what became of it. In files, to survive a power cut.

    update/incoming/package.raucb, package.json    brought by the pages or the command line, for the updater to take
    update/package.raucb                           what the updater has taken
    update/state.json                              what must be known after a restart; written by the updater alone
    update/history.jsonl                           what became of earlier updates, oldest first
    run/istars/firmware.json                       what the updater says at this moment; in memory, for everybody to read

Trust comes from the bundle's signature, which the updater has verified; whoever brings a file is only believed to be allowed to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import logging
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from istars.errors import IStarsError
from istars.platform import clock, files, paths
from istars.store import wake
from istars.store.package import Manifest, PackageRefused, Source, unpack

log = logging.getLogger(__name__)

UPDATER = "updater"
IDLE, RECEIVING, CHECKING, READY, INSTALLING = "idle", "receiving", "checking", "ready", "installing"
RESTART, TRIAL, GOOD, ROLLED_BACK, FAILED = "restart", "trial", "good", "rolled-back", "failed"
STATES = (IDLE, RECEIVING, CHECKING, READY, INSTALLING, RESTART, TRIAL, GOOD, ROLLED_BACK, FAILED)
BUSY = frozenset({CHECKING, INSTALLING, RESTART, TRIAL})
"""States in which nothing else may be brought."""
ROOM_LEFT = 8 * 1024 * 1024
"""That much of flash stays free for records."""
HISTORY_KEPT = 50
FILE_LIMIT = 256 * 1024

T = TypeVar("T")


class Busy(IStarsError):
    """Another update is under way."""


@dataclass(frozen=True, slots=True)
class Package:
    """Firmware that was brought. `at` is epoch seconds; `signer` is empty until the signature was verified."""

    version: str
    notes: str = ""
    changes: str = ""
    size: int = 0
    compatible: tuple[str, ...] = ()
    min_version: str = ""
    by: str = ""
    address: str = ""
    at: float = 0.0
    signer: str = ""
    downgrade: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """An installation: from which version and slot to which, who asked for it, and in which run of the machine it began."""

    version: str
    slot: str
    from_version: str
    from_slot: str
    by: str = ""
    at: float = 0.0
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """An update that is over. `result` is `installed`, `rolled-back`, `failed` or `interrupted`; `at` is epoch seconds."""

    at: float
    result: str
    version: str
    from_version: str = ""
    reason: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """What must be known after a restart."""

    state: str = IDLE
    reason: str = ""
    package: Package | None = None
    update: Update | None = None


@dataclass(frozen=True, slots=True)
class Available:
    """What the channel offers."""

    version: str
    size: int = 0
    notes: str = ""


@dataclass(frozen=True, slots=True)
class SlotState:
    """As `platform/rauc.py` has it."""

    name: str
    booted: bool = False
    good: bool = False
    next: bool = False
    version: str = ""
    installed: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """All that is known at this moment. `slot` is empty where the machine has no slots; `confirmed`: the running one is good.

    `progress` is a percentage of the state it is in; `offered` is what the channel has, `online` what is being done about it;
    `asked_at` epoch seconds, 0 for never.
    """

    state: str = IDLE
    reason: str = ""
    progress: int = 0
    text: str = ""
    version: str = ""
    board: str = ""
    compatible: str = ""
    slot: str = ""
    confirmed: bool = False
    rauc: bool = False
    package: Package | None = None
    update: Update | None = None
    slots: tuple[SlotState, ...] = ()
    history: tuple[Ended, ...] = ()
    offered: Available | None = None
    asked_at: float = 0.0
    online_problem: str = ""
    online: str = ""
    running: bool = field(default=True, metadata={"kept": False})


def _of(kind: type[T], said: object) -> T | None:
    """An object of JSON as `kind`; None where it is none. Members that this firmware does not know are passed over."""
    if not isinstance(said, dict):
        return None
    names = {each.name for each in dataclasses.fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(
            **{
                name: tuple(value) if isinstance(value, list) else value
                for name, value in said.items()
                if name in names
            }
        )
    except TypeError:
        return None


def _read_json(path: Path) -> dict[str, Any] | None:
    """What a small file says; None where it is not there or is no object. Follows no link."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            said = json.loads(file.read(FILE_LIMIT))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        log.error("%s cannot be read: %s", path, error)
        return None
    return said if isinstance(said, dict) else None


def _write_json(path: Path, value: object) -> None:
    files.replace(path, json.dumps(value, ensure_ascii=False).encode())


def incoming() -> Path:
    """Folder for what was brought."""
    return paths.update_dir() / "incoming"


def bundle() -> Path:
    """The bundle that the updater has taken."""
    return paths.update_dir() / "package.raucb"


def _state_file() -> Path:
    return paths.update_dir() / "state.json"


def _history_file() -> Path:
    return paths.update_dir() / "history.jsonl"


def load_state() -> State:
    """What was written down before the restart."""
    said = _read_json(_state_file()) or {}
    return State(
        str(said.get("state") or IDLE), str(said.get("reason") or ""), _of(Package, said.get("package")),
        _of(Update, said.get("update")),
    )  # fmt: skip


def save_state(state: State) -> None:
    """Write it down, on flash when this returns. Raises OSError."""
    _write_json(_state_file(), dataclasses.asdict(state))


def went_back(slot: str) -> bool:
    """Whether the card has left firmware for `slot`, which runs again, and nobody has seen it yet."""
    state = load_state()
    update = state.update
    if update is None or not slot or state.state not in (RESTART, TRIAL):
        return False
    return slot != update.slot and update.boot != clock.boot_id()


def history() -> tuple[Ended, ...]:
    """What became of earlier updates, newest first."""
    try:
        lines = _history_file().read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in reversed(lines[-HISTORY_KEPT:]):
        with contextlib.suppress(ValueError):
            ended = _of(Ended, json.loads(line))
            if ended is not None:
                found.append(ended)
    return tuple(found)


def note(ended: Ended) -> None:
    """Add to the history. Raises OSError."""
    kept = [ended, *history()][:HISTORY_KEPT]
    lines = [json.dumps(dataclasses.asdict(each), ensure_ascii=False) + "\n" for each in reversed(kept)]
    files.replace(_history_file(), "".join(lines).encode())


def publish(status: Status) -> None:
    """Tell everybody. Raises OSError."""
    said = dataclasses.asdict(status)
    del said["running"]
    _write_json(paths.firmware_status(), said)


def status() -> Status:
    """What the updater said last; `running` is False where it has not yet said anything since the card started."""
    said = _read_json(paths.firmware_status())
    if said is None:
        return Status(running=False)
    parts: dict[str, Any] = {
        "package": _of(Package, said.get("package")),
        "update": _of(Update, said.get("update")),
        "offered": _of(Available, said.get("offered")),
        "slots": _all(SlotState, said.get("slots")),
        "history": _all(Ended, said.get("history")),
    }
    found = _of(Status, {**said, **parts}) or Status(running=False)
    if found.state not in BUSY and _receiving():
        return dataclasses.replace(found, state=RECEIVING, reason="", progress=0, text="")
    return found


def _all(kind: type[T], said: object) -> tuple[T, ...]:
    found = [_of(kind, each) for each in said] if isinstance(said, list) else []
    return tuple(each for each in found if each is not None)


def _lock_file() -> Path:
    return incoming() / "lock"


def _receiving() -> bool:
    """Whether somebody is bringing something at this moment."""
    try:
        descriptor = os.open(_lock_file(), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def make_dirs() -> None:
    """The folder of the updater, and the one in which every account of the card may put something, whoever comes first."""
    group = paths.data_dir().stat().st_gid
    for folder, mode in ((paths.update_dir(), 0o2750), (incoming(), 0o2770)):
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o750)
            if os.geteuid() == 0:
                os.chown(folder, -1, group)
                folder.chmod(mode)


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only one who brings something; raises Busy."""
    make_dirs()
    # only for reading: whoever made it may have been another account of the card
    descriptor = os.open(_lock_file(), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o660)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy("Another update file is being received. Wait until it is there.") from None
        yield
    finally:
        os.close(descriptor)


WHY_BUSY: Mapping[str, str] = {
    CHECKING: "The update file from before is being checked.",
    INSTALLING: "Firmware is being installed.",
    RESTART: "The card is about to restart into new firmware.",
    TRIAL: "The firmware that runs is on trial; it is kept or left in a few minutes.",
}


def receive(source: Source, *, by: str, address: str) -> Manifest:
    """Take a package from `source` onto flash, for the updater to check, and tell it. What was brought before is gone then.

    Raises Busy, PackageRefused, or OSError where flash cannot be written; nothing is left behind then.
    """
    with _alone():
        state = status().state
        if state in BUSY:
            raise Busy(WHY_BUSY[state])
        part, ready = incoming() / "incoming.part", incoming() / "package.raucb"
        told = incoming() / "package.json"
        for path in (told, ready, part):
            path.unlink(missing_ok=True)
        try:
            with part.open("wb") as out:
                manifest, changes = unpack(source, out.write, _need_room)
                out.flush()
                os.fsync(out.fileno())
            part.replace(ready)
        finally:
            part.unlink(missing_ok=True)
        package = Package(
            manifest.version, manifest.notes, changes, manifest.size, manifest.compatible, manifest.min_version, by, address,
            clock.wall(),
        )  # fmt: skip
        # last, and itself flushed: with it the package is there
        _write_json(told, dataclasses.asdict(package))
    wake.nudge(UPDATER)
    return manifest


def _need_room(manifest: Manifest) -> None:
    room = os.statvfs(incoming())
    if room.f_bavail * room.f_frsize < manifest.size + ROOM_LEFT:
        raise PackageRefused(f"Flash has no room for {manifest.size / 1e6:.1f} MB. Export and delete old records.")


def take() -> Package | None:
    """For the updater: take what was brought as its own; None where nothing was. Raises OSError."""
    told, brought = incoming() / "package.json", incoming() / "package.raucb"
    if not told.exists():
        return None
    package = _of(Package, _read_json(told))
    told.unlink()
    try:
        if package is None or not stat.S_ISREG(brought.lstat().st_mode):
            log.error("what lies in %s is no package", incoming())
            return None
        brought.replace(bundle())
    except FileNotFoundError:
        return None
    files.flush_folder(paths.update_dir())
    return package


def drop() -> None:
    """For the updater: forget the bundle. Raises OSError."""
    bundle().unlink(missing_ok=True)
