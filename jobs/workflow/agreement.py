"""Rules for the contract: the ticket's own list, the planner's proposal, or a person's answer. Without a contract no
budget is spent beyond the proposal."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import TicketEdited
from integrations.results import Planned, Proposal
from integrations.values import Ticket
from jobs.contract.agreement import (
    agree,
    build_contract,
    build_own_contract,
    needs_no_approval,
    read_answer,
    read_ticket_criteria,
)
from jobs.loop.commands import Command, MoveTicket, OrderRuns, PostComment, Steer, StopRun
from jobs.loop.comments import MAX_GUIDANCE, Guidance
from jobs.loop.state import AT_WORK, OPEN, Contract, Criterion, Loop, Stage
from jobs.messages import contract as messages
from jobs.messages.routing import not_edited_message
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.routing import awaits_repository, on_description_edited, on_repository_answer
from jobs.workflow.run import restart_calls, start_iteration, start_run
from jobs.workflow.run_results import mark_contract, start_work

MAX_PROPOSALS = 5
"""Planner runs of one hand-over, each answered by a person with something that is no contract."""


def agree_or_ask(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Freeze the contract and start work, or start a planner that proposes one."""
    contract = agree(loop.ticket.description, loop.policy, loop.planning.proposal)
    if contract:
        return start_work(replace(loop, contract=contract), at, policy, *commands)
    if loop.planning.proposal and not loop.comments.guidance:
        return ask(loop, *commands)  # without new guidance another proposal would be no better
    return propose(loop, at, policy, *commands)


