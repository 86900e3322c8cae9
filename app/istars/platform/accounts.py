"""The accounts of the card: one for each thing that a stranger might get hold of, all in the group `istars`."""

from __future__ import annotations

import os
import pwd

UMASK = 0o007
"""What a worker makes is open to its group, the other workers, and to nobody else."""


def become(name: str) -> bool:
    """Go on as an account, for good; False where we are not root or there is none, as on a developer's machine.

    Raises OSError where the system refuses it: whoever asked must not go on as root then.
    """
    if os.geteuid() != 0:
        return False
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return False
    os.umask(UMASK)
    os.initgroups(name, entry.pw_gid)
    os.setresgid(entry.pw_gid, entry.pw_gid, entry.pw_gid)
    os.setresuid(entry.pw_uid, entry.pw_uid, entry.pw_uid)
    os.environ.update(HOME="/", USER=name, LOGNAME=name)
    return True
