"""From readings to alarms and events."""

from __future__ import annotations

import pytest
from istars.model.readings import Value
from istars.rules.conditions import CLOCK_LOST_S, CONDITIONS
from istars.rules.engine import Moment, Rules
from istars.settings import Settings
from istars.settings.field import Setting
from istars.store.live import Change
from istars.store.live_alarms import Step

BOOT = "boot"
WALL = 1_700_000_000.0


class Bench:
    """Rules with a clock of their own; each look is one step."""

    def __init__(self, **options: Setting) -> None:
        self.rules = Rules()
        self.settings = Settings({key.replace("_", "."): value for key, value in options.items()})
        self.at = 100.0
        self.changes: list[Change] = []
        self.facts: dict[str, dict[str, object]] = {}

    def change(self, at: float, name: str, value: Value) -> None:
        """A discrete reading changed at `at`, unseen so far."""
        self.changes.append(Change(len(self.changes) + 1, at, WALL + at, name, value))

    def look(self, at: float, **readings: Value) -> Step:
        """Look at time `at`; readings are given with `_` for `.`."""
        self.at = at
        moment = Moment(at, WALL + at, BOOT)
        values = {name.replace("_", "."): value for name, value in readings.items()}
        seen = self.rules.step(moment, values, self.settings, self.facts, self.changes)
        self.changes = []
        return seen


def told(step: Step) -> list[tuple[str, str]]:
    """Events of a step as (kind, code)."""
    return [(event.kind, event.code) for event in step.events]


def test_on_battery_is_raised_and_cleared_at_once_with_the_true_duration() -> None:
    bench = Bench()
    assert told(bench.look(100, ups_status="OL")) == []
    step = bench.look(101, ups_status="OB")
    assert told(step) == [("raise", "ON_BATTERY")]
    assert [alarm.code for alarm in step.raised] == ["ON_BATTERY"]
    step = bench.look(163.5, ups_status="OL")
    assert told(step) == [("clear", "ON_BATTERY")]
    assert step.events[0].duration_s == 62.5
    assert step.cleared == [step.events[0].alarm]
    assert bench.rules.active == {}


def test_what_came_and_went_between_two_looks_is_not_missed() -> None:
    bench = Bench()
    bench.look(100, ups_status="OL")
    bench.change(101.2, "ups.status", "OB")
    bench.change(103.7, "ups.status", "OL")
    step = bench.look(110, ups_status="OL")
    assert told(step) == [("raise", "ON_BATTERY"), ("clear", "ON_BATTERY")]
    assert [event.at for event in step.events] == [WALL + 101.2, WALL + 103.7]
    assert step.events[1].duration_s == 2.5
    assert step.cursor == 2
    assert not step.raised


def test_a_delay_that_ran_out_while_nobody_looked_counts() -> None:
    bench = Bench(ups_poll_interval=1.0)
    bench.change(100.0, "ups.status", "OL BYPASS")
    bench.change(109.0, "ups.status", "OL")
    step = bench.look(111, ups_status="OL")
    assert told(step) == [("raise", "ON_BYPASS"), ("clear", "ON_BYPASS")]
    assert [event.at - WALL for event in step.events] == [101.5, 110.5]
    assert step.events[1].duration_s == 7.5


def test_a_short_bypass_is_no_alarm() -> None:
    bench = Bench()
    bench.change(100.0, "ups.status", "OL BYPASS")
    bench.change(101.0, "ups.status", "OL")
    assert told(bench.look(102, ups_status="OL")) == []


def test_overload_needs_three_seconds_and_clears_after_ten_below_95() -> None:
    bench = Bench(limit_load_high=200.0)
    assert told(bench.look(100, ups_load=112)) == []
    assert bench.rules.pending["OVERLOAD"] == 100
    assert told(bench.look(102.9, ups_load=104)) == []
    step = bench.look(103, ups_load=108)
    assert told(step) == [("raise", "OVERLOAD")]
    assert step.events[0].args == {"value": "108", "limit": "100"}
    assert told(bench.look(104, ups_load=97)) == []
    assert told(bench.look(120, ups_load=97)) == []
    assert told(bench.look(121, ups_load=94)) == []
    step = bench.look(131, ups_load=90)
    assert told(step) == [("clear", "OVERLOAD")]
    assert step.events[0].duration_s == 18


