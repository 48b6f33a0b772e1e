"""One slice as the agent process runs it: real repository, sandbox, Redis and wire, with limits and a model away."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from integrations.events import EVENT, RunFinished
from integrations.git.mirror import Mirror
from integrations.results import Made
from integrations.values import Person, RunId, Ticket
from jobs.advance_run import advance_run
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.effects import world
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import Contract, Criterion
from jobs.loop.symphony import AgentPolicy
from jobs.runtime import keys, queues, run_order
from jobs.runtime.lease import hold
from jobs.store.breaker import credentials_alarm
from jobs.store.tickets import KEPT_SECONDS
from tests.integrations.agents.doubles import BUG_TITLE
from tests.integrations.git.hosting import GitHost, commit, git
from tests.integrations.git.test_signing import create_key
from tests.integrations.sandbox.test_selftest import weakened
from tests.jobs.books import AMPLE, spec_of
from tests.jobs.model_runs import Model, model_at

DEMO = Path(__file__).resolve().parents[3] / "integrations" / "standins" / "demo_repository"


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with model_at(tmp_path / "model") as model:
        yield model


@pytest.fixture
def agent(settings: Settings, redis: Redis, model: Model) -> World:
    """The world of an agent process."""
    given = {"ANTHROPIC_API_KEY": "stand-in", "ANTHROPIC_BASE_URL": model.url, "LOOPLINE_HOME": str(settings.home)}
    made = build_world(parse_settings(given), redis)
    made.raise_faults = True
    world.install(made)
    return made


@pytest.fixture
def base(agent: World, tmp_path: Path) -> Iterator[str]:
    """The head of the demo repository, mirrored."""
    files = {
        str(p.relative_to(DEMO)): p.read_bytes()
        for p in DEMO.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    with GitHost(tmp_path / "host") as host:
        sha = commit(host.create("acme/tally"), files)
        mirror: Mirror = agent.mirror("acme/tally", f"{host.url}/acme/tally.git")
        mirror.fetch("main")
        yield sha


def begin(agent: World, base: str, role: Any = "maker", creator: Person | None = None, **caps: Any) -> RunSpec:
    """A run of the bug ticket with these caps."""
    spec = spec_of(
        caps=replace(AMPLE, **caps),
        role=role,
        repository="acme/tally",
        base_sha=base,
        start_sha=base,
        ticket=Ticket(id="t1", identifier="ENG-1", title=BUG_TITLE, creator=creator),
        contract=Contract(criteria=(Criterion(id="c1", text="it works", command="true"),)),
        started_at=1_795_608_000.0,
    )
    agent.runs.start(spec)
    return spec


def test_urgent_run_gets_the_slot_that_another_one_was_queued_for(agent: World, base: str) -> None:
    first = begin(agent, base)
    second = replace(first, run_id="ENG-2-g1-r0-i1-maker", ticket=replace(first.ticket, id="t2", identifier="ENG-2"))
    agent.runs.start(second)
    for spec, priority in ((first, 4), (second, 1)):
        run_order.set_order(agent.redis, spec.ticket.id, priority, "")
        run_order.set_turn(agent.redis, spec.run_id, spec.ticket.id, 1.0)
        agent.runs.ask_to_stop(spec.run_id)
        queues.wake_run(agent.redis, spec.run_id)

    advance_run(first.run_id)

    assert agent.runs.list_unfinished() == [first.run_id]
    advance_run(second.run_id)
    assert agent.runs.list_unfinished() == []


def slices(agent: World, spec: RunSpec, number: int = 1) -> None:
    for _ in range(number):
        agent.redis.delete(keys.retry_at(spec.run_id))
        advance_run(spec.run_id)


def events(redis: Redis, kind: str) -> list[dict[str, Any]]:
    return [e for e in map(json.loads, redis.lrange(keys.mailbox("t1"), 0, -1)) if e["kind"] == kind]


def finished(redis: Redis) -> RunFinished:
    (event,) = events(redis, "RunFinished")
    finished = EVENT.from_builtins(event)
    assert isinstance(finished, RunFinished)
    return finished


@pytest.mark.parametrize(
    ("caps", "outcome", "words"),
    [
        ({"turns": 3}, "turns", "the run's 3 turns are used up"),
        ({"run_usd": 0.028}, "budget", "the run's budget of $0.03 is used up"),
    ],
)
def test_maker_at_a_limit_keeps_its_work(
    agent: World, base: str, caps: dict[str, Any], outcome: str, words: str
) -> None:
    slices(agent, begin(agent, base, **caps))
    ended = finished(agent.redis)
    assert ended.outcome == outcome and words in ended.summary
    assert "divmod" in agent.mirror("acme/tally").diff(base, ended.result.head_sha, 100_000)


def test_maker_commit_is_signed_and_names_the_creator_of_the_ticket(agent: World, base: str, tmp_path: Path) -> None:
    key, settings = create_key(tmp_path / "key"), agent.settings
    (tmp_path / "allowed").write_text(f"bot@example.com {key.with_suffix('.pub').read_text()}")
    agent.settings = settings.model_copy(update={"signing_key_file": key, "commit_email": "bot@example.com"})
    ana = Person(id="u1", name="Ana", email="ana@example.com")
    slices(agent, begin(agent, base, creator=ana, turns=3))

    folder, sha = settings.home / "repos" / "acme__tally.git", finished(agent.redis).result.head_sha
    git(folder, "-c", f"gpg.ssh.allowedSignersFile={tmp_path / 'allowed'}", "verify-commit", sha)
    message = git(folder, "show", "-s", "--format=%ce|%(trailers:key=Co-authored-by,valueonly)", sha).decode()
    assert message.strip() == "bot@example.com|Ana <ana@example.com>"


def test_run_on_a_machine_without_a_guarantee_ends_before_the_model(
    agent: World, base: str, tmp_path: Path, model: Model
) -> None:
    agent.tests_sandbox, agent._sandbox = True, weakened(tmp_path, "drop('--remount-ro', '/')")
    slices(agent, begin(agent, base))
    ended = finished(agent.redis)
    assert (ended.outcome, ended.summary) == (
        "infrastructure",
        "the sandbox does not provide a read-only root on this machine",
    )
    assert not model.log()


def test_maker_that_may_spend_nothing_has_nothing_to_keep(agent: World, base: str, model: Model) -> None:
    slices(agent, begin(agent, base, run_usd=0))
    ended = finished(agent.redis)
    assert (ended.outcome, ended.result.head_sha, ended.usage.model_calls) == ("budget", "", 0) and not model.log()
    assert ended.summary == "the run's budget of $0.00 is used up ($0.00 spent)"


def test_days_budget_parks_the_run_until_midnight(agent: World, base: str, model: Model) -> None:
    spec = begin(agent, base, day_usd=0)
    slices(agent, spec, 3)
    assert events(agent.redis, "RunFinished") == [] and not model.log()
    (parked,) = events(agent.redis, "RunParked")
    assert parked["until"] % 86_400 == pytest.approx(0, abs=1) and "until midnight UTC" in parked["reason"]


def test_refused_key_parks_the_run_and_a_good_one_finishes_it(agent: World, base: str, model: Model) -> None:
    spec = begin(agent, base)
    model.misbehave("401")
    slices(agent, spec, 3)
    assert agent.runs.is_unfinished(spec.run_id) and len(model.log()) == 1 and credentials_alarm(agent.redis)
    model.mend()
    agent.redis.hset(keys.BREAKER, "until", 0)
    slices(agent, spec)
    assert finished(agent.redis).outcome == "done" and not credentials_alarm(agent.redis)
    assert [event["until"] > 0 for event in events(agent.redis, "RunParked")] == [True, False]


@pytest.mark.parametrize("kind", ["no_json", "stop_unknown", "call_input_text"])
def test_replies_that_cannot_be_used_end_their_run_and_leave_the_breaker_closed(
    agent: World, base: str, model: Model, kind: str
) -> None:
    spec = begin(agent, base)
    model.misbehave(kind, times=3)
    slices(agent, spec)
    ended = finished(agent.redis)
    assert (ended.outcome, ended.usage.model_calls) == ("infrastructure", 3) and ended.usage.cost_usd > 0
    assert "3 model calls in a row" in ended.summary
    assert not agent.redis.exists(keys.BREAKER, keys.BREAKER_FAILURES)


@pytest.mark.parametrize(("kind", "outcome"), [("403", "credentials"), ("bad_utf8", "infrastructure")])
def test_maker_that_is_blocked_in_the_middle_of_its_work_keeps_it(
    agent: World, base: str, model: Model, kind: str, outcome: str
) -> None:
    model.misbehave("slow", times=4)  # four good replies
    model.misbehave(kind)
    slices(agent, begin(agent, base))
    ended = finished(agent.redis)
    assert ended.outcome == outcome
    assert isinstance(ended.result, Made)
    assert "divmod" in agent.mirror("acme/tally").diff(base, ended.result.head_sha, 100_000)


def test_transcript_that_an_older_release_has_poisoned_is_sent_and_reported(agent: World, base: str) -> None:
    spec = begin(agent, base)
    block = {"type": "text", "text": "Approach: half a character \ud800 and NUL \0"}
    turn = {"stop_reason": "length", "usage": {}, "blocks": 1}
    for kind, data in (("brief", {"text": "x \udfff"}), ("block", block), ("turn", turn)):
        agent.redis.xadd(keys.transcript("r1"), {"kind": kind, "data": json.dumps(data)})
    slices(agent, spec)
    ended = finished(agent.redis)
    assert ended.outcome in {"done", "no_change"}
    assert isinstance(ended.result, Made) and "half a character \ufffd and NUL \ufffd" in ended.result.approach


def test_gate_needs_no_model(agent: World, base: str, model: Model) -> None:
    begin(agent, base)
    model.misbehave("401")
    slices(agent, begin(agent, base))
    agent.redis.delete(keys.run("r1"))
    slices(agent, begin(agent, base, role="gate"))
    assert finished(agent.redis).role == "gate"


def test_parked_run_can_be_stopped(agent: World, base: str, model: Model) -> None:
    spec = begin(agent, base)
    model.misbehave("401")
    slices(agent, spec)
    agent.runs.ask_to_stop(spec.run_id)
    slices(agent, spec)
    assert finished(agent.redis).outcome == "stopped"


def test_run_that_ends_spends_what_its_dead_slice_held(agent: World, base: str) -> None:
    spec = begin(agent, base)
    agent.redis.hset(keys.run_ledger("r1"), mapping={"mark": "m", "held_usd": 70, "held_input": 5, "held_output": 2})
    agent.redis.hset(keys.holds(keys.ticket_ledger("t1")), "r1", "70")
    agent.runs.ask_to_stop("r1")
    slices(agent, spec)
    assert finished(agent.redis).usage.cost_usd == 0.00007
    assert not agent.redis.exists(keys.holds(keys.ticket_ledger("t1")))


def test_run_has_its_provenance_in_the_event_and_in_redis(agent: World, base: str) -> None:
    spec = begin(agent, base)
    slices(agent, spec)
    event = finished(agent.redis)
    found = event.provenance

    assert found and agent.runs.provenance(spec.run_id) == found
    assert (found.base_sha, found.start_sha) == (base, base)
    assert isinstance(event.result, Made) and found.head_sha == event.result.head_sha != base
    assert (found.model, found.reported_models) == (spec.model, (spec.model,))
    assert [len(digest) for digest in (found.prompt, found.environment, found.sandbox)] == [64, 32, 64]
    assert found.contract == spec.contract.digest and found.cost_usd == event.usage.cost_usd > 0
    assert 0 < agent.redis.ttl(keys.provenance(spec.run_id)) <= KEPT_SECONDS


def test_run_that_continues_has_no_provenance_yet(agent: World, base: str) -> None:
    agent.settings = agent.settings.model_copy(update={"slice_seconds": 0.0})
    spec = begin(agent, base)
    slices(agent, spec)

    assert agent.runs.is_unfinished(spec.run_id) and agent.runs.inputs(spec.run_id)["prompt"]
    assert agent.runs.provenance(spec.run_id) is None


def test_run_waits_while_the_repository_has_as_many_agents_as_it_permits(agent: World, base: str, model: Model) -> None:
    limited = RepositoryPolicy(agent=AgentPolicy(max_concurrent_agents=1))
    spec = begin(agent, base)
    agent.runs.start(replace(spec, run_id=RunId("ENG-9-g1-r0-i1-maker"), policy=limited))
    with hold(agent.redis, "run:another"):
        assert agent.runs.take_place("acme/tally", RunId("another"), 1)
        advance_run(RunId("ENG-9-g1-r0-i1-maker"))
        assert not agent.runs.transcript(RunId("ENG-9-g1-r0-i1-maker")) and agent.redis.zcard("later") == 1
    advance_run(RunId("ENG-9-g1-r0-i1-maker"))
    assert agent.runs.transcript(RunId("ENG-9-g1-r0-i1-maker"))
