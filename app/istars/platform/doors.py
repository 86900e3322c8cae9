"""Which doors of the card are open: its firewall and the proxy in front of the pages, written from the settings.

The parts that depend on the settings are small files in memory, which `etc/nftables.conf` and `etc/nginx/nginx.conf` of the root
file system include; both programs are told when one of them has changed. Nothing happens on a machine that has no such folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from istars.errors import IStarsError
from istars.platform import files, paths, tls

PATIENCE_S = 20.0

_HEALTH = "location = /api/health {\n\tproxy_pass http://pages;\n}\n"
# what a form sends has been seen by everybody on the way: it must not seem to have worked
_LEAD = _HEALTH + "location / {\n\tlimit_except GET {\n\t\tdeny all;\n\t}\n\treturn 307 https://$host$request_uri;\n}\n"
_SERVE = "location / {\n\tproxy_pass http://pages;\n}\n"


class DoorsFailed(IStarsError):
    """The firewall or the proxy did not take what the settings ask for; what was before holds."""


def folder() -> Path:
    """Where the parts lie that depend on the settings."""
    return paths.root() / "run" / "istars-doors"


def firewall(open_ports: Mapping[str, tuple[int, ...]]) -> bytes:
    """The rules for the services that are switched on; `open_ports` is protocol (`tcp`, `udp`) to ports."""
    lines = [
        f"{protocol} dport {{ {', '.join(str(port) for port in sorted(ports))} }} accept\n"
        for protocol, ports in sorted(open_ports.items())
        if ports
    ]
    return "".join(lines).encode()


def proxy(*, plain_http: bool) -> bytes:
    """What port 80 answers: the pages, or the way to https."""
    return (_SERVE if plain_http else _LEAD).encode()


def certificate(file: Path) -> bytes:
    """With which key and chain https is served."""
    status = file.stat()
    # the second line makes the text another one when the file was replaced
    return f"ssl_certificate {file};\nssl_certificate_key {file};\n# {status.st_ino} {status.st_mtime_ns}\n".encode()


class Doors:
    """Keeps firewall and proxy as the settings want them."""

    def __init__(self) -> None:
        self._rules_hold = False

    def look(self, *, plain_http: bool, open_ports: Mapping[str, tuple[int, ...]]) -> None:
        """Write what has changed and tell who reads it. Raises DoorsFailed; it is tried again at the next look."""
        if not folder().is_dir():
            return
        try:
            if _put("services.nft", firewall(open_ports)) or not self._rules_hold:
                self._rules_hold = False
                _run("nft", "-f", str(paths.root() / "etc" / "nftables.conf"))
                self._rules_hold = True
            changed = _put("http.conf", proxy(plain_http=plain_http))
            with contextlib.suppress(FileNotFoundError):
                # last: nginx starts when it is there
                changed |= _put("tls.conf", certificate(tls.server_file()))
            if changed:
                _reload_proxy()
        except OSError as error:
            raise DoorsFailed(f"{folder()}: {error.strerror}") from error


def _put(name: str, content: bytes) -> bool:
    """Write a part unless it is there already; True when it was written. Raises OSError."""
    path = folder() / name
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return False
    files.replace(path, content)
    return True


def _run(*words: str) -> None:
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        raise DoorsFailed(f"{words[0]}: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
        raise DoorsFailed(f"{words[0]}: {said[-1] if said else f'ended with status {done.returncode}'}")


def _reload_proxy() -> None:
    """Tell nginx, if it runs."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        number = int((paths.root() / "run" / "nginx" / "nginx.pid").read_text(encoding="ascii"))
        os.kill(number, signal.SIGHUP)
