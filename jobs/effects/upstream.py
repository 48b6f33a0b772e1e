"""Merges of the base branch in the mirror. Called by `jobs.effects.perform`.

Nothing is pushed: a merge commit exists in the mirror only, and the rules decide what becomes of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from integrations.errors import Rejected
from integrations.events import BaseMerged, Event
from integrations.git.merging import Merge
from integrations.git.mirror import Mirror
from integrations.values import NO_COMMIT, CommitSha
from jobs.loop import commands as c
from jobs.messages.sanitize import Own, sanitize_line

if TYPE_CHECKING:
    from jobs.effects.perform import Context

AUTHOR = "Loopline"
"""Of every commit that Loopline makes."""


def merge_base(command: c.MergeBase, ctx: Context) -> Sequence[Event]:
    """Merge the base branch's commit into the work."""
    mirror = ctx.world.mirror(command.repository)
    found = Merge(NO_COMMIT)
    if not mirror.is_ancestor(command.base_sha, command.head_sha):
        found = _merge(mirror, command, command.head_sha, command.base_sha, int(command.at), ctx)
    return (
        BaseMerged(
            **ctx.build_event_fields(),
            generation=command.generation,
            head_sha=command.head_sha,
            base_sha=command.base_sha,
            merge_sha=found.sha,
            conflicts=found.conflicts,
            commits=found.commits,
        ),
    )


def find_moved_base(command: c.MergePullRequest, ctx: Context) -> Sequence[Event]:
    """The merge result with the base branch as it is now; empty if the result is known to pass, or is the head itself.

    The base branch can still move between this and the merge, which only a merge queue prevents."""
    if not command.base_branch:  # a command of an older release
        return ()
    host, repository = ctx.world.code_host, command.repository
    mirror = ctx.world.mirror(repository, host.repository(repository).clone_url, host.git_credentials(repository))
    mirror.fetch(command.base_branch, *filter(None, (command.branch,)))
    base = mirror.head(command.base_branch)
    if base in command.known_bases or mirror.is_ancestor(base, command.sha):
        return ()
    found = _merge(mirror, command, command.sha, base, int(ctx.world.now()), ctx)
    return (
        BaseMerged(
            **ctx.build_event_fields(base),
            generation=command.generation,
            head_sha=command.sha,
            base_sha=base,
            merge_sha=found.sha,
            conflicts=found.conflicts,
            commits=found.commits,
        ),
    )


def _merge(
    mirror: Mirror,
    command: c.MergeBase | c.MergePullRequest,
    head: CommitSha,
    base: CommitSha,
    when: int,
    ctx: Context,
) -> Merge:
    """The merge, whose submodules and large files the mirror has too, if the policy asks for them."""
    own = Own(ctx.ticket.identifier)
    message = sanitize_line(f"Merge {command.base_branch} ({base[:7]}) into {command.branch}", own)
    found = mirror.merge(head, base, f"{message}\n", AUTHOR, ctx.world.settings.commit_email, when)
    policy = ctx.loop.workflow if ctx.loop else None
    if policy and policy.submodules:
        mirror.fetch_submodules((base, found.sha), ctx.world.code_host.git_credentials)
    if policy and policy.lfs:
        mirror.fetch_large_files((base, found.sha))
    return found


def find_fork(mirror: Mirror, base: CommitSha, branch_sha: CommitSha | None, command: c.PrepareWorkspace) -> CommitSha:
    """The newest commit of the base branch that the work has: a person, or the maker, can have merged it. Empty without
    work, or with work that the mirror lacks.

    Never older than the one that the work has been compared with: a force-pushed base branch adds nothing to it."""
    known = {None, NO_COMMIT, command.pushed_sha, command.head_sha}
    work, before = branch_sha if branch_sha and branch_sha not in known else command.head_sha, command.base_sha
    if not work:
        return NO_COMMIT
    try:
        found = mirror.merge_base(base, work)
        is_older = before and mirror.is_ancestor(before, work) and mirror.is_ancestor(found, before)
    except Rejected:
        return NO_COMMIT
    return before if is_older else found
