"""An endpoint is emptied in its order, whatever the other side does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from istars.notify import delivery
from istars.notify.delivery import Delivery, Undelivered
from istars.platform import clock, paths
from istars.settings import Settings, load
from istars.store.archive import Event
from istars.store.outbox import Draft, Message, Outbox


class Server:
    """The other side: `moods` are taken one for each message, and one for each connection."""

    def __init__(self) -> None:
        self.got: list[str] = []
        self.opened = 0
        self.connecting: list[Exception] = []
        self.sending: list[Exception | None] = []

    @contextlib.contextmanager
    def open(self, _settings: Settings, _endpoint: str) -> Iterator[Server]:
        self.opened += 1
        if self.connecting:
            raise self.connecting.pop(0)
        yield self

    def send(self, message: Message) -> str:
        mood = self.sending.pop(0) if self.sending else None
        if mood is not None:
            raise mood
        self.got.append(message.event_key)
        return "250 ok"


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def outbox(root: Path, fake_clock: FakeClock) -> Iterator[Outbox]:
    with Outbox(paths.outbox_db()) as made:
        yield made


def fill(outbox: Outbox, count: int = 3, kind: str = "event") -> None:
    made = [
        Draft("mail", "a@b.example", Event(0, f"key-{number}", clock.wall(), "X", kind, "warning", {}))
        for number in range(1, count + 1)
    ]
    outbox.accept(made, count)


def run(outbox: Outbox, server: Server) -> str:
    return Delivery(outbox, load(), {"mail": server.open}).run("mail")


def states(outbox: Outbox) -> list[tuple[str, str]]:
    return [(message.state, message.result) for message in outbox.messages("mail")[::-1]]


def test_all_go_out_over_one_connection(outbox: Outbox, server: Server) -> None:
    fill(outbox)
    assert run(outbox, server) == ""
    assert server.got == ["key-1", "key-2", "key-3"]
    assert server.opened == 1


def test_a_server_that_is_down_is_tried_again_after_growing_pauses(
    outbox: Outbox, server: Server, fake_clock: FakeClock
) -> None:
    fill(outbox)
    server.connecting = [Undelivered("refused") for _ in range(12)]
    pauses = []
    for _ in range(12):
        assert run(outbox, server) == "refused"
        pause = outbox.next_due()["mail"] - clock.boottime()
        fake_clock.forward(pause - 0.5)
        assert run(outbox, server) == ""
        fake_clock.forward(0.5)
        pauses.append(round(pause))
    assert pauses == [10, 20, 40, 80, 160, 320, 600, 600, 600, 600, 600, 600]
    assert run(outbox, server) == ""
    assert server.got == ["key-1", "key-2", "key-3"]


def test_a_server_that_ends_the_session_is_called_again_at_once(outbox: Outbox, server: Server) -> None:
    fill(outbox, 5)
    server.sending = [None, None, Undelivered("421 too many messages in this session")]
    assert run(outbox, server) == ""
    assert server.got == [f"key-{number}" for number in range(1, 6)]
    assert server.opened == 2
    assert {message.attempts for message in outbox.messages("mail")} == {1}


def test_a_message_that_ends_every_session_is_not_tried_without_end(outbox: Outbox, server: Server) -> None:
    fill(outbox)
    server.sending = [None, Undelivered("closed"), Undelivered("closed")]
    assert run(outbox, server) == "closed"
    assert server.opened == 2
    assert states(outbox) == [("sent", "250 ok"), ("waiting", "closed"), ("waiting", "")]


def test_a_refusal_for_good_ends_that_message_alone(outbox: Outbox, server: Server) -> None:
    fill(outbox)
    server.sending = [Undelivered("550 no such user", whole=False, final=True)]
    run(outbox, server)
    assert states(outbox) == [("failed", "550 no such user"), ("sent", "250 ok"), ("sent", "250 ok")]


def test_after_some_days_it_is_given_up(
    outbox: Outbox, server: Server, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited = sum(delivery.pause_s(attempt) for attempt in range(1, delivery.MOST_ATTEMPTS))
    assert 3.0 < waited / 86_400 < 3.5
    monkeypatch.setattr(delivery, "MOST_ATTEMPTS", 3)
    fill(outbox, 1)
    server.connecting = [Undelivered("refused") for _ in range(3)]
    for _ in range(3):
        run(outbox, server)
        fake_clock.forward(3_600)
    assert states(outbox) == [("failed", "refused")]


def test_a_test_message_has_one_try(outbox: Outbox, server: Server) -> None:
    fill(outbox, 1, "test")
    server.connecting = [Undelivered("refused")]
    told = []
    Delivery(
        outbox, load(), {"mail": server.open}, ended=lambda message, state, result: told.append((state, result))
    ).run("mail")
    assert told == [("failed", "refused")]
    assert states(outbox) == told


def test_a_message_that_meets_a_defect_does_not_hold_up_the_others(outbox: Outbox, server: Server) -> None:
    fill(outbox)
    server.sending = [KeyError("defect")]
    run(outbox, server)
    assert states(outbox)[0] == ("failed", "an unknown failure: KeyError")
    assert server.got == ["key-2", "key-3"]


def test_what_is_no_longer_true_is_not_sent_and_what_follows_is_planned_with_it(outbox: Outbox, server: Server) -> None:
    fill(outbox)
    follow = Draft("mail", "a@b.example", Event(0, "key-3", 0.0, "X", "raise", "warning", {}), 60.0, "repeat", repeat=1)
    Delivery(
        outbox,
        load(),
        {"mail": server.open},
        still_true=lambda message: message.event_key != "key-2",
        following=lambda message: follow if message.event_key == "key-3" else None,
    ).run("mail")
    assert server.got == ["key-1", "key-3"]
    assert [state for state, _ in states(outbox)] == ["sent", "withdrawn", "sent", "waiting"]


def test_a_test_to_an_unknown_address_does_not_say_that_the_server_fails(outbox: Outbox, server: Server) -> None:
    fill(outbox, 1, "test")
    server.sending = [Undelivered("550 nobody of that name", whole=False, final=True)]
    assert run(outbox, server) == ""
    assert states(outbox) == [("failed", "550 nobody of that name")]
    outbox.accept([Draft("mail", "a@b.example", Event(0, "key-9", clock.wall(), "X", "event", "warning", {}))], 9)
    server.sending = [Undelivered("550 nobody of that name", whole=False, final=True)]
    assert run(outbox, server) == "550 nobody of that name"
