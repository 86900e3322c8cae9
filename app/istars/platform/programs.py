"""Other programs of the system, called with fixed words and without a shell."""

from __future__ import annotations

from collections.abc import Sequence

from istars.errors import IStarsError

PATIENCE_S = 5.0


class ProgramFailed(IStarsError):
    """The program is missing, took too long or refused; the text is what it said last."""


def run(words: Sequence[str], patience_s: float = PATIENCE_S, files: Sequence[int] = ()) -> str:
    """What the program `words[0]` prints. It gets the open `files` (descriptors) too.

    Raises ProgramFailed.
    """
    # here, because most processes import this file and never run a program
    import subprocess

    try:
        done = subprocess.run(
            list(words), stdin=subprocess.DEVNULL, capture_output=True, pass_fds=files, timeout=patience_s, check=False
        )
    except FileNotFoundError:
        raise ProgramFailed(f"the program {words[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise ProgramFailed(f"{words[0]} took longer than {patience_s:g} s") from None
    except OSError as error:
        raise ProgramFailed(f"{words[0]} cannot run: {error.strerror}") from error
    printed = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        said = (done.stderr.decode("utf-8", "replace").strip() or printed.strip()).splitlines()
        raise ProgramFailed(said[-1] if said else f"{words[0]} ended with status {done.returncode}")
    return printed
