"""Asking RADIUS servers: which answers count, and why the others do not."""

from __future__ import annotations

import pytest
from istars.platform import clock, radius
from istars.platform.radius import NoAnswer, Servers, ask
from radius_server import ACCEPT, CHALLENGE, REJECT, Asked, RadiusServer, Reply

SECRET = "a shared secret of the tests"
SHORT_S = 0.05


def of(server: RadiusServer, *, secret: str = SECRET, timeout_s: float = 10.0, tries: int = 1) -> Servers:
    return Servers(("127.0.0.1",), server.port, secret, timeout_s, tries)


def asks(servers: Servers, name: str = "eve", password: str = "three boats") -> radius.Answer:
    return ask(servers, name, password, address="10.0.0.7", card="UPS-A")


def test_an_accept_with_what_it_allows() -> None:
    told = [(11, b"istars-write"), (11, b"other"), (6, (6).to_bytes(4, "big")), (27, (600).to_bytes(4, "big"))]
    with RadiusServer(lambda _: [Reply(ACCEPT, [*told, (18, b"Welcome\x1b[31m")])]) as server:
        answer = asks(of(server))
    assert answer == radius.Answer(
        "127.0.0.1", True, False, ("istars-write", "other"), 6, 600, "Welcome [31m"
    )  # fmt: skip


def test_a_question_is_signed_names_the_card_and_hides_the_password() -> None:
    password = "drei grüne Boote und eine sehr lange Reise über das Meer"
    with RadiusServer(lambda _: [Reply(ACCEPT)]) as server:
        asks(of(server), "변전소", password)
    (question,) = server.asked
    assert question.signed
    assert question.password == password
    assert "grüne".encode() not in question.raw
    assert question.raw[20] == 80, "in front, so that nothing can be put before it"
    assert question.attributes[1].decode() == "변전소"
    assert (question.attributes[32], question.attributes[31]) == (b"UPS-A", b"10.0.0.7")
    assert question.attributes[6] == (1).to_bytes(4, "big")


def test_no_two_questions_are_alike() -> None:
    with RadiusServer(lambda _: [Reply(REJECT)]) as server:
        for _ in range(8):
            asks(of(server))
    assert len({question.raw[4:20] for question in server.asked}) == 8


@pytest.mark.parametrize(("code", "challenged"), [(REJECT, False), (CHALLENGE, True)])
def test_no_other_answer_lets_anybody_in(code: int, challenged: bool) -> None:
    with RadiusServer(lambda _: [Reply(code, [(11, b"istars-administrator"), (24, b"state")])]) as server:
        answer = asks(of(server))
    assert (answer.accepted, answer.challenged) == (False, challenged)


BAD = {
    "without Message-Authenticator": (Reply(ACCEPT, signed=False), radius.UNSIGNED),
    "with another secret": (Reply(ACCEPT, secret=b"another"), radius.FOREIGN),
    "with an attribute changed on the way": (
        Reply(ACCEPT, [(11, b"istars-read")], spoil=lambda raw: raw.replace(b"istars-read", b"istars-reed")),
        radius.FOREIGN,
    ),
    "a reject made an accept": (Reply(REJECT, spoil=lambda raw: bytes([ACCEPT]) + raw[1:]), radius.FOREIGN),
    "to another question": (Reply(ACCEPT, spoil=lambda raw: raw[:1] + bytes([raw[1] ^ 1]) + raw[2:]), radius.FOREIGN),
    "cut off": (Reply(ACCEPT, spoil=lambda raw: raw[:30]), radius.SILENT),
    "noise": (Reply(ACCEPT, spoil=lambda _: b"\xff" * 100), radius.SILENT),
    "nothing in it": (Reply(ACCEPT, spoil=lambda _: b""), radius.SILENT),
    "an attribute without a length": (
        Reply(ACCEPT, spoil=lambda raw: raw[:2] + (22).to_bytes(2, "big") + raw[4:20] + b"\x0b\x00"),
        radius.SILENT,
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_an_answer_that_does_not_count(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # the time is over when the first answer has come, however long that took
    moments = iter((0.0, 0.0))
    monkeypatch.setattr(clock, "boottime", lambda: next(moments, 1_000.0))
    reply, reason = BAD[name]
    with RadiusServer(lambda _: [reply]) as server, pytest.raises(NoAnswer, match=f"^127.0.0.1: {reason}$"):
        asks(of(server))


def test_a_good_answer_counts_after_bad_ones() -> None:
    bad = [reply for reply, _ in BAD.values()]
    with RadiusServer(lambda _: [*bad, Reply(ACCEPT, [(11, b"istars-read")])]) as server:
        assert asks(of(server)).accepted


def test_a_question_is_repeated_as_it_was() -> None:
    def second_time(question: Asked) -> list[Reply]:
        return [Reply(ACCEPT)] if len(server.asked) >= 2 else []

    with RadiusServer(second_time) as server:
        assert asks(of(server, timeout_s=SHORT_S, tries=500)).accepted
    assert server.asked[0].raw == server.asked[1].raw


def test_the_second_server_is_asked_where_the_first_is_silent_and_never_after_a_reject() -> None:
    with RadiusServer(lambda _: []) as silent, pytest.raises(NoAnswer) as told:
        asks(Servers(("127.0.0.1", "localhost"), silent.port, SECRET, SHORT_S, 2))
    assert len(silent.asked) == 4
    assert str(told.value) == f"127.0.0.1: {radius.SILENT}; localhost: {radius.SILENT}"
    with RadiusServer(lambda _: [Reply(REJECT)]) as server:
        assert not asks(Servers(("127.0.0.1", "localhost"), server.port, SECRET, 10.0, 2)).accepted
    assert len(server.asked) == 1


def test_a_port_where_nobody_is_and_a_name_that_nobody_has() -> None:
    with RadiusServer(lambda _: []) as gone:
        pass
    with pytest.raises(NoAnswer, match=f"^127.0.0.1: {radius.CLOSED}$"):
        asks(of(gone))
    with pytest.raises(NoAnswer, match=r"^nowhere\.invalid: "):
        asks(Servers(("nowhere.invalid",), 1812, SECRET))


@pytest.mark.parametrize(
    ("secret", "password", "reason"),
    [
        ("", "fine", "no shared secret is set"),
        (SECRET, "x" * 129, "at most 128 bytes"),
        (SECRET, "ü" * 65, "at most 128 bytes"),
        (SECRET, "a\0b", "null byte"),
    ],
)
def test_what_is_never_sent(secret: str, password: str, reason: str) -> None:
    with RadiusServer(lambda _: [Reply(ACCEPT)]) as server, pytest.raises(NoAnswer, match=reason):
        asks(of(server, secret=secret), password=password)
    assert server.asked == []
