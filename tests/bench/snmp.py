"""The card's SNMP agent beside Net-SNMP's snmpd: the same objects, the same packets, turn by turn in one run."""

from __future__ import annotations

import os
import select
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from card import Card, free_port, until
from istars.snmp import ber, pdu, usm
from istars.snmp.ber import OCTETS, SEQUENCE, Oid, tlv, varbind
from istars.snmp.usm import User
from netsnmp import AUTH_WORD, MANAGERS, PRIV_WORD, configure, rows, run, user, v3

from bench.processes import usage

UPS: Oid = (1, 3, 6, 1, 2, 1, 33)
LOAD: Oid = (*UPS, 1, 4, 4, 1, 5, 1)
VOLTAGE: Oid = (*UPS, 1, 3, 3, 1, 3)
TYPES = {
    "INTEGER": "integer",
    "STRING": "octet_str",
    "Counter32": "counter",
    "Gauge32": "gauge",
    "Timeticks": "timeticks",
    "OID": "object_id",
}
USERS = {"SHA, AES-128": ("one", "sha", "aes"), "SHA-256, AES-256": ("two", "sha256", "aes256")}
ROUNDS, REQUESTS, WINDOW = 5, 4_000, 8


@dataclass(frozen=True)
class Server:
    """An agent that runs: its port and its process."""

    name: str
    port: int
    pid: int


@dataclass
class Measured:
    """CPU microseconds a request by kind, for each round; seconds of a walk by the tool."""

    cpu_us: dict[str, list[float]] = field(default_factory=dict)
    walk_s: dict[str, list[float]] = field(default_factory=dict)


def question(tag: int, name: Oid, first: int = 0, second: int = 0) -> bytes:
    """A request for one name."""
    numbers = ber.integer(first) + ber.integer(second)
    return tlv(tag, ber.integer(4711) + numbers + tlv(SEQUENCE, varbind(name, ber.NOTHING)))


KINDS = {
    "GET": question(pdu.GET, LOAD),
    "GETNEXT": question(pdu.GETNEXT, VOLTAGE),
    "GETBULK of 25": question(pdu.GETBULK, UPS, 0, 25),
}


def discovered(port: int) -> tuple[bytes, int, int]:
    """Engine ID, boots and time of an agent, as any manager asks for them."""
    nobody = User.unknown(b"")
    nobody.flags = usm.REPORTABLE
    scoped = tlv(SEQUENCE, b"\x04\x00\x04\x00" + question(pdu.GET, LOAD))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(10)
        sock.sendto(usm.write(nobody, 1, b"", 0, 0, scoped, 7), ("127.0.0.1", port))
        data = sock.recv(65535)
    found = usm.read(data, ber.read_integer(data, ber.expect(data, 0, SEQUENCE)[0])[1])
    return found.engine, found.boots, found.time


def packets(server: Server) -> dict[str, bytes]:
    """Every kind of request, ready to be sent to one agent; those of v3 are signed and encrypted for it."""
    found = {kind: tlv(SEQUENCE, ber.integer(1) + tlv(OCTETS, b"public") + asked) for kind, asked in KINDS.items()}
    engine, boots, moment = discovered(server.port)
    for words, (name, auth, priv) in USERS.items():
        person = User(name, auth, AUTH_WORD, priv, PRIV_WORD, engine)
        scoped = tlv(SEQUENCE, tlv(OCTETS, engine) + b"\x04\x00" + KINDS["GET"])
        found[f"v3 GET, {words}"] = usm.write(person, 5, engine, boots, moment, scoped)
    return found


