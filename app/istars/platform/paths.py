"""Where things are, under one prefix.

`ISTARS_ROOT` is empty on the card and names a folder on a developer's machine, so that the whole card runs anywhere and
several instances run side by side.
"""

from __future__ import annotations

import os
from pathlib import Path

SOCKET_PATH_LIMIT = 107
"""Longest path of a unix socket in bytes (`sun_path` of unix(7), less the closing NUL)."""


def root() -> Path:
    """Prefix of every path of this instance."""
    return Path(os.environ.get("ISTARS_ROOT") or "/")


def is_card() -> bool:
    """Whether this instance is the machine itself, not a folder on somebody's."""
    return root() == Path("/")


def run_dir() -> Path:
    """Memory-backed: lives until the machine stops."""
    return root() / "run" / "istars"


def data_dir() -> Path:
    """Flash: settings, records, accounts."""
    return root() / "data" / "istars"


def live_db() -> Path:
    """The live table (`store/live.py`)."""
    return run_dir() / "live.db"


def wake_dir() -> Path:
    """One socket per worker that can be nudged (`store/wake.py`)."""
    return run_dir() / "wake"


def archive_db() -> Path:
    """Events and active alarms (`store/archive.py`)."""
    return data_dir() / "archive.db"


def history_db() -> Path:
    """Readings of the past (`store/history.py`)."""
    return data_dir() / "history.db"


def history_tail() -> Path:
    """Readings of the present hour (`store/history_tail.py`)."""
    return data_dir() / "history.tail"


def outbox_db() -> Path:
    """Messages on their way to people (`store/outbox.py`)."""
    return data_dir() / "outbox.db"


def accounts_db() -> Path:
    """Users and tokens (`store/accounts.py`)."""
    return data_dir() / "accounts.db"


def settings_file() -> Path:
    """The settings, in the format that the pages export."""
    return data_dir() / "system_config.csv"


def battery_file() -> Path:
    """What was learned of the battery, and its tests (`store/battery.py`)."""
    return data_dir() / "battery.json"


def maps_dir() -> Path:
    """Register maps that the owner brought (`drivers/maps.py`)."""
    return data_dir() / "maps"


def modified(path: Path) -> int:
    """A number that changes when the folder or file at `path` does; 0 where there is none."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def detection_file() -> Path:
    """How the last search for the protocol went (`store/detection.py`)."""
    return run_dir() / "detection.json"


def abilities_file() -> Path:
    """What the UPS can do (`store/abilities.py`)."""
    return run_dir() / "abilities.json"


def serial_file() -> Path:
    """The borrowed serial port and what went over it (`store/serialport.py`)."""
    return run_dir() / "serial.json"


def serial_lease() -> Path:
    """Who still looks at the page of the borrowed port (`store/serialport.py`)."""
    return run_dir() / "serial.lease"


def serial_records() -> Path:
    """Recordings of serial port debugging data (`store/serialport.py`)."""
    return data_dir() / "serial"


def offered_dir() -> Path:
    """Register maps that were brought and not yet tried (`store/maps.py`)."""
    return run_dir() / "maps"


def update_dir() -> Path:
    """Firmware that somebody brought, and what became of it (`store/firmware.py`)."""
    return data_dir() / "update"


def firmware_status() -> Path:
    """What the updater says at this moment, as JSON; in memory."""
    return run_dir() / "firmware.json"


def board_file() -> Path:
    """What the board is and which device has which name (`platform/board.py`)."""
    return root() / "etc" / "istars" / "board.json"


def os_release() -> Path:
    """Name and version of the firmware that runs; os-release(5)."""
    return root() / "etc" / "os-release"


def rauc_config() -> Path:
    """Slots and keys, as the program rauc reads them."""
    return root() / "etc" / "rauc" / "system.conf"


def rauc_keyring() -> Path:
    """Who may sign firmware for this card, where there is no configuration that says so."""
    return root() / "etc" / "rauc" / "keyring.pem"


def kernel_line() -> Path:
    """What the boot loader told the kernel."""
    return root() / "proc" / "cmdline"


def make_dirs() -> None:
    """Create the folders of this instance, closed to all but their group.

    Raises OSError where that is not possible.
    """
    for folder in (run_dir(), wake_dir(), offered_dir(), data_dir()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o770)
