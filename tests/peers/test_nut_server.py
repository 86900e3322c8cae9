"""A UPS on a server of Network UPS Tools: NUT's own server and its dummy driver hold the UPS, the card reads and commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from card import until
from istars.drivers.engine import Driver, Options, open_driver
from istars.errors import BadAnswer, CommandRefused, LinkError, NoAnswer
from peers.test_nut import Nut
from simulators import Simulator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

VARIABLES = """\
ups.status: OL
ups.mfr: Example "quoted" \\\\ Works
ups.model: UPS 3000
battery.charge: 87
battery.runtime: 1234
battery.voltage: 54.6
input.voltage: 231.4
input.frequency: 50.0
output.voltage: 230.1
output.phases: 1
ups.load: 23
ups.beeper.status: enabled
ups.delay.shutdown: 20
"""


class Server:
    """upsd with the UPS `sim`."""

    def __init__(self, folder: Path, driver: str, port: str, *options: str) -> None:
        self.file = folder / "ups.dev"
        self.nut = Nut(folder, driver, Path(port), *options)

    def driver(self, ups: str = "sim", password: str = "secret") -> Driver:
        return open_driver("nut", f"nut:{ups}@127.0.0.1:{self.nut.port}", Options(user="admin", password=password))

    def set(self, name: str, value: str) -> None:
        """The dummy driver reads its file again when it has changed."""
        lines = (f"{name}: {value}" if line.startswith(f"{name}:") else line for line in VARIABLES.splitlines())
        self.file.write_text("\n".join(lines) + "\n")


def polled(driver: Driver) -> dict[str, object]:
    try:
        return dict(driver.poll().values)
    except LinkError:
        return {}


@pytest.fixture
def dummy(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "ups.dev").write_text(VARIABLES)
    server = Server(tmp_path, "dummy-ups", "ups.dev", "mode = dummy-once")
    until(lambda: "ups.status" in server.nut.variables(), "upsd has the UPS")
    yield server
    server.nut.close()


def test_variables_are_readings(dummy: Server) -> None:
    driver = dummy.driver()
    expected = {
        "ups.status": "OL", "battery.charge": 87, "battery.runtime": 1234, "input.voltage": 231.4, "ups.load": 23,
        "ups.beeper.status": "enabled", "device.model": "UPS 3000",
    }  # fmt: skip
    until(lambda: expected.items() <= polled(driver).items(), "the server has all of the file")
    driver.close()


@pytest.mark.parametrize(
    ("said", "status", "alarm"),
    [
        ("OB DISCHRG", "OB DISCHRG", ""),
        ("OB LB", "OB LB", ""),
        ("OL BYPASS", "OL BYPASS", ""),
        ("OL OVER", "OL OVER", ""),
        ("OL CAL", "OL CAL", ""),
        ("FSD OL RB", "OL RB FSD ALARM", "SHUTDOWN_PENDING BATTERY_REPLACE"),
    ],
)
def test_states_are_taken_over(dummy: Server, said: str, status: str, alarm: str) -> None:
    driver = dummy.driver()
    dummy.set("ups.status", said)
    until(lambda: polled(driver).get("ups.status") == status, f"{said} is read")
    assert polled(driver)["ups.alarm"] == alarm
    driver.close()


def test_a_ups_that_the_server_does_not_have_and_a_server_that_is_gone(dummy: Server) -> None:
    driver = dummy.driver(ups="other")
    with pytest.raises(BadAnswer, match="UNKNOWN-UPS"):
        driver.poll()
    driver.close()
    known = dummy.driver()
    assert polled(known)
    dummy.nut.processes[0].terminate()
    dummy.nut.processes[0].wait(10)

    def stale() -> bool:
        try:
            known.poll()
        except NoAnswer as problem:
            return "DRIVER-NOT-CONNECTED" in str(problem) or "DATA-STALE" in str(problem)
        return False

    until(stale, "the server says that it has no data")
    known.close()


def test_commands_go_through_the_server_to_the_ups(tmp_path: Path) -> None:
    with Simulator("megatec-interactive", link=tmp_path / "ups") as simulator:
        server = Server(tmp_path, "nutdrv_qx", str(tmp_path / "ups"), "protocol = megatec", "pollfreq = 1")
        try:
            until(server.nut.ready, "NUT knows the UPS")
            driver = server.driver()
            assert polled(driver)["ups.status"] == "OL"
            driver.execute("test.battery.start.quick", {})
            until(lambda: simulator.ups.test is not None, "the test runs")
            driver.execute("test.battery.stop", {})
            until(lambda: simulator.ups.test is None, "the test has ended")
            driver.execute("shutdown.return", {"delay_s": 60})
            until(lambda: simulator.ups.pending is not None, "the countdown runs")
            driver.execute("shutdown.stop", {})
            until(lambda: simulator.ups.pending is None, "it is cancelled")
            with pytest.raises(CommandRefused, match="CMD-NOT-SUPPORTED"):
                driver.execute("bypass.start", {})
            wrong = server.driver(password="wrong")
            with pytest.raises(CommandRefused, match="ACCESS-DENIED"):
                wrong.execute("beeper.toggle", {})
            for each in (driver, wrong):
                each.close()
        finally:
            server.nut.close()
