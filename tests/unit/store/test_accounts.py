"""Users, tokens and waits: what survives a damage, a restart and a clock that is set."""

import os
import sqlite3
from pathlib import Path

import pytest
from istars.errors import StoreError
from istars.model.commands import Permission
from istars.platform import clock
from istars.store.account_rules import CONSOLE, AccountRefused, Asker
from istars.store.accounts import Accounts
from istars.store.database import StoreDamaged
from istars.store.sessions import LONGEST_S, Sessions
from istars.store.throttle import FORGET_S, LONGEST_WAIT_S, Throttle

COST = 256
GARBAGE = b"\x00garbage\xff" * 4000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "accounts.db"


@pytest.fixture
def accounts(path):
    made = Accounts(path, scrypt_cost=COST)
    yield made
    made.close()


class Clock:
    """Boottime, wall time and boot id under control."""

    def __init__(self, monkeypatch):
        self.boot, self.epoch, self.name = 1000.0, 1_800_000_000.0, "first"
        monkeypatch.setattr(clock, "boottime", lambda: self.boot)
        monkeypatch.setattr(clock, "wall", lambda: self.epoch)
        monkeypatch.setattr(clock, "boot_id", lambda: self.name)


@pytest.fixture
def times(monkeypatch):
    return Clock(monkeypatch)


# first start


def test_first_start_makes_admin_who_must_change(accounts):
    (user,) = accounts.users()
    assert (user.name, user.permission, user.must_change) == ("admin", "administrator", True)
    assert accounts.verify("admin", "admin") == user
    assert accounts.state() == "good"


def test_files_are_closed_to_others(accounts, path):
    accounts.users()
    assert [item.stat().st_mode & 0o077 for item in (path, accounts.file.copy)] == [0, 0]


def test_nothing_is_opened_before_use(path):
    Accounts(path)
    assert not path.exists()


def test_two_processes_start_at_once(path):
    """Whoever comes second finds what the first has made, and loses none of it."""
    first, second = Accounts(path, scrypt_cost=COST), Accounts(path, scrypt_cost=COST)
    text = first.create_token("one", "read")
    assert second.token(text) is not None
    assert second.users() == first.users()
    first.close()
    second.close()


# users


def test_password_is_kept_as_scrypt_only(accounts, path):
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    connection = sqlite3.connect(path)
    (kept,) = connection.execute("SELECT hash FROM user").fetchone()
    connection.close()
    assert kept.startswith(f"scrypt:{COST}:8:1$")
    assert b"correct horse" not in path.read_bytes()


def test_usual_cost_is_the_one_measured(path):
    assert Accounts(path)._method == "scrypt:16384:8:1"


@pytest.mark.parametrize(
    ("name", "password"), [("admin", "wrong"), ("nobody", "admin"), ("", ""), ("Admin", "admin"), ("admin\0", "admin")]
)
def test_wrong_name_or_password(accounts, name, password):
    assert accounts.verify(name, password) is None


def test_unknown_name_costs_a_hash_too(accounts, monkeypatch):
    import werkzeug.security

    accounts.users()
    checked = []
    usual = werkzeug.security.check_password_hash
    monkeypatch.setattr(
        werkzeug.security, "check_password_hash", lambda *given: checked.append(given[0]) or usual(*given)
    )
    accounts.verify("nobody", "x")
    accounts.verify("admin", "x")
    assert [stored.split("$")[0] for stored in checked] == [f"scrypt:{COST}:8:1"] * 2


def test_new_password_ends_sessions_and_the_duty_to_change(accounts):
    before = accounts.user("admin")
    after = accounts.set_password("admin", "correct horse battery")
    assert not after.must_change
    assert after.generation != before.generation
    assert accounts.verify("admin", "admin") is None


def test_same_letters_from_another_keyboard(accounts):
    accounts.set_password("admin", "Schlüssel für die Tür")
    assert accounts.verify("admin", "Schlu\u0308ssel fu\u0308r die Tu\u0308r")


