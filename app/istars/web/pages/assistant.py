"""What the pages of the Assistant share: their place in the menu, and their list."""

from __future__ import annotations

from collections.abc import Mapping

from istars.web import live, session
from istars.web.view import Facts

PAGES = (
    ("about", "About", "about.page", "read"),
    ("certificate", "Certificate", "certificate.page", "administrator"),
    ("audit", "Audit record", "audit.page", "administrator"),
)
"""Name, label, endpoint, and who may see it."""


@live.builds("assistant")
def build(_facts: Facts, _args: Mapping[str, str]) -> tuple[live.Sections, live.Texts]:
    """Nothing of these pages follows the UPS but their frame."""
    return {}, {}


def show(here: str, template: str, **more: object) -> str:
    """The page `here` of the Assistant."""
    person = session.person()
    pages = [each for each in PAGES if person is not None and person.may(each[3])]
    return live.show("assistant", template, args={}, here=here, pages=pages, **more)
