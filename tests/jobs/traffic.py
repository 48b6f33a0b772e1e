"""Linear's requests, counted by operation: the stand-in behind a counter, with its webhooks, driven by real jobs."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests
from graphql import OperationType, get_operation_ast
from redis import Redis

from integrations.request_budget import RequestBudget, share_budget
from integrations.results import CriterionResult, Evidence, Judgement, Plan, Proposal, ProposedCriterion, Verdict
from integrations.standins.demo.stack import DEMO_TICKETS
from integrations.standins.linear.seed import stable_id
from integrations.standins.linear.server import LinearApp
from integrations.standins.wire import Webhook, serve
from integrations.trackers.linear import columns
from integrations.trackers.linear.client import load_documents
from integrations.trackers.linear.webhooks import LinearWebhooks
from integrations.values import TicketId
from jobs.config.settings import Settings
from jobs.drive import drive
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.buckets import RedisBuckets
from jobs.runtime.lease import hold
from jobs.runtime.scripts import decode
from jobs.sweep import sweep
from tests.jobs.board import Board, open_board
from tests.jobs.story import candidate
from tests.loops import run_finished

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = "lin_wh_of_the_counter"
READS = frozenset(
    name
    for name, document in load_documents().items()
    if (operation := get_operation_ast(document)) and operation.operation is OperationType.QUERY
)
"""Operations that only read."""


class CountingBoard:
    """The stand-in as a WSGI application; `counts` has the requests of Loopline by operation, `order` in order."""

    def __init__(self, app: LinearApp) -> None:
        self.app, self.order, self.refused = app, list[str](), 0
        self.token = ""

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.order)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_AUTHORIZATION") != self.token or environ["PATH_INFO"] != "/graphql":
            return self.app(environ, start_response)
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        environ["wsgi.input"] = io.BytesIO(body)
        self.order.append(json.loads(body)["operationName"])

        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            self.refused += status.startswith("400")
            return start_response(status, headers, *more)

        return self.app(environ, start)

    def close(self) -> None:
        self.app.close()


@dataclass
class Traffic:
    """A board whose requests are counted, and whose webhooks arrive."""

    board: Board
    counter: CountingBoard
    redis: Redis

    def settle(self) -> None:
        """Webhooks arrive and jobs run until there is nothing to do now."""
        before = -1
        while len(self.counter.order) > before:
            before = len(self.counter.order)
            assert self.counter.app.webhooks.settle()
            for ticket in self.redis.smembers(keys.READY):
                drive(TicketId(decode(ticket)))
            assert self.counter.app.webhooks.settle()

    def pass_time(self, seconds: float) -> None:
        """Let everything that was written be older, and everything that waits be due."""
        for key in self.redis.scan_iter("report:*"):
            record = json.loads(decode(self.redis.get(key) or b""))
            self.redis.set(key, json.dumps({**record, "at": record["at"] - seconds}))
        for name, at in self.redis.hgetall(keys.SWEPT).items():
            self.redis.hset(keys.SWEPT, decode(name), float(at) - seconds)
        for pattern in ("retry:*", "report-wait:*"):
            for key in self.redis.scan_iter(pattern):
                self.redis.delete(key)
        self.settle()

    def load(self, identifier: str) -> Loop | None:
        return self.board.world.store.load(TicketId(stable_id("Issue", *identifier.split("-"))))

    def hand_over(self, identifier: str) -> None:
        """A person drags the card; the id of the column is the seed's, so nothing has to be read."""
        query = "mutation($id: String!, $input: IssueUpdateInput!) { issueUpdate(id: $id, input: $input) { success } }"
        column = {"stateId": stable_id("WorkflowState", identifier.split("-")[0], "Agent")}
        body = {"query": query, "variables": {"id": identifier, "input": column}}
        headers = {"Authorization": "lin_api_script"}
        answer = requests.post(f"{self.board.urls['board']}/graphql", json=body, headers=headers, timeout=20)
        assert answer.json()["data"]["issueUpdate"]["success"], answer.text

    def finish(self, loop: Loop, **fields: object) -> Loop:
        """The agent process reports the result of the current run."""
        role = loop.run_id.rsplit("-", 1)[1]
        about = {"event_id": f"{loop.run_id}:finished", "ticket_id": loop.ticket.id, "run_id": loop.run_id, "at": 2.0}
        event = run_finished(role, **about | {"generation": loop.generation} | fields)
        with hold(self.redis, f"run:{loop.run_id}") as lease:
            assert lease
            self.board.world.runs.finish(lease, event, heed_guidance=False)
        self.settle()
        after = self.load(loop.identifier)
        assert after
        return after

    def work(self, identifier: str, between: Callable[[], None] = lambda: None) -> Loop:
        """Hand the ticket over and take it to review; `between` is called after each run."""
        self.hand_over(identifier)
        self.settle()
        loop = self.load(identifier)
        assert loop
        for _ in range(20):
            if loop.stage is Stage.REVIEW:
                return loop
            between()
            loop = self.finish(loop, **_result_of(self.board, loop))
        raise AssertionError(f"{identifier} is {loop.stage.value}: {loop.reason}")


