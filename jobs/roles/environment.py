"""The environment of a run's commands: the repository's dependencies, built once, with services and network.

Called by every role that runs commands. Setup commands are those of the base branch's policy; the files that they
depend on are those of the commit.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

import structlog

from integrations.disk import POLL_SECONDS, read_disk
from integrations.egress.client import Gateway, open_gateway
from integrations.egress.hosts import matches
from integrations.egress.policy import EgressPolicy, EgressReport, expand_hosts
from integrations.environments.build import Build, BuildStopped
from integrations.environments.failure import EnvironmentFailed
from integrations.environments.harvest import hide_secrets
from integrations.environments.inputs import choose_inputs
from integrations.environments.request import EnvironmentRequest
from integrations.environments.store import Layer, read_layer
from integrations.errors import Misconfigured, Paused, Unavailable
from integrations.git.workspace import Workspace
from integrations.sandbox.environment import TREE, Environment, Service
from integrations.sandbox.limits import CommandResult
from integrations.values import CommitSha
from jobs.config.environments import find_secret
from jobs.effects.world import World
from jobs.evidence.command_run import CommandRun
from jobs.evidence.environment_problems import find_setup_problem
from jobs.loop.policy import RepositoryPolicy
from jobs.messages.environment import environment_reason
from jobs.roles.slice import Slice
from jobs.store.tickets import Store

__all__ = ["BuildStopped", "EnvironmentFailed", "prepare_environment", "write_exclusions"]

MOST_OUTAGES = 5
"""Builds that end because a permitted host is unavailable, until the run asks for a person."""
_OUTAGE_SECONDS = 30.0
_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_UNTRACKED = ("git", "ls-files", "-z", "--others", "--exclude-standard", "--directory", "--no-empty-directory")
_LONGEST_LIST = 2**20
_ESCAPED = re.compile(r"[\\*?\[!#]| (?=$)")
_DAY, _GB = 86_400, 1e9
_MOST_LISTS = 16
_log = structlog.get_logger(__name__)
_OBJECTS: dict[tuple[str, str, CommitSha], Mapping[str, str]] = {}


def prepare_environment(run: Slice, sha: CommitSha) -> Environment:
    """The environment of the commit `sha`; builds it if it is missing. It stays until the slice ends.

    Raises `EnvironmentFailed` when it cannot be built, `BuildStopped` when the run is stopped meanwhile, `NotAttempted`
    while another run builds it, `Paused` on a full disk, `Unavailable` while a permitted host is."""
    policy, world = run.spec.policy, run.world
    environment, request, tracked = describe_environment(run, sha)
    hosts = find_agent_hosts(policy, world)
    services = [vars(service) for service in environment.services]
    parts = [request.digest, services, hosts, sorted(environment.variables.items())]
    digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
    if sha == run.spec.start_sha or run.spec.role == "preflight":  # a gate needs that of the base commit too
        world.runs.note_inputs(run.spec.run_id, environment=digest, sandbox=run.sandbox.digest)
    if policy.setup_commands():
        layer = _hold_layer(run, _create_build(run, sha, environment, request, tracked))
        environment = replace(environment, layer=layer.path)
    if hosts:
        gateway = run.held.enter_context(_open_network(run, hosts, run.spec.role))
        run.held.callback(_count_blocked, run, gateway)
        environment = replace(environment, network=gateway.socket)
    return replace(environment, digest=digest)


def create_build(run: Slice, sha: CommitSha) -> Build:
    """The build of the environment of the commit `sha`, for a policy with setup commands."""
    return _create_build(run, sha, *describe_environment(run, sha))


def _count_blocked(run: Slice, gateway: Gateway) -> None:
    """Record the hosts that the slice's commands could not connect to, before its gateway is closed."""
    try:
        blocked = gateway.blocked()
    except Unavailable as error:  # the proxy has ended, and its count with it
        _log.warning("blocked hosts unknown", reason=str(error))
        return
    if blocked:
        run.world.runs.count_blocked(run.spec.run_id, blocked)


def explain_failure(failed: EnvironmentFailed) -> str:
    """The failure for the ticket: command, exit code, decisive line and fix."""
    if not failed.command:
        return str(failed)
    ran = CommandRun(failed.exit_code, failed.output, "", 0.0, killed=failed.reason)
    return environment_reason(find_setup_problem(failed.command, ran, failed.blocked))


def identify_environment(run: Slice, sha: CommitSha) -> str:
    """The key of the commit's environment, without building it."""
    return describe_environment(run, sha)[1].digest


