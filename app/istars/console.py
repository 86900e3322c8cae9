"""The serial console of the card: somebody has pressed Enter, signs in, and gets the shell of root. `python -m istars.console`

Administrators sign in with what they sign in to the pages with. Whoever has lost the password gets another one here in the first
minutes after the card's power was cut: that shows that they stand before it. A restart that was ordered shows nothing.
"""

from __future__ import annotations

import fcntl
import getpass
import math
import os
import signal
import sys
import termios
from collections.abc import Callable, Mapping
from contextlib import suppress

from istars import settings
from istars.asker import CONSOLE
from istars.cli_accounts import rescue
from istars.errors import IStarsError
from istars.model.commands import Permission
from istars.platform import clock, paths, sysinfo
from istars.store.account_rules import NAME_LENGTH
from istars.store.accounts import Accounts, User
from istars.store.audit import AuditRecord, Entry
from istars.store.factors import Check, Factors
from istars.store.throttle import Throttle
from istars.web import passwords

SILENCE_S = 60
"""After so long without a line whoever began to sign in is taken to have left."""
TRIES = 3
RESCUE_S = 300.0
"""After power has come back: so long a lost password can be replaced."""
LOST = "?"
SHELL_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "SHELL": "/bin/sh", "ISTARS_ROOT": ""}

Ask = Callable[[str], str]


class Console:
    """One sign-in. `ask` and `ask_hidden` put a question and answer the line that is typed, `say` writes one."""

    def __init__(self, accounts: Accounts, ask: Ask, ask_hidden: Ask, say: Callable[[str], None]) -> None:
        self.accounts = accounts
        self.factors, self.throttle = Factors(accounts.file), Throttle(accounts.file)
        self._ask, self._ask_hidden, self._say = ask, ask_hidden, say

    def sign_in(self) -> User | None:
        """The administrator who has signed in, with a password of their own; None after too many tries."""
        for _ in range(TRIES):
            name = self._ask("Name: ").strip()
            if name == LOST:
                self._rescue()
            elif name and (user := self._try(name)) is not None:
                return user
        return None

    def _try(self, name: str) -> User | None:
        wait = self.throttle.wait(name, CONSOLE)
        password = self._ask_hidden("Password: ")
        if wait.seconds > 0:
            self._say(f"Too many tries. Wait {math.ceil(wait.seconds)} s.")
            return None
        user = self.accounts.verify(name, password) if len(name) <= NAME_LENGTH else None
        if user is None:
            self._refuse(name, "wrong password")
            return None
        if self.factors.has(name):
            result = self.factors.check(name, self._ask("Code of your authenticator, or a recovery code: "))
            if result is Check.NO_CLOCK:
                self._say("The card does not know the time; only a recovery code opens.")
                return None
            if result not in (Check.RIGHT, Check.RECOVERED):
                self._refuse(name, f"{result} code")
                return None
        if not user.permission.allows(Permission.ADMINISTRATOR):
            self._refuse(name, "no administrator")
            return None
        self.throttle.succeeded(name, CONSOLE)
        if user.must_change and not self._choose(user):
            return None
        _note(name, "signed in", f"user {name}")
        return user

    def _refuse(self, name: str, reason: str) -> None:
        """Say no, and no more: whoever guesses must not learn what was right."""
        # people type passwords into the field for the name: what is nobody's name goes into no log
        shown = f"user {name}" if self.accounts.user(name) is not None else "an unknown user"
        _note("", "sign-in refused", shown, reason)
        self.throttle.failed(name, CONSOLE)
        self._say("That does not open anything here. Only administrators sign in at the console.")

    def _choose(self, user: User) -> bool:
        """Have another password chosen: the one that was typed is known to somebody else."""
        self._say("Choose a password of your own first.")
        known = settings.load()
        names = (user.name, known.text("system.name"), known.text("system.location"))
        for _ in range(TRIES):
            chosen = self._ask_hidden("New password: ")
            problem = passwords.problem(chosen, names)
            if not problem and self._ask_hidden("The same again: ") != chosen:
                problem = "The two are not the same."
            if not problem:
                self.accounts.set_password(user.name, chosen)
                _note(user.name, "password changed", f"user {user.name}")
                return True
            self._say(problem)
        return False

    def _rescue(self) -> None:
        """Replace a lost password, where somebody has just cut the power."""
        if not may_rescue():
            self._say(
                "A lost password is replaced in the first five minutes after the card's power was cut: "
                "pull the card out of its slot, put it back, and come here again. The load stays supplied."
            )
            return
        names = [user.name for user in self.accounts.users() if user.permission is Permission.ADMINISTRATOR]
        name = names[0] if len(names) == 1 else self._ask(f"Whose password ({', '.join(names)})? ").strip()
        if name not in names:
            self._say("There is no administrator of that name.")
        elif (
            self._ask(f"Give {name} another password, remove the second factor, allow every address (yes/no)? ")
            == "yes"
        ):
            password = rescue(self.accounts, name, remove_factor=True, any_address=True)[1]
            self._say(f"Good for signing in once, as {name}: {password}")


def may_rescue() -> bool:
    """Whether the card has started a moment ago because its power had been cut (`rootfs/sbin/init-istars`)."""
    return clock.boottime() < RESCUE_S and not (paths.root() / "run" / "ordered-start").exists()


def _note(who: str, action: str, subject: str, new: str = "") -> None:
    AuditRecord().note(Entry(clock.wall(), who, CONSOLE, action, subject, new=new))


def _ask(question: str) -> str:
    signal.alarm(SILENCE_S)
    return input(question)


def _ask_hidden(question: str) -> str:
    signal.alarm(SILENCE_S)
    return getpass.getpass(question)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


def _left(_number: int, _frame: object) -> None:
    """Nobody has typed for long. An exception, so that whatever was done to the terminal is undone."""
    raise EOFError


def _prepare_terminal() -> None:
    """The console as a person expects it, whatever the program before has left of it."""
    with suppress(OSError):
        # so that Ctrl-C reaches the shell: init opens the console without making it anybody's
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    with suppress(termios.error):
        found = termios.tcgetattr(0)
        found[3] |= termios.ECHO | termios.ECHOE | termios.ICANON | termios.ISIG
        # what was typed while nobody asked is no name
        termios.tcsetattr(0, termios.TCSAFLUSH, found)


def _shell(user: User, environment: Mapping[str, str]) -> None:
    """Become the shell; what is done there is noted under the name of who signed in."""
    idle_s = settings.load().whole("session.idle") * 60
    own = {"USER": user.name, "LOGNAME": user.name, "TMOUT": f"{idle_s}", "TERM": environment.get("TERM", "vt100")}
    # no word of an owner is a part of what is run
    os.execve("/bin/sh", ["-sh"], {**SHELL_ENVIRONMENT, **own})  # noqa: S606 # nosec B606


def main() -> int:
    """Greet, let somebody sign in, become their shell. Ends with 1 where nobody signs in."""
    signal.signal(signal.SIGALRM, _left)
    _prepare_terminal()
    _say(f"\niStars, {sysinfo.host_name()}. Name {LOST} replaces a lost password.")
    try:
        user = Console(Accounts(paths.accounts_db()), _ask, _ask_hidden, _say).sign_in()
        signal.alarm(0)
        if user is not None:
            _shell(user, os.environ)
    except (EOFError, KeyboardInterrupt):
        _say("")
    except (IStarsError, OSError) as error:
        _say(f"The card cannot let anybody in: {error}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
