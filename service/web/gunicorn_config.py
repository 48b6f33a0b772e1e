"""gunicorn's settings for the web process; `service.__main__` adds the address.

Two processes on two cores handle 1,400 durable webhooks per second; a durable webhook is one Redis call. The modules of
the application are imported after gevent has patched the standard library, so this file imports them late.
"""

from __future__ import annotations

from typing import Any

from service.lifeline import die_with_parent

wsgi_app = "service.web.app:web()"
worker_class = "service.gunicorn_worker.DeadlineWorker"
workers = 2
worker_connections = 2000
timeout = 30
graceful_timeout = 10
keepalive = 5
backlog = 2048
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
loglevel = "warning"
accesslog = None
control_socket_disable = True
proc_name = "loopline-web"


def post_fork(server: Any, worker: Any) -> None:
    """End the worker process with gunicorn's main process, also when that crashes."""
    die_with_parent(worker.ppid)


def post_worker_init(worker: Any) -> None:
    """Drain the spools in a thread of gevent."""
    import threading

    from service.web.spool import keep_draining

    endpoint = worker.app.wsgi().extensions["endpoint"]
    arguments = (list(endpoint.spools.values()), endpoint.redis, threading.Event())
    threading.Thread(target=keep_draining, args=arguments, name="spool", daemon=True).start()
