"""What firewall and proxy are told, and when."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest
from istars.platform import doors, tls
from istars.platform.doors import Doors, DoorsFailed

Ports = Mapping[str, tuple[int, ...]]
SSH: Ports = {"tcp": (22,), "udp": ()}


@pytest.fixture
def programs(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of a card, and an `nft` that writes down how it was called."""
    doors.folder().mkdir(parents=True)
    log = tmp_path / "called"
    log.touch()
    nft = tmp_path / "bin" / "nft"
    nft.parent.mkdir()
    nft.write_text(
        f'#!/bin/sh\necho "$@" >>{log}\n[ ! -e {tmp_path}/refuse ] || {{ echo "Error: syntax error" >&2; exit 1; }}\n'
    )
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{nft.parent}:{os.environ['PATH']}")
    return log


def part(name: str) -> str:
    return (doors.folder() / name).read_text(encoding="utf-8")


def test_a_service_that_is_switched_on_is_let_in(programs: Path) -> None:
    Doors().look(plain_http=False, open_ports={"udp": (161,), "tcp": (3493, 22)})
    assert part("services.nft") == "tcp dport { 22, 3493 } accept\nudp dport { 161 } accept\n"


def test_a_protocol_without_a_service_opens_nothing(programs: Path) -> None:
    Doors().look(plain_http=False, open_ports={"tcp": ()})
    assert part("services.nft") == ""


def test_the_firewall_is_told_once_and_again_when_something_changes(programs: Path) -> None:
    made = Doors()
    made.look(plain_http=False, open_ports={})
    made.look(plain_http=False, open_ports={})
    assert len(programs.read_text(encoding="utf-8").splitlines()) == 1
    made.look(plain_http=False, open_ports=SSH)
    assert len(programs.read_text(encoding="utf-8").splitlines()) == 2


def test_rules_that_were_refused_are_tried_again(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "refuse").touch()
    made = Doors()
    with pytest.raises(DoorsFailed, match="syntax error"):
        made.look(plain_http=False, open_ports={})
    (tmp_path / "refuse").unlink()
    made.look(plain_http=False, open_ports={})
    assert len(programs.read_text(encoding="utf-8").splitlines()) == 2


def test_port_80_leads_to_https_unless_plain_http_is_wanted(programs: Path) -> None:
    made = Doors()
    made.look(plain_http=False, open_ports={})
    assert "return 307 https://$host$request_uri" in part("http.conf")
    assert "/api/health" in part("http.conf")
    made.look(plain_http=True, open_ports={})
    assert "return" not in part("http.conf")


def test_the_proxy_waits_for_a_certificate_and_learns_of_a_new_one(programs: Path) -> None:
    made = Doors()
    made.look(plain_http=False, open_ports={})
    assert not (doors.folder() / "tls.conf").exists()
    file = tls.folder() / "server.pem"
    file.parent.mkdir(parents=True)
    file.write_text("one", encoding="ascii")
    made.look(plain_http=False, open_ports={})
    first = part("tls.conf")
    assert f"ssl_certificate {file};" in first
    replacement = file.with_name("new")
    replacement.write_text("two", encoding="ascii")
    replacement.replace(file)
    made.look(plain_http=False, open_ports={})
    assert part("tls.conf") != first


def test_a_machine_that_is_no_card_is_left_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    Doors().look(plain_http=False, open_ports=SSH)
    assert not doors.folder().exists()
