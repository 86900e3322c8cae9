"""Net-SNMP's own programs against the card: who knows the protocol and was not written by us."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from card import PATIENCE_S, TREE, Card, free_port

AUTH_WORD, PRIV_WORD = "authentic words", "private words"
AUTHS = {
    "md5": "MD5", "sha": "SHA", "sha224": "SHA-224", "sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512",
}  # fmt: skip
PRIVS = {
    "des": "DES", "aes": "AES", "aes192": "AES-192", "aes256": "AES-256", "aes192c": "AES-192-C", "aes256c": "AES-256-C",
}  # fmt: skip
"""Our words for the protocols to those of Net-SNMP's command line."""
MIBS = f"{TREE}/tests/fixtures/mibs:{TREE}/app/istars/snmp/mibs"
TRAP_OID = ".1.3.6.1.6.3.1.1.4.1.0"
V2C = ("-v2c", "-c", "public")
WRITE = ("-v2c", "-c", "private")
MANAGERS = {
    "snmp.manager.1.addresses": "127.0.0.1",
    "snmp.manager.1.community": "public",
    "snmp.manager.1.permission": "read",
    "snmp.manager.2.addresses": "127.0.0.0/8",
    "snmp.manager.2.community": "private",
    "snmp.manager.2.permission": "write",
}


def user(number: int, name: str, auth: str, priv: str, permission: str = "write") -> dict[str, str]:
    """Settings of one user of SNMPv3."""
    values = {
        "name": name, "permission": permission, "auth": auth, "priv": priv, "auth.passphrase": AUTH_WORD,
        "priv.passphrase": PRIV_WORD,
    }  # fmt: skip
    return {f"snmp.user.{number}.{key}": value for key, value in values.items()}


def v3(name: str, auth: str, priv: str) -> tuple[str, ...]:
    """Words of the command line for a user."""
    words: tuple[str, ...] = ("-v3", "-u", name, "-l", "noAuthNoPriv" if auth == "none" else "authNoPriv")
    if auth != "none":
        words += ("-a", AUTHS[auth], "-A", AUTH_WORD)
    if priv != "none":
        words += ("-l", "authPriv", "-x", PRIVS[priv], "-X", PRIV_WORD)
    return words


def configure(card: Card, values: Mapping[str, str]) -> None:
    """Settings of the card, all in one file as an owner imports it."""
    path = card.root / "wanted.csv"
    lines = ["key,value,explanation", "format,2,", *(f'{key},"{value}",' for key, value in values.items())]
    path.write_text("\n".join([*lines, "end,,", ""]), encoding="utf-8")
    result = card.python("settings", "import", str(path))
    assert result.returncode == 0, result.stdout + result.stderr


def run(program: str, *words: str, port: str | int, patience_s: float = 10, mib: str = "") -> tuple[int, str]:
    """One of Net-SNMP's programs with numbers for names, or those of our own MIB; answers its status and all that it said."""
    result = subprocess.run(
        [program, "-M", MIBS, "-m", mib, "-Os" if mib else "-On", "-t", str(patience_s), "-r", "0", *words[:-1],
         f"127.0.0.1:{port}", *words[-1].split()],
        env={**os.environ, "SNMPCONFPATH": "/nowhere"}, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    return result.returncode, result.stdout + result.stderr


def rows(said: str) -> dict[str, str]:
    """Lines of `snmpwalk`: name without its leading dot to value."""
    return dict(re.findall(r"^\.([\d.]+) = (?!No more)(.*)$", said, re.MULTILINE))


class TrapDaemon:
    """snmptrapd, which writes down what it receives. `engine` is the card's, whose users may send traps by v3."""

    def __init__(self, folder: Path, engine: str = "", port: int = 0) -> None:
        self.port = port or free_port()
        self.log = folder / "traps.log"
        lines = ["authCommunity log public", "authUser log alice priv", "disableAuthorization no"]
        who = f'alice SHA-256 "{AUTH_WORD}" AES "{PRIV_WORD}"'
        lines += [f"createUser {who}", *([f"createUser -e 0x{engine} {who}"] if engine else [])]
        config = folder / "snmptrapd.conf"
        config.write_text("\n".join(lines) + "\n")
        self.process = subprocess.Popen(
            ["snmptrapd", "-f", "-C", "-c", str(config), "-m", "", "-On", "-Lf", str(self.log), "-p", str(folder / "pid"),
             f"udp:127.0.0.1:{self.port}"],
            env={**os.environ, "SNMP_PERSISTENT_DIR": str(folder), "SNMPCONFPATH": str(folder)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def said(self) -> str:
        """Everything that it wrote down."""
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def notices(self, trap: str, **bound: str) -> list[dict[str, str]]:
        """Notifications by v2c and v3 of the identity `trap`, names to values as they were written down.

        `bound` are values that one of the bindings must have.
        """
        lines = (line.split("\t") for line in self.said().splitlines() if TRAP_OID in line)
        found = [{name: value for name, _, value in (each.partition(" = ") for each in line)} for line in lines]
        wanted = set(bound.values())
        return [each for each in found if each[TRAP_OID] == f"OID: .{trap}" and wanted <= set(each.values())]

    def ready(self) -> bool:
        """Whether it listens."""
        return "NET-SNMP version" in self.said()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE_S)
