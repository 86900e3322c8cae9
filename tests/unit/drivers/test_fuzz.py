"""Noise through every framer and decoder: no failure but the known ones, no growth, and the next good answer is read.

FUZZ_BYTES sets how many bytes go through each protocol; `make fuzz` takes ten million in all.
"""

from __future__ import annotations

import contextlib
import os
import tracemalloc
from collections.abc import Callable
from random import Random

import pytest
from istars.drivers import ber
from istars.drivers.engine import Driver, Options
from istars.drivers.framing import rtu_frame, text_lines
from istars.drivers.item import Item, Protocol, Timing
from istars.drivers.link import Harvest
from istars.drivers.mbap import mbap_frame
from istars.drivers.nutlink import NutLink, words
from istars.drivers.snmplink import SnmpLink
from istars.drivers.ups import protocol_named
from istars.errors import LinkError
from simulators.designs import DESIGNS, design_of
from simulators.physics import Ups
from simulators.server import device_for
from unit.drivers.loop import LoopTransport, hurried

BYTES = int(os.environ.get("FUZZ_BYTES", "5000"))
GROWTH = 600_000
"""Bytes by which memory may grow after the first rounds: CPython keeps up to 2000 freed tuples of each length for later."""

PROTOCOL_OF = {"megatec-interactive": "megatec", "east": "east-ea900", "invt": "invt-hr11"}


def noise(random: Random, good: bytes) -> bytes:
    """Random bytes, or a good answer that was damaged: bits turned, cut, doubled, with bytes lost or put in."""
    kind = random.randrange(6)
    if kind == 0 or not good:
        return random.randbytes(random.randrange(1, 120))
    damaged = bytearray(good)
    if kind == 1:
        for _ in range(random.randrange(1, 4)):
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    elif kind == 2:
        del damaged[random.randrange(len(damaged)) :]
    elif kind == 3:
        at = random.randrange(len(damaged))
        damaged[at:at] = random.randbytes(random.randrange(1, 9))
    elif kind == 4:
        del damaged[random.randrange(len(damaged))]
    else:
        damaged += damaged[: random.randrange(len(damaged))]
    return bytes(damaged)


class Noisy:
    """A device whose answers go through noise while `loud`."""

    def __init__(self, kind: str, seed: int) -> None:
        self.device = device_for(Ups(design_of(kind)))
        self.random = Random(seed)
        self.loud = False
        self.fed = 0

    def __call__(self, sent: bytes) -> bytes:
        requests, _ = self.device.split(sent, quiet=True)
        good = b"".join(self.device.respond(request) for request in requests)
        if not self.loud:
            return good
        said = noise(self.random, good)
        self.fed += len(said)
        return said


@pytest.mark.thorough
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", DESIGNS)
def test_noise_of_a_device_harms_nothing(kind: str) -> None:
    peer = Noisy(kind, seed=len(kind))
    protocol = protocol_named(PROTOCOL_OF.get(kind, kind))
    transport = LoopTransport(peer)
    driver = Driver(hurried(protocol), transport, Options(cells=12))
    rounds, before = 0, 0
    tracemalloc.start()
    try:
        while peer.fed < BYTES:
            peer.loud = True
            for _ in range(20):
                with contextlib.suppress(LinkError):
                    driver.poll()
            peer.loud = False
            # What noise made the card believe of a device is forgotten with the connection.
            driver.close()
            assert driver.poll().complete
            transport.sent.clear()
            rounds += 1
            if rounds == 3:
                before = tracemalloc.get_traced_memory()[0]
        assert rounds <= 3 or tracemalloc.get_traced_memory()[0] - before < GROWTH
    finally:
        tracemalloc.stop()


def feed(framer: Callable[[bytes], bytes], good: bytes, limit: int) -> None:
    """Noise through one framer, in pieces; what it keeps stays small."""
    random, buffer, fed = Random(7), b"", 0
    while fed < BYTES:
        piece = noise(random, good)
        fed += len(piece)
        buffer = framer(buffer + piece)
        assert len(buffer) <= limit


