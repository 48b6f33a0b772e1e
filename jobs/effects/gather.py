"""Refreshes an event before a decision. Called by `jobs.drive`, once per event.

Webhook payloads are only hints: they arrive late, twice, out of order, or from people without permission. The rules get
the current state of tracker and code host. Loopline's own writes are dropped, so that it never triggers itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from integrations.agent_events import PersonAsked
from integrations.errors import (
    Forbidden,
    IntegrationError,
    Misconfigured,
    NotFound,
    Rejected,
    Unauthorized,
    Unavailable,
)
from integrations.events import (
    BranchPushed,
    ChecksReported,
    Event,
    PullRequestChanged,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestDequeued,
    PullRequestMerged,
    PullRequestReopened,
    RepositoryChanged,
    ReviewSubmitted,
    RunFinished,
    TicketCommented,
    TicketCommentRemoved,
    TicketDelegated,
    TicketEdited,
    TicketMentioned,
    TicketMoved,
    TicketReacted,
    TicketRemoved,
    TicketUndelegated,
    TimePassed,
)
from integrations.ports.code_host import COMMENT_MARK, CodeHost, Repository
from integrations.ports.tracker import Comment, Move, Prompt, Reaction
from integrations.values import NO_COMMIT, CommitSha, Person, Ticket, TicketId
from jobs.effects import foreign, members, session_reads, workload
from jobs.effects.comment_state import add_state
from jobs.effects.cycles import find_cycle
from jobs.effects.new_tickets import find_whole
from jobs.effects.people import with_login, with_name
from jobs.effects.pull_request_reads import read_dequeued, read_facts
from jobs.effects.world import World
from jobs.loop.commands import MoveTicket
from jobs.loop.connector_policy import find_missing
from jobs.loop.limit_bounds import LimitBounds, check_limits
from jobs.loop.policy import FILE, RepositoryPolicy, check_runners, read_policy
from jobs.loop.state import AT_WORK, OPEN, RUNNING, Loop, Stage
from jobs.runtime import keys
from jobs.runtime.disk import check_disk
from jobs.runtime.scripts import decode
from jobs.store.connectors import ConnectorStore
from jobs.workflow.bandwidth import is_held
from jobs.workflow.hand_over import has_left_loop
from jobs.workflow.routing import awaits_repository

CALLS = frozenset({Stage.ASKING, Stage.NEEDS_HUMAN})
LOST_TEAM_SECONDS = 300.0
_log = structlog.get_logger(__name__)


def gather(event: Event, world: World, seen: Move | None = None) -> Event | None:
    """The event with the current state; None if there is nothing to decide. Raises `Unavailable`.

    A time in the future, from a provider's clock, counts as now. `seen` is the ticket with its move if it was read
    just now."""
    event = replace(event, at=min(event.at, world.now()))
    match event:
        case TicketMoved():
            if _is_own_move(event, world):
                return None
            moving = replace(event, moving=is_moving(event.ticket_id, world))
            return moving if event.ticket else _read_move(moving, world, seen)
        case TicketEdited():
            return _read_ticket(event, world)
        case TicketRemoved():
            return _read_removal(event, world)
        case TicketCommented() if event.prompt_id:
            return add_state(session_reads.read_prompt(event, world), world)
        case TicketCommented() if event.through:
            return add_state(members.read_call(event, world), world)
        case TicketDelegated():
            return session_reads.read_delegation(event, world)
        case TicketMentioned():
            return session_reads.read_mention(event, world)
        case TicketUndelegated():
            return session_reads.read_undelegation(event, world)
        case TicketCommented():
            return add_state(_read_comment(event, world), world)
        case TicketCommentRemoved():
            return _read_comment_removal(event, world)
        case TicketReacted():
            return _read_reaction(event, world)
        case ReviewSubmitted():
            return _read_review(event, world)
        case PullRequestCommented() if COMMENT_MARK in event.body:
            return None
        case PullRequestCommented():
            return replace(event, author=_look_up_permission(event.author, event.repository, world))
        case BranchPushed():
            return foreign.read_push(event, world)
        case PullRequestMerged() | PullRequestClosed() | PullRequestReopened():
            return foreign.read_end(event, world)
        case TimePassed():
            return read_facts(event, world)
        case PullRequestDequeued():
            return read_dequeued(event, world)
        case PullRequestChanged():
            return foreign.read_change(event, world)
        case RepositoryChanged():
            return foreign.read_repository(event, world)
        case RunFinished() | PersonAsked():
            return replace(event, at=world.now())  # the clock of the agent's host can differ from the tracker's
        case ChecksReported():
            return replace(event, at=world.now())  # a check that has not ended reports no time
        case _:
            return event


def _read_move(event: TicketMoved, world: World, seen: Move | None) -> Event | None:
    """The ticket and who moved it, in one request; a merge that explains the move counts in place of it."""
    try:
        move = seen or world.tracker.fetch_move(event.ticket_id, event.column_id, event.by)
    except NotFound:
        _check_team_is_visible(event.ticket_id, world)
        return _removed(event)
    ticket, loop = move.ticket, world.store.load(event.ticket_id)
    if ticket.trashed:
        return _removed(event)
    if ticket.team not in world.policy.teams and (loop is None or loop.stage not in AT_WORK | OPEN | CALLS):
        _log.warning("ticket ignored: its team is not in LOOPLINE_TEAMS", ticket=ticket.identifier, team=ticket.team)
        return None
    if loop and (merged := _find_merge(event, loop, ticket, world)):
        return merged
    by = _narrow(move.by, world)
    before = event.before_id if event.column_id == ticket.column_id else move.before_id
    cycle = find_cycle(ticket, world) if loop is None or loop.stage is Stage.WAITING else ()
    found = replace(event, ticket=ticket, by=by, before_id=before or move.before_id, cycle=cycle)
    load = workload.read_load_of_new(loop, world) if loop and is_held(loop) else None
    return replace(found, part_of=find_whole(ticket, world), load=load)


def _find_merge(event: TicketMoved, loop: Loop, ticket: Ticket, world: World) -> PullRequestMerged | None:
    """The merge of the pull request of a ticket that left Loopline's columns: the board's own automation is often
    faster than the code host's webhook."""
    number, repository = loop.pull_request.number, loop.workspace.repository
    if not number or loop.stage not in AT_WORK | OPEN or not has_left_loop(loop, world.policy.role_of(ticket)):
        return None
    try:
        now = world.code_host.fetch_pull_request(repository, number)
    except IntegrationError:
        return None  # a stop does not wait for the code host
    if not now.merged:
        return None
    return PullRequestMerged(
        event_id=event.event_id,
        ticket_id=event.ticket_id,
        at=event.at,
        repository=repository,
        number=number,
        branch=loop.workspace.branch,
        head_sha=now.head_sha,
    )


