"""Rules for the preflight: setup and checks on the base commit before any model call, problems of the environment, and
the restart after a new base commit."""

from __future__ import annotations

from dataclasses import replace

from integrations.events import BranchPushed, RunFinished
from integrations.results import Gated, Preflighted
from jobs.contract.checks import is_check
from jobs.evidence.protected_paths import find_protected_paths
from jobs.loop.commands import Command, MoveTicket, PostComment, SetNeedsHuman
from jobs.loop.state import Loop, Stage
from jobs.messages import environment as messages
from jobs.messages.escalations import run_blocked_reason
from jobs.messages.replies import too_many_hand_overs_message
from jobs.workflow.agreement import agree_or_ask
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.limits import HAND_OVERS, HOUR, count_hand_over
from jobs.workflow.routing import prepare
from jobs.workflow.run import start_run
from jobs.workflow.run_results import mark_contract, start_work
from jobs.workflow.upstream import continue_work


def start_preflight(loop: Loop, at: float, policy: ServicePolicy, *commands: Command) -> Decision:
    return start_run(replace(loop, reason=""), "preflight", at, policy, *commands)


def on_preflight_finished(loop: Loop, event: RunFinished, result: Preflighted, policy: ServicePolicy) -> Decision:
    """The environment works: agree to a contract, or continue with the one that there is. Checks that fail on the base
    commit do not count against the work."""
    if event.outcome != "done":
        return escalate(loop, "infrastructure", run_blocked_reason(event.role, event.summary), event.at)
    commands: tuple[Command, ...] = ()
    if result.unfetched:
        note = messages.unfetched_message(result.unfetched, loop.workspace.base_branch)
        commands = (PostComment(body=note, once=f"{loop.started_at}/unfetched"),)
    loop = replace(loop, escalation=None, preflight=replace(loop.preflight, result=result, reported=""))
    named = _find_new_protected_paths(loop)
    if named:
        reported = (*loop.preflight.protected, *named)
        loop = replace(loop, preflight=replace(loop.preflight, protected=reported))
        commands = (*commands, PostComment(body=messages.protected_paths_message(named)))
    if loop.upstream.cause:
        return continue_work(mark_contract(loop), event.at, policy, *commands)
    if loop.contract is None:
        return agree_or_ask(loop, event.at, policy, *commands)
    if loop.attempt.iteration and loop.candidate.head_sha and loop.candidate.gate == Gated():
        return start_run(mark_contract(loop), "gate", event.at, policy, *commands)  # a restart after a problem there
    return start_work(loop, event.at, policy, *commands)


def _find_new_protected_paths(loop: Loop) -> tuple[str, ...]:
    """Protected paths that the ticket or an agreed criterion names and the comments do not have yet."""
    criteria = loop.contract.criteria if loop.contract else ()
    agreed = [f"{criterion.text} {criterion.command}" for criterion in criteria if not is_check(criterion)]
    text = "\n".join((loop.ticket.title, loop.ticket.description, *agreed))
    found = find_protected_paths(text, loop.workflow.protected)
    return tuple(path for path in found if path not in loop.preflight.protected)


def on_base_pushed(loop: Loop, event: BranchPushed, policy: ServicePolicy) -> Decision:
    """The base branch has a new commit: try again if only the environment was the problem, and the ticket is still
    where Loopline left it."""
    column = policy.role_of(loop.ticket)
    if not awaits_new_base(loop) or event.head_sha == loop.preflight.tried or column in {None, "review", "done"}:
        return Decision(loop)
    return restart(loop)


def awaits_new_base(loop: Loop) -> bool:
    """Whether a new commit on the base branch, or a `/retry` without a hint, repeats the preflight."""
    return loop.stage is Stage.NEEDS_HUMAN and loop.escalation is not None and loop.escalation.kind == "environment"


def retry(loop: Loop, at: float) -> Decision:
    """A person fixed the environment elsewhere; it counts as a hand-over, and a problem is reported again."""
    handed_over = count_hand_over(loop, at)
    if len(handed_over) > HAND_OVERS:
        return Decision(loop, (PostComment(body=too_many_hand_overs_message(HAND_OVERS, handed_over[0] + HOUR)),))
    return restart(replace(loop, handed_over=handed_over, preflight=replace(loop.preflight, reported="")))


def restart(loop: Loop) -> Decision:
    """Repeat the preflight with the repository's present policy, in the same generation: no attempt was used."""
    again = replace(loop.preflight, restarts=loop.preflight.restarts + 1)
    loop = replace(loop, stage=Stage.PREPARING, reason="", preflight=again)
    return Decision(loop, (MoveTicket(column="working"), SetNeedsHuman(needed=False), prepare(loop)))
