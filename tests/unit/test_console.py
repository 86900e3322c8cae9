"""Signing in at the serial console, by a script of what is typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_clock import FakeClock
from istars.asker import CONSOLE
from istars.console import RESCUE_S, Console
from istars.platform import clock, paths
from istars.store.accounts import Accounts
from istars.store.factors import Check, Factors, new_secret
from istars.store.throttle import FREE_FAILURES
from other_values import written_down

OLD = "three small green boats"
NEW = "seven large blue houses"


class Typist:
    """Types `lines`, and keeps what was asked and said."""

    def __init__(self, *lines: str) -> None:
        self.lines = list(lines)
        self.asked: list[str] = []
        self.said: list[str] = []

    def __call__(self, question: str) -> str:
        self.asked.append(question)
        return self.lines.pop(0)


@pytest.fixture
def accounts(root: object) -> Accounts:
    made = Accounts(paths.accounts_db(), scrypt_cost=256)
    made.set_password("admin", OLD)
    return made


@pytest.fixture
def sign_in(accounts: Accounts) -> Callable[..., tuple[str, Typist]]:
    """Type these lines; answers who has signed in, and the typist."""

    def act(*lines: str) -> tuple[str, Typist]:
        typist = Typist(*lines)
        user = Console(accounts, typist, typist, typist.said.append).sign_in()
        return user.name if user is not None else "", typist

    return act


SignIn = Callable[..., tuple[str, Typist]]


def test_an_administrator_signs_in_with_the_password_of_the_pages(sign_in: SignIn) -> None:
    who, typist = sign_in("admin", OLD)
    assert who == "admin"
    assert typist.asked == ["Name: ", "Password: "]
    entry = written_down()[0]
    assert (entry.who, entry.address, entry.action, entry.subject) == ("admin", CONSOLE, "signed in", "user admin")


def test_after_three_wrong_passwords_it_ends(sign_in: SignIn) -> None:
    who, typist = sign_in("admin", "no", "hunter2", "no", "admin", "no")
    assert who == ""
    assert typist.lines == []
    assert [entry.subject for entry in written_down()] == ["user admin", "an unknown user", "user admin"]
    assert "hunter2" not in str(written_down())


def test_who_guesses_waits_even_with_the_right_password(accounts: Accounts, sign_in: SignIn) -> None:
    for _ in range(FREE_FAILURES + 1):
        Console(accounts, Typist(), Typist(), print).throttle.failed("admin", CONSOLE)
    who, typist = sign_in("admin", OLD, "admin", OLD, "admin", OLD)
    assert who == ""
    assert set(typist.said) == {"Too many tries. Wait 30 s."}


def test_only_administrators_get_the_shell(accounts: Accounts, sign_in: SignIn) -> None:
    accounts.add_user("walt", OLD, "write")
    who, typist = sign_in("walt", OLD, "walt", "wrong", "admin", OLD)
    assert who == "admin"
    # the same words: whoever guesses does not learn which was right
    assert typist.said[0] == typist.said[1]


def test_addresses_bind_nobody_who_stands_before_the_card(accounts: Accounts, sign_in: SignIn) -> None:
    accounts.change_user("admin", patterns="10.0.0.7")
    assert sign_in("admin", OLD)[0] == "admin"


def test_the_second_factor_is_asked_for(accounts: Accounts, sign_in: SignIn) -> None:
    import pyotp

    secret = new_secret()
    check, recovery = Factors(accounts.file).switch_on("admin", secret, pyotp.TOTP(secret).at(clock.wall()))
    assert check is Check.RIGHT
    assert sign_in("admin", OLD, "000000", "admin", OLD, "", "admin", OLD, "1")[0] == ""
    assert written_down()[0].new == "wrong code"
    assert sign_in("admin", OLD, recovery[0])[0] == "admin"


def test_nobody_gets_further_with_a_password_that_others_know(accounts: Accounts, sign_in: SignIn) -> None:
    accounts.set_password("admin", OLD, must_change=True)
    who, typist = sign_in("admin", OLD, "short", NEW, "something else", NEW, NEW)
    assert who == "admin"
    assert typist.said == [
        "Choose a password of your own first.",
        "5 characters. It needs at least 12.",
        "The two are not the same.",
    ]
    user = accounts.verify("admin", NEW)
    assert user is not None
    assert not user.must_change


def test_who_does_not_choose_a_good_password_stays_outside(accounts: Accounts, sign_in: SignIn) -> None:
    accounts.set_password("admin", OLD, must_change=True)
    assert sign_in("admin", OLD, "a", "b", "c", "", "")[0] == ""
    assert accounts.verify("admin", OLD) is not None


def test_a_lost_password_is_replaced_after_the_power_was_cut(
    accounts: Accounts, sign_in: SignIn, fake_clock: FakeClock
) -> None:
    fake_clock.at = RESCUE_S - 1
    accounts.add_user("walt", OLD, "write")
    _, typist = sign_in("?", "yes", "", "")
    assert "Give admin another password" in typist.asked[1]
    given = typist.said[0].rpartition(" ")[2]
    assert sign_in("admin", given, NEW, NEW)[0] == "admin"
    assert [entry.action for entry in written_down()] == ["signed in", "password changed", "user rescued"]
    assert given not in str(written_down())


def test_of_several_administrators_one_is_chosen(accounts: Accounts, sign_in: SignIn, fake_clock: FakeClock) -> None:
    fake_clock.at = 10
    accounts.add_user("ann", OLD, "administrator")
    accounts.add_user("walt", OLD, "write")
    typist = sign_in("?", "walt", "?", "ann", "no", "")[1]
    assert typist.asked[1] == "Whose password (admin, ann)? "
    assert typist.said == ["There is no administrator of that name."]
    assert accounts.verify("ann", OLD) is not None


@pytest.mark.parametrize("late", [True, False])
def test_nothing_is_replaced_later_or_after_a_restart_that_was_ordered(
    accounts: Accounts, sign_in: SignIn, fake_clock: FakeClock, late: bool
) -> None:
    fake_clock.at = RESCUE_S if late else 10
    if not late:
        (paths.root() / "run" / "ordered-start").touch()
    typist = sign_in("?", "", "")[1]
    assert typist.asked == ["Name: "] * 3
    assert "power was cut" in typist.said[0]
    assert accounts.verify("admin", OLD) is not None
