"""The power side of a simulated UPS: mains, rectifier, battery, inverter, load, warmth.

`PowerTrain` holds the whole state and says what would be measured in it at this moment; `flow` lets power run for some
seconds and books every joule (mains_j = output_j + heat_j + what the battery gained). It decides nothing: that is
the firmware's part, `physics.Ups`.

Where the load hangs (`source`): line (through rectifier and inverter, or through the regulator of a line-interactive
unit), battery, bypass, none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random
from typing import Final, Literal

from .battery import Battery
from .designs import OVERLOAD_ALARM_PERCENT, Source, UpsDesign, overload_limit_s

Mode = Literal["standby", "bypass", "line", "battery", "test", "fault", "shutdown"]
TestKind = Literal["quick", "timed", "deep"]
TestResult = Literal["none", "running", "passed", "failed"]

# The mains must come back so far inside the window to be accepted again.
RETURN_MARGIN_V: Final = 5.0
BOOST_RATIO: Final = 1.15
TRIM_RATIO: Final = 0.87
ROOM_C: Final = 25.0
WARMING_S: Final = 900.0
OVER_TEMPERATURE_C: Final = 60.0
PHASE_SHARES: Final = {1: (1.0,), 3: (1.0, 0.9, 1.1)}


@dataclass
class BatteryTest:
    """A battery test under way."""

    kind: TestKind
    started_at: float
    ends_at: float


@dataclass
class Cut:
    """A switched-off output: why, since when, and from when it may come back (None: only by command)."""

    reason: str
    since: float
    back_from: float | None


@dataclass
class PendingShutdown:
    """A running shutdown timer: when the output goes, and how long after that it may return (None: never)."""

    at: float
    return_s: float | None


class PowerTrain:
    """State and measurements of one UPS; `seed` shapes the wander of the mains."""

    def __init__(self, design: UpsDesign, seed: int = 1) -> None:
        self.design = design
        self.time_s = 0.0
        self.battery = Battery(design.battery)
        self.mains_v = design.nominal_v
        self.load_percent = 42.0
        self.utility_fail = False
        self.line_ready = True
        self.transfer_v: float | None = None
        self.cut: Cut | None = None
        self.pending: PendingShutdown | None = None
        self.test: BatteryTest | None = None
        self.test_result: TestResult = "none"
        self.beeper = True
        self.fault = False
        self.bypass_wanted = False
        self.overload_bypass = False
        self.overload_heat = 0.0
        self.temperature_c = ROOM_C + 10.0
        self.pinned_temperature_c: float | None = None
        self.avr: Literal["none", "boost", "trim"] = "none"
        self.mains_j = 0.0
        self.output_j = 0.0
        self.heat_j = 0.0
        random = Random(seed)
        self.wander = 1.0
        self._wander_phases = [random.uniform(0.0, 2.0 * math.pi) for _ in range(3)]

    @property
    def input_v(self) -> float:
        """Mains voltage (first phase) with its wander of about half a percent; 0 when the mains is off."""
        return self.phase_input_v(0)

    def phase_input_v(self, phase: int) -> float:
        """Mains voltage of one phase, 0-based."""
        if self.mains_v <= 0.0:
            return 0.0
        first, second = self._wander_phases[:2]
        slow = math.sin(2.0 * math.pi * self.time_s / 61.0 + first + 2.1 * phase)
        fast = math.sin(2.0 * math.pi * self.time_s / 7.3 + second + 2.1 * phase)
        return self.mains_v * (1.0 + self.wander * (0.004 * slow + 0.0015 * fast))

    @property
    def input_hz(self) -> float:
        """Mains frequency with its wander; 0 when the mains is off."""
        if self.mains_v <= 0.0:
            return 0.0
        slow = math.sin(2.0 * math.pi * self.time_s / 97.0 + self._wander_phases[2])
        return self.design.nominal_hz + 0.04 * self.wander * slow

    @property
    def mains_good(self) -> bool:
        """Whether the mains is inside the window in which the unit can live on it."""
        margin = RETURN_MARGIN_V if self.utility_fail else 0.0
        low_v, high_v = self.design.input_low_v + margin, self.design.input_high_v - margin
        return low_v <= self.input_v <= high_v

    @property
    def bypass_good(self) -> bool:
        """Whether there is a bypass and its voltage is fit for the load."""
        design = self.design
        return design.topology == "online" and design.bypass_low_v <= self.input_v <= design.bypass_high_v

    @property
    def source(self) -> Source:
        """Where the load hangs now."""
        if self.cut is not None:
            return "none"
        if self.fault or self.bypass_wanted or self.overload_bypass:
            if self.bypass_good:
                return "bypass"
            if self.fault:
                # A line-interactive unit still passes the mains through its relay.
                return "line" if self.design.topology == "interactive" and self.line_ready else "none"
        if self.line_ready and self.test is None:
            return "line"
        return "battery"

    @property
    def mode(self) -> Mode:
        """What the unit says it is doing."""
        if self.fault or (self.cut is not None and self.cut.reason == "overload"):
            return "fault"
        if self.cut is not None:
            return "standby" if not self.utility_fail else "shutdown"
        if self.test is not None:
            return "test"
        source = self.source
        return "standby" if source == "none" else source

    @property
    def output_v(self) -> float:
        """Voltage at the load (first phase)."""
        return self.phase_output_v(0)

    def phase_output_v(self, phase: int) -> float:
        """Voltage at the load of one phase, 0-based."""
        source = self.source
        if source == "none":
            return 0.0
        if source == "bypass":
            return self.phase_input_v(phase)
        if source == "line" and self.design.topology == "interactive":
            ratio = {"none": 1.0, "boost": BOOST_RATIO, "trim": TRIM_RATIO}[self.avr]
            # Until the relay has moved to the inverter the load sees what is left of the mains.
            return self.input_v * ratio
        return self.design.nominal_v

    @property
    def output_hz(self) -> float:
        """Frequency at the load: that of the mains while locked to it."""
        source = self.source
        if source == "none":
            return 0.0
        return self.design.nominal_hz if source == "battery" or not self.mains_good else self.input_hz

    @property
    def load_w(self) -> float:
        """Active power the load takes now; 0 without output."""
        return self.load_percent / 100.0 * self.design.rated_w if self.source != "none" else 0.0

    @property
    def shown_load_percent(self) -> float:
        """Load as the unit measures it: 0 without output."""
        return self.load_percent if self.source != "none" else 0.0

    @property
    def runtime_s(self) -> float:
        """The unit's estimate of the time on battery at the present load."""
        return self.battery.runtime_s(self.battery_power_w)

    @property
    def overload(self) -> bool:
        """Whether the load is above the alarm level."""
        return self.shown_load_percent > OVERLOAD_ALARM_PERCENT

    @property
    def ambient_c(self) -> float:
        """Temperature of the room; a held inside temperature is taken to come from the room."""
        return ROOM_C if self.pinned_temperature_c is None else self.pinned_temperature_c - 10.0

    @property
    def over_temperature(self) -> bool:
        """Whether the inside is too hot."""
        return self.temperature_c > OVER_TEMPERATURE_C

    # ---- power

    @property
    def battery_power_w(self) -> float:
        """Power the battery gives, or would give, at the present load."""
        return self.load_w / self.design.inverter_efficiency + self.design.idle_w

    def mains_w(self) -> float:
        """Power taken from the mains now, without the charger's part."""
        source = self.source
        if source == "battery" or not self.line_ready:
            return 0.0
        efficiency = self.design.line_efficiency if source == "line" else 1.0
        return self.load_w / efficiency + self.design.idle_w

    def charger_w(self) -> float:
        """Power the charger takes from the mains now."""
        battery = self.battery
        return max(battery.current_a, 0.0) * battery.voltage_v / self.design.charger_efficiency

    def flow(self, seconds: float) -> None:
        """Let power flow for `seconds`, book where it went, and warm up or cool down."""
        source, load_w = self.source, self.load_w
        mains_j = self.mains_w() * seconds
        output_j = load_w * seconds
        if source == "battery":
            power_w = self.battery_power_w
            lost_j = self.battery.discharge(power_w, seconds) + (power_w - load_w) * seconds
        elif self.line_ready and not self.utility_fail:
            taken_j, battery_lost_j = self.battery.recharge(seconds)
            lost_j = mains_j - output_j + taken_j / self.design.charger_efficiency - taken_j + battery_lost_j
            mains_j += taken_j / self.design.charger_efficiency
        else:
            self.battery.rest()
            lost_j = mains_j - output_j
        self.mains_j += mains_j
        self.output_j += output_j
        self.heat_j += lost_j
        self._warm(source, seconds)
        self._strain(source, seconds)

    def _warm(self, source: Source, seconds: float) -> None:
        """Follow the temperature the present load would end at, with the time constant of the cabinet."""
        if self.pinned_temperature_c is not None:
            self.temperature_c = self.pinned_temperature_c
            return
        rise_c = 4.0 + 14.0 * self.shown_load_percent / 100.0 + (4.0 if source == "battery" else 0.0)
        share = 1.0 - math.exp(-seconds / WARMING_S)
        self.temperature_c += (ROOM_C + rise_c - self.temperature_c) * share

    def _strain(self, source: Source, seconds: float) -> None:
        """Add up how much of the overload time is used (0..1); it is forgotten within a minute of normal load."""
        limit_s = overload_limit_s(self.design.topology, source, self.load_percent)
        if limit_s is not None:
            self.overload_heat = min(self.overload_heat + seconds / limit_s, 1.0)
        else:
            self.overload_heat = max(self.overload_heat - seconds / 60.0, 0.0)
