"""Keys and messages of SNMPv3: the vectors of the RFCs, what is refused, and octets from whoever likes."""

from __future__ import annotations

import gc
import random
import tracemalloc

import pytest
from asking import HERE, Harness, message, understood
from istars.platform.cipher import AES, DES, Cipher
from istars.settings.store import change
from istars.snmp import ber, pdu, usm
from istars.snmp.ber import OCTETS, SEQUENCE, tlv, varbind
from istars.snmp.usm import User

ENGINE = bytes.fromhex("000000000000000000000002")
NAME = (1, 3, 6, 1, 2, 1, 1, 5, 0)
QUESTION = tlv(pdu.GET, ber.integer(77) + pdu.NO_ERROR + tlv(SEQUENCE, varbind(NAME, ber.NOTHING)))
STATS = (1, 3, 6, 1, 6, 3, 15, 1, 1)


def test_keys_are_those_of_rfc_3414() -> None:
    for function, master, local in (
        ("md5", "9faf3283884e92834ebc9847d8edd963", "526f5eed9fcce26f8964c2930787d82b"),
        ("sha1", "9fb5cc0381497b3793528939ff788d5d79145211", "6695febc9288e36282235fc7151f128497b38f3f"),
    ):
        key = usm.master_key(function, b"maplesyrup")
        assert key.hex() == master
        assert usm.localized(function, key, ENGINE).hex() == local


