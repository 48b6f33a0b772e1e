"""Rebuilds loops that are missing in Redis from the board memory, the pull request and git.

Called by `jobs.sweep` once for each empty Redis, by `jobs.drive` for a single unknown ticket, and by `python -m service
rebuild`. It writes to Redis only and does not change existing loops, so it is idempotent and can run at any time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from integrations.errors import NotFound, Rejected, Unauthorized
from integrations.events import BranchPushed, Event, PullRequestClosed, PullRequestMerged, TicketMoved
from integrations.ports.code_host import PullRequest
from integrations.ports.tracker import Attachment, Comment, Move
from integrations.values import NO_COMMIT, CommitSha, Ticket, TicketId
from jobs.effects.gather import Base, read_base
from jobs.effects.lessons import keep_in_book
from jobs.effects.workload import record_merged_lines
from jobs.effects.world import World
from jobs.loop.board_memory import TITLE, Metadata, is_ahead, loop_of, metadata_of
from jobs.loop.foreign_state import ForeignPush
from jobs.loop.policy import PolicyError
from jobs.loop.state import AT_WORK, OPEN, Loop, Stage
from jobs.recovery.polling import comment_events, unread_comment_events
from jobs.runtime import keys, queues
from jobs.runtime.lease import Lease, hold
from jobs.workflow.decision import Decision, ServicePolicy
from jobs.workflow.escalation import escalate
from jobs.workflow.hand_over import BRANCH_PREFIX
from jobs.workflow.overlap import claim_changed
from jobs.workflow.report import record_report, report_of
from jobs.workflow.resume import resume

LEASE = "rebuild"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OnBoard:
    """A ticket and its board memory, if it has one; `move` is its last move, where that was asked for."""

    ticket: Ticket
    metadata: Metadata | None
    move: Move | None = None


@dataclass(frozen=True)
class Snapshot:
    """The present state of one loop's ticket, pull request and repository.

    `base` is None where the repository's policy is invalid, for the reason in `problem`. `branch_head` is the code
    host's, empty without a branch; `has_candidate` and `has_checkpoint`: the mirror on this host has them; `approved`:
    the approval was confirmed."""

    base: Base | None = None
    problem: str = ""
    pull_request: PullRequest | None = None
    branch_head: CommitSha = NO_COMMIT
    has_candidate: bool = True
    has_checkpoint: bool = True
    approved: bool = False
    comments: tuple[Comment, ...] = ()
    pushes: tuple[ForeignPush, ...] = ()
    """Those of the board memory that have no commit of Loopline: anyone can edit the memory."""


def loop_from(memory: Loop, seen: Snapshot) -> Loop:
    """The loop of the board memory, corrected by the snapshot."""
    workspace, pull_request = memory.workspace, memory.pull_request
    if seen.base:
        base_sha = workspace.base_sha or seen.base.sha
        workspace = replace(workspace, base_branch=seen.base.branch, base_sha=base_sha)
        memory = replace(memory, policy=seen.base.policy)
    if seen.pull_request and (pull_request.number or _is_own(seen.pull_request, memory)):
        pull_request = replace(pull_request, number=seen.pull_request.number, url=seen.pull_request.url)
    if seen.branch_head and seen.branch_head == memory.candidate.head_sha:
        pull_request = replace(pull_request, pushed_sha=seen.branch_head)
    if not seen.approved:
        pull_request = pull_request.unapproved()
    foreign = replace(memory.foreign, pushes=seen.pushes)
    loop = replace(memory, workspace=workspace, pull_request=pull_request, foreign=foreign)
    loop = loop if seen.has_checkpoint else replace(loop, checkpoint=NO_COMMIT)
    if seen.has_candidate:
        return loop
    stage = Stage.MAKING if loop.stage in AT_WORK and loop.attempt.iteration else loop.stage
    return replace(loop, stage=stage, candidate=loop.candidate.at(pull_request.pushed_sha))


def _is_own(found: PullRequest, memory: Loop) -> bool:
    """Whether Loopline opened this pull request before its number was stored: its head is one of Loopline's commits."""
    return found.head_sha in {memory.candidate.head_sha, memory.pull_request.pushed_sha}


