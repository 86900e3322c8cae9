"""Messages in the language of who gets them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from istars.model.alarms import ALARMS
from istars.notify import routing, sms, texts
from istars.notify.language import language
from istars.notify.recipients import Recipient
from istars.settings.store import load, save
from istars.store.archive import Event
from istars.store.live_alarms import LiveAlarm
from istars.store.outbox import Message

AT = datetime(2026, 11, 20, 14, 29, 5, tzinfo=UTC).timestamp()
GERMAN = {"language": "de", "context": {"battery.runtime": 2280, "input.voltage": 12.5, "ups.status": "OB DISCHRG"}}


def message(code: str, kind: str = "raise", args: dict[str, object] | None = None, **more: object) -> Message:
    severity = ALARMS[code].severity.value if code in ALARMS else "information"
    body = {"args": args or {}, **GERMAN, **more}
    return Message(
        1, "mail", "a@b.example", "key", 0, kind, code, severity, "alarm-1", AT, body, "m", "", 0.0, "", "sending", 1, "", None
    )  # fmt: skip


@pytest.fixture(autouse=True)
def named(root: Path) -> None:
    save({"system.name": "UPS-A"})


@pytest.mark.parametrize(
    ("told", "subject"),
    [
        (message("ON_BATTERY"), "[UPS-A] Batteriebetrieb seit 14:29 Uhr, noch etwa 38 min"),
        (
            replace(message("ON_BATTERY"), repeat=1),
            "[UPS-A] Weiterhin: Batteriebetrieb seit 14:29 Uhr, noch etwa 38 min",
        ),
        (message("ON_BATTERY", "clear", duration_s=754.0), "[UPS-A] Netz ist wieder da um 14:29 Uhr nach 12 min 34 s"),
        (
            message("AMBIENT_HOT", args={"limit": "35", "value": "36.5"}),
            "[UPS-A] Raum wärmer als 35 °C: 36,5 °C seit 14:29 Uhr",
        ),
        (
            message("COMM_LOST", args={"reason": "The UPS does not answer"}),
            "[UPS-A] Keine Daten von der USV: Die USV antwortet nicht seit 14:29 Uhr",
        ),
        (message("TEST", "test"), "[UPS-A] Testnachricht: So kommen Ereignisse an"),
    ],
)
def test_a_german_reads_german(told: Message, subject: str) -> None:
    assert texts.words(told, load()).subject == subject


def test_the_whole_mail_is_in_one_language() -> None:
    said = texts.words(message("ON_BATTERY"), load())
    page, plain = texts.page(said), texts.plain(said)
    assert '<html lang="de">' in page
    for text in (page, plain):
        assert "Was zu tun ist:" in text
        assert "Netzspannung" in text
        assert "12,5 V" in text
        assert "Batteriebetrieb, entlädt" in text
        assert "Mains" not in text
        assert "What to do" not in text


def test_who_asks_for_the_state_is_answered_in_the_own_language() -> None:
    alarm = LiveAlarm("alarm-1", "BATTERY_LOW", "critical", AT, 1.0, "boot")
    readings = {"ups.status": "OB", "input.voltage": 229.5, "battery.runtime": 605.0}
    said = sms.state(readings, [alarm], load(), "de")
    assert said.partition("] ")[2][6:] == (
        "Batteriebetrieb, noch 10 min auf Batterie, Netzspannung 229,5 V. Alarme: Batterie fast leer."
    )


def test_the_language_of_a_recipient_goes_with_the_message_and_its_reminders() -> None:
    event = Event(1, "key", AT, "ON_BATTERY", "raise", "warning", {}, "alarm-1")
    recipient = Recipient("mail", "a@b.example", "all", repeat_s=60.0, language="de")
    (draft,) = routing.drafts([event], [recipient], {}, AT)
    assert draft.body["language"] == "de"
    reminder = routing.following(message("ON_BATTERY"), [recipient], AT)
    assert reminder is not None
    assert reminder.body["language"] == "de"


def test_a_language_that_is_not_known_is_english() -> None:
    assert language("xx")("Battery low") == "Battery low"
    assert language("xx").number("12.5") == "12.5"
    assert language("de")("") == ""