def describe_environment(run: Slice, sha: CommitSha) -> tuple[Environment, EnvironmentRequest, frozenset[str]]:
    """The environment without its layer, the request for the layer, and the paths of the commit."""
    policy, world, repository = run.spec.policy, run.world, run.spec.workspace.repository
    own = policy.loop.environment
    image = world.images.open(own.image) if own.image else None
    variables = dict(image.variables if image else {}) | own.variables
    if "PATH" in own.variables:
        below = (image.variables.get("PATH", "") if image else "") or _find_host_path(world)
        variables["PATH"] = extend_path(own.variables["PATH"], below)
    objects = _list_objects(run, sha)
    inputs = {path: objects[path] for path in choose_inputs(objects, own.inputs)}
    if policy.loop.submodules:
        inputs |= run.mirror.list_submodules(sha)
    request = EnvironmentRequest(
        repository=repository, base=image.digest if image else _identify_host(world), setup=policy.setup_commands(),
        maintain=policy.maintain_commands(), inputs=inputs, network=own.network,
        variables=variables, secrets=own.secrets,
    )  # fmt: skip
    services = tuple(Service(s.name, s.run, s.ready, s.setup, s.seconds) for s in own.services)
    environment = Environment(
        image=image.root if image else None, variables=MappingProxyType(variables), services=services
    )
    return environment, request, frozenset(objects)


def _list_objects(run: Slice, sha: CommitSha) -> Mapping[str, str]:
    """The files of the commit; remembered, because each slice asks for the same ones."""
    key = (str(run.world.settings.home), run.spec.workspace.repository, sha)
    if key not in _OBJECTS:
        while len(_OBJECTS) >= _MOST_LISTS:
            _OBJECTS.pop(next(iter(_OBJECTS)), None)
        _OBJECTS[key] = run.mirror.list_objects(sha)
    return _OBJECTS[key]


def extend_path(own: str, below: str) -> str:
    """The search path with the folders of the policy in front; relative ones are below the work tree."""
    folders = [str(TREE / folder) for folder in own.split(":") if folder and folder != "$PATH"]
    return ":".join([*folders, below])


def _find_host_path(world: World) -> str:
    more = [str(path / "bin") for path in world.settings.sandbox_read_only if (path / "bin").is_dir()]
    return ":".join([*more, _PATH])


def _identify_host(world: World) -> str:
    return json.dumps([_read_release(), [str(path) for path in world.settings.sandbox_read_only]])


@lru_cache(maxsize=1)
def _read_release() -> list[str]:
    """Changes with a release of the host's system, whose programs and libraries an environment uses."""
    release = platform.freedesktop_os_release() if Path("/etc/os-release").exists() else {}
    return [platform.machine(), release.get("ID", ""), release.get("VERSION_ID", "")]


def write_exclusions(workspace: Workspace, environment: Environment) -> None:
    """Let git ignore the environment's files that no pattern of the repository names: they are not to be committed."""
    layer = read_layer(environment.layer) if environment.layer else None
    lines = [f"/{_ESCAPED.sub(_escape, path)}\n" for path in (layer.exclude if layer else ()) if "\n" not in path]
    (workspace.git / "info" / "exclude").write_text("".join(lines), errors="surrogateescape")


def _escape(found: re.Match[str]) -> str:
    return f"\\{found[0]}"


def find_agent_hosts(policy: RepositoryPolicy, world: World) -> tuple[str, ...]:
    """Hosts of `loop.network` that the operator allows. Raises `Misconfigured` for another one."""
    settings = world.settings
    allowed = expand_hosts(tuple(x for x in settings.agent_network if not x.startswith("*.")), settings.registries)
    allowed += tuple(x for x in settings.agent_network if x.startswith("*."))
    hosts = expand_hosts(policy.loop.network, settings.registries)
    if denied := [host for host in hosts if host not in allowed and not matches(host, allowed)]:
        raise Misconfigured(
            f"loop.network in WORKFLOW.md names {', '.join(denied)}, which LOOPLINE_AGENT_NETWORK does not allow: "
            "remove it, or let the operator add it"
        )
    return hosts


def find_secrets(policy: RepositoryPolicy, world: World, repository: str) -> dict[str, str]:
    """The values of `loop.environment.secrets`. Raises `Misconfigured` for one that the operator does not offer."""
    names = policy.loop.environment.secrets
    found = {name: find_secret(world.settings.setup_secrets, repository, name) for name in names}
    if missing := [name for name, secret in found.items() if secret is None]:
        raise Misconfigured(
            f"loop.environment.secrets in WORKFLOW.md names {', '.join(missing)}, which LOOPLINE_SETUP_SECRETS does "
            f"not offer to {repository}: remove the name, or let the operator add the secret"
        )
    return {name: secret for name, secret in found.items() if secret is not None}


