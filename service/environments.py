"""The command `environments`: lists, builds and removes the dependencies that repositories installed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from redis import Redis

from integrations.environments.build import Build, BuildStopped
from integrations.environments.failure import EnvironmentFailed
from integrations.environments.store import EnvironmentStore, Layer
from integrations.errors import IntegrationError, NotAttempted, NotFound, Rejected, Unavailable
from integrations.explain import format_sentence, show_name
from integrations.git.workspace import Workspace as Checkout
from integrations.sandbox.limits import SandboxUnavailable
from integrations.values import NO_COMMIT, Identifier, RunId, Ticket, TicketId
from jobs.config.settings import Settings
from jobs.effects.build import build_world
from jobs.effects.gather import read_base
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Attempt, Contract, Workspace
from jobs.roles.environment import create_build, explain_failure
from jobs.roles.slice import Slice
from jobs.runtime.lease import hold
from jobs.store.runs import RunConversation

COMMAND = "loopline environments build"
_REPOSITORY = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")


def list_environments(home: Path, out: TextIO) -> int:
    """Print one line for each environment, the most recently used first; returns the exit code."""
    layers = EnvironmentStore(home / "environments").list_layers()
    for layer in layers:
        used = datetime.fromtimestamp(layer.last_used, UTC).isoformat(timespec="seconds")
        size = f"{layer.size / 1e6:.1f} MB, {layer.files} files"
        out.write(f"{layer.digest[:12]}  {used}  {size:<24} built in {layer.seconds:.1f} s  {layer.repository}\n")
    out.write(f"{len(layers)} environments.\n")
    return 0


def remove_environments(home: Path, digest: str, out: TextIO) -> int:
    """Remove the environments whose digest begins with `digest`, unless a command uses them; returns the exit code."""
    store = EnvironmentStore(home / "environments")
    chosen = [layer for layer in store.list_layers() if layer.digest.startswith(digest)]
    left = [layer for layer in chosen if not store.remove(layer)]
    out.writelines(f"{layer.digest[:12]} is in use and stays.\n" for layer in left)
    out.write(f"{len(chosen) - len(left)} environments removed.\n")
    return 1 if left or not chosen else 0


def build_environment(settings: Settings, redis: Redis, repository: str, branch: str, out: TextIO) -> int:
    """Build the environment of the base branch, or of `branch` with the base branch's policy, as a run would; one line
    for each step and for the outcome. Returns the exit code: 0 if the environment exists."""
    try:
        if not _REPOSITORY.fullmatch(repository):
            raise Rejected(f"{show_name(repository)!r} is not a repository: write OWNER/NAME, as acme/shop")
        world = build_world(settings, redis)
        world.freeze.check()
        base = read_base(repository, branch, world)
        if branch and base.branch_sha == NO_COMMIT:
            raise NotFound(f"{repository} has no branch {branch}: push it, or leave --branch out")
        place = f"{repository} at {branch or base.branch} ({(base.branch_sha or base.sha)[:12]})"
        if not base.policy.setup_commands():
            out.write(f"Nothing to build for {place}: its WORKFLOW.md has no loop.environment.setup.\n")
            return 0
        workspace = Workspace(repository=repository, base_branch=base.branch, base_sha=base.sha)
        with open_slice(world, workspace, base.policy, COMMAND, world.freeze.is_frozen) as run:
            return _build(create_build(run, base.branch_sha or base.sha), place, out)
    except EnvironmentFailed as error:
        out.writelines(f"    {line}\n" for line in error.output.splitlines())
        return _report(explain_failure(error), out)
    except BuildStopped:
        return _report("the service was frozen; run `loopline thaw`, then build again", out)
    except (IntegrationError, SandboxUnavailable) as error:
        return _report(str(error), out)


def _report(reason: str, out: TextIO) -> int:
    out.write(f"Not built: {reason.rstrip('.')}.\n")
    return 1


@contextmanager
def open_slice(
    world: World, workspace: Workspace, policy: RepositoryPolicy, command: str, stopped: Callable[[], bool]
) -> Iterator[Slice]:
    """The input of a build by a command: that of a run, without a ticket."""
    spec = RunSpec(
        run_id=RunId(f"{command.replace(' ', '-')}-{uuid.uuid4().hex[:8]}"), generation=0, role="preflight",
        ticket=Ticket(id=TicketId(""), identifier=Identifier(f"`{command}`"), title=""), workspace=workspace,
        start_sha=workspace.base_sha, contract=Contract(criteria=()), attempt=Attempt(), policy=policy,
    )  # fmt: skip
    with hold(world.redis, f"run:{spec.run_id}") as lease:
        if lease is None:
            raise Unavailable("Redis has an older state than this machine: start Loopline, then build again")
        run = Slice(spec, world, RunConversation(world.runs, spec, lease), stopped)
        with run.held:
            yield run


def _build(build: Build, place: str, out: TextIO) -> int:
    def run_command(workspace: Checkout, layer: Path, command: str, seconds: float) -> None:
        _write(out, f"Running {' '.join(command.split())[:200]}")
        build.run(workspace, layer, command, seconds)

    if layer := build.store.find(build.request.repository, build.request.digest):
        out.write(f"The environment of {place} exists: {_describe(layer)}.\n")
        return 0
    _write(out, f"Building the environment of {place}.")
    layer = _find_or_build(replace(build, run=run_command), out)
    verb = "built" if layer.built_for == build.name else f"built for {layer.built_for}"
    out.write(f"The environment of {place} is {verb}: {_describe(layer)}.\n")
    return 0


def _find_or_build(build: Build, out: TextIO) -> Layer:
    """Wait for another builder as long as it builds."""
    reason = ""
    while True:
        try:
            return build.find_or_build()
        except NotAttempted as error:
            if str(error) != reason:
                reason = str(error)
                _write(out, format_sentence(error))


def _describe(layer: Layer) -> str:
    return f"{layer.digest[:12]}, {layer.size / 1e6:.1f} MB, {layer.files} files, built in {layer.seconds:.1f} s"


def _write(out: TextIO, line: str) -> None:
    """Print progress at once, also into a pipe."""
    out.write(f"{line}\n")
    out.flush()
