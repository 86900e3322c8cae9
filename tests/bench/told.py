"""From the UPS's frame that says "on battery" to the SMTP DATA command, the trap and the webhook, all of one card at once.

A tap on the UPS's line notes when the frame passes; the three servers note when they are told. Mail goes by STARTTLS.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.smtp import SMTP
from card import Card, free_port, until
from istars.platform import clock
from peers.mail_server import MailServer, Postmaster, certificate
from simulators.server import Simulator

TURNS = 6
ON_BATTERY_TRAP = bytes.fromhex("06082b06010201210201")
"""1.3.6.1.2.1.33.2.1 as the value of a variable."""


@dataclass
class Told:
    """Milliseconds from the frame to each channel, for each failure of the mains, and the poll's interval."""

    interval_s: float
    after_ms: dict[str, list[float]] = field(default_factory=lambda: {"SMTP DATA": [], "trap": [], "webhook": []})


class Tap:
    """Stands between the card and the UPS on a TCP line; `at` is when the first frame passed that says "on battery"."""

    def __init__(self, ups: int) -> None:
        self._ups = ups
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.at: float | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                card, _ = self._listener.accept()
                ups = socket.create_connection(("127.0.0.1", self._ups))
                for link in (card, ups):
                    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass, args=(card, ups), daemon=True).start()
                threading.Thread(target=self._pass, args=(ups, card), kwargs={"watched": True}, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, *, watched: bool = False) -> None:
        line = b""
        with source, to, contextlib.suppress(OSError):
            while part := source.recv(4096):
                to.sendall(part)
                *frames, line = (line + part).split(b"\r") if watched else (b"",)
                # Q1: ... then eight bits, the first of which says that mains has failed
                if self.at is None and any(
                    frame.startswith(b"(") and frame.split()[-1][:1] == b"1" for frame in frames
                ):
                    self.at = clock.boottime()

    def close(self) -> None:
        self._listener.close()


class Heard:
    """When each channel was told of a mains failure for the first time since `forget`."""

    def __init__(self) -> None:
        self.at: dict[str, float] = {}

    def note(self, channel: str) -> None:
        self.at.setdefault(channel, clock.boottime())


def _mail_server(heard: Heard, postmaster: Postmaster, tls: tuple[Path, Path]) -> MailServer:
    class Noting(SMTP):
        async def smtp_DATA(self, arg: str) -> None:
            heard.note("SMTP DATA")
            await super().smtp_DATA(arg)

    made = MailServer(postmaster, tls)
    made.protocol = Noting
    return made


@contextlib.contextmanager
def _hook(heard: Heard) -> Iterator[int]:
    class Hook(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = clock.boottime()
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if (said["code"], said["kind"]) == ("ON_BATTERY", "raise"):
                heard.at.setdefault("webhook", at)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@contextlib.contextmanager
def _manager(heard: Heard) -> Iterator[int]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("127.0.0.1", 0))

        def listen() -> None:
            with contextlib.suppress(OSError):
                while told := link.recv(65_535):
                    if ON_BATTERY_TRAP in told:
                        heard.note("trap")

        threading.Thread(target=listen, daemon=True).start()
        port = int(link.getsockname()[1])
        yield port
        link.sendto(b"", ("127.0.0.1", port))


def _set(card: Card, **values: str) -> None:
    for key, value in values.items():
        result = card.python("settings", "set", key.replace("_", "."), value)
        assert result.returncode == 0, result.stderr


def measure(turns: int = TURNS) -> Told:
    """Take the mains away at random moments; note when each channel is told."""
    chance, heard, postmaster = random.Random(7), Heard(), Postmaster()
    made, key, fingerprint = certificate(Path(tempfile.mkdtemp(prefix="istars-bench-")), "server", "localhost")
    with contextlib.ExitStack() as stack:
        simulator = stack.enter_context(Simulator("megatec", tcp=free_port()))
        tap = Tap(int(simulator.tcp_port or 0))
        stack.callback(tap.close)
        hook, manager = stack.enter_context(_hook(heard)), stack.enter_context(_manager(heard))
        server = stack.enter_context(_mail_server(heard, postmaster, (made, key)))
        card = Card(UPS=f"tcp:127.0.0.1:{tap.port}", UPS_PROTOCOL="megatec")
        _set(
            card, mail_server="localhost", mail_port=str(server.port), mail_sender="ups@example.net",
            mail_fingerprint=fingerprint, snmp_trap_1_address="127.0.0.1", snmp_trap_1_port=str(manager),
            snmp_trap_1_community="public",
        )  # fmt: skip
        stack.enter_context(card)
        found = Told(float(card.python("settings", "get", "ups.poll.interval").stdout))
        for turn in range(turns):
            # Others than last time: who is told of the same alarm again and again gets a summary.
            address = {"mail.to.1.address": f"ann{turn}@example.net", "mail.to.1.events": "power"}
            _set(card, **{**address, "webhook.1.url": f"http://127.0.0.1:{hook}/{turn}"})
            heard.at.clear()
            tap.at = None
            threading.Event().wait(chance.random())
            simulator.control("mains off")
            until(lambda: len(heard.at) == len(found.after_ms), "all channels are told")
            assert tap.at is not None
            for channel, at in heard.at.items():
                found.after_ms[channel].append((at - tap.at) * 1e3)
            mails = len(postmaster.mails)
            simulator.control("mains on")
            until(lambda before=mails: len(postmaster.mails) > before, "mains is back")
            # The same trap is sent to nobody more often than every five seconds (RFC 1628).
            threading.Event().wait(5)
    return found
