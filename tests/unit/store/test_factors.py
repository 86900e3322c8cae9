"""Codes of the second factor: near their time only, once only, and not at all without a clock."""

import sqlite3

import pyotp
import pytest
from istars.platform import clock
from istars.store.accounts import Accounts
from istars.store.factors import EARLIEST_WALL, RECOVERY_CODES, USED_KEPT, Check, Factors, new_secret

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
NOW = 1_800_000_000.0


@pytest.fixture
def wall(monkeypatch):
    class Wall:
        at = NOW

    made = Wall()
    monkeypatch.setattr(clock, "wall", lambda: made.at)
    return made


@pytest.fixture
def accounts(tmp_path):
    made = Accounts(tmp_path / "accounts.db", scrypt_cost=256)
    yield made
    made.close()


@pytest.fixture
def factors(accounts, wall):
    return Factors(accounts.file)


def code(at):
    return pyotp.TOTP(SECRET).at(int(at))


@pytest.fixture
def recovery(factors, wall):
    """Of `admin`, whose second factor is on since some minutes."""
    result, codes = factors.switch_on("admin", SECRET, code(wall.at))
    assert result is Check.RIGHT
    wall.at += 300
    return codes


def test_off_until_a_code_has_confirmed_it(factors, wall):
    assert not factors.has("admin")
    assert factors.switch_on("admin", SECRET, "000000") == (Check.WRONG, [])
    assert not factors.has("admin")
    assert factors.check("admin", code(wall.at)) is Check.WRONG
    result, codes = factors.switch_on("admin", SECRET, code(wall.at))
    assert (result, len(codes), len(set(codes))) == (Check.RIGHT, RECOVERY_CODES, RECOVERY_CODES)
    assert factors.users() == {"admin"}
    # the code that switched it on is used up
    assert factors.check("admin", code(wall.at)) is Check.USED


@pytest.mark.parametrize("step", [-1, 0, 1])
def test_one_step_early_or_late_counts_and_once(factors, wall, recovery, step):
    typed = code(wall.at + 30 * step)
    assert factors.check("admin", f" {typed[:3]} {typed[3:]} ") is Check.RIGHT
    assert factors.check("admin", typed) is Check.USED


@pytest.mark.parametrize("step", [-3, -2, 2, 3])
def test_two_steps_do_not(factors, wall, recovery, step):
    assert factors.check("admin", code(wall.at + 30 * step)) is Check.WRONG


@pytest.mark.parametrize(
    "typed", ["", " ", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "\0", "x" * 10_000, "\udce4", "-" * 19]
)
def test_strange_codes(factors, recovery, typed):
    assert factors.check("admin", typed) is Check.WRONG


def test_clock_that_is_set_back_locks_nobody_out_and_opens_nothing_twice(factors, wall, recovery):
    first = code(wall.at)
    assert factors.check("admin", first) is Check.RIGHT
    wall.at -= 86_400
    assert factors.check("admin", code(wall.at)) is Check.RIGHT
    wall.at += 86_400
    assert factors.check("admin", first) is Check.USED


def test_card_without_a_clock_says_so_and_takes_recovery_codes(factors, wall, recovery):
    wall.at = EARLIEST_WALL - 1
    assert factors.check("admin", code(wall.at)) is Check.NO_CLOCK
    assert factors.switch_on("eve", new_secret(), "123456") == (Check.NO_CLOCK, [])
    assert factors.check("admin", recovery[0]) is Check.RECOVERED


def test_recovery_codes_open_once_each(factors, recovery):
    assert factors.recovery_left("admin") == RECOVERY_CODES
    assert factors.check("admin", recovery[0].upper().replace("-", " ")) is Check.RECOVERED
    assert factors.check("admin", recovery[0]) is Check.WRONG
    assert factors.check("eve", recovery[1]) is Check.WRONG
    assert factors.recovery_left("admin") == RECOVERY_CODES - 1


def test_recovery_codes_are_kept_as_digests(factors, recovery, accounts):
    accounts.close()
    kept = b"".join(path.read_bytes() for path in accounts.file.path.parent.iterdir())
    for text in recovery:
        assert text.encode() not in kept
        assert text.replace("-", "").encode() not in kept


def test_used_codes_survive_a_restart_and_stay_few(factors, accounts, wall, recovery):
    for _ in range(USED_KEPT + 5):
        wall.at += 30
        assert factors.check("admin", code(wall.at)) is Check.RIGHT
    accounts.close()
    assert factors.check("admin", code(wall.at)) is Check.USED
    connection = sqlite3.connect(accounts.file.path)
    assert connection.execute("SELECT count(*) FROM used_code").fetchone()[0] == USED_KEPT
    connection.close()


def test_switching_off_forgets_all(factors, wall, recovery):
    assert factors.switch_off("admin")
    assert not factors.switch_off("admin")
    assert factors.check("admin", recovery[0]) is Check.WRONG
    assert factors.check("admin", code(wall.at)) is Check.WRONG
    assert (factors.users(), factors.recovery_left("admin")) == (set(), 0)


def test_removed_user_leaves_no_factor_to_a_namesake(factors, accounts, wall):
    accounts.add_user("eve", "correct horse battery", "read")
    factors.switch_on("eve", SECRET, code(wall.at))
    accounts.remove_user("eve")
    accounts.add_user("eve", "correct horse battery", "read")
    assert not factors.has("eve")


def test_factor_comes_back_with_the_copy(factors, accounts, wall, recovery):
    accounts.close()
    accounts.file.path.write_bytes(b"garbage" * 1000)
    assert factors.has("admin")
    assert factors.check("admin", recovery[0]) is Check.RECOVERED