@pytest.mark.parametrize("name", ["", " a", "a ", "a\nb", "x" * 65])
def test_bad_names_are_refused(accounts, name):
    with pytest.raises(AccountRefused):
        accounts.add_user(name, "correct horse battery", "read")


def test_taken_name_and_unknown_permission(accounts):
    with pytest.raises(AccountRefused, match="already"):
        accounts.add_user("admin", "correct horse battery", "read")
    with pytest.raises(AccountRefused, match="none, read, write, administrator"):
        accounts.add_user("eve", "correct horse battery", "everything")
    with pytest.raises(AccountRefused, match="no user"):
        accounts.set_password("eve", "correct horse battery")


GOOD = "correct horse battery"
HERE = Asker("admin", "10.0.0.7")


def test_none_is_less_than_looking():
    assert not any(Permission.NONE.allows(needed) for needed in Permission if needed is not Permission.NONE)


def test_names_that_differ_in_case_only_are_one_name(accounts):
    with pytest.raises(AccountRefused, match="already a user called 'admin'") as caught:
        accounts.add_user("ADMIN", GOOD, "read")
    assert caught.value.field == "name"


def test_user_may_enter_from_where_he_is_bound_to(accounts):
    user = accounts.add_user("eve", GOOD, "read", patterns="192.168.1.*\n2001:db8::/32")
    assert [user.may_enter(address) for address in ("192.168.1.9", "2001:db8::9", "192.168.2.9", "local", "")] == [
        True, True, False, False, False
    ]  # fmt: skip
    assert accounts.change_user("eve", patterns="").may_enter("192.168.2.9")
    assert not accounts.change_user("eve", permission="none").may_enter("192.168.1.9")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"permission": "all"}, "permission"),
        ({"patterns": "10.0.0.300"}, "patterns"),
        ({"patterns": "10.0.0.1/8"}, "patterns"),
    ],
)
def test_refused_changes_name_their_field_and_change_nothing(accounts, change, field):
    before = accounts.add_user("eve", GOOD, "read")
    with pytest.raises(AccountRefused) as caught:
        accounts.change_user("eve", **{"permission": "write", **change})
    assert caught.value.field == field
    with pytest.raises(AccountRefused):
        accounts.add_user("bob", GOOD, **{"permission": "write", **change})
    assert accounts.users() == [accounts.user("admin"), before]


def test_new_permission_ends_sessions_and_new_addresses_do_not(accounts):
    before = accounts.add_user("eve", GOOD, "read")
    assert accounts.change_user("eve", permission="read", patterns="10.0.0.7").generation == before.generation
    assert accounts.change_user("eve", permission="write").generation != before.generation


def test_password_and_permission_change_together_or_not_at_all(accounts):
    accounts.set_password("admin", GOOD)
    with pytest.raises(AccountRefused):
        accounts.change_user("admin", password="seven slow purple trains", permission="read")
    assert accounts.verify("admin", GOOD)
    user = accounts.add_user("eve", GOOD, "read")
    changed = accounts.change_user("eve", password="seven slow purple trains", must_change=True)
    assert (changed.must_change, changed.given) == (True, True)
    assert changed.generation != user.generation
    assert accounts.change_user("eve", must_change=False).must_change is False
    assert accounts.verify("eve", "seven slow purple trains")


def test_duty_to_change_the_first_password_cannot_be_lifted(accounts):
    user = accounts.change_user("admin", must_change=False)
    assert (user.must_change, user.given) == (True, False)


@pytest.mark.parametrize("by", [HERE, CONSOLE, Asker("boss", "10.0.0.7")])
@pytest.mark.parametrize("permission", ["none", "read", "write"])
def test_last_administrator_is_never_lowered(accounts, by, permission):
    with pytest.raises(AccountRefused):
        accounts.change_user("admin", permission=permission, by=by)
    assert accounts.user("admin").permission == "administrator"


