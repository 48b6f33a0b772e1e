"""Rules from hand-over to the first run: the ticket moves, the workspace is ready, the contract is agreed."""

from __future__ import annotations

import re

from integrations.events import TicketMoved, TicketRemoved, WorkspaceReady
from integrations.values import Ticket
from jobs.loop.commands import CleanUp, Command, MoveTicket, PostComment, PrepareWorkspace, SetNeedsHuman, StopRun
from jobs.loop.policy import RepositoryPolicy
from jobs.loop.state import AT_WORK, OPEN, RUNNING, Guidance, Loop, Stage
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
    loop = loop.model_copy(update={"ticket": event.ticket})
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


_AGREED = ("answers", "proposal", "proposals", "plan", "attempts", "revision")
"""What a later generation of the same work knows."""
_BRANCH = ("branch", "base_branch", "base_sha", "head_sha", "pushed_sha", "number", "pull_request_url")
"""What it goes on from, where the branch is still there."""


def hand_over(loop: Loop, at: float, policy: ServicePolicy, words: tuple[Guidance, ...] = ()) -> Decision:
    """A new generation begins: late work of the one before no longer counts, its branch and commits do."""
    loop = close_attempt(loop, loop.reason)
    fresh = Loop(
        ticket=loop.ticket,
        generation=loop.generation + 1,
        stage=Stage.PREPARING,
        repository=policy.teams[loop.ticket.team].repository,
        words=loop.words + words,
        usage=loop.usage,
        attempt_began_usd=loop.usage.cost_usd,
        extra_usd=loop.extra_usd,
        last_comment=loop.last_comment,
        last_comment_at=loop.last_comment_at,
        started_at=at,
    )
    same_work = loop.stage is not Stage.DONE and loop.repository == fresh.repository
    if same_work:
        agreed = {name: getattr(loop, name) for name in _AGREED} | {"contract": refresh_contract(loop)}
        fresh = fresh.model_copy(update=agreed)
    if same_work and loop.branch:
        fresh = fresh.model_copy(update={name: getattr(loop, name) for name in _BRANCH})
    else:
        fresh = fresh.model_copy(update={"branch": branch_name(fresh.ticket, fresh.generation)})
    return Decision(fresh, (MoveTicket(column="working"), SetNeedsHuman(needed=False), _prepare(fresh)))


def branch_name(ticket: Ticket, generation: int) -> str:
    """Below our prefix, with the identifier in it, so that Linear links the branch; never a name that exists."""
    suggested = ticket.branch_name.rsplit("/", 1)[-1].lower()
    if ticket.identifier.lower() not in suggested:
        suggested = f"{ticket.identifier.lower()}-{ticket.title.lower()}"
    slug = re.sub(r"[^a-z0-9]+", "-", suggested).strip("-")[:60].strip("-")
    return f"{BRANCH_PREFIX}{slug}" + (f"-{generation}" if generation > 1 else "")


def _prepare(loop: Loop) -> PrepareWorkspace:
    return PrepareWorkspace(generation=loop.generation, repository=loop.repository, branch=loop.branch)


def revise(loop: Loop, words: Guidance, *commands: Command) -> Decision:
    """Another round on the same branch, with somebody's words as a further criterion."""
    fresh = {"stage": Stage.PREPARING, "approved_sha": "", "approved_by": "", "reason": ""}
    loop = close_attempt(loop, f"{words.author} asked for changes")
    loop = add_requested_criterion(loop.model_copy(update={"contract": refresh_contract(loop)}), words).model_copy(
        update=fresh
    )
    return Decision(loop, (*commands, MoveTicket(column="working"), _prepare(loop)))


def on_workspace_ready(loop: Loop, event: WorkspaceReady, policy: ServicePolicy) -> Decision:
    """The repository is here: agree what done means, then start or ask."""
    if event.generation != loop.generation or loop.stage is not Stage.PREPARING:
        return Decision(loop)
    loop = _where_the_branch_is(loop, event.branch_sha).model_copy(
        update={
            "policy": RepositoryPolicy.model_validate_json(event.policy),
            "base_branch": event.base_branch,
            "base_sha": loop.base_sha or event.base_sha,
        }
    )
    if loop.contract:
        return start_work(loop, event.at, policy)
    return agree_or_ask(loop, event.at, policy)


def _where_the_branch_is(loop: Loop, head: str | None) -> Loop:
    """Work goes on from the branch as it stands: somebody asked for it who could see the commits of others on it."""
    if head is None or head == loop.pushed_sha:
        return loop
    if head in {"", loop.head_sha}:
        return loop.model_copy(update={"pushed_sha": head})
    return loop.model_copy(update={"head_sha": head, "pushed_sha": head, "evidence": (), "verdict": None})


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
    stopped = {"stage": Stage.STOPPED, "reason": reason, "finished_at": at, "escalation": None}
    dropped = {"branch": "", "head_sha": "", "pushed_sha": "", "base_sha": ""} if clean_up else {}
    after = loop.model_copy(update=stopped | dropped)
    seen: tuple[Command, ...] = (SetNeedsHuman(needed=False),) if loop.stage is Stage.NEEDS_HUMAN else ()
    in_agent_column = policy.column_role(loop.ticket.team, loop.ticket.column) == "agent"
    away = (MoveTicket(column="needs_human", only_from="agent"),) if in_agent_column else ()
    end = (_clean_up(loop),) if clean_up else ()
    return Decision(after, (*_interrupt(loop), *seen, PostComment(body=stopped_message(after)), *away, *end))


def _ended(loop: Loop, reason: str, at: float) -> Loop:
    end = {"stage": Stage.DONE, "generation": loop.generation + 1, "reason": reason, "finished_at": at}
    return loop.model_copy(update=end)


def _interrupt(loop: Loop) -> tuple[Command, ...]:
    return (StopRun(run_id=loop.run_id),) if loop.stage in RUNNING else ()


def _clean_up(loop: Loop) -> CleanUp:
    return CleanUp(repository=loop.repository, branch=loop.branch)
