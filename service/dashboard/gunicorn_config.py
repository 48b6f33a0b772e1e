"""gunicorn settings of the dashboard. Loaded by gunicorn (`-c python:service.dashboard.gunicorn_config`);
`service.__main__` passes the address.

One process with a greenlet per connection: a live page stays open, and must not keep other pages from their responses.
"""

from __future__ import annotations

from typing import Any

from service.lifeline import die_with_parent

wsgi_app = "service.dashboard.app:dashboard()"
worker_class = "service.gunicorn_worker.DeadlineWorker"
workers = 1
worker_connections = 1000
timeout = 30
graceful_timeout = 2  # live pages do not end by themselves, and they reconnect
keepalive = 5
sendfile = False  # it would bypass the deadline of `Connection.sendall`
backlog = 2048
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
loglevel = "warning"
accesslog = None
control_socket_disable = True
proc_name = "loopline-dashboard"


def post_fork(server: Any, worker: Any) -> None:
    """Let the kernel kill the worker process when gunicorn's main process dies."""
    die_with_parent(worker.ppid)
