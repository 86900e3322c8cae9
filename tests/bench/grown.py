"""The card with more workers than it has today: each looks at the live table once a second, as future ones will."""

from __future__ import annotations

import sys

from istars import __main__ as program
from istars.platform import clock
from istars.workers.base import Worker

COUNT = 5


class More(Worker):
    """Reads all readings once a second."""

    def turn(self) -> float:
        self.live.readings()
        return clock.boottime() + 1


for number in range(COUNT):
    name = f"more{number}"
    globals()[name] = type(name, (More,), {"name": name})
    program.WORKERS[name] = f"bench.grown:{name}"

if __name__ == "__main__":
    sys.exit(program.main())
