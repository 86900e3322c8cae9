"""The command line over SSH: dropbear as a program of supervisord, the keys that may sign in, the key by which the card is known.

Only the account `admin` signs in, only by key. Its home lies in memory, belongs to root and holds nothing but the keys, so that
whoever has signed in cannot let others in.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from istars.errors import IStarsError
from istars.platform import files, paths, programs, supervisor
from istars.platform.programs import ProgramFailed

ACCOUNT = "admin"
PROGRAM = "ssh"
"""In `rootfs/etc/supervisor.d/card.conf`."""
PORT = 22
PATIENCE_S = 30.0
"""Drawing a key, on a card that has just been started."""


class SshFailed(IStarsError):
    """The command line is not as the settings want it."""


def home() -> Path:
    """Home of the account, as it stands in the table of accounts."""
    return paths.root() / "run" / ACCOUNT


def host_key() -> Path:
    """The key by which the card is known; it stays the same for as long as the card lives."""
    return paths.root() / "data" / "etc" / "dropbear" / "ed25519"


class CommandLine:
    """Keeps dropbear as the settings want it."""

    def __init__(self) -> None:
        self._holds: tuple[str, ...] | None = None
        self.fingerprint = ""

    def look(self, keys: Sequence[str]) -> None:
        """Open the command line to the holders of `keys`, or close it where there are none. Raises SshFailed.

        Nothing is done where that is so already; what failed is tried again at the next look.
        """
        wanted = tuple(keys)
        if wanted == self._holds:
            return
        self._holds = None
        try:
            if wanted:
                self._open(wanted)
            else:
                self._close()
        except OSError as error:
            raise SshFailed(f"{error.filename or home()}: {error.strerror}") from error
        except ProgramFailed as error:
            raise SshFailed(str(error)) from error
        self._holds = wanted

    def _open(self, keys: tuple[str, ...]) -> None:
        self.fingerprint = _fingerprint(_drawn())
        lines = "".join(f"{key}\n" for key in keys).encode()
        path = home() / ".ssh" / "authorized_keys"
        if not path.exists() or path.read_bytes() != lines:
            for folder in (home(), path.parent):
                folder.mkdir(exist_ok=True)
                # dropbear passes over keys that others could change
                folder.chmod(0o755)
            files.replace(path, lines)
            path.chmod(0o644)
            _end_sessions()
        supervisor.run(paths.run_dir() / "supervisor.sock", PROGRAM)

    def _close(self) -> None:
        self.fingerprint = ""
        if not home().exists():
            return
        import shutil  # few cards ever need it, and memory is what they have least of

        supervisor.stop(paths.run_dir() / "supervisor.sock", PROGRAM)
        shutil.rmtree(home() / ".ssh", ignore_errors=True)
        _end_sessions()
        # last: it is what says that there is something to close
        home().rmdir()


def _drawn() -> Path:
    """The card's key, drawn at the first need."""
    path = host_key()
    if not path.exists():
        import tempfile  # see _close()

        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=paths.run_dir()) as folder:
            drawn = Path(folder) / "key"
            programs.run(["dropbearkey", "-t", "ed25519", "-f", str(drawn)], PATIENCE_S)
            files.replace(path, drawn.read_bytes(), 0o600)
    return path


def _fingerprint(key: Path) -> str:
    """`SHA256:...` as the programs of those who sign in show it."""
    printed = programs.run(["dropbearkey", "-y", "-f", str(key)], PATIENCE_S)
    words = [line.split()[1] for line in printed.splitlines() if line.startswith("Fingerprint:")]
    if not words:
        raise SshFailed("dropbearkey shows no fingerprint")
    return words[0]


def _end_sessions() -> None:
    """End every program of the account: dropbear goes on serving those who signed in before."""
    import pwd  # see _close()

    number = pwd.getpwnam(ACCOUNT).pw_uid
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if entry.stat().st_uid == number:
                    os.kill(int(entry.name), signal.SIGKILL)
