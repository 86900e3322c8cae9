"""How gunicorn serves the pages: `gunicorn -c python:istars.web.gunicorn_conf "istars.web.app:create_app()"`.

One process with threads: a second one would cost 20 MB, and what the threads share (accounts, throttle, built pages) would be
there twice. gunicorn's parent process is left out (`serve.py`).

    HTTP_PORT             port, 8080 without it
    HTTPS_PORT            port with encryption (platform/tls.py); without it there is none, as where a proxy does that
    ISTARS_HTTP_BIND      address, 127.0.0.1 without it; `unix:PATH` is a socket instead of a port, for a proxy on this machine
    ISTARS_HTTP_PROXY     1: believe what the proxy in front says about address and scheme; it encrypts with our certificate
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from typing import Any

from istars.platform import paths, sysinfo, tls

PORT_PATIENCE_S = 2.5
LINE = "%(levelname)s %(name)s: %(message)s"

_host = os.environ.get("ISTARS_HTTP_BIND") or "127.0.0.1"
_address = (_host, int(os.environ.get("HTTP_PORT") or "8080"))
_encrypted = (_host, int(os.environ.get("HTTPS_PORT") or "0"))


def shown(address: tuple[str, int]) -> str:
    """An address as gunicorn and people write it."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


_unix = _host.startswith("unix:")
bind = [_host] if _unix else [shown(_address), *([shown(_encrypted)] if _encrypted[1] else [])]
workers = 1
threads = 8
worker_connections = 100
worker_class = "istars.web.worker.PagesWorker"
# longer than the second between two polls of a page, so that they share one connection
keepalive = 15
graceful_timeout = 3
limit_request_line = 4094
limit_request_fields = 60
limit_request_field_size = 8190
# sendfile(2) writes past the encryption; gunicorn asks for one answer for all ports
sendfile = False
# gunicorn's file with the time of the last sign of life: never on flash
worker_tmp_dir = str(paths.run_dir()) if paths.run_dir().is_dir() else None
# headers of a proxy are read by our own middleware, and only when told so
forwarded_allow_ips = ""
secure_scheme_headers: dict[str, str] = {}
accesslog = None
errorlog = "-"
loglevel = "warning"
proc_name = "istars web"
# Everything to standard error, one line each, where supervisord collects it.
logconfig_dict: dict[str, Any] = {
    "root": {"level": "INFO", "handlers": ["error_console"]},
    "loggers": {
        "gunicorn.error": {"level": "WARNING", "handlers": [], "propagate": True},
        "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
    },
    "handlers": {
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {"generic": {"format": LINE, "class": "logging.Formatter"}},
}


def on_starting(_server: object) -> None:
    """Before the ports are opened: see that they can be had, and that there is a certificate."""
    if not _unix:
        wait_for(_address)
    if _encrypted[1]:
        wait_for(_encrypted)
    if _encrypted[1] or os.environ.get("ISTARS_HTTP_PROXY") == "1":
        tls.ensure(sysinfo.host_name(), sysinfo.addresses())


def wait_for(address: tuple[str, int]) -> None:
    """End with one clear line where a port cannot be had, instead of gunicorn's own dozen.

    After a killed parent its worker holds the port for up to a second longer.
    """
    reasons = {
        errno.EADDRINUSE: "another program uses it",
        errno.EACCES: "only root may use it",
        errno.EADDRNOTAVAIL: "this machine does not have the address",
    }
    until = time.monotonic() + PORT_PATIENCE_S
    while (error := _port_error(address)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
            reason = reasons.get(error.errno or 0, error.strerror)
            sys.stderr.write(f"ERROR web: cannot serve on {shown(address)}: {reason}\n")
            sys.exit(1)
        time.sleep(0.1)


def _port_error(address: tuple[str, int]) -> OSError | None:
    """Why a port cannot be had at this moment."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            return error
    return None
