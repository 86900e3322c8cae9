"""gunicorn's threaded worker with the card's sign of life, and with encryption on one of its ports.

gunicorn itself encrypts all ports or none, and reads its certificate once. It would also shake hands in a thread, of which
there are few: here the loop does that, a step whenever the client has said something, so that one who stops in the middle
holds nobody up.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import ssl
from contextlib import suppress
from functools import partial
from selectors import EVENT_READ
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

from istars.platform import memory, sysinfo
from istars.platform.tls import Encryption

log = logging.getLogger(__name__)

HANGS_AFTER_S = 30
"""A loop that has not come round for so long never will; the family starts the pages again."""


class EncryptedConnection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """A connection to the port with encryption."""

    sock: Any
    wrapped = False
    secured = False

    def shake(self, encryption: Encryption) -> bool:
        """One step of the handshake, without waiting; False when it has failed (a port scanner, a client that is too old)."""
        try:
            if not self.wrapped:
                context = encryption.context()
                self.sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
                self.wrapped = True
            self.sock.do_handshake()
            self.secured = True
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except (OSError, ValueError) as error:
            log.debug("no handshake with %s: %s", self.client, error)
            return False
        return True


class PagesWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker that serves the pages."""

    encryption: Encryption | None = None

    def init_process(self) -> None:
        """Called by gunicorn in the new process."""
        self.encrypted_port = int(os.environ.get("HTTPS_PORT") or "0")
        if self.encrypted_port:
            self.encryption = Encryption(sysinfo.host_name(), sysinfo.addresses())
        super().init_process()

    def load_wsgi(self) -> None:
        """Called by gunicorn before its loop: builds the pages."""
        super().load_wsgi()
        # what was only needed to build them
        gc.collect()
        memory.give_back()

    def notify(self) -> None:
        """Called by gunicorn's loop, once a second, busy or not; the store decides whether it is time."""
        super().notify()
        signal.alarm(HANGS_AFTER_S)
        store = getattr(self.wsgi, "extensions", {}).get("istars.store")
        if store is not None:
            store.beat()

    def on_client_socket_readable(self, conn: Any, client: Any) -> None:
        """Called by gunicorn's loop when a connection has something to say."""
        if self.encryption is None or conn.initialized or conn.server[1] != self.encrypted_port:
            super().on_client_socket_readable(conn, client)
            return
        with self._lock:
            self.poller.unregister(client)
            with suppress(ValueError):
                self._keep.remove(conn)
        if not isinstance(conn, EncryptedConnection):
            conn.__class__ = EncryptedConnection
        if conn.secured:
            self.enqueue_req(conn)
        elif conn.shake(self.encryption):
            self._listen(conn)
        else:
            self.nr_conns -= 1
            conn.close()

    def _listen(self, conn: Any) -> None:
        """Wait for what a connection says next, as long as for one that is kept alive."""
        conn.set_timeout()
        with self._lock:
            self._keep.append(conn)
            self.poller.register(conn.sock, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def handle_request(self, req: Any, conn: Any) -> bool:
        """Called by gunicorn in a thread for each request that it has read."""
        if isinstance(conn, EncryptedConnection):
            req.scheme = "https"
        return super().handle_request(req, conn)  # type: ignore[no-any-return]
