"""The catalogue of alarms and events."""

from __future__ import annotations

import string

import pytest
from istars.errors import UnknownName
from istars.model.alarms import ALARMS, Severity, alarm, describe, describe_event
from istars.rules.conditions import CONDITIONS

# RFC 1628 upsWellKnownAlarms that describe a state of the UPS or of the link; 11, 12 and 15 need a switch-off that this card
# ordered, which is told by the command's own events.
WELL_KNOWN = set(range(1, 25)) - {11, 12, 15}


def test_every_well_known_alarm_of_rfc_1628_has_one_of_ours() -> None:
    assert {each.rfc1628 for each in ALARMS.values() if each.rfc1628} >= WELL_KNOWN


def test_every_state_can_be_raised_and_every_condition_is_declared() -> None:
    states = {each.code for each in ALARMS.values() if each.is_state}
    raised = {condition.code for condition in CONDITIONS}
    # Raised by the workers that alone know: sensors, lithium batteries, timetable.
    later = {"SENSOR_LOST", "BMS_ALARM", "BMS_LOST", "SCHEDULED_OFF_SOON"}
    assert states - raised == later
    assert raised <= states


def test_what_needs_somebody_says_what_it_means() -> None:
    for each in ALARMS.values():
        if each.is_state and each.severity is not Severity.INFORMATION:
            assert each.meaning.endswith("."), each.code


def test_texts_use_only_arguments_that_conditions_give() -> None:
    known = {
        "limit",
        "value",
        "reason",
        "file",
        "worker",
        "version",
        "seconds",
        "command",
        "by",
        "user",
        "result",
        "title",
        "count",
        "address",
        "notice",
        "host",
        "tries",
    }
    for each in ALARMS.values():
        for text in (each.title, each.cleared, each.detail):
            fields = {name for _, name, _, _ in string.Formatter().parse(text) if name}
            assert fields <= known, each.code


def test_events_are_told_in_words() -> None:
    assert describe("LOAD_HIGH", {"limit": 80}) == "Load above 80 %"
    assert describe_event("LOAD_HIGH", "raise", {"limit": 80, "value": 83}) == "Load above 80 %: 83 %"
    assert describe_event("ON_BATTERY", "clear", {}) == "Mains restored"


def test_missing_arguments_and_codes_of_newer_firmware_do_not_fail_the_page() -> None:
    assert describe("LOAD_HIGH", {}) == "Load above \u2026 %"
    assert describe_event("FROM_THE_FUTURE", "raise", {}) == "FROM_THE_FUTURE"


def test_an_unknown_code_is_refused_by_name() -> None:
    with pytest.raises(UnknownName, match="NO_SUCH"):
        alarm("NO_SUCH")
