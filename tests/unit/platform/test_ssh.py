"""Opening and closing the command line; dropbear and supervisord are stand-ins, the real ones are in tests/image/."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.platform import programs, ssh, supervisor
from istars.platform.programs import ProgramFailed
from istars.platform.ssh import CommandLine, SshFailed

ANN = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIDLszoKTQK73nXNdkIY2EwySap2lFLfRxmReg2Ifm2D ann@laptop"
BOB = ANN.replace("ann", "bob")


class Around:
    """What stands around the command line, and what was asked of it."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.drawn = 0
        self.fails = False

    def run(self, words: list[str], patience_s: float = 0.0) -> str:
        assert words[0] == "dropbearkey"
        if words[1] == "-y":
            content = Path(words[-1]).read_text(encoding="ascii")
            return f"Public key portion is:\nssh-ed25519 AAAA root@card\nFingerprint: SHA256:{content}\n"
        self.drawn += 1
        Path(words[-1]).write_text(f"key{self.drawn}", encoding="ascii")
        return ""

    def supervised(self, verb: str) -> None:
        if self.fails:
            raise ProgramFailed("the supervisor does not obey: gone")
        self.did.append(verb)


@pytest.fixture
def around(root: Path, monkeypatch: pytest.MonkeyPatch) -> Around:
    made = Around()
    monkeypatch.setattr(programs, "run", made.run)
    for verb in ("run", "stop"):
        monkeypatch.setattr(supervisor, verb, lambda _control, program, verb=verb: made.supervised(f"{verb} {program}"))
    monkeypatch.setattr(ssh, "_end_sessions", lambda: made.did.append("end sessions"))
    return made


def keys() -> Path:
    return ssh.home() / ".ssh" / "authorized_keys"


def test_a_card_that_never_opened_it_has_nothing_of_it(around: Around) -> None:
    CommandLine().look(())
    assert around.did == []
    assert not ssh.host_key().exists()


def test_opening_draws_a_key_once_and_starts_the_program(around: Around) -> None:
    line = CommandLine()
    line.look((ANN, BOB))
    line.look((ANN, BOB))
    assert around.did == ["end sessions", "run ssh"]
    assert line.fingerprint == "SHA256:key1"
    assert ssh.host_key().stat().st_mode & 0o777 == 0o600
    assert keys().read_text() == f"{ANN}\n{BOB}\n"
    # dropbear reads it as the account that signs in, and wants nobody else to write there
    assert [path.stat().st_mode & 0o777 for path in (ssh.home(), keys().parent, keys())] == [0o755, 0o755, 0o644]
    CommandLine().look((ANN, BOB))
    assert around.drawn == 1
    assert around.did[2:] == ["run ssh"], "those who have signed in stay where only the worker began anew"


def test_a_key_that_is_taken_away_ends_who_signed_in_with_it(around: Around) -> None:
    line = CommandLine()
    line.look((ANN, BOB))
    line.look((BOB,))
    assert keys().read_text() == f"{BOB}\n"
    assert around.did == ["end sessions", "run ssh"] * 2


def test_closing_ends_everything_also_by_a_worker_that_began_anew(around: Around) -> None:
    CommandLine().look((ANN,))
    line = CommandLine()
    line.look(())
    assert around.did[2:] == ["stop ssh", "end sessions"]
    assert not ssh.home().exists()
    assert line.fingerprint == ""
    assert ssh.host_key().exists(), "the card stays the same for those who know it"


def test_what_failed_is_told_and_tried_again(around: Around) -> None:
    line = CommandLine()
    around.fails = True
    for _ in range(2):
        with pytest.raises(SshFailed, match="does not obey"):
            line.look((ANN,))
    around.fails = False
    line.look((ANN,))
    assert around.did == ["end sessions", "run ssh"]


def test_a_full_medium_is_told_by_the_name_of_the_file(around: Around, root: Path) -> None:
    (root / "data" / "etc").mkdir()
    (root / "data" / "etc" / "dropbear").write_text("in the way", encoding="ascii")
    with pytest.raises(SshFailed, match=r"dropbear.*: "):
        CommandLine().look((ANN,))
