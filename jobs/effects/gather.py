"""Refreshes an event before a decision. Called by `jobs.drive`, once per event.

Webhook payloads are only hints: they arrive late, twice, out of order, or from people without permission. The rules get
the current state of tracker and code host. Loopline's own writes are dropped, so that it never triggers itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from integrations.errors import Misconfigured, NotFound
from integrations.events import (
    BranchPushed,
    Event,
    PullRequestClosed,
    PullRequestCommented,
    PullRequestMerged,
    PullRequestReopened,
    ReviewSubmitted,
    RunFinished,
    TicketCommented,
    TicketEdited,
    TicketMoved,
    TicketReacted,
    TicketRemoved,
)
from integrations.ports.code_host import COMMENT_MARK, CodeHost, Repository
from integrations.ports.tracker import Comment, Reaction
from integrations.values import NO_COMMIT, CommitSha, Person, Ticket, TicketId
from jobs.effects.world import World
from jobs.loop.commands import MoveTicket
from jobs.loop.limit_bounds import LimitBounds, check_limits
from jobs.loop.policy import FILE, RepositoryPolicy, check_runners, read_policy
from jobs.runtime import keys
from jobs.runtime.disk import check_disk
from jobs.runtime.scripts import decode

_log = structlog.get_logger(__name__)


def gather(event: Event, world: World, seen: Ticket | None = None) -> Event | None:
    """The event with the current state; None if there is nothing to decide. Raises `Unavailable`.

    A time in the future, from a provider's clock, counts as now. `seen` is the ticket if it was read just now."""
    event = replace(event, at=min(event.at, world.now()))
    match event:
        case TicketMoved():
            if _is_own_move(event, world):
                return None
            moving = replace(event, moving=is_moving(event.ticket_id, world))
            return moving if event.ticket else _read_ticket(moving, world, seen)
        case TicketEdited():
            return _read_ticket(event, world, seen)
        case TicketRemoved():
            return _read_removal(event, world)
        case TicketCommented():
            return _read_comment(event, world)
        case TicketReacted():
            return _read_reaction(event, world)
        case ReviewSubmitted():
            return _read_review(event, world)
        case PullRequestCommented() if COMMENT_MARK in event.body:
            return None
        case PullRequestCommented():
            return replace(event, author=_look_up_permission(event.author, event.repository, world))
        case BranchPushed():
            return _read_push(event, world)
        case PullRequestMerged() | PullRequestClosed() | PullRequestReopened():
            return _read_pull_request(event, world)
        case RunFinished():
            return replace(event, at=world.now())  # the clock of the agent's host can differ from the tracker's
        case _:
            return event


def _read_ticket(event: TicketMoved | TicketEdited, world: World, seen: Ticket | None) -> Event | None:
    try:
        ticket = seen or world.tracker.fetch(event.ticket_id)
    except NotFound:
        ticket = None
    if ticket is None or ticket.trashed:
        return TicketRemoved(event_id=event.event_id, ticket_id=event.ticket_id, at=event.at)
    if ticket.team not in world.policy.teams:
        _log.warning("ticket ignored: its team is not in LOOPLINE_TEAMS", ticket=ticket.identifier, team=ticket.team)
        return None
    return replace(event, ticket=ticket)


def _is_own_move(event: TicketMoved, world: World) -> bool:
    """Whether this is the webhook of Loopline's own move, whose event `perform.move_ticket` has returned. The column is
    compared too, because a person can use the same account."""
    if event.by is None or not event.column or event.by.id != world.tracker.viewer().id:
        return False
    return decode(world.redis.get(keys.own_move(event.ticket_id)) or b"") == event.column


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
        return event


def _read_comment(event: TicketCommented, world: World) -> Event | None:
    if _is_by_us(event.author, world):
        return None
    try:
        comment = world.tracker.fetch_comment(event.comment_id)
    except NotFound:
        return None
    if comment.author.is_us:
        return None
    at = min(parse_time(comment) or event.at, world.now())
    return replace(event, body=comment.body, author=comment.author, at=at)


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
    if not comment.author.is_us or not found or not found[0].author.may_steer:
        return None
    return replace(event, author=found[0].author)


def _read_review(event: ReviewSubmitted, world: World) -> Event | None:
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


def _read_push(event: BranchPushed, world: World) -> Event | None:
    """None if the branch has moved since: the later push has its own event."""
    head = world.code_host.branch_head(event.repository, event.branch) or ""
    return event if event.head_sha == head else None


def _look_up_permission(author: Person | None, repository: str, world: World) -> Person | None:
    if author is None:
        return None
    return replace(author, may_steer=world.code_host.may_steer(repository, author.id))


def _read_pull_request(
    event: PullRequestMerged | PullRequestClosed | PullRequestReopened, world: World
) -> Event | None:
    """The current state of the pull request determines which of the three events it is."""
    now = world.code_host.fetch_pull_request(event.repository, event.number)
    same = {name: getattr(event, name) for name in ("event_id", "ticket_id", "at", "repository", "number", "branch")}
    if now.merged:
        return event if isinstance(event, PullRequestMerged) else PullRequestMerged(**same, head_sha=now.head_sha)
    if now.state == "closed":
        return event if isinstance(event, PullRequestClosed) else PullRequestClosed(**same, head_sha=now.head_sha)
    if not isinstance(event, PullRequestReopened):
        return None
    # The current head can be newer than the event, so earlier approvals do not apply to it.
    return replace(event, head_sha=now.head_sha, at=world.now())


def parse_time(written: Comment | Reaction) -> float:
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
    are not redirected."""
    try:
        found = host.repository(name)
    except NotFound as error:
        raise Misconfigured(f"{error}. Check the repository {name} in LOOPLINE_TEAMS.") from error
    if found.name.lower() != name.lower():
        raise Misconfigured(f"The repository {name} is now {found.name}: change it in LOOPLINE_TEAMS.")
    if found.archived:
        raise Misconfigured(f"The repository {name} is archived: unarchive it, or change it in LOOPLINE_TEAMS.")
    return found


def read_base(repository: str, branch: str, world: World) -> Base:
    """Fetch the base branch into the mirror, then read. `branch` is the ticket's; empty to skip it.

    Raises `Unavailable`, `Rejected`, and `PolicyError` for an invalid `WORKFLOW.md`."""
    check_disk(world.disk.read(), world.settings, world.redis, begins=False)
    host = world.code_host
    found = find_repository(repository, host)
    mirror = world.mirror(repository, found.clone_url, host.git_credentials(repository))
    mirror.fetch(found.default_branch, *filter(None, (branch,)))
    sha = mirror.head(found.default_branch)
    where = f"{repository} at {found.default_branch}"
    policy = read_policy(mirror.read(sha, FILE), where)
    check_runners(policy, world.settings.runner_names(), where)
    settings = world.settings
    most = (settings.max_command_minutes, settings.max_output_megabytes)
    check_limits(policy, LimitBounds(*most, settings.max_change_files, settings.max_change_megabytes), where)
    try:
        branch_sha = mirror.head(branch) if branch else None  # as of the fetch, so that the commit is in the mirror
    except NotFound:
        branch_sha = NO_COMMIT
    if policy.loop.submodules:
        mirror.fetch_submodules(filter(None, (sha, branch_sha)), host.git_credentials)
    return Base(found.default_branch, sha, policy, branch_sha)
