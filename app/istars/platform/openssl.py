"""The `openssl` program: makes keys, certificates and requests, and reads those of others.

A program instead of a library because it is needed a few times in the life of a card: a process that ends costs nothing
afterwards, where `cryptography` keeps 11 MB in the one that serves the pages. It is called with fixed words, without a shell.
"""

from __future__ import annotations

import os

from istars.errors import IStarsError
from istars.platform import programs

PROGRAM = "openssl"
PATIENCE_S = 20.0
CONFIG = b"[req]\ndistinguished_name=name\n[name]\n"
"""Instead of the system's configuration, which differs from machine to machine."""


class OpensslFailed(IStarsError):
    """The program is missing, took too long, or refused; the text is what it said last."""


def run(*words: str | bytes) -> str:
    """What `openssl WORDS` prints. A word of bytes is a file: it is handed over in memory, so that no key lies on flash.

    Raises OpensslFailed.
    """
    files: list[int] = []
    try:
        line = [PROGRAM, *(word if isinstance(word, str) else _in_memory(word, files) for word in words)]
        return programs.run(line, PATIENCE_S, files)
    except programs.ProgramFailed as error:
        raise OpensslFailed(str(error)) from None
    except OSError as error:
        raise OpensslFailed(f"openssl cannot run: {error.strerror}") from error
    finally:
        for descriptor in files:
            os.close(descriptor)


def _in_memory(content: bytes, files: list[int]) -> str:
    """The path of a file without a name that holds `content`; its descriptor is added to `files`."""
    descriptor = os.memfd_create("istars")
    files.append(descriptor)
    os.write(descriptor, content)
    return f"/proc/self/fd/{descriptor}"
