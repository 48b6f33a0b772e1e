"""gunicorn's settings for the dashboard. Read by gunicorn (`-c python:service.dashboard.gunicorn_config`);
`service.__main__` gives it the address.

One process with many threads: every live page holds a thread for as long as it is open. 100 of them were measured to
cost 1 % of a core and to leave other requests at 3 ms, where 16 of them stopped a pool of 16 threads.
"""

from __future__ import annotations

from typing import Any

from service.lifeline import die_with_parent

wsgi_app = "service.dashboard.app:dashboard()"
worker_class = "gthread"
workers = 1
threads = 200
worker_connections = 1000
timeout = 30
graceful_timeout = 2  # live pages never end by themselves, and they find their way back
keepalive = 5
backlog = 256
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
loglevel = "warning"
accesslog = None
control_socket_disable = True
proc_name = "loopline-dashboard"


def post_fork(server: Any, worker: Any) -> None:
    """The worker process ends with gunicorn's main process, however that ends."""
    die_with_parent(worker.ppid)