def test_an_overload_bit_of_the_ups_needs_no_waiting() -> None:
    bench = Bench()
    assert told(bench.look(100, ups_alarm="OVERLOAD", ups_load=90)) == [("raise", "OVERLOAD")]


def test_low_battery_stays_until_mains_is_back() -> None:
    bench = Bench()
    assert told(bench.look(100, ups_status="OB LB")) == [("raise", "ON_BATTERY"), ("raise", "BATTERY_LOW")]
    assert told(bench.look(101, ups_status="OB")) == []
    assert told(bench.look(102, ups_status="OL")) == [("clear", "ON_BATTERY"), ("clear", "BATTERY_LOW")]


def test_a_lost_link_freezes_alarms_instead_of_clearing_them() -> None:
    bench = Bench()
    bench.look(100, ups_status="OB")
    bench.facts = {"COMM_LOST": {"reason": "x"}}
    assert told(bench.look(120)) == [("raise", "COMM_LOST")]
    assert set(bench.rules.active) == {"ON_BATTERY", "COMM_LOST"}
    bench.facts = {}
    assert told(bench.look(130, ups_status="OL")) == [("clear", "ON_BATTERY"), ("clear", "COMM_LOST")]


def test_a_mains_failure_during_a_battery_test_of_the_ups_is_only_a_test_while_mains_is_there() -> None:
    bench = Bench()
    assert told(bench.look(100, ups_status="OL DISCHRG TEST")) == [("raise", "TEST_RUNNING")]
    assert told(bench.look(110, ups_status="OB TEST")) == [("raise", "ON_BATTERY")]


def test_results_of_battery_tests_are_told() -> None:
    bench = Bench()
    bench.change(100, "ups.test.result", "failed")
    assert told(bench.look(101, ups_test_result="failed")) == [("raise", "TEST_FAILED")]
    bench.change(102, "ups.test.result", "passed")
    assert sorted(told(bench.look(103, ups_test_result="passed"))) == [
        ("clear", "TEST_FAILED"),
        ("event", "TEST_PASSED"),
    ]


def test_a_limit_of_zero_switches_an_alarm_off() -> None:
    off = Bench(limit_charge_low=0.0)
    assert [told(off.look(at, battery_charge=10)) for at in (100, 200)] == [[], []]
    on = Bench(limit_charge_low=30.0)
    assert [told(on.look(at, battery_charge=10)) for at in (100, 200)] == [[], [("raise", "CHARGE_LOW")]]


def test_time_left_matters_only_on_battery() -> None:
    bench = Bench()
    assert [told(bench.look(at, ups_status="OL", battery_runtime=60)) for at in (100, 200)] == [[], []]
    bench.look(300, ups_status="OB", battery_runtime=60)
    step = bench.look(304, ups_status="OB", battery_runtime=60)
    assert told(step) == [("raise", "RUNTIME_SHORT")]
    assert step.events[0].args == {"value": "1", "limit": "5"}


def test_alarms_survive_a_restart_of_the_rules() -> None:
    bench = Bench()
    bench.look(100, ups_status="OB", ups_load=120)
    again = Bench(limit_load_high=200.0)
    again.rules = Rules(dict(bench.rules.active), dict(bench.rules.pending), dict(bench.rules.states))
    assert told(again.look(103, ups_status="OB", ups_load=120)) == [("raise", "OVERLOAD")]
    step = again.look(160, ups_status="OL", ups_load=120)
    assert told(step) == [("clear", "ON_BATTERY")]
    assert step.events[0].duration_s == 60


def test_an_alarm_from_before_a_power_cut_is_timed_by_the_wall_clock() -> None:
    bench = Bench()
    bench.look(100, ups_status="OB")
    after = Bench()
    after.rules = Rules(dict(bench.rules.active))
    moment = Moment(10.0, WALL + 400, "another boot")
    step = after.rules.step(moment, {"ups.status": "OL"}, after.settings, {})
    assert step.events[0].duration_s == 300


def test_acknowledging_keeps_the_alarm_and_is_an_event() -> None:
    bench = Bench()
    key = bench.look(100, ups_status="OB").raised[0].key
    step = bench.rules.acknowledge(key, "ann", "seen", Moment(101, WALL, BOOT))
    assert step is not None
    assert (step.updated[0].acknowledged_by, step.updated[0].note) == ("ann", "seen")
    assert told(step) == [("event", "ALARM_ACKNOWLEDGED")]
    assert bench.rules.active["ON_BATTERY"].acknowledged_by == "ann"
    assert bench.rules.acknowledge("no-such", "ann", "", Moment(102, WALL, BOOT)) is None


