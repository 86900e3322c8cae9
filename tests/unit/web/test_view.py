"""What the pages say about the UPS."""

import pytest
from istars.model.readings import MINUS, NO_VALUE
from istars.platform import clock
from istars.web.readout import show, shown
from istars.web.view import (
    HEADLINES,
    State,
    Tone,
    duration,
    head_of,
    link_of,
    state_of,
    time_left,
    time_of,
    worst,
)
from web_facts import LINK, MAINS, NOW, WALL, alarm, facts, reading

LOST = {
    "istars.link.state": "lost",
    "istars.link.reason": "no-answer",
    "istars.link.detail": "3 questions had no answer",
}


def texts(*given, **named):
    return head_of(facts(*given, **named))[1]


# state


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("OL", State.ONLINE),
        ("OL CHRG", State.ONLINE),
        ("OL BOOST", State.ONLINE),
        ("OB DISCHRG", State.BATTERY),
        ("OB LB DISCHRG", State.BATTERY),
        ("OL BYPASS", State.BYPASS),
        ("OB BYPASS", State.BYPASS),
        ("OL OFF", State.OFF),
        ("OB OFF", State.OFF),
        ("OL OFF BYPASS", State.OFF),
        ("OL DISCHRG TEST", State.TEST),
        ("OL CAL", State.TEST),
        ("OB TEST", State.BATTERY),
        ("OL ECO", State.ECO),
        ("OL CONVERTER", State.CONVERTER),
        ("ALARM", State.UNKNOWN),
        ("", State.UNKNOWN),
    ],
)
def test_state_of_every_status(status, state):
    assert state_of(facts(ups_status=status)) is state


def test_a_fault_is_said_unless_the_battery_feeds_the_load():
    assert state_of(facts(ups_alarm="FAN_FAIL UPS_FAULT")) is State.FAULT
    assert state_of(facts({**MAINS, "istars.ups.mode": "fault"})) is State.FAULT
    assert state_of(facts(ups_alarm="UPS_FAULT", ups_status="OB")) is State.BATTERY


def test_nothing_read_yet_is_waiting():
    assert state_of(facts({}, link={})) is State.WAITING
    assert state_of(facts({})) is State.WAITING
    assert texts({}, link={}) == {
        "head": "Waiting for the UPS",
        "follow": "The card asks the UPS for its first readings.",
    }


def test_a_status_that_has_expired_is_no_data_whatever_the_link_says():
    assert state_of(facts(age=2.9)) is State.ONLINE
    assert state_of(facts(age=3.0)) is State.OFFLINE
    assert state_of(facts(age=3.0, link=LOST)) is State.OFFLINE


def test_a_link_that_was_lost_this_moment_is_said_in_the_bar_while_readings_are_current():
    now = facts(link=LOST)
    assert state_of(now) is State.ONLINE
    assert (link_of(now).tone, link_of(now).text, link_of(now).banner) == (Tone.WARN, "UPS not answering", "")


def test_a_ups_that_never_answered_is_no_data_without_a_time():
    never = facts({}, link=LOST)
    assert state_of(never) is State.OFFLINE
    assert head_of(never)[1]["head"] == "No data from the UPS"
    assert link_of(never).banner == "No data from the UPS."


def test_a_link_program_that_does_not_report_is_no_data():
    silent = facts(age=30.0, link={})
    silent = type(silent)(
        {**silent.readings, "istars.link.state": reading("istars.link.state", "ok", NOW - 30, 20)}, (), NOW, WALL
    )
    assert state_of(silent) is State.OFFLINE
    assert "does not report" in head_of(silent)[1]["follow"]


# headline and what follows


def test_on_mains():
    head, said = head_of(facts())
    assert (head.state, head.tone, head.count) == (State.ONLINE, Tone.OK, None)
    assert said == {"head": "Running on mains", "follow": "The load is protected. The battery is full."}


