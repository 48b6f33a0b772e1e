"""`infra/soak`: processes die at random while tickets flow, webhooks go astray and slow clients come; then everything
is counted.

Tickets are copies of the demo's, so that the stand-in model knows what to answer. They end in review: a merge would
take the bug out of the later copies.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from redis.exceptions import RedisError

from integrations.standins.demo.stack import DEMO_TICKETS, TEAM
from integrations.standins.demo.story import memory
from jobs.runtime import keys
from tests.crash.disk import small_disk
from tests.crash.driver import stragglers
from tests.crash.slow_clients import crowd_in_phases
from tests.crash.stack import FragileStack, free_ports, unfinished

FIRST_PORT = 24_000
VICTIMS = ("redis", "web", "dashboard", "worker", "agent-1", "clock", "egress", "up")
ASTRAY: tuple[tuple[str, dict[str, Any]], ...] = (
    ("linear", {"operation": "*", "kind": "webhook_duplicate", "times": 5}),
    ("linear", {"operation": "*", "kind": "webhook_delay", "times": 3, "seconds": 4}),
    ("linear", {"operation": "Issue", "kind": "webhook_drop", "times": 2}),
    ("github", {"operation": "*", "kind": "webhook_duplicate", "times": 5}),
    ("github", {"operation": "*", "kind": "webhook_delay", "times": 3, "seconds": 4}),
    ("github", {"operation": "*", "kind": "webhook_drop", "times": 3}),
)
REQUESTS_PER_HOUR = 100_000  # a soak asks faster than any team; used-up allowances are looked at elsewhere
AT_ONCE = 4
PATIENCE = 180.0  # seconds after the last kill until everything has to be at its end
_NEW = """mutation New($input: IssueCreateInput!) { issueCreate(input: $input) { issue { id identifier } } }"""
_MOVE = """mutation Move($id: String!, $state: String!) {
  issueUpdate(id: $id, input: { stateId: $state }) { success }
}"""
_SAY = """mutation Say($id: String!, $body: String!) {
  commentCreate(input: { issueId: $id, body: $body }) { success }
}"""
_DELETE = "mutation Delete($id: String!) { issueDelete(id: $id) { success } }"
_TEAM = """query Team($key: String!) {
  teams(filter: { key: { eq: $key } }) { nodes { id states(first: 20) { nodes { id name } } } }
}"""
_TICKET = """query Ticket($id: String!) {
  issue(id: $id) {
    identifier state { name } labels { nodes { name } }
    comments(first: 100) { nodes { body user { app } } }
    attachments(first: 20) { nodes { url title metadata } }
  }
}"""
_COLUMNS = """query Columns($key: String!, $after: String) {
  issues(first: 100, after: $after, filter: { team: { key: { eq: $key } } }) {
    nodes { id state { name } } pageInfo { hasNextPage endCursor }
  }
}"""
ENDS = {"In Review", "Needs Human"}


class Board:
    """Ana's view of the board."""

    def __init__(self, stack: FragileStack) -> None:
        self._url = f"{stack.urls['board']}/graphql"
        self._headers = {"Authorization": stack.tokens["linear_ana"]}
        (team,) = self._ask(_TEAM, key=TEAM)["teams"]["nodes"]
        self._team = team["id"]
        self._states = {state["name"]: state["id"] for state in team["states"]["nodes"]}

    def create(self, title: str, description: str) -> str:
        """A new ticket in the backlog; returns its id."""
        given = {"teamId": self._team, "title": title, "description": description}
        return str(self._ask(_NEW, input=given)["issueCreate"]["issue"]["id"])

    def hand_over(self, title: str, description: str) -> str:
        """A new ticket in the agent column; returns its id."""
        ticket = self.create(title, description)
        self.move(ticket, "Agent")
        return ticket

    def move(self, ticket_id: str, column: str) -> None:
        """Drag a card."""
        self._ask(_MOVE, id=ticket_id, state=self._states[column])

    def delete(self, ticket_id: str) -> None:
        """Put a ticket into the trash."""
        self._ask(_DELETE, id=ticket_id)

    def say(self, ticket_id: str, body: str) -> None:
        """Comment on a ticket."""
        self._ask(_SAY, id=ticket_id, body=body)

    def columns(self) -> dict[str, str]:
        """The column of every ticket, by its id."""
        found: dict[str, str] = {}
        after: str | None = None
        while True:
            page = self._ask(_COLUMNS, key=TEAM, after=after)["issues"]
            found |= {node["id"]: node["state"]["name"] for node in page["nodes"]}
            if not page["pageInfo"]["hasNextPage"]:
                return found
            after = page["pageInfo"]["endCursor"]

    def ticket(self, ticket_id: str) -> dict[str, Any]:
        """Column, comments, labels and attachments of one ticket."""
        ticket: dict[str, Any] = self._ask(_TICKET, id=ticket_id)["issue"]
        ticket["attachments"] = ticket["attachments"]["nodes"]
        return ticket

    def _ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        answer = requests.post(self._url, json=body, headers=self._headers, timeout=30).json()
        if answer.get("errors"):
            raise RuntimeError(f"the board refused: {answer['errors'][0]['message']}")
        data: dict[str, Any] = answer["data"]
        return data


