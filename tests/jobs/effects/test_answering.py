"""Requests of an agent process that another process answers: once, for a run that still waits, within their limits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from integrations import failpoints
from integrations.errors import Frozen, NotAttempted, Rejected, Unauthorized, Unavailable
from integrations.failpoints import FailpointError
from integrations.ports.agent_runner import Unanswered
from integrations.values import RunId
from jobs.config.environment import parse_settings
from jobs.config.settings import Settings
from jobs.effects.answering import WITHHELD, Performer, answer_request
from jobs.effects.build import build_world
from jobs.effects.world import World
from jobs.loop.commands import RunSpec
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease, hold
from jobs.runtime.requests import (
    MAX_ANSWER_CHARACTERS,
    MAX_ARGUMENT_BYTES,
    REQUEST,
    Answer,
    Request,
    RequestKind,
    Requests,
)
from jobs.runtime.scripts import LeaseLost
from jobs.store.runs import Runs
from tests.jobs.books import spec_of, taken_over

READ = RequestKind(seconds=5.0)
WRITE = replace(READ, retries=True)
NOW = replace(READ, seconds=0.2)


@pytest.fixture
def worker(settings: Settings, redis: Redis) -> World:
    given = {"LOOPLINE_HOME": str(settings.home), "ANTHROPIC_API_KEY": "sk-ant-very-secret-key"}
    return build_world(parse_settings(given), redis, "worker")


@pytest.fixture
def lease(redis: Redis) -> Iterator[Lease]:
    """That of a run at work."""
    Runs(redis).start(spec_of())
    with hold(redis, "run:r1") as lease:
        assert lease
        yield lease


def request_of(call_id: str = "call-1", **arguments: Any) -> Request:
    return Request(kind="read", run_id=RunId("r1"), call_id=call_id, arguments=arguments)


def never() -> bool:
    return False


class Desk:
    """A worker that answers with this function, and the number of its calls."""

    def __init__(self, worker: World, act: Callable[[Request], Answer]) -> None:
        self.calls: list[Request] = []
        self._worker, self._act = worker, act

    def perform(self, request: Request, spec: RunSpec, world: World) -> Answer:
        self.calls.append(request)
        return self._act(request)

    def serve(self, request: Request, performers: Mapping[str, Performer] | None = None) -> None:
        known = {"read": self.perform} if performers is None else performers
        answer_request(request.id, known, self._worker, queues.SERVE)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Serve the wake-ups of the queue until the end of the block."""
        closed = threading.Event()

        def work() -> None:
            queue = queues.open_queue(self._worker.redis, queues.REQUESTS)
            while not closed.wait(0.01):
                for job in queue.jobs:
                    job.delete()
                    answer_request(str(job.args[0]), {"read": self.perform}, self._worker, queues.SERVE)
                queues.enqueue_due(self._worker.redis, time.time() + 10)

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            closed.set()
            thread.join()


def fail_with(error: Exception, times: int = 1) -> Callable[[Request], Answer]:
    left = [error] * times

    def act(request: Request) -> Answer:
        if left:
            raise left.pop()
        return Answer(text="done")

    return act


def store(redis: Redis, lease: Lease, request: Request, kind: RequestKind = READ) -> None:
    """The request of an agent whose slice ends before the answer."""
    with pytest.raises(Unanswered):
        Requests(redis).ask(request, lease, lambda: True, kind)


def test_request_is_answered_by_another_process(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, lambda request: Answer(text=request.arguments["name"]))
    with desk.open():
        assert Requests(redis).ask(request_of(name="tally"), lease, never, READ) == Answer(text="tally")


def test_request_that_is_asked_again_gets_the_stored_answer(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, lambda request: Answer(text=str(len(desk.calls))))
    store(redis, lease, request_of())
    desk.serve(request_of())
    desk.serve(request_of())
    assert Requests(redis).ask(request_of(), lease, never, READ) == Answer(text="1") and len(desk.calls) == 1
    assert Requests(redis).ask(request_of("call-2"), lease, never, NOW).is_error, "another call is another request"


