"""Getting messages out: an endpoint is opened, messages go through it in their order, each ends in one of three ways."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from istars.errors import IStarsError, StoreError
from istars.notify.recipients import shown
from istars.settings import Settings
from istars.store.outbox import Draft, Message, Outbox

log = logging.getLogger(__name__)

FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 600.0
MOST_ATTEMPTS = 450
"""With the pauses above, a little more than three days."""


class Undelivered(IStarsError):
    """A message did not get out. `final` says that trying again is of no use, `whole` that the endpoint itself does not work."""

    def __init__(self, reason: str, *, whole: bool = True, final: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.whole = whole
        self.final = final


class Way(Protocol):
    """An open endpoint."""

    def send(self, message: Message) -> str:
        """Send one message and answer what the other side said. Raises Undelivered."""


Opener = Callable[[Settings, str], AbstractContextManager[Way]]
"""Opens the endpoint of this name with these settings. Raises Undelivered."""


def pause_s(attempts: int) -> float:
    """Pause after so many attempts: 10 s, 20 s, 40 s ... 10 min."""
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(0, attempts - 1), 10))


class Delivery:
    """Empties one endpoint of the outbox as far as that is possible now.

    `still_true` says whether a message is still to be sent, `following` which message follows one that was sent; `ended` is told
    of each message that has its final state.
    """

    def __init__(
        self,
        outbox: Outbox,
        settings: Settings,
        openers: Mapping[str, Opener],
        *,
        still_true: Callable[[Message], bool] = lambda _message: True,
        following: Callable[[Message], Draft | None] = lambda _message: None,
        ended: Callable[[Message, str, str], None] = lambda _message, _state, _result: None,
    ) -> None:
        self._outbox = outbox
        self._settings = settings
        self._openers = openers
        self._still_true = still_true
        self._following = following
        self._ended = ended

    def run(self, endpoint: str) -> str:
        """Send what is due at `endpoint`; answers why not all could be sent, or an empty text."""
        trouble = ""
        while (message := self._next(endpoint)) is not None:
            failed = self._send_from(endpoint, message)
            trouble = ""
            if failed is None:
                continue
            stopped_at, problem = failed
            # Who tries an address that the server does not know has seen its answer: the way itself works.
            if problem.whole or stopped_at.kind != "test":
                trouble = problem.reason
            if problem.whole and stopped_at is not message:
                # It worked until here: servers end a session after some messages. This one begins the next session.
                self._outbox.release(stopped_at)
            elif not self._not_sent(stopped_at, problem):
                break
        return trouble

    def _send_from(self, endpoint: str, first: Message) -> tuple[Message, Undelivered] | None:
        """Send `first` and what is due after it; answers the message that could not be sent, and why."""
        message, following = first, first  # type: Message, Message | None
        try:
            with self._openers[endpoint.partition(".")[0]](self._settings, endpoint) as way:
                while following is not None:
                    message = following
                    self._finish(message, "sent", way.send(message))
                    following = self._next(endpoint)
        except Undelivered as problem:
            return message, problem
        except StoreError:
            raise
        except Exception as defect:
            # Let through, it would end this program now and after each restart, and nobody would be told anything any more.
            log.exception("%s to %s cannot be sent", message.code, shown(endpoint, message.recipient))
            return message, Undelivered(f"an unknown failure: {type(defect).__name__}", whole=False, final=True)
        return None

    def _next(self, endpoint: str) -> Message | None:
        """The next message that is due and still true."""
        while (message := self._outbox.claim(endpoint)) is not None and not self._still_true(message):
            self._outbox.end(message, "withdrawn", "the alarm is over or acknowledged")
        return message

    def _finish(self, message: Message, state: str, result: str) -> None:
        self._outbox.end(message, state, result, self._following(message) if state == "sent" else None)
        self._ended(message, state, result)

    def _not_sent(self, message: Message, problem: Undelivered) -> bool:
        """Plan the next try, or give up; answers whether the endpoint is worth going on with now."""
        name = shown(message.endpoint, message.recipient)
        log.warning("%s to %s is not sent: %s", message.code, name, problem.reason)
        # somebody waits for what comes of it: a test, a report that was asked for
        if message.kind == "test" or "command" in message.body or problem.final or message.attempts >= MOST_ATTEMPTS:
            self._finish(message, "failed", problem.reason)
            # Another test, or a message that waits: it finds out itself whether the endpoint works.
            return True
        self._outbox.postpone(message, pause_s(message.attempts), problem.reason, whole_endpoint=problem.whole)
        return not problem.whole
