"""The RFC 1628 side of a simulated UPS, for net-snmp's `snmpd`: its `pass_persist` protocol on a unix socket.

`snmpd` runs `socat - UNIX-CONNECT:...` and asks over it: `get`, `getnext` and `set` with an object identifier. Everything that is
SNMP itself (versions, communities, encoding) is net-snmp's.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .channels import listen_unix
from .physics import Ups
from .powertrain import PHASE_SHARES

MIB: Final = ".1.3.6.1.2.1.33.1"
SOURCES: Final = {"none": 2, "line": 3, "bypass": 4, "battery": 5}
RESULTS: Final = {"passed": 1, "failed": 3, "running": 5, "none": 6}
TESTS: Final = {"4": "quick", "5": "deep"}

Row = tuple[str, str]


def order(oid: str) -> tuple[int, ...]:
    """Object identifiers sort by their numbers."""
    return tuple(int(part) for part in oid.strip(".").split("."))


class UpsMib:
    """Objects of one UPS; `lock` is held while the physics is looked at."""

    def __init__(self, ups: Ups) -> None:
        self.ups = ups
        self.lock = threading.Lock()
        self.auto_restart = 1
        self.name = "sim"
        design = ups.design
        self.configured = {
            "9.1.0": round(design.nominal_v), "9.2.0": round(10 * design.nominal_hz), "9.3.0": round(design.nominal_v),
            "9.4.0": round(10 * design.nominal_hz), "9.7.0": 2, "9.9.0": 176, "9.10.0": 276,
        }  # fmt: skip

    def rows(self) -> dict[str, Row]:
        """Object identifier to type and value."""
        with self.lock:
            rows = self._identity() | self._battery() | self._lines() | self._alarms() | self._control()
        return {f"{MIB}.{place}": row for place, row in rows.items()}

    def _identity(self) -> dict[str, Row]:
        design = self.ups.design
        names = {
            "1.1.0": design.maker,
            "1.2.0": design.model,
            "1.3.0": design.firmware,
            "1.4.0": "sim",
            "1.5.0": self.name,
        }
        return {place: ("string", text) for place, text in names.items()}

    def _battery(self) -> dict[str, Row]:
        battery, ups = self.ups.battery, self.ups
        values = {
            "2.1.0": 4 if battery.charge <= 0.01 else 3 if battery.low else 2,
            "2.2.0": 0,
            "2.3.0": max(round(ups.runtime_s / 60), 1),
            "2.4.0": round(100 * battery.charge),
            "2.5.0": round(10 * battery.voltage_v),
            "2.6.0": round(10 * battery.current_a),
            "2.7.0": round(ups.temperature_c),
        }
        return _numbers(values)

    def _lines(self) -> dict[str, Row]:
        ups, phases = self.ups, self.ups.design.phases
        regulating = ups.source == "line" and ups.avr != "none"
        source = {"boost": 6, "trim": 7}[ups.avr] if regulating else SOURCES[ups.source]
        values = {"3.2.0": phases, "4.1.0": source, "4.2.0": round(10 * ups.output_hz), "4.3.0": phases}
        for phase in range(phases):
            line, share = phase + 1, PHASE_SHARES[phases][phase] / phases
            load_w, volts = ups.load_w * share, ups.phase_output_v(phase)
            values |= {
                f"3.3.1.2.{line}": round(10 * ups.input_hz),
                f"3.3.1.3.{line}": round(ups.phase_input_v(phase)),
                f"4.4.1.2.{line}": round(volts),
                f"4.4.1.3.{line}": round(10 * load_w / ups.design.power_factor / volts) if volts else 0,
                f"4.4.1.4.{line}": round(load_w),
                f"4.4.1.5.{line}": round(ups.shown_load_percent * share * phases),
            }
        return _numbers(values)

    def _alarms(self) -> dict[str, Row]:
        ups = self.ups
        present = [
            number
            for number, there in (
                (2, ups.source == "battery" and ups.test is None), (3, ups.battery.low), (5, ups.over_temperature),
                (6, ups.utility_fail), (8, ups.overload), (9, ups.source == "bypass"), (14, ups.source == "none"),
                (18, ups.fault), (19, ups.test_result == "failed"), (22, ups.pending is not None), (24, ups.test is not None),
            )
            if there
        ]  # fmt: skip
        rows = {f"6.2.1.2.{place}": ("objectid", f"{MIB}.6.3.{number}") for place, number in enumerate(present, 1)}
        return rows | {"6.1.0": ("gauge", str(len(present)))}

    def _control(self) -> dict[str, Row]:
        ups, design = self.ups, self.ups.design
        pending = -1 if ups.pending is None else max(round(ups.pending.at - ups.time_s), 0)
        values = {
            "7.3.0": RESULTS[ups.test_result], "8.1.0": 1, "8.2.0": pending, "8.3.0": -1, "8.4.0": -1,
            "8.5.0": self.auto_restart, **self.configured, "9.5.0": round(design.rated_va),
            "9.6.0": round(design.rated_w), "9.8.0": 2 if ups.beeper else 1,
        }  # fmt: skip
        return _numbers(values) | {"7.1.0": ("objectid", f"{MIB}.7.7.1")}

    def write(self, place: str, value: str) -> bool:
        """Obey a set; False for what cannot be written."""
        ups = self.ups
        actions: dict[str, Callable[[], object]] = {
            "7.1.0": lambda: ups.stop_test() if value.endswith(".7.7.2") else ups.start_test(TESTS[value[-1]]),  # type: ignore[arg-type]
            "8.1.0": lambda: True,
            "8.2.0": lambda: self._shut_down(int(value)),
            "8.3.0": ups.cancel,
            "8.5.0": lambda: setattr(self, "auto_restart", int(value)),
            "9.8.0": lambda: setattr(ups, "beeper", value == "2"),
            "1.5.0": lambda: setattr(self, "name", value),
            **{each: lambda: self.configured.update({place: int(value)}) for each in self.configured},
        }
        if place not in actions:
            return False
        with self.lock:
            actions[place]()
        return True

    def _shut_down(self, after_s: int) -> None:
        if after_s < 0:
            self.ups.cancel()
        else:
            self.ups.shut_down(after_s, 0.0 if self.auto_restart == 1 else None)
            self.ups.step(0.0)


def _numbers(values: dict[str, int]) -> dict[str, Row]:
    return {place: ("integer", str(value)) for place, value in values.items()}


class PassPersist:
    """Serves a MIB on a unix socket; use as a context manager."""

    def __init__(self, mib: UpsMib, path: Path) -> None:
        self.mib = mib
        self._listener = listen_unix(path)
        self._listener.setblocking(True)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> PassPersist:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rw", encoding="utf-8", newline="\n") as stream:
            for line in stream:
                stream.write(self._answer(line.strip(), lambda: stream.readline().strip()))
                stream.flush()

    def _answer(self, word: str, more: Callable[[], str]) -> str:
        if word == "PING":
            return "PONG\n"
        oid, rows = more(), self.mib.rows()
        if word == "set":
            _kind, _, value = more().partition(" ")
            return "DONE\n" if self.mib.write(oid.removeprefix(f"{MIB}."), value.strip('"')) else "not-writable\n"
        if word == "getnext":
            oid = next((name for name in sorted(rows, key=order) if order(name) > order(oid)), "")
        if oid not in rows:
            return "NONE\n"
        kind, value = rows[oid]
        return f"{oid}\n{kind}\n{value}\n"
