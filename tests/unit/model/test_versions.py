"""Versions: the order of Semantic Versioning, and what is none."""

from __future__ import annotations

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from istars.model.versions import BadVersion, version

IN_ORDER = (
    "0.0.1", "0.2.0", "0.10.0", "1.0.0-1", "1.0.0-2", "1.0.0-10", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta",
    "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "1.0.1", "2.0.0",
)  # fmt: skip


def test_versions_stand_in_the_order_of_the_standard() -> None:
    for older, newer in itertools.combinations(IN_ORDER, 2):
        assert version(older) < version(newer)
        assert version(newer) > version(older)
        assert version(older) != version(newer)


def test_what_was_built_makes_no_difference() -> None:
    assert version("1.0.0+a") == version("1.0.0+b")
    assert str(version("1.0.0+a")) == "1.0.0+a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.0",
        "v1.0.0",
        "01.0.0",
        "1.0.0-",
        "1.0.0-a..b",
        "1.0.0 ",
        "1.0.0\n",
        "1.0.0-ä",
        "٣.0.0",
        "1" * 50 + ".0.0",
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(BadVersion):
        version(text)


@given(st.text())
def test_any_text_is_a_version_or_refused(text: str) -> None:
    with contextlib.suppress(BadVersion):
        assert str(version(text)) == text
