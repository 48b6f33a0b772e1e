"""Values of the rules' tests and how they are made: events, results, the commits of one ticket."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from integrations.events import RunFinished, TicketCommented, TicketMoved, WorkspaceReady
from integrations.results import CriterionResult, Evidence, Verdict
from integrations.values import Person, Ticket
from jobs.loop.commands import Command
from jobs.loop.policy import POLICY, Check, LoopPolicy, RepositoryPolicy
from jobs.loop.state import Loop
from jobs.workflow import Decision, ServicePolicy, decide
from tests.loops import run_finished

HEAD, BASE, OTHER = "a" * 40, "b" * 40, "c" * 40
ANA = Person(id="u1", name="Ana", email="ana@acme.test", may_steer=True)
GUEST = Person(id="u2", name="Eve", email="eve@acme.test")
CHECKED = RepositoryPolicy(loop=LoopPolicy(checks=(Check(name="tests", run="pytest -q"),)))


_NUMBERS = count(1)


def said(body: str, author: Person = ANA, comment_id: str = "", **fields: Any) -> TicketCommented:
    """A new comment; each has another id."""
    name = comment_id or f"k-{next(_NUMBERS)}"
    return TicketCommented(event_id="e", ticket_id="t1", comment_id=name, body=body, author=author, **fields)


def moved(ticket: Ticket, column: str, by: Person | None = ANA) -> TicketMoved:
    return TicketMoved(event_id="e", ticket_id=ticket.id, at=5.0, ticket=replace(ticket, column=column), by=by)


def ready(policy: RepositoryPolicy, generation: int = 1, branch_sha: str | None = None) -> WorkspaceReady:
    return WorkspaceReady(
        event_id="w", ticket_id="t1", generation=generation, repository="acme/shop", base_branch="main",
        base_sha=BASE, policy=POLICY.encode(policy), branch_sha=branch_sha,
    )  # fmt: skip


def prepared(loop: Loop, repository: RepositoryPolicy, policy: ServicePolicy, **fields: object) -> Decision:
    """The decision after the repository was read and its preflight ended; `fields` are those of its result."""
    read = decide(loop, ready(repository, loop.generation), policy).loop
    return decide(read, finished(read, **fields), policy)


def passing() -> Verdict:
    results = tuple(CriterionResult(criterion=c, result="pass", evidence="seen") for c in ("c1", "c2"))
    return Verdict(head_sha=HEAD, results=results, summary="Limits logins.")


def evidence(exit_code: int) -> Evidence:
    return Evidence(name="c1", command="pytest -q", exit_code=exit_code, output="1 failed" if exit_code else "1 passed")


def finished(loop: Loop, **fields: object) -> RunFinished:
    role = loop.run_id.rsplit("-", 1)[1]
    return run_finished(role, ticket_id="t1", run_id=loop.run_id, generation=loop.generation, **fields)


def kinds(commands: Sequence[Command]) -> list[str]:
    """The kinds of the commands, in order."""
    return [c.kind for c in commands]