@pytest.mark.parametrize(
    ("runtime", "told"),
    [
        (2280, "On battery: 38 minutes left"),
        (120, "On battery: 2 minutes left"),
        (119, "On battery: 119 seconds left"),
        (1, "On battery: 1 second left"),
        (0, "On battery: 0 seconds left"),
        (7500, "On battery: 2 h 5 min left"),
    ],
)
def test_on_battery_says_what_is_left(runtime, told):
    head, said = head_of(facts(ups_status="OB DISCHRG", battery_runtime=runtime))
    assert said["head"] == told
    assert head.count is None
    assert head.tone is Tone.WARN


def test_on_battery_without_a_runtime_counts_from_the_alarm():
    head, said = head_of(facts(None, alarm("ON_BATTERY", 192), ups_status="OB DISCHRG", battery_charge=87))
    assert said["head"] == "On battery for"
    assert head.count.text(NOW, WALL) == "3 min 12 s"
    assert said["follow"] == f"Mains failed at {time_of(WALL - 192, WALL)}. The battery holds 87 %."


def test_on_battery_before_the_alarm_counts_from_the_change():
    head, _ = head_of(facts(ups_status="OB"))
    assert (head.count.clock, head.count.at) == ("b", NOW - 0.5)


def test_an_alarm_of_an_earlier_boot_counts_by_wall_time():
    head, _ = head_of(facts(None, alarm("ON_BATTERY", 60, boot="another"), ups_status="OB"))
    assert (head.count.clock, head.count.at) == ("w", WALL - 60)
    assert head.count.text(NOW, WALL) == "1 min 0 s"


def test_a_charge_that_is_an_estimate_is_said_to_be_one():
    assert "holds about 87 %" in texts(ups_status="OB", battery_charge=87, estimated=("battery.charge",))["follow"]


def test_a_stale_runtime_is_not_used():
    now = facts(ups_status="OB")
    old = type(now)({**now.readings, "battery.runtime": reading("battery.runtime", 2280, NOW - 60)}, (), NOW, WALL)
    assert head_of(old)[1]["head"] == "On battery for"


def test_low_battery_is_critical_even_before_its_alarm():
    head, said = head_of(facts(None, alarm("ON_BATTERY"), ups_status="OB LB"))
    assert head.tone is Tone.CRIT
    assert "nearly empty" in said["follow"]


def test_a_switch_off_that_counts_down_comes_first():
    said = texts(ups_timer_shutdown=28, ups_status="OB")
    assert said["follow"].startswith("The UPS switches off in 28 seconds. Mains failed at")
    assert "switches off" not in texts(ups_timer_shutdown=-1)["follow"]
    assert "switches off" not in texts(ups_timer_shutdown=0)["follow"]


def test_alarms_follow_and_take_the_place_of_all_is_well():
    load = alarm("LOAD_HIGH", args={"limit": "80", "value": 84.0})
    head, said = head_of(facts(None, load))
    assert head.tone is Tone.WARN
    assert said == {"head": "Running on mains", "follow": "Load above 80 %. The battery is full."}


def test_many_alarms_are_counted():
    many = [alarm(code) for code in ("FAN_FAIL", "FUSE_FAIL", "CHARGER_FAIL", "EPO", "UPS_FAULT")]
    assert texts(None, *many)["follow"] == (
        "Fan failed. Fuse failed. Charger failed. 2 more alarms. The battery is full."
    )


def test_the_headline_is_not_said_twice():
    assert "Mains failed, UPS on battery" not in texts(None, alarm("ON_BATTERY"), ups_status="OB")["follow"]
    assert "not protected" not in texts(None, alarm("ON_BYPASS"), ups_status="OL BYPASS")["follow"]


def test_information_does_not_colour_a_normal_state():
    head, said = head_of(facts(None, alarm("AVR_BOOST"), ups_status="OL BOOST"))
    assert (head.tone, said["head"]) == (Tone.OK, "Running on mains, low voltage raised")
    assert texts(ups_status="OL TRIM")["head"] == "Running on mains, high voltage lowered"