@dataclass
class Soak:
    """One soak: what was done to the service, and what was asked of it."""

    stack: FragileStack
    random: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    astray: Counter[str] = field(default_factory=Counter)
    fences: dict[bytes, int] = field(default_factory=dict)
    backwards: list[str] = field(default_factory=list)
    wanted: dict[str, str] = field(default_factory=dict)
    """The column where each ticket has to end, by its id."""
    deliveries: int = 0

    def torment(self, over: threading.Event) -> None:
        """Kill something every one to ten seconds, and lead webhooks astray."""
        while not over.wait(self.random.uniform(1, 10)):
            self._kill(self.random.choice(VICTIMS))
            standin, fault = self.random.choice(ASTRAY)
            self.stack.misbehave(standin, **fault)
            self.astray[fault["kind"]] += fault["times"]

    def _kill(self, name: str) -> None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads((self.stack.service_home / "up.json").read_text())
            os.kill(state["pid"] if name == "up" else state["processes"][name], signal.SIGKILL)
            self.kills[name] += 1

    def watch(self, over: threading.Event) -> None:
        """Fencing tokens and the inbox never go back, also not over a crash of Redis."""
        while not over.wait(1.0):
            with suppress(RedisError), self.stack.redis() as redis:
                now = {name: int(redis.get(name) or 0) for name in redis.scan_iter("fence:*")}
                now[b"inbox"] = redis.xinfo_stream(keys.INBOX)["entries-added"]
                for name, value in now.items():
                    if value < self.fences.get(name, 0):
                        self.backwards.append(f"{name.decode()} was {self.fences[name]}, is {value}")
                self.fences |= now
                self.deliveries = now[b"inbox"]

    def flow(self, board: Board, seconds: float) -> None:
        """Keep a few tickets at work until the time is up."""
        copies = list(zip(json.loads(DEMO_TICKETS.read_text()), ("In Review", "In Review", "Needs Human"), strict=True))
        deadline = time.monotonic() + seconds
        at_work: set[str] = set()
        while time.monotonic() < deadline:
            columns = board.columns()
            at_work = {ticket for ticket in at_work if columns[ticket] not in ENDS}
            if len(at_work) < AT_ONCE:
                copy, end = self.random.choice(copies)
                ticket = board.hand_over(f"{copy['title']} ({len(self.wanted) + 1})", copy["description"])
                self.wanted[ticket] = end
                at_work.add(ticket)
            time.sleep(1.0)

    def settle(self, board: Board) -> None:
        """Wait until every ticket is at its end and nothing is left to do, at most `PATIENCE`."""
        deadline, quiet = time.monotonic() + PATIENCE, 0
        while quiet < 5 and time.monotonic() < deadline:
            time.sleep(1.0)
            arrived = self.wanted.items() <= board.columns().items()
            with self.stack.redis() as redis:
                quiet = quiet + 1 if arrived and not unfinished(redis) else 0

    def lost(self, tickets: dict[str, dict[str, Any]]) -> Iterator[str]:
        """The set and queue checkers: every ticket at its end, nothing anywhere in between."""
        for ticket_id, end in self.wanted.items():
            ticket = tickets[ticket_id]
            if ticket["state"]["name"] != end:
                yield f"{ticket['identifier']} is in {ticket['state']['name']} instead of {end}"
        with self.stack.redis() as redis:
            yield from unfinished(redis)

    def duplicated(self, tickets: dict[str, dict[str, Any]]) -> Iterator[str]:
        """The unique checker: one progress comment, verdict or question a ticket, one pull request a branch."""
        for ticket in tickets.values():
            said = Counter(c["body"][:12] for c in ticket["comments"]["nodes"] if (c["user"] or {}).get("app"))
            yield from (f"{ticket['identifier']}: {n} comments {head!r}" for head, n in said.items() if n > 1)
            links = Counter(a["url"] for a in ticket["attachments"])
            yield from (f"{ticket['identifier']}: {n} attachments {url}" for url, n in links.items() if n > 1)
        effects = Counter(_effect(entry) for entry in self.stack.log("github") if entry["actor"] == "loopline-bot")
        yield from (f"{n} times {effect}" for effect, n in effects.items() if n > 1)

    def overspent(self, tickets: dict[str, dict[str, Any]]) -> Iterator[str]:
        """The budget checker: never less than the model billed; a call that a kill cut off may count without a bill."""
        billed = sum("usage" in entry["result"] for entry in self.stack.log("model"))
        ledger = sum(int(memory(ticket).get("model_calls", 0)) for ticket in tickets.values())
        cut_off = AT_ONCE * sum(self.kills[name] for name in ("agent-1", "redis", "up", "disk"))
        if not billed <= ledger <= billed + cut_off:
            yield f"the ledger says {ledger} model calls, the model billed {billed}, {cut_off} may have been cut off"


