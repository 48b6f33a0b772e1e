"""Rules from hand-over to the first run: the ticket moves, the workspace is ready, the contract is agreed."""

from __future__ import annotations

import re
from dataclasses import replace

from integrations.events import TicketMoved, TicketRemoved, WorkspaceReady
from integrations.values import NO_COMMIT, CommitSha, Ticket
from jobs.loop.commands import CleanUp, Command, MoveTicket, PostComment, PrepareWorkspace, SetNeedsHuman, StopRun
from jobs.loop.policy import POLICY
from jobs.loop.state import (
    AT_WORK,
    OPEN,
    RUNNING,
    Attempt,
    Candidate,
    Guidance,
    Loop,
    PullRequestState,
    Stage,
    Workspace,
)
from jobs.messages.replies import cancelled_message, cancelled_reason, moved_reason, removed_reason, stopped_message
from jobs.workflow.agreeing import agree_or_ask, refresh_contract
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalating import acknowledge, close_attempt
from jobs.workflow.goal import start_work
from jobs.workflow.run import add_requested_criterion

BRANCH_PREFIX = "loopline/"


def on_ticket_moved(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    """A card was dragged, by a person or by us."""
    if event.ticket is None:
        return Decision(loop)
    role = policy.column_role(event.ticket.team, event.ticket.column)
    waits = only_we_moved_it(loop, event.ticket, role, moving=event.moving)
    loop = replace(loop, ticket=event.ticket)
    if role is None and event.ticket.cancelled:
        return _cancel(loop, event.at)
    if role == "agent":
        return hand_over(loop, event.at, policy) if is_idle_or_closed(loop) and not waits else Decision(loop)
    if role not in {"needs_human", "triage"}:
        loop = acknowledge(loop)
    if left_our_columns(loop, role) and not waits:
        return stop(loop, moved_reason(event.ticket.column), event.at, policy)
    return Decision(loop)


def only_we_moved_it(loop: Loop, ticket: Ticket, role: str | None, *, moving: bool) -> bool:
    """Whether nobody moved the card: a move of ours waits (`moving`), and the card is where that was to fetch it from,
    as it was last seen or where we had asked a person."""
    return moving and (loop.ticket.column == ticket.column or role in {"needs_human", "triage"})


def is_idle_or_closed(loop: Loop) -> bool:
    """Whether a ticket in the agent column is to be taken up."""
    return loop.stage not in AT_WORK | {Stage.MERGING}


def left_our_columns(loop: Loop, role: str | None) -> bool:
    """Whether this column takes the ticket out of our hands."""
    if loop.stage in AT_WORK:
        return role not in {"working", "review"}
    if loop.stage is Stage.ASKING:
        return role not in {"working", "needs_human"}
    return loop.stage in OPEN and role is None


def hand_over(loop: Loop, at: float, policy: ServicePolicy, guidance: tuple[Guidance, ...] = ()) -> Decision:
    """A new generation begins: late work of the one before no longer counts, its branch and commits do."""
    loop = close_attempt(loop, loop.reason)
    repository, generation = policy.teams[loop.ticket.team].repository, loop.generation + 1
    comments = replace(loop.comments, guidance=loop.comments.guidance + guidance, pending=(), taken_up=0)
    fresh = Loop(
        ticket=loop.ticket,
        generation=generation,
        stage=Stage.PREPARING,
        workspace=Workspace(repository=repository, branch=branch_name(loop.ticket, generation)),
        attempt=Attempt(began_usd=loop.spend.usage.cost_usd),
        comments=comments,
        spend=loop.spend,
        started_at=at,
    )
    if loop.stage is not Stage.DONE and loop.workspace.repository == repository:
        fresh = _same_work(fresh, loop)
    return Decision(fresh, (MoveTicket(column="working"), SetNeedsHuman(needed=False), _prepare(fresh)))


def _same_work(fresh: Loop, before: Loop) -> Loop:
    """The agreement and the record of the generation before, and its branch where that is still there."""
    fresh = replace(
        fresh,
        revision=before.revision,
        contract=refresh_contract(before),
        planning=before.planning,
        attempts=before.attempts,
    )
    if not before.workspace.branch:
        return fresh
    shown = before.pull_request
    return replace(
        fresh,
        workspace=before.workspace,
        candidate=Candidate(head_sha=before.candidate.head_sha),
        pull_request=PullRequestState(number=shown.number, url=shown.url, pushed_sha=shown.pushed_sha),
    )


def branch_name(ticket: Ticket, generation: int) -> str:
    """Below our prefix, with the identifier in it, so that Linear links the branch; never a name that exists."""
    suggested = ticket.branch_name.rsplit("/", 1)[-1].lower()
    if ticket.identifier.lower() not in suggested:
        suggested = f"{ticket.identifier.lower()}-{ticket.title.lower()}"
    slug = re.sub(r"[^a-z0-9]+", "-", suggested).strip("-")[:60].strip("-")
    return f"{BRANCH_PREFIX}{slug}" + (f"-{generation}" if generation > 1 else "")


def _prepare(loop: Loop) -> PrepareWorkspace:
    return PrepareWorkspace(
        generation=loop.generation, repository=loop.workspace.repository, branch=loop.workspace.branch
    )


def revise(loop: Loop, request: Guidance, *commands: Command) -> Decision:
    """Another round on the same branch, with a person's request as a further criterion."""
    loop = close_attempt(loop, f"{request.author} asked for changes")
    loop = add_requested_criterion(replace(loop, contract=refresh_contract(loop)), request)
    loop = replace(loop, stage=Stage.PREPARING, reason="", pull_request=loop.pull_request.unapproved())
    return Decision(loop, (*commands, MoveTicket(column="working"), _prepare(loop)))


def on_workspace_ready(loop: Loop, event: WorkspaceReady, policy: ServicePolicy) -> Decision:
    """The repository is here: agree what done means, then start or ask."""
    if event.generation != loop.generation or loop.stage is not Stage.PREPARING:
        return Decision(loop)
    workspace = replace(
        loop.workspace, base_branch=event.base_branch, base_sha=loop.workspace.base_sha or event.base_sha
    )
    loop = replace(_at_branch_head(loop, event.branch_sha), policy=POLICY.decode(event.policy), workspace=workspace)
    if loop.contract:
        return start_work(loop, event.at, policy)
    return agree_or_ask(loop, event.at, policy)


def _at_branch_head(loop: Loop, head: CommitSha | None) -> Loop:
    """Work goes on from the branch as it stands: the person who asked for it could see the commits of others on it."""
    if head is None or head == loop.pull_request.pushed_sha:
        return loop
    loop = replace(loop, pull_request=replace(loop.pull_request, pushed_sha=head))
    if head in {NO_COMMIT, loop.candidate.head_sha}:
        return loop
    return replace(loop, candidate=loop.candidate.at(head))


def on_ticket_removed(loop: Loop, event: TicketRemoved) -> Decision:
    """Nothing can be written to a ticket that is gone; what is ours goes too."""
    if loop.stage in {Stage.IDLE, Stage.DONE}:
        return Decision(loop)
    gone = _ended(loop, removed_reason(), event.at)
    return Decision(gone, (*_interrupt(loop), _clean_up(loop)))


def _cancel(loop: Loop, at: float) -> Decision:
    """Somebody decided that this is not wanted at all."""
    if loop.stage in {Stage.IDLE, Stage.DONE}:
        return Decision(loop)
    gone = _ended(loop, cancelled_reason(), at)
    say = PostComment(body=cancelled_message())
    return Decision(gone, (*_interrupt(loop), SetNeedsHuman(needed=False), say, _clean_up(loop)))


def stop(loop: Loop, reason: str, at: float, policy: ServicePolicy, *, clean_up: bool = False) -> Decision:
    """A person took the ticket out of the agent's hands; late output is discarded by the raised generation.

    With `clean_up` nobody wants the branch any more either, and a retry begins on another one."""
    after = replace(loop, stage=Stage.STOPPED, reason=reason, finished_at=at, escalation=None)
    if clean_up:
        after = replace(
            after,
            workspace=replace(loop.workspace, branch="", base_sha=NO_COMMIT),
            candidate=replace(loop.candidate, head_sha=NO_COMMIT),
            pull_request=replace(loop.pull_request, pushed_sha=NO_COMMIT),
        )
    seen: tuple[Command, ...] = (SetNeedsHuman(needed=False),) if loop.stage is Stage.NEEDS_HUMAN else ()
    in_agent_column = policy.column_role(loop.ticket.team, loop.ticket.column) == "agent"
    away = (MoveTicket(column="needs_human", only_from="agent"),) if in_agent_column else ()
    end = (_clean_up(loop),) if clean_up else ()
    return Decision(after, (*_interrupt(loop), *seen, PostComment(body=stopped_message(after)), *away, *end))


def _ended(loop: Loop, reason: str, at: float) -> Loop:
    return replace(loop, stage=Stage.DONE, generation=loop.generation + 1, reason=reason, finished_at=at)


def _interrupt(loop: Loop) -> tuple[Command, ...]:
    return (StopRun(run_id=loop.run_id),) if loop.stage in RUNNING else ()


def _clean_up(loop: Loop) -> CleanUp:
    return CleanUp(repository=loop.workspace.repository, branch=loop.workspace.branch)
