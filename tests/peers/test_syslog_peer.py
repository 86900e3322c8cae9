"""Events in rsyslog: over UDP, TCP and TLS, whole and in their order."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from istars.settings.store import save
from peers.mail_server import certificate
from peers.notifying import Notifying, notifying, until

pytestmark = pytest.mark.peer


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    return certificate(tmp_path_factory.mktemp("tls"), "log", "localhost")


@pytest.fixture
def card(root: Path, tls: tuple[Path, Path, str]) -> Iterator[Notifying]:
    with notifying(SSL_CERT_FILE=str(tls[0])) as made:
        yield made


class Rsyslog:
    """A server that writes what it has understood as JSON, one line a message."""

    def __init__(self, folder: Path, module: str, port: int) -> None:
        self.file = folder / "received.jsonl"
        self.config = folder / "rsyslog.conf"
        self.folder = folder
        self.port = port
        self.config.write_text(
            f"{module}\n"
            'template(name="json" type="list" option.jsonf="on") {\n'
            + "".join(
                f'  property(outname="{name}" name="{source}" format="jsonf")\n'
                for name, source in (
                    ("severity", "syslogseverity-text"), ("facility", "syslogfacility-text"), ("app", "app-name"),
                    ("id", "msgid"), ("data", "structured-data"), ("text", "msg"), ("time", "timereported"),
                )
            )
            + f'}}\naction(type="omfile" file="{self.file}" template="json")\n',
            encoding="utf-8",
        )  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, tcp: bool) -> None:
        pid = self.folder / "pid"
        self._process = subprocess.Popen(["/usr/sbin/rsyslogd", "-n", "-f", str(self.config), "-i", str(pid)])
        kind = socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM

        def listens() -> bool:
            with socket.socket(socket.AF_INET, kind) as probe:
                if tcp:
                    return probe.connect_ex(("127.0.0.1", self.port)) == 0
                try:
                    probe.bind(("127.0.0.1", self.port))
                except OSError:
                    return True
            return False

        until(listens, "rsyslog listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def received(self) -> list[dict[str, str]]:
        if not self.file.exists():
            return []
        lines = self.file.read_text(encoding="utf-8").splitlines()
        return [found for line in lines if (found := json.loads(line))["app"] == "istars"]


@contextmanager
def rsyslog(folder: Path, transport: str, tls: tuple[Path, Path, str]) -> Iterator[Rsyslog]:
    port = free_port()
    modules = {
        "udp": f'module(load="imudp")\ninput(type="imudp" address="127.0.0.1" port="{port}")',
        "tcp": f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{port}")',
        "tls": (
            f'global(DefaultNetstreamDriver="gtls" DefaultNetstreamDriverCAFile="{tls[0]}" '
            f'DefaultNetstreamDriverCertFile="{tls[0]}" DefaultNetstreamDriverKeyFile="{tls[1]}")\n'
            'module(load="imtcp" StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon")\n'
            f'input(type="imtcp" address="127.0.0.1" port="{port}")'
        ),
    }
    server = Rsyslog(folder, modules[transport], port)
    server.start(tcp=transport != "udp")
    try:
        yield server
    finally:
        server.stop()


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_events_arrive_as_rsyslog_understands_them(
    card: Notifying, tmp_path: Path, tls: tuple[Path, Path, str], transport: str
) -> None:
    with rsyslog(tmp_path, transport, tls) as server:
        save(
            {
                "system.name": "UPS-A",
                "syslog.2.host": "localhost" if transport == "tls" else "127.0.0.1",
                "syslog.2.port": str(server.port),
                "syslog.2.transport": transport,
            }
        )
        card.begin()
        card.happen("BATTERY_LOW")
        card.happen("BATTERY_LOW", "clear")
        until(lambda: len(server.received()) == 2, "both events arrive")
        low, over = server.received()
    assert (low["severity"], low["facility"], low["id"], low["text"]) == (
        "crit",
        "local0",
        "BATTERY_LOW",
        "\ufeffBattery low",
    )
    assert '[ups@32473 card="UPS-A" kind="raise" severity="critical" alarm="alarm-1"' in low["data"]
    assert (over["severity"], over["text"]) == ("info", "\ufeffBattery no longer low")


def test_a_certificate_that_nobody_vouches_for_is_not_accepted(
    root: Path, tmp_path: Path, tls: tuple[Path, Path, str]
) -> None:
    with notifying() as card, rsyslog(tmp_path, "tls", tls) as server:
        save({"syslog.1.host": "localhost", "syslog.1.port": str(server.port), "syslog.1.transport": "tls"})
        card.begin()
        said = card.test_message("syslog.1", "localhost")
        assert said.startswith("failed: the certificate of localhost is not accepted")
        save({"syslog.1.fingerprint": tls[2]})
        assert card.test_message("syslog.1", "localhost") == "done: sent"
        until(lambda: len(server.received()) == 1, "the test message arrives")
    assert server.received()[0]["id"] == "TEST"


def test_what_happens_while_the_server_is_away_arrives_when_it_is_back(
    card: Notifying, tmp_path: Path, tls: tuple[Path, Path, str]
) -> None:
    with rsyslog(tmp_path, "tcp", tls) as server:
        save({"syslog.1.host": "127.0.0.1", "syslog.1.port": str(server.port), "syslog.1.transport": "tcp"})
        card.begin()
        card.happen("ON_BATTERY")
        until(lambda: len(server.received()) == 1, "the first event arrives")
        server.stop()
        card.happen("BATTERY_LOW")
        until(lambda: "refused" in card.results("syslog")[-1], "the card has noticed")
        server.start(tcp=True)
        save({"syslog.1.delay": "1"})
        until(lambda: len(server.received()) == 2, "the second event arrives")
    assert [message["id"] for message in server.received()] == ["ON_BATTERY", "BATTERY_LOW"]
