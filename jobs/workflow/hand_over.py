"""Rules from hand-over to the first run: the workspace is ready, the contract is agreed. Also the end of the work."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace

from integrations.events import TicketRemoved, WorkspaceReady
from integrations.ports.tracker import ColumnRole
from integrations.values import NO_COMMIT, CommitSha, Ticket, TicketRef
from jobs.contract.checks import replace_checks
from jobs.loop.ci_state import CiState
from jobs.loop.commands import ClosePullRequest, Command, MoveTicket, PostComment, SetNeedsHuman, StopRun
from jobs.loop.comments import Guidance
from jobs.loop.foreign_state import ForeignPush
from jobs.loop.policy import POLICY
from jobs.loop.state import (
    AT_WORK,
    OPEN,
    Attempt,
    Candidate,
    Loop,
    Preflight,
    PullRequestState,
    Stage,
    Workspace,
)
from jobs.loop.wait_state import WaitState
from jobs.messages import foreign as foreign_messages
from jobs.messages import replies
from jobs.messages import routing as messages
from jobs.messages.environment import checks_changed_message, missing_labels_reason, policy_notes_message
from jobs.messages.escalations import too_many_revisions_reason
from jobs.workflow.agreement import refresh_contract
from jobs.workflow.bandwidth import find_hold, hold
from jobs.workflow.blockers import find_open_blockers, wait_for_tickets
from jobs.workflow.decision import Decision, ServicePolicy, TeamPolicy, build_clean_up
from jobs.workflow.escalation import close_attempt, escalate
from jobs.workflow.limits import HAND_OVERS, HOUR, count_hand_over
from jobs.workflow.preflight import start_preflight
from jobs.workflow.routing import Ask, Chosen, choose_repository, place_at, prepare, start_preparing
from jobs.workflow.run import add_requested_criterion, is_running
from jobs.workflow.update_requests import is_update_request
from jobs.workflow.upstream import merge_base, start_update, without_result

BRANCH_PREFIX = "loopline/"
REVISIONS = 20
_COLUMNS_OF_WORK: tuple[ColumnRole, ...] = ("agent", "working", "review")


def awaits_own_move(loop: Loop, ticket: Ticket, role: str | None, *, moving: bool) -> bool:
    """Whether only Loopline's own move is pending (`moving`): the ticket is still in the column that the move starts
    from, the last one seen or the one for questions."""
    return moving and (loop.ticket.column == ticket.column or role in {"needs_human", "triage"})


def is_idle_or_closed(loop: Loop) -> bool:
    """Whether a ticket in the agent column starts a new generation."""
    return loop.stage not in AT_WORK | {Stage.MERGING}


def has_left_loop(loop: Loop, role: str | None) -> bool:
    """Whether the move to this column stops the loop."""
    if loop.stage in AT_WORK:
        return role not in {"working", "review"}
    if loop.stage is Stage.ASKING:
        return role not in {"working", "needs_human"}
    return loop.stage in OPEN and role is None


def hand_over(
    loop: Loop, at: float, policy: ServicePolicy, guidance: tuple[Guidance, ...] = (), *, anyway: bool = False
) -> Decision:
    """Begin a new generation: late results of the previous one are ignored, its branch and commits are kept.

    A ticket with open blockers or sub-issues waits for them, unless a person wants it started `anyway`."""
    team = policy.teams.get(loop.ticket.team)
    if team is None:
        return Decision(loop, (PostComment(body=messages.team_not_served_message(loop.ticket.team)),))
    handed_over = count_hand_over(loop, at)
    if len(handed_over) > HAND_OVERS:
        ignored = replies.too_many_hand_overs_message(HAND_OVERS, handed_over[0] + HOUR)
        return Decision(loop, (PostComment(body=ignored),))
    loop = close_attempt(loop, loop.reason)
    generation = loop.generation + 1
    workspace = _choose_workspace(loop, team, branch_name(loop.ticket, generation))
    comments = replace(loop.comments.add(*guidance), pending=(), noted=(), taken_up=0)
    fresh = Loop(
        ticket=loop.ticket,
        generation=generation,
        stage=Stage.PREPARING,
        workspace=workspace,
        attempt=Attempt(began_usd=loop.spend.usage.cost_usd),
        comments=comments,
        spend=replace(loop.spend, calls=0),
        handed_over=handed_over,
        started_at=at,
        parts=loop.parts,
        part_of=loop.part_of,
    )
    if loop.stage not in {Stage.IDLE, Stage.DONE} and loop.workspace.repository == workspace.repository:
        fresh = _keep_work(fresh, loop)
    here = (MoveTicket(column="working"), SetNeedsHuman(needed=False))
    if not anyway and (blockers := _find_blockers(loop)):
        waiting = wait_for_tickets(fresh, blockers, at)
        return Decision(waiting.loop, (*here, *waiting.commands))
    return start_preparing(fresh, policy, *here)


def _find_blockers(loop: Loop) -> tuple[TicketRef, ...]:
    """The tickets to wait for before the work starts; its own parts are waited for later."""
    parts = {part.ticket.id for part in loop.parts if part.ticket}
    return tuple(one for one in find_open_blockers(loop.ticket, part_of=loop.part_of) if one.id not in parts)


def _choose_workspace(loop: Loop, team: TeamPolicy, branch: str) -> Workspace:
    """The place of the new generation, without a repository where the ticket has to be asked for it. The answer to an
    earlier question counts while the ticket itself determines no repository."""
    choice, before = choose_repository(loop.ticket, team), loop.workspace
    if isinstance(choice, Chosen):
        return place_at(Workspace(branch=branch), choice)
    if isinstance(choice, Ask) and before.repository in team.repositories:
        return place_at(Workspace(branch=branch), Chosen(before.repository, before.chosen_base))
    return Workspace(branch=branch)


def _keep_work(fresh: Loop, before: Loop) -> Loop:
    """Keep the previous generation's contract and record, and its branch unless that was deleted."""
    fresh = replace(
        fresh,
        revision=before.revision,
        contract=refresh_contract(before),
        planning=replace(before.planning, proposals=0),
        attempts=before.attempts,
        preflight=Preflight(protected=before.preflight.protected),
    )
    if not before.workspace.own_branch:
        return fresh
    shown = before.pull_request
    return replace(
        fresh,
        ci=CiState(failures=before.ci.failures, flaky=before.ci.flaky),
        workspace=replace(before.workspace, chosen_base=before.foreign.base or fresh.workspace.chosen_base),
        candidate=Candidate(head_sha=before.candidate.head_sha),
        checkpoint=before.checkpoint,
        upstream=replace(without_result(before).upstream, due_at=0.0, cause=""),
        foreign=before.foreign,
        pull_request=PullRequestState(
            number=shown.number,
            url=shown.url,
            pushed_sha=shown.pushed_sha,
            title=shown.title,
            draft=shown.draft,
            announced=shown.announced,
            size_reported=shown.size_reported,
        ),
        review=replace(before.review, rounds=0, approved_by="", due_at=fresh.started_at if shown.number else 0.0),
    )


