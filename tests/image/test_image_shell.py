"""The command line of a card: over SSH where its owner has opened it, and at the serial console."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from guest import PROMPT, Guest
from pages import PASSWORD, PATIENCE_S, Owner
from stories import NAME, Stories, signed_in

CLOSED_S = 3.0
"""A port that is open says who it is in less."""


@pytest.fixture(scope="module")
def owner(first_card: Guest, stories: Stories) -> Owner:
    return stories.owner(first_card)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A private key; beside it lies the public one."""
    path = tmp_path_factory.mktemp("key") / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann@laptop", "-f", path], check=True)
    return path


@pytest.fixture
def opened(first_card: Guest, owner: Owner, key: Path) -> Iterator[str]:
    """A command line that is open to the holder of the key; the fingerprint that the page shows."""
    public = key.with_suffix(".pub").read_text(encoding="ascii").strip()
    change(owner, {"ssh.enabled": True, "ssh.key.1": public})
    first_card.until(lambda: state(owner) == "open", "the command line opens")
    yield readings(owner)["istars.ssh.fingerprint"]
    change(owner, {"ssh.enabled": False, "ssh.key.1": ""})
    first_card.until(lambda: state(owner) == "closed", "the command line closes")


def change(owner: Owner, settings: dict[str, object]) -> None:
    owner.json("/api/v1/settings", {"settings": settings}, "PATCH")


def readings(owner: Owner) -> dict[str, str]:
    return {row["name"]: str(row["value"]) for row in owner.json("/api/v1/readings")["readings"]}


def state(owner: Owner) -> str:
    return readings(owner).get("istars.ssh.state", "")


def ssh_words(card: Guest, key: Path, *more: str, account: str = "admin") -> list[str]:
    """Words of OpenSSH's client for this card."""
    options = {"StrictHostKeyChecking": "no", "UserKnownHostsFile": "/dev/null", "IdentitiesOnly": "yes", "BatchMode": "yes",
               "LogLevel": "ERROR"}  # fmt: skip
    chosen = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", "-i", str(key), "-p", f"{card.ssh}", *chosen, f"{account}@127.0.0.1", *more]


def run(card: Guest, key: Path, *words: str, account: str = "admin") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ssh_words(card, key, *words, account=account),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE_S,
    )


def answers(card: Guest) -> bool:
    """Whether something behind the port of SSH says who it is."""
    with socket.create_connection(("127.0.0.1", card.ssh)) as line:
        line.settimeout(CLOSED_S)
        try:
            return line.recv(4) == b"SSH-"
        except OSError:
            return False


def test_it_is_closed_until_somebody_opens_it(first_card: Guest, owner: Owner) -> None:
    assert state(owner) == "closed"
    assert not answers(first_card)


def test_who_has_the_key_uses_the_card_from_scripts(first_card: Guest, owner: Owner, key: Path, opened: str) -> None:
    done = run(first_card, key, "istars settings get system.name; id -un; istars settings set system.location Cellar")
    assert (done.stdout, done.stderr, done.returncode) == (f"{NAME}\nadmin\n", "", 0)
    assert owner.json("/api/v1/settings/system.location")["value"] == "Cellar"
    # the record names who it was, and where they came from
    record = signed_in(first_card).page("/assistant/audit.csv")
    assert re.search(r",admin,10\.0\.2\.2,settings changed,system\.location,", record), record


def test_the_card_has_the_key_that_its_page_shows(first_card: Guest, tmp_path: Path, opened: str) -> None:
    words = ["ssh-keyscan", "-t", "ed25519", "-p", f"{first_card.ssh}", "127.0.0.1"]
    scanned = subprocess.run(words, capture_output=True, check=True).stdout
    shown = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=scanned, capture_output=True, check=True).stdout
    assert shown.decode().split()[1] == opened


def test_nobody_else_gets_in_and_who_does_is_not_root(first_card: Guest, key: Path, opened: str) -> None:
    stranger = key.with_name("stranger")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    for account, used in (("root", key), ("web", key), ("admin", stranger)):
        refused = run(first_card, used, "id", account=account)
        assert refused.returncode == 255
        # by key alone: no password is even asked for
        assert "Permission denied (publickey)" in refused.stderr
    done = run(
        first_card, key, "cat /data/etc/dropbear/ed25519; echo x >>.ssh/authorized_keys; istars user rescue admin"
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("Permission denied") == 2
    assert "become root on the card first" in done.stderr


def test_closing_it_ends_who_is_inside(first_card: Guest, owner: Owner, key: Path, opened: str) -> None:
    inside = subprocess.Popen(ssh_words(first_card, key, "echo in; cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with inside:
        assert inside.stdout is not None
        assert inside.stdout.readline() == b"in\n"
        change(owner, {"ssh.enabled": False})
        first_card.until(lambda: inside.poll() is not None, "the session ends")
    first_card.until(lambda: state(owner) == "closed", "the command line closes")
    assert not answers(first_card)


def test_an_administrator_gets_the_shell_of_root_at_the_console(first_card: Guest) -> None:
    first_card.typed("", "Name: ")
    assert PASSWORD not in first_card.typed("admin", "Password: ")
    assert "open anything" in first_card.typed("wrong", "Name: ")
    first_card.typed("admin", "Password: ")
    said = first_card.typed(PASSWORD, PROMPT)
    assert PASSWORD not in said
    first_card.typed("echo $(id -un) $((6 * 7)) $(umask)", r"root 42 0007")
    first_card.typed("exit", "Enter")


def test_a_lost_password_is_replaced_at_the_console_of_a_card_whose_power_was_cut(
    first_card: Guest,
) -> None:
    first_card.power_off()
    first_card.boot()
    first_card.typed("", "Name: ")
    first_card.typed("?", r"yes/no")
    said = first_card.typed("yes", r"signing in once, as admin: [\w-]+\n.*Name: ")
    given = re.search(r"as admin: ([\w-]+)", said)
    assert given is not None
    first_card.typed("admin", "Password: ")
    first_card.typed(given[1], "New password: ")
    first_card.typed(PASSWORD, "The same again: ")
    first_card.typed(PASSWORD, PROMPT)
    first_card.typed("exit", "Enter")
    assert ",console,user rescued,user admin," in signed_in(first_card).page("/assistant/audit.csv")
