"""`make run`: the whole card on this machine, under its real supervisor, with a simulated or a real UPS.

Prints one line when the first reading has arrived and the pages answer, and stops everything it started on Ctrl-C or SIGTERM.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType

TREE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TREE / "app")]

from istars import settings  # noqa: E402 - the tree must be on the path first
from istars.errors import IStarsError  # noqa: E402
from istars.platform import clock, paths  # noqa: E402
from istars.platform.supervisor import hurry  # noqa: E402
from istars.store.live import LiveTable  # noqa: E402

SIMULATORS = {
    "megatec": "megatec",
    "megatec-interactive": "megatec",
    "east": "east-ea900",
    "invt": "invt-hr11",
    **{
        name: name
        for name in (
            "q1",
            "mustek",
            "zinto",
            "mecer",
            "megatec-old",
            "voltronic-qs",
            "voltronic",
            "q6",
            "q2",
            "megatec-3ph",
            "huawei-ups2000",
            "kstar",
        )
    },
}
"""Simulator to the protocol that reads it."""

NETWORK = {"rfc1628": "snmp:127.0.0.1:{port}", "nut": "nut:sim@127.0.0.1:{port}"}
"""Simulators that are reached through the network, each its own protocol, and the port of the card that leads there."""

CELLS = {"megatec": "96"}
"""What the owner of that UPS would enter from its manual."""

HTTPS_AFTER_HTTP = 363
"""8443 beside 8080: whoever chooses another HTTP_PORT for a second instance need not choose two."""

SNMP_PORT = "1161"
"""161 belongs to root. The agent opens it when somebody may ask; a port in use is logged and tried again."""

SLOW_START_S = 10.0
PR_SET_PDEATHSIG = 1


def refuse(message: str) -> None:
    """End with one clear line."""
    sys.exit(f"make run: {message}")


def check_port(variable: str, port: int) -> None:
    """Refuse a port that cannot be used, naming the variable that chooses another."""
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or "there is none of this number"
            refuse(f"port {port} cannot be used ({reason}); choose another with {variable}=")


def free_port() -> int:
    """A port of the loopback that is free for TCP and UDP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            try:
                udp.bind(tcp.getsockname())
            except OSError:
                continue
            return int(tcp.getsockname()[1])


