"""People whom RADIUS servers know: asked about only where no user of this card has the name, and no longer than the option is on.

The users of the card never depend on a server, and nobody at a server can become one of them: a name that looks like theirs
(in whatever case) is never asked about.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from istars.model.commands import Permission
from istars.platform import radius
from istars.platform.radius import Answer, NoAnswer, Servers
from istars.settings.groups.radius import GROUP
from istars.store.account_rules import AccountRefused, valid_name
from istars.store.accounts import User
from istars.store.sessions import LONGEST_S
from istars.web.store import settings, store

FILTERS = {
    f"istars-{permission}": permission for permission in (Permission.READ, Permission.WRITE, Permission.ADMINISTRATOR)
}
SERVICES = {6: Permission.ADMINISTRATOR, 7: Permission.READ}
"""Service-Type of RFC 2865, section 5.6: Administrative, NAS-Prompt."""


@dataclass(frozen=True, slots=True)
class Guest:
    """Somebody whom a server has accepted, and for how many seconds."""

    user: User
    lasts_s: float


def missing() -> str:
    """What keeps everybody from signing in by RADIUS, as a sentence; empty where nothing does."""
    now = settings()
    if not now["radius.enabled"]:
        return "No server is asked."
    if not now.items_of("radius.servers"):
        return "No server is set: nobody can sign in by RADIUS."
    return "" if now.text("radius.secret") else "No shared secret is set: nobody can sign in by RADIUS."


def generation() -> int:
    """Changes with every one of these settings: sessions that were begun under others are over."""
    now = settings()
    words = repr([(field.key, now[field.key]) for field in GROUP.fields])
    return int.from_bytes(hashlib.sha256(words.encode("utf-8", "replace")).digest()[:6], "big")


def concerns(name: str) -> bool:
    """Whether servers are asked about `name`."""
    try:
        valid_name(name)
    except AccountRefused:
        return False
    return not missing() and all(user.name.casefold() != name.casefold() for user in store().accounts.users())


def user(name: str, permission: Permission) -> User | None:
    """The user of a session that a server has allowed, if it would still be asked about that name."""
    return User(name, permission, False, generation(), 0.0) if concerns(name) else None


def ask(name: str, password: str, address: str) -> Answer:
    """What the servers say; raises NoAnswer."""
    now = settings()
    servers = Servers(
        now.items_of("radius.servers"),
        now.whole("radius.port"),
        now.text("radius.secret"),
        now.number("radius.timeout"),
        now.whole("radius.tries"),
    )
    if not password:
        raise NoAnswer("no password was typed")
    card = now.text("radius.identifier") or now.text("system.name")
    return radius.ask(servers, name, password, address=address, card=card)


def permission_of(answer: Answer) -> Permission:
    """What an answer allows; of several Filter-Id that we know, the least."""
    if not answer.accepted:
        return Permission.NONE
    fixed = settings().text("radius.permission")
    if fixed != "told":
        return Permission(fixed)
    told = [FILTERS[text] for text in answer.filters if text in FILTERS]
    if told:
        return next(permission for permission in FILTERS.values() if permission in told)
    return SERVICES.get(answer.service or 0, Permission.NONE)


def admit(name: str, answer: Answer) -> Guest | None:
    """Whom `answer` lets in; None for nobody."""
    permission = permission_of(answer)
    found = None if permission is Permission.NONE else user(name, permission)
    return Guest(found, min(LONGEST_S, answer.lasts_s or math.inf)) if found is not None else None


def why(answer: Answer) -> str:
    """Why an answer lets nobody in, in words."""
    if answer.challenged:
        return "RADIUS asks for more than a password"
    return "RADIUS gives no permission" if answer.accepted else "refused by RADIUS"
