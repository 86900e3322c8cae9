"""`python -m istars <verb>`: a worker of the card, or a look at the card from the command line.

Workers are started here without the command line's own modules: they live for months and memory is what a card has least of.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from istars.workers import base

WORKERS = {
    "upslink": "istars.workers.upslink:UpsLink",
    "core": "istars.workers.core:Core",
    "notifier": "istars.workers.notifier:Notifier",
    "snmpd": "istars.workers.snmpd:Snmpd",
    "modem": "istars.workers.modem:ModemWorker",
    "web": "istars.web.serve:Pages",
    "updater": "istars.workers.updater:Updater",
    "system": "istars.workers.system:System",
}
"""Worker to class. `python -m istars upslink` is one of them, `python -m istars workers upslink+modem core` some in one family,
the first two in one process."""


def start_workers(names: Sequence[str]) -> int:
    """Run one worker in this process, or several that are forked from it; `a+b` are two that share a process."""
    from istars.platform import paths
    from istars.workers import base

    base.log_to_stderr()
    paths.make_dirs()
    _settings_of_this_firmware()
    makers = {name: _maker(name) for name in names}
    if len(makers) == 1:
        makers[names[0]]().run()
    else:
        from istars.workers.nursery import Nursery

        Nursery(makers).run()
    return 0


def _settings_of_this_firmware() -> None:
    """Before anybody reads them: those of this version, where the card comes back from another one."""
    import logging

    from istars.platform import board, rauc
    from istars.settings import copies
    from istars.store import firmware

    try:
        copies.begin(board.firmware_version(), went_back=firmware.went_back(rauc.booted()))
    except OSError as error:
        logging.getLogger(__name__).error("the copies of the settings cannot be kept: %s", error)


def _maker(name: str) -> Callable[[], base.Program]:
    """What makes the worker, or those of `a+b`. One whose program cannot even be loaded fails alone: the others must tell of it,
    and leave new firmware that has it.
    """
    if "+" in name:
        from istars.workers.together import Together

        makers = {each: _maker(each) for each in name.split("+")}
        return lambda: Together(makers)  # type: ignore[arg-type]  # all but the pages are workers
    module, _, attribute = WORKERS[name].partition(":")
    try:
        made: Callable[[], base.Program] = getattr(importlib.import_module(module), attribute)
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"

        def broken() -> base.Program:
            raise RuntimeError(f"{name} cannot be loaded: {reason}")

        return broken
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb in `arguments`; answers the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = words[1:] if words[:1] == ["workers"] else words[:1]
    if (
        names
        and all(each in WORKERS for name in names for each in name.split("+"))
        and (len(words) == 1 or words[0] == "workers")
    ):
        return start_workers(names)
    from istars import cli

    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
