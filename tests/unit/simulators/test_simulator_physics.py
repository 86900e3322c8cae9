from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulators.designs import DESIGNS, design_of
from simulators.physics import Ups

HOUR_S = 3600.0


@pytest.fixture(params=sorted(DESIGNS))
def ups(request: pytest.FixtureRequest) -> Ups:
    return Ups(design_of(request.param))


@pytest.fixture
def online() -> Ups:
    return Ups(design_of("megatec"))


@pytest.fixture
def interactive() -> Ups:
    return Ups(design_of("megatec-interactive"))


def test_rests_on_the_mains_fully_charged(ups: Ups) -> None:
    assert (ups.mode, ups.source, ups.utility_fail) == ("line", "line", False)
    assert ups.battery.phase == "float"
    assert ups.output_v == pytest.approx(230.0, abs=3.0)


def test_transfer_takes_its_time_both_ways(ups: Ups) -> None:
    ups.set_mains(0.0)
    assert not ups.utility_fail
    ups.step(ups.design.transfer_s)
    assert (ups.mode, ups.utility_fail) == ("battery", True)
    assert ups.output_v == 230.0
    ups.step(5.0)
    ups.set_mains(230.0)
    ups.step(ups.design.transfer_s)
    assert (ups.mode, ups.utility_fail) == ("battery", False)
    ups.step(ups.design.walk_in_s)
    assert (ups.mode, ups.utility_fail) == ("line", False)


def test_blink_shorter_than_the_transfer_is_not_noticed(online: Ups) -> None:
    online.set_mains(0.0)
    online.step(online.design.transfer_s / 2)
    online.set_mains(230.0)
    online.step(1.0)
    assert (online.mode, online.transfer_v) == ("line", None)


def test_battery_drains_on_battery_and_recharges_after(ups: Ups) -> None:
    ups.set_mains(0.0)
    levels = []
    for _ in range(5):
        ups.step(60.0)
        levels.append(ups.battery.charge)
    assert levels == sorted(levels, reverse=True)
    ups.set_mains(230.0)
    drained = ups.battery.charge
    ups.step(10 * HOUR_S)
    assert ups.battery.charge > max(drained, 0.99)


def test_runtime_follows_the_load(ups: Ups) -> None:
    times = []
    for percent in (10.0, 30.0, 60.0, 100.0):
        ups.set_load(percent)
        times.append(ups.runtime_s)
    assert times == sorted(times, reverse=True)
    assert times[0] > 10.0 * times[-1]


def test_empty_battery_cuts_the_output_until_the_mains_returns(ups: Ups) -> None:
    estimate_s = ups.runtime_s
    ups.set_mains(0.0)
    saw_low_first = False
    while ups.cut is None:
        saw_low_first |= ups.battery.low
        ups.step(10.0)
    assert saw_low_first
    assert ups.cut.since == pytest.approx(estimate_s, rel=0.05)
    assert (ups.mode, ups.output_v, ups.load_w) == ("shutdown", 0.0, 0.0)
    left = ups.battery.charge
    ups.step(HOUR_S)
    assert ups.battery.charge == left
    ups.set_mains(230.0)
    ups.step(11.0)
    assert (ups.mode, ups.source) == ("line", "line")


def test_every_joule_is_accounted_for(ups: Ups) -> None:
    stored_j = ups.battery.energy_j
    for volts, percent, seconds in (
        (0.0, 60.0, 300.0),
        (230.0, 30.0, 1800.0),
        (0.0, 90.0, 1200.0),
        (230.0, 5.0, HOUR_S),
    ):
        ups.set_load(percent)
        ups.set_mains(volts)
        ups.step(seconds)
    gained_j = ups.battery.energy_j - stored_j
    assert ups.mains_j == pytest.approx(ups.output_j + ups.heat_j + gained_j, rel=1e-6)
    assert ups.heat_j > 0.0


def test_story_does_not_depend_on_the_steps() -> None:
    ends = []
    for pieces in (1, 7, 600):
        ups = Ups(design_of("east"), seed=5)
        ups.set_mains(0.0)
        for _ in range(pieces):
            ups.step(600.0 / pieces)
        ends.append((ups.battery.charge, ups.temperature_c, ups.input_hz))
    assert ends[1] == pytest.approx(ends[0], rel=1e-3)
    assert ends[2] == pytest.approx(ends[0], rel=1e-3)


def test_seed_shapes_the_wander() -> None:
    def voltages(seed: int) -> list[float]:
        ups = Ups(design_of("megatec"), seed)
        seen = []
        for _ in range(50):
            ups.step(1.0)
            seen.append(ups.input_v)
        return seen

    assert voltages(3) == voltages(3) != voltages(4)
    assert all(abs(volts - 230.0) < 2.0 for volts in voltages(3))
    assert max(abs(a - b) for a, b in pairwise(voltages(3))) < 1.0


