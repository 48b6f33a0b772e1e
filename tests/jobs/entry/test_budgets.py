"""Caps against a model that bills: eight runs at once, replies that are cut, silence."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from integrations.ports.agent_runner import AgentOutcome
from integrations.values import Usage
from jobs.runtime import keys
from jobs.store.runs import RunConversation, Runs
from tests.integrations.agents.doubles import FunctionToolbox
from tests.jobs.books import AMPLE, at_work, spec_of
from tests.jobs.model_runs import Model, advance, model_at, task_of, use_up


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with model_at(tmp_path / "model") as model:
        yield model


@pytest.mark.parametrize("scope", ["run", "ticket", "day"])
def test_eight_runs_at_once_bill_no_more_than_the_cap(redis: Redis, model: Model, scope: str) -> None:
    caps = replace(AMPLE, **{f"{scope}_usd": 0.03 if scope == "run" else 0.1})

    def work(number: int) -> AgentOutcome | float:
        return use_up(
            redis,
            model,
            f"r{number}",
            f"t{number}" if scope == "day" else "t",
            caps,
            most_runs=3 if scope == "run" else 100,
        )

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(work, range(8)))
    bills = model.bills()
    cap = caps.run_usd * len(Runs(redis).list_runs("t")) if scope == "run" else 0.1
    assert 0 < sum(bills) <= cap
    if scope == "run":
        assert all(Runs(redis).usage(run_id).cost_usd <= caps.run_usd for run_id in Runs(redis).list_runs("t"))
    elif scope == "day":
        assert all(isinstance(outcome, float) and outcome > 60 for outcome in outcomes)
    else:
        reasons = {outcome.summary for outcome in outcomes if isinstance(outcome, AgentOutcome)}
        assert len(outcomes) == 8 and all(f"{scope}'s budget" in reason for reason in reasons) and reasons


def test_ledger_knows_what_was_billed(redis: Redis, model: Model) -> None:
    assert isinstance(advance(redis, model, spec_of()), AgentOutcome)
    assert Runs(redis).usage("r1").cost_usd == pytest.approx(sum(model.bills()))
    assert int(redis.hget(keys.ticket_ledger("t1"), "usd") or 0) == round(sum(model.bills()) * 1e6)


@pytest.mark.parametrize("kind", ["drop", "short", "stream_error"])
def test_reply_that_breaks_off_is_booked_as_far_as_it_was_heard(redis: Redis, model: Model, kind: str) -> None:
    model.misbehave(kind, times=1)
    assert isinstance(advance(redis, model, spec_of()), float)
    used, (whole,) = Runs(redis).usage("r1"), (entry["result"]["usage"] for entry in model.log())
    assert used.model_calls == 1 and used.output_tokens >= whole["output_tokens"] / 4
    assert used.input_tokens == whole["input_tokens"] + whole["cache_creation_input_tokens"]


def test_call_that_was_never_heard_of_again_is_booked_with_all_of_its_prompt(redis: Redis, model: Model) -> None:
    model.misbehave("silent", times=1, seconds=3)
    assert isinstance(advance(redis, model, spec_of(caps=replace(AMPLE, idle_seconds=1))), float)
    used = Runs(redis).usage("r1")
    assert used.model_calls == 1 and used.cost_usd >= sum(model.bills())


@pytest.mark.parametrize("kind", ["529", "429", "500", "401"])
def test_call_that_was_refused_costs_nothing(redis: Redis, model: Model, kind: str) -> None:
    model.misbehave(kind, times=1)
    advance(redis, model, spec_of())
    assert Runs(redis).usage("r1").model_calls == 0
    assert not redis.exists(keys.holds(keys.ticket_ledger("t1")))


def test_silent_model_is_given_up_after_the_idle_time_and_tried_again(redis: Redis, model: Model) -> None:
    spec = spec_of(caps=replace(AMPLE, idle_seconds=1))
    model.misbehave("silent", times=1, seconds=4)
    assert isinstance(advance(redis, model, spec), float)
    outcome = advance(redis, model, spec)
    assert isinstance(outcome, AgentOutcome) and outcome.kind == "done"


def test_full_reply_does_not_fit_any_more_so_a_shorter_one_is_asked_for(redis: Redis, model: Model) -> None:
    outcome = advance(redis, model, spec_of(caps=replace(AMPLE, run_usd=0.06)))
    assert isinstance(outcome, AgentOutcome) and outcome.kind == "done"
    assert sum(model.bills()) <= 0.06 < 16_000 * 10 / 1e6  # less than one reply of full length would cost


@pytest.mark.parametrize("cap", ["run_usd", "ticket_usd"])
def test_cap_of_zero_allows_no_call(redis: Redis, model: Model, cap: str) -> None:
    outcome = advance(redis, model, spec_of(caps=replace(AMPLE, **{cap: 0})))
    assert isinstance(outcome, AgentOutcome) and outcome.kind == "budget" and not model.log()


class Killed(BaseException):
    """As sudden as kill -9."""


class Mortal:
    """A conversation whose process dies when the reply is there and nothing is settled."""

    def __init__(self, talk: RunConversation) -> None:
        self._talk = talk

    def __getattr__(self, name: str) -> Any:
        return getattr(self._talk, name)

    def settle(self, usage: Usage, **_: Any) -> Usage:
        raise Killed


def test_crash_between_reserve_and_settle_costs_what_was_held(redis: Redis, model: Model) -> None:
    spec = spec_of()
    with at_work(redis, spec) as talk, pytest.raises(Killed):
        model.api.advance(task_of(spec), Mortal(talk), FunctionToolbox(), lambda: False, time.monotonic() + 60)
    assert Runs(redis).usage("r1").model_calls == 0
    outcome = advance(redis, model, spec)
    used = Runs(redis).usage("r1")
    assert isinstance(outcome, AgentOutcome) and outcome.kind == "done"
    assert used.model_calls == len(model.bills()) and used.cost_usd >= sum(model.bills())
