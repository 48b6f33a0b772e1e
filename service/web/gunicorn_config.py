"""gunicorn's settings for the web process; `service.__main__` adds the address.

gthread, because a durable webhook is one Redis call: 2 processes x 8 threads handle 2,000 per second on two cores.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from socket import SHUT_RDWR
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker  # type: ignore[import-untyped]

from service.lifeline import die_with_parent
from service.web.spool import keep_draining

wsgi_app = "service.web.app:web()"
worker_class = "service.web.gunicorn_config.PunctualWorker"
workers = 2
threads = 8
worker_connections = 1000
timeout = 30
graceful_timeout = 10
keepalive = 5
backlog = 512
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
loglevel = "warning"
accesslog = None
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # workers also start while the disk is full
proc_name = "loopline-web"


class PunctualWorker(ThreadWorker):  # type: ignore[misc]
    """gthread with a timeout for reading a request: without one, as many slow clients as threads block the process."""

    seconds_per_request = 20.0

    def init_process(self) -> None:
        """Called before the first request."""
        self._deadlines: dict[TConn, float] = {}
        super().init_process()

    def handle(self, conn: TConn) -> Any:
        """Handle one request, in a thread of the pool."""
        self._deadlines[conn] = time.monotonic() + self.seconds_per_request
        try:
            return super().handle(conn)
        finally:
            self._deadlines.pop(conn, None)

    def notify(self) -> None:
        """Called about once a second by the main loop: shut overdue connections down, which ends the read."""
        super().notify()
        now = time.monotonic()
        for conn, deadline in list(self._deadlines.items()):
            if now > deadline:
                with suppress(OSError):  # closed meanwhile
                    conn.sock.shutdown(SHUT_RDWR)


def post_fork(server: Any, worker: Any) -> None:
    """End the worker process with gunicorn's main process, also when that crashes."""
    die_with_parent(worker.ppid)


def post_worker_init(worker: Any) -> None:
    """Drain the spools in a thread."""
    endpoint = worker.wsgi.extensions["endpoint"]
    arguments = (list(endpoint.spools.values()), endpoint.redis, threading.Event())
    threading.Thread(target=keep_draining, args=arguments, name="spool", daemon=True).start()
