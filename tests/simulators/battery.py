"""A lead-acid battery bank: what its terminals show and how its charge moves.

In: the power asked of it, or the charger being on, for some seconds. Out: terminal voltage, current, charge and the
heat lost inside. The energy stored is the integral of the open-circuit voltage over the charge, so that what goes
in, what comes out and what is lost inside always add up (the tests check it).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

ChargePhase = Literal["standby", "boost", "float", "discharge"]

# Open-circuit voltage of a lead-acid cell, linear in the charge: 1.94 V empty, 2.13 V full.
EMPTY_V: Final = 1.94
FULL_V: Final = 2.13
FLOAT_V: Final = 2.25
BOOST_V: Final = 2.35
# Below this terminal voltage per cell the inverter stops, whatever the charge counter says.
CUTOFF_V: Final = 1.60
# Extra sag of a nearly empty cell under load: KNEE_V when empty, fading within KNEE_CHARGE of charge.
KNEE_V: Final = 0.15
KNEE_CHARGE: Final = 0.08
LOW_CHARGE: Final = 0.20
PEUKERT: Final = 1.15
COULOMB_EFFICIENCY: Final = 0.95
BOOST_BELOW_CHARGE: Final = 0.90
LONGEST_RUNTIME_S: Final = 999 * 60.0


@dataclass(frozen=True)
class BatteryDesign:
    """What is printed on the bank: cells in series, amp-hours at the 20 hour rate, ohms per cell, charger amperes."""

    cells: int
    capacity_ah: float
    cell_ohm: float
    charger_a: float


class Battery:
    """A bank with its charge (0..1), health and present terminal voltage (V) and current (A, charging positive)."""

    def __init__(self, design: BatteryDesign) -> None:
        self.design = design
        self.charge = 1.0
        self.weak = False
        self.phase: ChargePhase = "float"
        self.voltage_v = FLOAT_V * design.cells
        self.current_a = 0.0

    @property
    def capacity_ah(self) -> float:
        """Capacity at the 20 hour rate; a worn bank keeps a fifth of it."""
        return self.design.capacity_ah * (0.2 if self.weak else 1.0)

    @property
    def resistance_ohm(self) -> float:
        """Inner resistance of the whole bank; a worn bank has six times that of a new one."""
        return self.design.cells * self.design.cell_ohm * (6.0 if self.weak else 1.0)

    @property
    def low(self) -> bool:
        """Whether the charge is at or under the level of the low-battery signal."""
        return self.charge <= LOW_CHARGE

    @property
    def energy_j(self) -> float:
        """Energy stored: capacity times the open-circuit voltage, integrated from empty to the present charge."""
        mean_v = (EMPTY_V + 0.5 * (FULL_V - EMPTY_V) * self.charge) * self.design.cells
        return mean_v * self.charge * self.capacity_ah * 3600.0

    def open_circuit_v(self, charge: float | None = None) -> float:
        """Voltage of the whole bank at rest, at `charge` or the present one."""
        level = self.charge if charge is None else charge
        return (EMPTY_V + (FULL_V - EMPTY_V) * level) * self.design.cells

    def under_load(self, power_w: float, charge: float | None = None) -> tuple[float, float]:
        """Terminal volts and discharge amperes (positive) at which the bank gives `power_w`."""
        level = self.charge if charge is None else charge
        knee_v = KNEE_V * math.exp(-level / KNEE_CHARGE) * self.design.cells
        source_v = self.open_circuit_v(level) - knee_v
        # P = V I and V = E - R I: the upper root of V^2 - E V + P R = 0; beyond the maximum power the voltage collapses.
        root = math.sqrt(max(source_v * source_v - 4.0 * power_w * self.resistance_ohm, 0.0))
        voltage_v = 0.5 * (source_v + root)
        return voltage_v, power_w / voltage_v

    def carries(self, power_w: float) -> bool:
        """Whether the bank can give `power_w`: there is charge left and the voltage stays above the cut-off."""
        return self.charge > 0.0 and self.under_load(power_w)[0] >= CUTOFF_V * self.design.cells

    def drain_a(self, current_a: float) -> float:
        """Amperes by which the charge really falls at a discharge of `current_a` (Peukert: fast costs more)."""
        rate_a = self.capacity_ah / 20.0
        return current_a * math.pow(max(current_a / rate_a, 1.0), PEUKERT - 1.0)

    def runtime_s(self, power_w: float) -> float:
        """Seconds until empty at a steady `power_w`, reckoned at the voltage half way down."""
        _, current_a = self.under_load(max(power_w, 0.1), self.charge / 2.0)
        return min(self.charge * self.capacity_ah * 3600.0 / self.drain_a(current_a), LONGEST_RUNTIME_S)

    def seconds_left(self, power_w: float) -> float:
        """Seconds until the charge is used up if the present current at `power_w` stayed."""
        _, current_a = self.under_load(max(power_w, 0.1))
        return self.charge * self.capacity_ah * 3600.0 / self.drain_a(current_a)

    def discharge(self, power_w: float, seconds: float) -> float:
        """Give `power_w` for `seconds`; return the joules lost inside the bank."""
        before_j = self.energy_j
        self.voltage_v, current_a = self.under_load(power_w)
        self.current_a = -current_a
        self.phase = "discharge"
        self.charge = max(self.charge - self.drain_a(current_a) * seconds / (self.capacity_ah * 3600.0), 0.0)
        return before_j - self.energy_j - power_w * seconds

    def recharge(self, seconds: float) -> tuple[float, float]:
        """Let the charger work for `seconds`; return joules taken at the terminals and joules lost inside."""
        before_j = self.energy_j
        self._choose_charge_phase()
        missing_ah = (1.0 - self.charge) * self.capacity_ah
        if self.phase == "boost":
            self.current_a = min(self.design.charger_a, missing_ah / 0.7)
            over_v = 0.12 * self.design.cells + self.current_a * self.resistance_ohm
            self.voltage_v = min(self.open_circuit_v() + over_v, BOOST_V * self.design.cells)
        else:
            self.current_a = min(self.design.charger_a, missing_ah / 1.5) + 0.001 * self.capacity_ah
            self.voltage_v = FLOAT_V * self.design.cells
        gained = COULOMB_EFFICIENCY * self.current_a * seconds / (self.capacity_ah * 3600.0)
        self.charge = min(self.charge + gained, 1.0)
        taken_j = self.voltage_v * self.current_a * seconds
        return taken_j, taken_j - (self.energy_j - before_j)

    def _choose_charge_phase(self) -> None:
        if self.phase in ("standby", "discharge"):
            self.phase = "boost" if self.charge < BOOST_BELOW_CHARGE else "float"
        elif self.phase == "boost" and (1.0 - self.charge) * self.capacity_ah / 0.7 < 0.05 * self.capacity_ah:
            self.phase = "float"

    def rest(self) -> None:
        """Neither charge nor discharge: the terminals show the open-circuit voltage."""
        self.phase = "standby"
        self.current_a = 0.0
        self.voltage_v = self.open_circuit_v()

    def set_charge(self, charge: float) -> None:
        """Put the charge (0..1) by hand; the charge phase is chosen anew."""
        self.charge = min(max(charge, 0.0), 1.0)
        if self.phase in ("boost", "float"):
            self.phase = "standby"
