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
    "system": "istars.workers.system:System",
}
"""Worker to class. `python -m istars upslink` is one of them, `python -m istars workers upslink core` some in one family."""


def start_workers(names: Sequence[str]) -> int:
    """Run one worker in this process, or several that are forked from it."""
    from istars.platform import paths
    from istars.workers import base

    base.log_to_stderr()
    paths.make_dirs()
    makers = {name: _maker(name) for name in names}
    if len(makers) == 1:
        makers[names[0]]().run()
    else:
        from istars.workers.nursery import Nursery

        Nursery(makers).run()
    return 0


def _maker(name: str) -> Callable[[], base.Program]:
    module, _, attribute = WORKERS[name].partition(":")
    made: Callable[[], base.Program] = getattr(importlib.import_module(module), attribute)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb in `arguments`; answers the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = words[1:] if words[:1] == ["workers"] else words[:1]
    if names and all(name in WORKERS for name in names) and (len(words) == 1 or words[0] == "workers"):
        return start_workers(names)
    from istars import cli

    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
