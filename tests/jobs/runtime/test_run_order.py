"""The order of waiting runs."""

from __future__ import annotations

import pytest
from redis import Redis

from jobs.runtime import run_order
from jobs.runtime.clocks import read_redis_time
from jobs.runtime.keys import RUNS_WAITING
from jobs.runtime.run_order import STEP_SECONDS, add_waiting, compute_place, set_order, set_turn, take_next


def queue(redis: Redis, name: str, priority: int, due_date: str = "", handed_over: float = 1.0) -> None:
    set_order(redis, name, priority, due_date)
    set_turn(redis, f"run-{name}", name, handed_over)
    add_waiting(redis, f"run-{name}")


def take_all(redis: Redis) -> list[str]:
    return list(iter(lambda: take_next(redis), None))


def test_waiting_runs_start_by_priority_whatever_their_order(redis: Redis) -> None:
    for at, priority in enumerate((4, 0, 3, 2, 1)):
        queue(redis, str(priority), priority, handed_over=float(at))

    assert take_all(redis) == ["run-1", "run-2", "run-3", "run-4", "run-0"]


def test_waiting_runs_of_a_priority_start_by_due_date_then_by_hand_over(redis: Redis) -> None:
    queue(redis, "b", 2, "", 1.0)
    queue(redis, "c", 2, "", 2.0)
    queue(redis, "a", 2, "2026-12-01", 9.0)
    queue(redis, "d", 2, "2026-11-30", 9.0)

    assert take_all(redis) == ["run-d", "run-a", "run-b", "run-c"]


def test_waiting_run_takes_its_turn_after_a_slot(redis: Redis) -> None:
    for name in ("a", "b"):
        queue(redis, name, 2, handed_over={"a": 1.0, "b": 2.0}[name])
    taken = take_next(redis)
    add_waiting(redis, "run-a")

    assert taken == "run-a" and take_all(redis) == ["run-b", "run-a"]


def test_waiting_run_of_a_changed_priority_moves_forward(redis: Redis) -> None:
    queue(redis, "a", 2)
    queue(redis, "b", 3)
    set_order(redis, "b", 1, "")

    assert run_order.list_waiting(redis) == ["run-b", "run-a"]


def test_waiting_run_is_never_starved_by_urgent_ones(redis: Redis) -> None:
    queue(redis, "low", 4)
    redis.hset(RUNS_WAITING, "run-low", read_redis_time(redis) - 4 * STEP_SECONDS - 1)
    queue(redis, "urgent", 1, "2026-01-01")

    assert take_next(redis) == "run-low"


def test_waiting_run_that_has_to_stop_is_first_and_a_wake_up_keeps_its_place(redis: Redis) -> None:
    queue(redis, "urgent", 1, "2026-01-01")
    queue(redis, "low", 4)
    add_waiting(redis, "run-low", first=True)
    add_waiting(redis, "run-low")

    assert take_all(redis) == ["run-low", "run-urgent"]


def test_waiting_run_of_an_older_release_has_no_order_and_is_taken(redis: Redis) -> None:
    add_waiting(redis, "run-old")

    assert take_all(redis) == ["run-old"]


def test_waiting_run_is_taken_by_one_process(redis: Redis) -> None:
    queue(redis, "a", 1)

    assert (take_next(redis), take_next(redis)) == ("run-a", None)


@pytest.mark.parametrize(
    ("priority", "waited", "steps"),
    [(1, 0, 1), (4, 0, 4), (0, 0, 5), (4, STEP_SECONDS, 3), (4, 99 * STEP_SECONDS, 0), (1, -5, 1)],
)
def test_place_moves_one_priority_up_with_each_hour(priority: int, waited: float, steps: int) -> None:
    assert compute_place(priority, "", 1.0, waited)[0] == steps
