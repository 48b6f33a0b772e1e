"""Reads a repository's base branch: its commit, the policy there, and where the ticket's branch is.

Called by `jobs.effects.perform` when a workspace is prepared, and by `jobs.recovery.rebuild`.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.errors import NotFound
from integrations.git.mirror import Mirror
from integrations.values import NO_COMMIT, CommitSha
from jobs.effects.world import World
from jobs.loop.policy import FILE, RepositoryPolicy, check_runners, read_policy


@dataclass(frozen=True)
class Base:
    """The base branch now. `branch_sha` is the head of the ticket's branch, `NO_COMMIT` where there is no such branch,
    None where it was not asked for."""

    branch: str
    sha: CommitSha
    policy: RepositoryPolicy
    branch_sha: CommitSha | None = None


def read_base(repository: str, branch: str, world: World) -> Base:
    """Fetch into the mirror, then read; `branch` is the ticket's, empty to leave it out.

    Raises `Unavailable`, `Rejected`, and `PolicyError` where `WORKFLOW.md` cannot be used."""
    host = world.code_host
    found = host.repository(repository)
    mirror = world.mirror(repository, found.clone_url, host.git_credentials(repository))
    mirror.fetch()
    sha = mirror.head(found.default_branch)
    where = f"{repository} at {found.default_branch}"
    policy = read_policy(mirror.read(sha, FILE), where)
    check_runners(policy, world.settings.runners(), where)
    return Base(found.default_branch, sha, policy, _head(mirror, branch) if branch else None)


def _head(mirror: Mirror, branch: str) -> CommitSha:
    """As of the fetch, so that the commit is in the mirror."""
    try:
        return mirror.head(branch)
    except NotFound:
        return NO_COMMIT
