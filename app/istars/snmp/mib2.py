"""MIB-2: system, interfaces and snmp groups (RFC 3418, RFC 2863); the engine and its users (RFC 3411, 3414)."""

from __future__ import annotations

from functools import cache

from istars import __version__
from istars.platform import sysinfo
from istars.settings import Settings
from istars.snmp import ber
from istars.snmp.ber import Oid
from istars.snmp.counters import Counters
from istars.snmp.engine import Engine
from istars.snmp.oids import FRAMEWORK, INTERFACES, ISTARS, SNMP, SYSTEM, SYSTEM_ID, UPS_MIB, USM_STATS
from istars.snmp.table import Row
from istars.snmp.usm import MESSAGE_SIZE

SERVICES = 72
"""sysServices: a host with applications."""
MODULES: tuple[tuple[Oid, str], ...] = (
    ((1, 3, 6, 1, 6, 3, 1), "SNMPv2-MIB (RFC 3418)"),
    ((1, 3, 6, 1, 2, 1, 31), "IF-MIB (RFC 2863), interfaces group"),
    (FRAMEWORK, "SNMP-FRAMEWORK-MIB (RFC 3411), engine group"),
    (UPS_MIB, "UPS-MIB (RFC 1628)"),
    (ISTARS, "ISTARS-MIB"),
)
COUNTED = {
    1: "received",
    3: "bad_versions",
    4: "bad_communities",
    5: "bad_uses",
    6: "unreadable",
    31: "dropped",
}
"""Object of the snmp group to what is counted."""
ETHERNET, OTHER = 6, 1
STATES = {"up": 1, "down": 2, "testing": 3, "dormant": 5, "notpresent": 6, "lowerlayerdown": 7}
STATISTICS = {10: "rx_bytes", 11: "rx_packets", 13: "rx_dropped", 14: "rx_errors", 16: "tx_bytes", 17: "tx_packets",
              19: "tx_dropped", 20: "tx_errors"}  # fmt: skip
OBJECTS = frozenset(
    {
        *((*SYSTEM, number) for number in range(1, 9)),
        *((*SYSTEM, 9, 1, number) for number in range(2, 5)),
        (*INTERFACES, 1),
        *((*INTERFACES, 2, 1, number) for number in (*range(1, 11), *STATISTICS)),
        *((*SNMP, number) for number in (*COUNTED, 30, 32)),
        *((*FRAMEWORK, 2, 1, number) for number in range(1, 5)),
        *((*USM_STATS, number) for number in range(1, 7)),
    }
)


@cache
def description() -> str:
    """sysDescr: product, version, machine and operating system."""
    return f"iStars {__version__}, {sysinfo.model() or 'unknown board'}, {sysinfo.system()}"


def rows(settings: Settings, engine: Engine, counters: Counters) -> list[Row]:
    """Everything but the interfaces."""
    found: list[Row] = [
        ((*SYSTEM, 1, 0), ber.octets(description())),
        ((*SYSTEM, 2, 0), ber.oid(SYSTEM_ID)),
        ((*SYSTEM, 3, 0), lambda: ber.ticks(engine.uptime)),
        ((*SYSTEM, 4, 0), ber.octets(settings.text("system.administrator"))),
        ((*SYSTEM, 5, 0), ber.octets(settings.text("system.name"))),
        ((*SYSTEM, 6, 0), ber.octets(settings.text("system.location"))),
        ((*SYSTEM, 7, 0), ber.integer(SERVICES)),
        ((*SYSTEM, 8, 0), ber.ticks(0)),
        ((*SNMP, 30, 0), ber.integer(1 if settings["snmp.trap.authentication"] is True else 2)),
        ((*SNMP, 32, 0), ber.counter(0)),
        ((*FRAMEWORK, 2, 1, 1, 0), ber.octets(engine.id)),
        ((*FRAMEWORK, 2, 1, 2, 0), ber.integer(engine.boots)),
        ((*FRAMEWORK, 2, 1, 3, 0), lambda: ber.integer(engine.time)),
        ((*FRAMEWORK, 2, 1, 4, 0), ber.integer(MESSAGE_SIZE)),
    ]
    for number, (module, words) in enumerate(MODULES, start=1):
        found += [
            ((*SYSTEM, 9, 1, 2, number), ber.oid(module)),
            ((*SYSTEM, 9, 1, 3, number), ber.octets(words)),
            ((*SYSTEM, 9, 1, 4, number), ber.ticks(0)),
        ]
    found += [
        ((*SNMP, number, 0), lambda name=name: ber.counter(getattr(counters, name)))  # type: ignore[misc]
        for number, name in COUNTED.items()
    ]
    found += [
        ((*USM_STATS, number, 0), lambda number=number: ber.counter(counters.usm[number]))  # type: ignore[misc]
        for number in counters.usm
    ]
    return found


def interface_rows() -> list[Row]:
    """The interfaces as they are at this moment; the loopback is none that anybody manages."""
    links = [link for each in sysinfo.interfaces() if (link := sysinfo.link(each)) is not None]
    found: list[Row] = [((*INTERFACES, 1, 0), ber.integer(len(links)))]
    for link in links:
        each = link.interface
        hardware = bytes.fromhex(each.hardware.replace(":", ""))
        values = {
            1: ber.integer(link.index),
            2: ber.octets(each.name),
            3: ber.integer(ETHERNET if hardware else OTHER),
            4: ber.integer(link.mtu),
            5: ber.gauge((each.speed_mbit or 0) * 1_000_000),
            6: ber.octets(hardware),
            7: ber.integer(1 if link.enabled else 2),
            8: ber.integer(STATES.get(each.state, 1 if link.carrier else 4)),
            9: ber.ticks(0),
            **{number: ber.counter(link.statistics.get(name, 0)) for number, name in STATISTICS.items()},
        }
        found += [((*INTERFACES, 2, 1, number, link.index), value) for number, value in values.items()]
    return found
