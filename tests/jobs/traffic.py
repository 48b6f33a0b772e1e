"""Linear's requests, counted by operation: the stand-in behind a counter, with its webhooks, driven by real jobs."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redis import Redis

from integrations.results import CriterionResult, Evidence, Judgement, Plan, Proposal, ProposedCriterion, Verdict
from integrations.standins.linear.server import LinearApp, create_app
from integrations.standins.wire import Served, Webhook, serve
from integrations.trackers.linear.webhooks import LinearWebhooks
from integrations.values import TicketId
from jobs.config.settings import Settings
from jobs.drive import drive
from jobs.inbox.dispatch import route
from jobs.loop.state import Loop, Stage
from jobs.runtime import keys
from jobs.runtime.lease import hold
from jobs.runtime.scripts import decode
from tests.jobs.board import Board, open_board
from tests.jobs.story import candidate
from tests.loops import run_finished

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SECRET = "lin_wh_of_the_counter"


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
        while True:
            assert self.counter.app.webhooks.settle()
            waiting = [TicketId(decode(one)) for one in self.redis.smembers(keys.READY)]
            before = len(self.counter.order)
            for ticket_id in waiting:
                drive(ticket_id)
            assert self.counter.app.webhooks.settle()
            left = [one for one in self.redis.smembers(keys.READY) if self.redis.llen(keys.mailbox(decode(one)))]
            if not left and len(self.counter.order) == before:
                return

    def load(self, identifier: str) -> Loop:
        loop = self.board.world.store.load(TicketId(self.board.ticket_id(identifier)))
        assert loop
        return loop

    def finish(self, loop: Loop, **fields: object) -> Loop:
        """The agent process reports the result of the current run."""
        role = loop.run_id.rsplit("-", 1)[1]
        about = {"event_id": f"{loop.run_id}:finished", "ticket_id": loop.ticket.id, "run_id": loop.run_id, "at": 2.0}
        event = run_finished(role, **about | {"generation": loop.generation} | fields)
        with hold(self.redis, f"run:{loop.run_id}") as lease:
            assert lease
            self.board.world.runs.finish(lease, event, heed_guidance=False)
        self.settle()
        return self.load(loop.identifier)

    def work(self, identifier: str, between: Callable[[], None] = lambda: None) -> Loop:
        """Hand the ticket over and take it to review; `between` is called after each run."""
        self.board.ana.drag(identifier, "Agent")
        self.settle()
        loop = self.load(identifier)
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


@contextmanager
def open_traffic(
    folder: Path,
    redis: Redis,
    settings: Settings,
    *,
    issues: Iterable[dict[str, object]] = (),
    requests_per_hour: int = 5_000,
) -> Iterator[Traffic]:
    """The board with further `issues`, counted, and its webhooks delivered to the mailboxes."""
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

        def serve_board(seed: dict[str, object]) -> Served:
            seed["issues"] = [*seed["issues"], *issues]  # type: ignore[misc]
            app = create_app(
                folder / "linear", seed, webhooks=[Webhook(hooks.url, SECRET)], requests_per_hour=requests_per_hour
            )
            counters.append(CountingBoard(app))
            return serve(counters[0])

        with open_board(folder, redis, settings, serve_board) as board:
            counters[0].token = board.environ["LINEAR_API_KEY"]
            yield Traffic(board, counters[0], redis)
