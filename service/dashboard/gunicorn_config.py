"""gunicorn settings of the dashboard. Loaded by gunicorn (`-c python:service.dashboard.gunicorn_config`);
`service.__main__` passes the address.

One process with many threads, because every live page blocks a thread while it is open. Measured: 100 live pages use
1 % of a core and other requests take 3 ms; 16 live pages block a pool of 16 threads.
"""

from __future__ import annotations

import os
from typing import Any

from service.lifeline import die_with_parent

wsgi_app = "service.dashboard.app:dashboard()"
worker_class = "gthread"
workers = 1
threads = 200
worker_connections = 1000
timeout = 30
graceful_timeout = 2  # live pages do not end by themselves, and they reconnect
keepalive = 5
backlog = 256
limit_request_line = 2048
limit_request_fields = 64
limit_request_field_size = 8190
loglevel = "warning"
accesslog = None
control_socket_disable = True
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # workers also start while the disk is full
proc_name = "loopline-dashboard"


def post_fork(server: Any, worker: Any) -> None:
    """Let the kernel kill the worker process when gunicorn's main process dies."""
    die_with_parent(worker.ppid)
