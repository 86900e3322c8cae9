"""The daily report as it arrives at a server that we did not write; its numbers beside a reckoning of the test's own."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from istars.notify import chart, daily
from istars.platform import clock, paths
from istars.settings.store import save
from istars.store.archive import Archive, Event
from istars.store.history import History, sealed
from istars.store.history_codec import Hour
from istars.store.outbox import Outbox
from peers.mail_server import MailServer, Postmaster, certificate
from peers.notifying import Notifying, notifying, until
from PIL import Image

pytestmark = pytest.mark.peer

ANN, BEN = "ann@example.net", "ben@example.net"
OUTAGE_AT_S, OUTAGE_S = 9 * 3_600 + 10, 400
DAY_S = 86_400
EVERY_S = 30


@dataclass
class Truth:
    """What the test knows of the day."""

    last: float = 0.0
    volts: dict[int, float] = field(default_factory=dict)
    watts: dict[int, float] = field(default_factory=dict)

    @property
    def first(self) -> float:
        return self.last - DAY_S


@pytest.fixture(scope="module")
def trusted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"), "trusted", "localhost")


@pytest.fixture
def card(root: Path, trusted: tuple[Path, Path, str]) -> Iterator[Notifying]:
    with notifying(SSL_CERT_FILE=str(trusted[0])) as made:
        yield made


@pytest.fixture
def truth(card: Notifying) -> Truth:
    """A day that ended some minutes ago is in the records; its report was not yet written."""
    now = clock.wall()
    made = Truth(now // 60 * 60 - 300)
    chance = random.Random(20261121)
    hours: dict[int, Hour] = {}
    for time in range(int(made.first), int(made.last), EVERY_S):
        away = time - made.first
        out = OUTAGE_AT_S <= away < OUTAGE_AT_S + OUTAGE_S
        volts = 0.0 if out else round(230 + 4 * math.sin(away / 9_000) + chance.gauss(0, 0.4), 1)
        watts = float(round(600 + 300 * math.sin(away / 14_000) + chance.gauss(0, 10)))
        made.volts[time], made.watts[time] = volts, watts
        hour = hours.setdefault(time // 3_600, Hour(EVERY_S))
        hour.times.append(time)
        for name, value in (
            ("input.voltage", round(volts * 10)),
            ("ups.realpower", round(watts)),
            ("ups.load", round(watts / 20)),
            ("battery.charge", 90 if out else 100),
            ("ups.status", 0b1000010 if out else 1),
        ):
            hour.columns.setdefault(name, []).append(value)
    with History(paths.history_db()) as history:
        history.add([sealed(hour) for hour in hours.values()], 1)
    begin = made.first + OUTAGE_AT_S
    with Archive(paths.archive_db()) as archive:
        archive.append(
            [
                Event(0, "before", made.first - 10, "ON_BATTERY", "clear", "information", {}, "k0", 5.0),
                Event(0, "a", begin, "ON_BATTERY", "raise", "warning", {}, "k1"),
                Event(0, "b", begin + OUTAGE_S, "ON_BATTERY", "clear", "information", {}, "k1", float(OUTAGE_S)),
                Event(0, "after", made.last + 10, "CARD_STARTED", "event", "information", {"version": "1"}),
            ],
            [],
        )
    with Outbox(paths.outbox_db()) as outbox:
        outbox.accept([], 4)
        outbox.note(daily.NOTE, json.dumps({"time": delivery(made), "last": made.last - 2 * DAY_S}))
    return made


def delivery(truth: Truth) -> str:
    return datetime.fromtimestamp(truth.last, UTC).strftime("%H:%M")


def write_to(port: int, truth: Truth) -> None:
    save(
        {
            "system.name": "UPS-A",
            "mail.server": "localhost",
            "mail.port": str(port),
            "mail.sender": "ups@example.net",
            "mail.report.time": delivery(truth),
            "mail.report.1.address": ANN,
            "mail.report.4.address": BEN,
            "mail.report.4.language": "de",
        }
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def part(mail: EmailMessage, kind: str) -> EmailMessage:
    return next(each for each in mail.walk() if each.get_content_type() == kind)


def shown_at(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%H:%M:%S")


def check_text(mail: EmailMessage, truth: Truth) -> None:
    text = part(mail, "text/plain").get_content()
    low_at = next(time for time, value in truth.volts.items() if value == 0)
    high = max(truth.volts.values())
    high_at = next(time for time, value in truth.volts.items() if value == high)
    mean = sum(truth.volts.values()) / len(truth.volts)
    wanted = f"0.0 V ({shown_at(low_at)}) \u2013 {high:.1f} V ({shown_at(high_at)}), average {mean:.1f} V"
    assert f"Mains voltage: {wanted}" in text
    kwh = sum(truth.watts.values()) * EVERY_S / 3.6e6
    assert f"{kwh:.1f} kWh" in text
    assert mail["Subject"].endswith(f": 1 power failure, 6 min 40 s on battery, {kwh:.1f} kWh")
    assert "State at" in text
    assert "Recorded for" not in text


def check_pictures(mail: EmailMessage, truth: Truth) -> None:
    """Each is in the page by its number, can be decoded, and is shaded where mains was away and nowhere else."""
    html = part(mail, "text/html").get_content()
    pictures = [each for each in mail.walk() if each.get_content_type() == "image/png"]
    assert len(pictures) == 3
    inner = chart.WIDTH - 46 - 14
    for each in pictures:
        assert f'src="cid:{each["Content-ID"].strip("<>")}"' in html
        with Image.open(io.BytesIO(each.get_payload(decode=True))) as found:
            assert found.size == (chart.WIDTH * chart.DENSITY, chart.HEIGHT * chart.DENSITY)
            pixels = found.convert("RGB")
        reds, blues = pixels.getchannel("R").tobytes(), pixels.getchannel("B").tobytes()
        warm = {at % pixels.width for at, (red, blue) in enumerate(zip(reds, blues, strict=True)) if red > blue + 30}
        shaded = sorted(warm)
        wanted = (46 + inner * OUTAGE_AT_S / DAY_S) * chart.DENSITY
        assert shaded
        assert abs(shaded[0] - wanted) < 4
        assert shaded[-1] - shaded[0] < 12
    load = Image.open(io.BytesIO(pictures[1].get_payload(decode=True))).convert("RGB")
    check_curve(load, {time: watts / 20 for time, watts in truth.watts.items()}, truth)


def check_curve(picture: Image.Image, values: dict[int, float], truth: Truth) -> None:
    """The blue curve is as high as its values say, on the scale between the lowest and highest line of the grid."""
    places, heights = [], []
    for time, value in list(values.items())[:: len(values) // 24]:
        x = round((46 + (chart.WIDTH - 60) * (time - truth.first) / DAY_S) * chart.DENSITY)
        blue = [
            y
            for y in range(picture.height)
            if (lambda red, _green, blue: blue > 120 and red < 110 and blue - red > 60)(*picture.getpixel((x, y)))
        ]
        assert blue, f"no curve at {x}"
        places.append(sum(blue) / len(blue))
        heights.append(value)
    # height on the picture is a straight line of the value
    middle_x, middle_y = sum(heights) / len(heights), sum(places) / len(places)
    slope = sum((a - middle_x) * (b - middle_y) for a, b in zip(heights, places, strict=True)) / sum(
        (a - middle_x) ** 2 for a in heights
    )
    assert slope < 0
    assert max(abs(b - middle_y - slope * (a - middle_x)) for a, b in zip(heights, places, strict=True)) < 8


def test_the_report_of_a_day_that_ended_while_the_card_was_off_arrives_and_is_right(
    card: Notifying, truth: Truth, trusted: tuple[Path, Path, str]
) -> None:
    postmaster = Postmaster()
    with MailServer(postmaster, trusted[:2]) as server:
        write_to(server.port, truth)
        card.start()
        until(lambda: len(postmaster.mails) == 2, "both reports arrive")
    assert postmaster.recipients == [ANN, BEN]
    english, german = postmaster.mails
    check_text(english, truth)
    check_pictures(english, truth)
    assert "Tagesbericht" in german["Subject"]
    assert "Netzspannung: 0,0 V" in part(german, "text/plain").get_content()
    file = part(english, "text/csv")
    rows = list(csv.DictReader(io.StringIO(file.get_payload(decode=True).decode("utf-8-sig"))))
    assert file.get_filename() == "events.csv"
    assert [(row["code"], row["kind"]) for row in rows] == [("ON_BATTERY", "raise"), ("ON_BATTERY", "clear")]


def test_killed_while_the_server_is_down_each_report_arrives_once(
    card: Notifying, truth: Truth, trusted: tuple[Path, Path, str]
) -> None:
    port = free_port()
    write_to(port, truth)
    for _ in range(4):
        card.start()
        until(lambda: card.waiting("mail") == 2, "the reports wait")
        card.kill()
    identities = {message.message_id for message in card.messages("mail")}
    postmaster = Postmaster()
    with MailServer(postmaster, trusted[:2], port=port):
        card.start()
        save({"system.location": "Hall 2"})
        until(lambda: card.waiting("mail") == 0, "the reports are sent")
        card.kill()
        card.start()
        until(
            lambda: card.results("mail") == ["sent: 250 2.0.0 queued as 1", "sent: 250 2.0.0 queued as 2"], "sent once"
        )
    assert {mail["Message-ID"].strip("<>").partition("@")[0] for mail in postmaster.mails} == identities
    assert len(postmaster.mails) == len(identities) == 2
