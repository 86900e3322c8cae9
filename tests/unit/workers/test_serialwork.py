"""Lending a serial port: what is sent and heard, what is refused, and every way in which the port comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from card import until
from fake_clock import FakeClock
from istars.drivers.engine import Options, protocols
from istars.drivers.explain import Explainer
from istars.drivers.item import Line
from istars.errors import CommandRefused
from istars.platform import paths
from istars.settings.store import save
from istars.store import serialport
from istars.store.live import LiveTable
from istars.workers import serialwork
from istars.workers.serialwork import SerialDesk
from istars.workers.upslink import UpsLink
from simulators.designs import design_of
from simulators.device import Device
from simulators.physics import Ups
from simulators.server import device_for
from unit.drivers.loop import PtyDevice


class Bench:
    """A Megatec unit on a pty, its port lent."""

    def __init__(self, device: PtyDevice, ups: Ups) -> None:
        self.device, self.ups = device, ups
        self.desk = SerialDesk("eve", device.path, Line(baud=2400), Explainer(protocols()["megatec"], Options()))

    def heard(self, count: int) -> list[serialport.Frame]:
        """What came, once so many frames have."""

        def received() -> list[serialport.Frame]:
            assert self.desk.look() == ""
            frames = [frame for frame in serialport.read().frames if frame.way == "rx"]
            return frames if len(frames) >= count else []

        return until(received, f"{count} frames")


def answering(unit: Device) -> Callable[[bytes], bytes]:
    """What the unit says to one line, or to several that came together."""
    return lambda data: b"".join(unit.respond(each + b"\r") for each in data.split(b"\r") if each)


@pytest.fixture
def bench(root: Path) -> Iterator[Bench]:
    ups = Ups(design_of("megatec"))
    unit = device_for(ups)
    with PtyDevice(answering(unit)) as device:
        made = Bench(device, ups)
        yield made
        made.desk.close("the test is over")


def test_what_is_asked_and_answered_is_shown_with_its_meaning(bench: Bench) -> None:
    assert "Asks for Mains voltage" in bench.desk.send(b"Q1\r", "eve", sure=False)
    (frame,) = bench.heard(1)
    assert bytes.fromhex(frame.data).startswith(b"(2")
    assert "Status OL" in frame.meaning
    assert frame.fields["input.frequency"] == pytest.approx(50, abs=0.2)
    state = serialport.read()
    assert (state.by, state.device, state.line) == ("eve", bench.device.path, "2400 baud, 8N1")
    assert [each.way for each in state.frames] == ["note", "tx", "rx"]


def test_bytes_without_an_end_and_noise_are_shown_too(bench: Bench) -> None:
    bench.device.say(b"\x00\xffhalf")
    (frame,) = bench.heard(1)
    assert (frame.data, frame.meaning) == ("00 ff 68 61 6c 66", "Not an answer of this protocol.")


@pytest.mark.parametrize("data", [b"S02R0003\r", b"C\r", b"Q\r", b"XYZ\r", b"Q1\rS00R0000\r", b"\x01\x06"])
def test_what_may_change_the_ups_goes_out_only_when_somebody_is_sure(bench: Bench, data: bytes) -> None:
    with pytest.raises(CommandRefused, match=serialport.CONFIRM):
        bench.desk.send(data, "eve", sure=False)
    assert not [frame for frame in serialport.read().frames if frame.way == "tx"]


def test_an_order_reaches_the_ups_and_is_marked(bench: Bench) -> None:
    said = bench.desk.send(b"S02R0003\r", "eve", sure=True)
    assert "Switch off and on again" in said
    until(lambda: bench.ups.pending is not None, "the UPS counts down")
    sent = next(frame for frame in serialport.read().frames if frame.way == "tx")
    assert (sent.changes, sent.by) == (True, "eve")


def test_a_recording_is_exported_as_a_fixture_that_decodes_again(bench: Bench) -> None:
    assert bench.desk.record(True) == "Recording."
    bench.desk.send(b"Q1\r", "eve", sure=False)
    bench.heard(1)
    bench.desk.send(b"F\r", "eve", sure=False)
    bench.heard(2)
    bench.desk.record(False)
    (name,) = serialport.recordings()
    rows = list(serialport.as_fixture(serialport.frames_of(name), "megatec-capture", "a test"))
    assert [row["request"] for row in rows] == ["Q1\r", "F\r"]
    for row in rows:
        assert set(row) == {"id", "group", "encoding", "request", "reply", "decoded", "source", "grade"}
        told = Explainer(protocols()["megatec"], Options()).answer(row["request"].encode(), row["reply"].encode())
        assert dict(told.fields) == row["decoded"] != {}
        assert json.loads(json.dumps(row)) == row


def test_a_recording_ends_at_its_limit_and_only_the_newest_are_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, fake_clock: FakeClock
) -> None:
    monkeypatch.setattr(serialport, "RECORD_LIMIT", 2_000)
    for _ in range(serialport.RECORDS_KEPT + 2):
        fake_clock.forward(1)
        bench.desk.record(True)
        for _ in range(20):
            bench.desk.send(b"Q1\r", "eve", sure=False)
        assert serialport.read().recording == ""
    assert len(serialport.recordings()) == serialport.RECORDS_KEPT
    assert all(serialport.record_file(name).stat().st_size <= 2_000 for name in serialport.recordings())
    assert any("it has reached" in frame.meaning for frame in serialport.read().frames)


def test_the_port_comes_back_when_nobody_looks_and_when_nothing_is_sent(bench: Bench, fake_clock: FakeClock) -> None:
    bench.desk._began = bench.desk._sent_at = fake_clock.at
    fake_clock.forward(serialport.LEASE_S - 1)
    assert bench.desk.look() == ""
    serialport.renew()
    fake_clock.forward(serialport.LEASE_S - 1)
    assert bench.desk.look() == ""
    fake_clock.forward(2)
    assert bench.desk.look() == "nobody looks at the page any more"
    fake_clock.forward(serialwork.IDLE_S)
    serialport.renew()
    assert bench.desk.look() == "nothing was sent for 10 minutes"


def test_a_device_that_is_pulled_out_gives_the_port_back(bench: Bench) -> None:
    bench.device.unplug()
    assert until(bench.desk.look, "the port is gone")


@pytest.mark.parametrize("text", ["", "0", "zz", "00" * 257])
def test_bytes_that_are_none_are_refused_with_the_reason(text: str) -> None:
    with pytest.raises(CommandRefused, match="bytes must be"):
        serialwork.bytes_of(text)


@pytest.fixture
def link(root: Path) -> Iterator[tuple[UpsLink, LiveTable, PtyDevice]]:
    unit = device_for(Ups(design_of("megatec")))
    with PtyDevice(answering(unit)) as device:
        save({"ups.device": device.path, "ups.protocol": "megatec"})
        worker = UpsLink()
        worker.begin()
        with LiveTable(paths.live_db()) as live:
            yield worker, live, device
        worker.end()
        worker.live.close()


def give(link: UpsLink, live: LiveTable, name: str, **arguments: object) -> tuple[str, str]:
    number = live.submit("upslink", name, arguments, asked_by="eve", address="local", lifetime_s=5)
    link.turn()
    done = live.command(number)
    return done.state, done.result


def test_the_worker_stops_asking_while_the_port_is_lent_and_goes_on_after(
    link: tuple[UpsLink, LiveTable, PtyDevice],
) -> None:
    worker, live, device = link
    worker.turn()
    before = live.readings()["ups.status"].at
    state, said = give(worker, live, "istars.serial.borrow", device="", baud=0, parity="", bytesize=0, stopbits=0)
    assert (state, said.startswith(f"{device.path} is borrowed by eve")) == ("done", True)
    assert live.readings()["istars.link.reason"].value == ""
    for _ in range(3):
        worker.turn()
    assert live.readings()["ups.status"].at == before
    assert live.readings()["istars.link.reason"].value == "borrowed"
    assert give(worker, live, "beeper.toggle")[0] == "failed"
    assert give(worker, live, "istars.serial.borrow", device="")[0] == "failed"
    assert give(worker, live, "istars.serial.ask", bytes="51 0d")[1].startswith(serialport.CONFIRM)
    assert give(worker, live, "istars.serial.ask", bytes=b"Q1\r".hex())[0] == "done"
    assert give(worker, live, "istars.serial.return") == ("done", "given back by eve")
    assert live.readings()["ups.status"].at > before
    assert live.readings()["istars.link.state"].value == "ok"
    assert give(worker, live, "istars.serial.ask", bytes="51 31 0d")[0] == "failed"


def test_a_worker_that_was_killed_has_lent_nothing_any_more(root: Path) -> None:
    serialport.write(serialport.State(by="eve", device="/dev/ups"))
    worker = UpsLink()
    worker.begin()
    assert (serialport.read().by, serialport.read().why) == ("", "the card's program was restarted")
    worker.end()
    worker.live.close()
