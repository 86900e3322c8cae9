"""Users and tokens from the command line; whoever may run this on the card could change the file of the accounts anyway."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable

from istars import asker
from istars.errors import IStarsError
from istars.model.commands import Permission
from istars.platform import clock, paths
from istars.store.accounts import Accounts, User
from istars.store.factors import Factors, new_code
from istars.store.live import LiveTable
from istars.store.telling import tell
from istars.store.throttle import Throttle

DAY_S = 86_400.0
LONGEST_DAYS = 36_500


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _bound(patterns: Iterable[object]) -> str:
    return ", ".join(str(pattern) for pattern in patterns) or "any address"


def create_token(options: argparse.Namespace) -> int:
    """`token create`: prints the token, this once."""
    accounts = Accounts(paths.accounts_db())
    expires = None if options.days is None else clock.wall() + options.days * DAY_S
    text = accounts.create_token(options.name, options.permission, expires, patterns=" ".join(options.addresses))
    until = clock.iso(expires)[:10] if expires is not None else "never expires"
    asker.note("token made", f"token {options.name}", f"{options.permission}, {until}, {_bound(options.addresses)}")
    _say(text)
    return 0


def list_tokens(options: argparse.Namespace) -> int:
    """`token list`: every token ever made, without what would open anything."""
    now = clock.wall()
    rows = [
        {
            "prefix": token.prefix,
            "name": token.name,
            "permission": str(token.permission.value),
            "state": "revoked" if token.revoked is not None else "good" if token.usable(now) else "expired",
            "from": _bound(token.patterns),
            "created": clock.iso(token.created),
            "expires": clock.iso(token.expires) if token.expires is not None else None,
        }
        for token in Accounts(paths.accounts_db()).list_tokens()
    ]
    if options.json:
        _say(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for row in rows:
        until = f"until {row['expires']}" if row["expires"] else "for ever"
        _say(f"{row['prefix']}... {row['name']}: {row['permission']}, {row['state']}, {until}, from {row['from']}")
    return 0


def revoke_token(options: argparse.Namespace) -> int:
    """`token revoke NAME`: from now on it opens nothing."""
    if not Accounts(paths.accounts_db()).revoke_token(options.name):
        raise IStarsError(f"no usable token is called {options.name!r}")
    asker.note("token revoked", f"token {options.name}")
    return 0


def list_users(options: argparse.Namespace) -> int:
    """`user list`: who may sign in, from where, and with what."""
    accounts = Accounts(paths.accounts_db())
    factors = Factors(accounts.file).users()
    rows = [
        {
            "name": user.name,
            "permission": str(user.permission.value),
            "from": _bound(user.patterns),
            "second_factor": user.name in factors,
            "must_change": user.must_change,
        }
        for user in accounts.users()
    ]
    if options.json:
        _say(json.dumps(rows, ensure_ascii=False, indent=2))
        return 0
    for row in rows:
        more = ", second factor" if row["second_factor"] else ""
        more += ", must choose a password" if row["must_change"] else ""
        _say(f"{row['name']}: {row['permission']}, from {row['from']}{more}")
    return 0


def rescue_user(options: argparse.Namespace) -> int:
    """`user rescue NAME`: a password that is good for choosing another; every session of the user is over.

    For the sole administrator who has lost the password or the second factor. It never makes anybody an administrator.
    """
    owner = paths.data_dir().stat().st_uid
    if os.geteuid() not in (0, owner):
        raise IStarsError(
            "only the administrator of the operating system rescues a user: become root on the card first"
        )
    accounts = Accounts(paths.accounts_db())
    user, password = rescue(
        accounts, options.name, remove_factor=options.remove_second_factor, any_address=options.any_address
    )
    if Factors(accounts.file).has(user.name):
        sys.stderr.write("istars: the second factor is still asked for; --remove-second-factor takes it away\n")
    if user.patterns:
        sys.stderr.write(f"istars: bound to {_bound(user.patterns)}; --any-address takes that away\n")
    _say(password)
    sys.stderr.write(f"istars: {user.name} ({user.permission}) signs in with this password once and chooses another\n")
    return 0


def rescue(accounts: Accounts, name: str, *, remove_factor: bool, any_address: bool) -> tuple[User, str]:
    """Give a user a one-time password, lift what else keeps them out as far as it is asked for, tell everybody.

    Answers the user as they are then, and the password. Raises AccountRefused, StoreError.
    """
    password = new_code()
    user = accounts.set_password(name, password, must_change=True)
    done = ["one-time password"]
    if remove_factor and Factors(accounts.file).switch_off(name):
        done.append("second factor off")
    if any_address and user.patterns:
        user = accounts.change_user(name, patterns="")
        done.append("any address")
    Throttle(accounts.file).forgive(name)
    asker.note("user rescued", f"user {name}", ", ".join(done))
    if paths.live_db().exists():
        with LiveTable(paths.live_db()) as live:
            tell(live, "USER_RESCUED", user=name, by=asker.who())
    return user, password


def _days(text: str) -> float:
    """A number of days that a token may last; raises ValueError, which argparse tells the user."""
    days = float(text)
    if not 0 < days <= LONGEST_DAYS:
        raise ValueError
    return days


_days.__name__ = f"number of days up to {LONGEST_DAYS}"


def add_tokens(parser: argparse.ArgumentParser) -> None:
    """The verbs below `token`."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    create = verbs.add_parser("create", help="make one; it is printed this once")
    create.add_argument("--name", required=True, help="what it is for")
    offered = [permission.value for permission in Permission if permission is not Permission.NONE]
    create.add_argument("--permission", choices=offered, default="read")
    create.add_argument("--days", type=_days, help="how long it opens anything; without it for ever")
    create.add_argument(
        "--addresses", nargs="+", default=(), metavar="PATTERN", help="where from, such as 192.168.1.* or 10.20.0.0/16"
    )
    create.set_defaults(run=create_token)
    every = verbs.add_parser("list", help="all that were ever made")
    every.add_argument("--json", action="store_true", help="for scripts")
    every.set_defaults(run=list_tokens)
    revoke = verbs.add_parser("revoke", help="end one")
    revoke.add_argument("name", metavar="NAME", help="or what it begins with")
    revoke.set_defaults(run=revoke_token)


def add_users(parser: argparse.ArgumentParser) -> None:
    """The verbs below `user`."""
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    every = verbs.add_parser("list", help="who may sign in")
    every.add_argument("--json", action="store_true", help="for scripts")
    every.set_defaults(run=list_users)
    rescue = verbs.add_parser("rescue", help="let somebody in again who has lost the password; for root on the card")
    rescue.add_argument("name", metavar="NAME")
    rescue.add_argument(
        "--remove-second-factor", action="store_true", help="the phone and the recovery codes are lost too"
    )
    rescue.add_argument("--any-address", action="store_true", help="lift the binding to certain addresses")
    rescue.set_defaults(run=rescue_user)