def _effect(entry: dict[str, Any]) -> str:
    """What may happen once: a pull request or push per branch, a status per commit."""
    wanted = entry["input"]
    if "receive-pack" in entry["operation"]:
        return " ".join(f"push {one['ref']} {one['new']}" for one in entry["result"])
    return f"{entry['operation']} {wanted.get('head') or wanted.get('sha') or wanted}"


def run(minutes: float, seed: int, home: Path) -> dict[str, Any]:
    """Soak; returns what is printed."""
    stack = FragileStack(
        home,
        free_ports(FIRST_PORT),
        latency=0.05,
        extra={"LOOPLINE_SWEEP_SECONDS": "5"},
        board_options=("--requests-per-hour", str(REQUESTS_PER_HOUR)),
    )
    over = threading.Event()
    with small_disk(stack.service_home, megabytes=400) as disk, stack:
        soak, board = Soak(stack, random.Random(seed)), Board(stack)
        fill = partial(disk.fill_at_random, random.Random(seed), soak.kills)
        crowd = partial(crowd_in_phases, urlsplit(stack.urls["web"]).port or 0)
        threads = [threading.Thread(target=work, args=(over,)) for work in (soak.torment, soak.watch, crowd, fill)]
        for thread in threads:
            thread.start()
        try:
            soak.flow(board, minutes * 60)
        finally:
            over.set()
            for thread in threads:
                thread.join()
        began = time.monotonic()
        soak.settle(board)
        took = time.monotonic() - began
        tickets = {ticket: board.ticket(ticket) for ticket in soak.wanted}
        found = {
            "lost": list(soak.lost(tickets)),
            "duplicated": list(soak.duplicated(tickets)),
            "backwards": soak.backwards,
            "budget": list(soak.overspent(tickets)),
        }
    found["still_running"] = stragglers(home)
    counts = {"tickets": len(soak.wanted), "deliveries": soak.deliveries, "kills": sum(soak.kills.values())}
    more = {"killed": dict(soak.kills), "astray": dict(soak.astray), "settled_in_seconds": round(took, 1)}
    return {"seed": seed, "minutes": minutes, **counts, **found, **more}


def main() -> int:
    """Exit code 0 when nothing was lost, doubled, or went backwards."""
    parser = argparse.ArgumentParser(prog="infra/soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30, metavar="N", help="how long (30)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of victims, pauses and tickets (0)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="where the stack writes (a new temporary folder)")
    args = parser.parse_args()
    home = args.home or Path(tempfile.mkdtemp(prefix="loopline-soak-"))
    result = run(args.minutes, args.seed, home / "stack")
    bad = [
        f"{kind}: {one}"
        for kind in ("lost", "duplicated", "backwards", "budget", "still_running")
        for one in result[kind]
    ]
    lines = [*bad, json.dumps({k: len(v) if isinstance(v, list) else v for k, v in result.items()})]
    sys.stdout.write("".join(f"{line}\n" for line in lines) + (f"the stack's home is {home}\n" if bad else ""))
    if not bad:
        shutil.rmtree(home, ignore_errors=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
