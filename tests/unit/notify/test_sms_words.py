"""What a short message says."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.notify import sms, texts
from istars.notify.recipients import recipients
from istars.platform import clock
from istars.settings import load
from istars.settings.store import save
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Message


def message(kind: str = "raise", code: str = "ON_BATTERY", **body: object) -> Message:
    return Message(
        1, "sms", "+8613912345678", "key", 0, kind, code, "warning", "alarm", clock.wall(), body, "id", "boot", 0.0, "",
        "sending", 1, "", None,
    )  # fmt: skip


@pytest.fixture(autouse=True)
def card(root: Path, fake_clock: FakeClock) -> None:
    save({"system.name": "UPS-A"})


def test_an_event_is_the_subject_of_its_mail() -> None:
    event = message(context={"battery.runtime": 2_290})
    assert sms.text(event, load()) == texts.words(event, load()).subject
    assert sms.text(event, load()).endswith("about 38 min left")


def test_characters_that_would_make_it_twice_as_dear_are_replaced() -> None:
    assert sms.text(message("status", text="\u22125 °C \u2013 \u201cok\u201d \u2026"), load()) == '-5 C - "ok" ...'


def test_the_state_of_the_ups_in_one_line() -> None:
    alarm = LiveAlarm("k", "ON_BATTERY", "warning", 0.0, 0.0, "boot")
    said = sms.state({"ups.status": "OB DISCHRG", "battery.charge": 61.4, "input.voltage": 0}, [alarm], load())
    time = clock.local(clock.wall()).strftime("%H:%M")
    assert said == (
        f"[UPS-A] {time} On battery, Discharging, battery charge 61 %, mains voltage 0.0 V. "
        "Alarms: Mains failed, UPS on battery."
    )


def test_numbers_are_told_only_where_there_is_a_modem() -> None:
    save({"sms.to.1.number": "+8613912345678", "sms.to.8.number": "10086", "sms.to.8.events": "all"})
    assert recipients(load()) == []
    save({"sms.device": "/dev/ttymxc3"})
    assert [(found.endpoint, found.address, found.events) for found in recipients(load())] == [
        ("sms", "+8613912345678", "critical"),
        ("sms", "10086", "all"),
    ]


@pytest.mark.parametrize("number", ["+49 170", "tel:123", "+", "12", "1" * 21, "+86;139"])
def test_what_is_no_number_is_refused(number: str) -> None:
    with pytest.raises(Exception, match=r"sms\.to\.1\.number"):
        save({"sms.to.1.number": number})
    assert load().text("sms.to.1.number") == ""


@pytest.mark.parametrize("pin", ["123", "123456789", "12a4"])
def test_what_is_no_pin_is_refused(pin: str) -> None:
    with pytest.raises(Exception, match=r"sms\.pin"):
        save({"sms.pin": pin})
