"""What the machine says of itself: kind, memory, storage, network. Read from /proc and /sys below one prefix.

Nothing here raises: what a machine does not tell is empty or None.
"""

from __future__ import annotations

import os
import platform
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path

ROOT = Path("/")
"""Prefix of everything that is read; tests put a folder of their own here."""


@dataclass(frozen=True, slots=True)
class Storage:
    """One file system, in bytes."""

    total: int
    free: int


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface. `speed_mbit` is None where the driver does not know it; addresses are without a mask."""

    name: str
    state: str
    hardware: str
    speed_mbit: int | None
    addresses: tuple[str, ...]
    received: int
    sent: int


def _text(path: str) -> str:
    """A small file as one line; firmware ends its texts with NUL."""
    try:
        return (ROOT / path).read_text(encoding="utf-8", errors="replace").replace("\0", " ").strip()
    except OSError:
        return ""


def _first(*places: str) -> str:
    return next((text for place in places if (text := _text(place))), "")


def host_name() -> str:
    """The name the machine has in its network."""
    return socket.gethostname()


def model() -> str:
    """The board, as its device tree or firmware names it."""
    return _first("proc/device-tree/model", "sys/class/dmi/id/product_name")


def serial() -> str:
    """Serial number of the board; on many machines only root may read it."""
    return _first("proc/device-tree/serial-number", "sys/class/dmi/id/product_serial")


def system() -> str:
    """Name and version of the operating system, and its kernel."""
    for line in _text("etc/os-release").splitlines():
        if line.startswith("PRETTY_NAME="):
            return f"{line.partition('=')[2].strip(chr(34))}, kernel {platform.release()}"
    return f"Linux {platform.release()}"


def processor() -> str:
    """Kind and number of the processor's cores."""
    return f"{platform.machine()}, {os.cpu_count() or 1} core{'s' if (os.cpu_count() or 1) > 1 else ''}"


def uptime_s() -> float | None:
    """Seconds since the machine started."""
    words = _text("proc/uptime").split()
    return float(words[0]) if words else None


def load() -> tuple[float, ...]:
    """Mean number of running processes over 1, 5 and 15 minutes."""
    words = _text("proc/loadavg").split()
    return tuple(float(word) for word in words[:3])


def memory() -> Storage | None:
    """Main memory; `free` is what programs can still have."""
    found = dict(re.findall(r"^(\w+):\s+(\d+) kB", _text("proc/meminfo"), re.MULTILINE))
    if "MemTotal" not in found or "MemAvailable" not in found:
        return None
    return Storage(int(found["MemTotal"]) * 1024, int(found["MemAvailable"]) * 1024)


def storage(path: Path) -> Storage | None:
    """The file system that holds `path`."""
    try:
        status = os.statvfs(path)
    except OSError:
        return None
    return Storage(status.f_blocks * status.f_frsize, status.f_bavail * status.f_frsize)


def interfaces() -> list[Interface]:
    """All interfaces but the loopback, by name."""
    try:
        names = sorted(entry.name for entry in (ROOT / "sys/class/net").iterdir() if entry.name != "lo")
    except OSError:
        return []
    return [_interface(name) for name in names]


def _interface(name: str) -> Interface:
    base = f"sys/class/net/{name}"
    speed = _text(f"{base}/speed")
    return Interface(
        name=name,
        state=_text(f"{base}/operstate") or "unknown",
        hardware=_text(f"{base}/address"),
        speed_mbit=int(speed) if speed.isdigit() and int(speed) else None,
        addresses=(*_addresses_v4(name), *_addresses_v6(name)),
        received=int(_text(f"{base}/statistics/rx_bytes") or 0),
        sent=int(_text(f"{base}/statistics/tx_bytes") or 0),
    )


@dataclass(frozen=True, slots=True)
class Link:
    """What the kernel counts of an interface; `statistics` by its names (`rx_bytes`), `enabled` is what somebody set."""

    interface: Interface
    index: int
    mtu: int
    enabled: bool
    carrier: bool
    statistics: dict[str, int]


def link(interface: Interface) -> Link | None:
    """Counters of an interface; None where it is gone."""
    base = f"sys/class/net/{interface.name}"
    index, flags = _text(f"{base}/ifindex"), _text(f"{base}/flags")
    if not index.isdigit():
        return None
    names = ("rx_bytes", "rx_packets", "rx_dropped", "rx_errors", "tx_bytes", "tx_packets", "tx_dropped", "tx_errors")
    statistics = {name: int(_text(f"{base}/statistics/{name}") or 0) for name in names}
    enabled = bool(int(flags or "0", 16) & 1)
    mtu = int(_text(f"{base}/mtu") or 0)
    return Link(interface, int(index), mtu, enabled, _text(f"{base}/carrier") == "1", statistics)


@dataclass(frozen=True, slots=True)
class _Route:
    """A line of /proc/net/route; addresses as numbers."""

    interface: str
    network: int
    mask: int
    gateway: int


def _routes() -> list[_Route]:
    """The IPv4 routes. The kernel prints addresses as hexadecimal in the machine's order of bytes."""
    found = []
    for line in _text("proc/net/route").splitlines()[1:]:
        words = line.split()
        if len(words) >= 8:
            network, gateway, mask = (int.from_bytes(bytes.fromhex(words[at])[::-1], "big") for at in (1, 2, 7))
            found.append(_Route(words[0], network, mask, gateway))
    return found


def _own_v4() -> list[str]:
    """IPv4 addresses of this machine: the leaves of the routing tree that are "host LOCAL"."""
    found = re.findall(r"\|-- (\d+\.\d+\.\d+\.\d+)\n\s+/32 host LOCAL", _text("proc/net/fib_trie"))
    return list(dict.fromkeys(address for address in found if not address.startswith("127.")))


def _number(address: str) -> int:
    return int.from_bytes(bytes(int(part) for part in address.split(".")), "big")


def _dotted(number: int) -> str:
    return ".".join(str(part) for part in number.to_bytes(4, "big"))


def _addresses_v4(name: str) -> list[str]:
    """Those in a network that this interface leads to directly."""
    direct = [route for route in _routes() if route.interface == name and route.mask and not route.gateway]
    return [address for address in _own_v4() if any(_number(address) & route.mask == route.network for route in direct)]


def _addresses_v6(name: str) -> list[str]:
    found = []
    for line in _text("proc/net/if_inet6").splitlines():
        words = line.split()
        if len(words) == 6 and words[5] == name:
            found.append(str(IPv6Address(int(words[0], 16))))
    return found


def addresses() -> list[str]:
    """All addresses under which other machines may reach this one; those that hold on one cable only are left out."""
    found = [address for interface in interfaces() for address in interface.addresses]
    return [address for address in found if not address.startswith("fe80:")]


def gateway() -> str:
    """Where packets to other networks go."""
    return next((_dotted(route.gateway) for route in _routes() if not route.mask and route.gateway), "")


def name_servers() -> list[str]:
    """Who is asked for names."""
    return re.findall(r"^nameserver\s+(\S+)", _text("etc/resolv.conf"), re.MULTILINE)
