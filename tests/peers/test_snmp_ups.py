"""A UPS behind another network card: net-snmp's agent answers for the simulated UPS, the card reads and commands through it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from card import free_port, until
from istars.drivers.engine import Driver, Options, open_driver
from istars.errors import CommandRefused, NoAnswer, PortError
from simulators.designs import design_of
from simulators.physics import Ups
from simulators.upsmib import PassPersist, UpsMib

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]

MIB = ".1.3.6.1.2.1.33"


class Agent:
    """`snmpd` in front of a simulated UPS."""

    def __init__(self, folder: Path, kind: str, phases: int = 1) -> None:
        self.ups = Ups(design_of(kind, phases))
        self.ups.wander = 0.0
        self.mib = UpsMib(self.ups)
        self.port = free_port()
        self.persist = PassPersist(self.mib, folder / "mib.sock")
        (folder / "snmpd.conf").write_text(
            f"rocommunity see 127.0.0.1\nrwcommunity rule 127.0.0.1\n"
            f"pass_persist {MIB} /usr/bin/socat - UNIX-CONNECT:{folder / 'mib.sock'}\n"
        )
        self.log = (folder / "snmpd.log").open("wb")
        self.process = subprocess.Popen(
            ["/usr/sbin/snmpd", "-f", "-m", "", "-C", "-c", str(folder / "snmpd.conf"), "-Lo", f"udp:127.0.0.1:{self.port}"],
            env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder)}, stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def driver(self, community: str = "rule", version: str = "2c") -> Driver:
        return open_driver("rfc1628", f"snmp:127.0.0.1:{self.port}", Options(community=community, snmp_version=version))

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


@pytest.fixture(params=["megatec", "megatec-interactive", "q6"])
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Agent]:
    made = Agent(tmp_path, request.param)
    with made.persist:
        yield made
        made.close()


def ready(driver: Driver) -> Driver:
    def answers() -> bool:
        try:
            return bool(driver.poll().values)
        except NoAnswer:
            return False

    until(answers, "snmpd answers")
    return driver


def status(driver: Driver) -> set[str]:
    return set(str(driver.poll().values["ups.status"]).split())


@pytest.mark.parametrize("version", ["1", "2c"])
def test_readings_are_the_truth(agent: Agent, version: str) -> None:
    driver = ready(agent.driver("see", version))
    values, ups = driver.poll().values, agent.ups
    three = ups.design.phases == 3
    assert values.get("input.L2-N.voltage" if three else "input.voltage") == round(ups.phase_input_v(1 * three))
    assert values["battery.voltage"] == pytest.approx(ups.battery.voltage_v, abs=0.05)
    assert values["battery.runtime"] == 60 * round(ups.runtime_s / 60)
    assert values["output.frequency"] == 50.0
    assert values["device.model"] == ups.design.model
    assert values["ups.load"] == pytest.approx(46 if three else 42, abs=0.5)
    assert (values["ups.status"], values["ups.alarm"]) == ("OL", "")
    driver.close()


def test_a_story_through_the_other_card(agent: Agent) -> None:
    driver, ups = ready(agent.driver()), agent.ups
    ups.set_mains(0)
    ups.step(1)
    assert status(driver) == {"OB", "ALARM"}
    assert driver.poll().values["ups.alarm"] == "INPUT_BAD"
    ups.set_charge(19)
    assert "LB" in status(driver)
    ups.set_mains(230)
    ups.set_charge(100)
    ups.step(60)
    assert status(driver) == {"OL"}
    ups.set_overload(110)
    assert "OVER" in status(driver)
    ups.set_overload(None)
    ups.set_temperature(70)
    assert driver.poll().values["ups.alarm"] == "OVER_TEMPERATURE"
    ups.set_temperature(30)
    if ups.design.topology == "online":
        ups.go_to_bypass(True)
        assert "BYPASS" in status(driver)
        ups.go_to_bypass(False)
    driver.close()


def test_commands_act_on_the_ups(agent: Agent) -> None:
    driver, ups = ready(agent.driver()), agent.ups
    assert "a test running" in driver.execute("test.battery.start.quick", {})
    assert ups.test is not None
    assert status(driver) == {"OL", "TEST"}
    assert "no test running" in driver.execute("test.battery.stop", {})
    driver.execute("beeper.disable", {})
    assert driver.poll().values["ups.beeper.status"] == "disabled"
    assert "countdown" in driver.execute("shutdown.return", {"delay_s": 60})
    assert driver.poll().values["ups.timer.shutdown"] == 60
    assert driver.poll().values["ups.alarm"] == "SHUTDOWN_PENDING"
    driver.execute("shutdown.stop", {})
    assert ups.pending is None
    driver.execute("load.off", {})
    assert "OFF" in status(driver)
    driver.execute("load.on", {})
    ups.step(60)
    assert status(driver) == {"OL"}
    driver.close()


def test_a_community_that_may_only_read_is_refused(agent: Agent) -> None:
    driver = ready(agent.driver("see"))
    with pytest.raises(CommandRefused, match="the other card refuses"):
        driver.execute("beeper.disable", {})
    driver.close()


def test_a_wrong_community_is_silence_and_says_so(agent: Agent) -> None:
    ready(agent.driver()).close()
    driver = agent.driver("wrong")
    with pytest.raises(NoAnswer, match="wrong community"):
        driver.poll()
    driver.close()


def test_ports_of_the_wrong_kind_are_refused_by_name() -> None:
    with pytest.raises(PortError, match=r"snmp:HOST:PORT, not /dev/ttyS0"):
        open_driver("rfc1628", "/dev/ttyS0", Options())
    with pytest.raises(PortError, match=r"not snmp:127.0.0.1:161"):
        open_driver("megatec", "snmp:127.0.0.1:161", Options())