def test_request_of_a_crashed_agent_is_answered_under_its_next_lease(redis: Redis, worker: World) -> None:
    Runs(redis).start(spec_of())
    desk = Desk(worker, lambda request: Answer(text="once"))
    with hold(redis, "run:r1") as first:
        assert first
        store(redis, first, request_of())
    with hold(redis, "run:r1") as second:
        assert second
        desk.serve(request_of())
        assert not desk.calls, "the lease of its first agent is over"
        store(redis, second, request_of())
        desk.serve(request_of())
        assert Requests(redis).ask(request_of(), second, never, READ) == Answer(text="once")
    assert len(desk.calls) == 1


def test_request_of_a_run_that_was_stopped_is_not_performed(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, lambda request: Answer(text="x"))
    store(redis, lease, request_of())
    Runs(redis).ask_to_stop(RunId("r1"))
    desk.serve(request_of())
    assert not desk.calls


def test_request_of_a_run_that_was_taken_over_is_not_performed(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, lambda request: Answer(text="x"))
    store(redis, lease, request_of())
    taken_over(redis, lease)
    desk.serve(request_of())
    assert not desk.calls


def test_request_of_a_finished_run_is_not_performed(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, lambda request: Answer(text="x"))
    store(redis, lease, request_of())
    redis.srem(keys.RUNS, "r1")
    desk.serve(request_of())
    assert not desk.calls


def test_request_is_not_performed_while_the_service_is_frozen(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, fail_with(Frozen("frozen")))
    store(redis, lease, request_of())
    worker.settings.home.mkdir(exist_ok=True)
    (worker.settings.home / "freeze").touch()
    desk.serve(request_of())
    assert not desk.calls
    (worker.settings.home / "freeze").unlink()
    while worker.freeze.is_frozen():
        time.sleep(0.02)
    desk.serve(request_of())  # frozen at the moment of the effect
    desk.serve(request_of())
    assert Requests(redis).ask(request_of(), lease, never, READ) == Answer(text="done")


def test_request_of_an_unknown_kind_is_refused(redis: Redis, worker: World, lease: Lease) -> None:
    unknown = Requests(redis).ask(request_of(), lease, never)
    assert unknown.is_error and "'read'" in unknown.text
    store(redis, lease, request_of())
    Desk(worker, lambda request: Answer(text="x")).serve(request_of(), {})
    refused = Requests(redis).ask(request_of(), lease, never, READ)
    assert refused.is_error and "'read'" in refused.text


@pytest.mark.parametrize("error", [Unavailable("the board is down", 1.0), Unauthorized("the key is refused")])
def test_outage_is_retried_while_the_request_waits(redis: Redis, worker: World, lease: Lease, error: Exception) -> None:
    desk = Desk(worker, fail_with(error))
    with desk.open():
        assert Requests(redis).ask(request_of(), lease, never, READ) == Answer(text="done")
    assert len(desk.calls) == 2


def test_outage_longer_than_the_time_limit_becomes_a_sentence(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, fail_with(Unavailable("the board is down", 900.0)))
    with desk.open():
        answer = Requests(redis).ask(request_of(), lease, never, READ)
    assert answer.is_error and "the board is down" in answer.text
    desk.serve(request_of())
    assert len(desk.calls) == 1, "an answered request is not performed later"


def test_outage_of_a_write_lets_the_run_back_off_and_repeat_it(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, fail_with(Unavailable("the board is down", 90.0)))
    with desk.open(), pytest.raises(NotAttempted, match="the board is down") as raised:
        Requests(redis).ask(request_of(), lease, never, WRITE)
    assert raised.value.retry_after == 90.0
    with desk.open():
        assert Requests(redis).ask(request_of(), lease, never, WRITE) == Answer(text="done")


def test_request_without_an_answer_in_time_ends(redis: Redis, worker: World, lease: Lease) -> None:
    answer = Requests(redis).ask(request_of(), lease, never, NOW)
    assert answer.is_error and "no answer within 0.2 s" in answer.text
    desk = Desk(worker, lambda request: Answer(text="late"))
    desk.serve(request_of())
    assert not desk.calls, "its run no longer waits"
    with pytest.raises(NotAttempted, match="no answer within"):
        Requests(redis).ask(request_of("call-2"), lease, never, replace(NOW, retries=True))