REQUEST = bytes.fromhex("01 04 00 0C 00 01 F1 C9")
REPLY = bytes.fromhex("01 04 02 08 FB FF 73")


def test_framers_keep_no_more_than_one_frame_and_find_the_good_one_after_noise() -> None:
    def rtu(buffer: bytes) -> bytes:
        while (cut := rtu_frame(buffer, REQUEST))[1] is not None:
            buffer = buffer[cut[0] :]
        return buffer[cut[0] :]

    def mbap(buffer: bytes) -> bytes:
        while (cut := mbap_frame(buffer, 5))[1] is not None:
            buffer = buffer[cut[0] :]
        return buffer[cut[0] :]

    feed(lambda buffer: text_lines(buffer)[1], b"(230.0 230.0 230.0 042 50.0 27.5 30.0 00001000\r", 5_000)
    feed(rtu, REPLY, 300)
    feed(mbap, bytes.fromhex("00 05 00 00 00 05 01 04 02 08 FB"), 300)
    noisy = Random(3).randbytes(200)
    assert text_lines(noisy + b"\rgood\r")[0][-1] == b"good"
    assert rtu_frame(noisy + REPLY, REQUEST)[1] == REPLY
    assert mbap_frame(bytes.fromhex("00 04 00 00 00 05 01 04 02 08 FA 00 05 00 00 00 05 01 04 02 08 FB"), 5)[1] == REPLY


def test_messages_of_snmp_that_are_damaged_are_refused() -> None:
    good = protocol_named("rfc1628").samples[0].reply
    random, fed = Random(11), 0
    while fed < BYTES:
        piece = noise(random, good)
        fed += len(piece)
        try:
            ber.parse(piece)
        except ber.BadMessage:
            continue
    assert dict(ber.parse(good).bindings)["1.3.6.1.2.1.33.1.2.4.0"].value == 87


QUICK = Timing(answer_s=0.0)


def read_all(read: Callable[[tuple[Item, ...], int], Harvest], protocol: Protocol) -> Harvest:
    """One round through a link and the interpreter."""
    harvest = read(protocol.items, 1)
    fields = {item.name: item.decode(harvest.raw[item.name]) for item in protocol.items if item.name in harvest.raw}
    protocol.interpreter(Options())({name: value for name, value in fields.items() if value is not None})
    return harvest


def test_noise_of_a_nut_server_harms_nothing() -> None:
    protocol = protocol_named("nut")
    sample = protocol.samples[0]
    random, fed, loud = Random(13), 0, True

    def peer(_sent: bytes) -> bytes:
        nonlocal fed
        said = noise(random, sample.reply) if loud else sample.reply
        fed += len(said)
        return said

    link = NutLink(LoopTransport(peer), QUICK, "meg", Options())  # type: ignore[arg-type]
    while fed < BYTES:
        read_all(link.read, protocol)
    loud = False
    assert read_all(link.read, protocol).raw["battery.charge"] == b"87"
    assert words(b'VAR a b "x \\" y') == [b"VAR", b"a", b"b", b'"x', b'\\"', b"y"]


def test_noise_of_an_snmp_agent_harms_nothing() -> None:
    protocol = protocol_named("rfc1628")
    random, fed, loud = Random(17), 0, True

    def peer(sent: bytes) -> bytes:
        nonlocal fed
        asked = ber.parse(sent)
        bound = ber.bindings([(name, ber.Value(ber.INTEGER, 1)) for name, _ in asked.bindings])
        good = ber.request(asked.version, asked.community, ber.RESPONSE, asked.request, bound)
        said = noise(random, good) if loud else good
        fed += len(said)
        return said

    link = SnmpLink(LoopTransport(peer, chunk=65_536), QUICK, Options())  # type: ignore[arg-type]
    while fed < BYTES:
        read_all(link.read, protocol)
        link.reset()
    loud = False
    assert read_all(link.read, protocol).raw["battery.charge"] == b"1"
