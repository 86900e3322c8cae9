"""The pages as one of the card's programs: gunicorn in this process, with the settings of `gunicorn_conf.py`."""

from __future__ import annotations

import os
import sys


class Pages:
    """Serves until SIGTERM; has the shape of a worker, so that it can be one of a family."""

    name = "web"

    def run(self) -> None:
        """Become gunicorn's worker.

        Without its arbiter: a parent that forks one worker, starts it again and ends one that hangs is what the family and its
        alarm clock (`worker.py`) do already, and as a process of its own it would cost 7 MB.
        """
        # Imported here, in the process that serves: the others must not pay for it.
        from gunicorn.app.wsgiapp import WSGIApplication
        from gunicorn.arbiter import Arbiter

        sys.argv = ["gunicorn", "-c", "python:istars.web.gunicorn_conf", "istars.web.app:create_app()"]
        arbiter = Arbiter(WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]"))
        arbiter.start()
        worker = arbiter.worker_class(
            1, os.getppid(), arbiter.LISTENERS, arbiter.app, arbiter.timeout, arbiter.cfg, arbiter.log
        )
        worker.pid = os.getpid()
        worker.init_process()
