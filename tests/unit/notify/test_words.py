"""What people read: one line that says it all, and the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from istars.model.alarms import ALARMS
from istars.notify import mail, syslog, texts, webhook
from istars.platform import paths
from istars.settings.store import load, save
from istars.store.archive import Archive, Event
from istars.store.outbox import Message

AT = datetime(2026, 11, 20, 14, 29, 5, tzinfo=UTC).timestamp()
CONTEXT = {"battery.runtime": 2280, "ups.load": 41.0, "ups.status": "OB DISCHRG"}


def message(code: str = "ON_BATTERY", kind: str = "raise", **more: object) -> Message:
    severity = ALARMS[code].severity.value if code in ALARMS else "information"
    body = {"args": more.pop("args", {}), "context": CONTEXT, **more.pop("body", {})}  # type: ignore[dict-item]
    values: dict[str, object] = {
        "id": 1, "endpoint": "mail", "recipient": "a@b.example", "event_key": "key", "repeat": 0, "kind": kind, "code": code,
        "severity": severity, "alarm": "alarm-1", "at": AT, "body": body, "message_id": "0123abcd", "boot": "", "due": 0.0,
        "hold": "", "state": "sending", "attempts": 1, "result": "", "ended": None,
    }  # fmt: skip
    return Message(**{**values, **more})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def named(root: Path) -> None:
    save({"system.name": "UPS-A", "system.location": "Room <4>"})


@pytest.mark.parametrize(
    ("told", "subject"),
    [
        (message(), "[UPS-A] On battery since 14:29, about 38 min left"),
        (message(kind="clear", body={"duration_s": 754.0}), "[UPS-A] Mains restored at 14:29 after 12 min 34 s"),
        (message("LOAD_HIGH", args={"limit": "80", "value": "91"}), "[UPS-A] Load above 80 %: 91 % since 14:29"),
        (message("CONFIG_CHANGED", "event", args={"by": "ann"}), "[UPS-A] Settings changed: by ann, 14:29"),
        (message(repeat=2), "[UPS-A] Still: On battery since 14:29, about 38 min left"),
        (
            message(kind="summary", body={"count": 37, "first": AT, "last": AT + 540, "now": "clear"}),
            "[UPS-A] Mains failed, UPS on battery: 37 more changes from 14:29 to 14:38, over now",
        ),
        (message("TEST", "test"), "[UPS-A] Test message: this is how events arrive"),
    ],
)
def test_the_subject_says_it_all(told: Message, subject: str) -> None:
    assert texts.words(told, load()).subject == subject


def test_a_mail_has_text_page_and_record(root: Path) -> None:
    with Archive(paths.archive_db()) as archive:
        archive.append([Event(0, "old", AT - 90_000, "CARD_STARTED", "event", "information", {"version": "1"})], [])
        archive.append([Event(0, "key", AT, "ON_BATTERY", "raise", "warning", {}, "alarm-1")], [])
    made = mail.compose(message(), load())
    text = made.get_body(("plain",))
    page = made.get_body(("html",))
    assert text is not None
    assert page is not None
    assert "Load:" in text.get_content()
    assert "What to do:" in text.get_content()
    assert "Room &lt;4&gt;" in page.get_content()
    assert "Room <4>" not in page.get_content()
    attached = [part.get_content() for part in made.iter_attachments()]
    assert len(attached) == 1
    assert "ON_BATTERY" in attached[0]
    assert "CARD_STARTED" not in attached[0]
    assert made["Message-ID"].startswith("<0123abcd@")
    assert made["Auto-Submitted"] == "auto-generated"
    assert "Importance" not in made


def test_nothing_that_a_device_says_becomes_a_header_of_a_mail() -> None:
    made = mail.compose(message("WORKER_FAILED", args={"worker": "x\r\nBcc: thief@example.net"}), load())
    assert "Bcc" not in made
    assert "\n" not in made["Subject"]


def test_syslog_lines_are_of_rfc_5424() -> None:
    save({"system.name": 'A "quoted" ]name\\'})
    told = syslog.line(message("BATTERY_LOW"), load()).decode()
    head, _, text = told.partition("\ufeff")
    assert head.startswith("<130>1 2026-11-20T14:29:05.000+00:00 ")
    assert ' istars - BATTERY_LOW [ups@32473 card="A \\"quoted\\" \\]name\\\\" ' in head
    assert text == "Battery low"
    assert syslog.line(message("BATTERY_LOW", "clear"), load()).startswith(b"<134>1 ")


@pytest.mark.parametrize("form", webhook.FORMS)
def test_every_form_of_a_webhook_says_what_happened(form: str) -> None:
    told = message("LOAD_HIGH", args={"limit": "80", "value": "91"})
    content = json.dumps(webhook.FORMS[form](told, texts.words(told, load())))
    assert "Load above 80 %" in content


def test_no_form_lets_a_name_mention_people() -> None:
    save({"system.name": "<!channel> @everyone"})
    told = message()
    slack = webhook.FORMS["slack"](told, texts.words(told, load()))
    assert "<!channel>" not in str(slack["text"])
    assert webhook.FORMS["discord"](told, texts.words(told, load()))["allowed_mentions"] == {"parse": []}
