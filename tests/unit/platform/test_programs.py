"""Programs of the system: what they print, and every way in which they fail, in words; restarting by the right one."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars.platform import machine, programs, restart, supervisor
from istars.platform.programs import ProgramFailed


def test_what_a_program_prints_is_answered() -> None:
    assert programs.run(["echo", "a;b $(c)"]) == "a;b $(c)\n"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["no-such-program-of-ours"], "the program no-such-program-of-ours is not installed"),
        (["false"], "false ended with status 1"),
        (["ls", "/no/such/folder"], "No such file or directory"),
        (["sleep", "30"], "sleep took longer than 0.05 s"),
        (["/"], "/ cannot run: Permission denied"),
    ],
)
def test_what_fails_is_told_in_words(words: list[str], reason: str) -> None:
    with pytest.raises(ProgramFailed, match=reason):
        programs.run(words, 0.05 if words[0] == "sleep" else 5)


def test_the_card_restarts_as_a_machine(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []
    monkeypatch.setattr(machine, "ours", lambda: True)
    monkeypatch.setattr(programs, "run", lambda words, _patience: ran.append(words))
    monkeypatch.setattr(supervisor, "end", lambda *_: pytest.fail("the supervisor was asked"))
    restart.now()
    assert ran == [["reboot"]]


def test_a_developers_machine_is_never_restarted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "run", lambda *_: pytest.fail("a program was run"))
    with pytest.raises(ProgramFailed, match="the supervisor does not obey"):
        restart.now()  # there is no supervisor in this root


@pytest.mark.parametrize(
    ("prefix", "user", "ours"),
    [("", 0, True), ("/srv/istars", 0, False), ("", 1000, False), ("/srv/istars", 1000, False)],
)
def test_a_machine_is_ours_without_a_prefix_and_as_root(
    monkeypatch: pytest.MonkeyPatch, prefix: str, user: int, ours: bool
) -> None:
    monkeypatch.setenv("ISTARS_ROOT", prefix)
    monkeypatch.setattr(machine.os, "geteuid", lambda: user)
    assert machine.ours() is ours
