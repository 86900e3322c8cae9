"""Which public keys of SSH an option takes. The keys were made with OpenSSH 9.2's ssh-keygen; nobody has their other halves."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from istars.errors import SettingsError
from istars.settings.groups import FIELDS

FIELD = FIELDS["ssh.key.1"]
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBFlcEbJ1gnb+/Drypwxfqb+Y+cEe8HVlkiWsr2R7xdBk"
    "FhnihmMm/x50S+gNNX4xoDJ5ilKnNtbbOf3re2d8+v4="
)


def test_a_key_is_kept_in_one_form() -> None:
    assert FIELD.parse(f"  {ED25519}   ann@laptop  at home ") == f"{ED25519} ann@laptop at home"
    assert FIELD.parse(ED25519) == ED25519
    assert FIELD.parse(f"{ECDSA} ") == ECDSA
    assert FIELD.parse("") == ""


@pytest.mark.parametrize(
    ("kind", "bits"), [("ed25519", 256), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048), ("rsa", 4096)]
)
def test_every_key_that_openssh_makes_is_taken(tmp_path: Path, kind: str, bits: int) -> None:
    words = ["ssh-keygen", "-q", "-t", kind, "-b", f"{bits}", "-N", "", "-C", "ann@laptop", "-f", tmp_path / "key"]
    subprocess.run(words, check=True)
    line = (tmp_path / "key.pub").read_text(encoding="ascii").strip()
    assert FIELD.parse(line) == line


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is a private key"),
        (f'command="id" {ED25519}', "must begin with one of: ssh-ed25519, "),
        (ED25519[:-4], "is not a whole key"),
        (ED25519.replace("ssh-ed25519", "ssh-rsa"), "is not a whole key"),
        (f"{ED25519}\nssh-ed25519 AAAA", "must be one line of text"),
    ],
)
def test_what_is_no_public_key_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        FIELD.parse(text)


def test_a_short_key_of_rsa_is_refused() -> None:
    def field(content: bytes) -> bytes:
        return len(content).to_bytes(4, "big") + content

    blob = field(b"ssh-rsa") + field(b"\x01\x00\x01") + field(b"\x00" + b"\xff" * 128)
    with pytest.raises(SettingsError, match="less than 2048 bits"):
        FIELD.parse(f"ssh-rsa {base64.b64encode(blob).decode()}")
