"""The simulated UPS: `Ups` is the firmware that watches and steers the power train, and the clock that drives both.

Nothing here knows of a wire or of the real clock: `step(seconds)` moves it through simulated time, everything else
is read from attributes and properties. Events (transfer, timers, tests, overload, empty battery) happen at their exact
moment inside a step, however long it is, and mains wander is a function of time and seed only: the same story told
in other steps ends the same.
"""

from __future__ import annotations

import math
from typing import Final

from .designs import OVERLOAD_ALARM_PERCENT, UpsDesign, overload_limit_s
from .powertrain import BatteryTest, Cut, PendingShutdown, PowerTrain, TestKind, TestResult

LONGEST_SUBSTEP_S: Final = 1.0
# A long idle time is walked in at most so many substeps: nothing but charging and warmth changes in it.
MOST_SUBSTEPS: Final = 2000
SAME_TIME_S: Final = 1e-6
# After an output cut the unit waits so long before it connects the load again.
HOLD_OFF_S: Final = 10.0
# From a bypass forced by overload back to the inverter.
RETRANSFER_S: Final = 5.0
# A self-test fails when the bank sags as if its resistance were so many times that of a new one.
TEST_FAIL_RESISTANCE: Final = 3.0
TEST_SETTLE_S: Final = 3.0
# Taps of a line-interactive regulator, with so many volts between going in and out.
BOOST_BELOW_V: Final = 205.0
TRIM_ABOVE_V: Final = 255.0
TAP_MARGIN_V: Final = 5.0


