"""Agent sessions: messages, choices, the plan and the current activity. Called by `jobs.workflow`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from integrations.ports.tracker import Activity, PlanStep, StepState
from integrations.values import Person
from jobs.loop.state import AT_WORK, OPEN, EscalationClass, Loop, Stage
from jobs.messages.text import inline, state_message

RECEIVED = "Received. Reading the ticket."
"""The first activity, sent before anything is read."""
TAKE, DECLINE = "Take it", "No"
ACCEPT_PROPOSAL, CANCEL = "Start with this list", "Cancel"
_RETRY, _TAKE_OVER, _CLOSE = "Try again", "I take over the branch", "Close and delete the branch"
_ADD_BUDGET, _ACCEPT_CHANGES = "Add $3 and continue", "Accept these changes"
ANSWERS: Mapping[str, str] = {
    ACCEPT_PROPOSAL: "ok",
    CANCEL: "/cancel",
    _RETRY: "/retry",
    _TAKE_OVER: "/takeover",
    _CLOSE: "/close",
    _ADD_BUDGET: "/budget +3",
    _ACCEPT_CHANGES: "/accept",
}
"""The comment that a clicked choice stands for."""
_FIRST_CHOICE: Mapping[EscalationClass, str] = {"budget": _ADD_BUDGET, "tamper": _ACCEPT_CHANGES}
_ACTIONS: Mapping[Stage, str] = {
    Stage.PREFLIGHT: "Running the checks on the base branch",
    Stage.GATING: "Running the checks",
    Stage.PUBLISHING: "Opening the pull request",
}
_VERIFYING = {Stage.MAKING, Stage.GATING, Stage.JUDGING, Stage.CHECKING}


def offer_message(identifier: str) -> str:
    """A mention on a ticket that Loopline does not work on."""
    return f"I do not work on {inline(identifier)} yet. Shall I take it?"


def not_permitted_message(by: Person | None) -> str:
    """A delegation without a person's permission; others can still start the work."""
    name = inline(by.name) if by and by.name else "The account that delegated this ticket"
    return f"Not started: {name} does not have permission to start work. A member of the workspace can choose:"


def not_allowed_to_take_message(by: str) -> str:
    return f"Not started: {inline(by) or 'this account'} does not have permission to start work."


def not_served_message(team: str) -> str:
    """A ticket of a team without a repository."""
    return (
        f"Not started: the team {inline(team)} is not set up. Add it to LOOPLINE_TEAMS with its repository, then "
        "delegate the ticket again."
    )


def in_review_message(loop: Loop) -> str:
    """A delegation of a ticket whose pull request waits for a review."""
    return f"{state_message(loop.stage)}: {loop.pull_request.url}. Reply `/changes <what>` for another revision."


DECLINED_MESSAGE = "Not taken. Delegate the ticket, or move it to the agent column, to start the work."
PROGRESS_MOVED_MESSAGE = "Progress is shown in the agent session from here on."


def undelegated_reason(by: str) -> str:
    return f"the delegation was removed{f' by {inline(by)}' if by else ''}."


def list_choices(loop: Loop) -> tuple[str, ...]:
    """The clickable answers to the open question or escalation."""
    if loop.stage is Stage.ASKING:
        proposal = loop.planning.proposal
        options = proposal.questions[0].options if proposal and len(proposal.questions) == 1 else ()
        return (*((ACCEPT_PROPOSAL,) if proposal else ()), *(inline(option) for option in options[:4]), CANCEL)
    if loop.stage is not Stage.NEEDS_HUMAN or not loop.escalation:
        return ()
    if loop.escalation.run_id:
        return (*(inline(choice) for choice in loop.escalation.choices), _TAKE_OVER, _CLOSE)
    first = _FIRST_CHOICE.get(loop.escalation.kind)
    return (*((first,) if first else ()), _RETRY, _TAKE_OVER, _CLOSE)


def current_activity(loop: Loop) -> Activity | None:
    """The state as a thought or an action; None while people hold the work, because either marks a session as active
    again."""
    if loop.stage not in AT_WORK | {Stage.CI}:
        return None
    if (action := _ACTIONS.get(loop.stage)) and not loop.reason:
        sha = loop.candidate.head_sha[:7]
        return Activity("action", action, sha or loop.workspace.base_branch or loop.identifier, ephemeral=True)
    return Activity("thought", working_message(loop), ephemeral=True)


def working_message(loop: Loop) -> str:
    """The state in one line, with the attempt and iteration, and the reason of a backoff."""
    parts = [state_message(loop.stage)]
    if loop.attempt.iteration:
        parts.append(f"attempt {loop.attempt.number}, iteration {loop.attempt.iteration}")
    return " · ".join(parts) + (f". {inline(loop.reason)}" if loop.reason else "")


def list_plan(loop: Loop) -> tuple[PlanStep, ...]:
    """The session's checklist: agreement, the criteria, the pull request, the review."""
    if loop.contract is None:
        return (PlanStep("Agree on acceptance criteria", "in_progress"),)
    shown, done = bool(loop.pull_request.url) and loop.stage in OPEN, loop.stage is Stage.DONE
    return (
        PlanStep("Agree on acceptance criteria", "completed"),
        *_list_criteria(loop),
        PlanStep("Open the pull request", "completed" if shown or done else _begun(loop, Stage.PUBLISHING)),
        PlanStep("Review and merge", "completed" if done else "in_progress" if shown else "pending"),
    )


def _begun(loop: Loop, stage: Stage) -> StepState:
    return "in_progress" if loop.stage is stage else "pending"


def _list_criteria(loop: Loop) -> Iterator[PlanStep]:
    assert loop.contract
    met = {evidence.name for evidence in loop.candidate.evidence if evidence.passed}
    if loop.candidate.verdict:
        met = {result.criterion for result in loop.candidate.verdict.results if result.result == "pass"}
    for criterion in loop.contract.required:
        is_met = criterion.id in met or loop.stage is Stage.DONE
        open_state: StepState = "in_progress" if loop.stage in _VERIFYING else "pending"
        yield PlanStep(inline(criterion.text), "completed" if is_met else open_state)
