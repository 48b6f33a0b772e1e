"""Reads a repository's base branch: its commit and policy, and the head of the ticket's branch.

Called by `jobs.effects.perform` when a workspace is prepared, and by `jobs.recovery.rebuild`.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.errors import NotFound
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.world import World
from jobs.loop.policy import FILE, RepositoryPolicy, check_runners, read_policy


@dataclass(frozen=True)
class Base:
    """The base branch. `branch_sha` is the head of the ticket's branch, `NO_COMMIT` if it does not exist, None if
    not requested."""

    branch: str
    sha: CommitSha
    policy: RepositoryPolicy
    branch_sha: CommitSha | None = None


def read_base(repository: str, branch: str, world: World) -> Base:
    """Fetch into the mirror, then read. `branch` is the ticket's; empty to skip it.

    Raises `Unavailable`, `Rejected`, and `PolicyError` for an invalid `WORKFLOW.md`."""
    host = world.code_host
    found = host.repository(repository)
    mirror = world.mirror(repository, found.clone_url, host.git_credentials(repository))
    mirror.fetch()
    sha = mirror.head(found.default_branch)
    where = f"{repository} at {found.default_branch}"
    policy = read_policy(mirror.read(sha, FILE), where)
    check_runners(policy, world.settings.runners(), where)
    try:
        branch_sha = mirror.head(branch) if branch else None  # as of the fetch, so that the commit is in the mirror
    except NotFound:
        branch_sha = NO_COMMIT
    return Base(found.default_branch, sha, policy, branch_sha)