def _removed(event: TicketMoved | TicketEdited) -> TicketRemoved:
    return TicketRemoved(event_id=event.event_id, ticket_id=event.ticket_id, at=event.at)


def _read_ticket(event: TicketEdited, world: World) -> Event | None:
    """The edited ticket; None, without a request, for fields that matter to no decision at this stage."""
    loop = world.store.load(event.ticket_id)
    if event.order_only and (loop is None or not (loop.stage in RUNNING or awaits_repository(loop))):
        return None
    try:
        found = world.tracker.fetch_move(event.ticket_id, "", event.by)
    except NotFound:
        return _removed(event)
    if found.ticket.trashed:
        return _removed(event)
    known = found.ticket.team in world.policy.teams
    return replace(event, ticket=found.ticket, by=_narrow(found.author, world)) if known else None


def _narrow(person: Person | None, world: World) -> Person | None:
    """The person with the permission that the operator's settings leave."""
    return replace(person, may_steer=world.policy.may_start(person)) if person else None


def _check_team_is_visible(ticket_id: TicketId, world: World) -> None:
    """A ticket of a team that Loopline has lost access to is not deleted: raise `Unavailable`, so that its work waits
    for the access and is not cleaned up. `jobs.access` and the sweep report the team."""
    loop = world.store.load(ticket_id)
    if loop and loop.ticket.team:
        try:
            world.tracker.check_columns(loop.ticket.team, ())
        except Unauthorized:
            raise
        except Rejected as error:
            raise Unavailable(f"{loop.identifier} cannot be read: {error}", LOST_TEAM_SECONDS) from error


