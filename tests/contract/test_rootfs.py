"""What lies in the card's root file system agrees with the program and with the tables that it comes from."""

from __future__ import annotations

import configparser
import json
import re
from pathlib import Path

from istars.platform import ssh
from istars.workers.base import FAMILY, PROCESSES
from istars.workers.nursery import ACCOUNTS

TREE = Path(__file__).resolve().parents[2]
ROOTFS = TREE / "rootfs"
USERS = TREE / "buildroot-external" / "boards" / "common" / "users.txt"
STAY_ROOT = {"updater", "system"}


def users() -> dict[str, str]:
    """Account to its group."""
    lines = [
        line.split() for line in USERS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    return {words[0]: words[2] for words in lines}


def test_every_worker_has_an_account_or_must_be_root() -> None:
    assert set(ACCOUNTS) | STAY_ROOT == set(FAMILY)
    assert not set(ACCOUNTS) & STAY_ROOT
    # those that face the network share none with those that hold the devices
    assert not {ACCOUNTS[name] for name in ("core", "notifier", "snmpd")} & {
        ACCOUNTS[name] for name in ("upslink", "modem")
    }
    assert list(ACCOUNTS.values()).count(ACCOUNTS["web"]) == 1
    # a process has one account
    assert [pair for pair in PROCESSES if len({ACCOUNTS.get(name) for name in pair.split("+")}) > 1] == []
    assert {users()[name] for name in ACCOUNTS.values()} == {"istars"}


def test_the_proxy_has_an_account_outside_the_group_of_the_workers() -> None:
    found = re.search(
        r"^user (\w+) (\w+);$", (ROOTFS / "etc/nginx/nginx.conf").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert found is not None
    assert users()[found[1]] == found[2] != "istars"


def test_the_command_line_is_closed_at_first_and_only_for_holders_of_a_key() -> None:
    lines = USERS.read_text(encoding="utf-8").splitlines()
    words = next(line.split() for line in lines if line.startswith(f"{ssh.ACCOUNT} "))
    assert words[2:7] == ["istars", "900", "*", str(ssh.home()), "/bin/sh"]
    said = configparser.ConfigParser()
    said.read(ROOTFS / "etc/supervisor.d/card.conf", encoding="utf-8")
    program = said[f"program:{ssh.PROGRAM}"]
    assert program["autostart"] == "false"
    command = program["command"].split()
    # no passwords, not root, no way through to other machines
    assert {"-s", "-w", "-j", "-k"} < set(command)
    assert command[command.index("-r") + 1] == str(ssh.host_key())
    assert command[command.index("-p") + 1] == str(ssh.PORT)
    others = [line.split()[6] for line in lines if line and not line.startswith(("#", f"{ssh.ACCOUNT} "))]
    assert set(others) == {"-"}, "nobody else has a shell"


def test_supervisord_starts_the_family() -> None:
    text = (ROOTFS / "etc/supervisord.conf").read_text(encoding="utf-8")
    found = re.search(r"^command=\S+ -m istars workers (.+)$", text, re.MULTILINE)
    assert found is not None
    assert tuple(found[1].split()) == PROCESSES


def test_the_environment_of_the_boot_loader_is_where_the_partitions_are() -> None:
    table = json.loads((TREE / "firmware/partitions.json").read_text(encoding="utf-8"))
    lines = (ROOTFS / "etc/fw_env.config").read_text(encoding="utf-8").splitlines()
    size, offset = table["environment"]["size"], table["environment"]["offset"]
    wanted = [f"/dev/disk/by-partlabel/{name} {offset:#x} {size:#x}" for name in ("env", "env-red")]
    assert [line for line in lines if not line.startswith("#")] == wanted


def test_what_is_let_in_before_the_settings_are_known_is_the_pages_alone() -> None:
    text = (ROOTFS / "etc/nftables.conf").read_text(encoding="utf-8")
    assert re.findall(r"dport (.+?) accept", text) == ["68", "{ 80, 443 }"]
    assert re.findall(r"policy (\w+);", text) == ["drop", "drop"]


def test_both_ways_of_an_upload_are_streamed_by_the_proxy() -> None:
    text = (ROOTFS / "etc/nginx/nginx.conf").read_text(encoding="utf-8")
    assert set(re.findall(r"location = (\S+) {\n\t+include /etc/nginx/upload.conf;", text)) == {
        "/api/v1/firmware/package",
        "/assistant/firmware/upload",
    }


def test_a_card_asks_for_the_purpose_of_a_signer() -> None:
    said = configparser.ConfigParser()
    said.read_string((TREE / "firmware/system.conf.in").read_text(encoding="utf-8"))
    assert said["keyring"]["check-purpose"] == "codesign"
    assert said["system"]["bundle-formats"] == "-plain"
