"""The page of serial port debugging; a stand-in carries the commands out."""

import json
import threading
from contextlib import contextmanager

import pytest
from istars.platform import paths
from istars.settings.store import save
from istars.store import serialport
from istars.store.live import LiveTable
from istars.store.serialport import Frame, State
from istars.store.wake import Bell
from other_values import written_down

PAGE = "/assistant/serial"
FRAMES = (
    Frame(1, 1_790_000_000.0, "note", meaning="Borrowed; the UPS is not watched."),
    Frame(2, 1_790_000_001.0, "tx", b"Q1\r".hex(" "), "Asks for Mains voltage", by="admin"),
    Frame(3, 1_790_000_001.1, "rx", b"(<230.0\r".hex(" "), "Mains voltage 230.0 V", fields={"input.voltage": 230.0}),
)


@contextmanager
def worker(answer):
    """Ends every command for the link to the UPS as `answer(name, arguments)` says; gives what it got."""
    got, stop = [], threading.Event()
    bell = Bell("upslink")

    def serve():
        with LiveTable(paths.live_db()) as table:
            while not stop.is_set():
                while (command := table.claim("upslink")) is not None:
                    got.append((command.name, command.arguments))
                    table.finish(command.id, *answer(command.name, command.arguments))
                bell.wait(0.1)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield got
    finally:
        stop.set()
        thread.join()
        bell.close()


@pytest.fixture
def borrowed(live):
    serialport.write(State("admin", "/dev/ups", "2400 baud, 8N1", "Megatec / Q1", 1_790_000_000.0, frames=FRAMES))


def test_only_an_administrator_sees_it(reader, bearer):
    assert reader.get(PAGE).status_code == 403
    assert reader.post(f"{PAGE}/send", {"text": "Q1"}).status_code == 403
    assert reader.get(f"{PAGE}/shown.csv").status_code == 403
    assert "Serial port" not in reader.get("/assistant/about").get_data(as_text=True)


def test_it_says_that_the_ups_is_not_watched_before_the_port_is_borrowed(admin, live):
    page = admin.get(PAGE).get_data(as_text=True)
    assert "no alarm can come" in page
    assert '<option value="/dev/ups">/dev/ups (UPS)</option>' in page
    assert admin.post(f"{PAGE}/borrow", {"device": "/etc/passwd"}).status_code == 422
    with worker(lambda *_: ("done", "/dev/ups is borrowed by admin")) as got:
        form = {"device": "/dev/ups", "baud": "2400", "parity": "N", "bytesize": "", "stopbits": ""}
        assert admin.post(f"{PAGE}/borrow", form).status_code == 303
    expected = {"device": "/dev/ups", "baud": 2400, "parity": "N", "bytesize": 0, "stopbits": 0}
    assert got == [("istars.serial.borrow", expected)]
    assert any(entry.subject.startswith("istars.serial.borrow") for entry in written_down())


def test_a_ups_behind_the_network_has_no_port_to_borrow(admin, live):
    save({"ups.device": "nut:ups@127.0.0.1:3493"})
    assert "no serial port that could be borrowed" in admin.get(PAGE).get_data(as_text=True)


def test_frames_are_shown_as_text_and_as_hexadecimal_and_nothing_of_them_is_markup(admin, borrowed):
    page = admin.get(PAGE).get_data(as_text=True)
    assert "<code>(&lt;230.0\\r</code>" in page
    assert "Mains voltage 230.0 V" in page
    assert "<code>28 3C 32 33 30 2E 30 0D</code>" in admin.get(f"{PAGE}?enc=hex").get_data(as_text=True)


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ({"text": "Q1", "encoding": "ascii", "end": "cr"}, b"Q1\r"),
        ({"text": "Q1", "encoding": "ascii", "end": "crlf"}, b"Q1\r\n"),
        ({"text": "01 04 000C 0001", "encoding": "hex", "end": "crc"}, bytes.fromhex("01 04 00 0C 00 01 F1 C9")),
        ({"text": "51", "encoding": "hex", "end": "none"}, b"Q"),
    ],
)
def test_what_is_typed_is_sent_as_these_bytes(admin, borrowed, form, sent):
    with worker(lambda *_: ("done", "Sent")) as got:
        assert admin.post(f"{PAGE}/send", form).status_code == 303
    assert got == [("istars.serial.ask", {"bytes": sent.hex()})]


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"text": "5", "encoding": "hex", "end": "none"}, "Bytes: type hexadecimal digits, two for each byte"),
        ({"text": "Q\u00e4", "encoding": "ascii", "end": "cr"}, "Text: only printable ASCII can be sent"),
        ({"text": "", "encoding": "ascii", "end": "cr"}, "Bytes: nothing was typed"),
    ],
)
def test_what_cannot_be_sent_is_refused_with_field_and_reason(admin, borrowed, form, reason):
    answer = admin.post(f"{PAGE}/send", form)
    assert (answer.status_code, reason in answer.get_data(as_text=True)) == (422, True)


def test_what_may_change_the_ups_is_asked_about_first(admin, borrowed):
    def answer(name, _arguments):
        if name == "istars.serial.ask":
            return "failed", f"{serialport.CONFIRM}Switch off now"
        return "done", "Sent"

    with worker(answer) as got:
        asked = admin.post(f"{PAGE}/send", {"text": "S00R0000", "encoding": "ascii", "end": "cr"})
        assert asked.status_code == 200
        page = asked.get_data(as_text=True)
        assert "Switch off now" in page
        assert "S00R0000\\r" in page
        assert admin.post(f"{PAGE}/send", {"sure": "yes", "bytes": b"S00R0000\r".hex(" ")}).status_code == 303
    assert [name for name, _ in got] == ["istars.serial.ask", "istars.serial.send"]
    assert any(b"S00R0000\r".hex() in entry.subject for entry in written_down())


def test_looking_at_the_page_keeps_the_port_and_somebody_else_does_not(admin, borrowed, browser, accounts, boottime):
    admin.get("/live?page=serial")
    first = serialport.looked_at()
    assert first > 0
    boottime.pass_s(5)
    admin.get("/live?page=overview")
    assert serialport.looked_at() == first
    admin.get("/live?page=serial")
    assert serialport.looked_at() >= first + 4.9


def test_what_is_shown_can_be_taken_away_as_table_and_as_fixture(admin, borrowed):
    table = admin.get(f"{PAGE}/shown.csv").get_data(as_text=True)
    assert "Sent,51 31 0D,Q1\\r,Asks for Mains voltage,admin" in table
    (row,) = [json.loads(line) for line in admin.get(f"{PAGE}/shown.jsonl").get_data(as_text=True).splitlines()]
    assert (row["request"], row["reply"], row["grade"]) == ("Q1\r", "(<230.0\r", "RUN")
    assert row["decoded"] == {"input.voltage": 230.0}
    assert admin.get(f"{PAGE}/serial-20260101-000000.csv").status_code == 404
    assert admin.get(f"{PAGE}/../../etc/passwd.csv").status_code == 404
