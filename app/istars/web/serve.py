"""The pages as one of the card's programs: gunicorn in this process, with the settings of `gunicorn_conf.py`."""

from __future__ import annotations

import sys


class Pages:
    """Serves until SIGTERM; has the shape of a worker, so that it can be one of a family."""

    name = "web"

    def run(self) -> None:
        """Become gunicorn. Ends by SystemExit, as gunicorn does."""
        # Imported here, in the process that serves: the others must not pay for it.
        from gunicorn.app.wsgiapp import WSGIApplication

        sys.argv = ["gunicorn", "-c", "python:istars.web.gunicorn_conf", "istars.web.app:create_app()"]
        WSGIApplication("%(prog)s [OPTIONS] [APP_MODULE]").run()