@pytest.mark.parametrize("state", ["searching", "stopped"])
def test_a_clock_without_an_answer_is_an_alarm_after_hours_and_says_why(state: str) -> None:
    bench = Bench()
    lost: dict[str, Value] = {"istars_clock_state": state, "istars_clock_detail": "no answer from a.net"}
    assert told(bench.look(100, **lost)) == []
    assert told(bench.look(100 + CLOCK_LOST_S - 1, **lost)) == []
    step = bench.look(100 + CLOCK_LOST_S, **lost)
    assert told(step) == [("raise", "CLOCK_SYNC_FAIL")]
    assert step.raised[0].args == {"reason": "no answer from a.net"}
    assert told(bench.look(100 + CLOCK_LOST_S + 1)) == []  # a worker that is silent changes nothing
    assert told(bench.look(100 + CLOCK_LOST_S + 2, istars_clock_state="synchronised")) == [("clear", "CLOCK_SYNC_FAIL")]


@pytest.mark.parametrize("state", ["synchronised", "manual", "foreign"])
def test_a_clock_that_asks_nobody_or_is_answered_is_no_alarm(state: str) -> None:
    bench = Bench()
    for at in (100, 100 + 2 * CLOCK_LOST_S):
        assert told(bench.look(at, istars_clock_state=state)) == []


@pytest.mark.parametrize("code", sorted(c.code for c in CONDITIONS if c.code not in {"CARD"}))
def test_an_alarm_the_ups_or_the_card_reports_is_raised_and_cleared(code: str) -> None:
    bench = Bench()
    words = {
        "ON_BATTERY": "OB", "BATTERY_LOW": "LB", "OUTPUT_OFF": "OFF", "ON_BYPASS": "BYPASS", "AVR_BOOST": "BOOST",
        "AVR_TRIM": "TRIM", "ECO_MODE": "ECO", "CONVERTER_MODE": "CONVERTER", "TEST_RUNNING": "TEST",
    }  # fmt: skip
    numbers: dict[str, dict[str, Value]] = {
        "CHARGE_LOW": {"battery_charge": 5}, "LOAD_HIGH": {"ups_load": 90}, "AMBIENT_HOT": {"ambient_temperature": 60},
        "RUNTIME_SHORT": {"battery_runtime": 1, "ups_status": "OB"}, "AMBIENT_COLD": {"ambient_temperature": -10},
        "AMBIENT_DAMP": {"ambient_humidity": 99}, "AMBIENT_DRY": {"ambient_humidity": 1},
        "ACCOUNTS_DAMAGED": {"istars_accounts_state": "closed"}, "CLOCK_SYNC_FAIL": {"istars_clock_state": "searching"},
        "MAIL_FAIL": {"istars_mail_trouble": "550 no"},
        "SMS_FAIL": {"istars_sms_trouble": "There is no SIM card"},
        "WEBHOOK_FAIL": {"istars_webhook_trouble": "404 Not Found"},
        "SYSLOG_FAIL": {"istars_syslog_trouble": "the connection was refused"},
    }  # fmt: skip
    calm: dict[str, Value] = {
        "ups_status": "OL", "ups_alarm": "", "battery_charge": 100, "ups_load": 10, "ambient_temperature": 20,
        "ambient_humidity": 50, "battery_runtime": 6_000, "istars_accounts_state": "good",
        "istars_clock_state": "synchronised", "istars_mail_trouble": "",
        "istars_sms_trouble": "", "istars_webhook_trouble": "", "istars_syslog_trouble": "",
    }  # fmt: skip
    bad: dict[str, Value] = {"ups_alarm": code}
    if code in words:
        bad = {"ups_status": words[code]}
    elif code in numbers:
        bad = numbers[code]
    bench.facts = {code: {}}
    found = [event for at in (100, 20_000) for event in told(bench.look(at, **{**calm, **bad}))]
    assert ("raise", code) in found
    bench.facts = {}
    assert ("clear", code) in [event for at in (20_100, 20_200) for event in told(bench.look(at, **calm))]
    assert bench.rules.active == {}
