"""Time of the proof compared with the plain check. Run: python -m tests.benchmarks.bench_proof [seconds] [rounds]

Not a test: times depend on the machine, the ratio less so. Plain is the command of the contract in a fresh tree and
sandbox. The proof is all of the gate for a small honest change with a new test: `cold` with the run on the base commit,
`cached` with its result in the store. The suite sleeps for `seconds`, so parallel experiments help on any machine; a
suite that needs all processors for itself has the ratio of its number of experiments.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from redis import Redis

from integrations.git.mirror import Mirror
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.values import CommitSha, Identifier, Ticket, TicketId
from jobs.advance_run import advance_run
from jobs.config.settings import Settings
from jobs.effects import world as worlds
from jobs.effects.world import World
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract, Criterion
from jobs.runtime import keys
from jobs.runtime.connection import connect
from jobs.workflow import ServicePolicy
from service.supervisor import embedded_redis
from tests.integrations.git.hosting import GitHost, commit
from tests.loops import spec_with

COMMAND = "python3 -m unittest -q"
SUITE = """\
import time
import unittest

from shop.cart import add


class Adding(unittest.TestCase):
    def test_add(self):
        time.sleep({0})
        self.assertEqual(add(1, 0), 1)
"""
NEW = """\
import unittest

from shop.cart import add


class More(unittest.TestCase):
    def test_more(self):
        self.assertEqual(add(1, 2), 3)
"""


class Bench:
    """A repository with a slow suite, and an honest change of it."""

    def __init__(self, folder: Path, host: GitHost, redis: Redis, seconds: float) -> None:
        self.redis, self.runs, upstream = redis, 0, host.create("acme/shop")
        base = {
            "shop/__init__.py": b"",
            "shop/cart.py": b"def add(a, b):\n    return a - b\n",
            "tests/__init__.py": b"",
        }
        self.base = CommitSha(commit(upstream, base | {"tests/test_add.py": SUITE.format(seconds).encode()}))
        change = {"shop/cart.py": b"def add(a, b):\n    return a + b\n", "tests/test_more.py": NEW.encode()}
        self.candidate = CommitSha(commit(upstream, change))
        settings = Settings(home=folder / "home", redis_url="")
        sandbox = Sandbox(find_bwrap(), default_read_only())
        self.world = World(settings, redis, ServicePolicy(teams={}), _sandbox=sandbox)
        self.world.raise_faults = True
        worlds.install(self.world)
        self.mirror = Mirror(settings.home / "repos" / "acme__shop.git", f"{host.url}/acme/shop.git")
        self.mirror.fetch("main")

    def plain(self) -> None:
        """The command in a fresh tree."""
        self.runs += 1
        folder = self.world.settings.home / "plain" / str(self.runs)
        workspace = self.mirror.create_workspace(folder, self.candidate, self.base)
        self.world.sandbox.run(["bash", "-c", COMMAND], workspace, timeout=600)
        self.mirror.remove_workspace(folder)

    def gate(self) -> None:
        """All of the gate, with its experiments."""
        self.runs += 1
        spec = spec_with(
            Ticket(id=TicketId(f"t{self.runs}"), identifier=Identifier("ENG-1"), title="Add"),
            f"ENG-1-{self.runs}-gate",
            role="gate", base_sha=self.base, start_sha=self.candidate, started_at=1.0,
            contract=Contract(criteria=(Criterion(id="k1", text=COMMAND, command=COMMAND),)),
            policy=RepositoryPolicy(loop=LoopPolicy()),
        )  # fmt: skip
        self.world.runs.start(replace(spec))
        while self.world.runs.is_unfinished(spec.run_id):
            advance_run(spec.run_id)

    def cold(self) -> None:
        """The gate without the result of the base commit."""
        names = self.redis.zrange(keys.BASE_TREES, 0, -1)
        self.redis.delete(*names, keys.BASE_TREES)  # type: ignore[misc]
        self.gate()


def measure(act: Callable[[], None], rounds: int) -> float:
    """The median in seconds."""
    times = []
    for _ in range(rounds):
        begin = time.perf_counter()
        act()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="loopline-bench-") as name, GitHost(Path(name) / "host") as host:
        settings = Settings(home=Path(name) / "redis")
        with (Path(name) / "redis.log").open("wb") as log:
            server = embedded_redis.start(settings.redis_socket, log)
        try:
            redis = connect(settings)
            embedded_redis.wait_for(redis, server)
            bench = Bench(Path(name), host, redis, seconds)
            bench.plain()
            bench.gate()  # warm-up, and the result of the base commit
            plain, cached, cold = (measure(act, rounds) for act in (bench.plain, bench.gate, bench.cold))
        finally:
            server.terminate()
            server.wait()
    print(f"a suite of {seconds:g} s: plain {plain:.2f} s")  # noqa: T201
    print(f"gate, cached baseline: {cached:.2f} s, ratio {cached / plain:.2f}")  # noqa: T201
    print(f"gate, cold: {cold:.2f} s, ratio {cold / plain:.2f}")  # noqa: T201


if __name__ == "__main__":
    main()
