"""The records of the present hour, in a file that is only appended to: what is not yet an hour of the record.

The file lies ready before it is needed, so that a record costs a write of two hundred bytes and no change of the file system.
Each frame has a checksum that begins with the number of the file's use (`generation`): what an earlier use left behind is not
read, nor is a frame that a power cut has torn. Whoever reads while another writes sees whole frames or none.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from istars.errors import StoreError
from istars.model.records import MISSING, precision
from istars.store.database import StoreFull
from istars.store.history_codec import Hour

HEADER = struct.Struct("<4sII")
MAGIC = b"iSH1"
FRAME = struct.Struct("<IBI")
EXTREME = struct.Struct("<HBiq")
TIME = struct.Struct("<q")
STEP = 64 * 1024
"""The file grows by so much at a time, before it is needed."""
LARGEST_FRAME = 65_536

LAYOUT, RECORD, EXTREMES = 1, 2, 3


@dataclass(slots=True)
class Part:
    """Records with one interval and one run of the clock. `rows` are scaled values in the order of `names`."""

    interval: int
    names: list[str]
    times: list[int] = field(default_factory=list)
    rows: list[array[int]] = field(default_factory=list)
    lows: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    highs: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    more: bool = False
    """Whether it goes on where the part before it ends, with other readings."""

    def take(self, kind: int, payload: bytes) -> None:
        """Add one frame."""
        if kind == RECORD:
            row = array("i")
            row.frombytes(payload[TIME.size :])
            if self.names and len(row) == len(self.names):
                self.times.append(TIME.unpack_from(payload)[0])
                self.rows.append(row)
        elif kind == EXTREMES:
            for index, high, value, time in EXTREME.iter_unpack(payload) if self.names else ():
                (self.highs if high else self.lows).setdefault(self.names[index], []).append((value, time))


def layout(names: Sequence[str], interval: int, *, more: bool) -> bytes:
    """The frame that begins a part."""
    said = {"names": list(names), "decimals": _decimals(names), "interval": interval, "more": more}
    return json.dumps(said).encode()


def _decimals(names: Sequence[str]) -> list[int | None]:
    return [precision(name) for name in names]


def record(time: int, row: array[int]) -> bytes:
    """The frame of one record."""
    return TIME.pack(time) + row.tobytes()


def read_parts(data: bytes) -> tuple[int, list[Part], int]:
    """Generation, parts, and where the next frame goes. Generation 0 for what is no such file."""
    if len(data) < HEADER.size:
        return 0, [], HEADER.size
    magic, generation, check = HEADER.unpack_from(data)
    if magic != MAGIC or check != zlib.crc32(data[:8]):
        return 0, [], HEADER.size
    parts: list[Part] = []
    at = HEADER.size
    frames = list(_frames(data, generation))
    take_frames(parts, frames)
    at += sum(FRAME.size + len(payload) for _, payload in frames)
    return generation, parts, at


def take_frames(parts: list[Part], frames: Iterable[tuple[int, bytes]]) -> None:
    """Add frames to `parts` in their order."""
    for kind, payload in frames:
        if kind == LAYOUT:
            said = json.loads(payload)
            # What a firmware wrote that records other decimals is passed over, by a layout that no record fits.
            names = said["names"] if said["decimals"] == _decimals(said["names"]) else []
            parts.append(Part(said["interval"], names, more=said["more"]))
        elif parts:
            parts[-1].take(kind, payload)


def _frames(data: bytes, generation: int) -> Iterator[tuple[int, bytes]]:
    at = HEADER.size
    while at + FRAME.size <= len(data):
        size, kind, check = FRAME.unpack_from(data, at)
        payload = data[at + FRAME.size : at + FRAME.size + size]
        if not 0 < size <= LARGEST_FRAME or len(payload) < size or zlib.crc32(payload, generation) != check:
            return
        yield kind, payload
        at += FRAME.size + size


def hours(parts: Sequence[Part]) -> list[Hour]:
    """The records as hours of the wall clock; where the clock was set or the interval changed, one begins anew."""
    made: list[Hour] = []
    for part in parts:
        fresh = not part.more
        for time, row in zip(part.times, part.rows, strict=True):
            current = made[-1] if made else None
            if current is None or fresh or not _goes_on(current, part.interval, time):
                current = Hour(part.interval)
                made.append(current)
            fresh = False
            _append(current, part.names, time, row)
        _extremes(made, part)
    return made


def _goes_on(hour: Hour, interval: int, time: int) -> bool:
    """Whether a record at `time` belongs to the same run of records."""
    last = hour.times[-1]
    return hour.interval == interval and last // 3600 == time // 3600 and time >= last


def _append(hour: Hour, names: Sequence[str], time: int, row: array[int]) -> None:
    before = len(hour.times)
    hour.times.append(time)
    for name, value in zip(names, row, strict=True):
        column = hour.columns.get(name)
        if column is None:
            column = hour.columns[name] = [None] * before
        column.append(None if value == MISSING else value)
    if len(names) < len(hour.columns):
        for column in hour.columns.values():
            if len(column) <= before:
                column.append(None)


def _extremes(made: Sequence[Hour], part: Part) -> None:
    """Each extreme to the hour in which it was."""
    if not part.times:
        return
    for found, high in ((part.lows, False), (part.highs, True)):
        for name, extremes in found.items():
            for value, time in extremes:
                for hour in made:
                    if name not in hour.columns or hour.times[0] // 3600 != time // 3600:
                        continue
                    if not hour.times[0] <= time <= hour.times[-1] + 2 * hour.interval:
                        continue
                    known = hour.highs if high else hour.lows
                    if name not in known or (value > known[name][0] if high else value < known[name][0]):
                        known[name] = (value, time)


MODE = 0o660
"""The web worker, of the same group, clears the record."""


class Tail:
    """The file, for the one who records. Raises StoreFull where it cannot be written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
            self._size = os.fstat(self._file).st_size
            with contextlib.suppress(PermissionError):
                os.fchmod(self._file, MODE)
            self.generation, self.parts, self._at = read_parts(os.pread(self._file, self._size, 0))
            if not self.generation:
                self.reset(1)
        except OSError as error:
            raise StoreFull(f"{path}: {error.strerror}") from error

    def append(self, *frames: tuple[int, bytes]) -> None:
        """Add frames; they are in the kernel's hands when this returns, so that a killed process loses none."""
        data = b"".join(
            FRAME.pack(len(payload), kind, zlib.crc32(payload, self.generation)) + payload for kind, payload in frames
        )
        try:
            if self._at + len(data) > self._size:
                self._grow(self._at + len(data))
            self._write(data, self._at)
        except OSError as error:
            raise StoreFull(f"{self.path}: {error.strerror}") from error
        self._at += len(data)

    def _grow(self, size: int) -> None:
        """Lay more of the file ready, written: blocks that are only reserved would have to be marked again at each write."""
        while self._size < size:
            self._write(bytes(STEP), self._size)
            self._size += STEP

    def _write(self, data: bytes, at: int) -> None:
        while data:
            written = os.pwrite(self._file, data, at)
            data, at = data[written:], at + written

    def contents(self, more: Sequence[tuple[int, bytes]] = ()) -> list[Part]:
        """All parts of the file, and frames that it did not take."""
        try:
            parts = read_parts(os.pread(self._file, self._at, 0))[1]
        except OSError as error:
            raise StoreFull(f"{self.path}: {error.strerror}") from error
        take_frames(parts, more)
        return parts

    def sync(self) -> None:
        """Put on the medium what was added."""
        try:
            os.fdatasync(self._file)
        except OSError as error:
            raise StoreFull(f"{self.path}: {error.strerror}") from error

    def reset(self, generation: int) -> None:
        """Begin anew: everything in it has its place in the record."""
        head = struct.pack("<4sI", MAGIC, generation)
        try:
            self._write(head + struct.pack("<I", zlib.crc32(head)), 0)
            self._size = max(self._size, HEADER.size)
        except OSError as error:
            raise StoreFull(f"{self.path}: {error.strerror}") from error
        self.generation, self.parts, self._at = generation, [], HEADER.size

    def close(self) -> None:
        """Give the file back, its contents on the medium."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self._file)
            os.close(self._file)
            self._file = -1


def read(path: Path) -> tuple[int, list[Hour]]:
    """Generation and hours of a file that another process writes; nothing where there is no file. Raises StoreError."""
    try:
        generation, parts, _ = read_parts(path.read_bytes())
    except FileNotFoundError:
        return 0, []
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
    return generation, hours(parts)
