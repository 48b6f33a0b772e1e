"""Environments of a repository in the real sandbox: built once, shared read-only, never by an agent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from integrations.environments import build as builds
from integrations.errors import Misconfigured, NotAttempted, Unavailable
from integrations.git.mirror import Mirror
from integrations.sandbox.bubblewrap import CommandResult, Sandbox, default_read_only, find_bwrap
from integrations.sandbox.environment import Environment
from integrations.values import CommitSha, Identifier, Ticket, TicketId
from jobs.config.settings import Settings
from jobs.effects.world import World
from jobs.loop.environment_policy import EnvironmentPolicy
from jobs.loop.policy import LoopPolicy, RepositoryPolicy
from jobs.loop.state import Contract
from jobs.roles.environment import (
    EnvironmentFailed,
    evict_environments,
    identify_environment,
    prepare_environment,
    write_exclusions,
)
from jobs.roles.slice import Slice
from jobs.runtime.lease import hold
from jobs.store.runs import RunConversation
from jobs.workflow import ServicePolicy
from tests.integrations.git.hosting import GitHost, commit
from tests.loops import spec_with

INSTALL = "mkdir -p node_modules/tool && cat package-lock.json > node_modules/tool/version && echo $RANDOM > ~/token"
LOCK = b"tool 1\n"


class Shop:
    """A repository with a lock file, and runs on it."""

    def __init__(self, world: World, upstream: Path, mirror: Mirror, base: str) -> None:
        self.world, self.upstream, self.mirror, self.base = world, upstream, mirror, base
        self.stack = ExitStack()
        self.stopped = False

    def commit(self, **files: bytes | None) -> str:
        sha = commit(self.upstream, {name.replace("__", "-").replace("_json", ".json"): x for name, x in files.items()})
        self.mirror.fetch("main")
        return sha

    def run(self, ticket: str = "ENG-1", **policy: Any) -> Slice:
        environment = EnvironmentPolicy(**{"setup": (INSTALL,), "network": ()} | policy)
        spec = spec_with(
            Ticket(id=TicketId(ticket), identifier=Identifier(ticket), title="Add"), f"{ticket}-maker", role="maker",
            base_sha=self.base, start_sha=self.base, contract=Contract(criteria=()), repository="acme/shop",
            policy=RepositoryPolicy(loop=LoopPolicy(environment=environment)), started_at=1.0,
        )  # fmt: skip
        self.world.runs.start(spec)
        lease = self.stack.enter_context(hold(self.world.redis, f"run:{spec.run_id}"))
        assert lease
        run = Slice(spec, self.world, RunConversation(self.world.runs, spec, lease), lambda: self.stopped)
        self.stack.enter_context(run.held)
        return run

    def prepare(self, ticket: str = "ENG-1", sha: str = "", **policy: Any) -> Environment:
        return prepare_environment(self.run(ticket, **policy), sha or self.base)  # type: ignore[arg-type]

    def execute(self, environment: Environment, script: str, sha: str = "", *, writable: bool = True) -> CommandResult:
        folder = self.world.settings.home / "runs" / "ENG-9" / str(time.monotonic_ns())
        workspace = self.mirror.create_workspace(folder, sha or self.base)  # type: ignore[arg-type]
        write_exclusions(workspace, environment)
        return self.world.sandbox.run(
            ["bash", "-c", script], workspace, timeout=30, environment=environment, writable=writable
        )

    def show(self, environment: Environment, script: str, sha: str = "") -> str:
        return self.execute(environment, script, sha).output.decode().strip()

    @property
    def layers(self) -> list[str]:
        return [layer.digest for layer in self.world.environments.list_layers()]


@pytest.fixture
def shop(tmp_path: Path, redis: Redis, settings: Settings) -> Iterator[Shop]:
    with GitHost(tmp_path / "host") as host:
        upstream = host.create("acme/shop")
        files = {
            "package-lock.json": LOCK,
            "package.json": b"{}\n",
            "src/main.js": b"1\n",
            ".gitignore": b"node_modules\n",
        }
        base = commit(upstream, files)
        world = World(settings, redis, ServicePolicy(teams={}), _sandbox=Sandbox(find_bwrap(), default_read_only()))
        mirror = world.mirror("acme/shop", f"{host.url}/acme/shop.git")
        mirror.fetch("main")
        shop = Shop(world, upstream, mirror, base)
        with shop.stack:
            yield shop


def test_environment_is_built_once_and_a_second_ticket_installs_nothing(shop: Shop) -> None:
    first = shop.prepare("ENG-1")
    second = shop.prepare("ENG-2")

    assert first.layer == second.layer and len(shop.layers) == 1
    read = "cat node_modules/tool/version ~/token"
    assert shop.show(first, read) == shop.show(second, read) != ""


def test_environment_without_setup_is_the_host(shop: Shop) -> None:
    environment = shop.prepare(setup=(), variables={"NODE_ENV": "test", "PATH": "node_modules/.bin:/opt/x"})

    assert environment.layer is None and shop.layers == []
    shown = shop.show(environment, "echo $NODE_ENV $PATH")
    assert shown.startswith("test /workspace/node_modules/.bin:/opt/x:") and shown.endswith("/sbin")


def test_environment_keeps_neither_tracked_files_nor_sockets_nor_setuid_bits(shop: Shop) -> None:
    setup = (
        "echo changed > src/main.js && echo added > src/new.js && mkfifo pipe && touch up && chmod 4755 up",
        "mkdir a b && rm package.json && ln -s /etc/passwd l",
        "python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"sock\")'",
    )
    environment = shop.prepare(setup=setup)
    assert environment.layer
    tree = environment.layer / "tree"

    assert {str(p.relative_to(tree)) for p in tree.rglob("*")} == {"src", "src/new.js", "up", "a", "b", "l"}
    assert (tree / "up").stat().st_mode & 0o7000 == 0
    assert shop.show(environment, "cat src/main.js package.json; git status --short") == "1\n{}"


def test_environment_is_another_one_for_another_lock_file_only(shop: Shop) -> None:
    first = shop.prepare()
    same = shop.prepare("ENG-2", sha=shop.commit(README=b"x\n"))
    other_sha = shop.commit(package__lock_json=b"tool 2\n")
    other = shop.prepare("ENG-3", sha=other_sha)

    assert first.layer == same.layer != other.layer
    assert shop.show(other, "cat node_modules/tool/version", other_sha) == "tool 2"


def test_environment_is_maintained_on_a_copy_of_the_older_one(shop: Shop) -> None:
    maintain = ("cat package-lock.json >> node_modules/tool/version && rm ~/token && echo kept > ~/more",)
    first = shop.prepare(maintain=maintain)
    sha = shop.commit(package__lock_json=b"tool 2\n")
    second = shop.prepare("ENG-2", sha=sha, maintain=maintain)

    assert shop.show(second, "cat node_modules/tool/version; ls ~", sha) == "tool 1\ntool 2\nmore"
    assert shop.show(first, "cat node_modules/tool/version; ls ~") == "tool 1\ntoken"


def test_environment_that_cannot_be_maintained_is_built_anew(shop: Shop) -> None:
    shop.prepare(maintain=("exit 1",))
    sha = shop.commit(package__lock_json=b"tool 2\n")

    environment = shop.prepare("ENG-2", sha=sha, maintain=("exit 1",))
    assert shop.show(environment, "cat node_modules/tool/version", sha) == "tool 2"


def test_environment_that_setup_cannot_build_names_command_code_and_line(shop: Shop) -> None:
    noise = "for i in $(seq 50); do echo WARNING: Retrying after attempt $i; done; "
    failing = f"{noise} echo 'ERROR: No matching distribution found for shopkit==9'; exit 3"
    with pytest.raises(EnvironmentFailed, match="No matching distribution found for shopkit") as failed:
        shop.prepare(setup=("true", failing))

    assert (failed.value.command, failed.value.exit_code) == (failing, 3)
    assert failed.value.output.splitlines() == [
        "[50 lines about retries and progress]", "ERROR: No matching distribution found for shopkit==9",
    ]  # fmt: skip
    assert shop.layers == [] and list(shop.world.settings.home.glob("environments/*/.new-*")) == []


def test_agent_cannot_write_the_shared_layer(shop: Shop) -> None:
    environment = shop.prepare()
    attack = "echo evil > node_modules/tool/version; rm -rf node_modules/tool; mkdir node_modules/evil"
    assert shop.execute(environment, attack).exit_code == 0

    assert shop.show(environment, "cat node_modules/tool/version; ls node_modules") == "tool 1\ntool"
    assert environment.layer and (environment.layer / "tree/node_modules/tool/version").read_bytes() == LOCK
    find = f"find / -path /proc -prune -o -name '{environment.layer.name}' -print 2>/dev/null"
    assert shop.show(environment, find) == ""


def test_secret_is_a_variable_of_setup_alone_and_never_in_the_layer_or_a_message(shop: Shop) -> None:
    secret = "npm_canary_0123456789"
    shop.world.settings = shop.world.settings.model_copy(update={"setup_secrets": {"NPM_TOKEN": SecretStr(secret)}})
    good = 'test "$NPM_TOKEN" = npm_canary_0123456789 && touch installed'
    environment = shop.prepare(setup=(good,), secrets=("NPM_TOKEN",))
    assert shop.show(
        environment, "ls installed; env | grep -c NPM; grep -r canary /proc/*/environ ~ . 2>/dev/null"
    ) == ("installed\n0")

    leaks = ("echo $NPM_TOKEN > ~/.npmrc", "printf $NPM_TOKEN | base64 > ~/.npmrc", "ln -s $NPM_TOKEN ~/.npmrc")
    for number, leak in enumerate(leaks, 4):
        with pytest.raises(EnvironmentFailed, match=r"the secret NPM_TOKEN in ~/\.npmrc"):
            shop.prepare(f"ENG-{number}", setup=(leak,), secrets=("NPM_TOKEN",))
    with pytest.raises(EnvironmentFailed) as failed:
        shop.prepare("ENG-3", setup=("echo fatal: $NPM_TOKEN is refused; exit 1",), secrets=("NPM_TOKEN",))
    assert secret not in f"{failed.value} {failed.value.output} {failed.value.line}"
    assert "[secret NPM_TOKEN] is refused" in str(failed.value)


def test_secret_that_the_operator_does_not_offer_is_named(shop: Shop) -> None:
    with pytest.raises(Misconfigured, match="names NPM_TOKEN, which LOOPLINE_SETUP_SECRETS does not offer"):
        shop.prepare(secrets=("NPM_TOKEN",))


def test_network_of_agents_needs_the_operator(shop: Shop) -> None:
    run = shop.run(setup=())
    policy = replace(run.spec.policy, loop=replace(run.spec.policy.loop, network=("docs.acme.test",)))
    with pytest.raises(Misconfigured, match=r"names docs\.acme\.test, which LOOPLINE_AGENT_NETWORK does not allow"):
        prepare_environment(replace(run, spec=replace(run.spec, policy=policy)), shop.base)  # type: ignore[arg-type]


def test_setup_with_network_waits_while_the_egress_proxy_does_not_run(shop: Shop) -> None:
    with pytest.raises(Unavailable, match="egress proxy does not run"):
        shop.prepare(network=("npm.acme.test",))


def test_untracked_files_of_setup_are_not_committed(shop: Shop) -> None:
    environment = shop.prepare(setup=("mkdir -p 'out #1' && touch 'out #1/x' && echo 1 > '!note'",))

    assert shop.show(environment, "touch own; git status --short; ls").splitlines()[0] == "?? own"


def test_two_tickets_build_an_environment_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [shop.run(f"ENG-{number}", setup=("echo $RANDOM$RANDOM > built",)) for number in range(1, 4)]
    digest = identify_environment(runs[0], shop.base)  # type: ignore[arg-type]
    monkeypatch.setattr(builds, "_PATIENCE", 0.1)
    with (
        shop.world.environments.try_to_build("acme/shop", digest, "ENG-1") as builder,
        pytest.raises(NotAttempted, match="waiting for the environment that ENG-1 builds"),
    ):
        assert builder == ""
        prepare_environment(runs[1], shop.base)  # type: ignore[arg-type]

    monkeypatch.setattr(builds, "_PATIENCE", 60.0)
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda run: prepare_environment(run, shop.base), runs))
    assert len({environment.layer for environment in found}) == 1
    assert len(list(shop.world.settings.home.glob("environments/*/.old-*"))) == 0


def test_environment_in_use_is_not_evicted_and_a_missing_one_is_built_again(shop: Shop) -> None:
    shop.world.settings = shop.world.settings.model_copy(
        update={"environment_gigabytes": 1e-9, "environment_days": 0.0}
    )
    run = shop.run()
    shop.world.settings = shop.world.settings.model_copy(update={"environment_gigabytes": 1.0})
    layer = prepare_environment(run, shop.base).layer  # type: ignore[arg-type]
    assert evict_environments(shop.world) == [] and layer and layer.is_dir()

    run.held.close()
    assert [removed.path for removed in evict_environments(shop.world)] == [layer] and not layer.exists()
    assert prepare_environment(run, shop.base).layer == layer and layer.is_dir()  # type: ignore[arg-type]


def test_leftovers_of_a_killed_builder_are_removed_by_the_next_one(shop: Shop) -> None:
    run = shop.run(setup=("test ! -e junk && touch built",))
    digest = identify_environment(run, shop.base)  # type: ignore[arg-type]
    draft = shop.world.environments.draft("acme/shop", digest)
    (draft / "run/tree").mkdir(parents=True)
    (draft / "run/tree/junk").touch()
    (draft / "tree").mkdir()

    environment = prepare_environment(run, shop.base)  # type: ignore[arg-type]
    assert shop.show(environment, "ls built junk 2>/dev/null") == "built" and not draft.exists()


def test_environment_of_another_commit_of_a_submodule_is_another_one(shop: Shop) -> None:
    one, other = (commit(shop.upstream, {"vendor/rates": number * 40}) for number in "ab")
    shop.mirror.fetch("main")
    run = shop.run()
    policy = replace(run.spec.policy, loop=replace(run.spec.policy.loop, submodules=True))
    fetching = replace(run, spec=replace(run.spec, policy=policy))

    assert identify_environment(run, CommitSha(one)) == identify_environment(run, CommitSha(other))
    assert identify_environment(fetching, CommitSha(one)) != identify_environment(fetching, CommitSha(other))
