"""Reads branch, pull request and repository behind an event of the code host. Called by `jobs.effects.gather`."""

from __future__ import annotations

from dataclasses import replace

from integrations.errors import IntegrationError, NotFound
from integrations.events import (
    BranchPushed,
    Event,
    PullRequestChanged,
    PullRequestClosed,
    PullRequestMerged,
    PullRequestReopened,
    RepositoryChanged,
)
from integrations.ports.code_host import PullRequest
from jobs.effects.world import World
from jobs.loop.state import AT_WORK, OPEN
from jobs.runtime import keys

End = PullRequestMerged | PullRequestClosed | PullRequestReopened


def read_push(event: BranchPushed, world: World) -> Event | None:
    """None if the branch has moved since: the later push has its own event. A branch is also deleted after a merge.

    A push to the base branch of work in progress is only noted, without a request, and the next one is an event
    again."""
    loop = world.store.load(event.ticket_id)
    if loop and loop.stage in AT_WORK | OPEN and event.branch == loop.workspace.base_branch:
        world.store.watch_base(event.ticket_id, event.repository, event.branch)
        return event
    head = world.code_host.branch_head(event.repository, event.branch) or ""
    if event.head_sha != head:
        return None
    number = loop.pull_request.number if loop and loop.workspace.branch == event.branch else 0
    if head or not number:
        return event
    now = world.code_host.fetch_pull_request(event.repository, number)
    if not now.merged:
        return event
    return PullRequestMerged(
        event_id=event.event_id,
        ticket_id=event.ticket_id,
        at=event.at,
        repository=event.repository,
        number=number,
        branch=event.branch,
        head_sha=now.head_sha,
    )


def read_end(event: End, world: World) -> Event | None:
    """The current state of the pull request determines which of the three events it is."""
    now = world.code_host.fetch_pull_request(event.repository, event.number)
    same = {name: getattr(event, name) for name in ("event_id", "ticket_id", "at", "repository", "number", "branch")}
    if now.merged or (now.state == "closed" and _is_in_base(event, now, world)):
        return event if isinstance(event, PullRequestMerged) else PullRequestMerged(**same, head_sha=now.head_sha)
    if now.state == "closed":
        lost = "" if world.code_host.branch_head(event.repository, now.base) else now.base
        return PullRequestClosed(**same, head_sha=now.head_sha, by="" if lost else event.by, lost_base=lost)
    if not isinstance(event, PullRequestReopened):
        return None
    # The current head can be newer than the event, so earlier approvals do not apply to it.
    return replace(event, head_sha=now.head_sha, at=world.now())


def _is_in_base(event: End, now: PullRequest, world: World) -> bool:
    """Whether the base branch contains the head of a closed pull request: its commits were merged elsewhere."""
    host = world.code_host
    try:
        url, credentials = host.repository(event.repository).clone_url, host.git_credentials(event.repository)
        mirror = world.mirror(event.repository, url, credentials)
        mirror.fetch(now.base)
        return mirror.is_ancestor(now.head_sha, mirror.head(now.base))
    except IntegrationError:
        return False


def read_change(event: PullRequestChanged, world: World) -> Event | None:
    """The present title, base branch and lock."""
    now = world.code_host.fetch_pull_request(event.repository, event.number)
    if now.state != "open":
        return None
    loop = world.store.load(event.ticket_id)
    known = loop.workspace.base_branch if loop else ""
    renamed = bool(known) and known != now.base and not world.code_host.branch_head(event.repository, known)
    is_draft = now.draft
    if loop and world.store.list_commands(event.ticket_id, "outer"):  # a change of Loopline's own can be among them
        is_draft = loop.pull_request.draft
    present = replace(event, title=now.title, base=now.base, is_base_renamed=renamed)
    return replace(present, is_draft=is_draft, is_locked=now.locked)


def read_repository(event: RepositoryChanged, world: World) -> Event | None:
    """The repository's present name and state; the webhooks of a renamed one lead to its tickets."""
    loop = world.store.load(event.ticket_id)
    if loop is None:
        return None
    try:
        found = world.code_host.repository(loop.workspace.repository)
    except NotFound:
        return replace(event, name="")
    if loop.workspace.branch:
        world.redis.set(keys.branch(found.name, loop.workspace.branch), loop.ticket.id)
    if loop.pull_request.number:
        world.redis.set(keys.pull_request(found.name, loop.pull_request.number), loop.ticket.id)
    return replace(event, name=found.name, is_archived=found.archived)
