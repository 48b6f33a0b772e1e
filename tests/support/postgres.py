"""A real PostgreSQL of a test: a server on this machine with a password for each role."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

PASSWORD = "owner-p4ssw0rd"


@contextmanager
def run_postgres() -> Iterator[str]:
    """The URL of its superuser. The server runs as another user where the test is root, which it refuses."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb"), *map(Path, filter(None, [shutil.which("initdb")]))]
    assert found, "install postgresql, see infra/test-tools"
    programs, user = found[0].parent, None if os.geteuid() else pwd.getpwnam("nobody").pw_uid
    folder = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    secret = folder / "password"
    secret.write_text(PASSWORD)
    if user is not None:
        os.chown(folder, user, -1)
        os.chown(secret, user, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    setup = [programs / "initdb", "-D", folder / "data", "-U", "owner", "--pwfile", secret, "--no-sync"]
    subprocess.run([*setup, "--auth=scram-sha-256", "-E", "UTF8"], check=True, capture_output=True, user=user)
    options = ["-D", folder / "data", "-k", folder, "-p", str(port), "-h", "127.0.0.1", "-c", "fsync=off"]
    server = subprocess.Popen([programs / "postgres", *options], stderr=subprocess.DEVNULL, user=user)
    try:
        url = f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/postgres"
        _wait_for(url)
        yield url
    finally:
        server.terminate()
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(url: str) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < until, "PostgreSQL does not start"
            time.sleep(0.05)
