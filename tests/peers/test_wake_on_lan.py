"""Wake on LAN as tcpdump sees it, in a network of its own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from istars.notify import waking
from istars.settings.store import save
from istars.store import wake
from peers.notifying import Notifying, notifying, until

pytestmark = pytest.mark.peer

MAC = "02:00:5e:10:00:07"
SLEEPER = "10.77.0.9"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def network() -> Iterator[str]:
    """A name space with one wire: 10.77.0.1 is the card, the far end is nobody yet."""
    name = f"istars-{os.getpid()}"
    ip("netns", "add", name)
    try:
        ip("-n", name, "link", "add", "lan", "type", "veth", "peer", "name", "far")
        for link in ("lan", "far", "lo"):
            ip("-n", name, "link", "set", link, "up")
        ip("-n", name, "addr", "add", "10.77.0.1/24", "broadcast", "10.77.0.255", "dev", "lan")
        ip("-n", name, "route", "add", "default", "dev", "lan")
        pings = "echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range"
        subprocess.run(["ip", "netns", "exec", name, "sh", "-c", pings], check=True)
        yield name
    finally:
        ip("netns", "del", name)


@pytest.fixture
def card(root: Path, network: str) -> Iterator[Notifying]:
    with notifying("ip", "netns", "exec", network) as made:
        yield made


class Watch:
    """tcpdump at the far end of the wire."""

    def __init__(self, network: str, folder: Path) -> None:
        self.file = folder / "packets.txt"
        command = ["ip", "netns", "exec", network, "tcpdump", "-l", "-n", "-x", "-i", "far", "udp"]
        with self.file.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        while b"listening on" not in (line := self._process.stderr.readline()):
            assert line, "tcpdump has ended"

    def packets(self) -> list[tuple[str, str]]:
        """Where each packet went, and its payload in hexadecimal."""
        found = []
        for part in re.split(r"(?m)^(?=\d\d:)", self.file.read_text()):
            where = re.search(r" > (\S+): UDP, length 102", part)
            if where:
                hexadecimal = "".join(re.findall(r"(?m)^\s+0x[0-9a-f]{4}:\s+(.*)$", part)).replace(" ", "")
                found.append((where[1], hexadecimal[56:]))
        return found

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate()


@pytest.fixture
def watch(network: str, tmp_path: Path) -> Iterator[Watch]:
    made = Watch(network, tmp_path)
    yield made
    made.stop()


def power(card: Notifying, status: str, charge: float) -> None:
    card.live.publish("upslink", {"ups.status": status, "battery.charge": charge}, lifetime_s=600)
    wake.nudge("notifier")


def told(card: Notifying) -> list[str]:
    return [event.code for event in card.live.pending_events()]


def test_a_computer_is_woken_when_mains_is_back_and_the_battery_has_recovered(
    card: Notifying, watch: Watch, network: str
) -> None:
    save({"wake.host.3.mac": MAC, "wake.host.3.on": "on", "wake.host.3.address": SLEEPER, "wake.pause": "5"})
    save({"wake.host.4.mac": "02:00:5e:10:00:08", "wake.charge": "40"})
    card.begin()
    power(card, "OB DISCHRG", 30.0)
    card.happen("ON_BATTERY")
    power(card, "OL CHRG", 35.0)
    card.happen("ON_BATTERY", "clear")
    # It stays asleep until the battery is full enough, also for a card that is killed meanwhile.
    until(lambda: not card.waiting("mail") and _jobs(), "the card knows whom to wake")
    card.kill()
    card.start()
    assert watch.packets() == []
    power(card, "OL CHRG", 41.0)
    until(lambda: len(watch.packets()) == 2, "it is sent to, and again")
    payload = "ff" * 6 + MAC.replace(":", "") * 16
    assert watch.packets() == [("255.255.255.255.9", payload)] * 2
    assert told(card) == []
    ip("-n", network, "addr", "add", f"{SLEEPER}/32", "dev", "lo")
    until(lambda: told(card) == ["HOST_WOKEN"], "the card sees that it answers")
    # told first, so that a card killed between the two tells it twice and not never
    until(lambda: waking.kept(_noted()) == [], "it is no longer noted")


def test_one_that_never_answers_is_given_up_and_said_so(card: Notifying, watch: Watch) -> None:
    save({"wake.host.1.mac": MAC, "wake.host.1.on": "on", "wake.host.1.address": SLEEPER, "wake.tries": "1"})
    save({"wake.host.2.mac": MAC, "wake.host.2.on": "on", "wake.host.2.to": "10.77.0.255", "wake.pause": "5"})
    card.begin()
    power(card, "OL", 100.0)
    card.happen("ON_BATTERY", "clear")
    until(lambda: sorted(told(card)) == ["HOST_NOT_WOKEN", "HOST_SENT_TO"], "both have ended")
    assert sorted(where for where, _ in watch.packets()) == ["10.77.0.255.9", "255.255.255.255.9"]


def test_wake_now_does_not_wait_for_mains(card: Notifying, watch: Watch) -> None:
    save({"wake.host.1.mac": MAC, "wake.host.1.name": "nas", "wake.port": "7"})
    card.begin()
    power(card, "OB DISCHRG", 80.0)
    number = card.live.submit("notifier", "istars.wake.now", {"computer": 1}, asked_by="ann", address="", lifetime_s=20)
    wake.nudge("notifier")
    until(lambda: len(watch.packets()) == 1, "it is sent to")
    assert watch.packets()[0][0] == "255.255.255.255.7"
    assert card.live.command(number).result.startswith("nas is sent to")


def _noted() -> str:
    from istars.platform import paths
    from istars.store.outbox import Outbox

    with Outbox(paths.outbox_db(), readonly=True) as outbox:
        return outbox.noted("wake")


def _jobs() -> list[waking.Job]:
    return waking.kept(_noted())
