"""The card's question to a RADIUS server that is not ours: FreeRADIUS, on the loopback, with a configuration of the test."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest
from card import until
from istars.platform import radius
from istars.platform.radius import Answer, NoAnswer, Servers, ask

pytestmark = pytest.mark.peer

FREERADIUS = "/usr/sbin/freeradius"
SECRET = "4zR!k2 w=ä of the tests"
PASSWORD = "drei grüne Boote"

CONFIG = """
name = radiusd
logdir = {folder}
run_dir = {folder}
pidfile = {folder}/radiusd.pid
libdir = /usr/lib/freeradius
security {{
    reject_delay = 0
    status_server = no
}}
client card {{
    ipaddr = 127.0.0.1
    secret = "{secret}"
    require_message_authenticator = yes
}}
modules {{
    pap {{
    }}
    files {{
        filename = {folder}/users
    }}
}}
{servers}
"""
SERVER = """
server {name} {{
    listen {{
        type = auth
        ipaddr = 127.0.0.1
        port = {port}
    }}
    authorize {{
        files
        pap
    }}
    authenticate {{
        pap
    }}
    post-auth {{
        {signed}
        Post-Auth-Type REJECT {{
            {signed}
        }}
    }}
}}
"""
SIGNED = "update reply { Message-Authenticator := 0x00000000000000000000000000000000 }"
USERS = f"""
eve Cleartext-Password := "{PASSWORD}"
    Filter-Id = "istars-write",
    Session-Timeout = 600,
    Reply-Message = "Welcome, eve"

boss Cleartext-Password := "{PASSWORD}"
    Service-Type = Administrative-User

only-there Cleartext-Password := "{PASSWORD}", Calling-Station-Id == "10.0.0.7", NAS-Identifier == "UPS-A"
    Filter-Id = "istars-read"
"""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses for datagrams now."""
    probes = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """Ports of two servers that know the same users: one signs its answers, the other does not."""
    assert shutil.which(FREERADIUS), "freeradius is not installed: make setup"
    folder, (signed, unsigned) = tmp_path_factory.mktemp("radius"), free_ports(2)
    servers = SERVER.format(name="signed", port=signed, signed=SIGNED)
    servers += SERVER.format(name="unsigned", port=unsigned, signed="")
    (folder / "radiusd.conf").write_text(CONFIG.format(folder=folder, secret=SECRET, servers=servers), encoding="utf-8")
    (folder / "users").write_text(USERS, encoding="utf-8")
    (folder / "dictionary").write_text("", encoding="utf-8")
    folder.chmod(0o750)
    log = folder / "said.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [FREERADIUS, "-f", "-l", "stdout", "-d", str(folder)], stdout=out, stderr=subprocess.STDOUT
        )
    try:
        said = lambda: log.read_text(encoding="utf-8", errors="replace")  # noqa: E731
        until(lambda: "Ready to process requests" in said() or process.poll() is not None, "the server is ready")
        assert process.poll() is None, said()
        yield signed, unsigned
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def asked(port: int, name: str, password: str = PASSWORD, secret: str = SECRET, timeout_s: float = 10.0) -> Answer:
    servers = Servers(("127.0.0.1",), port, secret, timeout_s, 1)
    return ask(servers, name, password, address="10.0.0.7", card="UPS-A")


def test_it_accepts_and_says_what_is_allowed(ports: tuple[int, int]) -> None:
    assert asked(ports[0], "eve") == Answer("127.0.0.1", True, False, ("istars-write",), None, 600, "Welcome, eve")
    assert asked(ports[0], "boss").service == 6


def test_it_rejects_a_wrong_password_and_a_name_it_does_not_know(ports: tuple[int, int]) -> None:
    assert not asked(ports[0], "eve", "wrong").accepted
    assert not asked(ports[0], "eve", PASSWORD + "x" * 100).accepted
    assert not asked(ports[0], "nobody").accepted


def test_it_may_judge_by_the_address_of_the_browser_and_the_name_of_the_card(ports: tuple[int, int]) -> None:
    assert asked(ports[0], "only-there").filters == ("istars-read",)
    servers = Servers(("127.0.0.1",), ports[0], SECRET, 10.0, 1)
    assert not ask(servers, "only-there", PASSWORD, address="10.0.0.8", card="UPS-A").accepted
    assert not ask(servers, "only-there", PASSWORD, address="10.0.0.7", card="UPS-B").accepted


def test_it_is_silent_to_a_wrong_secret(ports: tuple[int, int]) -> None:
    with pytest.raises(NoAnswer, match=radius.SILENT):
        asked(ports[0], "eve", secret="another secret", timeout_s=0.5)


def test_its_answer_without_message_authenticator_is_refused(ports: tuple[int, int]) -> None:
    with pytest.raises(NoAnswer, match=radius.UNSIGNED):
        asked(ports[1], "eve", timeout_s=3.0)