def events_from(loop: Loop, seen: Snapshot, at: float) -> list[Event]:
    """Events that were missed, the oldest first as far as known."""
    found: list[Event] = list(unread_comment_events(loop, seen.comments))
    if loop.stage not in OPEN | AT_WORK:
        return found
    place: dict[str, Any] = {
        "ticket_id": loop.ticket.id,
        "at": at,
        "repository": loop.workspace.repository,
        "branch": loop.workspace.branch,
    }
    if seen.branch_head not in {"", loop.candidate.head_sha, loop.pull_request.pushed_sha}:
        event_id = f"rebuild:pushed:{loop.workspace.branch}:{seen.branch_head}"
        found.append(BranchPushed(event_id=event_id, head_sha=seen.branch_head, **place))
    pull = seen.pull_request
    if pull and pull.state != "open":
        kind = PullRequestMerged if pull.merged else PullRequestClosed
        event_id = f"rebuild:{kind.__name__}:{loop.workspace.repository}#{pull.number}:{loop.generation}"
        found.append(kind(event_id=event_id, number=pull.number, head_sha=pull.head_sha, **place))
    return found


def resume_rebuilt(loop: Loop, seen: Snapshot, at: float, policy: ServicePolicy) -> Decision:
    """How the loop continues. If its pull request was merged or closed meanwhile, that event decides."""
    if seen.pull_request and seen.pull_request.state != "open" and loop.stage in OPEN | AT_WORK:
        return Decision(replace(loop, stage=Stage.REVIEW))
    if seen.problem and loop.stage in AT_WORK:
        return escalate(loop, "infrastructure", seen.problem, at)
    return resume(loop, at, policy)


def rebuild(world: World, *, dry_run: bool = False) -> Iterator[tuple[Ticket, str]]:
    """Restore every loop of the board that is missing; yields each ticket with the result in one line.

    Raises `Unavailable` and `Unauthorized`, and at the end `Rejected` for a team whose board cannot be read. Yields
    nothing while another process rebuilds."""
    with hold(world.redis, LEASE) as lease:
        if lease is None:
            return
        unread: list[Rejected] = []
        for ticket in _tickets(world, unread):
            try:
                line = restore(ticket.id, lease, world, dry_run=dry_run)
            except Unauthorized:
                raise
            except Rejected as error:
                line = f"not rebuilt: {error}"
                _log.warning("loop not rebuilt", ticket=ticket.identifier, reason=str(error))
            if line:
                yield ticket, line
        if unread:
            raise unread[0]
        if not dry_run:
            world.redis.set(keys.REBUILT, 1)


def _tickets(world: World, unread: list[Rejected]) -> Iterator[Ticket]:
    """The tickets in the teams' columns; `unread` gets the error of a team without them. The done column is unbounded,
    so a ticket there counts only with a run folder on disk; any other one is restored by its next event."""
    listed: set[str] = set()
    for name, team in world.policy.teams.items():
        try:
            for ticket in world.tracker.in_columns(name, team.active_columns):
                listed.add(ticket.identifier)
                yield ticket
        except Unauthorized:
            raise
        except Rejected as error:
            unread.append(error)
    runs = world.run_folder("")
    for folder in sorted(runs.iterdir()) if runs.is_dir() else ():
        if folder.name not in listed:
            with suppress(NotFound):
                yield world.tracker.fetch(TicketId(folder.name))


def restore(ticket_id: TicketId, lease: Lease, world: World, *, dry_run: bool = False) -> str:
    """Restore one ticket's loop; returns the (planned) result in one line, empty when there is no board memory.

    Raises `Unavailable`, or `Rejected` with the problem that a person has to fix."""
    if world.store.load(ticket_id):
        return "exists"
    found = read_board(ticket_id, world)
    return restore_from(found, lease, world, dry_run=dry_run) if found else ""