@pytest.mark.parametrize("by", [HERE, CONSOLE, Asker("boss", "10.0.0.7")])
def test_last_administrator_is_never_removed(accounts, by):
    accounts.add_user("eve", GOOD, "write")
    with pytest.raises(AccountRefused):
        accounts.remove_user("admin", by=by)
    assert accounts.user("admin")


def test_last_administrator_is_never_bound_to_somewhere_else(accounts):
    boss = Asker("boss", "10.0.0.7")
    with pytest.raises(AccountRefused, match=r"no administrator could sign in from 10\.0\.0\.7"):
        accounts.change_user("admin", patterns="192.168.1.*", by=boss)
    accounts.change_user("admin", patterns="192.168.1.* 10.0.0.*", by=boss)
    accounts.add_user("two", GOOD, "administrator", patterns="192.168.1.*")
    with pytest.raises(AccountRefused):
        accounts.change_user("admin", patterns="192.168.1.*", by=boss)
    accounts.change_user("two", patterns="10.0.0.7", by=boss)
    assert accounts.change_user("admin", patterns="192.168.1.*", by=boss).patterns


def test_nobody_shuts_the_door_behind_himself(accounts):
    accounts.add_user("two", GOOD, "administrator")
    for change in ({"patterns": "10.0.0.8"}, {"permission": "none"}):
        with pytest.raises(AccountRefused, match="you"):
            accounts.change_user("admin", by=HERE, **change)
    with pytest.raises(AccountRefused, match="cannot remove yourself"):
        accounts.remove_user("admin", by=HERE)
    assert accounts.change_user("admin", permission="read", by=HERE).permission == "read"
    with pytest.raises(AccountRefused, match="last administrator"):
        accounts.change_user("two", permission="read", by=HERE)


def test_two_administrators_who_lower_each_other_at_once(path):
    """Only one of them succeeds, whichever comes first."""
    first, second = Accounts(path, scrypt_cost=COST), Accounts(path, scrypt_cost=COST)
    first.add_user("two", GOOD, "administrator")
    assert len(second.users()) == 2
    first.change_user("two", permission="read", by=HERE)
    with pytest.raises(AccountRefused):
        second.change_user("admin", permission="read", by=Asker("two", "10.0.0.8"))
    first.close()
    second.close()


def test_removed_user_is_gone(accounts):
    accounts.add_user("eve", GOOD, "write")
    Throttle(accounts.file).succeeded("eve", "10.0.0.7")
    accounts.remove_user("eve", by=HERE)
    assert accounts.user("eve") is None
    assert accounts.verify("eve", GOOD) is None
    for change in (lambda: accounts.remove_user("eve"), lambda: accounts.change_user("eve", permission="read")):
        with pytest.raises(AccountRefused, match="no user called 'eve'"):
            change()


@pytest.mark.parametrize(("column", "value"), [("permission", "emperor"), ("patterns", "somewhere")])
def test_what_only_another_version_understands_opens_nothing(accounts, path, column, value):
    accounts.add_user("eve", GOOD, "write")
    accounts.close()
    connection = sqlite3.connect(path)
    connection.execute(f"UPDATE user SET {column} = ? WHERE name = 'eve'", (value,))
    connection.commit()
    connection.close()
    assert not accounts.user("eve").may_enter("10.0.0.7")
    assert accounts.user("admin").may_enter("10.0.0.7")


# a file of the first version


FIRST_VERSION = """
CREATE TABLE user (name TEXT PRIMARY KEY, hash TEXT NOT NULL, permission TEXT NOT NULL,
    must_change INTEGER NOT NULL DEFAULT 0, generation INTEGER NOT NULL, created REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE token (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB NOT NULL UNIQUE, prefix TEXT NOT NULL,
    name TEXT NOT NULL, permission TEXT NOT NULL, created REAL NOT NULL, expires REAL, revoked REAL);
CREATE TABLE throttle (key TEXT PRIMARY KEY, failures INTEGER NOT NULL, boot TEXT NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE known_address (id INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, address TEXT NOT NULL,
    UNIQUE (user, address));
PRAGMA user_version = 7;
"""