def test_request_is_not_sent_by_a_process_that_lost_the_run(redis: Redis, lease: Lease) -> None:
    taken_over(redis, lease)
    with pytest.raises(LeaseLost):
        Requests(redis).ask(request_of(), lease, never, READ)
    assert not redis.exists(keys.request(request_of().id))


def test_requests_of_a_run_are_bounded(redis: Redis, lease: Lease) -> None:
    few = replace(READ, most=2)
    for call in ("a", "b"):
        store(redis, lease, request_of(call), few)
    refused = Requests(redis).ask(request_of("c"), lease, never, few)
    assert refused.is_error and "2 requests" in refused.text
    store(redis, lease, request_of("a"), few)  # a repetition is no further one


def test_arguments_and_answers_are_bounded(redis: Redis, worker: World, lease: Lease) -> None:
    large = Requests(redis).ask(request_of(text="x" * MAX_ARGUMENT_BYTES), lease, never, READ)
    assert large.is_error and f"{MAX_ARGUMENT_BYTES:,}" in large.text
    with Desk(worker, lambda request: Answer(text="y" * 10 * MAX_ANSWER_CHARACTERS)).open():
        answer = Requests(redis).ask(request_of(), lease, never, READ)
    assert len(answer.text) <= MAX_ANSWER_CHARACTERS and "cut by Loopline" in answer.text


def test_request_and_answer_expire(redis: Redis, worker: World, lease: Lease) -> None:
    store(redis, lease, request_of())
    Desk(worker, lambda request: Answer(text="x")).serve(request_of())
    names = [keys.request(request_of().id), keys.requests_of(RunId("r1"), "read")]
    assert all(redis.ttl(name) > 0 for name in (*names, keys.fence(f"request:{request_of().id}")))


def test_rejection_and_secret_become_sentences(redis: Redis, worker: World, lease: Lease) -> None:
    with Desk(worker, fail_with(Rejected("there is no ticket ENG-9"))).open():
        assert Requests(redis).ask(request_of(), lease, never, READ) == Answer(
            text="there is no ticket ENG-9", is_error=True
        )
    (secret,) = [one for one in worker.settings.secret_values() if one.startswith("sk-ant")]
    with Desk(worker, lambda request: Answer(text=f"export KEY={secret}")).open():
        assert Requests(redis).ask(request_of("call-2"), lease, never, READ).text == WITHHELD


def test_unexpected_error_is_retried_and_then_becomes_a_sentence(redis: Redis, worker: World, lease: Lease) -> None:
    desk = Desk(worker, fail_with(KeyError("token-abc"), times=9))
    store(redis, lease, request_of())
    for _ in range(3):
        desk.serve(request_of())
    answer = Requests(redis).ask(request_of(), lease, never, READ)
    assert answer == Answer(text="Internal error: KeyError.", is_error=True) and len(desk.calls) == 3


def test_request_that_kills_its_processes_is_given_up(redis: Redis, worker: World, lease: Lease) -> None:
    store(redis, lease, request_of())
    redis.hset(f"failures:request:{request_of().id}", "deaths", 3)
    desk = Desk(worker, lambda request: Answer(text="x"))
    desk.serve(request_of())
    assert not desk.calls and Requests(redis).ask(request_of(), lease, never, READ).is_error


@pytest.mark.parametrize(
    "point", ["ask.lua:done", "answer.lua:before", "answer.lua:done", "enqueue.serve_request:done"]
)
def test_request_survives_a_crash_at_each_step(redis: Redis, worker: World, lease: Lease, point: str) -> None:
    failpoints.arm(f"{point}:1:raise", worker.settings.home)
    desk = Desk(worker, lambda request: Answer(text=request.id))
    try:
        for _ in range(2):
            with suppress(FailpointError, Unanswered):
                Requests(redis).ask(request_of(), lease, lambda: True, READ)
            with suppress(FailpointError):
                desk.serve(request_of())
    finally:
        failpoints.arm("", worker.settings.home)
    assert Requests(redis).ask(request_of(), lease, never, READ) == Answer(text=request_of().id)
    assert {request.id for request in desk.calls} == {request_of().id} and len(desk.calls) <= 2


def test_request_of_a_newer_release_can_be_read() -> None:
    stored = json.loads(REQUEST.encode(request_of())) | {"later": 1}
    assert REQUEST.decode(json.dumps(stored)) == request_of()
