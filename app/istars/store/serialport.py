"""The serial port that somebody has borrowed to look at it by hand, what went over it, and recordings of that.

The worker that owns the ports writes one JSON object in memory: who has the port (`by`, empty for nobody), `device`, `line`,
`protocol`, `since` and `ended` (epoch seconds), `why` it was given back, `recording` (name of its file, or empty), `recorded`
(bytes), and the newest `frames`. Pages renew a lease while they are looked at; without it the port is given back.

A recording is a file of JSON lines, one frame each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from istars.model.readings import Value
from istars.platform import clock, files, paths

LEASE_S = 25.0
"""So long after a page was last looked at, its port is still borrowed: a browser in the background asks rarely."""
FRAMES_KEPT = 200
RECORD_LIMIT = 256 * 1024
RECORDS_KEPT = 4
NAME = re.compile(r"serial-\d{8}-\d{6}")
CONFIRM = "not sent, because it may change the UPS: "
"""How the refusal of a frame begins that only goes out when somebody is sure."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: `way` is tx, rx or note; `data` hexadecimal; `fields` what an answer held; `by` who sent it."""

    number: int
    at: float
    way: str
    data: str = ""
    meaning: str = ""
    changes: bool = False
    by: str = ""
    fields: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class State:
    """See the head of this file."""

    by: str = ""
    device: str = ""
    line: str = ""
    protocol: str = ""
    since: float = 0.0
    ended: float = 0.0
    why: str = ""
    recording: str = ""
    recorded: int = 0
    frames: tuple[Frame, ...] = ()


def write(state: State) -> None:
    """Show it to everybody. Raises OSError."""
    files.replace(paths.serial_file(), json.dumps(asdict(state)).encode())


def read() -> State:
    """What is borrowed, or was last; nothing where nothing was since the start."""
    try:
        found: dict[str, Any] = json.loads(paths.serial_file().read_bytes())
        frames = tuple(Frame(**each) for each in found.pop("frames"))
        return State(**found, frames=frames)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return State()


def renew() -> None:
    """Somebody looks at the page at this moment. Raises OSError."""
    files.replace(paths.serial_lease(), f"{clock.boottime():.1f}".encode())


def looked_at() -> float:
    """Boottime at which somebody last looked at the page; 0 for never."""
    try:
        return float(paths.serial_lease().read_bytes())
    except (OSError, ValueError):
        return 0.0


def new_record() -> Path:
    """A file for a recording; the oldest go. Raises OSError."""
    folder = paths.serial_records()
    folder.mkdir(mode=0o770, exist_ok=True)
    for old in recordings()[RECORDS_KEPT - 1 :]:
        record_file(old).unlink(missing_ok=True)
    stamp = clock.local(clock.wall()).strftime("serial-%Y%m%d-%H%M%S")
    path = record_file(stamp)
    path.touch(mode=0o640)
    return path


def recordings() -> list[str]:
    """Names of the recordings, newest first."""
    found = (path.stem for path in paths.serial_records().glob("*.jsonl"))
    return sorted((name for name in found if NAME.fullmatch(name)), reverse=True)


def record_file(name: str) -> Path:
    """The file of a recording. Raises ValueError for what is no name of one."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name[:40]!r} is not the name of a recording")
    return paths.serial_records() / f"{name}.jsonl"


def as_line(frame: Frame) -> bytes:
    """One line of a recording."""
    return json.dumps(asdict(frame), ensure_ascii=False).encode() + b"\n"


def frames_of(name: str) -> Iterator[Frame]:
    """Frames of a recording; a line that was cut by a power failure is left out. Raises OSError, ValueError."""
    with record_file(name).open("rb") as file:
        for line in file:
            try:
                yield Frame(**json.loads(line))
            except (ValueError, TypeError):
                continue


def as_fixture(frames: Iterator[Frame], group: str, source: str) -> Iterator[dict[str, object]]:
    """Requests with the answers that followed them, as the files in `tests/fixtures/frames` have them."""
    asked: Frame | None = None
    heard, decoded, number = b"", dict[str, Value](), 0
    for frame in (*frames, None):
        if frame is not None and frame.way == "rx":
            heard += bytes.fromhex(frame.data)
            decoded |= frame.fields
        elif frame is None or frame.way == "tx":
            if asked is not None or heard:
                number += 1
                sent = bytes.fromhex(asked.data) if asked else b""
                yield _pair(f"{group}-{number:03d}", group, sent, heard, decoded or _said(asked), source)
            asked, heard, decoded = frame, b"", {}


def _said(asked: Frame | None) -> dict[str, Value]:
    return {"meaning": asked.meaning} if asked and asked.meaning else {}


def _pair(
    name: str, group: str, sent: bytes, heard: bytes, decoded: Mapping[str, Value], source: str
) -> dict[str, object]:
    whole = sent + heard
    text = all(byte in b"\r\n" or 32 <= byte < 127 for byte in whole)
    request: str = sent.decode("ascii") if text else sent.hex(" ").upper()
    reply: str | None = heard.decode("ascii") if text else heard.hex(" ").upper() or None
    return {
        "id": name, "group": group, "encoding": "ascii" if text else "hex", "request": request, "reply": reply,
        "decoded": dict(decoded), "source": source, "grade": "RUN",
    }  # fmt: skip
