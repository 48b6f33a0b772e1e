"""The switch between all runs and the provider, in a real Redis with a clock that the test turns."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from structlog.testing import capture_logs

from integrations.errors import Unauthorized, Unavailable
from jobs.runtime import keys
from jobs.store.breaker import Breaker, Open, credentials_alarm, current_outage
from tests.jobs.books import NOON, Clock

AWAY = Unavailable("Overloaded")
REFUSED = Unauthorized("invalid x-api-key")


def breaker(redis: Redis, clock: Clock) -> Breaker:
    return Breaker(redis, clock=clock)


def opened(redis: Redis, clock: Clock) -> Breaker:
    """Open since now by five failures."""
    one = breaker(redis, clock)
    for number in range(5):
        one.record_failure(f"r{number}", AWAY)
    return one


def until(answer: object) -> float:
    assert isinstance(answer, Open), answer
    return answer.until


def test_breaker_opens_at_the_fifth_failure(redis: Redis) -> None:
    one = breaker(redis, Clock())
    for number in range(4):
        one.record_failure(f"r{number}", AWAY)
        assert one.admit("r9") == "all"
    one.record_failure("r1", AWAY)
    assert one.admit("r9") == Open(NOON + 60, "away", "Overloaded", NOON)


def test_breaker_does_not_add_up_failures_that_are_far_apart(redis: Redis) -> None:
    clock = Clock()
    one = breaker(redis, clock)
    for _ in range(10):
        one.record_failure("r1", AWAY)
        clock.now += 8
    assert one.admit("r1") == "all"


@pytest.mark.parametrize("seconds", [1.5, 30, 3_000])
def test_breaker_opens_for_the_retry_time_of_an_error(redis: Redis, seconds: float) -> None:
    one = breaker(redis, Clock())
    one.record_failure("r1", Unavailable("rate limited", seconds))
    assert until(one.admit("r2")) == NOON + seconds


def test_breaker_look_takes_no_probe(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    assert one.look("r1")
    clock.now += 60
    assert one.look("r1") is one.look("r2") is None and one.admit("r3") == "probe"


def test_breaker_admits_exactly_one_probe_when_the_time_is_over(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    assert one.admit("r1") == "probe"
    assert until(one.admit("r2")) == clock.now + 5


def test_breaker_admits_one_probe_to_racing_processes(redis: Redis) -> None:
    clock = Clock()
    opened(redis, clock)
    clock.now += 60
    ready = threading.Barrier(8)

    def race(number: int) -> bool:
        one = breaker(redis, clock)
        ready.wait(10)
        return one.admit(f"r{number}") == "probe"

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, range(8))) == 1


def test_breaker_closes_with_an_answer(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    one.admit("r1")
    one.end_probe("r1", answered=True)
    assert one.admit("r2") == "all" and current_outage(redis) is None


@pytest.mark.parametrize(("runs", "opens"), [(["r1"], True), (["r1", "r2"], False)])
def test_breaker_is_not_opened_by_one_of_several_runs(redis: Redis, runs: list[str], opens: bool) -> None:
    redis.sadd(keys.RUNS, *runs)
    one = breaker(redis, Clock())
    for _ in range(9):
        one.record_failure("r1", AWAY)
    assert (one.look("r3") is not None) is opens
    one.record_failure("r2", AWAY)
    assert one.look("r3")


def test_breaker_prefers_another_run_as_the_probe(redis: Redis) -> None:
    clock = Clock()
    redis.sadd(keys.RUNS, "r1", "r2")
    one = breaker(redis, clock)
    one.record_failure("r1", Unavailable("rate limited", 60))
    clock.now += 60
    assert until(one.look("r1")) == until(one.admit("r1")) == clock.now + 5
    assert one.admit("r2") == "probe"


def test_breaker_takes_the_run_that_failed_if_no_other_wants_to_probe(redis: Redis) -> None:
    clock = Clock()
    redis.sadd(keys.RUNS, "r1", "r2")
    one = breaker(redis, clock)
    one.record_failure("r1", Unavailable("rate limited", 60))
    clock.now += 65
    assert one.admit("r1") == "probe"


def test_breaker_probes_with_the_only_run_at_once(redis: Redis) -> None:
    clock = Clock()
    redis.sadd(keys.RUNS, "r1")
    one = breaker(redis, clock)
    one.record_failure("r1", Unavailable("rate limited", 60))
    clock.now += 60
    assert one.admit("r1") == "probe"


def test_breaker_is_not_closed_by_an_answer_to_an_earlier_call(redis: Redis) -> None:
    one = opened(redis, Clock())
    one.end_probe("r1", answered=True)
    assert until(one.admit("r1"))


def test_breaker_backs_off_up_to_five_minutes_after_failed_probes(redis: Redis) -> None:
    clock, waits = Clock(), []
    one = opened(redis, clock)
    for _ in range(5):
        clock.now = until(one.admit("r1"))
        assert one.admit("r1") == "probe"
        one.record_failure("r1", AWAY)
        waits.append(until(one.admit("r1")) - clock.now)
    assert waits == [120, 240, 300, 300, 300]


def test_breaker_respects_the_retry_time_of_a_failed_probe(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    one.admit("r1")
    one.record_failure("r1", Unavailable("rate limited", 3_600))
    assert until(one.admit("r1")) == clock.now + 3_600


def test_breaker_wait_is_not_extended_by_calls_that_began_before_it_opened(redis: Redis) -> None:
    one = opened(redis, Clock())
    for number in range(5, 8):
        one.record_failure(f"r{number}", AWAY)
    assert until(one.admit("r1")) == NOON + 60
    one.record_failure("r8", Unavailable("rate limited", 90))
    assert until(one.admit("r1")) == NOON + 90


@pytest.mark.parametrize("seconds", [0, 331])
def test_breaker_probe_that_never_ends_is_given_to_another_run(redis: Redis, seconds: float) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    one.admit("r1")
    clock.now += seconds
    assert (one.admit("r2") == "probe") is bool(seconds)


def test_breaker_probe_of_a_run_that_died_is_resumed_by_it(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    assert one.admit("r1") == breaker(redis, clock).admit("r1") == "probe"


def test_breaker_probe_of_a_stopped_run_is_released(redis: Redis) -> None:
    clock = Clock()
    one = opened(redis, clock)
    clock.now += 60
    one.admit("r1")
    one.end_probe("r1", answered=False)
    assert one.admit("r2") == "probe"


def test_breaker_opens_at_once_and_alarms_once_for_rejected_credentials(redis: Redis) -> None:
    one = breaker(redis, Clock())
    with capture_logs() as logs:
        for number in range(8):
            one.record_failure(f"r{number}", REFUSED)
    assert [log["log_level"] for log in logs] == ["error"]
    assert credentials_alarm(redis) == "invalid x-api-key"
    assert one.admit("r1") == Open(NOON + 60, "credentials", "invalid x-api-key", NOON)


def test_breaker_alarm_is_cleared_by_a_successful_probe(redis: Redis) -> None:
    clock = Clock()
    one = breaker(redis, clock)
    one.record_failure("r1", REFUSED)
    clock.now += 60
    one.admit("r1")
    one.record_failure("r1", REFUSED)
    assert credentials_alarm(redis)
    clock.now += 120
    one.admit("r2")
    one.end_probe("r2", answered=True)
    assert credentials_alarm(redis) == "" and current_outage(redis) is None


def test_breaker_reason_of_credentials_takes_precedence(redis: Redis) -> None:
    one = opened(redis, Clock())
    one.record_failure("r9", REFUSED)
    known = current_outage(redis)
    assert known and known.kind == "credentials" and known.until == NOON + 60


def test_breaker_sentence_names_start_and_reason(redis: Redis) -> None:
    opened(redis, Clock())
    known = current_outage(redis)
    assert known and known.sentence == (
        "The model provider has been unavailable since 2026-11-25 12:00 UTC. Runs back off, none has failed: Overloaded"
    )