EVENTS = st.one_of(
    st.tuples(st.just("mains"), st.sampled_from([0.0, 150.0, 180.0, 230.0, 262.0, 300.0])),
    st.tuples(st.just("load"), st.sampled_from([0.0, 42.0, 100.0, 110.0, 130.0, 170.0])),
    st.tuples(st.just("charge"), st.sampled_from([1.0, 19.0, 60.0, 100.0])),
    st.tuples(st.just("weak"), st.booleans()),
    st.tuples(st.just("fault"), st.booleans()),
    st.tuples(st.just("bypass"), st.booleans()),
    st.tuples(st.just("test"), st.sampled_from(["quick", "timed", "deep"])),
    st.tuples(st.just("off"), st.sampled_from([0.0, 12.0, 60.0])),
    st.tuples(st.just("cancel"), st.none()),
)


def _happen(ups: Ups, name: str, value: object) -> None:
    actions = {
        "mains": ups.set_mains,
        "load": ups.set_load,
        "charge": ups.set_charge,
        "weak": ups.set_weak,
        "fault": ups.set_fault,
        "bypass": ups.go_to_bypass,
        "test": ups.start_test,
        "off": lambda seconds: ups.shut_down(seconds, 0.0),
        "cancel": lambda _: ups.cancel(),
    }
    actions[name](value)  # type: ignore[operator]


@given(
    kind=st.sampled_from(["megatec", "megatec-interactive"]),
    story=st.lists(st.tuples(EVENTS, st.floats(0.0, 40.0)), max_size=12),
)
@settings(max_examples=60, deadline=None)
def test_no_story_leads_to_a_contradiction(kind: str, story: list[tuple[tuple[str, object], float]]) -> None:
    ups = Ups(design_of(kind))
    for (name, value), seconds in story:
        _happen(ups, name, value)
        for part in (0.0, 0.02, seconds):
            ups.step(part)
            assert 0.0 <= ups.battery.charge <= 1.0
            # Only the relay of the line-interactive unit lets the load feel the milliseconds of a transfer.
            relay_open = kind != "megatec" and ups.source == "line" and ups.input_v == 0.0
            assert (ups.output_v == 0.0) == (ups.source == "none" or relay_open)
            assert not (ups.source == "battery" and ups.battery.current_a >= 0.0)
            assert ups.battery.current_a >= 0.0 or ups.source == "battery"
            assert ups.test is None or not (ups.utility_fail or ups.cut)
        # Once things have settled, the state of the line and its signal agree.
        settled = ups.design.transfer_s + ups.design.walk_in_s
        ups.step(settled)
        assert ups.utility_fail == (not ups.mains_good)
        assert ups.source != "battery" or ups.utility_fail or ups.test is not None


def test_online_keeps_its_voltage_where_the_other_regulates(online: Ups, interactive: Ups) -> None:
    for volts, avr, ratio in ((180.0, "boost", 1.15), (262.0, "trim", 0.87), (230.0, "none", 1.0)):
        online.set_mains(volts)
        interactive.set_mains(volts)
        online.step(1.0)
        interactive.step(1.0)
        assert online.output_v == 230.0
        assert interactive.avr == avr
        assert interactive.output_v == pytest.approx(interactive.input_v * ratio)
        assert not online.utility_fail
        assert not interactive.utility_fail


def test_voltage_outside_the_window_goes_to_battery(ups: Ups) -> None:
    for volts in (140.0, 300.0):
        ups.set_mains(volts)
        ups.step(1.0)
        assert ups.mode == "battery"
        ups.set_mains(230.0)
        ups.step(10.0)
        assert ups.mode == "line"


def test_overload_goes_to_bypass_and_comes_back(online: Ups) -> None:
    online.set_overload(130.0)
    assert online.overload
    online.step(29.0)
    assert online.mode == "line"
    online.step(2.0)
    assert (online.mode, online.output_v) == ("bypass", online.input_v)
    online.set_overload(None)
    online.step(6.0)
    assert (online.mode, online.load_percent) == ("line", 42.0)


def test_light_overload_only_warns_for_long(online: Ups) -> None:
    online.set_overload(110.0)
    online.step(500.0)
    assert online.overload
    assert online.mode == "line"
    online.step(101.0)
    assert online.mode == "bypass"


def test_overload_trips_what_has_no_bypass(interactive: Ups, online: Ups) -> None:
    interactive.set_overload(130.0)
    online.set_mains(0.0)
    online.step(1.0)
    online.set_overload(130.0)
    for ups, seconds in ((interactive, 61.0), (online, 11.0)):
        ups.step(seconds)
        assert (ups.mode, ups.output_v) == ("fault", 0.0)
        assert not ups.clear_fault()
        ups.set_overload(None)
        ups.set_mains(230.0)
        assert ups.clear_fault()
        ups.step(15.0)
        assert ups.mode == "line"


