"""The books in a real Redis: every cap a little below and above, holds, crashes, lost replies."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from redis import Redis

from integrations.ports.agent_runner import Grant
from integrations.values import Usage
from jobs.loop.caps import Caps
from jobs.runtime import keys
from jobs.runtime.scripts import LeaseLost, run_script
from jobs.store.ledger import HELD_BY_OTHERS_SECONDS, Ledger, limit_sentence, today, used_by
from tests.jobs.books import AMPLE, NOON, Clock, at_work, call, granted, refused, spec_of, taken_over

MIDNIGHT = NOON + 12 * 3600


def spend(redis: Redis, run_id: str, usd: float, tokens: int = 1000, ticket_id: str = "t1") -> None:
    """A run of its own has used this much."""
    with at_work(redis, spec_of(run_id, ticket_id)) as talk:
        assert granted(talk.reserve(call(usd, tokens), call(usd, tokens)))
        talk.settle(call(usd, tokens), answered=True)


@pytest.mark.parametrize("scope", ["run", "ticket", "day"])
@pytest.mark.parametrize("beyond", [False, True])
def test_money_is_capped_to_the_millionth(redis: Redis, scope: str, beyond: bool) -> None:
    caps = replace(AMPLE, **{f"{scope}_usd": 1.0})
    with at_work(redis, spec_of(caps=caps)) as talk:
        talk.reserve(call(0.6), call(0.6))
        talk.settle(call(0.6), answered=True)
        asked = call(0.400001 if beyond else 0.4)
        answer = talk.reserve(asked, asked)
        assert granted(answer) is not beyond
        assert not beyond or refused(answer).reason.startswith(
            f"the {scope}'s budget of $1.00 is used up ($0.60 spent)"
        )


@pytest.mark.parametrize("name", ["run_usd", "ticket_usd", "day_usd"])
def test_cap_of_zero_allows_nothing(redis: Redis, name: str) -> None:
    with at_work(redis, spec_of(caps=replace(AMPLE, **{name: 0}))) as talk:
        refused(talk.reserve(call(0.000001, 1), call(0.000001, 1)))


@pytest.mark.parametrize(("seconds", "goes"), [(2, True), (1, False)])
def test_working_time_is_capped_and_sums_over_slices(redis: Redis, seconds: int, goes: bool) -> None:
    spec = spec_of(caps=replace(AMPLE, wall_seconds=seconds))
    for _ in range(2):
        with at_work(redis, spec) as talk:
            time.sleep(0.55)
            talk.ledger.balance()
    with at_work(redis, spec) as talk:
        assert granted(talk.reserve(call(0.1), call(0.1))) is goes


def test_waiting_between_slices_is_no_working_time(redis: Redis) -> None:
    spec = spec_of(caps=replace(AMPLE, wall_seconds=1))
    with at_work(redis, spec):
        pass
    time.sleep(1.1)
    with at_work(redis, spec) as talk:
        assert granted(talk.reserve(call(0.1), call(0.1)))


def test_reserve_grants_the_rest_of_a_budget_when_it_is_enough(redis: Redis) -> None:
    with at_work(redis, spec_of(caps=replace(AMPLE, ticket_usd=1.0))) as talk:
        spend(redis, "r0", 0.7)
        answer = talk.reserve(call(0.2), call(0.9))
        assert answer == Grant(0.3, "the ticket's budget of $1.00 is used up ($0.70 spent)")


def test_reserve_grants_the_rest_of_the_tightest_scope(redis: Redis) -> None:
    caps = replace(AMPLE, run_usd=0.5, ticket_usd=0.4, day_usd=0.6)
    with at_work(redis, spec_of(caps=caps)) as talk:
        assert talk.reserve(call(0.1), call(1.0)) == Grant(0.4, limit_sentence("run", "usd", 500_000, 0))


@pytest.mark.parametrize("scope", ["ticket", "day"])
def test_reservations_of_other_runs_count_and_are_waited_for(redis: Redis, scope: str) -> None:
    caps = replace(AMPLE, **{f"{scope}_usd": 1.0})
    with at_work(redis, spec_of("r1", caps=caps)) as one, at_work(redis, spec_of("r2", caps=caps)) as other:
        assert granted(one.reserve(call(0.6), call(0.6)))
        assert refused(other.reserve(call(0.6), call(0.6))).wait_seconds == HELD_BY_OTHERS_SECONDS
        one.settle(call(0.1), answered=True)
        assert granted(other.reserve(call(0.6), call(0.6)))


def test_tickets_do_not_share_a_ticket_budget(redis: Redis) -> None:
    spend(redis, "r0", 0.9, ticket_id="other")
    with at_work(redis, spec_of(caps=replace(AMPLE, ticket_usd=1.0))) as talk:
        assert granted(talk.reserve(call(0.9), call(0.9)))


def test_ledger_of_the_day_is_shared_by_all_tickets_and_starts_anew_the_next_day(redis: Redis) -> None:
    spend(redis, "r0", 0.9, ticket_id="other")
    clock = Clock()
    with at_work(redis, spec_of(caps=replace(AMPLE, day_usd=1.0)), clock) as talk:
        answer = refused(talk.reserve(call(0.2), call(0.2)))
        assert answer.wait_seconds == 12 * 3600
        assert answer.reason == "the day's budget of $1.00 is used up ($0.90 spent), until midnight UTC"
        clock.now = MIDNIGHT
        assert granted(talk.reserve(call(0.2), call(0.2)))


def test_call_over_midnight_is_booked_on_the_day_that_held_it(redis: Redis) -> None:
    clock = Clock(MIDNIGHT - 1)
    with at_work(redis, spec_of(), clock) as talk:
        talk.reserve(call(0.5), call(0.5))
        clock.now = MIDNIGHT + 1
        talk.settle(call(0.4), answered=True)
    assert redis.hget(keys.day_ledger(today(MIDNIGHT - 1)), "usd") == b"400000"
    assert not redis.exists(keys.day_ledger(today(MIDNIGHT + 1)), keys.holds(keys.day_ledger(today(MIDNIGHT - 1))))


def test_ticket_ledger_continues_after_redis_was_lost(redis: Redis) -> None:
    begun = Usage(model_calls=9, input_tokens=4_000, output_tokens=1_000, cost_usd=0.9)
    with at_work(redis, spec_of(caps=replace(AMPLE, ticket_usd=1.0), ticket_usage=begun)) as talk:
        assert "$0.90 spent" in refused(talk.reserve(call(0.2), call(0.2))).reason
        assert granted(talk.reserve(call(0.1), call(0.1)))


def test_ticket_ledger_that_exists_does_not_begin_again(redis: Redis) -> None:
    spend(redis, "r0", 0.9)
    with at_work(redis, spec_of(ticket_usage=Usage(cost_usd=0.2))) as talk:
        talk.reserve(call(0.1), call(0.1))
    assert redis.hget(keys.ticket_ledger("t1"), "usd") == b"900000"


def test_call_that_a_dead_slice_was_making_is_spent_in_full(redis: Redis) -> None:
    with at_work(redis, spec_of()) as talk:
        talk.reserve(call(0.5), call(0.5))
    with at_work(redis, spec_of()) as talk:
        assert talk.ledger.total == call(0.5)
    assert redis.hget(keys.ticket_ledger("t1"), "usd") == redis.hget(keys.day_ledger(today(NOON)), "usd") == b"500000"
    assert not redis.exists(keys.holds(keys.ticket_ledger("t1")))


def test_second_reserve_spends_what_the_first_still_held(redis: Redis) -> None:
    with at_work(redis, spec_of()) as talk:
        talk.reserve(call(0.5), call(0.5))
        talk.reserve(call(0.1), call(0.1))
        assert talk.settle(call(0.1), answered=True).cost_usd == 0.6


def test_run_that_has_ended_holds_nothing(redis: Redis) -> None:
    with at_work(redis, spec_of("r0")) as talk:
        talk.reserve(call(0.9), call(0.9))
    redis.srem(keys.RUNS, "r0")
    with at_work(redis, spec_of(caps=replace(AMPLE, ticket_usd=1.0, day_usd=1.0))) as talk:
        assert granted(talk.reserve(call(1.0), call(1.0)))


def test_settled_call_is_not_settled_again(redis: Redis) -> None:
    with at_work(redis, spec_of()) as talk:
        talk.reserve(call(0.5), call(0.5))
        for _ in range(2):
            total = talk.settle(call(0.2), answered=True)
    assert total.cost_usd == 0.2 and used_by(redis, "r1") == total


def test_reserve_whose_reply_was_lost_holds_once(redis: Redis) -> None:
    sent: list[list[object]] = []

    class Twice(Ledger):
        def _script(self, name: str, args: object, more_keys: list[str]) -> object:
            sent.append([super()._script(name, args, more_keys), super()._script(name, args, more_keys)])  # type: ignore[arg-type]
            return sent[-1][-1]

    with at_work(redis, spec_of()) as talk:
        ledger = Twice(redis, spec_of(), talk._lease, Clock())
        assert ledger.reserve(call(0.5), call(0.5)) == Grant(0.5)
        assert sent[0][0] == sent[0][1]
        assert ledger.settle(call(0.2)).cost_usd == 0.2


def test_ledger_is_fenced_by_the_lease(redis: Redis) -> None:
    with at_work(redis, spec_of()) as talk:
        talk.reserve(call(0.5), call(0.5))
        taken_over(redis, talk._lease)
        with pytest.raises(LeaseLost):
            talk.settle(call(0.2), answered=True)
        with pytest.raises(LeaseLost):
            talk.reserve(call(0.2), call(0.2))


@pytest.mark.parametrize(
    ("caps", "share"),
    [
        ({"run_usd": 0.5}, 0.8),
        ({"ticket_usd": 0.8}, 0.5),
        ({"day_usd": 0.5}, 0.0004),
    ],
)
def test_tightest_limit_says_how_near_the_end_is(redis: Redis, caps: dict[str, float], share: float) -> None:
    with at_work(redis, spec_of(caps=replace(AMPLE, **caps))) as talk:
        talk.reserve(call(0.4), call(0.4))
        talk.settle(call(0.4), answered=True)
        assert talk.share_used() == pytest.approx(share, abs=0.0005)


@pytest.mark.parametrize("scope", ["run", "ticket", "day"])
def test_eight_runs_at_once_never_pass_a_cap(redis: Redis, scope: str) -> None:
    caps = replace(AMPLE, **{f"{scope}_usd": 1.0})
    started, spent = threading.Barrier(8), []

    def run(number: int) -> None:
        with at_work(redis, spec_of(f"r{number}", caps=caps)) as talk:
            started.wait(10)
            for _ in range(60):
                if granted(talk.reserve(call(0.07), call(0.07))):
                    spent.append(talk.settle(call(0.05), answered=True).cost_usd)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(run, range(8)))
    per_scope = 8 if scope == "run" else 1
    assert len(spent) * 0.05 <= 1.0 * per_scope + 1e-9
    assert len(spent) * 0.05 >= (1.0 - 0.07) * per_scope - 1e-9


def test_ledger_scripts_need_a_lease(redis: Redis) -> None:
    with pytest.raises(LeaseLost):
        run_script(redis, "settle", ["lease:run:r1", *"abcde"], ["nobody's", "r1", ""])


def test_limit_sentences_of_the_default_caps() -> None:
    assert limit_sentence("run", "time", Caps().wall_seconds * 1000, 0) == (
        "the run's working time of 45 minutes is used up"
    )