def test_every_state_has_a_headline_and_something_that_follows():
    assert set(HEADLINES) == set(State)
    for status in ("OL", "OB", "OL BYPASS", "OL OFF", "OL TEST", "OL ECO", "OL CONVERTER", "HB"):
        assert texts(ups_status=status)["follow"], status


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"battery_charge": 60, "ups_status": "OL CHRG"}, "The battery is charging and holds 60 %."),
        ({"battery_charge": 60}, "The battery holds 60 %."),
        ({"battery_runtime": 2520}, "The battery is full and would last 42 minutes."),
    ],
)
def test_the_battery_on_mains(changes, told):
    assert texts(**changes)["follow"].endswith(told)


def test_a_battery_of_which_nothing_is_known_is_not_mentioned():
    assert texts({"ups.status": "OL"})["follow"] == "The load is protected."
    assert texts({"ups.status": "OL", "battery.runtime": 600})["follow"].endswith("would last 10 minutes.")


def test_no_data_says_since_when_and_why():
    head, said = head_of(facts(age=61.0, link=LOST))
    assert (head.tone, head.state) == (Tone.CRIT, State.OFFLINE)
    assert said["head"] == f"No data from the UPS since {time_of(WALL - 61, WALL)}"
    assert said["follow"] == "The UPS does not answer: 3 questions had no answer. Nothing shown here is current."


@pytest.mark.parametrize(
    ("reason", "why"),
    [
        ("port-missing", "The port does not exist"),
        ("permission", "The card may not use the port"),
        ("port-busy", "Another program uses the port"),
        ("bad-answer", "What the UPS answers is not this protocol"),
        ("a-code-of-tomorrow", "The UPS does not answer"),
    ],
)
def test_every_reason_is_a_sentence(reason, why):
    link = {"istars.link.state": "lost", "istars.link.reason": reason, "istars.link.detail": ""}
    assert link_of(facts(age=61.0, link=link)).why == f"{why}. Nothing shown here is current."


def test_the_gap_between_expiry_and_the_verdict_of_the_link():
    assert link_of(facts(age=4.0, link=LINK)).why.startswith("The last questions of the card were not answered.")


def test_the_worst_of_nothing_is_good():
    assert worst([]) is Tone.OK
    assert worst([Tone.INFO, Tone.CRIT, Tone.WARN]) is Tone.CRIT


# words for times and numbers


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min 0 s"),
        (192, "3 min 12 s"),
        (3600, "1 h 0 min"),
        (86399, "23 h 59 min"),
        (86400, "1 d 0 h"),
        (100 * 86400, "100 d 0 h"),
    ],
)
def test_durations(given, told):
    assert duration(given) == told


def test_time_left_is_never_negative():
    assert time_left(-5) == "0 seconds"


def test_another_day_shows_its_date():
    assert time_of(WALL, WALL) == clock.iso(WALL)[11:19]
    assert time_of(WALL - 86_400, WALL) == clock.iso(WALL - 86_400)[:19].replace("T", " ")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("input.voltage", 230, "230.0"),
        ("input.voltage", 230.44, "230.4"),
        ("battery.current", -9.94, f"{MINUS}9.9"),
        ("battery.current", -0.04, "0.0"),
        ("ups.load", 38.4, "38"),
        ("istars.battery.voltage.cell", 2.2, "2.20"),
        ("ups.load", None, NO_VALUE),
        ("device.model", "", NO_VALUE),
        ("ups.load", "much", NO_VALUE),
        ("ups.beeper.status", "muted", "Muted"),
        ("ups.status", "OL CHRG", "On mains, Charging"),
        ("a.reading.of.tomorrow", 1.5, "1.5"),
    ],
)
def test_values_have_a_fixed_count_of_decimals(name, value, told):
    assert show(name, value) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(95, ("95", "s")), (120, ("2", "min")), (2520, ("42", "min")), (7199, ("119", "min")), (7500, ("2:05", "h"))],
)
def test_a_time_on_battery_is_shown_in_the_unit_that_reads_best(seconds, told):
    assert shown("battery.runtime", seconds) == told