def blast(server: Server, packet: bytes, count: int) -> float:
    """Send `count` requests, eight at a time, each answer followed by the next; CPU microseconds of the agent for each."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", server.port))
        sock.setblocking(False)
        before = usage(server.pid).cpu_ns
        sent = received = 0
        while received < count:
            while sent - received < WINDOW and sent < count:
                sock.send(packet)
                sent += 1
            if not select.select([sock], [], [], 5)[0]:
                raise RuntimeError(f"{server.name} answers {received} of {sent} requests")
            try:
                while True:
                    sock.recv(65535)
                    received += 1
            except BlockingIOError:
                continue
        return (usage(server.pid).cpu_ns - before) / count / 1000


@contextmanager
def netsnmpd(folder: Path, walk: dict[str, str]) -> Iterator[Server]:
    """snmpd that serves what `walk` found, each value by a line of its configuration."""
    lines = ["rocommunity public 127.0.0.1", "sysServices 72"]
    for name, auth, priv in USERS.values():
        words = {"sha": "SHA", "sha256": "SHA-256", "aes": "AES", "aes256": "AES-256"}
        lines += [f'createUser {name} {words[auth]} "{AUTH_WORD}" {words[priv]} "{PRIV_WORD}"', f"rouser {name} priv"]
    for name, said in walk.items():
        kind, _, value = said.partition(": ")
        if kind not in TYPES:
            continue
        if kind == "Timeticks":
            value = value[value.index("(") + 1 : value.index(")")]
        lines.append(f"override .{name} {TYPES[kind]} {value}")
    config = folder / "snmpd.conf"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    port = free_port()
    process = subprocess.Popen(
        ["snmpd", "-f", "-m", "", "-C", "-c", str(config), "-LF", "3", str(folder / "snmpd.log"), "-p", str(folder / "pid"),
         "-I", "override,usmConf,usmUser,vacm_conf,vacm_context,snmpEngine,snmpv3mibs,snmpv3", f"udp:127.0.0.1:{port}"],
        env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)},
    )  # fmt: skip
    try:
        until(
            lambda: run("snmpget", "-v2c", "-c", "public", name_of(LOAD), port=port, patience_s=1)[0] == 0,
            "snmpd answers",
        )
        yield Server("snmpd", port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def name_of(oid: Oid) -> str:
    return ".".join(map(str, oid))


def walked(server: Server, *words: str) -> float:
    """Seconds that snmpbulkwalk takes for the whole UPS-MIB."""
    started = time.perf_counter()
    status, said = run("snmpbulkwalk", "-Cr25", *words, name_of(UPS), port=server.port)
    if status:
        raise RuntimeError(said)
    return time.perf_counter() - started


@dataclass
class Comparison:
    """Both agents in one run: medians, and memory and idle CPU of ours."""

    ours: Measured
    theirs: Measured
    objects: int
    memory_mb: float
    their_memory_mb: float
    idle_percent: float
    after_pysnmp_mb: float

    def ratio(self, kind: str) -> tuple[float, float, float]:
        """CPU of ours, of snmpd, and ours in times of theirs."""
        mine, other = statistics.median(self.ours.cpu_us[kind]), statistics.median(self.theirs.cpu_us[kind])
        return mine, other, mine / other

    def walk(self, kind: str) -> tuple[float, float, float]:
        """The same for a walk, in seconds."""
        mine, other = statistics.median(self.ours.walk_s[kind]), statistics.median(self.theirs.walk_s[kind])
        return mine, other, mine / other


def compare() -> Comparison:
    """Run both and ask them in turns."""
    folder = Path(tempfile.mkdtemp(prefix="istars-bench-"))
    card = Card()
    configure(card, {
        **MANAGERS, **user(1, *USERS["SHA, AES-128"]), **user(2, *USERS["SHA-256, AES-256"]), **user(3, "loud", "none", "none"),
        "ups.battery.cells": "96",
    })  # fmt: skip
    try:
        with card:
            port = int(card.environment["SNMP_PORT"])
            mine = Server("the card", port, card.programs()["snmpd"])
            before, at = usage(mine.pid), time.perf_counter()
            time.sleep(10)
            idle = (usage(mine.pid).cpu_ns - before.cpu_ns) / (time.perf_counter() - at) / 1e7
            walk = rows(run("snmpbulkwalk", "-v2c", "-c", "public", name_of(UPS), port=port)[1])
            with netsnmpd(folder, walk) as other:
                found = Comparison(Measured(), Measured(), len(walk), 0, 0, idle, 0)
                pairs = [(mine, found.ours, packets(mine)), (other, found.theirs, packets(other))]
                for turn in range(ROUNDS + 1):
                    for server, measured, ready in pairs:
                        _round(server, measured, ready, warm=turn == 0)
                found.memory_mb, found.their_memory_mb = usage(mine.pid).pss_kb / 1024, usage(other.pid).pss_kb / 1024
            run("snmpget", *v3("loud", "none", "none"), name_of(LOAD), port=port)
            found.after_pysnmp_mb = usage(mine.pid).pss_kb / 1024
            return found
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _round(server: Server, measured: Measured, ready: dict[str, bytes], warm: bool) -> None:
    for kind, packet in ready.items():
        spent = blast(server, packet, 200 if warm else REQUESTS)
        if not warm:
            measured.cpu_us.setdefault(kind, []).append(spent)
    ways = {"v2c": ("-v2c", "-c", "public"), "v3": v3(*USERS["SHA, AES-128"])}
    for kind, words in ways.items():
        seconds = walked(server, *words)
        if not warm:
            measured.walk_s.setdefault(kind, []).append(seconds)


def lines(found: Comparison) -> Iterator[str]:
    """What was measured, in words."""
    yield f"\nSNMP, {found.objects} objects of the UPS-MIB, CPU a request: card, snmpd (times)"
    for kind in found.ours.cpu_us:
        mine, other, times = found.ratio(kind)
        yield f"    {kind:<28} {mine:7.1f} us {other:7.1f} us  {times:.2f}x"
    for kind in found.ours.walk_s:
        mine, other, times = found.walk(kind)
        yield f"    snmpbulkwalk {kind:<15} {mine * 1e3:7.1f} ms {other * 1e3:7.1f} ms  {times:.2f}x"
    yield (
        f"    memory {found.memory_mb:.1f} MB PSS (snmpd {found.their_memory_mb:.1f} MB), {found.after_pysnmp_mb:.1f} MB once "
        f"pysnmp is loaded; idle {found.idle_percent:.3f} % of a core"
    )
