"""The index of a channel: read by member, wrong ones named, and the release that is for this card. The schema says the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from istars.model.release import BadIndex, newest, read_index

SCHEMA = Path(__file__).parents[3] / "firmware" / "channel.schema.json"


def release(version: str = "0.2.0", **changes: Any) -> dict[str, Any]:
    return {
        "version": version, "file": f"iStars-{version}.tar.gz", "size": 10, "sha256": "a" * 64, "compatible": ["istars-nv"],
        "min_version": "", "notes": "", **changes,
    }  # fmt: skip


def index(*releases: Any, **changes: Any) -> dict[str, Any]:
    return {"format": 1, "product": "iStars", "channel": "stable", "releases": list(releases), **changes}


def read(said: Any) -> list[Any]:
    return read_index(json.dumps(said).encode(), "stable")


WRONG = [
    ([], "product"),
    (index(product="other"), "product"),
    (index(format=2), "format"),
    (index(releases={}), "releases"),
    (index(*[release()] * 101), "releases"),
    (index("x"), "releases[0]"),
    (index(release(), release("2")), "releases[1].version"),
    (index(release(min_version="x")), "releases[0].min_version"),
    (index(release(file="../../etc/passwd")), "releases[0].file"),
    (index(release(file="https://elsewhere/iStars-0.2.0.tar.gz")), "releases[0].file"),
    (index(release(size=0)), "releases[0].size"),
    (index(release(size=True)), "releases[0].size"),
    (index(release(size="10")), "releases[0].size"),
    (index(release(sha256="A" * 64)), "releases[0].sha256"),
    (index(release(sha256="a" * 63)), "releases[0].sha256"),
    (index(release(compatible="x")), "releases[0].compatible"),
    (index(release(notes=5)), "releases[0].notes"),
]


@pytest.mark.parametrize(("said", "where"), WRONG, ids=[where for _, where in WRONG])
def test_a_wrong_index_is_refused_naming_the_member(said: Any, where: str) -> None:
    with pytest.raises(BadIndex) as caught:
        read(said)
    assert str(caught.value).startswith(where + ":")


def test_the_index_of_another_channel_is_refused() -> None:
    with pytest.raises(BadIndex, match="channel: it is the index of 'candidate'"):
        read(index(channel="candidate"))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(BadIndex, match="not JSON"):
        read_index(content, "stable")


def test_the_newest_release_for_this_card_is_chosen() -> None:
    found = read(
        index(
            release("0.2.0"), release("0.3.0"), release("0.10.0", compatible=["other"]), release("0.4.0", min_version="0.3.0"),
            release("0.1.0"),
        )
    )  # fmt: skip
    assert newest(found, "0.1.0", "istars-nv").version == "0.3.0"
    assert newest(found, "0.3.0", "istars-nv").version == "0.4.0"
    assert newest(found, "0.4.0", "istars-nv") is None
    assert newest(found, "0.1.0", "other").version == "0.10.0"


def test_the_schema_takes_and_refuses_the_same() -> None:
    check = jsonschema_rs.validator_for(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert check.is_valid(index())
    assert check.is_valid(index(release(), release("1.0.0-rc.1", notes="a\nb", min_version="0.2.0")))
    for said, where in WRONG:
        if where != "releases[0].file" or said["releases"][0]["file"].startswith(("..", "https")):
            assert not check.is_valid(said), where