def own_instance() -> int:
    """The lock of this instance; refuse to run twice in one root."""
    descriptor = os.open(paths.run_dir() / "instance.lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        refuse(f"an instance is running in {paths.root()}; choose another root with ISTARS_ROOT=")
    return descriptor


def begin_like_a_boot() -> None:
    """Empty the folder that a machine finds empty when it starts; the lock stays."""
    for entry in paths.run_dir().iterdir():
        if entry.name == "instance.lock":
            continue
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    paths.make_dirs()


def add_simulator(name: str, environment: dict[str, str]) -> None:
    """Have the supervisor run a simulated UPS too, and point the link at it."""
    if name not in (*SIMULATORS, *NETWORK):
        known = ", ".join("sim:" + each for each in (*SIMULATORS, *NETWORK))
        refuse(f"there is no simulator {name!r}; there are: {known}")
    root = paths.root()
    link = root / "dev" / "ups"
    link.parent.mkdir(parents=True, exist_ok=True)
    control = paths.run_dir() / "sim.sock"
    extra = root / "etc" / "supervisor.d"
    extra.mkdir(parents=True, exist_ok=True)
    options = environment.get("SIM_OPTIONS", "")
    port = free_port() if name in NETWORK else 0
    where = f"--tcp {port}" if port else f"--link {link}"
    (extra / "simulator.conf").write_text(
        "[program:simulator]\n"
        f"command={sys.executable} -m simulators {name} {where} --control {control} {options}\n"
        f'environment=PYTHONPATH="{TREE / "app"}:{TREE / "tests"}"\n'
        "autorestart=true\nstartsecs=0\npriority=5\nstdout_logfile=NONE\n"
        "stderr_logfile=%(ENV_ISTARS_LOG)s\nstderr_logfile_maxbytes=0\n",
        encoding="utf-8",
    )
    environment["UPS"] = NETWORK[name].format(port=port) if port else str(link)
    environment.setdefault("UPS_PROTOCOL", SIMULATORS.get(name, name))
    if name == "nut" and not paths.settings_file().exists():
        settings.store.save({"ups.nut.user": "sim", "ups.nut.password": "sim"})
    if name in CELLS and not paths.settings_file().exists():
        settings.store.save({"ups.battery.cells": CELLS[name]})


def prepare_ups(environment: dict[str, str]) -> None:
    """Make the link of the card lead to what `UPS` names."""
    ups = environment.get("UPS") or "sim:megatec"
    (paths.root() / "etc" / "supervisor.d" / "simulator.conf").unlink(missing_ok=True)
    if ups.startswith("sim:"):
        add_simulator(ups.removeprefix("sim:"), environment)


def die_with_parent() -> None:
    """In the child: get SIGTERM when this script is killed without a chance to clean up."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def start_supervisor(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """The card's own supervisor with the card's own list of programs."""
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(TREE / "rootfs" / "etc" / "supervisord.conf")]
    # A session of its own: Ctrl-C at the terminal reaches this script alone, which stops the others in order.
    return subprocess.Popen(
        command, env=environment, cwd=paths.root(), start_new_session=True, preexec_fn=die_with_parent
    )


def first_reading() -> str | None:
    """None when a reading has arrived, otherwise why not."""
    try:
        table = LiveTable(paths.live_db())
    except IStarsError:
        return "the workers are starting"
    try:
        readings = table.readings()
    finally:
        table.close()
    status = readings.get("ups.status")
    if status is not None and not status.stale(clock.boottime()):
        return None
    detail = readings.get("istars.link.detail")
    return str(detail.value) if detail is not None else "the workers are starting"


def answers(url: str) -> bool:
    """Whether the pages answer."""
    try:
        with urllib.request.urlopen(f"{url}/api/health", timeout=2) as response:  # noqa: S310 - a fixed http address
            return bool(response.status == 200)
    except OSError:
        return False


def wait_until_ready(supervisor: subprocess.Popen[bytes], url: str) -> None:
    """Print the ready line as soon as it is true; say once what is missing if that takes long."""
    started = time.monotonic()
    told = False
    hurry(paths.run_dir() / "supervisor.sock")
    while supervisor.poll() is None:
        missing = first_reading()
        if missing is None and answers(url):
            sys.stdout.write(f"iStars is ready at {url}\n")
            sys.stdout.flush()
            return
        if not told and time.monotonic() - started > SLOW_START_S:
            told = True
            sys.stdout.write(f"still waiting: {missing or 'the pages do not answer'}; the pages are at {url}\n")
            sys.stdout.flush()
        time.sleep(0.05)


def main() -> int:
    """Run until told to stop."""
    environment = dict(os.environ)
    root = Path(environment.get("ISTARS_ROOT") or TREE / "build" / "run").absolute()
    environment["ISTARS_ROOT"] = os.environ["ISTARS_ROOT"] = str(root)
    if len(str(paths.wake_dir() / "upslink")) > paths.SOCKET_PATH_LIMIT:
        refuse(f"the path {root} is too long for sockets; choose a shorter one with ISTARS_ROOT=")
    port = int(environment.get("HTTP_PORT") or 8080)
    encrypted = int(environment.get("HTTPS_PORT") or port + HTTPS_AFTER_HTTP)
    paths.make_dirs()
    own_instance()
    begin_like_a_boot()
    check_port("HTTP_PORT", port)
    check_port("HTTPS_PORT", encrypted)
    environment["HTTP_PORT"], environment["HTTPS_PORT"] = str(port), str(encrypted)
    environment.setdefault("SNMP_PORT", SNMP_PORT)
    # A browser trusts the loopback without encryption; the card itself leads to https unless set otherwise.
    environment.setdefault("ISTARS_WEB_HTTP", "serve")
    environment.setdefault("ISTARS_LOG", "/dev/stderr")
    environment["ISTARS_PYTHON"] = sys.executable
    environment["PYTHONPATH"] = str(TREE / "app")
    prepare_ups(environment)

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    supervisor = start_supervisor(environment)
    try:
        wait_until_ready(supervisor, f"http://127.0.0.1:{port}")
        supervisor.wait()
    except KeyboardInterrupt:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        supervisor.terminate()
    supervisor.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
