"""Charge and time left of a battery, where the UPS does not report them: estimated, and better after each real discharge.

In: the readings of every poll, the moment, and what is known of the battery. Out: the readings with estimates put in, and which
these are. Nothing is guessed: without a capacity and a rated power, and before the first discharge, there is no time left.

The model: at a load of p % of the rated power a full battery lasts `full_s` x (100 / p) ** PEUKERT seconds. `full_s` first
follows from the capacity; each discharge down to the low-battery signal, which comes with LOW of the charge left, tells it anew.
On battery charge is counted down by this; on mains it is counted up, and a battery that floats is full. At the start, and where
`full_s` is not known, the voltage tells: on a line between EMPTY_V and FULL_V a cell, the one that Network UPS Tools documents.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from istars.model.readings import Value

PEUKERT = 1.15
LOW = 0.2
EMPTY_V, FULL_V = 2.0 * 104 / 120, 2.0 * 130 / 120
FLOAT_V = 2.2
"""A cell at this voltage on mains is being charged at its float voltage: with little current left it is full."""

RECHARGE_S = 43_200.0
"""From empty to full; what Network UPS Tools takes without better knowledge."""

EFFICIENCY = 0.85
LEAST_LOAD = 2.0
"""Below so many per cent the UPS itself takes more than the load."""

LONGEST_GAP_S = 30.0
"""Polls further apart say nothing about what was between them."""

SHORTEST_S = 20.0
WEIGHT = 0.5
"""How much the last discharge counts against those before it."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What discharges told: seconds that a full battery lasts at full load (0: not known), and how many discharges."""

    full_s: float = 0.0
    discharges: int = 0


@dataclass(frozen=True, slots=True)
class Bank:
    """What the owner entered: cells in series, packs in parallel, Ah of a pack, rated W of the UPS; 0 where not known."""

    cells: int = 0
    packs: int = 1
    capacity_ah: float = 0.0
    rated_w: float = 0.0


@dataclass(slots=True)
class _Discharge:
    """One discharge under way: what it has used so far in seconds at full load, and whether it began with a full battery."""

    used_s: float = 0.0
    full: bool = False
    told: bool = False


class Estimator:
    """Estimates for one battery; not for use by several threads."""

    def __init__(self, bank: Bank, learned: Learned) -> None:
        self._bank = bank
        self.learned = learned
        self._charge: float | None = None
        self._at: float | None = None
        self._discharge: _Discharge | None = None

    def estimate(
        self, values: Mapping[str, Value], estimated: Collection[str], at: float
    ) -> tuple[dict[str, Value], frozenset[str]]:
        """`values` and `estimated` of a poll at the boottime `at`, with charge and time left put in where the UPS tells none."""
        tokens = str(values.get("ups.status", "")).split()
        if not tokens:
            return dict(values), frozenset(estimated)
        told = "battery.charge" in values and "battery.charge" not in estimated
        elapsed = 0.0 if self._at is None else at - self._at
        self._at = at
        if elapsed > LONGEST_GAP_S:
            self._charge, self._discharge, elapsed = None, None, 0.0
        on_battery = "OB" in tokens or "TEST" in tokens
        self._follow(values, on_battery, "LB" in tokens, elapsed)
        if told:
            self._charge = float(values["battery.charge"]) / 100
        made, names = dict(values), set(estimated)
        if not told and self._charge is not None:
            made["battery.charge"] = round(100 * self._charge, 1)
            names.add("battery.charge")
        left = self._left(values)
        if "battery.runtime" not in values and left is not None:
            made["battery.runtime"] = round(left)
            names.add("battery.runtime")
        return made, frozenset(names)

    @property
    def full_s(self) -> float:
        """Seconds that a full battery lasts at full load: learned, else from the capacity; 0 where neither is known."""
        bank = self._bank
        if self.learned.full_s:
            return self.learned.full_s
        if not (bank.cells and bank.capacity_ah and bank.rated_w):
            return 0.0
        hours = 2.0 * bank.cells * bank.capacity_ah * bank.packs * EFFICIENCY / bank.rated_w
        # The capacity is that of 20 hours; a faster discharge gives less of it.
        return float(3600 * hours * min((hours / 20) ** (PEUKERT - 1), 1.0))

    def _follow(self, values: Mapping[str, Value], on_battery: bool, low: bool, elapsed: float) -> None:
        """Count charge down or up over the time since the last poll."""
        if self._charge is None:
            self._charge = self._by_voltage(values)
        load = _load(values)
        if not on_battery:
            self._discharge = None
            self._recharge(values, elapsed)
            return
        if self._discharge is None:
            self._discharge = _Discharge(full=self._charge is not None and self._charge > 0.95)
        if load is None:
            return
        self._discharge.used_s += elapsed * (load / 100) ** PEUKERT
        if low:
            self._learn(self._discharge)
        if self.full_s and self._charge is not None:
            self._charge = max(self._charge - elapsed * (load / 100) ** PEUKERT / self.full_s, 0.0)
            # The signal of the UPS knows better than the count, which waits for it.
            self._charge = min(self._charge, LOW) if low else max(self._charge, LOW)
        else:
            self._charge = self._by_voltage(values)

    def _learn(self, discharge: _Discharge) -> None:
        """The battery is low: a discharge that began with a full one has used all but LOW of it."""
        if discharge.told or not discharge.full or discharge.used_s < SHORTEST_S:
            return
        discharge.told = True
        seen = discharge.used_s / (1 - LOW)
        before = self.learned
        full_s = seen if not before.discharges else (1 - WEIGHT) * before.full_s + WEIGHT * seen
        self.learned = replace(before, full_s=round(full_s, 1), discharges=before.discharges + 1)

    def _recharge(self, values: Mapping[str, Value], elapsed: float) -> None:
        if self._charge is not None:
            self._charge = min(self._charge + elapsed / RECHARGE_S, 1.0)
        elif (self._cell_v(values) or 0.0) >= FLOAT_V:
            self._charge = 1.0

    def _left(self, values: Mapping[str, Value]) -> float | None:
        load = _load(values)
        if not self.full_s or load is None or self._charge is None:
            return None
        return float(self._charge * self.full_s * (100 / load) ** PEUKERT)

    def _cell_v(self, values: Mapping[str, Value]) -> float | None:
        cell = values.get("istars.battery.voltage.cell")
        if isinstance(cell, int | float):
            return float(cell)
        pack, nominal = values.get("battery.voltage"), values.get("battery.voltage.nominal")
        cells = self._bank.cells or (float(nominal) / 2 if isinstance(nominal, int | float) else 0)
        return float(pack) / cells if isinstance(pack, int | float) and cells else None

    def _by_voltage(self, values: Mapping[str, Value]) -> float | None:
        cell = self._cell_v(values)
        return None if cell is None else min(max((cell - EMPTY_V) / (FULL_V - EMPTY_V), 0.0), 1.0)


def _load(values: Mapping[str, Value]) -> float | None:
    """Load in % of the rated power."""
    load = values.get("ups.load")
    return max(float(load), LEAST_LOAD) if isinstance(load, int | float) else None