def read_board(ticket_id: TicketId, world: World, moved: TicketMoved | None = None) -> OnBoard | None:
    """The ticket with its board memory, in one request; None if it was deleted. With its last move for an event that it
    has `moved`."""
    try:
        if moved:
            move = world.tracker.fetch_move(ticket_id, moved.column_id, moved.by)
            return OnBoard(move.ticket, _choose_memory(move.attachments), move)
        ticket, attachments = world.tracker.fetch_with_attachments(ticket_id)
    except NotFound:
        return None
    return OnBoard(ticket, _choose_memory(attachments))


def restore_from(found: OnBoard, lease: Lease, world: World, *, dry_run: bool = False) -> str:
    """As `restore`, for a ticket without a loop that was read just now."""
    ticket, metadata, ticket_id = found.ticket, found.metadata, found.ticket.id
    if metadata is None:
        return ""
    memory = loop_of(ticket, metadata)
    _check_ownership(memory, world.policy)
    seen = _take_snapshot(memory, lease, world)
    loop, now = loop_from(memory, seen), world.now()
    events, decision = events_from(loop, seen, now), resume_rebuilt(loop, seen, now, world.policy)
    if not dry_run:
        _index(decision.loop, world)
        missed = {event.event_id for event in events}
        known = {event.event_id for event in comment_events(memory, seen.comments)} - missed
        world.store.mark_known(ticket_id, known)
        origin = f"rebuild:{ticket_id}:{decision.loop.generation}"
        claims = claim_changed(decision.loop) if decision.loop.stage in OPEN else ()
        if not world.store.restore(decision.loop, origin, (*decision.commands, *claims), events):
            return "exists"
        if metadata_of(decision.loop) == metadata:
            world.store.mark_reported(ticket_id, record_report(report_of(decision.loop, world.policy), now))
        _log.info("rebuilt", ticket=ticket.identifier, stage=decision.loop.stage.value, events=len(events))
        queues.wake_ticket(world.redis, ticket_id)
    return _line(memory, decision, events)


def replace_if_outdated(loop: Loop, lease: Lease, world: World) -> bool:
    """Replace a loop that is older than its board memory, or whose candidate is lost with the mirror; whether it was.

    The pending commands and events of an older loop are from the past too, and their effects exist. Raises as
    `restore`, then without effect if the board memory cannot be used."""
    found = read_board(loop.ticket.id, world)
    metadata = found.metadata if found else None
    is_older = metadata is not None and is_ahead(metadata, loop)
    if found is None or metadata is None or not (is_older or _has_lost_candidate(loop, world)):
        return False
    _check_ownership(loop_of(found.ticket, metadata), world.policy)
    if is_older:
        _log.warning("loop older than the board, rebuilt", ticket=loop.identifier, generation=loop.generation)
    else:
        _log.warning("candidate lost, loop rebuilt", ticket=loop.identifier, sha=loop.candidate.head_sha)
    for run_id in filter(world.runs.is_unfinished, world.runs.list_runs(loop.ticket.id)):
        world.runs.ask_to_stop(run_id)
    world.redis.delete(keys.REBUILT)  # other loops can be missing, and this one until it is restored
    world.store.forget(lease, loop.ticket.id)
    restore_from(found, lease, world)
    return True


def _choose_memory(attachments: Iterable[Attachment]) -> Metadata | None:
    """The latest board memory: there are two when the dashboard's address has changed."""
    attached = [a.metadata for a in attachments if a.title == TITLE and a.metadata]
    return max(attached, key=lambda metadata: float(metadata.get("generation", 0)), default=None)


def _check_ownership(memory: Loop, policy: ServicePolicy) -> None:
    """Raises `Rejected` when the memory names a repository or branch that does not belong to Loopline."""
    team = policy.teams.get(memory.ticket.team)
    if team is None or memory.workspace.repository not in {"", *team.repositories}:
        raise Rejected(
            f"{memory.identifier} was worked on in {memory.workspace.repository}, which LOOPLINE_TEAMS does not name "
            "for its team"
        )
    if memory.workspace.branch and not memory.workspace.branch.startswith(BRANCH_PREFIX):
        raise Rejected(
            f"the board memory of {memory.identifier} names {memory.workspace.branch!r}, which is no branch of Loopline"
        )


