"""What the image says of its board and version; nothing it may say keeps the card from starting."""

from __future__ import annotations

from pathlib import Path

import pytest
from istars import __version__
from istars.platform import board, paths
from istars.platform.board import DEADLINE_S, HEALTHY_S, Board


def test_a_developers_machine_is_no_board_and_has_the_version_of_the_program(root: Path) -> None:
    assert board.load() == Board()
    assert board.firmware_version() == __version__


def test_the_image_says_what_it_is(root: Path) -> None:
    paths.board_file().parent.mkdir(parents=True)
    paths.board_file().write_text(
        '{"board": "imx6ull-nv", "compatible": "istars-nv", "min_version": "0.1.0", "link": "/dev/ttymxc1",'
        ' "trial": {"healthy_s": 5, "deadline_s": 40.5}}'
    )
    paths.os_release().write_text('NAME="iStars"\nVERSION_ID="1.2.3-rc.1"\n')
    assert board.load() == Board("imx6ull-nv", "istars-nv", "0.1.0", 5.0, 40.5)
    assert board.firmware_version() == "1.2.3-rc.1"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"trial": 5}', '{"trial": {"healthy_s": "x", "deadline_s": -1}}', "\xff"]
)
def test_what_cannot_be_understood_is_the_usual(root: Path, content: str) -> None:
    paths.board_file().parent.mkdir(parents=True)
    paths.board_file().write_text(content, encoding="latin-1")
    found = board.load()
    assert (found.healthy_s, found.deadline_s) == (HEALTHY_S, DEADLINE_S)


def test_an_os_release_without_a_version_is_passed_over(root: Path) -> None:
    paths.os_release().parent.mkdir(parents=True)
    for content in (b"", b"NAME=x\n", b"\xff\xfe"):
        paths.os_release().write_bytes(content)
        assert board.firmware_version() == __version__
