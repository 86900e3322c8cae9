"""Users and tokens from the command line."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from istars import cli
from istars.platform import clock, paths
from istars.store.accounts import Accounts
from istars.store.factors import Check, Factors, new_secret
from istars.store.live import LiveTable
from istars.store.throttle import FREE_FAILURES, Throttle
from other_values import written_down

Out = pytest.CaptureFixture[str]
OLD = "three small green boats"


def run(out: Out, *words: str) -> tuple[int, str, str]:
    status = cli.main(words)
    said = out.readouterr()
    return status, said.out, said.err


# tokens


def test_tokens_are_made_listed_and_revoked(root: Path, capsys: Out) -> None:
    status, text, _ = run(capsys, "token", "create", "--name", "grafana", "--days", "30")
    assert status == 0
    assert text.startswith("ist_")
    run(capsys, "token", "create", "--name", "other", "--permission", "write")
    said = run(capsys, "token", "list")[1]
    assert text.strip() not in said
    assert re.search(r"^ist_[\w-]+\.\.\. grafana: read, good, until \d{4}-", said, re.MULTILINE)
    assert "other: write, good, for ever" in said
    assert run(capsys, "token", "revoke", "grafana")[0] == 0
    assert run(capsys, "token", "revoke", "grafana")[0] == 1
    first = json.loads(run(capsys, "token", "list", "--json")[1])[0]
    assert (first["name"], first["state"]) == ("grafana", "revoked")
    made, other, revoked = written_down()[::-1]
    assert (made.action, made.subject, made.address) == ("token made", "token grafana", "console")
    assert re.fullmatch(r"read, \d{4}-\d\d-\d\d, any address", made.new)
    assert other.new == "write, never expires, any address"
    assert (revoked.action, revoked.subject) == ("token revoked", "token grafana")


def test_a_token_may_be_bound_to_addresses(root: Path, capsys: Out) -> None:
    words = ("token", "create", "--name", "a", "--addresses", "192.168.1.*", "10.20.0.0/16")
    status, text, _ = run(capsys, *words)
    assert status == 0
    token = Accounts(paths.accounts_db()).token(text.strip())
    assert token is not None
    assert token.may_enter("10.20.3.4")
    assert not token.may_enter("10.21.0.1")
    assert "a: read, good, for ever, from 192.168.1.*, 10.20.0.0/16" in run(capsys, "token", "list")[1]
    assert written_down()[0].new == "read, never expires, 192.168.1.*, 10.20.0.0/16"
    refused = run(capsys, "token", "create", "--name", "b", "--addresses", "10.20.0.1/16")
    assert refused[0] == 1
    assert "10.20.0.0/16" in refused[2]
    assert len(written_down()) == 1


def test_a_token_expires(root: Path, capsys: Out, monkeypatch: pytest.MonkeyPatch) -> None:
    run(capsys, "token", "create", "--name", "short", "--days", "0.5")
    later = clock.wall() + 50_000
    monkeypatch.setattr(clock, "wall", lambda: later)
    assert json.loads(run(capsys, "token", "list", "--json")[1])[0]["state"] == "expired"
    for days in ("0", "-1", "nan", "40000", "x"):
        with pytest.raises(SystemExit):
            run(capsys, "token", "create", "--name", "b", f"--days={days}")


# users


@pytest.fixture
def accounts(root: Path) -> Accounts:
    """A card whose sole administrator has a password of his own, a second factor and an address he is bound to."""
    made = Accounts(paths.accounts_db(), scrypt_cost=256)
    made.set_password("admin", OLD)
    made.change_user("admin", patterns="10.0.0.7")
    return made


@pytest.fixture
def factor(accounts: Accounts) -> Factors:
    import pyotp

    made, secret = Factors(accounts.file), new_secret()
    assert made.switch_on("admin", secret, pyotp.TOTP(secret).at(clock.wall()))[0] is Check.RIGHT
    return made


def test_users_are_listed(accounts: Accounts, factor: Factors, capsys: Out) -> None:
    accounts.add_user("eve", OLD, "read", must_change=True)
    assert run(capsys, "user", "list")[1].splitlines() == [
        "admin: administrator, from 10.0.0.7, second factor",
        "eve: read, from any address, must choose a password",
    ]
    rows = json.loads(run(capsys, "user", "list", "--json")[1])
    assert rows[0] == {
        "name": "admin",
        "permission": "administrator",
        "from": "10.0.0.7",
        "second_factor": True,
        "must_change": False,
    }
    assert OLD not in str(rows)


def test_a_rescue_gives_a_password_for_once_and_ends_sessions(accounts: Accounts, capsys: Out) -> None:
    before = accounts.user("admin")
    assert before is not None
    status, password, told = run(capsys, "user", "rescue", "admin")
    assert status == 0
    assert "admin (administrator) signs in with this password once" in told
    assert accounts.verify("admin", OLD) is None
    user = accounts.verify("admin", password.strip())
    assert user is not None
    assert user.must_change
    assert user.generation != before.generation
    assert [str(pattern) for pattern in user.patterns] == ["10.0.0.7"], "only what was asked for"
    entry = written_down()[0]
    assert (entry.action, entry.subject, entry.address) == ("user rescued", "user admin", "console")
    assert password.strip() not in str(written_down())


def test_a_rescue_leaves_factor_and_addresses_unless_asked(accounts: Accounts, factor: Factors, capsys: Out) -> None:
    told = run(capsys, "user", "rescue", "admin")[2]
    assert "--remove-second-factor takes it away" in told
    assert "bound to 10.0.0.7; --any-address takes that away" in told
    assert factor.has("admin")
    run(capsys, "user", "rescue", "admin", "--remove-second-factor", "--any-address")
    assert not factor.has("admin")
    user = accounts.user("admin")
    assert user is not None
    assert user.patterns == ()
    assert written_down()[0].new == "one-time password, second factor off, any address"


def test_a_rescue_makes_nobody_an_administrator_and_knows_whom(accounts: Accounts, capsys: Out) -> None:
    accounts.add_user("eve", OLD, "read")
    run(capsys, "user", "rescue", "eve")
    user = accounts.user("eve")
    assert user is not None
    assert user.permission == "read"
    assert run(capsys, "user", "rescue", "nobody") == (1, "", "istars: there is no user called 'nobody'\n")
    assert written_down()[0].subject == "user eve"


def test_a_rescued_user_waits_for_nobody_who_guessed(accounts: Accounts, capsys: Out) -> None:
    throttle = Throttle(accounts.file)
    for number in range(FREE_FAILURES + 1):
        throttle.failed("admin", f"192.0.2.{number}")
    assert throttle.wait("admin", "10.0.0.7").seconds > 0
    run(capsys, "user", "rescue", "admin")
    assert throttle.wait("admin", "10.0.0.7").seconds == 0


def test_a_rescue_is_an_event_where_the_card_runs(accounts: Accounts, capsys: Out) -> None:
    assert run(capsys, "user", "rescue", "admin")[0] == 0
    with LiveTable(paths.live_db()) as live:
        assert live.pending_events() == []
        run(capsys, "user", "rescue", "admin")
        (event,) = live.pending_events()
    assert (event.code, event.args["user"]) == ("USER_RESCUED", "admin")


def test_only_root_or_the_owner_of_the_records_rescues(
    accounts: Accounts, capsys: Out, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = paths.data_dir().stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4_711)
    status, said, told = run(capsys, "user", "rescue", "admin")
    assert (status, said) == (1, "")
    assert "become root on the card first" in told
    assert accounts.verify("admin", OLD) is not None
