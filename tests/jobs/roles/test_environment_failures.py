"""Environments while processes die, the network fails, or an agent attacks what it shares with others."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from pydantic import SecretStr

from integrations.egress.authorities import write_authorities
from integrations.errors import Unavailable
from integrations.sandbox.environment import Environment
from jobs.roles.environment import MOST_OUTAGES, EnvironmentFailed, evict_environments, prepare_environment
from service.environments import remove_environments
from tests.integrations.egress.conftest import authority, running
from tests.integrations.egress.internet import FILES, Internet
from tests.jobs.entry.test_processes import until
from tests.jobs.roles.test_environment import Shop, shop
from tests.support.authority import Authority
from tests.support.checkout import REPOSITORY

__all__ = ["authority", "running", "shop"]

BUILD = """
import os, sys
from jobs.config.environment import parse_settings
from jobs.effects.world import World
from jobs.roles.environment import prepare_environment
from jobs.roles.slice import Slice
from jobs.runtime.connection import connect
from jobs.runtime.lease import hold
from jobs.store.runs import RunConversation
from jobs.workflow import ServicePolicy
from integrations import failpoints
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
settings = parse_settings(os.environ)
failpoints.arm(os.environ.get("FAILPOINT", ""), settings.home)
with connect(settings) as redis, hold(redis, "another run") as lease:
    world = World(settings, redis, ServicePolicy(teams={}), _sandbox=Sandbox(find_bwrap(), default_read_only()))
    spec = world.runs.spec(sys.argv[1])
    prepare_environment(Slice(spec, world, RunConversation(world.runs, spec, lease), lambda: False), spec.start_sha)
"""
PACED = (
    "test ! -e junk && touch junk built",
    'if [ "$PACE" = slow-0123456789 ]; then touch ~/begun; sleep 300; fi; rm junk',
)
"""Setup commands that take long with one value of a secret. Values are not part of the key."""
FETCH = (f"curl -sS -o package https://{FILES}/package",)


def start_build(shop: Shop, run_id: str, pace: str, failpoint: str = "") -> subprocess.Popen[bytes]:
    """Another process of this machine builds the environment of the run."""
    environ = {
        "PATH": os.environ["PATH"], "LOOPLINE_HOME": str(shop.world.settings.home), "FAILPOINT": failpoint,
        "REDIS_URL": shop.world.settings.redis_url.get_secret_value(),
        "LOOPLINE_SETUP_SECRETS": f'{{"PACE": "{pace}"}}',
    }  # fmt: skip
    return subprocess.Popen([sys.executable, "-c", BUILD, run_id], env=environ, cwd=REPOSITORY)


def offer_secret(shop: Shop, name: str, value: str) -> None:
    shop.world.settings = shop.world.settings.model_copy(update={"setup_secrets": {name: SecretStr(value)}})


def find_drafts(shop: Shop) -> list[Path]:
    return list(shop.world.settings.home.glob("environments/*/.new-*"))


def test_builder_that_is_killed_in_mid_build_leaves_nothing_for_the_next_one(shop: Shop) -> None:
    run = shop.run(setup=PACED, secrets=("PACE",))
    with start_build(shop, run.spec.run_id, "slow-0123456789") as process:
        until(lambda: list(shop.world.settings.home.glob("environments/*/.new-*/run/**/begun")))
        os.kill(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL and shop.layers == [] and find_drafts(shop)

    offer_secret(shop, "PACE", "fast-0123456789")
    environment = prepare_environment(run, shop.base)
    assert shop.show(environment, "ls built junk ~/begun 2>/dev/null") == "built"
    assert len(shop.layers) == 1 and find_drafts(shop) == []


@pytest.mark.parametrize("point", ["environment.command:done:2", "environment.publish:before:1"])
def test_builder_that_is_killed_between_its_steps_leaves_nothing_for_the_next_one(shop: Shop, point: str) -> None:
    run = shop.run(setup=PACED, secrets=("PACE",))
    with start_build(shop, run.spec.run_id, "fast-0123456789", f"{point}:kill") as process:
        assert process.wait(60) == -signal.SIGKILL
    assert shop.layers == [] and find_drafts(shop)

    offer_secret(shop, "PACE", "fast-0123456789")
    environment = prepare_environment(run, shop.base)
    assert shop.show(environment, "ls built junk 2>/dev/null") == "built" and find_drafts(shop) == []


@pytest.fixture
def internet(running: Internet, authority: Authority, shop: Shop) -> Iterator[Internet]:
    """The egress process of the shop's machine, and a small internet behind it."""
    running.reset()
    folder = shop.world.settings.home / "egress"
    with running.proxy(folder):
        write_authorities(authority.file, folder)
        yield running