def test_bypass_by_hand_yields_to_the_battery_in_an_outage(online: Ups) -> None:
    assert online.go_to_bypass(True)
    assert online.mode == "bypass"
    online.set_mains(0.0)
    online.step(1.0)
    assert online.mode == "battery"
    online.set_mains(230.0)
    online.step(10.0)
    assert online.mode == "bypass"
    assert online.go_to_bypass(False)
    assert online.mode == "line"
    online.set_mains(170.0)
    assert not online.go_to_bypass(True)


def test_fault_hangs_the_load_on_what_is_left(online: Ups, interactive: Ups) -> None:
    for ups, source in ((online, "bypass"), (interactive, "line")):
        ups.set_fault(True)
        assert (ups.mode, ups.source) == ("fault", source)
        ups.set_mains(0.0)
        ups.step(1.0)
        assert ups.output_v == 0.0
        ups.set_mains(230.0)
        ups.set_fault(False)
        ups.step(10.0)
        assert ups.mode == "line"


def test_quick_test_passes_in_its_time(ups: Ups) -> None:
    assert ups.start_test("quick")
    assert not ups.start_test("quick")
    ups.step(ups.design.quick_test_s - 0.1)
    assert (ups.mode, ups.test_result, ups.utility_fail) == ("test", "running", False)
    assert ups.battery.current_a < 0.0
    ups.step(0.2)
    assert (ups.mode, ups.test_result) == ("line", "passed")


@pytest.mark.parametrize("percent", [0.0, 10.0, 60.0])
def test_test_fails_on_a_weak_battery(ups: Ups, percent: float) -> None:
    ups.set_load(percent)
    ups.set_weak(True)
    assert ups.start_test("quick")
    ups.step(30.0)
    assert (ups.mode, ups.test_result) == ("line", "failed")
    ups.set_weak(False)
    assert ups.test_result == "none"


def test_deep_test_ends_at_low_battery(online: Ups) -> None:
    assert online.start_test("deep")
    online.step(2 * HOUR_S)
    assert online.test_result == "passed"
    assert online.battery.charge > 0.19


def test_timed_test_runs_its_minutes_or_is_stopped(online: Ups) -> None:
    assert online.start_test("timed", 180.0)
    online.step(179.0)
    assert online.mode == "test"
    assert online.stop_test()
    assert (online.mode, online.test_result) == ("line", "none")
    assert not online.stop_test()


def test_outage_ends_a_test_without_result(online: Ups) -> None:
    online.start_test("timed", 600.0)
    online.step(5.0)
    online.set_mains(0.0)
    online.step(1.0)
    assert (online.mode, online.test_result) == ("battery", "none")
    assert not online.start_test("quick")


def test_shutdown_takes_the_output_and_gives_it_back(ups: Ups) -> None:
    assert ups.shut_down(30.0, 180.0)
    ups.step(29.0)
    assert ups.output_v > 200.0
    ups.step(2.0)
    assert (ups.mode, ups.output_v) == ("standby", 0.0)
    ups.step(170.0)
    assert ups.output_v == 0.0
    ups.step(10.0)
    assert ups.mode == "line"


def test_shutdown_waits_for_the_mains_to_return(online: Ups) -> None:
    online.set_mains(0.0)
    online.step(1.0)
    online.shut_down(12.0, 0.0)
    online.step(HOUR_S)
    assert (online.mode, online.output_v) == ("shutdown", 0.0)
    online.set_mains(230.0)
    online.step(5.0)
    assert online.mode == "line"


def test_stay_off_stays_off_until_told(online: Ups) -> None:
    online.shut_down(0.0, None)
    online.step(HOUR_S)
    assert online.output_v == 0.0
    assert online.cancel()
    online.step(1.0)
    assert online.mode == "line"


def test_cancel_forgets_a_pending_shutdown(online: Ups) -> None:
    online.shut_down(60.0, 0.0)
    online.step(30.0)
    assert online.cancel()
    assert not online.cancel()
    online.step(60.0)
    assert online.mode == "line"


def test_low_battery_cuts_at_once_while_a_shutdown_is_pending(online: Ups) -> None:
    online.set_mains(0.0)
    online.step(1.0)
    online.shut_down(600.0, 0.0)
    online.set_charge(19.0)
    assert online.output_v == 0.0
    assert online.pending is None


def test_temperature_drifts_with_the_load_and_can_be_held(online: Ups) -> None:
    online.set_load(100.0)
    before_c = online.temperature_c
    online.step(HOUR_S)
    assert before_c + 5.0 < online.temperature_c < 45.0
    online.set_temperature(61.0)
    online.step(HOUR_S)
    assert online.temperature_c == 61.0
    assert online.over_temperature
    online.set_temperature(None)
    online.step(HOUR_S)
    assert online.temperature_c < 45.0


def test_output_button(online: Ups) -> None:
    assert online.switch_output(False)
    assert online.output_v == 0.0
    online.set_mains(0.0)
    online.step(1.0)
    assert not online.switch_output(True)
    online.set_mains(230.0)
    online.step(5.0)
    assert online.output_v == 230.0