def older_file(path, accounts):
    """The users and tokens of `accounts` as the first version of the file keeps them."""
    connection = sqlite3.connect(path)
    connection.executescript(FIRST_VERSION)
    with accounts.file.reading() as database:
        for table, columns in (
            ("user", "name, hash, permission, must_change, generation, created"),
            ("token", "id, digest, prefix, name, permission, created, expires, revoked"),
        ):
            for row in database.rows(f"SELECT {columns} FROM {table}"):
                connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", tuple(row))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("which", ["accounts.db", "accounts.db.good", "both"])
def test_users_of_the_first_version_are_kept(tmp_path, accounts, which):
    accounts.set_password("admin", GOOD)
    accounts.add_user("eve", GOOD, "read")
    text = accounts.create_token("grafana", "read")
    folder = tmp_path / "older"
    folder.mkdir()
    for name in ("accounts.db", "accounts.db.good") if which == "both" else (which,):
        older_file(folder / name, accounts)
    again = Accounts(folder / "accounts.db", scrypt_cost=COST)
    assert again.users() == accounts.users()
    assert again.verify("eve", GOOD)
    assert again.token(text)
    assert again.change_user("eve", permission="none", patterns="10.0.0.*").patterns
    again.close()
    # the copy is of the new version too
    (folder / "accounts.db").unlink()
    assert again.user("eve").permission == "none"
    again.close()


def test_older_file_that_is_damaged_is_replaced_by_its_older_copy(tmp_path, accounts):
    accounts.add_user("eve", GOOD, "read")
    folder = tmp_path / "older"
    folder.mkdir()
    older_file(folder / "accounts.db.good", accounts)
    (folder / "accounts.db").write_bytes(GARBAGE)
    again = Accounts(folder / "accounts.db", scrypt_cost=COST)
    assert again.verify("eve", GOOD)
    assert again.state() == "restored"
    again.close()


# tokens


def test_token_is_bound_to_addresses_and_knows_who_made_it(accounts):
    text = accounts.create_token("grafana", "read", patterns="10.0.0.*", owner="admin")
    token = accounts.token(text)
    assert (token.may_enter("10.0.0.9"), token.may_enter("10.0.1.9"), token.owner) == (True, False, "admin")
    with pytest.raises(AccountRefused) as caught:
        accounts.create_token("other", "read", patterns="x")
    assert caught.value.field == "patterns"
    assert accounts.revoke_token_number(token.id).name == "grafana"
    assert accounts.revoke_token_number(token.id) is None
    assert accounts.revoke_token_number(99) is None


def test_token_opens_until_revoked(accounts):
    text = accounts.create_token("grafana", "read")
    token = accounts.token(text)
    assert (token.name, token.permission, token.expires) == ("grafana", "read", None)
    assert text.startswith(token.prefix)
    assert len(token.prefix) < len(text) / 3
    assert accounts.revoke_token("grafana")
    assert accounts.token(text) is None
    assert not accounts.revoke_token("grafana")
    assert [item.revoked is not None for item in accounts.list_tokens()] == [True]


def test_token_is_not_on_flash(accounts, path):
    text = accounts.create_token("grafana", "read")
    accounts.close()
    kept = b"".join(item.read_bytes() for item in path.parent.iterdir())
    assert text[20:].encode() not in kept


def test_token_expires(accounts, times):
    text = accounts.create_token("short", "write", times.epoch + 60)
    assert accounts.token(text)
    times.epoch += 60
    assert accounts.token(text) is None


def test_tokens_that_cannot_be_made(accounts, times):
    accounts.create_token("one", "read")
    for name, permission, expires in [
        ("one", "read", None),
        ("two", "none", None),
        ("", "read", None),
        ("x", "read", times.epoch),
    ]:
        with pytest.raises(AccountRefused):
            accounts.create_token(name, permission, expires)
    accounts.revoke_token("one")
    accounts.create_token("one", "read")


