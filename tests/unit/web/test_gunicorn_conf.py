"""How the web server is set up: the port it cannot have, and its sign of life."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from card import free_port
from gunicorn.workers.gthread import ThreadWorker
from istars.web import gunicorn_conf
from istars.web.worker import PagesWorker


@pytest.fixture
def taken(monkeypatch):
    """A port that another program uses."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = other.getsockname()
        monkeypatch.setattr(gunicorn_conf, "_address", address)
        monkeypatch.setattr(gunicorn_conf, "PORT_PATIENCE_S", 0.0)
        yield address[1]


def test_port_in_use_is_one_clear_line(taken, capsys):
    with pytest.raises(SystemExit) as ended:
        gunicorn_conf.on_starting(None)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"ERROR web: cannot serve on 127.0.0.1:{taken}: another program uses it\n"


def test_port_that_is_given_back_meanwhile(monkeypatch):
    """The worker of a killed parent holds the port for a moment longer."""
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    monkeypatch.setattr(gunicorn_conf, "_address", other.getsockname())
    monkeypatch.setattr(gunicorn_conf.time, "sleep", lambda _: other.close())
    gunicorn_conf.on_starting(None)
    assert other.fileno() == -1


def test_only_this_machine_is_served_unless_told():
    assert all(each.startswith("127.0.0.1:") for each in gunicorn_conf.bind)
    assert gunicorn_conf.forwarded_allow_ips == ""
    assert gunicorn_conf.secure_scheme_headers == {}


def test_loop_of_the_server_gives_signs_of_life(app, live, monkeypatch):
    alarms = []
    monkeypatch.setattr(ThreadWorker, "notify", lambda _: None)
    monkeypatch.setattr("signal.alarm", alarms.append)
    worker = object.__new__(PagesWorker)
    worker.wsgi = None
    worker.notify()
    assert not live.heartbeats()
    worker.wsgi = app
    worker.notify()
    assert live.heartbeats().keys() == {"web"}
    # each time, the alarm clock that ends a loop that hangs is wound up again
    assert alarms == [30, 30]


@pytest.mark.thorough
def test_pages_whose_loop_hangs_are_ended(root):
    code = (
        "import time; from istars.web import worker; from istars.web.serve import Pages; worker.HANGS_AFTER_S = 1; "
        "worker.PagesWorker.murder_keepalived = lambda self: time.sleep(60); Pages().run()"
    )
    environment = {**os.environ, "HTTP_PORT": str(free_port())}
    done = subprocess.run([sys.executable, "-c", code], env=environment, timeout=30, check=False)
    assert done.returncode == -signal.SIGALRM
