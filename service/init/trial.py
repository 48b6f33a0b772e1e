"""Tries the proposed `WORKFLOW.md` on the default branch before its pull request is opened: setup, then each check, in
the sandbox as a run would. Needs no service: it starts Redis and the egress proxy if none of this home folder run.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pydantic import ValidationError
from redis import Redis
from redis.exceptions import RedisError

from integrations.environments.failure import EnvironmentFailed, find_decisive_line
from integrations.errors import IntegrationError
from integrations.sandbox.limits import SandboxUnavailable
from integrations.sandbox.services import ServiceNotReady
from jobs import egress
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.effects.build import build_world
from jobs.effects.gather import find_repository
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Workspace
from jobs.roles.environment import BuildStopped, explain_failure, prepare_environment, write_exclusions
from jobs.roles.slice import Slice, run_check
from jobs.runtime.connection import connect
from service.environments import open_slice
from service.supervisor import embedded_redis
from service.supervisor.embedded_redis import CannotStart

SECONDS = 900.0
"""Limit of the whole trial, setup included."""
_LINE = 200


@dataclass
class Trial:
    """The results: `failed` has the last line of each check that failed, by name. `problem`: nothing could be tried."""

    place: str = ""
    passed: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    problem: str = ""


def try_policy(
    environ: Mapping[str, str],
    repository: str,
    policy: RepositoryPolicy,
    show: Callable[[str], None],
    seconds: float = SECONDS,
) -> Trial:
    """Run setup and checks on the head of the default branch. Raises nothing for what fails there."""
    trial, until = Trial(), time.monotonic() + seconds
    try:
        settings = parse_settings(environ)
        with _open_redis(settings) as redis, _serve_egress(settings, redis, is_needed=bool(policy.setup_commands())):
            world = build_world(settings, redis)
            found = find_repository(repository, world.code_host)
            branch, credentials = found.default_branch, world.code_host.git_credentials(repository)
            mirror = world.mirror(repository, found.clone_url, credentials)
            mirror.fetch(branch)
            workspace = Workspace(repository=repository, base_branch=branch, base_sha=mirror.head(branch))
            trial.place = f"{branch} ({workspace.base_sha[:12]})"
            with open_slice(world, workspace, policy, "loopline init", lambda: time.monotonic() > until) as run:
                _try_checks(run, trial, show, seconds)
    except EnvironmentFailed as error:
        trial.problem = explain_failure(error)
    except BuildStopped:
        trial.problem = f"the setup did not end within {seconds:.0f} s"
    except ValidationError:
        trial.problem = "the settings cannot be used"
    except (IntegrationError, SandboxUnavailable, ServiceNotReady, CannotStart, RedisError, OSError) as error:
        trial.problem = str(error)
    return trial


def _try_checks(run: Slice, trial: Trial, show: Callable[[str], None], seconds: float) -> None:
    base = run.spec.workspace.base_sha
    tree = run.mirror.create_workspace(run.folder, base)
    try:
        environment = prepare_environment(run, base)
        write_exclusions(tree, environment)
        with run.sandbox.open(tree, environment) as session:
            for check in run.spec.policy.loop.checks:
                ended = run_check(run, session, check.run)
                if ended and not ended.exit_code:
                    trial.passed.append(check.name)
                    show(f"✓ {check.name}: {check.run}")
                    continue
                line = find_decisive_line(ended.output) if ended else f"not ended within {seconds:.0f} s"
                trial.failed[check.name] = line[:_LINE] or f"exit {ended.exit_code if ended else 1}"
                show(f"! {check.name} fails and is left out: {check.run}: {trial.failed[check.name]}")
    finally:
        run.mirror.remove_workspace(run.folder)


@contextmanager
def _open_redis(settings: Settings) -> Iterator[Redis]:
    """The service's Redis; its embedded one is started for the trial if it does not run."""
    with connect(settings, timeout=5.0, retries=0) as redis:
        if settings.redis_url.get_secret_value() or embedded_redis.is_answering(redis):
            yield redis
            return
        process = embedded_redis.start(settings.redis_socket, subprocess.DEVNULL)
        try:
            embedded_redis.wait_for(redis, process)
            yield redis
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def _serve_egress(settings: Settings, redis: Redis, *, is_needed: bool) -> Iterator[None]:
    """The network of setup commands; this one waits while the service's own proxy runs."""
    if not is_needed:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=egress.run, args=[settings, redis, stop], name="egress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