def _result_of(board: Board, loop: Loop) -> dict[str, object]:
    """The fields of a run that succeeds."""
    criteria = loop.contract.criteria if loop.contract else ()
    match loop.stage:
        case Stage.PLANNING:
            found = (ProposedCriterion(text="it works", command="python3 -m unittest -q"),)
            return {"proposal": Proposal(criteria=found)}
        case Stage.SCOUTING:
            return {"plan": Plan(summary="look")}
        case Stage.MAKING:
            return {"head_sha": candidate(board, loop), "summary": "Removes files."}
        case Stage.GATING:
            return {
                "evidence": tuple(Evidence(name=c.id, command=c.command, exit_code=0) for c in criteria if c.command)
            }
        case Stage.JUDGING:
            return {"judgement": Judgement(done=True)}
        case Stage.CHECKING:
            results = tuple(CriterionResult(criterion=c.id, result="pass", evidence="seen") for c in criteria)
            return {"verdict": Verdict(head_sha=loop.candidate.head_sha, results=results, summary="Removes files.")}
    return {}


class Turned:
    """A clock that a test turns on."""

    def __init__(self) -> None:
        self.offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


def list_tickets(column: str, number: int) -> list[dict[str, object]]:
    """So many tickets of the seed in this column, written last year."""
    text = json.loads(DEMO_TICKETS.read_text())[0]["description"]
    place = {"team": "ENG", "state": column, "description": text, "at": "2025-11-01T00:00:00.000Z"}
    return [{**place, "title": f"{column} {n}"} for n in range(number)]


def idle_hour(traffic: Traffic) -> Counter[str]:
    """The requests of an hour in which nothing happens, by operation. Names of columns are cached for less time than
    lies between two comparisons, so here they are not cached."""
    traffic.counter.order.clear()
    seconds, cached = traffic.board.world.settings.sweep_seconds, columns.COLUMNS_SECONDS
    columns.COLUMNS_SECONDS = 0.0
    try:
        for _ in range(3_600 // seconds):
            sweep()
            traffic.pass_time(seconds)
    finally:
        columns.COLUMNS_SECONDS = cached
    return traffic.counter.counts


def work_at_a_small_allowance(traffic: Traffic, clock: Turned, identifiers: Sequence[str], hours: int) -> list[str]:
    """Tickets that are handed over at once and get two comments each while they are worked on; returns what was lost:
    comments without effect, and tickets without a verdict or not in review, after so many hours."""
    for identifier in identifiers:
        traffic.hand_over(identifier)
    written: dict[str, list[str]] = {identifier: [] for identifier in identifiers}
    for minute in range(60 * hours):
        loops = [traffic.load(identifier) for identifier in identifiers]
        if all(loop and loop.stage is Stage.REVIEW for loop in loops) and not traffic.redis.scard(keys.READY):
            break
        traffic.pass_time(60)
        clock.offset += 60
        if minute % 2:
            sweep()
        for identifier in identifiers:
            loop = traffic.load(identifier)
            if loop is None or loop.run_id not in map(decode, traffic.redis.smembers(keys.RUNS)):
                continue
            if loop.stage is Stage.MAKING and len(written[identifier]) < 2:
                written[identifier].append(f"use decimals, {minute}")
                traffic.board.ana.say(identifier, written[identifier][-1])
            else:
                traffic.finish(loop, **_result_of(traffic.board, loop))
    cards = traffic.board.ana.board()
    return [lost for identifier in identifiers for lost in _find_lost(traffic, cards[identifier], written[identifier])]


def _find_lost(traffic: Traffic, card: Mapping[str, Any], written: Sequence[str]) -> Iterator[str]:
    identifier = card["identifier"]
    loop = traffic.load(identifier)
    assert loop, f"{identifier} was not handed over"
    heard = [guidance.text for guidance in loop.comments.guidance]
    yield from (f"{identifier}: {text}" for text in written if text not in heard)
    bodies = [comment["body"] for comment in card["comments"] if comment["body"] not in written]
    if card["column"] != "In Review" or len(written) != 2 or len(bodies) < 2:
        place = f"{loop.stage.value} in {card['column']}"
        yield f"{identifier}: {place}, {len(bodies)} comments by Loopline, {len(written)} by Ana"


@contextmanager
def open_traffic(
    folder: Path,
    redis: Redis,
    settings: Settings,
    *,
    issues: Iterable[dict[str, object]] = (),
    requests_per_hour: int = 5_000,
    clock: Callable[[], float] = time.time,
) -> Iterator[Traffic]:
    """The board with further `issues`, counted, and its webhooks delivered to the mailboxes. Allowances refill by
    `clock`."""
    counters: list[CountingBoard] = []
    source = LinearWebhooks()

    def receive(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {name[5:].replace("_", "-").lower(): str(v) for name, v in environ.items() if name[:5] == "HTTP_"}
        delivery = source.verify(headers, body, [SECRET], json.loads(body)["webhookTimestamp"] / 1000)
        for event in source.translate(delivery):
            route(redis, event)
        start_response("200 OK", [("Content-Length", "0")])
        return [b""]

    with serve(receive) as hooks:

        def count(app: LinearApp) -> CountingBoard:
            counters.append(CountingBoard(app))
            return counters[0]

        hook, own = Webhook(hooks.url, SECRET), {"requests_per_hour": requests_per_hour, "clock": clock}
        with open_board(folder, redis, settings, [hook], issues=issues, wrap=count, **own) as board:
            counters[0].token = board.environ["LINEAR_API_KEY"]
            share_budget(RequestBudget(RedisBuckets(redis), clock))
            yield Traffic(board, counters[0], redis)