@pytest.mark.parametrize("text", ["", "ist_", "ist_" + "A" * 43, "\udce4\ud800", "x" * 10_000])
def test_strange_tokens(accounts, text):
    assert accounts.token(text) is None


# damage


def spoil(path: Path, contents: bytes) -> None:
    path.write_bytes(contents)


@pytest.mark.parametrize("contents", [b"", GARBAGE, None])
def test_last_good_copy_takes_over(path, contents, caplog):
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.set_password("admin", "correct horse battery")
    text = accounts.create_token("one", "read")
    accounts.close()
    if contents is None:
        path.unlink()
    else:
        spoil(path, contents)
    again = Accounts(path, scrypt_cost=COST)
    assert again.verify("admin", "correct horse battery")
    assert again.verify("admin", "admin") is None
    assert again.token(text)
    assert again.state() == "restored"
    assert "last good copy" in caplog.text
    assert again.file.copy.exists()
    again.close()


def test_pages_inside_the_file_are_damaged(path):
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    contents = bytearray(path.read_bytes())
    contents[4096 + 8 : 4096 * 3] = os.urandom(4096 * 2 - 8)
    spoil(path, bytes(contents))
    again = Accounts(path, scrypt_cost=COST)
    assert again.verify("admin", "correct horse battery")
    again.close()


def test_never_back_to_the_first_password(path, caplog):
    """File and copy are both unusable: nobody gets in, and it is said once."""
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    spoil(path, GARBAGE)
    spoil(accounts.file.copy, GARBAGE)
    again = Accounts(path, scrypt_cost=COST)
    for _ in range(3):
        with pytest.raises(StoreDamaged, match="no good copy"):
            again.verify("admin", "admin")
        with pytest.raises(StoreError):
            again.token("ist_x")
    assert sum("no good copy" in line for line in caplog.text.splitlines()) == 1
    assert again.state() == "closed"
    assert path.read_bytes() == GARBAGE


def test_empty_file_is_no_first_start(path):
    path.touch()
    with pytest.raises(StoreDamaged):
        Accounts(path, scrypt_cost=COST).users()


def test_damage_while_in_use_is_healed_by_the_next_request(path):
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    accounts.users()
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    # the same file, spoiled in place by somebody else
    with path.open("r+b") as file:
        file.write(GARBAGE)
    accounts.file._database._db.execute("PRAGMA shrink_memory")
    answers = []
    for _ in range(3):
        try:
            answers.append(accounts.verify("admin", "correct horse battery"))
        except StoreError:
            answers.append(None)
    assert answers[-1] is not None
    accounts.close()


def test_orphaned_log_is_not_played_into_the_copy(path):
    """A log that outlived its file holds older pages: the password of then must not come back."""
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.set_password("admin", "older horse battery")
    log = path.with_name(path.name + "-wal").read_bytes()
    accounts.close()
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    path.unlink()
    path.with_name(path.name + "-wal").write_bytes(log)
    again = Accounts(path, scrypt_cost=COST)
    assert again.verify("admin", "correct horse battery")
    assert again.verify("admin", "older horse battery") is None
    again.close()


def test_file_replaced_by_another_process_is_opened_anew(path):
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.users()
    spare = path.with_name("spare")
    spare.write_bytes(accounts.file.copy.read_bytes())
    other = Accounts(spare, scrypt_cost=COST)
    other.set_password("admin", "correct horse battery")
    other.close()
    spare.replace(path)
    assert accounts.verify("admin", "correct horse battery")
    accounts.close()


