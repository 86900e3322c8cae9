"""Waking computers when mains is back: the packet, the answer, and what is still to be woken.

What is to be woken stands on flash, so that a card that restarts goes on.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace

from istars.platform import clock
from istars.settings import Settings
from istars.settings.groups import wake as options

log = logging.getLogger(__name__)

EVERYBODY = "255.255.255.255"
PING_S = 1.0
PROBED_PORT = 22
ECHO_REQUEST, ECHO_REQUEST_6 = 8, 128
ECHO_REPLIES = frozenset({0, 129})


@dataclass(frozen=True, slots=True)
class Computer:
    """A computer that can be woken. `to` is where packets go, `address` where it answers (empty if it never does)."""

    number: int
    name: str
    mac: str
    to: str
    address: str
    on: bool


@dataclass(frozen=True, slots=True)
class Job:
    """A computer that is being woken; `due` is boottime of the boot `boot`, in any later boot it is due.

    One that was asked for by hand does not wait for mains.
    """

    number: int
    tries: int = 0
    boot: str = ""
    due: float = 0.0
    by_hand: bool = False

    def is_due(self, now: float) -> bool:
        """Whether it is to be looked at, at boottime `now`."""
        return self.boot != clock.boot_id() or self.due <= now


def computers(settings: Settings) -> dict[int, Computer]:
    """The computers that the settings name, by number."""
    found = {}
    for number in range(1, options.HOSTS + 1):
        stem = f"wake.host.{number}"
        mac = settings.text(f"{stem}.mac")
        if mac:
            name = settings.text(f"{stem}.name") or mac
            to, address = settings.text(f"{stem}.to") or EVERYBODY, settings.text(f"{stem}.address")
            found[number] = Computer(number, name, mac, to, address, bool(settings[f"{stem}.on"]))
    return found


def packet(mac: str) -> bytes:
    """The magic packet: six times 255, then the MAC address sixteen times."""
    return b"\xff" * 6 + bytes.fromhex(mac.replace(":", "").replace("-", "")) * 16


def send(computer: Computer, port: int) -> None:
    """Send the packet once. Raises OSError."""
    family, kind, _, _, where = socket.getaddrinfo(computer.to, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind) as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        link.sendto(packet(computer.mac), where)


def answers(address: str) -> bool:
    """Whether the computer at `address` answers within PING_S: a ping, or a connection where this machine allows no ping."""
    try:
        family, _, _, _, where = socket.getaddrinfo(address, PROBED_PORT, type=socket.SOCK_STREAM)[0]
        try:
            return _pings(family, where)
        except PermissionError:
            return _connects(family, where)
    except OSError:
        return False


def _pings(family: int, where: tuple[object, ...]) -> bool:
    """By an ICMP datagram socket (icmp(7)), which sysctl net.ipv4.ping_group_range allows."""
    six = family == socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as link:
        link.settimeout(PING_S)
        # The kernel fills in checksum and identity.
        request = struct.pack("!BBHHH", ECHO_REQUEST_6 if six else ECHO_REQUEST, 0, 0, 0, 1)
        link.sendto(request + os.urandom(16), (where[0], 0, *where[2:]))
        return link.recv(256)[0] in ECHO_REPLIES


def _connects(family: int, where: tuple[object, ...]) -> bool:
    """A refused connection is an answer too."""
    with socket.socket(family, socket.SOCK_STREAM) as link:
        link.settimeout(PING_S)
        return link.connect_ex(where) in (0, errno.ECONNREFUSED)


def begun(settings: Settings) -> str:
    """New jobs, as they are kept, for all computers that are to be woken when mains is back."""
    return written([Job(number) for number, computer in computers(settings).items() if computer.on])


def written(jobs: Iterable[Job]) -> str:
    """Jobs as they are kept."""
    return json.dumps([asdict(job) for job in jobs])


def kept(text: str) -> list[Job]:
    """Jobs as they were kept; what is not understood is left out."""
    try:
        return [Job(**row) for row in json.loads(text or "[]")]
    except (ValueError, TypeError):
        return []


def results(text: str) -> dict[int, tuple[str, dict[str, object], float]]:
    """What came of the last waking of each computer, as it was kept: code and arguments of the event, epoch seconds."""
    try:
        return {
            int(number): (str(code), dict(args), float(at)) for number, (code, args, at) in json.loads(text).items()
        }
    except (ValueError, TypeError, AttributeError):
        return {}


def may_begin(settings: Settings, values: Mapping[str, object]) -> bool:
    """Whether mains is back and the battery has recovered, by fresh readings; an unknown charge is not waited for."""
    charge, wanted = values.get("battery.charge"), settings.number("wake.charge")
    return "OL" in str(values.get("ups.status", "")).split() and (
        not isinstance(charge, int | float) or charge >= wanted
    )


def step(job: Job, settings: Settings, tell: Callable[[str, dict[str, object]], None]) -> Job | None:
    """Look whether the computer answers, else send to it; answers the job after that, None when it has ended.

    `tell` makes an event of a code and its arguments.
    """
    computer = computers(settings).get(job.number)
    if computer is None:
        return None
    facts: dict[str, object] = {"host": computer.name, "mac": computer.mac, "tries": job.tries}
    if computer.address and answers(computer.address):
        tell("HOST_WOKEN", facts)
        return None
    if job.tries >= (settings.whole("wake.tries") if computer.address else 1):
        tell("HOST_NOT_WOKEN" if computer.address else "HOST_SENT_TO", facts)
        return None
    try:
        send(computer, settings.whole("wake.port"))
    except OSError as error:
        log.warning("no packet to %s: %s", computer.name, error.strerror)
    pause = settings.number("wake.pause") if computer.address else 0.0
    return replace(job, tries=job.tries + 1, boot=clock.boot_id(), due=clock.boottime() + pause)