def branch_name(ticket: Ticket, generation: int) -> str:
    """`BRANCH_PREFIX` and the identifier, by which Linear links the branch; a later generation gets a suffix."""
    suggested = ticket.branch_name.rsplit("/", 1)[-1].lower()
    if ticket.identifier.lower() not in suggested:
        suggested = f"{ticket.identifier.lower()}-{ticket.title.lower()}"
    slug = re.sub(r"[^a-z0-9]+", "-", suggested).strip("-")[:60].strip("-")
    return f"{BRANCH_PREFIX}{slug}" + (f"-{generation}" if generation > 1 else "")


def choose_another_branch(loop: Loop) -> Loop:
    """The loop on a branch whose name no other account is likely to have used."""
    taken = loop.workspace.branch
    mark = hashlib.sha256(f"{loop.ticket.id} {taken}".encode()).hexdigest()[:6]
    return replace(loop, workspace=replace(loop.workspace, branch=f"{taken}-{mark}"))


def add_push(loop: Loop, by: str, head: CommitSha) -> Loop:
    """Record that another account moved the branch from Loopline's newest commit, or from its own last one, to `head`.

    A branch that is back at Loopline's commit has no commits of others since then."""
    pushes, before = loop.foreign.pushes, loop.pull_request.pushed_sha
    if pushes and pushes[-1].head == before:
        *first, last = pushes
        names = dict.fromkeys(filter(None, (*last.by.split(", "), by)))
        joined = ForeignPush(by=", ".join(names), before=last.before, head=head)
        pushes = (*first, joined) if joined.before != head else tuple(first)
    else:
        pushes = (*pushes, ForeignPush(by=by, before=before, head=head))
    return replace(loop, foreign=replace(loop.foreign, pushes=pushes))


