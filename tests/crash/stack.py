"""The demo's stack with what a crash needs: a keeper that starts a dead supervisor again, and eyes on what is left."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from redis import Redis
from redis.exceptions import RedisError

from integrations.standins.demo.stack import Stack
from jobs.config.settings import Settings
from jobs.runtime import keys, queues
from jobs.runtime.connection import connect
from jobs.runtime.scripts import decode

PORTS = 5
REVIEWER = "ghp_of_the_reviewer"
STANDINS = {"linear": "board", "github": "pull_requests", "model": "model"}
FLEETING = (b"lease:clock",)  # the leader's lease is held as long as the clock runs


class FragileStack(Stack):
    """A stack whose service can die at any time: the keeper restarts it, as systemd does."""

    def start(self) -> None:
        """Start everything, and keep the supervisor alive."""
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
        self._coming: list[tuple[str, str]] = []
        super().start()

    def close(self) -> None:
        """Stop keeping, then kill everything: what the supervisor started has to die with it."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        for _, process in self._processes:
            process.kill()
        super().close()

    def _await(self, name: str, url: str) -> None:
        """All at once: nothing needs the stand-ins before the service is up."""
        self._coming.append((name, url))
        if name == "service":
            self._keeper.start()
            for one in self._coming:
                super()._await(*one)

    def _exit_code(self, name: str) -> int | None:
        """None for the service, which the keeper restarts after any exit."""
        return None if name == "service" else super()._exit_code(name)

    def github_seed(self) -> dict[str, Any]:
        """With an account that reviews in place of people who approve on the ticket."""
        seed: dict[str, Any] = super().github_seed()
        author = seed["users"][1]
        seed["users"].append({**author, "login": "reviewer", "email": "reviewer@acme.test", "token": REVIEWER})
        return seed

    @property
    def service_home(self) -> Path:
        """Where the service writes."""
        return self.home / "service"

    def redis(self) -> Redis:
        """A client of the service's own Redis."""
        return connect(Settings(home=self.service_home), timeout=5, retries=0)

    def log(self, standin: str) -> list[dict[str, Any]]:
        """Every write that the stand-in accepted, oldest first."""
        entries: list[dict[str, Any]] = requests.get(f"{self.urls[STANDINS[standin]]}/_log", timeout=20).json()
        return entries

    def misbehave(self, standin: str, **fault: object) -> None:
        """Ask a stand-in for a fault."""
        requests.post(f"{self.urls[STANDINS[standin]]}/_faults", json=fault, timeout=10).raise_for_status()

    def faults_left(self, standin: str) -> list[dict[str, Any]]:
        """The faults that nothing has met yet."""
        left: list[dict[str, Any]] = requests.get(f"{self.urls[STANDINS[standin]]}/_faults", timeout=10).json()
        return left

    def _keep(self) -> None:
        while not self._closing.wait(0.2):
            name, process = self._processes[-1]
            if name == "service" and process.poll() is not None:
                self._processes.pop()
                self._spawn(name, list(process.args), self.settings())  # type: ignore[arg-type]


def free_ports(first: int) -> int:
    """The first of five ports in a row, somewhere in the thousand from `first` on, without a listener.

    Anywhere, since another run on this machine may be about to listen on those that it has found free just now."""
    bases = range(first, first + 1000, PORTS)
    for base in random.sample(bases, len(bases)):
        if all(_is_free(port) for port in range(base, base + PORTS)):
            return base
    raise RuntimeError(f"no five free ports in a row after {first}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def unfinished(redis: Redis) -> list[str]:
    """What the service still has to do; empty when it is quiet. A Redis that is away is not quiet."""
    try:
        return list(_unfinished(redis))
    except RedisError as error:
        return [f"Redis: {error}"]


def _unfinished(redis: Redis) -> Iterator[str]:
    for name in (queues.EVENTS, queues.AGENTS):
        if waiting := queues.open_queue(redis, name).count:
            yield f"{waiting} jobs in queue {name}"
    for pattern in ("mailbox:*", "outbox:*", "retry:*", "lease:*", keys.READY, keys.RUNS, queues.LATER):
        yield from (key.decode() for key in redis.scan_iter(pattern) if key not in FLEETING)
    yield from (key.decode() for key in redis.scan_iter("steering:*", _type="LIST"))  # not the marks of commands
    for group in redis.xinfo_groups(keys.INBOX):
        if group["pending"] or group["lag"]:
            yield f"inbox: {group['pending']} pending, {group['lag']} behind"
    yield from (f"dead letter: {decode(item)[:300]}" for item in redis.hvals(keys.DEAD_LETTERS))


def processes_below(home: Path) -> dict[int, str]:
    """Command lines by process id of the living processes that name this folder or work in it."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environ = (entry / "environ").read_bytes().decode(errors="replace")
            if any(str(home) in text for text in (line, environ, str((entry / "cwd").readlink()))):
                found[int(entry.name)] = line.strip()[:200]
    return found


def git(folder: Path, *arguments: str) -> str:
    """What git says about a repository of a stand-in."""
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
