"""Bundles as a real RAUC sees them: who has signed them, for what, and whether every byte is the one that was signed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from firmware_samples import TREE, Maker, run, spoiled
from istars.platform import paths, rauc, verity
from istars.platform.rauc import RaucFailed
from istars.platform.verity import BundleDamaged

pytestmark = [pytest.mark.peer, pytest.mark.thorough]

STATUS = Path(__file__).parents[2] / "fixtures" / "rauc"


@pytest.fixture
def trusted(root: Path, maker: Maker) -> Path:
    """A card that trusts `maker`."""
    paths.rauc_keyring().parent.mkdir(parents=True)
    shutil.copy(maker.keyring, paths.rauc_keyring())
    return root


def check(path: Path) -> list[float]:
    found = rauc.info(path)
    return list(verity.check(path, root_hash=found.root_hash, salt=found.salt, tree_size=found.tree_size))


def test_a_bundle_tells_version_board_and_signer(trusted: Path, maker: Maker) -> None:
    found = rauc.info(maker.bundle("0.2.0"))
    assert (found.version, found.compatible) == ("0.2.0", "istars-nv")
    assert "iStars development signer" in found.signer


def test_every_byte_of_a_good_bundle_is_what_was_signed(trusted: Path, maker: Maker) -> None:
    shares = check(maker.bundle())
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_changed_byte_passes_the_signature_but_not_the_check_of_all(trusted: Path, maker: Maker) -> None:
    path = spoiled(maker.bundle())
    assert rauc.info(path).version == "0.2.0"
    with pytest.raises(BundleDamaged, match="not what was signed"):
        check(path)


def test_rauc_itself_finds_the_hash_tree_good_and_the_changed_byte(trusted: Path, maker: Maker, tmp_path: Path) -> None:
    whole = ["rauc", f"--keyring={maker.keyring}", "extract"]
    run(*whole, maker.bundle(), tmp_path / "good")
    assert (tmp_path / "good" / "rootfs.img").read_bytes() == (maker.folder / "rootfs").read_bytes()
    done = subprocess.run([*whole, spoiled(maker.bundle()), tmp_path / "bad"], capture_output=True, check=False)
    assert done.returncode != 0
    assert b"corrupt" in done.stdout + done.stderr


def test_a_bundle_that_rauc_has_made_is_understood_too(trusted: Path, maker: Maker, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    shutil.copy(maker.folder / "rootfs", content / "rootfs.img")
    (content / "manifest.raucm").write_text(
        "[update]\ncompatible=istars-nv\nversion=0.3.0\n[bundle]\nformat=verity\n[image.rootfs]\nfilename=rootfs.img\n"
    )
    keys = maker.keys
    run("rauc", f"--cert={keys}/dev-signer.pem", f"--key={keys}/dev-signer.key", f"--keyring={maker.keyring}", "bundle",
        content, tmp_path / "made.raucb")  # fmt: skip
    assert rauc.info(tmp_path / "made.raucb").version == "0.3.0"
    assert check(tmp_path / "made.raucb")[-1] == 1.0


def test_what_somebody_else_has_signed_is_refused(trusted: Path, stranger: Maker) -> None:
    with pytest.raises(RaucFailed, match="signature verification failed"):
        rauc.info(stranger.bundle())


def test_without_a_keyring_nobody_is_trusted(root: Path, maker: Maker) -> None:
    with pytest.raises(RaucFailed, match="nobody is trusted"):
        rauc.info(maker.bundle())


@pytest.mark.parametrize("left", [0, 5, 4096, 100_000])
def test_what_is_cut_off_is_refused(trusted: Path, maker: Maker, tmp_path: Path, left: int) -> None:
    cut = tmp_path / "cut.raucb"
    cut.write_bytes(maker.bundle().read_bytes()[:left])
    with pytest.raises((BundleDamaged, RaucFailed)):
        rauc.info(cut)


def test_a_certificate_that_is_not_for_signing_code_is_refused_by_the_configuration(
    trusted: Path, maker: Maker, tmp_path: Path
) -> None:
    configure(maker)
    assert rauc.info(maker.bundle()).version == "0.2.0"
    extension = tmp_path / "ext"
    extension.write_text("keyUsage=critical,digitalSignature\nextendedKeyUsage=emailProtection\n")
    other = tmp_path / "mail"
    run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{other}.key", "-subj", "/CN=mail", "-out",
        f"{other}.csr")  # fmt: skip
    run("openssl", "x509", "-req", "-in", f"{other}.csr", "-CA", maker.keyring, "-CAkey", maker.keys / "dev-ca.key", "-days",
        "90", "-extfile", extension, "-out", f"{other}.pem")  # fmt: skip
    run(sys.executable, TREE / "scripts/bundle.py", "--version", "0.2.0", "--compatible", "istars-nv", "--rootfs",
        maker.folder / "rootfs", "--boot", maker.folder / "boot", "--key", f"{other}.key", "--cert", f"{other}.pem",
        "--keyring", maker.keyring, "-o", tmp_path / "mail.raucb")  # fmt: skip
    with pytest.raises(RaucFailed, match="purpose"):
        rauc.info(tmp_path / "mail.raucb")


def configure(maker: Maker) -> None:
    """A configuration that asks for code signing, beside the keyring."""
    paths.rauc_config().write_text(
        "[system]\ncompatible=istars-nv\nbootloader=noop\n[keyring]\npath=keyring.pem\ncheck-purpose=codesign\n"
    )


def test_same_input_gives_the_same_bundle_and_the_same_package(maker: Maker, tmp_path: Path) -> None:
    first = maker.bundle(name="first.raucb")
    os.utime(maker.folder / "rootfs", (0, 0))
    (maker.folder / "rootfs").chmod(0o600)
    assert maker.bundle(name="second.raucb").read_bytes() == first.read_bytes()
    one, two = maker.package(bundle=first, name="one.tar.gz"), maker.package(bundle=first, name="two.tar.gz")
    assert one.read_bytes() == two.read_bytes()


def test_the_slot_that_runs_stands_in_the_kernel_line(root: Path) -> None:
    assert rauc.booted() == ""
    paths.kernel_line().parent.mkdir()
    for line, slot in (("quiet rauc.slot=B ro\n", "B"), ("rauc.slot=A", "A"), ("xrauc.slot=A", ""), ("rauc.slot=", "")):
        paths.kernel_line().write_text(line)
        assert rauc.booted() == slot


@pytest.fixture
def program(trusted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Another program instead of rauc, which does what a test says."""

    def write(text: str) -> None:
        path = tmp_path / "rauc"
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)

    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return write