def _take_snapshot(memory: Loop, lease: Lease, world: World) -> Snapshot:
    comments = tuple(world.tracker.comments(memory.ticket.id))
    if memory.stage is Stage.DONE or not memory.workspace.repository:
        return Snapshot(comments=comments, approved=True, pushes=memory.foreign.pushes)
    lease.check()
    base, problem = None, ""
    try:
        place = memory.workspace
        base = read_base(place.repository, place.branch, world, place.chosen_base)  # the candidate can be there
    except PolicyError as error:
        problem = str(error)
    host, repository, branch = world.code_host, memory.workspace.repository, memory.workspace.branch
    if memory.pull_request.number:
        pull: PullRequest | None = host.fetch_pull_request(repository, memory.pull_request.number)
    else:
        pull = host.find_pull_request(repository, branch) if branch else None
    return Snapshot(
        base=base,
        problem=problem,
        pull_request=pull,
        branch_head=(host.branch_head(repository, branch) or NO_COMMIT) if branch else NO_COMMIT,
        has_candidate=not memory.candidate.head_sha or _has_commit(memory, memory.candidate.head_sha, world),
        has_checkpoint=not memory.checkpoint or _has_commit(memory, memory.checkpoint, world),
        approved=_is_approved(memory, comments, world),
        comments=comments,
        pushes=tuple(push for push in memory.foreign.pushes if _is_by_others(push, memory, world)),
    )


def _is_by_others(push: ForeignPush, memory: Loop, world: World) -> bool:
    place = memory.workspace
    try:
        committers = world.mirror(place.repository).list_committers(push.before or place.base_sha, push.head)
    except Rejected:
        return False
    return world.settings.commit_email not in committers


def _has_commit(memory: Loop, sha: CommitSha, world: World) -> bool:
    workspace = memory.workspace
    try:
        return world.mirror(workspace.repository).is_ancestor(workspace.base_sha, sha)
    except Rejected:
        return False


def _has_lost_candidate(loop: Loop, world: World) -> bool:
    """Whether the work in progress is missing in the mirror, as after the loss of the home folder."""
    has_work = loop.stage in AT_WORK and loop.workspace.base_sha and loop.candidate.head_sha
    return bool(has_work) and not _has_commit(loop, loop.candidate.head_sha, world)


def _is_approved(memory: Loop, comments: tuple[Comment, ...], world: World) -> bool:
    """Whether an approval is found on the ticket or pull request; the memory alone is no evidence."""
    if not memory.pull_request.approved_sha:
        return False
    if any(c.body.strip().lower().startswith("/approve") and world.policy.may_approve(c.author) for c in comments):
        return True
    host, repository = world.code_host, memory.workspace.repository
    given = [r for r in host.reviews(repository, memory.pull_request.number) if r.state == "approved"]
    return any(r.head_sha == memory.pull_request.approved_sha and host.may_steer(repository, r.author) for r in given)


def _index(loop: Loop, world: World) -> None:
    """Let the dispatcher find the ticket of the code host's webhooks."""
    repository = loop.workspace.repository
    known = [keys.branch(repository, loop.workspace.branch)] if loop.workspace.branch else []
    verdict = loop.candidate.verdict  # only a commit of Loopline has one
    known += [keys.head(repository, verdict.head_sha)] if verdict and verdict.head_sha else []
    known += [keys.pull_request(repository, loop.pull_request.number)] if loop.pull_request.number else []
    for key in known:
        world.redis.set(key, loop.ticket.id)
    for kept in loop.learning.kept:
        keep_in_book(repository, kept, world)
    if loop.merged:
        record_merged_lines(loop, loop.merged, loop.finished_at, world)
    if loop.workspace.base_branch:
        world.store.watch_base(loop.ticket.id, repository, loop.workspace.base_branch)


def _line(memory: Loop, decision: Decision, events: list[Event]) -> str:
    loop = decision.loop
    summary = f"{memory.stage.value} → {loop.stage.value}, generation {loop.generation}"
    summary += f", {len(loop.attempt.tried)} tried"
    if loop.pull_request.number:
        summary += f", pull request #{loop.pull_request.number}"
    if events:
        summary += ", to read: " + ", ".join(event.kind for event in events)
    return summary