class Ups(PowerTrain):
    """A UPS of a given design that runs, see the module text; `seed` shapes the wander of the mains."""

    def __init__(self, design: UpsDesign, seed: int = 1) -> None:
        super().__init__(design, seed)
        self._normal_load_percent = self.load_percent
        self._transfer_at: float | None = None
        self._walk_in_at: float | None = None
        self._retransfer_at: float | None = None
        self._settle()

    # ---- commands the firmware obeys (each returns whether it did)

    def start_test(self, kind: TestKind, seconds: float | None = None) -> bool:
        """Start a battery test: quick (10 or 20 s), timed (`seconds`) or deep (until the battery is low)."""
        idle = self.test is None and self.source == "line" and not self.utility_fail
        if not idle or self.battery.low or self.overload or self.fault:
            return False
        length = {"quick": self.design.quick_test_s, "timed": seconds or 60.0, "deep": math.inf}[kind]
        self.test = BatteryTest(kind, self.time_s, self.time_s + length)
        self.test_result = "running"
        self._settle()
        return True

    def stop_test(self) -> bool:
        """End a running test without a result."""
        if self.test is None:
            return False
        self._end_test("none")
        self._settle()
        return True

    def shut_down(self, after_s: float, return_s: float | None) -> bool:
        """Take the output away in `after_s`; back `return_s` after that as soon as there is mains (None: stays off)."""
        if self.cut is not None:
            return False
        self.pending = PendingShutdown(self.time_s + after_s, return_s)
        self._settle()
        return True

    def cancel(self) -> bool:
        """Forget a pending shutdown; or let a switched-off output come back with the mains."""
        if self.pending is not None:
            self.pending = None
            return True
        if self.cut is None or self.load_percent > OVERLOAD_ALARM_PERCENT:
            return False
        self.cut.back_from = max(self.time_s, self.cut.since + HOLD_OFF_S)
        self._settle()
        return True

    def go_to_bypass(self, wanted: bool) -> bool:
        """Put the load on the bypass by hand, or back; False without a fit bypass, or when an overload holds it there."""
        if wanted and (not self.bypass_good or self.cut is not None):
            return False
        self.bypass_wanted = wanted
        if wanted and self.test is not None:
            self._end_test("none")
        self._settle()
        return wanted or not self.overload_bypass

    def clear_fault(self) -> bool:
        """Forget latched troubles: a failed test, an overload trip. A fault that is still there stays."""
        self.test_result = "none" if self.test_result == "failed" else self.test_result
        return self.cut is None or self.cut.reason != "overload" or self.cancel()

    def read_transfer_v(self) -> float:
        """Input voltage of the last transfer to battery; reading it resets it to the present input voltage."""
        value = self.input_v if self.transfer_v is None else self.transfer_v
        self.transfer_v = None
        return value

    # ---- what happens to it from outside

    def set_mains(self, volts: float) -> None:
        """Set the mains voltage; 0 is an outage."""
        self.mains_v = volts
        self._settle()

    def set_load(self, percent: float) -> None:
        """Set the load in percent of the rated power."""
        self.load_percent = self._normal_load_percent = percent
        self._settle()

    def set_overload(self, percent: float | None) -> None:
        """Set an overload for a while; None takes the load before it back."""
        self.load_percent = self._normal_load_percent if percent is None else percent
        self._settle()

    def set_charge(self, percent: float) -> None:
        """Put the battery charge by hand."""
        self.battery.set_charge(percent / 100.0)
        self._settle()

    def set_weak(self, weak: bool) -> None:
        """Wear the battery out, or put a new one in (which also forgets the failed test)."""
        self.battery.weak = weak
        if not weak and self.test_result == "failed":
            self.test_result = "none"
        self._settle()

    def set_fault(self, fault: bool) -> None:
        """Break the inverter, or repair it."""
        self.fault = fault
        if fault and self.test is not None:
            self._end_test("failed")
        self._settle()

    def set_temperature(self, celsius: float | None) -> None:
        """Hold the inside at `celsius`; None lets it follow load and room again."""
        self.pinned_temperature_c = celsius
        if celsius is not None:
            self.temperature_c = celsius

    def switch_output(self, on: bool) -> bool:
        """Press the unit's own output button; it needs mains to switch on."""
        if on:
            if self.cut is not None:
                self.cut.back_from = self.time_s
            self._settle()
            return self.cut is None
        self._cut("switched off", None)
        self._settle()
        return True

    # ---- time

    def step(self, seconds: float) -> None:
        """Move on by `seconds` of simulated time."""
        end = self.time_s + seconds
        longest = max(LONGEST_SUBSTEP_S, seconds / MOST_SUBSTEPS)
        self._settle()
        while end - self.time_s > SAME_TIME_S:
            length = min(end - self.time_s, longest, self._next_event_s())
            self.flow(length)
            self.time_s += length
            self._settle()

    def _next_event_s(self) -> float:
        """Seconds until the next thing that is already known to happen; never 0, so that time moves on."""
        moments = [self._transfer_at, self._walk_in_at, self._retransfer_at]
        if self.pending is not None:
            moments.append(self.pending.at)
        if self.cut is not None:
            moments.append(self.cut.back_from)
        if self.test is not None:
            moments += [self.test.ends_at, self.test.started_at + TEST_SETTLE_S]
        waits = [at - self.time_s for at in moments if at is not None and at - self.time_s > SAME_TIME_S]
        if self.source == "battery":
            waits.append(max(self.battery.seconds_left(self.battery_power_w), 0.001))
        limit_s = overload_limit_s(self.design.topology, self.source, self.load_percent)
        if limit_s is not None:
            waits.append(max((1.0 - self.overload_heat) * limit_s, 0.001))
        return min(waits, default=math.inf)

    def _due(self, at: float | None) -> bool:
        return at is not None and at - self.time_s <= SAME_TIME_S

    def _settle(self) -> None:
        """Let the firmware look at everything and decide; then bring the electrical values up to date."""
        self._watch_line()
        self._watch_regulator()
        self._watch_overload()
        self._watch_test()
        self._watch_shutdown()
        self._watch_battery()
        self._watch_return()
        self.flow(0.0)

    def _watch_line(self) -> None:
        """Recognise loss and return of the mains, each after its time."""
        good = self.mains_good
        if good == (not self.utility_fail):
            self._transfer_at = None
        elif self._transfer_at is None:
            self._transfer_at = self.time_s + self.design.transfer_s
        if self._due(self._transfer_at):
            self._transfer_at = None
            self.utility_fail = not good
            self.line_ready = False
            self._walk_in_at = self.time_s + self.design.walk_in_s if good else None
            if not good:
                self.transfer_v = self._voltage_at_transfer()
        if self._due(self._walk_in_at):
            self._walk_in_at = None
            self.line_ready = True

    def _voltage_at_transfer(self) -> float:
        """A voltage falling or rising out of the window is caught just outside of it."""
        design = self.design
        if self.mains_v < design.input_low_v:
            return max(self.input_v, design.input_low_v - 2.0)
        return min(self.input_v, design.input_high_v + 2.0)

    def _watch_regulator(self) -> None:
        """Move the taps of a line-interactive unit."""
        if self.design.topology != "interactive" or self.fault:
            self.avr = "none"
            return
        volts = self.input_v
        if volts < BOOST_BELOW_V or (self.avr == "boost" and volts < BOOST_BELOW_V + TAP_MARGIN_V):
            self.avr = "boost"
        elif volts > TRIM_ABOVE_V or (self.avr == "trim" and volts > TRIM_ABOVE_V - TAP_MARGIN_V):
            self.avr = "trim"
        else:
            self.avr = "none"

    def _watch_overload(self) -> None:
        """Give way when an overload has lasted too long: to the bypass, else by cutting the output."""
        if self.overload_heat >= 1.0 - SAME_TIME_S:
            self.overload_heat = 0.0
            if self.source == "line" and self.bypass_good:
                self.overload_bypass = True
            else:
                self._cut("overload", None)
        if not self.overload_bypass or self.load_percent > 100.0:
            self._retransfer_at = None
        elif self._retransfer_at is None:
            self._retransfer_at = self.time_s + RETRANSFER_S
        elif self._due(self._retransfer_at):
            self._retransfer_at = None
            self.overload_bypass = False

    def _watch_test(self) -> None:
        test = self.test
        if test is None:
            return
        age_s = self.time_s - test.started_at
        if self.utility_fail or self.cut is not None or self.overload_bypass:
            self._end_test("none")
        elif age_s >= TEST_SETTLE_S - SAME_TIME_S and self._battery_sags():
            self._end_test("failed")
        elif self.battery.low:
            # Until-low is what the deep test is for; the others promised to last.
            self._end_test("passed" if test.kind == "deep" else "failed")
        elif self._due(test.ends_at):
            self._end_test("passed")

    def _battery_sags(self) -> bool:
        battery = self.battery
        fresh_ohm = battery.design.cells * battery.design.cell_ohm
        return battery.resistance_ohm > TEST_FAIL_RESISTANCE * fresh_ohm

    def _end_test(self, result: TestResult) -> None:
        self.test = None
        self.test_result = result

    def _watch_shutdown(self) -> None:
        if self.pending is None:
            return
        # Megatec: a battery getting low while a shutdown is pending takes the output away at once.
        if self._due(self.pending.at) or (self.utility_fail and self.battery.low):
            return_s = self.pending.return_s
            back_from = None if return_s is None else self.time_s + max(return_s, HOLD_OFF_S)
            self._cut("command", back_from)

    def _watch_battery(self) -> None:
        """Cut the output when the battery can carry it no more; it returns with the mains."""
        if self.source != "battery" or self.battery.carries(self.battery_power_w):
            return
        if self.test is not None:
            self._end_test("failed")
        if self.source == "battery":
            self._cut("battery empty", self.time_s + HOLD_OFF_S)

    def _watch_return(self) -> None:
        if self.cut is not None and self.line_ready and self._due(self.cut.back_from):
            self.cut = None

    def _cut(self, reason: str, back_from: float | None) -> None:
        self.pending = None
        self.overload_bypass = False
        self.overload_heat = 0.0
        if self.test is not None:
            self._end_test("none")
        self.cut = Cut(reason, self.time_s, back_from)