def _is_own_move(event: TicketMoved, world: World) -> bool:
    """Whether this is the webhook of Loopline's own move, whose event `perform.move_ticket` has returned. The column is
    compared too, because a person can use the same account."""
    if event.by is None or not event.column or event.by.id != world.tracker.viewer().id:
        return False
    return decode(world.redis.get(keys.own_move(event.ticket_id)) or b"") in {event.column, event.column_id}


def _is_by_us(author: Person | None, world: World) -> bool:
    """Whether Loopline wrote this, by the webhook: saves a request."""
    return author is not None and author.id == world.tracker.viewer().id


def is_moving(ticket_id: TicketId, world: World) -> bool:
    """Whether a move of the ticket is still in the outbox, so that its column is not final yet."""
    return any(isinstance(command, MoveTicket) for command in world.store.list_commands(ticket_id, "outer"))


def _read_removal(event: TicketRemoved, world: World) -> Event | None:
    """None if the ticket was restored from the trash meanwhile."""
    try:
        return event if world.tracker.fetch(event.ticket_id).trashed else None
    except NotFound:
        _check_team_is_visible(event.ticket_id, world)
        return event


def _read_comment(event: TicketCommented, world: World) -> TicketCommented | None:
    if _is_by_us(event.author, world):
        return None
    try:
        comment = world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        return None
    if comment.author.is_us:
        return None
    written_at = min(parse_time(comment) or event.at, world.now())
    us, author = world.tracker.viewer(), _narrow(comment.author, world)
    if "/approve" in comment.body.lower() and author and author.may_steer:
        loop = world.store.load(event.ticket_id)
        author = with_login(author, loop.workspace.repository if loop else "", world)
    return replace(
        event,
        body=comment.body,
        author=author,
        at=event.at if event.edited else written_at,
        written_at=written_at,
        parent_id=comment.parent_id,
        names=tuple(filter(None, (us.name, us.handle, us.id))),
    )


def _read_comment_removal(event: TicketCommentRemoved, world: World) -> Event | None:
    """None if the comment is there; a comment that is hidden with its whole team was not deleted."""
    try:
        world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        _check_team_is_visible(event.ticket_id, world)
        return event
    return None


def _read_reaction(event: TicketReacted, world: World) -> Event | None:
    """Only reactions that are still there, on Loopline's comments, by people with permission to control Loopline."""
    if _is_by_us(event.author, world):
        return None
    reacted = event.author.id if event.author else ""
    try:
        comment = world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        return None
    found = [one for one in comment.reactions if (one.author.id, one.emoji) == (reacted, event.emoji)]
    if not comment.author.is_us or not found or not world.policy.may_start(found[0].author):
        return None
    return replace(event, author=found[0].author)


def _read_review(event: ReviewSubmitted, world: World) -> Event | None:
    """One of inline comments alone is read with all others, when the reviews are acted on."""
    if event.state == "commented" and not event.body.strip():
        return event
    if COMMENT_MARK in event.body:
        return None
    reviews = world.code_host.reviews(event.repository, event.number)
    review = next((r for r in reviews if r.id == event.review_id), None)
    if review is None:
        return None
    return replace(
        event,
        state=review.state,
        body=review.body,
        comments=review.comments,
        head_sha=review.head_sha or event.head_sha,
        author=_look_up_permission(event.author, event.repository, world),
    )


