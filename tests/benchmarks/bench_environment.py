"""Time to a ready work tree of a Node.js project with 30,000 files in node_modules, against `npm ci` and `cp -a`.

Usage: python -m tests.benchmarks.bench_environment [files] [rounds of commands] [folder]. The packages are generated
and installed by the real npm, offline. Ready: the tree is there, its environment is mounted, and a command in it has
read a package. Then the cost per command: plain, one-shot, long-lived (`bench_sandbox`). Not a test: a sandbox yields
to other processes, so the ratios hold on an idle machine; under load compare with the row of the sandbox.
"""

from __future__ import annotations

import io
import json
import logging
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import structlog
from redis import Redis

from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from integrations.values import CommitSha
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.runtime.connection import connect
from jobs.workflow import ServicePolicy
from service.supervisor import embedded_redis
from tests.benchmarks import bench_sandbox
from tests.benchmarks.bench_trees import measure, report
from tests.integrations.git.hosting import GitHost, commit, git
from tests.jobs.roles.test_environment import Shop

FILES_PER_PACKAGE = 300
INSTALL = "npm ci --offline --no-audit --no-fund"
UPDATE = "npm install --offline --no-audit --no-fund"


def pack(name: str, version: str, files: int) -> bytes:
    """An npm package as its archive, with about 1.5 KB in each file."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz", compresslevel=1) as tar:
        contents = {"package.json": json.dumps({"name": name, "version": version})}
        contents |= {f"lib/d{n // 20}/f{n}.js": f"// {name} {version} {n}\n" * 60 for n in range(files - 1)}
        for path, text in contents.items():
            entry = tarfile.TarInfo(f"package/{path}")
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()


def create_project(packages: int, first_version: str, folder: Path) -> dict[str, bytes]:
    """The files of the repository, with a lock file by npm; only the first package has another version."""
    versions = {f"p{n}": first_version if n == 0 else "1.0.0" for n in range(packages)}
    paths = {name: f"vendor/{name}-{version}.tgz" for name, version in versions.items()}
    (folder / "vendor").mkdir(parents=True)
    for name, path in paths.items():
        (folder / path).write_bytes(pack(name, versions[name], FILES_PER_PACKAGE))
    manifest = {"name": "shop", "version": "1.0.0", "dependencies": {n: f"file:{path}" for n, path in paths.items()}}
    (folder / "package.json").write_text(json.dumps(manifest))
    (folder / ".gitignore").write_text("node_modules\n")
    run(folder, f"{UPDATE} --package-lock-only")
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run(folder: Path, command: str) -> None:
    """The command without a sandbox, with an empty home."""
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": home}
        subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=True)


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Settings, Redis]]:
    """Settings and a client of an embedded Redis."""
    settings = Settings(home=folder / "home")
    settings.home.mkdir()
    with (settings.home / "redis.log").open("wb") as log:
        process = embedded_redis.start(settings.redis_socket, log)
    with process, connect(settings) as redis:
        try:
            embedded_redis.wait_for(redis, process)
            yield settings, redis
        finally:
            process.terminate()


def get_ready(shop: Shop, ticket: str, sha: str, *maintain: str) -> None:
    """A work tree of the commit with its environment, and one command in it."""
    environment = shop.prepare(ticket, sha, setup=(INSTALL,), maintain=maintain)
    result = shop.execute(environment, "cat node_modules/p0/package.json", sha)
    assert result.exit_code == 0, result.output


def install_in_sandbox(shop: Shop) -> None:
    """The setup command in a work tree; nothing is kept."""
    workspace = shop.mirror.create_workspace(shop.world.settings.home / "runs" / "ALONE-1" / "1", CommitSha(shop.base))
    result = shop.world.sandbox.run(["bash", "-c", INSTALL], workspace, timeout=1800)
    assert result.exit_code == 0, result.output


def main(files: int, rounds: int, parent: str | None) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    with tempfile.TemporaryDirectory(dir=parent) as name, GitHost(Path(name) / "host") as host:
        folder, upstream = Path(name), host.create("acme/shop")
        packages = files // FILES_PER_PACKAGE
        base = commit(upstream, {**create_project(packages, "1.0.0", folder / "first")})
        newer = {version: create_project(packages, version, folder / version) for version in ("1.1.0", "1.2.0")}
        with opened(folder) as (settings, redis):
            world = World(settings, redis, ServicePolicy(teams={}), _sandbox=Sandbox(find_bwrap(), default_read_only()))
            mirror = world.mirror("acme/shop", f"{host.url}/acme/shop.git")
            mirror.fetch("main")
            shop = Shop(world, upstream, mirror, base)
            with shop.stack:
                compare(shop, folder, newer)
    sys.stdout.write("\nCost per command: one-shot sandbox, session, and its kept shell against plain\n")
    bench_sandbox.main(rounds)


def compare(shop: Shop, folder: Path, newer: dict[str, dict[str, bytes]]) -> None:
    """Print each time with its ratio to `npm ci` alone, then the same for `cp -a`."""
    plain, copy = folder / "plain", folder / "copy"
    git(folder, "clone", "-q", str(shop.upstream), str(plain))
    installed = measure(lambda: run(plain, INSTALL))
    copied = measure(lambda: subprocess.run(["cp", "-a", plain, copy], check=True))
    shutil.rmtree(copy)
    count = sum(path.is_file() for path in (plain / "node_modules").rglob("*"))
    sys.stdout.write(f"{count} files in node_modules\n")
    times = {"npm ci alone": installed, "cp -a": copied}
    times["npm ci in a sandbox alone"] = measure(lambda: install_in_sandbox(shop))
    times["ready, cold"] = measure(lambda: get_ready(shop, "COLD-1", shop.base))
    warm = [measure(partial(get_ready, shop, f"WARM-{n}", shop.base)) for n in range(5)]
    times["ready, warm"] = statistics.median(warm)
    for title, maintain, version in (("setup again", (), "1.1.0"), ("maintained", (UPDATE,), "1.2.0")):
        sha = commit(shop.upstream, {**newer[version]})
        shop.mirror.fetch("main")
        changed: Callable[[], None] = partial(get_ready, shop, f"LOCK-{version}", sha, *maintain)
        times[f"ready, changed lock file, {title}"] = measure(changed)
    for reference in ("npm ci alone", "cp -a"):
        sys.stdout.write(f"\nagainst {reference}\n")
        for title, seconds in times.items():
            report(title, seconds, times[reference])


if __name__ == "__main__":
    arguments = [*sys.argv[1:], "", "", ""]
    main(int(arguments[0] or 30_000), int(arguments[1] or 30), arguments[2] or None)