def revise(loop: Loop, request: Guidance, at: float, *commands: Command) -> Decision:
    """Start another revision on the same branch, with a person's request as a further criterion. Escalate every 20th:
    a reviewer can be a bot that is never content. A request to merge the base branch needs no revision."""
    if loop.stage in OPEN and is_update_request(request.text, loop.workspace.base_branch):
        return start_update(loop, "request")
    accepted = loop.candidate.verdict is not None
    loop = close_attempt(loop, f"{request.author} asked for changes", accepted=accepted)
    loop = add_requested_criterion(replace(loop, contract=refresh_contract(loop)), request)
    preflight = replace(loop.preflight, restarts=0, reported="")
    loop = replace(loop, pull_request=loop.pull_request.unapproved(), preflight=preflight)
    if loop.revision % REVISIONS == 0:
        return escalate(loop, "judgement", too_many_revisions_reason(loop.revision), at)
    loop = replace(loop, stage=Stage.PREPARING, reason="", comments=replace(loop.comments, noted=()))
    return Decision(loop, (*commands, MoveTicket(column="working"), prepare(loop)))


def on_workspace_ready(loop: Loop, event: WorkspaceReady, policy: ServicePolicy) -> Decision:
    """The repository is mirrored: check the environment on the base commit, with the policy of the base branch."""
    if event.generation != loop.generation or loop.stage is not Stage.PREPARING:
        return Decision(loop)
    if event.branch_by and not loop.pull_request.pushed_sha and not loop.foreign.is_shared:
        again = choose_another_branch(loop)
        body = foreign_messages.another_branch_message(loop.workspace.branch, again.workspace.branch)
        return Decision(again, (PostComment(body=body), prepare(again)))
    loop, combined = _at_branch_head(loop, event)
    loop = _at_base(loop, event)
    preflight = replace(loop.preflight, tried=event.base_sha)
    loop = replace(loop, policy=POLICY.decode(event.policy), preflight=preflight, images=event.images)
    if not loop.pull_request.number and (missing := loop.policy.tracker.find_missing_labels(loop.ticket.labels)):
        return stop(loop, missing_labels_reason(missing), event.at, policy)
    if event.load and (cause := find_hold(loop, event.load, policy)):
        return hold(loop, cause, event.load, event.at)
    loop = replace(loop, wait=WaitState(anyway=loop.wait.anyway))
    notes = (*_report_notes(loop), *combined)
    before, after = loop.contract, replace_checks(loop.contract, loop.policy) if loop.contract else None
    if before != after and after is not None:
        loop, notes = replace(loop, contract=after), (*notes, PostComment(body=checks_changed_message(after)))
    if loop.upstream.cause:
        return Decision(loop, (*notes, merge_base(loop, event)))
    return start_preflight(loop, event.at, policy, *notes)


def _report_notes(loop: Loop) -> tuple[Command, ...]:
    """The comment about parts of WORKFLOW.md without an effect; only the repository's first ticket has such notes."""
    if not loop.policy.notes:
        return ()
    return (PostComment(body=policy_notes_message(loop.policy.notes), once="policy-notes"),)


def _at_base(loop: Loop, event: WorkspaceReady) -> Loop:
    """On the base branch's present commit; work that has begun stays on the newest one that it has."""
    has_work = (
        loop.checkpoint
        or loop.pull_request.pushed_sha
        or loop.candidate.head_sha not in {NO_COMMIT, loop.workspace.base_sha}
    )
    begun = event.fork_sha or loop.workspace.base_sha
    base_sha = begun if has_work and begun else event.base_sha
    workspace = replace(loop.workspace, base_branch=event.base_branch, base_sha=base_sha)
    candidate = loop.candidate if has_work else loop.candidate.at(NO_COMMIT)
    return replace(loop, workspace=workspace, candidate=candidate)