@pytest.mark.parametrize("answer", sorted(STATUS.glob("status-*.json")), ids=lambda path: path.stem)
def test_the_slots_of_every_version_of_rauc_are_understood(program: Callable[[str], None], answer: Path) -> None:
    program(f"cat {answer}")
    a, b = rauc.slots()
    assert (a.name, a.booted, a.good, a.next) == ("A", True, True, True)
    assert (b.name, b.booted, b.good, b.next) == ("B", False, True, False)
    said = json.loads(answer.read_text(encoding="utf-8"))
    assert b.version == ("0.2.0" if "0.2.0" in json.dumps(said) else "")


def test_a_log_line_in_front_of_the_answer_is_passed_over(program: Callable[[str], None]) -> None:
    program(f"echo 'rauc-Message: 10:40:07.697: Using central status file'; cat {STATUS / 'status-1.8.json'}")
    assert len(rauc.slots()) == 2


def test_an_installation_tells_its_progress_and_the_reason_of_its_failure(program: Callable[[str], None]) -> None:
    program(
        "echo installing; echo '  0% Installing'; echo ' 40% Verifying signature done.'; "
        "echo '100% Installing failed.'; echo 'LastError: Failed mounting bundle: no device'; "
        "echo 'Installing `x` failed' >&2; exit 1"
    )
    running = rauc.Installation(Path("x"))
    while not running.look():
        os.sched_yield()
    assert (running.progress, running.text) == (100, "Installing failed.")
    assert running.failure == "Failed mounting bundle: no device"


def test_an_installation_that_is_stopped_leaves_no_process(program: Callable[[str], None], tmp_path: Path) -> None:
    program(f"echo $$ >{tmp_path}/pid; exec sleep 60")
    running = rauc.Installation(Path("x"))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        os.sched_yield()
    running.stop()
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("", "it gave no reason"),
        ("(rauc:12): rauc-WARNING **: 10:00:00.000: x\n", "(rauc:12)"),
        ("rauc-Message: 10:00:00.000: x\nsignature verification failed: no\n", "signature verification failed: no"),
        ("LastError: full\nInstalling `x` failed\n", "full"),
    ],
)
def test_the_reason_is_the_last_line_that_is_no_message_of_the_log(output: str, words: str) -> None:
    assert re.match(re.escape(words), rauc.reason(output))