def test_copy_follows_every_change(path):
    accounts = Accounts(path, scrypt_cost=COST)
    for change in (
        lambda: accounts.set_password("admin", "correct horse battery"),
        lambda: accounts.create_token("one", "read"),
        lambda: accounts.revoke_token("one"),
        lambda: accounts.add_user("eve", "correct horse battery", "read"),
        lambda: accounts.end_sessions("eve"),
        lambda: accounts.change_user("eve", permission="none", patterns="10.0.0.7"),
        lambda: accounts.remove_user("eve"),
    ):
        change()
        connection = sqlite3.connect(accounts.file.copy)
        kept = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("user", "token")]
        connection.close()
        with accounts.file.reading() as database:
            now = [[tuple(row) for row in database.rows(f"SELECT * FROM {table}")] for table in ("user", "token")]
        assert kept == now
    accounts.close()


def test_copy_left_behind_by_a_power_cut_is_made_good(path):
    accounts = Accounts(path, scrypt_cost=COST)
    accounts.users()
    old = accounts.file.copy.read_bytes()
    accounts.set_password("admin", "correct horse battery")
    accounts.close()
    accounts.file.copy.write_bytes(old)
    accounts.users()
    accounts.close()
    path.unlink()
    assert accounts.verify("admin", "correct horse battery")
    accounts.close()


def test_folder_that_cannot_be_written(tmp_path):
    with pytest.raises(StoreError, match="No such file"):
        Accounts(tmp_path / "nowhere" / "accounts.db").users()


# waiting


@pytest.fixture
def throttle(accounts, times):
    return Throttle(accounts.file)


def fail(throttle, count, user="admin", address="10.0.0.7"):
    result = None
    for _ in range(count):
        result = throttle.failed(user, address)
    return result


def test_fifth_failure_waits_and_each_more_doubles(throttle, times):
    assert [fail(throttle, 1).tries_left for _ in range(4)] == [4, 3, 2, 1]
    waits = []
    for _ in range(8):
        wait = fail(throttle, 1)
        waits.append(wait.seconds)
        times.boot += wait.seconds
    assert waits == [30, 60, 120, 240, 480, 900, 900, 900]
    assert throttle.wait("admin", "10.0.0.7").tries_left == 1


def test_name_is_counted_over_addresses_up_to_a_shorter_wait(throttle, times):
    for host in range(40):
        wait = fail(throttle, 1, address=f"10.0.0.{host}")
    assert (wait.cause, wait.seconds) == ("user", LONGEST_WAIT_S["user"])
    assert throttle.wait("admin", "10.9.9.9").seconds == 300
    assert throttle.wait("other", "10.9.9.9").seconds == 0


def test_address_is_counted_over_names(throttle):
    for number in range(5):
        wait = fail(throttle, 1, user=f"user{number}")
    assert (wait.cause, wait.seconds) == ("address", 30)


def test_strangers_do_not_lock_out_a_known_address(throttle):
    throttle.succeeded("admin", "10.0.0.7")
    for host in range(20, 40):
        fail(throttle, 1, address=f"10.0.0.{host}")
    assert throttle.wait("admin", "10.0.0.50").seconds > 0
    assert throttle.wait("admin", "10.0.0.7").seconds == 0


def test_clock_step_changes_nothing(throttle, times):
    fail(throttle, 5)
    times.epoch += 86_400
    assert throttle.wait("admin", "10.0.0.7").seconds == 30
    times.epoch -= 2 * 86_400
    assert throttle.wait("admin", "10.0.0.7").seconds == 30
    times.boot += 30
    assert throttle.wait("admin", "10.0.0.7").seconds == 0


def test_restart_neither_opens_nor_lengthens(accounts, throttle, times):
    fail(throttle, 7)
    times.boot, times.name = 5.0, "second"
    again = Throttle(accounts.file)
    assert again.wait("admin", "10.0.0.7").seconds == 115
    times.boot = 121.0
    assert again.wait("admin", "10.0.0.7").seconds == 0


def test_success_and_a_quiet_day_forget(throttle, times):
    fail(throttle, 4)
    throttle.succeeded("admin", "10.0.0.7")
    assert throttle.wait("admin", "10.0.0.7").tries_left == 5
    fail(throttle, 4, user="eve", address="10.0.0.8")
    times.boot += FORGET_S + 1
    assert throttle.wait("eve", "10.0.0.8").tries_left == 5


