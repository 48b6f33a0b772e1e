"""A provider that is away for ten minutes, refuses, or names its time: eight runs by a clock that the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from integrations.ports.agent_runner import AgentOutcome
from integrations.waits import LONGEST_WAIT
from jobs.store.breaker import credentials_alarm, current_outage
from jobs.store.runs import Runs
from tests.jobs.books import NOON
from tests.jobs.fleet import RUNS, Fleet
from tests.jobs.model_runs import Model, model_at


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Model]:
    with model_at(tmp_path / "model") as model:
        yield model


@pytest.fixture
def fleet(redis: Redis, model: Model) -> Fleet:
    return Fleet(redis, model)


@pytest.mark.parametrize("kind", ["529", "500"])
def test_outage_of_ten_minutes_costs_at_most_twenty_calls_and_no_run(fleet: Fleet, kind: str) -> None:
    fleet.model.misbehave(kind)
    ends = fleet.until_done(mended_at=NOON + 600)
    assert [end.kind for end in ends] == ["done"] * RUNS
    assert fleet.refusals() <= 20
    assert fleet.clock.now - NOON < 600 + 300 + 30, "they go on within the longest wait after the provider"
    assert all(Runs(fleet.redis).usage(spec.run_id).model_calls == 5 for spec in fleet.specs)


def test_outage_is_reported_on_each_ticket_once_at_its_begin_and_end(fleet: Fleet) -> None:
    fleet.model.misbehave("529")
    fleet.until_done(mended_at=NOON + 600)
    for number in range(RUNS):
        told = fleet.told(number)
        assert [event.until > 0 for event in told] == [True] * (len(told) - 1) + [False]
        assert 2 <= len(told) <= 6 and len({event.event_id for event in told}) == len(told)


def test_retry_time_of_the_provider_is_respected_with_one_probe(fleet: Fleet) -> None:
    fleet.model.misbehave("429", seconds=3_600)
    fleet.step(0)
    assert fleet.step(1) == pytest.approx(3_600)
    fleet.model.mend()
    fleet.clock.now += 3_600
    assert all(isinstance(fleet.step(n), AgentOutcome) for n in reversed(range(RUNS))) and fleet.refusals() == 1


@pytest.mark.parametrize(("kind", "seconds"), [("quota", 1_800), ("usage_limit", 86_400)])
def test_quota_error_names_its_own_retry_time(fleet: Fleet, kind: str, seconds: float) -> None:
    fleet.model.misbehave(kind, seconds=seconds)
    rest = fleet.step(0)
    longest = min(seconds, LONGEST_WAIT)
    assert isinstance(rest, float) and longest - 90 < rest <= longest


def test_short_outage_is_not_reported(fleet: Fleet) -> None:
    fleet.model.misbehave("529", times=1)
    rest = fleet.step(0)
    assert isinstance(rest, float) and rest <= 1.0
    assert isinstance(fleet.step(0), AgentOutcome) and fleet.told(0) == []


@pytest.mark.parametrize("kind", ["bad_utf8", "400", "call_without_id"])
def test_probe_that_fails_for_its_own_run_closes_the_breaker(fleet: Fleet, kind: str) -> None:
    fleet.model.misbehave("429", seconds=60)
    fleet.step(0)
    fleet.model.mend()
    fleet.clock.now += 60
    fleet.model.misbehave(kind, times=3)
    ended = fleet.step(1)
    assert isinstance(ended, AgentOutcome) and ended.kind == "infrastructure"
    assert current_outage(fleet.redis) is None
    assert isinstance(fleet.step(2), AgentOutcome)


@pytest.mark.parametrize("kind", ["401", "402", "credit"])
def test_refused_credentials_park_all_runs_and_alarm_once(fleet: Fleet, kind: str) -> None:
    fleet.model.misbehave(kind)
    rests = [fleet.step(n) for n in range(RUNS)]
    assert rests == [60.0] * RUNS and fleet.refusals() == 1
    assert "ANTHROPIC_API_KEY" in credentials_alarm(fleet.redis)
    assert [event.reason.split(":")[0] for n in range(RUNS) for event in fleet.told(n)] == [
        "Anthropic refuses the key or the account of ANTHROPIC_API_KEY"
    ] * RUNS


def test_replaced_key_resumes_all_runs_and_clears_the_alarm(fleet: Fleet) -> None:
    fleet.model.misbehave("401")
    ends = fleet.until_done(mended_at=NOON + 100)
    assert [end.kind for end in ends] == ["done"] * RUNS and credentials_alarm(fleet.redis) == ""
    assert fleet.refusals() <= RUNS + 2
