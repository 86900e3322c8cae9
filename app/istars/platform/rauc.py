"""The `rauc` program: what a bundle is, what each slot holds, installing, and saying that the running slot is good.

Called with fixed words, without a shell. Works with RAUC 1.8 to 1.15, built with its D-Bus service or without: what differs
between them is not read. A bundle's verity parameters are taken from its signed manifest by `openssl`, after `rauc` has verified
the signature, because not every version prints them in a form for programs.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from istars.errors import IStarsError
from istars.platform import certificates, openssl, paths, verity
from istars.platform.child import Child

PROGRAM = "rauc"
PATIENCE_S = 15.0
MESSAGE_LIMIT = 400
_PROGRESS = re.compile(r"\s*(\d{1,3})%\s+(.+)")
_LOG = re.compile(r"\(?rauc(?::\d+)?\)?-?\w*\s*(?:\*\*)?[\w-]*: [\d:.]+: ")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n?", re.DOTALL)


class RaucFailed(IStarsError):
    """The program is missing, took too long, or refused; the text is what it gave as the reason."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """What the signed manifest of a bundle says, and who has signed it. `root_hash`, `salt`, `tree_size`: see `verity.py`."""

    version: str
    compatible: str
    signer: str
    root_hash: bytes
    salt: bytes
    tree_size: int


@dataclass(frozen=True, slots=True)
class Slot:
    """One of the two systems of a card. `version` is empty where nobody has written it down; `installed` is ISO 8601."""

    name: str
    booted: bool
    good: bool
    next: bool
    version: str
    installed: str


def installed() -> bool:
    """Whether the program is there."""
    return shutil.which(PROGRAM) is not None


def booted() -> str:
    """Name of the slot that runs (`A`), empty where this machine has no slots. The boot loader says it to the kernel."""
    try:
        line = paths.kernel_line().read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    found = re.search(r"(?:^|\s)rauc\.slot=(\w{1,16})(?:\s|$)", line)
    return found[1] if found else ""


def _line(*words: str) -> list[str]:
    """The command: with the card's configuration, or with its keyring alone where there is none."""
    config, keyring = paths.rauc_config(), paths.rauc_keyring()
    if config.exists():
        return [PROGRAM, f"--conf={config}", *words]
    if keyring.exists():
        return [PROGRAM, f"--keyring={keyring}", *words]
    raise RaucFailed(f"there is neither {config} nor {keyring}: nobody is trusted to sign firmware for this card")


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C"}


def reason(output: str) -> str:
    """Why rauc failed: its last line that is no message of its log."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if not _LOG.match(line) and not _PROGRESS.fullmatch(line)]
    for line in reversed(told):
        if line.startswith("LastError:"):
            return line.removeprefix("LastError:").strip()[:MESSAGE_LIMIT]
    return (told or lines or ["it gave no reason"])[-1][:MESSAGE_LIMIT]


def _run(*words: str) -> str:
    try:
        done = subprocess.run(
            _line(*words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=_environment(),
            timeout=PATIENCE_S,
            check=False,
        )
    except FileNotFoundError:
        raise RaucFailed("the program rauc is not installed") from None
    except subprocess.TimeoutExpired:
        raise RaucFailed(f"rauc took longer than {PATIENCE_S:g} s") from None
    except OSError as error:
        raise RaucFailed(f"rauc cannot run: {error.strerror}") from error
    if done.returncode:
        raise RaucFailed(reason((done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")))
    return done.stdout.decode("utf-8", "replace")


def _run_json(*words: str) -> dict[str, Any]:
    said = _run(*words)
    try:
        # a build with the service may put a line of its log in front
        found = json.loads(said[said.index("{") :])
    except ValueError:
        raise RaucFailed(f"rauc {words[0]} did not answer in JSON") from None
    if not isinstance(found, dict):
        raise RaucFailed(f"rauc {words[0]} answered something else than an object")
    return found


def info(path: Path) -> Bundle:
    """What a bundle is, its signature verified. Its payload is not looked at: see `verity.check`.

    Raises RaucFailed where nobody whom this card trusts has signed it, BundleDamaged where it is no bundle, OSError.
    """
    cms = verity.signature(path)
    said = _run_json("info", "--output-format=json", str(path))
    text = openssl.run("cms", "-verify", "-noverify", "-inform", "DER", "-in", cms, "-signer", "/dev/stdout")
    pem = _PEM.search(text)
    manifest = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        manifest.read_string(_PEM.sub("", text))
        bundle = manifest["bundle"]
        if bundle.get("format") != "verity":
            raise RaucFailed("the bundle is not of the format verity")
        root_hash, salt = bytes.fromhex(bundle["verity-hash"]), bytes.fromhex(bundle["verity-salt"])
        tree_size = int(bundle["verity-size"])
    except (configparser.Error, KeyError, ValueError):
        raise verity.BundleDamaged("its manifest cannot be read") from None
    signer = certificates.describe(pem[0].encode()).subject if pem else ""
    return Bundle(str(said.get("version") or ""), str(said.get("compatible") or ""), signer, root_hash, salt, tree_size)


def slots() -> list[Slot]:
    """The two systems of this card. It waits while something is installed. Raises RaucFailed."""
    said = _run_json("status", "--detailed", "--output-format=json")
    primary = said.get("boot_primary")
    found = []
    for entry in said.get("slots") or ():
        for name, slot in entry.items():
            if slot.get("bootname"):
                status = slot.get("slot_status") or {}
                found.append(
                    Slot(
                        name=str(slot["bootname"]),
                        booted=slot.get("state") == "booted",
                        good=slot.get("boot_status") == "good",
                        next=name == primary,
                        version=str((status.get("bundle") or {}).get("version") or ""),
                        installed=str((status.get("installed") or {}).get("timestamp") or ""),
                    )
                )
    return sorted(found, key=lambda slot: slot.name)


def mark_good() -> None:
    """Say that the slot that runs is good: the boot loader gives it all its tries back. Raises RaucFailed."""
    _run("status", "mark-good")


class Installation:
    """Writing a bundle into the slot that does not run. `progress` is a percentage, `text` what is being done.

    Raises RaucFailed where it cannot begin.
    """

    def __init__(self, path: Path) -> None:
        self.progress = 0
        self.text = ""
        self.failure = ""
        try:
            self._child = Child(_line("install", str(path)))
        except OSError as error:
            raise RaucFailed(f"rauc cannot run: {error.strerror}") from error

    def look(self) -> bool:
        """Read what it says; True when it has ended, and `failure` then says why it did not succeed, if so."""
        lines, status = self._child.look()
        for line in lines:
            found = _PROGRESS.fullmatch(line.rstrip())
            if found:
                self.progress, self.text = min(100, int(found[1])), found[2].strip()[:120]
        if status:
            self.failure = reason(self._child.said)
        return status is not None

    def stop(self) -> None:
        """End it at once; the slot that it was writing cannot start then, the one that runs is untouched."""
        self._child.stop()