def propose(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    """Start a planner; guidance that arrived in the meantime is part of its brief. Escalate when none was accepted."""
    if loop.planning.proposals >= MAX_PROPOSALS:
        return escalate(loop, "judgement", messages.not_agreed_reason(MAX_PROPOSALS), at, *commands)
    planning = replace(loop.planning, proposals=loop.planning.proposals + 1)
    loop = replace(loop, reason="", planning=planning)
    return start_run(loop, "planner", at, policy, *commands)


def on_planner_finished(loop: Loop, result: Planned, at: float, policy: ServicePolicy) -> Decision:
    """Agree to the ticket's own list if the planner confirms it, or to a proposal that the policy accepts. Ask a
    person otherwise."""
    proposal = result.proposal
    loop = replace(loop, planning=replace(loop.planning, proposal=proposal))
    if contract := agree(loop.ticket.description, loop.policy, proposal):
        return start_work(replace(loop, contract=contract), at, policy)
    if proposal and needs_no_approval(proposal, loop.ticket.description, loop.policy):
        agreed = mark_contract(
            replace(loop, contract=build_contract(proposal.criteria, loop.policy, proposal.may_change))
        )
        return start_work(agreed, at, policy, PostComment(body=messages.agreed_message(agreed)))
    return ask(loop)


def ask(loop: Loop, *commands: Command) -> Decision:
    """Ask on the ticket, with the proposal if there is one."""
    body = (
        messages.proposal_message(loop, loop.planning.proposal)
        if loop.planning.proposal
        else messages.question_message(loop.ticket)
    )
    loop = replace(loop, stage=Stage.ASKING, reason=messages.waiting_for_contract_reason(loop))
    question = PostComment(body=body, once=f"{loop.started_at}/question/{loop.planning.proposals}")
    return Decision(loop, (*commands, question, MoveTicket(column="needs_human")))


def on_answer(loop: Loop, answer: Guidance, at: float, policy: ServicePolicy) -> Decision:
    """'ok' accepts the proposal, or the title without one; a list is the contract; other text is for the planner."""
    if awaits_repository(loop):
        return on_repository_answer(loop, answer, policy)
    here = MoveTicket(column="working")
    loop = restart_calls(loop)
    planning = replace(loop.planning, answers=(*loop.planning.answers, answer)[-MAX_GUIDANCE:])
    thanks = PostComment(body=messages.started_again_message(answer.author))
    if contract := read_answer(answer.text, loop.ticket, planning.proposal, loop.policy):
        settled = replace(planning, proposal=planning.proposal or Proposal(criteria=()))
        return start_work(replace(loop, contract=contract, planning=settled), at, policy, thanks, here)
    return propose(replace(loop, planning=planning, comments=loop.comments.add(answer)), at, policy, here)


def on_ticket_edited(loop: Loop, event: TicketEdited, policy: ServicePolicy) -> Decision:
    """The title or description changed. A loop that waits for acceptance criteria can have them now; one that works on
    an old list gets the new one."""
    if event.ticket is None:
        return Decision(loop)
    if refused := _refuse_edit(loop, event, policy):
        return refused
    before = read_ticket_criteria(loop.ticket.description)
    order = _order_runs(loop, event.ticket)
    loop = replace(loop, ticket=event.ticket)
    if awaits_repository(loop):
        return on_description_edited(loop, policy)
    if order:
        decision = on_ticket_edited(loop, event, policy)
        return Decision(decision.loop, (*order, *decision.commands))
    now = read_ticket_criteria(loop.ticket.description)
    if now != before:
        loop = replace(loop, planning=replace(loop.planning, proposal=None))  # made for the old list
    if loop.stage is Stage.ASKING and now.criteria:
        return agree_or_ask(loop, event.at, policy, MoveTicket(column="working"))
    if now == before or loop.contract is None or refresh_contract(loop) == loop.contract:
        return Decision(loop)
    if loop.stage in OPEN | {Stage.PUBLISHING}:
        return Decision(loop, (PostComment(body=messages.criteria_changed_late_message(loop.contract)),))
    return _change_criteria(loop, event.at, policy) if loop.stage in AT_WORK else Decision(loop)


def _refuse_edit(loop: Loop, event: TicketEdited, policy: ServicePolicy) -> Decision | None:
    """The loop without a change of title or description by an account without permission; None if it has permission.
    A person who hands the ticket over again accepts the present text."""
    by, ticket = event.by, event.ticket
    if by is None or by.is_us or policy.may_start(by) or ticket is None or not is_active(loop):
        return None
    kept = keep_content(loop, ticket)
    if kept == ticket:
        return None
    comment = PostComment(body=not_edited_message(by, policy.starters), once=f"not-edited/{by.id}")
    return Decision(replace(loop, ticket=kept), (comment,))


def is_active(loop: Loop) -> bool:
    """Whether the loop works for an agreed text of the ticket, or asks about it."""
    return loop.stage in AT_WORK | OPEN | {Stage.ASKING, Stage.NEEDS_HUMAN}


def keep_content(loop: Loop, ticket: Ticket) -> Ticket:
    """The ticket as it is now, with title and description that the loop knows."""
    return replace(ticket, title=loop.ticket.title, description=loop.ticket.description)


def _order_runs(loop: Loop, ticket: Ticket) -> tuple[OrderRuns, ...]:
    """The new place in the queue when priority or due date changed."""
    if (ticket.priority, ticket.due_date) == (loop.ticket.priority, loop.ticket.due_date):
        return ()
    return (OrderRuns(priority=ticket.priority, due_date=ticket.due_date),)


def refresh_contract(loop: Loop) -> Contract | None:
    """The loop's contract with the ticket's current list; criteria from requests for changes stay.

    With a proposal the contract replaced the ticket's list, which then counts only if the planner confirms it."""
    if loop.contract is None:
        return None
    judged = agree(loop.ticket.description, loop.policy, loop.planning.proposal)
    fresh = judged if loop.planning.proposal else build_own_contract(loop.ticket.description, loop.policy)
    known = (_criteria_of(loop.contract, "c"), loop.contract.may_change)
    if fresh is None or (_criteria_of(fresh, "c"), fresh.may_change) == known:
        return loop.contract
    criteria = (*fresh.criteria, *_criteria_of(loop.contract, "r"))
    changed = replace(fresh, criteria=criteria, version=loop.contract.version + 1)
    return mark_contract(replace(loop, contract=changed)).contract


def _criteria_of(contract: Contract, origin: str) -> tuple[Criterion, ...]:
    """The criteria of one origin: c the ticket's, k the repository's checks, r requests for changes."""
    return tuple(criterion for criterion in contract.criteria if criterion.id.startswith(origin))


def _change_criteria(loop: Loop, at: float, policy: ServicePolicy) -> Decision:
    """A maker finishes its turn and gets the new list; a result for the old list is discarded."""
    contract = refresh_contract(loop)
    assert contract
    loop = replace(
        restart_calls(loop), contract=contract, candidate=replace(loop.candidate, judgement=None, verdict=None)
    )
    comment = PostComment(body=messages.criteria_changed_message(contract))
    if loop.stage is Stage.MAKING:
        guidance = Guidance(author="Loopline", text=messages.criteria_changed_guidance(contract))
        return Decision(loop, (Steer(run_id=loop.run_id, guidance=guidance), comment))
    if loop.stage in {Stage.GATING, Stage.JUDGING, Stage.CHECKING}:
        stop = StopRun(run_id=loop.run_id)
        attempt = replace(loop.attempt, iteration=loop.attempt.iteration - 1)
        return start_iteration(replace(loop, attempt=attempt), at, policy, stop, comment)
    return Decision(loop, (comment,))
