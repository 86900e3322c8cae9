"""Remote control in a browser: every command of every protocol is sent once through the page, and the simulated UPS does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from card import Card, free_port, until
from istars.drivers.ups import protocol_named
from istars.model.commands import COMMANDS
from peers.test_nut import Nut
from peers.test_snmp_ups import Agent
from playwright.sync_api import Browser, Page, expect
from simulators import Simulator
from simulators.declared import VoltronicP
from simulators.designs import DESIGNS
from simulators.physics import Ups
from simulators.powertrain import PendingShutdown
from watching import Watch, sign_in_first_time

PAGE = "/device/control"
PORT = free_port()
PROTOCOL_OF = {"megatec-interactive": "megatec", "east": "east-ea900", "invt": "invt-hr11"}
KINDS = [
    kind for kind in DESIGNS if kind != "megatec-interactive" and protocol_named(PROTOCOL_OF.get(kind, kind)).commands
]
"""One for each protocol that has commands."""
AWAY_S = 3600.0


@dataclass
class Desk:
    """A browser at the page of a card, and the UPS behind that card."""

    page: Page
    card: Card
    ups: Ups
    simulator: Simulator | None = None

    def prepare(self, name: str) -> None:
        """Put the UPS into a state in which the command has something to do."""
        ups = self.ups
        ups.pending = None
        if name.startswith("test.") and ups.test is not None and name != "test.battery.stop":
            ups.stop_test()
        if name == "test.battery.stop":
            until(lambda: ups.test is not None or ups.start_test("deep"), "a test to stop")
        elif name == "shutdown.stop":
            ups.pending = PendingShutdown(ups.time_s + AWAY_S, 0.0)
        elif name.startswith("beeper."):
            ups.beeper = name != "beeper.enable"
        elif name in ("load.on", "load.off", "bypass.stop", "bypass.start"):
            ups.switch_output(name != "load.on")
            ups.step(30)
            ups.go_to_bypass(name == "bypass.stop")
        elif name == "istars.fault.clear":
            ups.test_result = "failed"
        elif name.startswith("outlet.") and self.outlets:
            self.outlets[int(name.split(".")[1])] = name.endswith("off")

    @property
    def outlets(self) -> dict[int, bool]:
        """Outlet groups of a unit that has some."""
        device = self.simulator.device if self.simulator else None
        return device.outlets if isinstance(device, VoltronicP) else {}

    def effect(self, name: str) -> Callable[[], bool]:
        """Whether the UPS has done it."""
        ups = self.ups
        changes = len(self.simulator.device.changes) if self.simulator else 0
        effects: dict[str, Callable[[], bool]] = {
            "test.battery.start.quick": lambda: ups.test is not None and ups.test.kind == "quick",
            "test.battery.start": lambda: ups.test is not None and ups.test.kind == "timed",
            "test.battery.start.deep": lambda: ups.test is not None and ups.test.kind == "deep",
            "test.battery.stop": lambda: ups.test is None,
            "beeper.toggle": lambda: not ups.beeper,
            "beeper.mute": lambda: not ups.beeper,
            "beeper.enable": lambda: ups.beeper,
            "beeper.disable": lambda: not ups.beeper,
            # Network UPS Tools makes a return after three minutes of it
            "shutdown.return": lambda: ups.pending is not None and ups.pending.return_s in (0.0, 180.0),
            "shutdown.stayoff": lambda: ups.pending is not None and ups.pending.return_s is None,
            "shutdown.reboot": lambda: ups.pending is not None and bool(ups.pending.return_s),
            "shutdown.stop": lambda: ups.pending is None,
            "load.off": lambda: ups.output_v == 0,
            "load.on": lambda: ups.output_v > 100,
            "bypass.start": lambda: ups.source == "bypass",
            "bypass.stop": lambda: ups.source == "line",
            "istars.fault.clear": lambda: ups.test_result != "failed",
            "istars.history.clear": lambda: self.simulator is not None and len(self.simulator.device.changes) > changes,
        }
        if name.startswith("outlet."):
            return lambda: self.outlets[int(name.split(".")[1])] is name.endswith("on")
        return effects[name]

    def control(self, name: str) -> Any:
        """The form of a command."""
        return self.page.locator(f'#controls form[action="{PAGE}/command/{name}"]')

    def give(self, name: str) -> None:
        """Give one command as a person does, typing the name of the system where the load is concerned."""
        declared = COMMANDS[name]
        self.prepare(name)
        done = self.effect(name)
        self.control(name).locator("button").click()
        if declared.confirm:
            expect(self.page.locator("h1")).to_have_text(f"{declared.label}?")
            if declared.interrupts_load:
                self.page.get_by_label("Type the name of the system").fill("UPS")
            self.page.locator("button.danger").click()
        # the page says what came of it, and the UPS did it
        expect(self.page.locator("main > .banner[role=alert]:not(#lost)").first).to_be_visible()
        expect(self.page.locator("#past li").first).to_contain_text("Done")
        until(done, f"{name} shows on the UPS")

    def every_command(self) -> list[str]:
        """Give each that the page offers; answers their names."""
        forms = self.page.locator('#controls form[action*="/command/"]')
        names = [str(form.get_attribute("action")).rpartition("/")[2] for form in forms.all()]
        for name in names:
            self.give(name)
        return names


def opened(browser: Browser, card: Card, watch: Watch) -> Page:
    """The page, signed in."""
    context = watch.context(
        browser, storage_state=sign_in_first_time(browser, card), viewport={"width": 1280, "height": 900}
    )
    page: Page = context.new_page()
    return page


@pytest.fixture(scope="module")
def card() -> Iterator[Card]:
    """One card for all protocols of serial lines, switched from one to the next."""
    made = Card(UPS=f"tcp:127.0.0.1:{PORT}")
    for option in (("ups.poll.interval", "0.5"), ("system.name", "UPS"), ("ups.link.timeout", "300")):
        assert made.python("settings", "set", *option).returncode == 0
    with Simulator("megatec", tcp=PORT, baud=0):
        made.start()
    yield made
    made.close()


@pytest.fixture(scope="module")
def watched(card: Card, chromium: Browser) -> Iterator[tuple[Page, Watch]]:
    watch = Watch(card)
    page = opened(chromium, card, watch)
    yield page, watch
    page.context.close()


@pytest.fixture
def sit(card: Card, watched: tuple[Page, Watch]) -> Iterator[Callable[[str], Desk]]:
    """Puts a UPS of some kind behind the card and opens its page."""
    page, watch = watched
    simulators: list[Simulator] = []

    def placed(kind: str) -> Desk:
        simulator = Simulator(kind, tcp=PORT, baud=0, speed=0.2)
        simulators.append(simulator)
        simulator.start()
        simulator.control("wander off")
        name = PROTOCOL_OF.get(kind, kind)
        assert card.python("settings", "set", "ups.protocol", name).returncode == 0
        page.goto(card.url + PAGE)
        expect(page.locator("#controls > header")).to_contain_text(protocol_named(name).title, timeout=30_000)
        expect(page.locator("#link")).to_contain_text("UPS connected", timeout=30_000)
        return Desk(page, card, simulator.ups, simulator)

    yield placed
    for simulator in simulators:
        simulator.stop()
    assert watch.errors == []
    assert watch.left == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_command_of_a_protocol_acts_on_the_ups(kind: str, sit: Callable[[str], Desk]) -> None:
    desk = sit(kind)
    offered = {command.name for command in protocol_named(PROTOCOL_OF.get(kind, kind)).commands}
    assert set(desk.every_command()) == offered


def test_every_command_through_another_network_card_acts_on_the_ups(tmp_path: Path, chromium: Browser) -> None:
    agent = Agent(tmp_path, "megatec")
    card = Card(UPS=f"snmp:127.0.0.1:{agent.port}", UPS_PROTOCOL="rfc1628")
    for option in (("ups.snmp.community", "rule"), ("system.name", "UPS")):
        assert card.python("settings", "set", *option).returncode == 0
    try:
        with agent.persist, card:
            watch = Watch(card)
            page = opened(chromium, card, watch)
            page.goto(card.url + PAGE)
            expect(page.locator("#controls > header")).to_contain_text("SNMP")
            desk = Desk(page, card, agent.ups)
            assert set(desk.every_command()) == {each.name for each in protocol_named("rfc1628").commands}
            page.context.close()
            assert (watch.errors, watch.left) == ([], [])
    finally:
        agent.close()


def test_every_command_through_a_server_of_network_ups_tools_acts_on_the_ups(tmp_path: Path, chromium: Browser) -> None:
    with Simulator("megatec-interactive", link=tmp_path / "ups", baud=0, speed=0.2) as simulator:
        nut = Nut(tmp_path, "nutdrv_qx", tmp_path / "ups", "protocol = megatec", "pollfreq = 1")
        card = Card(UPS=f"nut:sim@127.0.0.1:{nut.port}", UPS_PROTOCOL="nut")
        for option in (("ups.nut.user", "admin"), ("ups.nut.password", "secret"), ("system.name", "UPS")):
            assert card.python("settings", "set", *option).returncode == 0
        try:
            until(nut.ready, "NUT knows the UPS")
            with card:
                watch = Watch(card)
                page = opened(chromium, card, watch)
                page.goto(card.url + PAGE)
                expect(page.locator("#controls > header")).to_contain_text("Network UPS Tools")
                names = Desk(page, card, simulator.ups, simulator).every_command()
                # what that server has of this UPS, and no more
                assert {"test.battery.start.quick", "shutdown.return", "load.off", "beeper.toggle"} <= set(names)
                assert not [name for name in names if name.startswith(("bypass.", "outlet."))]
                page.context.close()
                assert (watch.errors, watch.left) == ([], [])
        finally:
            nut.close()