def test_ciphers_are_those_of_the_standards() -> None:
    # NIST SP 800-38A, F.3.13 (CFB128-AES128), and FIPS 81's DES key with a block of its CBC example
    aes = Cipher(AES, bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    vector, plain = bytes(range(16)), bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    secret = bytes.fromhex("3b3fd92eb72dad20333449f8e83cfb4a")
    assert aes.encrypt(vector, plain) == secret
    assert aes.decrypt(vector, secret) == plain
    des = Cipher(DES, bytes.fromhex("0123456789abcdef"))
    text = b"Now is the time for all "
    sealed = des.encrypt(bytes.fromhex("1234567890abcdef"), text)
    assert sealed.hex() == "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6"
    assert des.decrypt(bytes.fromhex("1234567890abcdef"), sealed) == text


@pytest.fixture
def secured(harness: Harness) -> Harness:
    """An agent with the user alice (SHA-256, AES-128) and bob, who signs only."""
    change(
        {
            "snmp.user.1.name": "alice", "snmp.user.1.permission": "read", "snmp.user.1.auth.passphrase": "signing words",
            "snmp.user.1.priv.passphrase": "hiding words", "snmp.user.2.name": "bob", "snmp.user.2.permission": "write",
            "snmp.user.2.auth.passphrase": "signing words", "snmp.user.2.priv": "none",
        }
    )  # fmt: skip
    harness.renew()
    return harness


def alice(harness: Harness, auth: str = "signing words", priv: str = "hiding words") -> User:
    return User("alice", "sha256", auth, "aes", priv, harness.engine.id)


def sealed(
    harness: Harness, user: User, boots: int | None = None, time: int | None = None, said: bytes = QUESTION
) -> bytes:
    """A request that asks for reports."""
    engine = harness.engine
    scoped = tlv(SEQUENCE, tlv(OCTETS, engine.id) + b"\x04\x00" + said)
    boots, time = engine.boots if boots is None else boots, engine.time if time is None else time
    flags, user.flags = user.flags, user.flags | usm.REPORTABLE
    try:
        return usm.write(user, 5, engine.id, boots, time, scoped, 7)
    finally:
        user.flags = flags


def parts(data: bytes) -> usm.Message:
    """Header and security parameters of a message."""
    return usm.read(data, ber.read_integer(data, ber.expect(data, 0, SEQUENCE)[0])[1])


def opened(harness: Harness, user: User, data: bytes) -> pdu.Request:
    """What the agent says to `user`."""
    found = parts(data)
    body = found.body
    if found.flags & usm.AUTHENTIC:
        assert usm.genuine(user, found, data)
    if found.flags & usm.PRIVATE:
        body = user.decrypt(found.boots, found.time, found.salt, body)
    at, end = ber.expect(body, 0, SEQUENCE)
    at = ber.read_octets(body, ber.read_octets(body, at)[1])[1]
    return pdu.request(body[:end], at)


def test_a_question_is_answered_as_it_was_asked(secured: Harness) -> None:
    user = alice(secured)
    answer = opened(secured, user, secured.raw(sealed(secured, user))[0])
    assert answer.tag == pdu.RESPONSE
    assert answer.varbinds == [(NAME, ber.octets("UPS"))]
    assert "istars.snmp.behind" not in str(secured.agent._behind), "pysnmp was not needed"
    assert secured.agent._behind is None


@pytest.mark.parametrize(
    ("wrong", "number"),
    [
        (lambda harness: sealed(harness, alice(harness, auth="other words")), 5),
        (lambda harness: sealed(harness, alice(harness), boots=harness.engine.boots + 1), 2),
        (lambda harness: sealed(harness, alice(harness), time=harness.engine.time + 151), 2),
        (lambda harness: sealed(harness, User("eve", "sha256", "words words", "", "", harness.engine.id)), 3),
        (
            lambda harness: sealed(
                harness, User("bob", "sha256", "signing words", "aes", "words words", harness.engine.id)
            ),
            1,
        ),
        (lambda harness: sealed(harness, alice(harness)).replace(harness.engine.id, bytes(13), 1), 4),
    ],
)
def test_what_is_wrong_is_reported_and_counted(secured: Harness, wrong: object, number: int) -> None:
    data = wrong(secured)  # type: ignore[operator]
    report = opened(secured, alice(secured), secured.raw(data)[0])
    assert report.tag == pdu.REPORT
    assert report.varbinds == [((*STATS, number, 0), ber.counter(1))]
    assert secured.counters.usm[number] == 1
    assert not parts(secured.raw(data)[0]).flags & usm.REPORTABLE, "a report asks for none"
    assert report.id == ber.integer(0 if parts(data).flags & usm.PRIVATE else 77)


def test_without_the_flag_nothing_is_reported(secured: Harness) -> None:
    user = alice(secured, auth="other words")
    scoped = tlv(SEQUENCE, tlv(OCTETS, secured.engine.id) + b"\x04\x00" + QUESTION)
    data = usm.write(user, 5, secured.engine.id, secured.engine.boots, secured.engine.time, scoped)
    assert secured.raw(data) == []


def test_who_reads_only_does_not_write(secured: Harness) -> None:
    user = alice(secured)
    said = tlv(pdu.SET, ber.integer(9) + pdu.NO_ERROR + tlv(SEQUENCE, varbind(NAME, ber.octets("x"))))
    answer = opened(secured, user, secured.raw(sealed(secured, user, said=said))[0])
    assert ber.read_integer(answer.tail, 0)[0] == pdu.AUTHORIZATION


def test_what_is_too_big_for_the_sender_is_said(secured: Harness) -> None:
    user = alice(secured)
    names = b"".join(varbind((1, 3, 6, 1, 2, 1, 1, 1, 0), ber.NOTHING) for _ in range(40))
    said = tlv(pdu.GET, ber.integer(9) + pdu.NO_ERROR + tlv(SEQUENCE, names))
    size, usm.OUR_SIZE = usm.OUR_SIZE, ber.integer(1000)
    try:
        data = sealed(secured, user, said=said)
    finally:
        usm.OUR_SIZE = size
    answers = secured.raw(data)
    assert len(answers[0]) < 1000
    assert ber.read_integer(opened(secured, user, answers[0]).tail, 0)[0] == pdu.TOO_BIG


def mutated(chance: random.Random, data: bytes) -> bytes:
    """Octets changed, cut off, put in or taken out."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(found) + 1)
        match chance.randrange(4):
            case 0 if at < len(found):
                found[at] = chance.randrange(256)
            case 1:
                del found[at:]
            case 2:
                found[at:at] = chance.randbytes(chance.randint(1, 5))
            case 3:
                del found[at : at + chance.randint(1, 5)]
    return bytes(found)


@pytest.mark.thorough
@pytest.mark.timeout(300)
def test_a_hundred_thousand_broken_packets_do_no_harm(secured: Harness) -> None:
    chance = random.Random(1628)
    bases = [message(kind, ["1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.33"], community) for kind in ("get", "next", "bulk", "set")
             for community in ("public", "private")]  # fmt: skip
    bases += [sealed(secured, alice(secured)), sealed(secured, alice(secured, auth="other words"))]

    def storm(count: int) -> None:
        for _ in range(count):
            data = (
                chance.randbytes(chance.randrange(80))
                if chance.random() < 0.1
                else mutated(chance, chance.choice(bases))
            )
            secured.agent.receive(data, HERE, lambda octets: None)

    storm(10_000)
    while secured.live.claim("upslink"):
        pass
    tracemalloc.start()
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    storm(90_000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 3_000_000, "no more than its caches hold"
    assert secured.ask("get", "1.3.6.1.2.1.1.7.0") == (0, 0, [("1.3.6.1.2.1.1.7.0", 72)])
    user = alice(secured)
    assert opened(secured, user, secured.raw(sealed(secured, user))[0]).tag == pdu.RESPONSE


def test_pysnmp_takes_broken_packets_too(secured: Harness) -> None:
    chance = random.Random(3414)
    unsigned = User.unknown(b"alice")
    base = sealed(secured, unsigned)
    report = opened(secured, unsigned, secured.raw(base)[0])
    assert report.tag == pdu.REPORT, "alice signs what she asks"
    assert secured.agent._behind is not None
    for _ in range(1_500):
        secured.agent.receive(mutated(chance, base), HERE, lambda octets: None)
    assert understood(secured.raw(message("get", ["1.3.6.1.2.1.1.7.0"]))[0])[0] == 0