def test_registry_that_is_down_is_waited_for_and_the_build_succeeds_when_it_is_back(
    shop: Shop, internet: Internet
) -> None:
    run, addresses = shop.run(setup=FETCH, network=(FILES,)), internet.addresses[FILES]
    internet.addresses[FILES] = []
    for _ in range(MOST_OUTAGES - 1):
        with pytest.raises(Unavailable, match=f"setup waits for the network: {FILES}: its name has no address"):
            prepare_environment(run, shop.base)
    assert shop.layers == [] and find_drafts(shop) == []

    internet.addresses[FILES] = addresses
    assert shop.show(prepare_environment(run, shop.base), "cat package") == "hello"


def test_registry_that_stays_down_ends_in_a_failure_with_host_and_reason(shop: Shop, internet: Internet) -> None:
    run = shop.run(setup=FETCH, network=(FILES,))
    internet.addresses[FILES] = []
    for _ in range(MOST_OUTAGES - 1):
        with pytest.raises(Unavailable):
            prepare_environment(run, shop.base)
    with pytest.raises(EnvironmentFailed) as failed:
        prepare_environment(run, shop.base)
    assert f"{FILES}: its name has no address" in failed.value.output


def test_setup_that_connects_to_a_denied_host_reports_it_with_a_count(shop: Shop, internet: Internet) -> None:
    setup = ("for i in 1 2 3; do curl -sS https://fastdl.acme.test/x; done; exit 7",)
    with pytest.raises(EnvironmentFailed) as failed:
        shop.prepare(setup=setup, network=(FILES,))
    assert failed.value.blocked == {"fastdl.acme.test": 3} and internet.dialed == []


def test_environment_of_a_command_that_runs_survives_eviction_and_removal(shop: Shop) -> None:
    run = shop.run()
    environment = prepare_environment(run, shop.base)
    workspace = run.mirror.create_workspace(run.folder, shop.base)
    shop.world.settings = shop.world.settings.model_copy(update={"environment_gigabytes": 0.001, "environment_days": 0})
    with shop.world.sandbox.open(workspace, environment) as session:
        assert session.run(["ls", "node_modules/tool"], timeout=20).exit_code == 0
        assert evict_environments(shop.world) == []
        out = StringIO()
        assert remove_environments(shop.world.settings.home, "", out) == 1 and "is in use and stays" in out.getvalue()
        assert session.run(["cat", "node_modules/tool/version"], timeout=20).output == b"tool 1\n"


REACH = """
env | grep -ci -e token -e canar[y] -e proxy
ls /run | grep -c egress
(exec 3<>/dev/tcp/127.0.0.1/3128) 2>/dev/null && echo relay
curl -sS -m 5 --noproxy '*' https://{host}/ 2>/dev/null && echo direct
curl -sS -m 5 -x http://127.0.0.1:3128 https://{host}/ 2>/dev/null && echo proxy
grep -rl canar[y] ~ /workspace /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null
pgrep -f left-by-setu[p]
true
"""


@pytest.mark.parametrize("writable", [True, False])
def test_agent_reaches_neither_network_nor_secret_nor_process_of_setup(
    shop: Shop, internet: Internet, writable: bool
) -> None:
    offer_secret(shop, "NPM_TOKEN", "npm-canary-0123456789")
    working = f"curl -sS https://{FILES}/ && env | grep -c -e NPM_TOKEN=npm-canary"
    leaves = "(exec -a left-by-setup sleep 300) >/dev/null 2>&1 &"
    environment = shop.prepare(setup=(f"{{ {working}; }} > built", leaves), network=(FILES,), secrets=("NPM_TOKEN",))
    internet.dialed.clear()

    assert shop.show(environment, "cat built") == "hello1"
    result = shop.execute(environment, REACH.format(host=FILES), writable=writable)
    assert result.output.decode().split() == ["0", "0"] and internet.dialed == []


def test_agent_cannot_change_the_shared_home_or_its_hard_links(shop: Shop) -> None:
    setup = ("echo trusted > ~/token && ln ~/token ~/second && echo trusted > built",)
    environment: Environment = shop.prepare(setup=setup)
    attack = "echo evil > ~/token; echo evil >> ~/second; ln -f ~/token built; chmod 777 ~ ~/token; rm -rf ~/* built"
    shop.execute(environment, attack)

    assert shop.show(environment, "cat ~/token ~/second built") == "trusted\ntrusted\ntrusted"
