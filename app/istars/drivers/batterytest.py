"""What a battery test showed: voltage and load before it, the lowest voltage during it, the voltage after it, and its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from istars.model.readings import Value

SETTLE_S = 60.0
"""So long after a test the voltage at rest is taken."""

RESULTS = ("passed", "failed", "stopped")


@dataclass(slots=True)
class BatteryTestRecord:
    """One test: V, %, seconds; `at` is wall time, `result` as in `ups.test.result` or empty where the UPS is silent."""

    at: float
    before_v: float | None = None
    load: float | None = None
    lowest_v: float | None = None
    lasted_s: float = 0.0
    after_v: float | None = None
    result: str = ""

    def seen(self, volts: float | None) -> None:
        """A voltage during the test."""
        if volts is not None:
            self.lowest_v = volts if self.lowest_v is None else min(self.lowest_v, volts)


class BatteryTestWatch:
    """Follows the polls and hands out a record for each test, SETTLE_S after its end."""

    def __init__(self) -> None:
        self._volts: float | None = None
        self._record: BatteryTestRecord | None = None
        self._began = 0.0
        self._ended: float | None = None

    def look(self, values: Mapping[str, Value], at: float, wall: float) -> BatteryTestRecord | None:
        """One poll at boottime `at`; the record of a test that is over and has settled."""
        tokens = str(values.get("ups.status", "")).split()
        volts = _number(values, "battery.voltage", "istars.battery.voltage.cell")
        if "TEST" in tokens or "CAL" in tokens:
            if self._record is None or self._ended is not None:
                self._record = BatteryTestRecord(wall, self._volts, _number(values, "ups.load"))
                self._began, self._ended = at, None
            self._record.seen(volts)
            return None
        self._volts = volts
        record = self._record
        if record is None:
            return None
        if self._ended is None:
            self._ended = at
            record.lasted_s = round(at - self._began, 1)
            record.result = str(values.get("ups.test.result", "")) if values.get("ups.test.result") in RESULTS else ""
        if at - self._ended < SETTLE_S and "OB" not in tokens:
            return None
        record.after_v = volts
        self._record = None
        return record


def _number(values: Mapping[str, Value], *names: str) -> float | None:
    """The first of `names` that is known."""
    return next((float(value) for name in names if isinstance(value := values.get(name), int | float)), None)