def test_one_ipv6_network_is_one_sender(throttle):
    for host in range(5):
        wait = fail(throttle, 1, user=f"user{host}", address=f"2001:db8:0:7::{host:x}")
    assert wait.seconds == 30
    assert throttle.wait("x", "2001:db8:0:8::1").seconds == 0
    assert (
        fail(throttle, 5, user="a", address="::ffff:10.0.0.9").seconds == throttle.wait("b", "10.0.0.9").seconds == 30
    )


def test_typed_names_are_not_kept(accounts, throttle, path):
    fail(throttle, 6, user="my secret password")
    accounts.close()
    assert b"my secret" not in b"".join(item.read_bytes() for item in path.parent.iterdir())


def test_full_flash_does_not_make_guessing_free(accounts, throttle, monkeypatch):
    fail(throttle, 3)

    def full(**_):
        raise StoreError("no room")

    monkeypatch.setattr(accounts.file, "changing", full)
    assert fail(throttle, 2).seconds == 30
    throttle.succeeded("admin", "10.0.0.7")
    assert throttle.wait("admin", "10.0.0.7").seconds == 0


def test_failures_do_not_rewrite_the_copy(accounts, throttle):
    accounts.users()
    before = accounts.file.copy.stat().st_ino
    fail(throttle, 6)
    assert accounts.file.copy.stat().st_ino == before


def test_rows_are_bounded(accounts, throttle):
    with accounts.file.changing(keep=False) as connection:
        connection.executemany("INSERT INTO throttle VALUES (?, 9, 'old', ?)", [(f"k{n}", n) for n in range(1500)])
    fail(throttle, 1)
    with accounts.file.reading() as database:
        assert database.rows("SELECT count(*) FROM throttle")[0][0] <= 1000
    assert throttle.wait("admin", "10.0.0.7").tries_left == 4


# sessions


@pytest.fixture
def sessions(tmp_path, times):
    made = Sessions(tmp_path / "sessions.db")
    yield made
    made.close()


def test_session_ends_when_idle_old_or_left(sessions, times):
    idle, old, left = (sessions.start("admin", 1, "10.0.0.7") for _ in range(3))
    sessions.end(left, "left")
    times.boot += 899
    sessions.note_use(old)
    assert [sessions.find(secret, 900).ended for secret in (idle, old, left)] == ["", "", "left"]
    times.boot += 1
    assert [sessions.find(secret, 900).ended for secret in (idle, old, left)] == ["idle", "", "left"]
    for _ in range(int(LONGEST_S // 800) + 1):
        sessions.note_use(old)
        times.boot += 800
    assert sessions.find(old, 900).ended == "old"


def test_session_survives_the_worker_but_not_the_boot(sessions, times, tmp_path):
    secret = sessions.start("admin", 1, "10.0.0.7")
    sessions.close()
    again = Sessions(tmp_path / "sessions.db")
    assert again.find(secret, 900).user == "admin"
    times.name = "second"
    assert again.find(secret, 900) is None
    again.close()


def test_clock_step_ends_no_session(sessions, times):
    secret = sessions.start("admin", 1, "10.0.0.7")
    times.epoch += 86_400 * 365
    assert not sessions.find(secret, 900).ended


def test_table_does_not_hold_what_opens_a_session(sessions, tmp_path):
    secret = sessions.start("admin", 1, "10.0.0.7")
    sessions.close()
    assert secret.encode() not in b"".join(item.read_bytes() for item in tmp_path.iterdir())
    assert (tmp_path / "sessions.db").stat().st_mode & 0o077 == 0


def test_damaged_sessions_begin_anew(tmp_path):
    (tmp_path / "sessions.db").write_bytes(GARBAGE)
    sessions = Sessions(tmp_path / "sessions.db")
    secret = sessions.start("admin", 1, "10.0.0.7")
    assert sessions.find(secret, 900).user == "admin"
    sessions.close()