def evict_environments(world: World, room: int = 0) -> list[Layer]:
    """Apply the operator's bounds of size and age; `room` are bytes to keep free for the next environment."""
    settings = world.settings
    most = int(settings.environment_gigabytes * _GB) - room
    return world.environments.evict(most, time.time() - settings.environment_days * _DAY)


def _hold_layer(run: Slice, build: Build) -> Layer:
    """Find or build the layer, and keep it from eviction until the slice ends."""
    while True:
        layer = build.find_or_build()
        if run.held.enter_context(run.world.environments.hold(layer)):
            return layer


def _create_build(
    run: Slice, sha: CommitSha, environment: Environment, request: EnvironmentRequest, tracked: frozenset[str]
) -> Build:
    world, spec = run.world, run.spec
    secrets = find_secrets(spec.policy, world, spec.workspace.repository)
    network = spec.policy.loop.environment.network
    hosts = expand_hosts(network, world.settings.registries)

    def run_command(workspace: Workspace, layer: Path, command: str, seconds: float) -> None:
        evict_environments(world)
        with _open_setup_network(run, hosts, command) as gateway:
            inside = replace(environment, layer=layer, network=gateway.socket if gateway else None)
            result = run.sandbox.run(
                ["bash", "-c", command], workspace, timeout=seconds, variables=secrets, environment=inside,
                stopped=run.stopped,
            )  # fmt: skip
            report = gateway.report() if gateway and result.exit_code else EgressReport()
        if result.stopped:
            raise BuildStopped
        if result.exit_code:
            _raise_failure(run, workspace, command, result, report, secrets, is_offline=bool(network) and not hosts)

    def list_untracked(workspace: Workspace, layer: Path) -> tuple[str, ...]:
        inside = replace(environment, layer=layer)
        found = run.sandbox.capture(
            _UNTRACKED, workspace, max_bytes=_LONGEST_LIST, timeout=300, environment=inside, stopped=run.stopped
        )
        if found.stopped:
            raise BuildStopped
        return tuple(os.fsdecode(path) for path in found.output.split(b"\0") if path)

    return Build(
        store=world.environments, request=request, name=spec.ticket.identifier, tracked=tracked,
        create_workspace=lambda folder: run.mirror.create_workspace(folder, sha, spec.workspace.base_sha),
        remove_workspace=run.mirror.remove_workspace, run=run_command, list_untracked=list_untracked,
        stopped=run.stopped, seconds=world.settings.setup_minutes * 60,
        most_bytes=int(world.settings.environment_gigabytes * _GB), secrets=secrets,
    )  # fmt: skip


def _raise_failure(
    run: Slice,
    workspace: Workspace,
    command: str,
    result: CommandResult,
    report: EgressReport,
    secrets: Mapping[str, str],
    *,
    is_offline: bool,
) -> None:
    """Raise the error for a failed setup command: a full disk and an unavailable host are waited for."""
    disk = read_disk(workspace.folder)
    if disk.level != "fine":
        raise Paused(disk.sentence, POLL_SECONDS)
    if "left for runs" in result.note:
        raise Paused(
            f"an environment cannot be built: {result.note}. Free space on the disk of {run.world.settings.home}, or "
            "raise LOOPLINE_DISK_GIGABYTES; the work then continues by itself.",
            POLL_SECONDS,
        )
    output = hide_secrets(result.output.decode(errors="replace"), secrets)
    if report.problems and not report.blocked:
        failures = Store(run.world.redis).count_failure(run.spec.run_id, "environment")
        if failures < MOST_OUTAGES:
            raise Unavailable(f"setup waits for the network: {report.problems[0]}", _OUTAGE_SECONDS * failures)
        output += "".join(f"\n{problem}" for problem in report.problems)
    reason = result.note
    if result.timed_out:
        reason = f"not finished within LOOPLINE_SETUP_MINUTES ({run.world.settings.setup_minutes:g})"
    failed = EnvironmentFailed(command, result.exit_code, output, report.blocked, reason)
    if is_offline:
        failed.args = (f"{failed}. Setup had no network, because LOOPLINE_REGISTRIES is empty",)
    raise failed


@contextmanager
def _open_setup_network(run: Slice, hosts: tuple[str, ...], command: str) -> Iterator[Gateway | None]:
    if not hosts:
        yield None
        return
    with _open_network(run, hosts, command) as gateway:
        yield gateway


@contextmanager
def _open_network(run: Slice, hosts: tuple[str, ...], command: str) -> Iterator[Gateway]:
    """Network access to these hosts. Raises `Unavailable` while the egress process does not run."""
    policy = EgressPolicy(hosts, run=run.spec.run_id, command=command)
    with open_gateway(run.world.settings.home / "egress", policy) as gateway:
        yield gateway