def _at_branch_head(loop: Loop, event: WorkspaceReady) -> tuple[Loop, tuple[Command, ...]]:
    """Continue from the branch's current head: the person who asked for work could see foreign commits on it. Work that
    was not pushed is on top of that; the agent combines what conflicts."""
    head, known = event.branch_sha, loop.pull_request.pushed_sha
    if head is None:
        return loop, ()
    if head and event.branch_by and head not in {known, loop.foreign.head}:
        loop = add_push(loop, event.branch_by, head)
    loop = replace(loop, pull_request=replace(loop.pull_request, pushed_sha=head))
    if head and head != known and head != loop.candidate.head_sha and not event.carried:
        loop = replace(loop, candidate=loop.candidate.at(head), checkpoint=NO_COMMIT)
    if not event.carried:
        return loop, ()
    loop = replace(loop, candidate=loop.candidate.at(head), checkpoint=event.carried)
    pushes, conflicts = loop.foreign.pushes, event.carried_conflicts
    if not conflicts:
        return loop, ()
    guidance = Guidance(author="Loopline", text=foreign_messages.combined_guidance(pushes, conflicts))
    loop = replace(loop, comments=loop.comments.add(guidance))
    return loop, (PostComment(body=foreign_messages.combined_message(pushes, conflicts)),)


def on_ticket_removed(loop: Loop, event: TicketRemoved) -> Decision:
    """End the loop without a comment: nothing can be written to a removed ticket."""
    return end(loop, replies.REMOVED_REASON, event.at)


def end(loop: Loop, reason: str, at: float, *commands: Command) -> Decision:
    """End the work for good: its worktrees and branch are deleted, its pull request is closed."""
    if loop.stage in {Stage.IDLE, Stage.DONE}:
        return Decision(loop)
    pull, repository = loop.pull_request.number, loop.workspace.repository
    if pull and not loop.workspace.taken_over_by:
        body = messages.closed_message(loop.identifier, reason)
        commands = (ClosePullRequest(repository=repository, number=pull, body=body), *commands)
    ended = replace(loop, stage=Stage.DONE, generation=loop.generation + 1, reason=reason, finished_at=at)
    return Decision(ended, (*interrupt(loop), *commands, build_clean_up(loop)))


def stop(
    loop: Loop, reason: str, at: float, policy: ServicePolicy, *, clean_up: bool = False, moves: bool = True
) -> Decision:
    """A person stopped the loop. Results of a run that is still being interrupted do not count.

    With `clean_up` the branch is deleted too, and a retry begins on a new one. The ticket leaves the columns of work
    (`moves`): nothing happens on it until a person acts."""
    after = replace(loop, stage=Stage.STOPPED, reason=reason, finished_at=at, escalation=None)
    if clean_up:
        after = replace(
            after,
            workspace=replace(loop.workspace, branch="", base_sha=NO_COMMIT),
            candidate=replace(loop.candidate, head_sha=NO_COMMIT),
            checkpoint=NO_COMMIT,
            pull_request=replace(loop.pull_request, pushed_sha=NO_COMMIT),
        )
    seen: tuple[Command, ...] = (SetNeedsHuman(needed=False),) if loop.stage is Stage.NEEDS_HUMAN else ()
    role = policy.role_of(loop.ticket)
    moves = moves and role in (_COLUMNS_OF_WORK if loop.stage not in AT_WORK else (*_COLUMNS_OF_WORK, "needs_human"))
    away = (MoveTicket(column="needs_human", only_from=_COLUMNS_OF_WORK),) if moves else ()
    end = build_clean_up(loop)
    left = loop.workspace.branch if clean_up and not end.branch else ""
    comment = PostComment(body=replies.stopped_message(after, left))
    return Decision(after, (*interrupt(loop), *seen, comment, *away, *((end,) if clean_up else ())))


def interrupt(loop: Loop) -> tuple[Command, ...]:
    """The command that stops the current run, if one is active."""
    return (StopRun(run_id=loop.run_id),) if is_running(loop) else ()
