"""What the machine says of itself, read from a tree like that of a card."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.platform import sysinfo

FIB_TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
Local:
  +-- 0.0.0.0/0 3 0 5
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 192.168.1.0/24 2 0 1
        |-- 192.168.1.0
           /24 link UNICAST
        |-- 192.168.1.37
           /32 host LOCAL
        |-- 192.168.1.255
           /32 link BROADCAST
     |-- 10.7.0.4
        /32 host LOCAL
"""
ROUTE = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
wlan0\t0000070A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
"""
FILES = {
    "proc/device-tree/model": "Luckfox Pico\0",
    "proc/device-tree/serial-number": "c0ffee0042\0",
    "etc/os-release": 'NAME=Buildroot\nPRETTY_NAME="Buildroot 2026.02.3"\n',
    "proc/uptime": "93784.12 180000.00\n",
    "proc/loadavg": "0.08 0.03 0.01 1/88 1234\n",
    "proc/meminfo": "MemTotal:  60000 kB\nMemFree: 1000 kB\nMemAvailable: 25000 kB\n",
    "proc/net/fib_trie": FIB_TRIE,
    "proc/net/route": ROUTE,
    "proc/net/if_inet6": (
        "fe80000000000000021122fffe334455 02 40 20 80     eth0\n"
        "fd000000000000000000000000000007 02 40 00 80     eth0\n"
        "00000000000000000000000000000001 01 80 10 80       lo\n"
    ),
    "etc/resolv.conf": "# made by dhcp\nnameserver 192.168.1.1\nnameserver 9.9.9.9\n",
    "sys/class/net/lo/address": "00:00:00:00:00:00\n",
    "sys/class/net/eth0/address": "00:11:22:33:44:55\n",
    "sys/class/net/eth0/operstate": "up\n",
    "sys/class/net/eth0/speed": "100\n",
    "sys/class/net/eth0/statistics/rx_bytes": "123456\n",
    "sys/class/net/eth0/statistics/tx_bytes": "654\n",
    "sys/class/net/wlan0/address": "00:11:22:33:44:66\n",
    "sys/class/net/wlan0/operstate": "down\n",
    "sys/class/net/wlan0/speed": "-1\n",
}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    monkeypatch.setattr(sysinfo, "ROOT", tmp_path)
    return tmp_path


def test_what_the_board_says(machine: Path) -> None:
    assert sysinfo.model() == "Luckfox Pico"
    assert sysinfo.serial() == "c0ffee0042"
    assert sysinfo.system().startswith("Buildroot 2026.02.3, kernel ")
    assert sysinfo.uptime_s() == 93784.12
    assert sysinfo.load() == (0.08, 0.03, 0.01)
    assert sysinfo.memory() == sysinfo.Storage(61_440_000, 25_600_000)


def test_interfaces_have_the_addresses_of_their_networks(machine: Path) -> None:
    eth0, wlan0 = sysinfo.interfaces()
    assert eth0 == sysinfo.Interface(
        "eth0", "up", "00:11:22:33:44:55", 100,
        ("192.168.1.37", "fe80::211:22ff:fe33:4455", "fd00::7"), 123456, 654,
    )  # fmt: skip
    assert (wlan0.state, wlan0.speed_mbit, wlan0.addresses, wlan0.received) == ("down", None, ("10.7.0.4",), 0)
    assert sysinfo.addresses() == ["192.168.1.37", "fd00::7", "10.7.0.4"]
    assert sysinfo.gateway() == "192.168.1.1"
    assert sysinfo.name_servers() == ["192.168.1.1", "9.9.9.9"]


def test_a_machine_that_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysinfo, "ROOT", tmp_path / "nothing")
    assert (sysinfo.model(), sysinfo.serial(), sysinfo.uptime_s(), sysinfo.load(), sysinfo.memory()) == (
        "",
        "",
        None,
        (),
        None,
    )
    assert (sysinfo.interfaces(), sysinfo.addresses(), sysinfo.gateway(), sysinfo.name_servers()) == ([], [], "", [])
    assert sysinfo.storage(tmp_path / "nothing") is None
    assert sysinfo.system().startswith("Linux ")


def test_this_machine(tmp_path: Path) -> None:
    found = sysinfo.storage(tmp_path)
    assert found is not None
    assert 0 <= found.free <= found.total
    memory = sysinfo.memory()
    assert memory is not None
    assert memory.free < memory.total
