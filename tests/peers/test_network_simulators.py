"""The simulated network card and NUT server against programs that we did not write: net-snmp, and the clients of NUT itself."""

from __future__ import annotations

import subprocess

import pytest
from simulators import Simulator

pytestmark = [pytest.mark.peer, pytest.mark.timeout(60)]


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout


@pytest.mark.parametrize("version", ["1", "2c"])
def test_snmpwalk_reads_all_that_the_simulated_card_has(version: str) -> None:
    with Simulator("rfc1628", tcp=0) as simulator:
        agent = f"127.0.0.1:{simulator.tcp_port}"
        base = ("-v", version, "-c", "public", "-m", "", "-On", agent)
        rows = said("snmpwalk", *base, "1.3.6.1.2.1.33").splitlines()
        assert {row.split(" = ")[0] for row in rows} >= set(simulator.device.mib.rows())
        assert ".1.3.6.1.2.1.33.1.2.4.0 = INTEGER: 100" in rows
        said("snmpset", *base, ".1.3.6.1.2.1.33.1.7.1.0", "o", ".1.3.6.1.2.1.33.1.7.7.4")
        assert simulator.ups.test is not None
        with pytest.raises(subprocess.CalledProcessError):
            said("snmpset", *base, ".1.3.6.1.2.1.33.1.1.1.0", "s", "x")


def test_the_clients_of_nut_read_and_command_the_simulated_server() -> None:
    with Simulator("nut", tcp=0) as simulator:
        ups = f"sim@127.0.0.1:{simulator.tcp_port}"
        values = dict(row.split(": ", 1) for row in said("upsc", ups).splitlines() if ": " in row)
        assert (values["ups.status"], values["battery.charge"]) == ("OL", "100")
        said("upscmd", "-u", "one", "-p", "two", ups, "test.battery.start.quick")
        assert simulator.ups.test is not None
        said("upsrw", "-s", "ups.delay.shutdown=60", "-u", "one", "-p", "two", ups)
        said("upscmd", "-u", "one", "-p", "two", ups, "shutdown.return")
        assert simulator.ups.pending is not None
