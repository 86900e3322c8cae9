"""How the web server is set up: the port it cannot have, and its sign of life."""

import socket

import pytest
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
    monkeypatch.setattr(ThreadWorker, "notify", lambda _: None)
    worker = object.__new__(PagesWorker)
    worker.wsgi = None
    worker.notify()
    assert not live.heartbeats()
    worker.wsgi = app
    worker.notify()
    assert live.heartbeats().keys() == {"web"}
