"""Rules from hand-over to the first run: the ticket moves, the workspace is ready, the contract is agreed."""

from __future__ import annotations

import re

from integrations.events import TicketEdited, TicketMoved, TicketRemoved, WorkspaceReady
from integrations.values import Ticket
from jobs.commands import CleanUp, Command, MoveTicket, PostComment, PrepareWorkspace, SetNeedsHuman, StopRun
from jobs.contract import agree
from jobs.loop import AT_WORK, OPEN, RUNNING, Loop, Stage, Words
from jobs.messages import cancelled_message, question_message, stopped_message
from jobs.policy import RepositoryPolicy
from jobs.workflow.decision import Decision, ServicePolicy, then, told, told_first
from jobs.workflow.run import asked_for, start_iteration

BRANCH_PREFIX = "loopline/"


def on_ticket_moved(loop: Loop, event: TicketMoved, policy: ServicePolicy) -> Decision:
    """A card was dragged, by a person or by us."""
    if event.ticket is None:
        return Decision(loop)
    role = policy.column_role(event.ticket.team, event.ticket.column)
    waits = still_there(loop, event.ticket, role, moving=event.moving)
    loop = loop.model_copy(update={"ticket": event.ticket})
    if role is None and event.ticket.cancelled:
        return _cancel(loop, event.at, policy)
    if role == "agent":
        return hand_over(loop, event.at, policy) if waits_for_us(loop) and not waits else Decision(loop)
    if left(loop, role) and not waits:
        return stop(loop, f"the ticket was moved to {event.ticket.column}.", event.at, policy)
    return Decision(loop)


def still_there(loop: Loop, ticket: Ticket, role: str | None, *, moving: bool) -> bool:
    """Whether nobody moved the card: a move of ours waits (`moving`), and the card is where that was to fetch it from,
    as it was last seen or where we had asked a person."""
    return moving and (loop.ticket.column == ticket.column or role in {"needs_human", "triage"})


def waits_for_us(loop: Loop) -> bool:
    """Whether a ticket in the agent column is to be taken up."""
    return loop.stage not in AT_WORK | {Stage.MERGING}


def left(loop: Loop, role: str | None) -> bool:
    """Whether this column takes the ticket out of our hands."""
    if loop.stage in AT_WORK:
        return role not in {"working", "review"}
    if loop.stage is Stage.ASKING:
        return role not in {"working", "needs_human"}
    return loop.stage in OPEN and role is None


def hand_over(loop: Loop, at: float, policy: ServicePolicy, words: tuple[Words, ...] = ()) -> Decision:
    """A new generation begins: late work of the one before no longer counts, its branch and commits do."""
    fresh = Loop(
        ticket=loop.ticket,
        generation=loop.generation + 1,
        stage=Stage.PREPARING,
        repository=policy.teams[loop.ticket.team].repository,
        answers=loop.answers if loop.stage is not Stage.DONE else (),
        tried=loop.tried,
        words=loop.words + words,
        usage=loop.usage,
        last_comment=loop.last_comment,
        last_comment_at=loop.last_comment_at,
        started_at=at,
    )
    if loop.stage is Stage.DONE or not loop.branch or loop.repository != fresh.repository:
        fresh = fresh.model_copy(update={"branch": branch_name(fresh.ticket, fresh.generation)})
    else:
        kept = ("branch", "base_branch", "base_sha", "head_sha", "pushed_sha", "number", "pull_request_url", "revision")
        fresh = fresh.model_copy(update={name: getattr(loop, name) for name in kept})
    return told_first(fresh, policy, MoveTicket(column="working"), SetNeedsHuman(needed=False), _prepare(fresh))


def branch_name(ticket: Ticket, generation: int) -> str:
    """Below our prefix, with the identifier in it, so that Linear links the branch; never a name that exists."""
    suggested = ticket.branch_name.rsplit("/", 1)[-1].lower()
    if ticket.identifier.lower() not in suggested:
        suggested = f"{ticket.identifier.lower()}-{ticket.title.lower()}"
    slug = re.sub(r"[^a-z0-9]+", "-", suggested).strip("-")[:60].strip("-")
    return f"{BRANCH_PREFIX}{slug}" + (f"-{generation}" if generation > 1 else "")


def _prepare(loop: Loop) -> PrepareWorkspace:
    return PrepareWorkspace(generation=loop.generation, repository=loop.repository, branch=loop.branch)