def _look_up_permission(author: Person | None, repository: str, world: World) -> Person | None:
    if author is None:
        return None
    return replace(with_name(author, world), may_steer=world.code_host.may_steer(repository, author.id))


def parse_time(written: Comment | Reaction | Prompt) -> float:
    """Unix seconds, 0 if the tracker does not send a valid time."""
    try:
        moment = datetime.fromisoformat(written.created_at)
    except ValueError:
        return 0.0
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


@dataclass(frozen=True)
class Base:
    """The base branch. `branch_sha` is the head of the ticket's branch, `NO_COMMIT` if it does not exist, None if
    not requested."""

    branch: str
    sha: CommitSha
    policy: RepositoryPolicy
    branch_sha: CommitSha | None = None


def find_repository(name: str, host: CodeHost) -> Repository:
    """The repository. Raises `Misconfigured` for one that cannot be written to under this name: writes to the old name
    are not redirected; `Forbidden` when a permission is missing, before any model call is paid for."""
    try:
        found = host.repository(name)
    except NotFound as error:
        raise Misconfigured(f"{error}. Check the repository {name} in LOOPLINE_TEAMS.") from error
    check_repository(found, name)
    if missing := host.find_missing_permissions(found):
        needed = ", ".join(missing)
        raise Forbidden(f"Loopline's account lacks {needed} on {name}: grant it on the code host, then retry.", needed)
    return found


def check_repository(found: Repository, name: str) -> Repository:
    """The repository. Raises `Misconfigured` for one that cannot be written to under this name."""
    if found.name.lower() != name.lower():
        raise Misconfigured(f"The repository {name} is now {found.name}: change it in LOOPLINE_TEAMS.")
    if found.archived:
        raise Misconfigured(f"The repository {name} is archived: unarchive it, or change it in LOOPLINE_TEAMS.")
    return found


def read_base(repository: str, branch: str, world: World, base: str = "") -> Base:
    """Fetch the base branch into the mirror, then read. `branch` is the ticket's; empty to skip it. `base` is the name
    of the base branch, empty for the repository's default.

    Raises `Unavailable`, `Rejected`, and `PolicyError` for an invalid `WORKFLOW.md`."""
    check_disk(world.disk.read(), world.settings, world.redis, begins=False)
    host = world.code_host
    found = find_repository(repository, host)
    mirror = world.mirror(repository, found.clone_url, host.git_credentials(repository))
    name = base or found.default_branch
    if base and base != found.default_branch and not host.branch_head(repository, base):
        raise Rejected(
            f"The branch {base} that the ticket names does not exist in {repository}: correct the ticket, or leave the "
            f"branch out for {found.default_branch}"
        )
    mirror.fetch(name, *filter(None, (branch,)))
    sha = mirror.head(name)
    mirror.check_push_access(sha)
    where = f"{repository} at {name}"
    policy = read_policy(mirror.read(sha, FILE), where)
    check_runners(policy, world.settings.runner_names(), where)
    if policy.loop.connectors:
        offered = {name: one.server for name, one in ConnectorStore(world.redis).read_all().items()}
        policy = replace(policy, notes=(*policy.notes, *find_missing(policy.loop.connectors, offered, repository)))
    settings = world.settings
    most = (settings.max_command_minutes, settings.max_output_megabytes)
    check_limits(policy, LimitBounds(*most, settings.max_change_files, settings.max_change_megabytes), where)
    try:
        branch_sha = mirror.head(branch) if branch else None  # as of the fetch, so that the commit is in the mirror
    except NotFound:
        branch_sha = NO_COMMIT
    if policy.loop.submodules:
        mirror.fetch_submodules(filter(None, (sha, branch_sha)), host.git_credentials)
    if policy.loop.lfs:
        mirror.fetch_large_files(filter(None, (sha, branch_sha)))
    return Base(name, sha, policy, branch_sha)