def revise(loop: Loop, words: Words, policy: ServicePolicy, *commands: Command) -> Decision:
    """Another round on the same branch, with somebody's words as a further criterion."""
    fresh = {"stage": Stage.PREPARING, "approved_sha": "", "approved_by": "", "reason": ""}
    loop = asked_for(loop, words).model_copy(update=fresh)
    return told_first(loop, policy, *commands, MoveTicket(column="working"), _prepare(loop))


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
        return start_iteration(loop, event.at, policy)
    return agree_or_ask(loop, event.at, policy)


def _where_the_branch_is(loop: Loop, head: str | None) -> Loop:
    """Work goes on from the branch as it stands: somebody asked for it who could see the commits of others on it."""
    if head is None or head == loop.pushed_sha:
        return loop
    if head in {"", loop.head_sha}:
        return loop.model_copy(update={"pushed_sha": head})
    return loop.model_copy(update={"head_sha": head, "pushed_sha": head, "evidence": (), "verdict": None})


def agree_or_ask(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Freeze the contract and start, or ask for a finish line and spend nothing."""
    contract = agree(loop.ticket.description, tuple(words.text for words in loop.answers), loop.policy)
    if contract:
        return start_iteration(loop.model_copy(update={"contract": contract}), at, policy, *commands)
    asked = loop.stage is Stage.ASKING
    loop = loop.model_copy(
        update={"stage": Stage.ASKING, "reason": "Neither ticket nor repository says what done means."}
    )
    ask = PostComment(body=question_message(loop.ticket), once=f"{loop.started_at}/question")
    question = () if asked else (ask, MoveTicket(column="needs_human"))
    return told(loop, policy, *commands, *question)


def on_ticket_edited(loop: Loop, event: TicketEdited, policy: ServicePolicy) -> Decision:
    """The words of the ticket changed; a loop that waits for a finish line may have one now."""
    if event.ticket is None:
        return Decision(loop)
    loop = loop.model_copy(update={"ticket": event.ticket})
    if loop.stage is Stage.ASKING and agree(loop.ticket.description, (), loop.policy):
        return agree_or_ask(loop, event.at, policy, MoveTicket(column="working"))
    return Decision(loop)


def on_ticket_removed(loop: Loop, event: TicketRemoved) -> Decision:
    """Nothing can be written to a ticket that is gone; what is ours goes too."""
    if loop.stage in {Stage.IDLE, Stage.DONE}:
        return Decision(loop)
    gone = _ended(loop, "The ticket was removed.", event.at)
    return Decision(gone, (*_interrupt(loop), _clean_up(loop)))


def _cancel(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """Somebody decided that this is not wanted at all."""
    if loop.stage in {Stage.IDLE, Stage.DONE}:
        return Decision(loop)
    gone = _ended(loop, "The ticket was cancelled.", at)
    say = PostComment(body=cancelled_message())
    return then(told(gone, policy, *_interrupt(loop), SetNeedsHuman(needed=False), say), _clean_up(loop))


def stop(loop: Loop, reason: str, at: float, policy: ServicePolicy, *, clean_up: bool = False) -> Decision:
    """A person took the ticket out of the agent's hands; late output is discarded by the raised generation.

    With `clean_up` nobody wants the branch any more either, and a retry begins on another one."""
    stopped = {"stage": Stage.STOPPED, "reason": reason, "finished_at": at}
    dropped = {"branch": "", "head_sha": "", "pushed_sha": "", "base_sha": ""} if clean_up else {}
    after = loop.model_copy(update=stopped | dropped)
    in_agent_column = policy.column_role(loop.ticket.team, loop.ticket.column) == "agent"
    away = (MoveTicket(column="needs_human", only_from="agent"),) if in_agent_column else ()
    decision = told(after, policy, *_interrupt(loop), PostComment(body=stopped_message(after)), *away)
    return then(decision, _clean_up(loop)) if clean_up else decision


def _ended(loop: Loop, reason: str, at: float) -> Loop:
    end = {"stage": Stage.DONE, "generation": loop.generation + 1, "reason": reason, "finished_at": at}
    return loop.model_copy(update=end)


def _interrupt(loop: Loop) -> tuple[Command, ...]:
    return (StopRun(run_id=loop.run_id),) if loop.stage in RUNNING else ()


def _clean_up(loop: Loop) -> CleanUp:
    return CleanUp(repository=loop.repository, branch=loop.branch)
